"""Finished Parquet files: typed, compressed by zstd, sorted by time, whole or not there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from aster_operator.domain.clock import DAY_MS
from aster_operator.market_data.catalog.durable import make_folder, write_durably
from aster_operator.market_data.catalog.layout import LAST_DAY, Partition, date_of, partition_folder
from aster_operator.market_data.catalog.schemas import StreamSchema, stream_schema

__all__ = ["add_rows", "by_partition", "sorted_rows", "write_part"]

_ROW_GROUP: Final = 65_536
_LEVEL: Final = 6


def sorted_rows(frame: pl.DataFrame, schema: StreamSchema) -> pl.DataFrame:
    """Rows of one or more symbols in the order of the files."""
    order = ["symbol"] if "symbol" in frame.columns else []
    return frame.sort([*order, *schema.order], maintain_order=True)


def by_partition(stream: str, frame: pl.DataFrame) -> Iterator[tuple[Partition, pl.DataFrame]]:
    """Split rows (with `symbol`) into partitions, each sorted."""
    schema = stream_schema(stream)
    day = (pl.col(schema.time_column) // DAY_MS).clip(0, LAST_DAY)
    dated = sorted_rows(frame, schema).with_columns(day.alias("_day"))
    for (symbol, day), rows in dated.partition_by(
        "symbol", "_day", as_dict=True, maintain_order=True
    ).items():
        yield Partition(stream, str(symbol), date_of(int(day) * DAY_MS)), rows.select(schema.names)


def write_part(root: Path, partition: Partition, rows: pl.DataFrame, name: str) -> int:
    """Write the rows of one partition durably; returns the size in bytes."""
    schema = stream_schema(partition.stream)
    folder = partition_folder(root, partition)
    make_folder(folder)
    table = rows.select(schema.names).to_arrow().cast(schema.arrow)
    path = folder / name
    write_durably(path, lambda aside: _write(table, schema, aside))
    return path.stat().st_size


def _write(table: pa.Table, schema: StreamSchema, path: Path) -> None:
    counted = [name for name, kind, _ in schema.columns if pa.types.is_int64(kind)]
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=_LEVEL,
        row_group_size=_ROW_GROUP,
        # Times and ids grow by little: their differences take few bits. Prices and texts repeat.
        use_dictionary=[
            name for name, kind, _ in schema.columns if pa.types.is_float64(kind) or kind == pa.string()
        ],
        column_encoding=dict.fromkeys(counted, "DELTA_BINARY_PACKED"),
        data_page_version="2.0",
        # Without one, most flipped bits give other numbers instead of an error.
        write_page_checksum=True,
    )


def add_rows(root: Path, stream: str, frame: pl.DataFrame, name: str) -> dict[Partition, int]:
    """Write rows (with `symbol`) as one file for each partition they belong to; rows by partition."""
    written: dict[Partition, int] = {}
    for partition, rows in by_partition(stream, frame):
        write_part(root, partition, rows, name)
        written[partition] = rows.height
    return written
