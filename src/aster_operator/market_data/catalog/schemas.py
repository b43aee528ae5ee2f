"""What is kept of each stream: columns, types, the column time is counted in, and what tells rows apart.

Every row has `event_ms` (the venue's time, UTC), `received_ns` (ours, since 1970) and `source`: stream (heard
live), rest (asked for), csv or file (taken over from elsewhere). Prices are quote units, quantities base
units, rates fractions; a value that is not known is null. `symbol` is the partition, not a column of the
files.
"""

import re
from functools import cache
from typing import Final, NamedTuple

import pyarrow as pa

__all__ = [
    "BOOK_LEVELS",
    "GAPS",
    "LEVEL_COLUMNS",
    "RECORDED",
    "SOURCES",
    "StreamSchema",
    "is_stream",
    "kline_stream",
    "stream_schema",
]

BOOK_LEVELS: Final = 5
GAPS: Final = "gaps"
SOURCES: Final = ("stream", "rest", "csv", "file")
_KLINE = re.compile(r"kline_(\d+[mhdwM])")


def _level_columns() -> tuple[str, ...]:
    return tuple(
        f"{side}{level}_{what}"
        for side in ("bid", "ask")
        for level in range(1, BOOK_LEVELS + 1)
        for what in ("price", "quantity")
    )


LEVEL_COLUMNS: Final = _level_columns()
"""Price and quantity of each level of `depth5`, bids before asks, best first."""


class StreamSchema(NamedTuple):
    """One stream of the catalog.

    `time_column` decides the partition's date and what time ranges select. `keys` tell two rows of a symbol
    apart. `columns` are (name, type, nullable), without `symbol`.
    """

    name: str
    time_column: str
    keys: tuple[str, ...]
    columns: tuple[tuple[str, pa.DataType, bool], ...]

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.columns]

    @property
    def order(self) -> tuple[str, ...]:
        """The columns that rows of a symbol are sorted by: trades of one millisecond by number, as a trade
        that was fetched later belongs between those that were heard."""
        number = ("trade_id",) if self.name == "aggTrade" else ()
        return (self.time_column, *number, "received_ns")

    @property
    def arrow(self) -> pa.Schema:
        """As in the files."""
        return pa.schema([pa.field(name, kind, nullable=nullable) for name, kind, nullable in self.columns])

    @property
    def arrow_with_symbol(self) -> pa.Schema:
        """As in segments and in memory, where a table holds many symbols."""
        return pa.schema([pa.field("symbol", pa.string(), nullable=False), *self.arrow])


_INT, _FLOAT, _TEXT, _BOOL = pa.int64(), pa.float64(), pa.string(), pa.bool_()
_TIMES = (("event_ms", _INT, False), ("received_ns", _INT, False), ("source", _TEXT, False))
_LEVEL_LIST = pa.list_(_FLOAT)


def _columns(*groups: tuple[str, pa.DataType, bool]) -> tuple[tuple[str, pa.DataType, bool], ...]:
    return (*_TIMES, *groups)


def _of(kind: pa.DataType, *names: str, nullable: bool = False) -> tuple[tuple[str, pa.DataType, bool], ...]:
    return tuple((name, kind, nullable) for name in names)


_BOOK_IDS = (
    *_of(_INT, "transaction_ms", "first_update_id", nullable=True),
    *_of(_INT, "last_update_id"),
    *_of(_INT, "previous_update_id", nullable=True),
)

_KLINE_COLUMNS = _columns(
    *_of(_INT, "open_ms", "close_ms"),
    *_of(_FLOAT, "open", "high", "low", "close", "base_volume"),
    *_of(_FLOAT, "quote_volume", nullable=True),
    *_of(_INT, "trades", nullable=True),
    *_of(_FLOAT, "taker_buy_base_volume", "taker_buy_quote_volume", nullable=True),
    *_of(_BOOL, "is_closed"),
    *_of(_INT, "first_trade_id", "last_trade_id", nullable=True),
)

_STREAMS: Final = {
    schema.name: schema
    for schema in (
        StreamSchema(
            "bookTicker",
            "event_ms",
            ("event_ms", "update_id", "bid_price", "bid_quantity", "ask_price", "ask_quantity"),
            _columns(
                *_of(_INT, "transaction_ms", "update_id", nullable=True),
                *_of(_FLOAT, "bid_price", "bid_quantity", "ask_price", "ask_quantity"),
            ),
        ),
        StreamSchema(
            "markPrice",
            "event_ms",
            ("event_ms",),
            _columns(
                *_of(_FLOAT, "mark_price", "index_price"),
                *_of(_FLOAT, "estimated_settle_price", nullable=True),
                *_of(_FLOAT, "funding_rate"),
                *_of(_INT, "next_funding_ms"),
            ),
        ),
        StreamSchema(
            "aggTrade",
            "trade_ms",
            ("trade_ms", "trade_id"),  # A venue that was set up anew counts from the start again.
            _columns(
                *_of(_INT, "trade_id", "trade_ms"),
                *_of(_FLOAT, "price", "quantity"),
                *_of(_INT, "first_trade_id", "last_trade_id", nullable=True),
                *_of(_BOOL, "is_buyer_maker"),
            ),
        ),
        StreamSchema(
            "depth5",
            "event_ms",
            ("event_ms", "last_update_id", *LEVEL_COLUMNS),
            _columns(*_BOOK_IDS, *_of(_FLOAT, *LEVEL_COLUMNS, nullable=True)),
        ),
        StreamSchema(
            "depth",
            "event_ms",
            ("event_ms", "last_update_id"),
            _columns(
                *_BOOK_IDS,
                *_of(_LEVEL_LIST, "bid_prices", "bid_quantities", "ask_prices", "ask_quantities"),
            ),
        ),
        StreamSchema(
            "forceOrder",
            "event_ms",
            ("event_ms", "trade_ms", "side", "quantity", "price"),
            _columns(
                *_of(_INT, "trade_ms"),
                *_of(_TEXT, "side", "order_type", "time_in_force", "status"),
                *_of(
                    _FLOAT, "quantity", "price", "average_price", "last_filled_quantity", "filled_quantity"
                ),
            ),
        ),
        StreamSchema(
            "funding",
            "funding_ms",
            ("funding_ms",),
            _columns(*_of(_INT, "funding_ms"), *_of(_FLOAT, "funding_rate")),
        ),
        StreamSchema(
            "aggTrade_1s",
            "event_ms",
            ("event_ms",),
            _columns(
                *_of(_INT, "n_trades_1s"),
                *_of(_FLOAT, "sum_qty_1s"),
                *_of(_FLOAT, "vwap_1s", nullable=True),
                *_of(_FLOAT, "buy_qty_1s", "sell_qty_1s", "buy_notional_1s", "sell_notional_1s"),
            ),
        ),
        StreamSchema(
            GAPS,
            "start_ms",
            ("affected_stream", "start_ms", "end_ms", "cause"),
            _columns(
                *_of(_TEXT, "affected_stream"),
                *_of(_INT, "start_ms"),
                *_of(_INT, "end_ms", nullable=True),
                *_of(_TEXT, "cause", "detail"),
                *_of(_INT, "missed", nullable=True),
                *_of(_BOOL, "is_filled"),
            ),
        ),
    )
}  # fmt: skip

RECORDED: Final = ("kline_1m", "bookTicker", "markPrice", "aggTrade", "depth5")
"""What is recorded unless more is asked for."""


def kline_stream(interval: str) -> str:
    """Name of the stream of bars of `interval`, such as 1m."""
    return f"kline_{interval}"


def is_stream(name: str) -> bool:
    return name in _STREAMS or _KLINE.fullmatch(name) is not None


@cache
def stream_schema(name: str) -> StreamSchema:
    """The schema of a stream. Raises KeyError for a name the catalog does not know."""
    if _KLINE.fullmatch(name):
        return StreamSchema(name, "open_ms", ("open_ms", "is_closed", "event_ms"), _KLINE_COLUMNS)
    return _STREAMS[name]
