"""Frames of the market streams (protocol reference, sections 6.1 and 6.2).

Every socket is opened on the combined path, so that each frame names its stream; the whole frame decodes in
one pass, the payload as the member of a union that its `e` names.
"""

from decimal import Decimal

import msgspec

from aster_operator.exchange.wire.market import LevelRecord

__all__ = [
    "AggregateTradeMessage",
    "BookTickerMessage",
    "DepthMessage",
    "ForceOrderMessage",
    "KlineMessage",
    "KlinePayload",
    "LiquidationPayload",
    "MarkPriceMessage",
    "MarketFrame",
    "MarketMessage",
    "MiniTickerMessage",
    "TickerMessage",
    "TradeProMessage",
]


class BookTickerMessage(
    msgspec.Struct,
    frozen=True,
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
    update_id: int
    event_ms: int
    transaction_ms: int
    symbol: str
    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal


class AggregateTradeMessage(
    msgspec.Struct,
    frozen=True,
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
    event_ms: int
    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    first_trade_id: int
    last_trade_id: int
    trade_ms: int
    is_buyer_maker: bool


class MarkPriceMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="markPriceUpdate",
    gc=False,
    rename={
        "event_ms": "E",
        "symbol": "s",
        "mark": "p",
        "index": "i",
        "estimated_settle": "P",
        "funding_rate": "r",
        "next_funding_ms": "T",
    },
):
    event_ms: int
    symbol: str
    mark: Decimal
    index: Decimal
    funding_rate: Decimal
    next_funding_ms: int
    estimated_settle: Decimal | None = None


class KlinePayload(
    msgspec.Struct,
    frozen=True,
    rename={
        "open_ms": "t",
        "close_ms": "T",
        "symbol": "s",
        "interval": "i",
        "first_trade_id": "f",
        "last_trade_id": "L",
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
    },
):
    open_ms: int
    close_ms: int
    symbol: str
    interval: str
    open: Decimal
    close: Decimal
    high: Decimal
    low: Decimal
    base_volume: Decimal
    trades: int
    is_closed: bool
    quote_volume: Decimal
    taker_buy_base_volume: Decimal
    taker_buy_quote_volume: Decimal
    first_trade_id: int = -1
    last_trade_id: int = -1


class KlineMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="kline",
    rename={"event_ms": "E", "symbol": "s", "kline": "k"},
):
    event_ms: int
    symbol: str
    kline: KlinePayload


class DepthMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="depthUpdate",
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
    """A difference, or on the `depth<5,10,20>` streams the whole top of the book. Spot has no `pu`."""

    event_ms: int
    symbol: str
    first_update_id: int
    last_update_id: int
    bids: list[LevelRecord]
    asks: list[LevelRecord]
    transaction_ms: int | None = None
    previous_update_id: int | None = None


class MiniTickerMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="24hrMiniTicker",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "close": "c",
        "open": "o",
        "high": "h",
        "low": "l",
        "base_volume": "v",
        "quote_volume": "q",
    },
):
    event_ms: int
    symbol: str
    close: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    base_volume: Decimal
    quote_volume: Decimal


class TickerMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="24hrTicker",
    rename={
        "event_ms": "E",
        "symbol": "s",
        "price_change": "p",
        "price_change_pct": "P",
        "weighted_average_price": "w",
        "last_price": "c",
        "last_quantity": "Q",
        "open": "o",
        "high": "h",
        "low": "l",
        "base_volume": "v",
        "quote_volume": "q",
        "open_ms": "O",
        "close_ms": "C",
        "first_trade_id": "F",
        "last_trade_id": "L",
        "trades": "n",
    },
):
    event_ms: int
    symbol: str
    price_change: Decimal
    price_change_pct: Decimal
    weighted_average_price: Decimal
    last_price: Decimal
    last_quantity: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    base_volume: Decimal
    quote_volume: Decimal
    open_ms: int
    close_ms: int
    trades: int
    first_trade_id: int = -1
    last_trade_id: int = -1


class LiquidationPayload(
    msgspec.Struct,
    frozen=True,
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
    symbol: str
    side: str
    order_type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    average_price: Decimal
    status: str
    last_filled_quantity: Decimal
    filled_quantity: Decimal
    trade_ms: int


class ForceOrderMessage(
    msgspec.Struct, frozen=True, tag_field="e", tag="forceOrder", rename={"event_ms": "E", "order": "o"}
):
    event_ms: int
    order: LiquidationPayload


class TradeProMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="tradepro",
    rename={
        "event_ms": "E",
        "trade_ms": "T",
        "symbol": "s",
        "trade_id": "t",
        "price": "p",
        "quantity": "q",
        "transaction_hash": "h",
        "addresses": "m",
    },
):
    """A single trade with its chain hash. `addresses`: taker, maker ("hidden" in privacy mode)."""

    event_ms: int
    trade_ms: int
    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    transaction_hash: str | None = None
    addresses: list[str] | None = None


MarketMessage = (
    BookTickerMessage
    | AggregateTradeMessage
    | MarkPriceMessage
    | KlineMessage
    | DepthMessage
    | MiniTickerMessage
    | TickerMessage
    | ForceOrderMessage
    | TradeProMessage
)


class MarketFrame(msgspec.Struct, gc=False):
    """A combined frame, or with `id` the answer to a control request; `code` and `msg` refuse one."""

    stream: str = ""
    data: MarketMessage | list[MarketMessage] | None = None
    id: int | None = None
    result: list[str] | bool | None = None
    code: int | None = None
    msg: str | None = None
