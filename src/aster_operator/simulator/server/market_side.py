"""One product of the exchange as its streams see it: the perpetuals, or the spot markets beside them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aster_operator.simulator.api import BookView, ExchangeApi
from aster_operator.simulator.model import ContractSpec, ExchangeEvent, KlineRecord, MarkEvent, TradeEvent
from aster_operator.simulator.server import refusals
from aster_operator.simulator.spot import SpotExchange

__all__ = ["MarketSide", "SpotSide"]


class MarketSide(Protocol):
    """What market streams need; `ExchangeApi` is one, `SpotSide` the other. Units as in `ExchangeApi`."""

    @property
    def now_ms(self) -> int: ...

    def contracts(self) -> Mapping[str, ContractSpec]: ...

    def book(self, symbol: str, levels: int) -> BookView: ...

    def recent_trades(self, symbol: str, limit: int) -> Sequence[TradeEvent]: ...

    def klines(
        self, symbol: str, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
    ) -> Sequence[KlineRecord]: ...

    def mark(self, symbol: str) -> MarkEvent: ...

    def subscribe(self, listener: Callable[[ExchangeEvent], None]) -> Callable[[], None]: ...


class SpotSide:
    """The spot markets, in the market time of their exchange."""

    def __init__(self, exchange: ExchangeApi, spot: SpotExchange) -> None:
        self._exchange = exchange
        self.contracts = spot.contracts
        self.book = spot.book
        self.recent_trades = spot.recent_trades
        self.klines = spot.klines
        self.subscribe = spot.subscribe

    @property
    def now_ms(self) -> int:
        return self._exchange.now_ms

    def mark(self, symbol: str) -> MarkEvent:  # noqa: ARG002 - the name is the seam's
        """Raises VenueRefusal(-1020): a spot market has no mark price."""
        raise refusals.unsupported_operation()
