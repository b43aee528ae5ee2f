"""Columns of a stream read a symbol's day at a time: for whoever goes through months, day by day.

The rows are those that `Catalog.scan` gives, without a query planned for each day, which takes longer than
reading the day itself.
"""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aster_operator.domain.clock import DAY_MS
from aster_operator.market_data.catalog.broken import fault_of
from aster_operator.market_data.catalog.layout import Partition, date_of, day_start_ms, partitions
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.schemas import stream_schema
from aster_operator.market_data.catalog.snapshot import Snapshot

__all__ = ["DayReader"]

_ATTEMPTS: Final = 5


class DayReader:
    """Reads numbers: `columns` of `stream`. Several threads may read at once; to be closed by `with`.

    Segments are read as they were when the reader was made, finished files as they are found then.
    """

    def __init__(self, root: Path, stream: str, columns: Sequence[str]) -> None:
        schema = stream_schema(stream)
        self._stream, self._time = stream, schema.time_column
        self._columns = list(dict.fromkeys((*columns, self._time)))
        self._wanted = pa.schema([schema.arrow.field(name) for name in self._columns])
        self._snapshot = Snapshot(root)

    def __enter__(self) -> "DayReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self._snapshot.close()

    def days(self, symbol: str) -> list[str]:
        """The days that may have rows, oldest first."""
        found = {partition.date for partition in partitions(self._snapshot.root, self._stream, [symbol])}
        for batch in self._segment_rows(symbol, None, None):
            days = pc.unique(pc.divide(batch.column(self._time), DAY_MS))
            found.update(date_of(day * DAY_MS) for day in days.to_pylist())
        return sorted(found)

    def read(
        self, symbol: str, day: str, start_ms: int, end_ms: int, columns: Sequence[str] | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """The columns, or those named, of the day's rows with `start_ms` <= time < `end_ms`, in any order.

        Rows in which one of them is not known are left out. Raises CatalogError that names the file which
        cannot be read.
        """
        names = self._columns if columns is None else list(dict.fromkeys((*columns, self._time)))
        first_ms = day_start_ms(day)
        start_ms, end_ms = max(start_ms, first_ms), min(end_ms, first_ms + DAY_MS)
        partition = Partition(self._stream, symbol, day)
        tables = self._finished(partition, names)
        batches = self._segment_rows(symbol, start_ms, end_ms)
        if batches:
            tables.append(_plain(pa.Table.from_batches(batches), names))
        table = pa.concat_tables(tables) if tables else _plain(self._wanted.empty_table(), names)
        if any(column.null_count for column in table.itercolumns()):
            table = table.drop_null()
        table = table.combine_chunks()
        found = {name: table.column(name).to_numpy() for name in names}
        times = found[self._time]
        if len(times) and (times.min() < start_ms or times.max() >= end_ms):
            within = (times >= start_ms) & (times < end_ms)
            return {name: values[within] for name, values in found.items()}
        return found

    def _segment_rows(self, symbol: str, start_ms: int | None, end_ms: int | None) -> list[pa.RecordBatch]:
        return [
            batch
            for segment in self._snapshot.segments
            for batch in segment.rows(self._stream, [symbol], self._time, start_ms, end_ms)
        ]

    def _finished(self, partition: Partition, names: list[str]) -> list[pa.Table]:
        for _ in range(_ATTEMPTS):
            try:
                return [self._file(file.path, names) for file in self._snapshot.files_of(partition)]
            except FileNotFoundError:
                continue  # Compacted a moment ago: its rows are in another file.
        raise CatalogError(f"{self._snapshot.root}: its files change faster than they can be read: try again")

    def _file(self, path: Path, names: list[str]) -> pa.Table:
        """The columns of a finished file; no rows where it lacks one, as nothing of it is known."""
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                held = file.schema_arrow
                present = [name for name in self._columns if name in held.names]
                if any(held.field(name).type != self._wanted.field(name).type for name in present):
                    raise pa.ArrowTypeError("columns of another type")
                if len(present) < len(self._columns):
                    return _plain(self._wanted.empty_table(), names)
                return _plain(file.read(names, use_threads=False), names)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError) as error:
            fault = fault_of(path, self._stream) or str(error).splitlines()[0]
            raise CatalogError(f"{path}: {fault}: move it out of the catalog") from error


def _plain(table: pa.Table, names: list[str]) -> pa.Table:
    # Without what the schema says of nulls, which files of other programs say otherwise.
    return pa.Table.from_arrays([table.column(name) for name in names], names)
