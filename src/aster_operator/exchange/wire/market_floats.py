"""Market messages for analytics: the same frames as `streams`, numbers as float64, nothing else.

For caches, recorders and research that follow many symbols at once. Orders and books use the exact records.
Numbers that are not finite, negative where they cannot be, or too large to be kept, and times after the year
9999, which are none in milliseconds, are refused while decoding. `received_ns` is
our time of receipt, written by who decodes; treat everything else as read-only.
"""

from typing import Annotated

import msgspec

__all__ = [
    "AggregateTradeTick",
    "BookTick",
    "DepthTick",
    "FloatFrame",
    "FloatMessage",
    "KlineTick",
    "KlineTickPayload",
    "LiquidationTick",
    "LiquidationTickOrder",
    "MarkPriceTick",
]

_HUGE = 1e300
Amount = Annotated[float, msgspec.Meta(ge=0, le=_HUGE)]
Signed = Annotated[float, msgspec.Meta(ge=-_HUGE, le=_HUGE)]
Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
TimeMs = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799_999)]


class BookTick(
    msgspec.Struct,
    tag_field="e",
    tag="bookTicker",
    gc=False,
    rename={
        "update_id": "u",
        "event_ms": "E",
        "transaction_ms": "T",
        "symbol": "s",
        "bid": "b",
        "bid_quantity": "B",
        "ask": "a",
        "ask_quantity": "A",
    },
):
    """Best bid and ask."""

    update_id: Whole
    event_ms: TimeMs
    transaction_ms: TimeMs
    symbol: str
    bid: Amount
    bid_quantity: Amount
    ask: Amount
    ask_quantity: Amount
    received_ns: int = 0


class AggregateTradeTick(
    msgspec.Struct,
    tag_field="e",
    tag="aggTrade",
    gc=False,
    rename={
        "event_ms": "E",
        "symbol": "s",
        "trade_id": "a",
        "price": "p",
        "quantity": "q",
        "first_trade_id": "f",
        "last_trade_id": "l",
        "trade_ms": "T",
        "is_buyer_maker": "m",
    },
):
    """An aggregate trade; `is_buyer_maker` means that the seller was the aggressor."""

    event_ms: TimeMs
    symbol: str
    trade_id: Whole
    price: Amount
    quantity: Amount
    first_trade_id: Whole
    last_trade_id: Whole
    trade_ms: TimeMs
    is_buyer_maker: bool
    received_ns: int = 0


class MarkPriceTick(
    msgspec.Struct,
    tag_field="e",
    tag="markPriceUpdate",
    gc=False,
    rename={
        "event_ms": "E",
        "symbol": "s",
        "mark": "p",
        "index": "i",
        "funding_rate": "r",
        "next_funding_ms": "T",
        "estimated_settle": "P",
    },
):
    """Mark and index price; `funding_rate` is a fraction per interval."""

    event_ms: TimeMs
    symbol: str
    mark: Amount
    index: Amount
    funding_rate: Signed
    next_funding_ms: TimeMs
    received_ns: int = 0
    estimated_settle: Amount | None = None


class KlineTickPayload(
    msgspec.Struct,
    gc=False,
    rename={
        "open_ms": "t",
        "close_ms": "T",
        "symbol": "s",
        "interval": "i",
        "open": "o",
        "close": "c",
        "high": "h",
        "low": "l",
        "base_volume": "v",
        "trades": "n",
        "is_closed": "x",
        "quote_volume": "q",
        "taker_buy_base_volume": "V",
        "taker_buy_quote_volume": "Q",
        "first_trade_id": "f",
        "last_trade_id": "L",
    },
):
    """One bar, running or closed; trade ids are -1 in a bar without trades."""

    open_ms: TimeMs
    close_ms: TimeMs
    symbol: str
    interval: str
    open: Amount
    close: Amount
    high: Amount
    low: Amount
    base_volume: Amount
    trades: Whole
    is_closed: bool
    quote_volume: Amount
    taker_buy_base_volume: Amount
    taker_buy_quote_volume: Amount
    received_ns: int = 0
    first_trade_id: Whole = -1
    last_trade_id: Whole = -1


class KlineTick(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="kline",
    gc=False,
    rename={"event_ms": "E", "symbol": "s", "kline": "k"},
):
    event_ms: TimeMs
    symbol: str
    kline: KlineTickPayload


Levels = tuple[tuple[Amount, Amount], ...]


class DepthTick(
    msgspec.Struct,
    tag_field="e",
    tag="depthUpdate",
    gc=False,
    rename={
        "event_ms": "E",
        "transaction_ms": "T",
        "symbol": "s",
        "first_update_id": "U",
        "last_update_id": "u",
        "previous_update_id": "pu",
        "bids": "b",
        "asks": "a",
    },
):
    """(price, quantity) levels, best first: the top of the book, or on `@depth` streams what changed."""

    event_ms: TimeMs
    symbol: str
    first_update_id: Whole
    last_update_id: Whole
    bids: Levels
    asks: Levels
    transaction_ms: TimeMs | None = None
    previous_update_id: Whole | None = None
    received_ns: int = 0


class LiquidationTickOrder(
    msgspec.Struct,
    frozen=True,
    gc=False,
    rename={
        "symbol": "s",
        "side": "S",
        "order_type": "o",
        "time_in_force": "f",
        "quantity": "q",
        "price": "p",
        "average_price": "ap",
        "status": "X",
        "last_filled_quantity": "l",
        "filled_quantity": "z",
        "trade_ms": "T",
    },
):
    """The order that closes somebody's position by force."""

    symbol: str
    side: str
    order_type: str
    time_in_force: str
    quantity: Amount
    price: Amount
    average_price: Amount
    status: str
    last_filled_quantity: Amount
    filled_quantity: Amount
    trade_ms: TimeMs


class LiquidationTick(
    msgspec.Struct, tag_field="e", tag="forceOrder", gc=False, rename={"event_ms": "E", "order": "o"}
):
    event_ms: TimeMs
    order: LiquidationTickOrder
    received_ns: int = 0


FloatMessage = BookTick | AggregateTradeTick | MarkPriceTick | KlineTick | DepthTick | LiquidationTick


class FloatFrame(msgspec.Struct, gc=False):
    """A combined frame; `data` None for control answers."""

    stream: str = ""
    data: FloatMessage | list[FloatMessage] | None = None
