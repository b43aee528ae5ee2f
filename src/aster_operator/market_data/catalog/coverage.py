"""What a catalog holds: rows, times and bytes by stream, symbol and day."""

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import polars as pl

from aster_operator.domain.clock import DAY_MS, MINUTE_MS
from aster_operator.market_data.catalog.broken import collected
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.layout import Partition, date_of, day_start_ms, partition_folder
from aster_operator.market_data.catalog.schemas import stream_schema

__all__ = ["DayCoverage", "bounds_of", "coverage", "days_of"]

_MINUTES = 1440


class DayCoverage(NamedTuple):
    """One day of one symbol's stream. Times are of the stream's time column, ms; `minutes_pct` is the share
    of the day's minutes that have a row; `bytes` are those of finished files."""

    stream: str
    symbol: str
    date: str
    rows: int
    first_ms: int
    last_ms: int
    minutes_pct: float
    bytes: int


def days_of(
    catalog: Catalog,
    stream: str,
    symbol: str,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> list[str]:
    """The days with rows, oldest first."""
    column = stream_schema(stream).time_column
    rows = catalog.scan(stream, [symbol], start_ms=start_ms, end_ms=end_ms)
    days = collected(rows.select((pl.col(column) // DAY_MS).unique().sort()), catalog.root, stream)
    return [date_of(day * DAY_MS) for day in days[column]]


def coverage(
    catalog: Catalog,
    streams: Sequence[str] | None = None,
    symbols: Collection[str] | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> Iterator[DayCoverage]:
    """By stream, symbol and day. Raises CatalogError, also for a file that cannot be read."""
    for stream in catalog.streams() if streams is None else streams:
        column = stream_schema(stream).time_column
        counted = (
            catalog.scan(stream, symbols, start_ms=start_ms, end_ms=end_ms)
            .group_by("symbol", (pl.col(column) // DAY_MS).alias("day"))
            .agg(
                pl.len().alias("rows"),
                pl.col(column).min().alias("first"),
                pl.col(column).max().alias("last"),
                (pl.col(column) // MINUTE_MS).n_unique().alias("minutes"),
            )
            .sort("symbol", "day")
        )
        for symbol, day, rows, first, last, minutes in collected(counted, catalog.root, stream).iter_rows():
            date = date_of(day * DAY_MS)
            size = _bytes(catalog, Partition(stream, symbol, date))
            pct = round(100 * minutes / _MINUTES, 2)
            yield DayCoverage(stream, symbol, date, rows, first, last, pct, size)


def _bytes(catalog: Catalog, partition: Partition) -> int:
    try:
        return sum(
            file.stat().st_size for file in partition_folder(catalog.root, partition).glob("*.parquet")
        )
    except FileNotFoundError:
        return 0


def bounds_of(day: str) -> tuple[int, int]:
    """Start and end of a day, ms."""
    start_ms = day_start_ms(day)
    return start_ms, start_ms + DAY_MS
