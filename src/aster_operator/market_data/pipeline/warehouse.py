"""BigQuery (`pip install "aster-operator[gcp]"`): a table for each stream, partitioned by date.

A day of a stream goes as one Parquet file into a table of its own, by a load job, and from there, in one
transaction, into the stream's table: its old rows of these symbols deleted, the new ones inserted, and a row
about it in the table `loads`. Readers see the old day or the new one, and a run that was cut off is done
again where it stopped. `BIGQUERY_EMULATOR_HOST` names another address than Google's.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from requests.exceptions import RequestException

from aster_operator.config.masking import mask_text
from aster_operator.config.problems import one_line
from aster_operator.domain.clock import HOUR_MS, Clock
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.layout import Partition
from aster_operator.market_data.catalog.schemas import StreamSchema, stream_schema
from aster_operator.market_data.pipeline.day_files import Choice, chosen_days, day_rows
from aster_operator.market_data.pipeline.problems import PipelineProblem
from aster_operator.market_data.pipeline.store import file_sha256

__all__ = ["Loaded", "Warehouse", "table_name"]

LOADS: Final = "loads"
_CLUSTERING: Final = ("symbol", "hour")
_TIMEOUT_S: Final = 600
_PROJECT: Final = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_DATASET: Final = re.compile(r"\w{1,1024}", re.ASCII)


class Loaded(NamedTuple):
    """What became of one day of one stream, all its symbols together."""

    stream: str
    date: str
    symbols: tuple[str, ...]
    outcome: Literal["loaded", "there", "would load"]
    rows: int


def table_name(stream: str) -> str:
    """The table of a stream: `kline_1m`, `book_ticker`, `agg_trade`."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", stream)


class Warehouse:
    """One dataset. Nothing is asked of Google before the first load."""

    def __init__(self, project: str | None, dataset: str, location: str) -> None:
        """`project` None: that of the machine or of GOOGLE_CLOUD_PROJECT. Raises PipelineProblem."""
        if project is not None and not _PROJECT.fullmatch(project):
            raise PipelineProblem(
                f"ASTER_BQ_PROJECT={project} is no project id",
                "settings",
                "write the id: 6 to 30 small letters, digits and hyphens",
            )
        if not _DATASET.fullmatch(dataset):
            raise PipelineProblem(
                f"ASTER_BQ_DATASET={dataset} is no dataset", "settings", "use letters, digits and _"
            )
        with self._asking("BigQuery"):
            try:
                self._client = bigquery.Client(project=project, location=location)
            except OSError as error:  # no project was found: the library's own type for it
                raise PipelineProblem(one_line(str(error)), "BigQuery", "set ASTER_BQ_PROJECT") from None
        self._dataset = f"{self._client.project}.{dataset}"
        self._location = location
        self._ready: set[str] = set()

    def load(
        self, catalog: Catalog, choice: Choice, clock: Clock, *, dry_run: bool = False
    ) -> Iterator[Loaded]:
        """Load the chosen days that are not there yet, or changed; one result for each day of a stream.

        Raises PipelineProblem, CatalogError.
        """
        days = sorted(chosen_days(catalog, choice), key=lambda day: (day.date, day.stream, day.symbol))
        for (date, stream), partitions in groupby(days, key=lambda day: (day.date, day.stream)):
            yield self._load_day(catalog, stream, date, list(partitions), clock, dry_run)

    def _load_day(
        self,
        catalog: Catalog,
        stream: str,
        date: str,
        partitions: Sequence[Partition],
        clock: Clock,
        dry_run: bool,
    ) -> Loaded:
        symbols = tuple(partition.symbol for partition in partitions)
        with tempfile.TemporaryDirectory(prefix="aster-bigquery-") as folder:
            path = Path(folder) / "day.parquet"
            rows = _write_rows(catalog, stream, partitions, path)
            sha256 = file_sha256(path)
            with self._asking(f"{table_name(stream)} {date}"):
                if not dry_run:
                    self._prepare(stream)
                if self._is_there(stream, date, sha256):
                    return Loaded(stream, date, symbols, "there", rows)
                if dry_run:
                    return Loaded(stream, date, symbols, "would load", rows)
                self._replace(stream, date, path, rows, sha256, clock)
        return Loaded(stream, date, symbols, "loaded", rows)

    def _prepare(self, stream: str) -> None:
        """Make the dataset and the tables, where they are missing."""
        if not self._ready:
            dataset = bigquery.Dataset(self._dataset)
            dataset.location = self._location
            self._client.create_dataset(dataset, exists_ok=True, timeout=_TIMEOUT_S)
            self._client.create_table(_loads_table(self._dataset), exists_ok=True, timeout=_TIMEOUT_S)
        if stream not in self._ready:
            table = bigquery.Table(f"{self._dataset}.{table_name(stream)}", schema=_fields(stream))
            table.time_partitioning = bigquery.TimePartitioning(field="date")
            table.clustering_fields = list(_CLUSTERING)
            self._client.create_table(table, exists_ok=True, timeout=_TIMEOUT_S)
            self._ready.add(stream)

    def _is_there(self, stream: str, date: str, sha256: str) -> bool:
        sql = (
            f"SELECT sha256 FROM `{self._dataset}.{LOADS}` "  # noqa: S608 - checked names, values as parameters
            "WHERE table_name = @table_name AND date = @date AND sha256 = @sha256"
        )
        from google.api_core.exceptions import NotFound

        try:
            return bool(list(self._query(sql, table_name=table_name(stream), date=date, sha256=sha256)))
        except NotFound:  # nothing was ever loaded
            return False

    def _replace(self, stream: str, date: str, path: Path, rows: int, sha256: str, clock: Clock) -> None:
        target = f"{self._dataset}.{table_name(stream)}"
        # A name of its own for what is loaded: two machines at work do not meet in one table.
        staging = f"{target}_staging_{date.replace('-', '')}_{sha256[:12]}"
        self._load_file(staging, stream, path, rows)
        columns = ", ".join(field.name for field in _fields(stream))
        # One load replaces what was said of its symbols by an earlier one of another set of symbols.
        script = f"""
BEGIN TRANSACTION;
DELETE FROM `{target}` WHERE date = @date AND symbol IN (SELECT DISTINCT symbol FROM `{staging}`);
INSERT INTO `{target}` ({columns}) SELECT {columns} FROM `{staging}`;
DELETE FROM `{self._dataset}.{LOADS}` WHERE table_name = @table_name AND date = @date;
INSERT INTO `{self._dataset}.{LOADS}` (table_name, date, `rows`, sha256, loaded_ms)
VALUES (@table_name, @date, @rows, @sha256, @loaded_ms);
COMMIT TRANSACTION;
"""  # noqa: S608 - checked names, values as parameters
        self._query(
            script,
            table_name=table_name(stream),
            date=date,
            rows=rows,
            sha256=sha256,
            loaded_ms=clock.now_ms(),
        )
        self._client.delete_table(staging, not_found_ok=True, timeout=_TIMEOUT_S)

    def _load_file(self, table: str, stream: str, path: Path, rows: int) -> None:
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            schema=_fields(stream),
        )
        config.parquet_options = bigquery.ParquetOptions()  # type: ignore[no-untyped-call]
        config.parquet_options.enable_list_inference = True
        with path.open("rb") as file:
            job = self._client.load_table_from_file(
                file, table, rewind=True, job_config=config, timeout=_TIMEOUT_S
            )
        job.result(timeout=_TIMEOUT_S)
        if job.output_rows != rows:
            raise PipelineProblem(
                f"{job.output_rows} of {rows} rows arrived", f"BigQuery {table}", "run the command again"
            )

    def _query(self, sql: str, **values: str | int) -> Any:
        kinds = {"date": "DATE"}
        parameters = [
            bigquery.ScalarQueryParameter(
                name, kinds.get(name, "INT64" if isinstance(value, int) else "STRING"), value
            )
            for name, value in values.items()
        ]
        config = bigquery.QueryJobConfig(query_parameters=parameters)
        return self._client.query(sql, job_config=config, timeout=_TIMEOUT_S).result(timeout=_TIMEOUT_S)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except (GoogleAPICallError, RetryError, GoogleAuthError, RequestException, TimeoutError) as error:
            words = mask_text(one_line(str(error)))[:300]
            raise PipelineProblem(
                f"{what}: {type(error).__name__}: {words}",
                "BigQuery",
                "check project, network and rights (BigQuery Data Editor, Job User), then run it again: what "
                "was loaded stays",
            ) from error


def _loads_table(dataset: str) -> bigquery.Table:
    return bigquery.Table(
        f"{dataset}.{LOADS}",
        schema=[
            bigquery.SchemaField("table_name", "STRING", "REQUIRED"),
            bigquery.SchemaField("date", "DATE", "REQUIRED"),
            bigquery.SchemaField("rows", "INT64", "REQUIRED"),
            bigquery.SchemaField("sha256", "STRING", "REQUIRED"),
            bigquery.SchemaField("loaded_ms", "INT64", "REQUIRED"),
        ],
    )


def _fields(stream: str) -> list[bigquery.SchemaField]:
    """`date`, `symbol`, `hour` (of the stream's time column, UTC), then the columns of the catalog."""
    return [
        bigquery.SchemaField("date", "DATE", "REQUIRED"),
        bigquery.SchemaField("symbol", "STRING", "REQUIRED"),
        bigquery.SchemaField("hour", "INT64", "REQUIRED"),
        *(_field(name, kind, nullable) for name, kind, nullable in stream_schema(stream).columns),
    ]


def _field(name: str, kind: pa.DataType, nullable: bool) -> bigquery.SchemaField:
    if pa.types.is_list(kind):
        return bigquery.SchemaField(name, "FLOAT64", "REPEATED")
    names = {pa.int64(): "INT64", pa.float64(): "FLOAT64", pa.string(): "STRING", pa.bool_(): "BOOL"}
    return bigquery.SchemaField(name, names[kind], "NULLABLE" if nullable else "REQUIRED")


def _write_rows(catalog: Catalog, stream: str, partitions: Sequence[Partition], path: Path) -> int:
    """Write the rows of one day with the columns of the table; returns how many."""
    schema = stream_schema(stream)
    frames = [day_rows(catalog, partition) for partition in partitions]
    frame = pl.concat(frames).with_columns(
        pl.lit(partitions[0].date).str.to_date().alias("date"),
        (pl.col(schema.time_column) // HOUR_MS % 24).alias("hour"),
    )
    pq.write_table(_table(frame, schema), path, compression="zstd")
    return frame.height


def _table(frame: pl.DataFrame, schema: StreamSchema) -> pa.Table:
    fields = [
        pa.field("date", pa.date32(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        pa.field("hour", pa.int64(), nullable=False),
        *schema.arrow,
    ]
    return frame.select([field.name for field in fields]).to_arrow().cast(pa.schema(fields))
