"""Executions and cash movements: the facts the books are made of."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from aster_operator.domain.enums import LiquidityRole, OrderType, PositionSide, Side
from aster_operator.domain.pairing import Market, market_of, venue_symbol

__all__ = ["Fill", "IncomeRow", "settled_cash"]

_TOLD_BY_FILLS = frozenset({"REALIZED_PNL", "COMMISSION"})
_MOVED = ("TRANSFER", "DEPOSIT", "WITHDRAW", "BONUS", "EXCHANGE")
"""Words in the names of rows that move money in or out, or from one asset to another."""


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One trade of ours. `commission` is what was paid (negative for a rebate) in `commission_asset`;
    `realized_pnl` is before commission. Identity: (symbol, trade_id)."""

    symbol: str
    trade_id: int
    order_id: int
    client_order_id: str
    side: Side
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    realized_pnl: Decimal
    commission: Decimal
    commission_asset: str
    role: LiquidityRole
    event_ms: int
    order_type: OrderType = OrderType.MARKET

    @property
    def notional(self) -> Decimal:
        return self.price * self.quantity

    @property
    def is_paid_in_base(self) -> bool:
        """True when the commission was taken out of the coins bought, as spot markets do."""
        is_spot = market_of(self.symbol) is Market.SPOT
        return is_spot and venue_symbol(self.symbol).startswith(self.commission_asset)

    @property
    def commission_value(self) -> Decimal:
        """The commission in quote units; coins count at the price of the trade."""
        return self.commission * self.price if self.is_paid_in_base else self.commission


class IncomeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One settled row of the venue's income history. `income` is signed: negative was paid."""

    transaction_id: str
    symbol: str
    income_type: str
    income: Decimal
    asset: str
    time_ms: int
    trade_id: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """One transaction id may stand for several rows, so the kind, asset and symbol belong to it."""
        return self.transaction_id, self.income_type, self.asset, self.symbol

    @property
    def repeats_a_fill(self) -> bool:
        """True for what the trade itself has told already: its realised PnL and its commission."""
        return self.income_type in _TOLD_BY_FILLS

    @property
    def is_funding(self) -> bool:
        return self.income_type == "FUNDING_FEE"

    @property
    def moves_money(self) -> bool:
        """True for transfers and the like, which are neither gain nor loss."""
        return any(word in self.income_type for word in _MOVED)


def settled_cash(rows: Iterable[IncomeRow]) -> list[IncomeRow]:
    """The rows that change the wallet beside trades: funding, the fee of a liquidation, rebates, transfers,
    and whatever the venue may add tomorrow."""
    return [row for row in rows if not row.repeats_a_fill]
