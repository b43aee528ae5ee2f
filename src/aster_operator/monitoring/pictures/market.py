"""The Market page as plain values: candles with what we did on them, spread, funding, the book."""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from aster_operator.domain.market import BookLevel
from aster_operator.domain.orders import Working
from aster_operator.monitoring.replica.market_history import SymbolSample
from aster_operator.monitoring.replica.replica import SessionReplica

__all__ = ["Candle", "Market", "OwnFill", "RestingLevel", "market_picture"]

_LADDER = 10


class Candle(msgspec.Struct, frozen=True, array_like=True):
    """One minute, prices in quote units."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    base_volume: Decimal


class OwnFill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of ours. `opens`: it enlarged the position; `client_order_id` names its order."""

    at_ms: int
    price: Decimal
    quantity: Decimal
    side: str
    position_side: str
    opens: bool
    role: str
    client_order_id: str
    position_ref: str | None


class RestingLevel(msgspec.Struct, frozen=True, kw_only=True):
    """One of our orders that rests at a price: `kind` is its type, stops and targets among them."""

    kind: str
    side: str
    price: Decimal
    quantity: Decimal | None
    client_order_id: str


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol. `funding_rate` is a fraction an interval; None is not known. The ladders are best first,
    as they stood at `depth_ms`; where the session has no book that is None, and they hold the best quote."""

    symbol: str
    symbols: tuple[str, ...]
    now_ms: int
    bid: Decimal | None
    ask: Decimal | None
    spread_bps: Decimal | None
    mark: Decimal | None
    index: Decimal | None
    funding_rate: Decimal | None
    next_funding_ms: int | None
    candles: tuple[Candle, ...]
    samples: tuple[SymbolSample, ...]
    fills: tuple[OwnFill, ...]
    resting: tuple[RestingLevel, ...]
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    depth_ms: int | None


def market_picture(replica: SessionReplica, symbol: str | None = None, *, minutes: int = 240) -> Market:
    """The picture of `symbol` (None: the first) over the last so many minutes. Raises KeyError for a symbol
    that the session does not follow."""
    symbols = replica.settings.symbols
    symbol = symbol or symbols[0]
    if symbol not in symbols:
        raise KeyError(symbol)
    view = replica.state.market.of(symbol)
    quote, mark = view.quote, view.mark
    bars = list(replica.market.candles[symbol])[-minutes:]
    since_ms = bars[0].open_ms if bars else 0
    bids, asks, depth_ms = _ladders(replica, symbol)
    return Market(
        symbol=symbol,
        symbols=symbols,
        now_ms=replica.now_ms,
        bid=None if quote is None else quote.bid,
        ask=None if quote is None else quote.ask,
        spread_bps=None if quote is None else quote.spread_bps,
        mark=None if mark is None else mark.mark,
        index=None if mark is None else mark.index,
        funding_rate=None if mark is None else mark.funding_rate,
        next_funding_ms=None if mark is None else mark.next_funding_ms,
        candles=tuple(Candle(b.open_ms, b.open, b.high, b.low, b.close, b.base_volume) for b in bars),
        samples=tuple(each for each in replica.market.samples[symbol] if each.at_ms >= since_ms),
        fills=tuple(_fills(replica, symbol, since_ms)),
        resting=tuple(_resting(replica, symbol)),
        bids=bids,
        asks=asks,
        depth_ms=depth_ms,
    )


def _fills(replica: SessionReplica, symbol: str, since_ms: int) -> Iterator[OwnFill]:
    for fill in replica.activity.fills:
        if fill.symbol != symbol or fill.event_ms < since_ms:
            continue
        logged = replica.activity.orders.get(fill.client_order_id)
        yield OwnFill(
            at_ms=fill.event_ms,
            price=fill.price,
            quantity=fill.quantity,
            side=str(fill.side),
            position_side=str(fill.position_side),
            opens=logged.order.opens_position if logged is not None else fill.realized_pnl == 0,
            role=str(fill.role),
            client_order_id=fill.client_order_id,
            position_ref=None if logged is None else logged.position_ref,
        )


def _resting(replica: SessionReplica, symbol: str) -> Iterator[RestingLevel]:
    for tracked in replica.state.tracker.live():
        order = tracked.order
        price = order.stop_price or order.activation_price or order.price
        if order.symbol == symbol and price is not None and isinstance(tracked.state, Working):
            yield RestingLevel(
                kind=str(order.order_type),
                side=str(order.side),
                price=price,
                quantity=order.quantity,
                client_order_id=order.client_order_id,
            )


_Levels = tuple[BookLevel, ...]


def _ladders(replica: SessionReplica, symbol: str) -> tuple[_Levels, _Levels, int | None]:
    depth, quote = replica.market.depth.get(symbol), replica.state.market.of(symbol).quote
    if depth is not None:
        return depth.bids[:_LADDER], depth.asks[:_LADDER], depth.event_ms
    if quote is None:
        return (), (), None
    bid, ask = BookLevel(quote.bid, quote.bid_quantity), BookLevel(quote.ask, quote.ask_quantity)
    return (bid,), (ask,), None
