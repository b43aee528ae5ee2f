"""From segment to finished files, in bounded memory; safe to do again after any interruption.

The segment is removed only when all files made from it are on the disk. Until then it, not they, is what
readers see, so that a row is there once at any moment.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from aster_operator.market_data.catalog.durable import remove_durably
from aster_operator.market_data.catalog.layout import sealed_name
from aster_operator.market_data.catalog.parts import by_partition, write_part
from aster_operator.market_data.catalog.segments import Block, read_block, scan_segment, truncate_tail

__all__ = ["Sealed", "seal_segment"]

_ROWS_IN_MEMORY: Final = 2_000_000


class Sealed(NamedTuple):
    """What became of a segment."""

    rows: dict[str, int]
    """By stream."""
    files: int
    bytes_written: int
    torn_bytes: int
    """Cut off at the end: a frame that had not been written whole."""
    damaged_bytes: int
    """Skipped before the end: the disk gave back something else than was written."""


def seal_segment(root: Path, segment: Path, *, rows_in_memory: int = _ROWS_IN_MEMORY) -> Sealed:
    """Put the rows of a closed segment into finished files and remove it.

    Raises CatalogError for a file that is no segment, OSError when the disk refuses.
    """
    scan = scan_segment(segment)
    truncate_tail(scan)
    rows: dict[str, int] = {}
    files = bytes_written = 0
    name = sealed_name(segment)
    descriptor = os.open(segment, os.O_RDONLY)
    try:
        for stream in dict.fromkeys(block.stream for block in scan.blocks):
            blocks = [block for block in scan.blocks if block.stream == stream]
            for frame in _groups(descriptor, blocks, rows_in_memory):
                rows[stream] = rows.get(stream, 0) + frame.height
                for partition, part in by_partition(stream, frame):
                    bytes_written += write_part(root, partition, part, name)
                    files += 1
    finally:
        os.close(descriptor)
    remove_durably(segment)
    return Sealed(rows, files, bytes_written, scan.torn_bytes, scan.damaged_bytes)


def _groups(descriptor: int, blocks: list[Block], limit: int) -> Iterator[pl.DataFrame]:
    """The rows of a stream, all rows of a symbol together, at most about `limit` at once."""
    counts: Counter[str] = Counter()
    kept: list[pa.RecordBatch] = []
    for block in blocks:
        batch = read_block(descriptor, block)
        for entry in pc.value_counts(batch.column("symbol")).to_pylist():
            counts[entry["values"]] += entry["counts"]
        if counts.total() <= limit:
            kept.append(batch)
        else:
            kept.clear()
    if counts.total() <= limit:
        yield _frame(kept)
        return
    for group in _packed(counts, limit):
        chosen = pa.array(group)
        yield _frame([_only(read_block(descriptor, block), chosen) for block in blocks])


def _only(batch: pa.RecordBatch, symbols: pa.Array) -> pa.RecordBatch:
    return batch.filter(pc.is_in(batch.column("symbol"), value_set=symbols))


def _packed(counts: Counter[str], limit: int) -> Iterator[list[str]]:
    group: list[str] = []
    size = 0
    for symbol, rows in counts.items():
        if group and size + rows > limit:
            yield group
            group, size = [], 0
        group.append(symbol)
        size += rows
    yield group


def _frame(batches: list[pa.RecordBatch]) -> pl.DataFrame:
    frame = pl.from_arrow(pa.Table.from_batches(batches))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table gives a frame
    return frame
