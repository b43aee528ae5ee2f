"""What the operator needs of a venue. `AsterClient` implements it; another DEX may.

All methods are coroutines and speak in domain values. Failures are `ExchangeError`s
(`aster_operator.exchange.errors`): a definite refusal carries the venue's code, an unclear one is
`UnknownOutcome`, which the caller must resolve by `query_order`, never by sending again.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from aster_operator.domain.enums import MarginType, PositionSide, Side
from aster_operator.domain.events import (
    AccountChanged,
    BarUpdated,
    DepthUpdated,
    FeedStatusChanged,
    LeverageChanged,
    MarkUpdated,
    OrderChanged,
    QuoteUpdated,
    SpotBalancesChanged,
    TradePrinted,
)
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Bar, MarkPrice, Quote
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.positions import AccountSnapshot, PositionReport

__all__ = [
    "ClockOffset",
    "DeleveragingQueue",
    "EntryWithExits",
    "EventStream",
    "ExchangeClient",
    "MarketChannel",
    "RequestBudget",
    "RequestUse",
    "StreamEvent",
]

StreamEvent = (
    QuoteUpdated
    | MarkUpdated
    | BarUpdated
    | TradePrinted
    | DepthUpdated
    | OrderChanged
    | AccountChanged
    | SpotBalancesChanged
    | LeverageChanged
    | FeedStatusChanged
)


class ClockOffset(msgspec.Struct, frozen=True, kw_only=True):
    """Server time minus local time, and half the best round trip as its uncertainty. Milliseconds."""

    offset_ms: float
    uncertainty_ms: float


class MarketChannel(msgspec.Struct, frozen=True, kw_only=True):
    """Which market streams of a symbol to follow."""

    symbol: str
    quotes: bool = True
    marks: bool = True
    bars: bool = True
    trades: bool = False
    depth: bool = False
    depth_levels: int = 5
    """Of each side: 5, 10 or 20."""


class EventStream(Protocol):
    """A connected, self-healing stream that delivers events to its callback, in arrival order.

    A loss is announced by FeedStatusChanged(healthy=False) and its repair by healthy=True.
    """

    async def fence(self) -> None:
        """Return when everything the venue had sent before this call has been delivered."""

    async def close(self) -> None: ...


@runtime_checkable
class ExchangeClient(Protocol):
    """One venue for one account. `aster_operator.exchange.conformance` checks an implementation."""

    # The four names of the first source system: the minimum another venue offers to a strategy.
    async def place_market_order(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        position_side: PositionSide = PositionSide.BOTH,
        *,
        client_order_id: str | None = None,
        reduce_only: bool = False,
    ) -> OrderReport: ...

    async def get_position_risk(self, symbol: str | None = None) -> list[PositionReport]: ...

    async def get_mark_price(self, symbol: str) -> Decimal: ...

    async def close_position(
        self, symbol: str, position_side: PositionSide = PositionSide.BOTH
    ) -> OrderReport | None:
        """Close the whole position at market; None when there was none."""

    # What the session loop needs besides.
    async def instruments(self) -> dict[str, Instrument]: ...

    async def place_order(self, order: NewOrder) -> OrderReport: ...

    async def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport: ...

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport: ...

    async def open_orders(self, symbol: str | None = None) -> list[OrderReport]: ...

    async def account_snapshot(self) -> AccountSnapshot: ...

    async def is_hedge_mode(self) -> bool: ...

    async def set_hedge_mode(self, enabled: bool) -> None:
        """Idempotent: already being in the mode is success."""

    async def set_leverage(self, symbol: str, leverage: int) -> int:
        """Return the leverage the venue confirms."""

    async def set_margin_type(self, symbol: str, margin_type: MarginType) -> None:
        """Idempotent: already having the type is success."""

    async def fee_rates(self, symbol: str) -> FeeRates: ...

    async def quote(self, symbol: str) -> Quote: ...

    async def mark_price(self, symbol: str) -> MarkPrice: ...

    async def bars(
        self,
        symbol: str,
        interval: str = "1m",
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[Bar]:
        """Klines of last prices, oldest first; the newest may be running. Without `start_ms` the newest."""

    async def fills(self, symbol: str, start_ms: int, end_ms: int | None = None) -> list[Fill]:
        """All own trades of the span, oldest first, every page fetched, no duplicates."""

    async def income_rows(
        self, start_ms: int, end_ms: int | None = None, income_type: str | None = None
    ) -> list[IncomeRow]:
        """All income rows of the span, oldest first, every page fetched, no duplicates."""

    async def measure_clock(self, samples: int = 5) -> ClockOffset:
        """Measure the offset and use it for all later stamps and nonces."""

    async def open_market_stream(
        self, channels: Sequence[MarketChannel], on_event: Callable[[StreamEvent], None]
    ) -> EventStream: ...

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> EventStream: ...

    async def close(self) -> None: ...


class RequestUse(NamedTuple):
    """Request weight and orders of the running minute, and the venue's limits on them."""

    weight_used: int
    weight_limit: int
    orders_used: int
    orders_limit: int


@runtime_checkable
class RequestBudget(Protocol):
    """What a client may offer besides: how much of the venue's request limits is used."""

    def request_use(self) -> RequestUse: ...


@runtime_checkable
class EntryWithExits(Protocol):
    """What a client may offer besides: an entry and its two exits in one request."""

    @property
    def takes_exits_with_entry(self) -> bool:
        """Whether this account's keys may do so."""

    async def place_entry_with_exits(self, entry: NewOrder, exits: tuple[NewOrder, NewOrder]) -> OrderReport:
        """The venue rests both exits with the entry's first fill; the first to fill cancels the other. The
        entry may be neither IOC nor FOK. Returns the entry's report."""


@runtime_checkable
class DeleveragingQueue(Protocol):
    """What a client may offer besides: a venue without auto-deleveraging has nothing to say here."""

    async def adl_quantiles(self) -> dict[tuple[str, PositionSide], int]:
        """Place of each position in the queue for auto-deleveraging: 0 far, 4 next."""
