"""Finished files that cannot be read: found, named, and told apart from a fault of ours."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from aster_operator.market_data.catalog.layout import partition_folder, partitions, streams_in
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.schemas import stream_schema

__all__ = ["UNREADABLE", "broken_files", "collected", "fault_of"]

UNREADABLE: Final = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
"""What reading a damaged file raises."""


def collected(frame: pl.LazyFrame, root: Path, stream: str) -> pl.DataFrame:
    """The rows of a frame that scans `stream` of the catalog at `root`.

    Raises CatalogError that names the file when one of them cannot be read.
    """
    try:
        return frame.collect()
    except UNREADABLE as error:
        for line in broken_files(root, (stream,)):
            raise CatalogError(f"{line}: move it out of the catalog") from error
        raise


def broken_files(root: Path, streams: Collection[str] | None = None) -> Iterator[str]:
    """A line for each finished file that cannot be read, is not what was written, or has columns of another
    type."""
    for stream in streams_in(root):
        if streams is not None and stream not in streams:
            continue
        for partition in partitions(root, stream):
            for path in sorted(partition_folder(root, partition).glob("*.parquet")):
                if not path.name.startswith(".") and (fault := fault_of(path, stream)) is not None:
                    yield f"{path}: {fault}"


def fault_of(path: Path, stream: str) -> str | None:
    """What is wrong with a finished file of `stream`; None when all of it can be read."""
    wanted = pl.Schema(stream_schema(stream).arrow)
    try:
        held = pl.read_parquet_schema(path)
        for name, kind in wanted.items():
            if held.get(name, kind) != kind:
                return f"column {name} is {held[name]}, not {kind}"
        present = [name for name in wanted if name in held]
        pq.read_table(path, columns=present, partitioning=None, page_checksum_verification=True)
    except FileNotFoundError:
        return None  # Compacted a moment ago.
    except (*UNREADABLE, pa.ArrowException, OSError) as error:
        return str(error).splitlines()[0]
    return None
