"""Faults in recorded rows: repeated, crossed, out of order, impossible, missing, or in files that are broken.

Gaps that the table of gaps knows are facts, not faults; what is missing beyond them is one.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import msgspec
import polars as pl
import pyarrow as pa

from aster_operator.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from aster_operator.market_data.catalog.broken import broken_files
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.coverage import bounds_of, days_of
from aster_operator.market_data.catalog.schemas import BOOK_LEVELS, GAPS, StreamSchema, stream_schema

__all__ = ["DayQuality", "QualityReport", "check_catalog", "interval_ms_of"]

_UNIT_MS = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}


class DayQuality(msgspec.Struct, kw_only=True):
    """One day of one symbol's stream.

    `duplicates` repeat what came before, `crossed` books have a bid at or above an ask or levels out of
    order, `out_of_order` rows are older than one received earlier, `impossible` hold numbers that cannot be.
    `missing` counts bars or trades that the numbers around them show to have existed, `gaps` rows of the
    table of gaps that begin on that day, `unfilled` those of them that were not fetched afterwards.
    """

    stream: str
    symbol: str
    date: str
    rows: int
    coverage_pct: float
    duplicates: int = 0
    crossed: int = 0
    out_of_order: int = 0
    impossible: int = 0
    missing: int = 0
    unexplained: int = 0
    """Missing beyond what the table of gaps says."""
    gaps: int = 0
    unfilled: int = 0
    gap_ms: int = 0

    @property
    def is_good(self) -> bool:
        return not (
            self.duplicates or self.crossed or self.out_of_order or self.impossible or self.unexplained
        )


class QualityReport(msgspec.Struct, kw_only=True):
    """`ok` when no file is unreadable and no day has a fault."""

    days: list[DayQuality]
    unreadable: list[str]

    @property
    def ok(self) -> bool:
        return not self.unreadable and all(day.is_good for day in self.days)


def check_catalog(
    catalog: Catalog,
    streams: Sequence[str] | None = None,
    symbols: Collection[str] | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> QualityReport:
    """Look at every row, one day of one symbol at a time. Raises CatalogError."""
    unreadable = list(broken_files(catalog.root))
    days: list[DayQuality] = []
    broken = {line.split(":", 1)[0] for line in unreadable}
    gaps = catalog.gaps(symbols) if not any(f"stream={GAPS}" in name for name in broken) else None
    for stream in catalog.streams() if streams is None else streams:
        if stream == GAPS or any(f"stream={stream}/" in name for name in broken):
            continue
        for symbol in catalog.symbols(stream):
            if symbols is None or symbol in symbols:
                days += _symbol_days(catalog, stream_schema(stream), symbol, gaps, start_ms, end_ms)
    return QualityReport(days=days, unreadable=unreadable)


def _symbol_days(
    catalog: Catalog,
    schema: StreamSchema,
    symbol: str,
    gaps: pl.DataFrame | None,
    start_ms: int | None,
    end_ms: int | None,
) -> Iterator[DayQuality]:
    previous: int | None = None
    previous_end = 0
    for date in days_of(catalog, schema.name, symbol, start_ms, end_ms):
        low, high = bounds_of(date)
        rows = catalog.read(
            schema.name, [symbol], start_ms=max(low, start_ms or low), end_ms=min(high, end_ms or high)
        )
        minutes = (rows[schema.time_column] // MINUTE_MS).n_unique()
        step_ms = interval_ms_of(schema.name)
        found = DayQuality(
            stream=schema.name,
            symbol=symbol,
            date=date,
            rows=rows.height,
            coverage_pct=round(min(100.0, 100 * minutes * (step_ms or MINUTE_MS) / DAY_MS), 2),
            duplicates=_duplicates(rows, schema),
            crossed=_crossed(rows, schema.name),
            out_of_order=_out_of_order(rows),
            impossible=_impossible(rows, schema),
        )
        # A whole day without a row was not recorded at all, which is no fault.
        before = previous if previous_end == low else None
        for numbers in _counts(rows, schema, step_ms, _counted_anew(gaps, schema.name, symbol)):
            if numbers.len():
                first, last = _bound(numbers.min()), _bound(numbers.max())
                found.missing += last - first + 1 - numbers.n_unique()
                if before is not None and first > before + 1:
                    found.missing += first - before - 1
                previous, previous_end = last, high
            before = None
        _add_gaps(found, gaps, low, high)
        yield found


def _bound(value: object) -> int:
    assert isinstance(value, int)  # noqa: S101 - a column of integers that is not empty
    return value


def interval_ms_of(stream: str) -> int | None:
    """Length of a bar of a kline stream; None for other streams and for months."""
    if not stream.startswith("kline_") or stream[-1] not in _UNIT_MS:
        return None
    return int(stream.removeprefix("kline_")[:-1]) * _UNIT_MS[stream[-1]]


def _duplicates(rows: pl.DataFrame, schema: StreamSchema) -> int:
    again = rows.height - rows.unique(schema.keys).height
    if schema.name.startswith("kline_"):
        rows = rows.filter(pl.col("source") != "csv")  # A log repeats what it saw each second.
        closed = rows.filter(pl.col("is_closed"))
        running = rows.filter(~pl.col("is_closed"))
        again = closed.height - closed["open_ms"].n_unique()
        again += running.height - running.unique(schema.keys).height
    return again


def _crossed(rows: pl.DataFrame, stream: str) -> int:
    if stream == "bookTicker":
        return rows.filter(pl.col("bid_price") >= pl.col("ask_price")).height
    if stream != "depth5":
        return 0
    wrong = pl.col("bid1_price") >= pl.col("ask1_price")
    for level in range(1, BOOK_LEVELS):
        wrong |= pl.col(f"bid{level}_price") <= pl.col(f"bid{level + 1}_price")
        wrong |= pl.col(f"ask{level}_price") >= pl.col(f"ask{level + 1}_price")
    return rows.filter(wrong).height


def _out_of_order(rows: pl.DataFrame) -> int:
    heard = rows.filter(pl.col("source").is_in(["stream", "csv"])).sort("received_ns", maintain_order=True)
    return heard.filter(pl.col("event_ms") < pl.col("event_ms").cum_max()).height


def _impossible(rows: pl.DataFrame, schema: StreamSchema) -> int:
    floats = [name for name, kind, _ in schema.columns if pa.types.is_float64(kind)]
    wrong = pl.lit(False)
    for name in floats:
        wrong |= ~pl.col(name).is_finite()
        if name != "funding_rate":
            wrong |= pl.col(name) < 0
    if schema.name.startswith("kline_"):
        wrong |= pl.col("high") < pl.max_horizontal("open", "close", "low")
        wrong |= pl.col("low") > pl.min_horizontal("open", "close")
    return rows.filter(wrong.fill_null(value=False)).height


def _counted_anew(gaps: pl.DataFrame | None, stream: str, symbol: str) -> list[int]:
    """When a venue began to number its trades from the start again: the gap before does not say how many are
    missing."""
    if gaps is None or stream != "aggTrade":
        return []
    own = pl.col("symbol").eq(symbol) & pl.col("affected_stream").eq(stream) & pl.col("missed").is_null()
    return gaps.filter(own)["end_ms"].drop_nulls().unique().sort().to_list()


def _counts(
    rows: pl.DataFrame, schema: StreamSchema, step_ms: int | None, anew_ms: Sequence[int]
) -> Iterator[pl.Series]:
    """What is consecutive in a stream when nothing is missing; one series for each count of the venue's."""
    if schema.name == "aggTrade":
        edges = [None, *anew_ms, None]
        for start_ms, end_ms in pairwise(edges):
            inside = pl.lit(True)
            if start_ms is not None:
                inside &= pl.col("event_ms") >= start_ms
            if end_ms is not None:
                inside &= pl.col("event_ms") < end_ms
            yield rows.filter(inside)["trade_id"]
    elif step_ms is not None:
        # A log catches only few of the closed bars.
        yield rows.filter(pl.col("is_closed") & (pl.col("source") != "csv"))["open_ms"] // step_ms


def _add_gaps(found: DayQuality, gaps: pl.DataFrame | None, low: int, high: int) -> None:
    explained = 0
    if gaps is not None:
        own = gaps.filter(
            (pl.col("symbol") == found.symbol)
            & (pl.col("affected_stream") == found.stream)
            & (pl.col("start_ms") < high)
            & (pl.col("end_ms").fill_null(high) >= low)
        )
        unfilled = own.filter(~pl.col("is_filled"))
        found.gaps, found.unfilled = own.height, unfilled.height
        lengths = unfilled.select(
            pl.min_horizontal(pl.col("end_ms").fill_null(high), high)
            - pl.max_horizontal(pl.col("start_ms"), low)
        ).to_series()
        found.gap_ms = int(lengths.sum())
        explained = int(unfilled["missed"].fill_null(0).sum())
    found.unexplained = max(0, found.missing - explained)
