"""What the market shows: bars, quotes, marks, trades, depth.

Every value carries two times: `event_ms` (the venue's) and `received_ns` (ours). Prices are Decimal
because orders are derived from them; analytics convert to float64 at their own border.
"""

from decimal import Decimal
from typing import Final

import msgspec

from aster_operator.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from aster_operator.domain.enums import Side

__all__ = ["INTERVAL_MS", "Bar", "BookLevel", "DepthSnapshot", "MarkPrice", "MarketTrade", "Quote"]

INTERVAL_MS: Final[dict[str, int]] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
}
"""Length of each kline interval that has a fixed one; months (`1M`) have none."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One kline. `close_ms` is the last millisecond that belongs to the bar."""

    symbol: str
    interval: str
    open_ms: int
    close_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    base_volume: Decimal
    quote_volume: Decimal
    trades: int
    taker_buy_base_volume: Decimal
    taker_buy_quote_volume: Decimal
    is_closed: bool


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Best bid and ask."""

    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    event_ms: int
    received_ns: int

    @property
    def is_two_sided(self) -> bool:
        """False while one side of the book is empty, which the venue prints as a price of zero."""
        return self.bid > 0 and self.ask > 0

    @property
    def mid(self) -> Decimal:
        return (self.bid + self.ask) / 2

    @property
    def spread_bps(self) -> Decimal:
        return (self.ask - self.bid) / self.mid * 10_000

    def touch(self, side: Side, *, passive: bool) -> Decimal:
        """Best price on the own side (`passive`) or on the opposite side for an order of `side`."""
        own_is_bid = side is Side.BUY
        return self.bid if own_is_bid == passive else self.ask


class MarkPrice(msgspec.Struct, frozen=True, kw_only=True):
    """Mark and index price with the coming funding. `funding_rate` is a fraction per interval."""

    symbol: str
    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    event_ms: int
    received_ns: int


class MarketTrade(msgspec.Struct, frozen=True, kw_only=True):
    """An aggregate trade. `taker_side` is the side of the aggressor."""

    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    taker_side: Side
    event_ms: int
    received_ns: int


class BookLevel(msgspec.Struct, frozen=True, array_like=True):
    price: Decimal
    quantity: Decimal


class DepthSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Top levels of the book, best first."""

    symbol: str
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    update_id: int
    event_ms: int
    received_ns: int
