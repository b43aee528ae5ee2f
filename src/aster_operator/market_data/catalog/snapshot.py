"""The files and segments of one moment, which stay readable while a recorder and a compaction are at work."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from aster_operator.market_data.catalog.layout import DataFile, Partition, finished_files, partitions
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.segments import SegmentScan, list_segments, read_block, scan_segment

__all__ = ["Snapshot"]

_ATTEMPTS: Final = 5


class _OpenSegment:
    """A segment that stays readable when the recorder removes it."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)
        try:
            self.scan: SegmentScan = scan_segment(path)
        except BaseException:
            os.close(self.descriptor)
            raise
        self.name = path.stem
        self._bounds: dict[int, tuple[int, int]] = {}

    def close(self) -> None:
        os.close(self.descriptor)

    def rows(
        self,
        stream: str,
        symbols: Collection[str] | None,
        column: str,
        start_ms: int | None,
        end_ms: int | None,
    ) -> list[pa.RecordBatch]:
        """Rows with `start_ms` <= `column` < `end_ms`; blocks known to lie outside are not read."""
        found = []
        chosen = None if symbols is None else pa.array(sorted(symbols), pa.string())
        for block in self.scan.blocks:
            if block.stream != stream or self._lies_outside(block.start, start_ms, end_ms):
                continue
            batch = read_block(self.descriptor, block)
            low, high = pc.min_max(batch.column(column)).as_py().values()
            self._bounds[block.start] = (low, high)
            times = batch.column(column)
            if start_ms is not None and low < start_ms:
                batch = batch.filter(pc.greater_equal(times, start_ms))
            if end_ms is not None and high >= end_ms:
                batch = batch.filter(pc.less(batch.column(column), end_ms))
            if chosen is not None:
                batch = batch.filter(pc.is_in(batch.column("symbol"), value_set=chosen))
            if batch.num_rows:
                found.append(batch)
        return found

    def _lies_outside(self, start: int, start_ms: int | None, end_ms: int | None) -> bool:
        bounds = self._bounds.get(start)
        if bounds is None:
            return False
        return (start_ms is not None and bounds[1] < start_ms) or (end_ms is not None and bounds[0] >= end_ms)


class Snapshot:
    """The files and segments of one moment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.segments: list[_OpenSegment] = []
        # Segments first: what is sealed meanwhile is read from the segment, not from the new files.
        for _ in range(_ATTEMPTS):
            try:
                for path in list_segments(root):
                    self.segments.append(_OpenSegment(path))
                return
            except FileNotFoundError:
                self.close()
        raise CatalogError(f"{root}: its segments change faster than they can be read: try again")

    def files(
        self, stream: str, symbols: Collection[str] | None, first_day: str, last_day: str
    ) -> list[DataFile]:
        return [
            file
            for partition in partitions(self.root, stream, symbols, first_day=first_day, last_day=last_day)
            for file in self.files_of(partition)
        ]

    def files_of(self, partition: Partition) -> list[DataFile]:
        return finished_files(self.root, partition, [segment.name for segment in self.segments])

    def close(self) -> None:
        for segment in self.segments:
            segment.close()
        self.segments.clear()
