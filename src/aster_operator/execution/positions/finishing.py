"""The end of a position: its rows once the last fill is known, its cooldown, and forgetting it."""

import msgspec

from aster_operator.domain.closed_trades import ExitReason
from aster_operator.domain.commands import NotifyLevel, RecordTrade, Remember, RequestFills
from aster_operator.domain.money import plain_text, usd_text
from aster_operator.domain.orders import Rejected
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.positions.book import PositionBook
from aster_operator.execution.positions.guards import Guards
from aster_operator.execution.positions.lifecycle import closed_trade, position_closed, position_opened
from aster_operator.execution.positions.position import ManagedPosition, PositionPhase
from aster_operator.execution.positions.settings import PositionDeskSettings

__all__ = ["Finisher"]

_ASK_FOR_FILLS_MS = 1_000
_WAIT_FOR_FILLS_MS = 15_000
_NEVER_ARRIVED = -2013
_DOUBT_MS = 900_000
"""For so long an entry that the venue never spoke of may still turn up, and is remembered."""


class Finisher:
    """Writes positions down when they open and when they are over."""

    def __init__(
        self, state: CoreState, settings: PositionDeskSettings, book: PositionBook, guards: Guards
    ) -> None:
        self._state = state
        self._settings = settings
        self._book = book
        self._guards = guards
        self._recorded: dict[str, tuple[object, object]] = {}
        self._asked_for_fills: set[str] = set()
        self._doubtful: list[tuple[int, ManagedPosition]] = []

    def record_open(self) -> None:
        """Bring the rows of what is held up to date: size and entry price, when they changed."""
        for position in self._book.active():
            if position.held > 0 and position.entry_price > 0:
                self._record_open(position)

    def _record_open(self, position: ManagedPosition) -> None:
        row = position_opened(position, self._settings.sizing.leverage, self._state.now_ms)
        grown = (row.quantity, row.entry_price)
        previous = self._recorded.get(position.position_ref)
        if previous is None:
            self._state.notify(
                NotifyLevel.INFO,
                f"{position.symbol} {row.position_side} open: {plain_text(position.held)} at "
                f"{plain_text(position.entry_price)}",
            )
        if previous is None or (previous != grown and position.books.closed_quantity == 0):
            self._recorded[position.position_ref] = grown
            self._state.emit(row)

    def settle(self, position: ManagedPosition, *, orders_gone: bool) -> None:
        """Finish a flat position as soon as nothing of it lives and its fills are known."""
        if not orders_gone:
            return
        if position.filled_ms is None and not position.books.opened_quantity:
            self._end_unfilled(position)
            return
        if not position.books.is_complete or not position.books.opened_quantity:
            waited_ms = self._state.now_ms - (position.settling_since_ms or self._state.now_ms)
            if waited_ms >= _ASK_FOR_FILLS_MS or position.resumed:
                self.ask_for_fills(position)
            if waited_ms < _WAIT_FOR_FILLS_MS:
                return
        self._finish(position)

    def _end_unfilled(self, position: ManagedPosition) -> None:
        """Nothing was filled, as far as is known: only what the venue itself has reported is certain."""
        entry = self._state.tracker.get(position.entry.client_order_id)
        if entry is not None and isinstance(entry.state, Rejected) and entry.state.code != _NEVER_ARRIVED:
            self._forget(position)
            return
        if entry is not None and not entry.reported:
            self._state.notify(NotifyLevel.WARNING, f"{position.symbol}: the entry never arrived, it seems")
            self._doubtful.append((self._state.now_ms + _DOUBT_MS, position))
            self._book.remember_unfilled(position)
            position.phase = PositionPhase.ENTERING
            text = msgspec.json.encode(position.memory()).decode()
            position.phase = PositionPhase.SETTLING
            self._forget(position, text)
            return
        self._state.notify(NotifyLevel.INFO, f"{position.symbol}: the entry found nothing at its price")
        self._forget(position)

    def end_doubts(self) -> None:
        """Forget for good what has not turned up in a quarter of an hour."""
        while self._doubtful and self._doubtful[0][0] <= self._state.now_ms:
            _, position = self._doubtful.pop(0)
            self._book.forget_unfilled(position)
            if self._book.positions.get(position.symbol) is not position:
                self._remember(position, None)

    def ask_for_fills(self, position: ManagedPosition) -> None:
        """Once: the venue's own list of what was traded since the decision."""
        if position.position_ref not in self._asked_for_fills:
            self._asked_for_fills.add(position.position_ref)
            self._state.emit(
                RequestFills(
                    at_ms=self._state.now_ms,
                    symbol=position.symbol,
                    since_ms=position.decided_ms,
                    reason=f"the fills of {position.position_ref} are not all known",
                )
            )

    def _finish(self, position: ManagedPosition) -> None:
        state, now_ms = self._state, self._state.now_ms
        if position.reason is None:
            position.reason = ExitReason.VENUE
            position.detail = position.detail or "closed while nobody here ordered it"
        trade = closed_trade(position, self._book.watches.get(position.symbol))
        if position.position_ref not in self._recorded:
            # Known of a crash: the row of its opening may never have been written.
            state.emit(position_opened(position, self._settings.sizing.leverage, now_ms))
        state.emit(position_closed(position, trade, now_ms))
        state.emit(RecordTrade(at_ms=now_ms, trade=trade))
        self._guards.take_trade(position.symbol, trade.net_pnl_usd, now_ms)
        net = "PnL not known" if trade.net_pnl_usd is None else usd_text(trade.net_pnl_usd, 4, signed=True)
        state.notify(NotifyLevel.INFO, f"{position.symbol} closed: {trade.reason}, {net}")
        self._forget(position)

    def _forget(self, position: ManagedPosition, remembered: str | None = None) -> None:
        self._book.remove(position)
        self._recorded.pop(position.position_ref, None)
        self._asked_for_fills.discard(position.position_ref)
        self._remember(position, remembered)

    def _remember(self, position: ManagedPosition, text: str | None) -> None:
        self._state.emit(
            Remember(
                at_ms=self._state.now_ms,
                strategy=position.strategy,
                key=position.position_ref,
                state=text,
            )
        )
