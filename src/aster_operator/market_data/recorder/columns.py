"""Messages as columns: what one stream brought, as an Arrow record batch."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import pyarrow as pa

from aster_operator.exchange.wire.market_floats import (
    AggregateTradeTick,
    BookTick,
    DepthTick,
    KlineTick,
    LiquidationTick,
    MarkPriceTick,
)
from aster_operator.market_data.catalog.schemas import BOOK_LEVELS, LEVEL_COLUMNS, stream_schema

__all__ = ["FundingRow", "GapRow", "batch_of"]

Columns = dict[str, Sequence[Any]]


class FundingRow:
    """A settled funding rate (fraction) of one symbol."""

    __slots__ = ("event_ms", "rate", "received_ns", "symbol")

    def __init__(self, symbol: str, event_ms: int, rate: float, received_ns: int) -> None:
        self.symbol, self.event_ms, self.rate, self.received_ns = symbol, event_ms, rate, received_ns


class GapRow:
    """Something that is missing from a stream of one symbol, from `start_ms` to `end_ms` (None: still).

    `missed` counts messages where that can be known; `is_filled` says that they were fetched afterwards, or
    that nothing was missed. `is_update` says more about a gap that has a row already: the newest row counts.
    """

    __slots__ = (
        "cause",
        "detail",
        "end_ms",
        "event_ms",
        "is_filled",
        "is_update",
        "missed",
        "received_ns",
        "start_ms",
        "stream",
        "symbol",
    )

    def __init__(
        self,
        stream: str,
        symbol: str,
        start_ms: int,
        end_ms: int | None,
        cause: str,
        received_ns: int,
        *,
        detail: str = "",
        missed: int | None = None,
        is_filled: bool = False,
        is_update: bool = False,
    ) -> None:
        self.stream, self.symbol, self.start_ms, self.end_ms = stream, symbol, start_ms, end_ms
        self.cause, self.detail, self.missed, self.is_filled = cause, detail, missed, is_filled
        self.is_update = is_update
        self.event_ms = start_ms if end_ms is None else end_ms
        self.received_ns = received_ns


def batch_of(stream: str, messages: Sequence[Any], source: str) -> pa.RecordBatch:
    """The rows of `messages`, all of one stream, in its schema."""
    schema = stream_schema(stream).arrow_with_symbol
    columns = _BUILDERS[stream](messages)
    columns["source"] = pa.repeat(pa.scalar(source), len(messages))
    arrays = [
        column if isinstance(column := columns[field.name], pa.Array) else pa.array(column, field.type)
        for field in schema
    ]
    return pa.record_batch(arrays, schema=schema)


def _quotes(rows: Sequence[BookTick]) -> Columns:
    return {
        "symbol": [row.symbol for row in rows],
        "event_ms": [row.event_ms for row in rows],
        "received_ns": [row.received_ns for row in rows],
        "transaction_ms": [row.transaction_ms for row in rows],
        "update_id": [row.update_id for row in rows],
        "bid_price": [row.bid for row in rows],
        "bid_quantity": [row.bid_quantity for row in rows],
        "ask_price": [row.ask for row in rows],
        "ask_quantity": [row.ask_quantity for row in rows],
    }


def _trades(rows: Sequence[AggregateTradeTick]) -> Columns:
    return {
        "symbol": [row.symbol for row in rows],
        "event_ms": [row.event_ms for row in rows],
        "received_ns": [row.received_ns for row in rows],
        "trade_id": [row.trade_id for row in rows],
        "trade_ms": [row.trade_ms for row in rows],
        "price": [row.price for row in rows],
        "quantity": [row.quantity for row in rows],
        "first_trade_id": [row.first_trade_id for row in rows],
        "last_trade_id": [row.last_trade_id for row in rows],
        "is_buyer_maker": [row.is_buyer_maker for row in rows],
    }


def _marks(rows: Sequence[MarkPriceTick]) -> Columns:
    return {
        "symbol": [row.symbol for row in rows],
        "event_ms": [row.event_ms for row in rows],
        "received_ns": [row.received_ns for row in rows],
        "mark_price": [row.mark for row in rows],
        "index_price": [row.index for row in rows],
        "estimated_settle_price": [row.estimated_settle for row in rows],
        "funding_rate": [row.funding_rate for row in rows],
        "next_funding_ms": [row.next_funding_ms for row in rows],
    }


def _bars(rows: Sequence[KlineTick]) -> Columns:
    bars = [row.kline for row in rows]
    return {
        "symbol": [row.symbol for row in rows],
        "event_ms": [row.event_ms for row in rows],
        "received_ns": [bar.received_ns for bar in bars],
        "open_ms": [bar.open_ms for bar in bars],
        "close_ms": [bar.close_ms for bar in bars],
        "open": [bar.open for bar in bars],
        "high": [bar.high for bar in bars],
        "low": [bar.low for bar in bars],
        "close": [bar.close for bar in bars],
        "base_volume": [bar.base_volume for bar in bars],
        "quote_volume": [bar.quote_volume for bar in bars],
        "trades": [bar.trades for bar in bars],
        "taker_buy_base_volume": [bar.taker_buy_base_volume for bar in bars],
        "taker_buy_quote_volume": [bar.taker_buy_quote_volume for bar in bars],
        "is_closed": [bar.is_closed for bar in bars],
        "first_trade_id": [None if bar.first_trade_id < 0 else bar.first_trade_id for bar in bars],
        "last_trade_id": [None if bar.last_trade_id < 0 else bar.last_trade_id for bar in bars],
    }


def _book_head(rows: Sequence[DepthTick]) -> Columns:
    return {
        "symbol": [row.symbol for row in rows],
        "event_ms": [row.event_ms for row in rows],
        "received_ns": [row.received_ns for row in rows],
        "transaction_ms": [row.transaction_ms for row in rows],
        "first_update_id": [row.first_update_id for row in rows],
        "last_update_id": [row.last_update_id for row in rows],
        "previous_update_id": [row.previous_update_id for row in rows],
    }


_NO_LEVEL: Final = ((None, None),) * BOOK_LEVELS


def _books(rows: Sequence[DepthTick]) -> Columns:
    width = 4 * BOOK_LEVELS
    flat = [
        value
        for row in rows
        for side in (row.bids, row.asks)
        for level in (side if len(side) == BOOK_LEVELS else (*side, *_NO_LEVEL)[:BOOK_LEVELS])
        for value in level
    ]
    return _book_head(rows) | {name: flat[place::width] for place, name in enumerate(LEVEL_COLUMNS)}


def _changes(rows: Sequence[DepthTick]) -> Columns:
    return _book_head(rows) | {
        "bid_prices": [[price for price, _ in row.bids] for row in rows],
        "bid_quantities": [[quantity for _, quantity in row.bids] for row in rows],
        "ask_prices": [[price for price, _ in row.asks] for row in rows],
        "ask_quantities": [[quantity for _, quantity in row.asks] for row in rows],
    }


def _liquidations(rows: Sequence[LiquidationTick]) -> Columns:
    orders = [row.order for row in rows]
    return {
        "symbol": [order.symbol for order in orders],
        "event_ms": [row.event_ms for row in rows],
        "received_ns": [row.received_ns for row in rows],
        **{
            name: [getattr(order, name) for order in orders]
            for name in stream_schema("forceOrder").names
            if name not in ("event_ms", "received_ns", "source")
        },
    }


def _funding(rows: Sequence[FundingRow]) -> Columns:
    times = [row.event_ms for row in rows]
    return {
        "symbol": [row.symbol for row in rows],
        "event_ms": times,
        "received_ns": [row.received_ns for row in rows],
        "funding_ms": times,
        "funding_rate": [row.rate for row in rows],
    }


def _gaps(rows: Sequence[GapRow]) -> Columns:
    return {
        "symbol": [row.symbol for row in rows],
        "event_ms": [row.event_ms for row in rows],
        "received_ns": [row.received_ns for row in rows],
        "affected_stream": [row.stream for row in rows],
        "start_ms": [row.start_ms for row in rows],
        "end_ms": [row.end_ms for row in rows],
        "cause": [row.cause for row in rows],
        "detail": [row.detail for row in rows],
        "missed": [row.missed for row in rows],
        "is_filled": [row.is_filled for row in rows],
    }


_BUILDERS: Final[dict[str, Callable[[Any], Columns]]] = {
    "bookTicker": _quotes,
    "aggTrade": _trades,
    "markPrice": _marks,
    "kline_1m": _bars,
    "depth5": _books,
    "depth": _changes,
    "forceOrder": _liquidations,
    "funding": _funding,
    "gaps": _gaps,
}
