"""Reading a catalog: rows of a stream as a lazy frame, events of many streams merged in time order.

Everything that was recorded and forced to the disk is seen, also while a recorder is at work: finished files
and the segments that are not finished yet. Readers take no lock.
"""

import heapq
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from aster_operator.domain.clock import DAY_MS, MINUTE_MS
from aster_operator.market_data.catalog.broken import collected
from aster_operator.market_data.catalog.layout import (
    DataFile,
    date_of,
    is_catalog,
    streams_in,
    symbols_in,
)
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.schemas import GAPS, StreamSchema, is_stream, stream_schema
from aster_operator.market_data.catalog.segments import list_segments, scan_segment
from aster_operator.market_data.catalog.snapshot import Snapshot

__all__ = ["Catalog", "CatalogEvent", "empty_frame"]

_SLICE_MS: Final = 15 * MINUTE_MS
_LOOKBACK_DAYS: Final = {"w": 8, "M": 32}
_PRIORITY: Final = ("depth", "depth5", "bookTicker", "markPrice", "forceOrder", "aggTrade")
"""Of events at one millisecond, books come before trades and bars last, as a live reader would see them."""


class CatalogEvent(NamedTuple):
    """One row; `values` holds its columns by name."""

    event_ms: int
    received_ns: int
    stream: str
    symbol: str
    values: dict[str, Any]


def empty_frame(schema: StreamSchema) -> pl.DataFrame:
    """No rows, with the columns `scan` gives."""
    frame = pl.from_arrow(schema.arrow_with_symbol.empty_table())
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame
    return frame


class Catalog:
    """A catalog for reading. Raises CatalogError when `root` is none."""

    def __init__(self, root: Path) -> None:
        if not is_catalog(root):
            raise CatalogError(
                f"{root}: is no catalog: name one that collect, data download or data convert has written"
            )
        self.root = root

    def streams(self) -> list[str]:
        """The streams that have rows."""
        found = set(streams_in(self.root))
        for segment in list_segments(self.root):
            try:
                found.update(block.stream for block in scan_segment(segment).blocks)
            except FileNotFoundError:
                continue  # Sealed a moment ago: its rows are in finished files.
        return sorted(found)

    def symbols(self, stream: str) -> list[str]:
        """The symbols with rows of `stream`."""
        found = set(symbols_in(self.root, _known(stream)))
        snapshot = Snapshot(self.root)
        try:
            for segment in snapshot.segments:
                for batch in segment.rows(stream, None, "event_ms", None, None):
                    found.update(pc.unique(batch.column("symbol")).to_pylist())
        finally:
            snapshot.close()
        return sorted(found)

    def scan(
        self,
        stream: str,
        symbols: Collection[str] | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> pl.LazyFrame:
        """The rows of a stream, in no particular order: `symbol` and the columns of its schema.

        `start_ms` is inclusive, `end_ms` exclusive, both of the stream's time column (`open_ms` of bars,
        `trade_ms` of trades, `funding_ms`, else `event_ms`). A lazy frame that is collected after a
        compaction may miss its files; take a new one then. Raises CatalogError.
        """
        schema = stream_schema(_known(stream))
        snapshot = Snapshot(self.root)
        try:
            return self._frame(snapshot, schema, symbols, schema.time_column, start_ms, end_ms)
        finally:
            snapshot.close()

    def read(
        self,
        stream: str,
        symbols: Collection[str] | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> pl.DataFrame:
        """As `scan`, in memory, sorted by symbol and time."""
        schema = stream_schema(_known(stream))
        frame = self.scan(stream, symbols, start_ms=start_ms, end_ms=end_ms)
        return collected(frame.sort("symbol", *schema.order, maintain_order=True), self.root, stream)

    def gaps(
        self,
        symbols: Collection[str] | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
    ) -> pl.DataFrame:
        """What is known to be missing, and why, by symbol and start; of each gap what was said last."""
        rows = self.read(GAPS, symbols, start_ms=start_ms, end_ms=end_ms)
        return rows.unique(["symbol", *stream_schema(GAPS).keys], keep="last", maintain_order=True)

    def events(
        self,
        streams: Sequence[str],
        symbols: Collection[str] | None = None,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        slice_ms: int = _SLICE_MS,
    ) -> Iterator[CatalogEvent]:
        """Rows of several streams merged by `event_ms`, then books before trades, then time of receipt.

        No more than `slice_ms` of market time is in memory at once. Bounds are of `event_ms`, the first
        inclusive, the second not. Raises CatalogError.
        """
        schemas = [stream_schema(_known(stream)) for stream in streams]
        snapshot = Snapshot(self.root)
        try:
            for first_ms, last_ms in self._slices(snapshot, schemas, symbols, start_ms, end_ms, slice_ms):
                rows = [
                    _events_of(
                        self.root,
                        schema,
                        self._frame(snapshot, schema, symbols, "event_ms", first_ms, last_ms),
                    )
                    for schema in schemas
                ]
                merged = heapq.merge(*rows, key=lambda pair: pair[0])
                yield from (event for _, event in merged)
        finally:
            snapshot.close()

    def _frame(
        self,
        snapshot: Snapshot,
        schema: StreamSchema,
        symbols: Collection[str] | None,
        column: str,
        start_ms: int | None,
        end_ms: int | None,
    ) -> pl.LazyFrame:
        """Rows with `start_ms` <= `column` < `end_ms`."""
        back_ms = 0 if column == schema.time_column else _lookback_days(schema.name) * DAY_MS
        files = snapshot.files(
            schema.name,
            symbols,
            "" if start_ms is None else date_of(max(0, start_ms - back_ms)),
            "9999-99-99" if end_ms is None else date_of(max(0, end_ms - 1)),
        )
        names = ["symbol", *schema.names]
        frames: list[pl.LazyFrame] = []
        if files:
            scanned = _scan_files(files, schema)
            if start_ms is not None:
                scanned = scanned.filter(pl.col(column) >= start_ms)
            if end_ms is not None:
                scanned = scanned.filter(pl.col(column) < end_ms)
            frames.append(scanned.select(names))
        batches = [
            batch
            for segment in snapshot.segments
            for batch in segment.rows(schema.name, symbols, column, start_ms, end_ms)
        ]
        if batches:
            frame = pl.from_arrow(pa.Table.from_batches(batches))
            assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame
            frames.append(frame.select(names).lazy())
        return pl.concat(frames) if frames else empty_frame(schema).lazy()

    def _slices(
        self,
        snapshot: Snapshot,
        schemas: Sequence[StreamSchema],
        symbols: Collection[str] | None,
        start_ms: int | None,
        end_ms: int | None,
        slice_ms: int,
    ) -> Iterator[tuple[int, int]]:
        """Spans of market time that have rows, oldest first."""
        numbers: set[int] = set()
        for schema in schemas:
            frame = self._frame(snapshot, schema, symbols, "event_ms", start_ms, end_ms)
            slices = frame.select((pl.col("event_ms") // slice_ms).unique())
            numbers.update(collected(slices, self.root, schema.name)["event_ms"])
        for number in sorted(numbers):
            first, last = number * slice_ms, (number + 1) * slice_ms
            yield max(first, start_ms or first), min(last, end_ms or last)


def _known(stream: str) -> str:
    if not is_stream(stream):
        raise CatalogError(f"{stream}: is no stream of a catalog: see data ls for those it holds")
    return stream


def _lookback_days(stream: str) -> int:
    """How much older than its `event_ms` the partition of a row may be."""
    return _LOOKBACK_DAYS.get(stream[-1], 2) if stream.startswith("kline_") else 2


def _scan_files(files: Sequence[DataFile], schema: StreamSchema) -> pl.LazyFrame:
    return pl.scan_parquet(
        [file.path for file in files],
        glob=False,
        hive_partitioning=True,
        hive_schema={"stream": pl.String, "symbol": pl.String, "date": pl.String},
        missing_columns="insert",
        extra_columns="ignore",
        schema=dict(empty_frame(schema).drop("symbol").schema),
    )


def _events_of(
    root: Path, schema: StreamSchema, frame: pl.LazyFrame
) -> Iterator[tuple[tuple[int, int, int, str], CatalogEvent]]:
    """(order, event) of every row, in order."""
    priority = _PRIORITY.index(schema.name) if schema.name in _PRIORITY else len(_PRIORITY)
    rows = collected(frame.sort("event_ms", "received_ns", "symbol", maintain_order=True), root, schema.name)
    for values in rows.iter_rows(named=True):
        event_ms, received_ns, symbol = values["event_ms"], values["received_ns"], values["symbol"]
        yield (
            (event_ms, priority, received_ns, symbol),
            CatalogEvent(event_ms, received_ns, schema.name, symbol, values),
        )
