"""Books in memory, for runs that die with their process: comparisons and replays. Facts count once."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from aster_operator.domain.closed_trades import ClosedTrade
from aster_operator.domain.commands import (
    RecordDecision,
    RecordPositionClosed,
    RecordPositionOpened,
    RecordTrade,
    Remember,
)
from aster_operator.domain.events import OrderChanged
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.orders import NewOrder
from aster_operator.domain.spot_wallets import SpotWallets

__all__ = ["LedgerVerdict", "MemoryBooks"]

LedgerVerdict = Callable[
    [
        Sequence[Fill],
        Sequence[Fill],
        Sequence[IncomeRow],
        Sequence[IncomeRow],
        tuple[Decimal, Decimal],
        SpotWallets | None,
    ],
    str,
]
"""Own and venue fills, own and venue income, (opening, closing) wallet, the spot wallet likewise where spot
is traded, to "match" or "mismatch"."""


class MemoryBooks:
    """Implements `SessionBooks`. `memory` is what the next session on the same exchange would know."""

    def __init__(self) -> None:
        self.orders: list[NewOrder] = []
        self.fills: dict[tuple[str, int], Fill] = {}
        self.income: dict[tuple[str, ...], IncomeRow] = {}
        self.opened: dict[str, RecordPositionOpened] = {}
        self.closed: dict[str, RecordPositionClosed] = {}
        self.decisions: list[RecordDecision] = []
        self.trades: list[ClosedTrade] = []
        self.memory: dict[tuple[str, str], str] = {}

    def record_order_intent(self, order: NewOrder, at_ms: int) -> None:  # noqa: ARG002 (the protocol's)
        self.orders.append(order)

    def record_order_report(self, event: OrderChanged) -> None:
        """Nothing to keep: the core holds every state."""

    def record_fill(self, fill: Fill) -> None:
        self.fills.setdefault((fill.symbol, fill.trade_id), fill)

    def record_income(self, row: IncomeRow) -> None:
        self.income.setdefault(row.identity, row)

    def record_position_opened(self, command: RecordPositionOpened) -> None:
        self.opened[command.position_ref] = command

    def record_position_closed(self, command: RecordPositionClosed) -> None:
        self.closed[command.position_ref] = command

    def record_decision(self, command: RecordDecision) -> None:
        self.decisions.append(command)

    def record_trade(self, command: RecordTrade) -> None:
        self.trades.append(command.trade)

    def remember(self, command: Remember) -> None:
        key = (command.strategy, command.key)
        if command.state is None:
            self.memory.pop(key, None)
        else:
            self.memory[key] = command.state
