"""What anybody may read of the markets of one state, perpetual or spot: books, trades, bars and events."""

from collections.abc import Callable, Mapping, Sequence

from aster_operator.simulator.api import BookView
from aster_operator.simulator.model import ContractSpec, ExchangeEvent, KlineRecord, TradeEvent
from aster_operator.simulator.state import ExchangeState

__all__ = ["MarketReads"]


class MarketReads:
    """The public side of an exchange. See `ExchangeApi` for the meaning of each method."""

    def __init__(self, state: ExchangeState) -> None:
        self._state = state

    def subscribe(self, listener: Callable[[ExchangeEvent], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on; the unsubscriber returned may be called twice."""
        self._state.listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._state.listeners:
                self._state.listeners.remove(listener)

        return unsubscribe

    def contracts(self) -> Mapping[str, ContractSpec]:
        return self._state.specs

    def book(self, symbol: str, levels: int) -> BookView:
        market = self._state.market(symbol)
        bids, asks = market.book.levels(levels)
        return BookView(market.spec, market.book.update_id, bids, asks, market.last_book_ms)

    def recent_trades(self, symbol: str, limit: int) -> Sequence[TradeEvent]:
        trades = self._state.market(symbol).recent_trades
        return list(trades)[-limit:] if limit > 0 else []

    def klines(
        self, symbol: str, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
    ) -> Sequence[KlineRecord]:
        return self._state.market(symbol).bars.bars(interval_ms, start_ms, end_ms, limit)
