"""Rows and messages for tests of recording, small and made by hand."""

from typing import Any

import polars as pl
import pyarrow as pa

from aster_operator.exchange.wire.market_floats import (
    AggregateTradeTick,
    BookTick,
    DepthTick,
    KlineTick,
    KlineTickPayload,
    MarkPriceTick,
)
from aster_operator.market_data.catalog.schemas import stream_schema

__all__ = ["DAY_MS", "START_MS", "bar", "book", "frame_of", "mark", "quote", "quotes_batch", "trade"]

START_MS = 1_770_000_000_000 // 86_400_000 * 86_400_000
DAY_MS = 86_400_000


def quote(number: int, symbol: str = "BTCUSDT", *, bid: float = 100.0, ask: float = 101.0) -> BookTick:
    time_ms = START_MS + number
    return BookTick(number, time_ms, time_ms, symbol, bid, 1.5, ask, 2.5, time_ms * 1_000_000 + 7)


def trade(
    number: int, symbol: str = "BTCUSDT", *, sells: bool = False, price: float = 100.0
) -> AggregateTradeTick:
    time_ms = START_MS + number
    return AggregateTradeTick(
        time_ms, symbol, number, price, 0.5, number, number, time_ms, sells, time_ms * 1_000_000 + 7
    )


def mark(number: int, symbol: str = "BTCUSDT", *, next_funding_ms: int = START_MS + DAY_MS) -> MarkPriceTick:
    time_ms = START_MS + number * 1000
    return MarkPriceTick(
        time_ms, symbol, 100.5, 100.4, 0.0001, next_funding_ms, time_ms * 1_000_000 + 7, 100.45
    )


def book(number: int, symbol: str = "BTCUSDT", levels: int = 5) -> DepthTick:
    time_ms = START_MS + number
    bids = tuple((100.0 - level, 1.0 + level) for level in range(levels))
    asks = tuple((101.0 + level, 2.0 + level) for level in range(levels))
    return DepthTick(
        time_ms, symbol, number, number, bids, asks, time_ms, number - 1, time_ms * 1_000_000 + 7
    )


def bar(minute: int, symbol: str = "BTCUSDT", *, is_closed: bool = True, close: float = 101.0) -> KlineTick:
    open_ms = START_MS + minute * 60_000
    event_ms = open_ms + (60_000 if is_closed else 30_000)
    payload = KlineTickPayload(
        open_ms, open_ms + 59_999, symbol, "1m", 100.0, close, 102.0, 99.0, 10.0, 5, is_closed,
        1000.0, 4.0, 400.0, event_ms * 1_000_000 + 7, 11, 15,
    )  # fmt: skip
    return KlineTick(event_ms, symbol, payload)


def quotes_batch(numbers: "list[int] | range", symbol: str = "BTCUSDT") -> pa.RecordBatch:
    """Rows of `bookTicker`, one for each number, a millisecond apart."""
    from aster_operator.market_data.recorder.columns import batch_of

    return batch_of("bookTicker", [quote(number, symbol) for number in numbers], "stream")


def frame_of(stream: str, messages: list[Any], source: str = "stream") -> pl.DataFrame:
    """The rows of messages as `add_rows` takes them."""
    from aster_operator.market_data.recorder.columns import batch_of

    frame = pl.from_arrow(pa.Table.from_batches([batch_of(stream, messages, source)]))
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == ["symbol", *stream_schema(stream).names]
    return frame
