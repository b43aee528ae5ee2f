"""BigQuery (`pip install "aster-operator[gcp]"`): tables partitioned by date, whose days are replaced whole.

A day goes as one Parquet file into a table of its own, by a load job, and from there, in one transaction,
into the one it belongs to: its old rows deleted, the new ones inserted, a row about it in the table `loads`.
Readers see the old day or the new one, and a run that was cut off is done again where it stopped.
`BIGQUERY_EMULATOR_HOST` names another address than Google's.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from google.api_core.exceptions import GoogleAPICallError, NotFound, RetryError
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from requests.exceptions import RequestException

from aster_operator.config.masking import mask_text
from aster_operator.config.problems import one_line
from aster_operator.domain.clock import Clock
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.layout import Partition
from aster_operator.market_data.pipeline.day_files import Choice, chosen_days
from aster_operator.market_data.pipeline.problems import PipelineProblem
from aster_operator.market_data.pipeline.store import file_sha256
from aster_operator.market_data.pipeline.warehouse_tables import (
    LOADS,
    WarehouseTable,
    loads_table,
    result_table,
    stream_table,
    table_name,
    write_results,
    write_rows,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Loaded", "LoadedResults", "Warehouse", "table_name"]

_TIMEOUT_S: Final = 600
_PROJECT: Final = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_DATASET: Final = re.compile(r"\w{1,1024}", re.ASCII)


Outcome = Literal["loaded", "there", "would load"]


class Loaded(NamedTuple):
    """What became of one day of one stream, all its symbols together."""

    stream: str
    date: str
    symbols: tuple[str, ...]
    outcome: Outcome
    rows: int


class LoadedResults(NamedTuple):
    """What became of one table of a run's results."""

    table: str
    run_date: str
    outcome: Outcome
    rows: int


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

    def load_results(
        self, name: str, rows: "pl.DataFrame", run_date: str, clock: Clock, *, dry_run: bool = False
    ) -> LoadedResults:
        """Load the results of a run into the table `name`, in place of all it has of that day.

        `run_date` is YYYY-MM-DD. Columns the table does not have yet are added to it. Raises PipelineProblem.
        """
        with tempfile.TemporaryDirectory(prefix="aster-bigquery-") as folder:
            path = Path(folder) / "results.parquet"
            count = write_results(rows, run_date, path)
            outcome = self._put(result_table(name, rows), run_date, path, count, clock, dry_run)
        return LoadedResults(name, run_date, outcome, count)

    def loaded_days(self, name: str) -> frozenset[str]:
        """The days of a table that were loaded, YYYY-MM-DD. Raises PipelineProblem."""
        sql = f"SELECT date FROM `{self._dataset}.{LOADS}` WHERE table_name = @table_name"  # noqa: S608 - checked names, values as parameters
        with self._asking(f"{name}: what was loaded"):
            try:
                return frozenset(str(row[0]) for row in self._query(sql, table_name=name))
            except NotFound:  # nothing was ever loaded
                return frozenset()

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
            rows = write_rows(catalog, stream, partitions, path)
            outcome = self._put(stream_table(stream), date, path, rows, clock, dry_run)
        return Loaded(stream, date, symbols, outcome, rows)

    def _put(
        self, table: WarehouseTable, date: str, path: Path, rows: int, clock: Clock, dry_run: bool
    ) -> Outcome:
        """Let the rows of a file be the day `date` of a table, unless they are already."""
        sha256 = file_sha256(path)
        with self._asking(f"{table.name} {date}"):
            if not dry_run:
                self._prepare(table)
            if self._is_there(table.name, date, sha256):
                return "there"
            if dry_run:
                return "would load"
            self._replace(table, date, path, rows, sha256, clock)
        return "loaded"

    def _prepare(self, table: WarehouseTable) -> None:
        """Make the dataset and the tables, where they are missing, and columns that are new."""
        if not self._ready:
            dataset = bigquery.Dataset(self._dataset)
            dataset.location = self._location
            self._client.create_dataset(dataset, exists_ok=True, timeout=_TIMEOUT_S)
            loads = loads_table().described(self._dataset)
            self._client.create_table(loads, exists_ok=True, timeout=_TIMEOUT_S)
        if table.name in self._ready:
            return
        made = self._client.create_table(table.described(self._dataset), exists_ok=True, timeout=_TIMEOUT_S)
        known = {field.name for field in made.schema}
        new = [field for field in table.fields if field.name not in known]
        if new:
            made.schema = [*made.schema, *new]
            self._client.update_table(made, ["schema"], timeout=_TIMEOUT_S)
        self._ready.add(table.name)

    def _is_there(self, name: str, date: str, sha256: str) -> bool:
        sql = (
            f"SELECT sha256 FROM `{self._dataset}.{LOADS}` "  # noqa: S608 - checked names, values as parameters
            "WHERE table_name = @table_name AND date = @date AND sha256 = @sha256"
        )
        try:
            return bool(list(self._query(sql, table_name=name, date=date, sha256=sha256)))
        except NotFound:  # nothing was ever loaded
            return False

    def _replace(
        self, table: WarehouseTable, date: str, path: Path, rows: int, sha256: str, clock: Clock
    ) -> None:
        target = f"{self._dataset}.{table.name}"
        # A name of its own for what is loaded: two machines at work do not meet in one table.
        staging = f"{target}_staging_{date.replace('-', '')}_{sha256[:12]}"
        self._load_file(staging, table, path, rows)
        # One load replaces what was said of its symbols by an earlier one of another set of symbols.
        own = f" AND symbol IN (SELECT DISTINCT symbol FROM `{staging}`)" if table.by_symbol else ""  # noqa: S608
        script = f"""
BEGIN TRANSACTION;
DELETE FROM `{target}` WHERE {table.date_column} = @date{own};
INSERT INTO `{target}` ({table.columns}) SELECT {table.columns} FROM `{staging}`;
DELETE FROM `{self._dataset}.{LOADS}` WHERE table_name = @table_name AND date = @date;
INSERT INTO `{self._dataset}.{LOADS}` (table_name, date, `rows`, sha256, loaded_ms)
VALUES (@table_name, @date, @rows, @sha256, @loaded_ms);
COMMIT TRANSACTION;
"""  # noqa: S608 - checked names, values as parameters
        self._query(
            script, table_name=table.name, date=date, rows=rows, sha256=sha256, loaded_ms=clock.now_ms()
        )
        self._client.delete_table(staging, not_found_ok=True, timeout=_TIMEOUT_S)

    def _load_file(self, staging: str, table: WarehouseTable, path: Path, rows: int) -> None:
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
            schema=list(table.fields),
        )
        config.parquet_options = bigquery.ParquetOptions()  # type: ignore[no-untyped-call]
        config.parquet_options.enable_list_inference = True
        with path.open("rb") as file:
            job = self._client.load_table_from_file(
                file, staging, rewind=True, job_config=config, timeout=_TIMEOUT_S
            )
        job.result(timeout=_TIMEOUT_S)
        if job.output_rows != rows:
            raise PipelineProblem(
                f"{job.output_rows} of {rows} rows arrived", f"BigQuery {staging}", "run the command again"
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
