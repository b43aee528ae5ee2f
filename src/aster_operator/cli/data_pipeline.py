"""`data upload` and `data sync`: the catalog in object storage and in BigQuery."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster_operator.cli.options import DryRun, EnvFile, JsonOutput, Since, Until, settings_from
from aster_operator.config.problems import UserProblem

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings
    from aster_operator.market_data.pipeline.day_files import Choice

__all__ = ["prune_command", "sync_command", "upload_command", "warehouse_from"]

_CatalogDir = Annotated[
    Path | None,
    typer.Option("--catalog", metavar="DIR", help="The Parquet catalog (default: CATALOG_DIR)."),
]
_Symbols = Annotated[str | None, typer.Option("--symbols", help="Only these symbols, comma separated.")]
_Streams = Annotated[str | None, typer.Option("--streams", help="Only these streams, comma separated.")]


def upload_command(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="URL", help="gs://..., s3://... or a path (default: CATALOG_URL)."),
    ] = None,
    catalog: _CatalogDir = None,
    symbols: _Symbols = None,
    streams: _Streams = None,
    since: Since = None,
    until: Until = None,
    bigquery: Annotated[
        bool | None,
        typer.Option(
            "--bigquery/--no-bigquery", help="Load into BigQuery too (default: ASTER_BQ_ENABLE_DAILY_BATCH)."
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also days of which the store has more rows.")
    ] = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """Send recorded days to object storage and BigQuery: only what is not there yet, each day whole.

    Days before today, unless --until says otherwise. Run again after a cut, it goes on where it stopped. Exit
    code 1 when days were left alone because the store has more rows of them.

    \b
    Examples:
      aster-operator data upload --to gs://BUCKET/catalog --dry-run
      aster-operator data upload --to s3://BUCKET/catalog --symbols BTCUSDT --since 2026-02-01
    """
    from aster_operator.domain.clock import WallClock
    from aster_operator.market_data.catalog.catalog import Catalog
    from aster_operator.market_data.pipeline.store import open_store
    from aster_operator.market_data.pipeline.upload import upload

    settings = settings_from(env_file)
    clock = WallClock()
    choice = _choice(symbols, streams, since, until, clock.now_ms())
    into_bigquery = settings.bq_enable_daily_batch if bigquery is None else bigquery
    address = to or settings.catalog_url
    if address is None and not into_bigquery:
        raise UserProblem("no store is named", "data upload", "pass --to, set CATALOG_URL, or use --bigquery")
    opened = Catalog(catalog or Path(settings.catalog_dir))
    found: dict[str, Any] = {"dry_run": dry_run}
    kept = 0
    if address is not None:
        store = open_store(address)
        sent = [
            _shown(day, json_output)
            for day in upload(opened, store, choice, clock, dry_run=dry_run, replace=replace)
        ]
        kept = sum(1 for day in sent if day["outcome"] == "kept")
        found |= {"store": store.url, "days": sent, "outcomes": _outcomes(sent)}
    if into_bigquery:
        loaded = [
            _shown(day, json_output)
            for day in warehouse_from(settings).load(opened, choice, clock, dry_run=dry_run)
        ]
        found |= {"bigquery": loaded, "bigquery_outcomes": _outcomes(loaded)}
    _finish(found, json_output)
    return 1 if kept else 0


def sync_command(
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="gs://..., s3://... or a path (default: CATALOG_URL)."),
    ] = None,
    catalog: _CatalogDir = None,
    symbols: _Symbols = None,
    streams: _Streams = None,
    since: Since = None,
    until: Until = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also days that were recorded or downloaded here.")
    ] = False,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """Bring days from object storage into the catalog here: only what is missing, verified, each day whole.

    Exit code 1 when days were left alone because this catalog has rows of its own for them.

    \b
    Example:
      aster-operator data sync --from gs://BUCKET/catalog --symbols BTCUSDT --since 2026-02-01
    """
    from aster_operator.domain.clock import WallClock
    from aster_operator.market_data.pipeline.store import open_store
    from aster_operator.market_data.pipeline.sync import sync

    settings = settings_from(env_file)
    choice = _choice(symbols, streams, since, until or "9999-12-31", WallClock().now_ms())
    address = source or settings.catalog_url
    if address is None:
        raise UserProblem("no store is named", "data sync", "pass --from, or set CATALOG_URL")
    store = open_store(address)
    root = catalog or Path(settings.catalog_dir)
    fetched = [
        _shown(day, json_output) for day in sync(store, root, choice, dry_run=dry_run, replace=replace)
    ]
    if not fetched:
        raise UserProblem(
            "no uploaded day was found there", store.url, "check the address, and run data upload first"
        )
    found = {"dry_run": dry_run, "store": store.url, "days": fetched, "outcomes": _outcomes(fetched)}
    _finish(found, json_output)
    return 1 if any(day["outcome"] == "kept" for day in fetched) else 0


def prune_command(
    older_than_days: Annotated[
        int,
        typer.Option(
            "--older-than-days",
            metavar="DAYS",
            min=1,
            max=36_500,
            help="Of that many days ago and before.",
        ),
    ],
    store_url: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="Where they were uploaded to (default: CATALOG_URL)."),
    ] = None,
    catalog: _CatalogDir = None,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """Remove old days from the catalog that are in the store as they are here; others stay, and are named.

    Not while somebody records into the catalog. A day that BigQuery alone has stays: data sync could not
    bring it back. Exit code 1 when days stayed that the store does not have.

    \b
    Example:
      aster-operator data prune --older-than-days 14 --store gs://BUCKET/catalog --dry-run
    """
    from aster_operator.domain.clock import DAY_MS, WallClock
    from aster_operator.market_data.catalog.catalog import Catalog
    from aster_operator.market_data.catalog.layout import date_of
    from aster_operator.market_data.pipeline.day_files import Choice
    from aster_operator.market_data.pipeline.prune import prune
    from aster_operator.market_data.pipeline.store import open_store

    settings = settings_from(env_file)
    address = store_url or settings.catalog_url
    if address is None:
        raise UserProblem("no store is named", "data prune", "pass --store, or set CATALOG_URL")
    store = open_store(address)
    choice = Choice(last_day=date_of(max(0, WallClock().now_ms() - older_than_days * DAY_MS)))
    opened = Catalog(catalog or Path(settings.catalog_dir))
    days = [_shown(day, json_output) for day in prune(opened, store, choice, dry_run=dry_run)]
    _finish({"dry_run": dry_run, "store": store.url, "days": days, "outcomes": _outcomes(days)}, json_output)
    return int(any(day["outcome"] == "kept" for day in days))


def _choice(
    symbols: str | None, streams: str | None, since: str | None, until: str | None, now_ms: int
) -> "Choice":
    """The chosen days; without `until`, those before today."""
    from aster_operator.cli.option_values import parse_symbols
    from aster_operator.cli.times import parse_time_ms
    from aster_operator.domain.clock import DAY_MS
    from aster_operator.market_data.catalog.layout import date_of
    from aster_operator.market_data.catalog.schemas import is_stream
    from aster_operator.market_data.pipeline.day_files import Choice

    chosen = None if streams is None else [name.strip() for name in streams.split(",") if name.strip()]
    for name in chosen or ():
        if not is_stream(name):
            raise typer.BadParameter(f"{name!r} is no stream", param_hint="--streams")
    end_ms = now_ms // DAY_MS * DAY_MS if until is None else parse_time_ms(until, "--until")
    return Choice(
        streams=chosen,
        symbols=None if symbols is None else parse_symbols(symbols),
        first_day="" if since is None else date_of(parse_time_ms(since, "--since")),
        last_day=date_of(max(0, end_ms - 1)),
    )


def warehouse_from(settings: "Settings") -> Any:
    """The dataset of the settings. Raises UserProblem without its packages, PipelineProblem."""
    try:
        from aster_operator.market_data.pipeline.warehouse import Warehouse
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(("google", "requests")):
            raise
        raise UserProblem(
            "the packages for BigQuery are not installed", "--bigquery", 'pip install "aster-operator[gcp]"'
        ) from None
    return Warehouse(settings.bq_project, settings.bq_dataset, settings.bq_location)


def _shown(day: Any, json_output: bool) -> dict[str, Any]:
    """A result as JSON; printed at once where a person watches."""
    values: dict[str, Any] = day._asdict()
    if "partition" in values:
        values = values.pop("partition")._asdict() | values
    if not json_output:
        names = values.get("symbol") or ",".join(values["symbols"])
        print(
            f"{values['date']}  {values['stream']:<12} {names:<14} {values['rows']:>10,} rows"
            f"  {values['outcome']}"
        )
    return values


def _outcomes(days: Iterable[dict[str, Any]]) -> dict[str, int]:
    return dict(Counter(str(day["outcome"]) for day in days))


def _finish(found: dict[str, Any], json_output: bool) -> None:
    from aster_operator.cli.json_output import print_json

    if json_output:
        print_json(found)
        return
    for key in ("outcomes", "bigquery_outcomes"):
        if key in found:
            counts = ", ".join(f"{count} {name}" for name, count in found[key].items()) or "no days"
            print(f"{'BigQuery' if key != 'outcomes' else found['store']}: {counts}")
