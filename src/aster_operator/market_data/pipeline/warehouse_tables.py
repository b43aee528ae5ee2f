"""Tables of the warehouse: their columns, how they are partitioned and clustered, and their rows as Parquet.

A recorded stream has a table with the columns of the catalog; a table of results has those of its data frame.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud import bigquery

from aster_operator.domain.clock import HOUR_MS
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.layout import Partition
from aster_operator.market_data.catalog.schemas import StreamSchema, stream_schema
from aster_operator.market_data.pipeline.day_files import day_rows

__all__ = [
    "LOADS",
    "RUN_DATE",
    "WarehouseTable",
    "loads_table",
    "result_table",
    "stream_table",
    "table_name",
    "write_results",
    "write_rows",
]

LOADS: Final = "loads"
RUN_DATE: Final = "run_date"
_STREAM_CLUSTERING: Final = ("symbol", "hour")
_RESULT_CLUSTERING: Final = ("symbol",)


class WarehouseTable(NamedTuple):
    """A table partitioned by the day in `date_column`, of which whole days are replaced.

    `by_symbol`: a load replaces the day of its own symbols and leaves others; else it replaces the whole day.
    """

    name: str
    fields: tuple[bigquery.SchemaField, ...]
    date_column: str | None
    clustering: tuple[str, ...]
    by_symbol: bool = False

    @property
    def columns(self) -> str:
        return ", ".join(f"`{field.name}`" for field in self.fields)

    def described(self, dataset: str) -> bigquery.Table:
        """The table as it is to be made in `dataset`."""
        table = bigquery.Table(f"{dataset}.{self.name}", schema=list(self.fields))
        if self.date_column is not None:
            table.time_partitioning = bigquery.TimePartitioning(field=self.date_column)
        if self.clustering:
            table.clustering_fields = list(self.clustering)
        return table


def loads_table() -> WarehouseTable:
    """What was loaded: a row for each day of each table."""
    return WarehouseTable(
        LOADS,
        (
            bigquery.SchemaField("table_name", "STRING", "REQUIRED"),
            bigquery.SchemaField("date", "DATE", "REQUIRED"),
            bigquery.SchemaField("rows", "INT64", "REQUIRED"),
            bigquery.SchemaField("sha256", "STRING", "REQUIRED"),
            bigquery.SchemaField("loaded_ms", "INT64", "REQUIRED"),
        ),
        None,
        (),
    )


# --- streams --------------------------------------------------------------------------------------------


def table_name(stream: str) -> str:
    """The table of a stream: `kline_1m`, `book_ticker`, `agg_trade`."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", stream)


def stream_table(stream: str) -> WarehouseTable:
    """`date`, `symbol`, `hour` (of the stream's time column, UTC), then the columns of the catalog."""
    fields = (
        bigquery.SchemaField("date", "DATE", "REQUIRED"),
        bigquery.SchemaField("symbol", "STRING", "REQUIRED"),
        bigquery.SchemaField("hour", "INT64", "REQUIRED"),
        *(_field(name, kind, nullable) for name, kind, nullable in stream_schema(stream).columns),
    )
    return WarehouseTable(table_name(stream), fields, "date", _STREAM_CLUSTERING, by_symbol=True)


def _field(name: str, kind: pa.DataType, nullable: bool) -> bigquery.SchemaField:
    if pa.types.is_list(kind):
        return bigquery.SchemaField(name, "FLOAT64", "REPEATED")
    names = {pa.int64(): "INT64", pa.float64(): "FLOAT64", pa.string(): "STRING", pa.bool_(): "BOOL"}
    return bigquery.SchemaField(name, names[kind], "NULLABLE" if nullable else "REQUIRED")


def write_rows(catalog: Catalog, stream: str, partitions: Sequence[Partition], path: Path) -> int:
    """Write the rows of one day with the columns of the table; returns how many."""
    schema = stream_schema(stream)
    frames = [day_rows(catalog, partition) for partition in partitions]
    frame = pl.concat(frames).with_columns(
        pl.lit(partitions[0].date).str.to_date().alias("date"),
        (pl.col(schema.time_column) // HOUR_MS % 24).alias("hour"),
    )
    pq.write_table(_stream_rows(frame, schema), path, compression="zstd")
    return frame.height


def _stream_rows(frame: pl.DataFrame, schema: StreamSchema) -> pa.Table:
    fields = [
        pa.field("date", pa.date32(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("hour", pa.int64(), nullable=False),
        *schema.arrow,
    ]
    return frame.select([field.name for field in fields]).to_arrow().cast(pa.schema(fields))


# --- results --------------------------------------------------------------------------------------------


def result_table(name: str, rows: pl.DataFrame) -> WarehouseTable:
    """`run_date`, then the columns of a data frame, which has a column `symbol`."""
    fields = (
        bigquery.SchemaField(RUN_DATE, "DATE", "REQUIRED"),
        *(bigquery.SchemaField(column, _result_kind(kind)) for column, kind in rows.schema.items()),
    )
    return WarehouseTable(name, fields, RUN_DATE, _RESULT_CLUSTERING)


def _result_kind(kind: pl.DataType) -> str:
    if kind.is_integer():
        return "INT64"
    if kind.is_float() or kind == pl.Null:
        return "FLOAT64"
    if kind == pl.Boolean:
        return "BOOL"
    return "TIMESTAMP" if isinstance(kind, pl.Datetime) else "STRING"


def write_results(rows: pl.DataFrame, run_date: str, path: Path) -> int:
    """Write a data frame with the columns of its table, `run_date` as YYYY-MM-DD; returns how many rows."""
    exact = rows.with_columns(
        pl.lit(run_date).str.to_date().alias(RUN_DATE),
        *(pl.col(name).cast(pl.Int64) for name, kind in rows.schema.items() if kind.is_integer()),
        *(pl.col(name).cast(pl.Float64) for name, kind in rows.schema.items() if kind == pl.Null),
    )
    table = exact.select(RUN_DATE, *rows.columns).to_arrow()
    # Strings as every reader of Parquet knows them, and the day never empty, as in its table.
    fields = [
        pa.field(field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
        for field in table.schema
    ]
    fields[0] = pa.field(RUN_DATE, pa.date32(), nullable=False)
    pq.write_table(table.cast(pa.schema(fields)), path, compression="zstd")
    return rows.height
