"""`aster-operator backtest weekly`: what a timer starts, from recorded days to files, BigQuery and mail."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from aster_operator.cli.backtest_features import make_features
from aster_operator.cli.backtest_message import all_sent, send_sweep, sweep_notifier
from aster_operator.cli.backtest_options import (
    FundingHours,
    Seed,
    SemanticsName,
    SlippageBps,
    Verdict,
    Workers,
    exchange_options,
    one_of,
)
from aster_operator.cli.backtest_sweep import prepare_sweep, print_sweep, run_sweep, sweep_summary
from aster_operator.cli.data_pipeline import warehouse_from
from aster_operator.cli.errors import print_warnings
from aster_operator.cli.options import DryRun, EnvFile, JsonOutput, settings_from
from aster_operator.config.problems import UserProblem
from aster_operator.domain.clock import Clock, WallClock

if TYPE_CHECKING:
    from aster_operator.backtest.bars import Bars
    from aster_operator.backtest.grid import SymbolGrid
    from aster_operator.backtest.semantics_exchange import ExchangeOptions
    from aster_operator.backtest.sweep import SweepResult
    from aster_operator.backtest.validation.study import Study
    from aster_operator.backtest.weekly import WeeklyPlan, WeeklyTables
    from aster_operator.config.settings import Settings
    from aster_operator.monitoring.notifications import Notifier

__all__ = ["HELP", "weekly"]

HELP = """Run the back-test of the settings ASTER_BACKTEST_*: the last seven full days, or those they name.

Makes the feature table, runs the grid of ASTER_BACKTEST_CONFIG_FILE over it, writes ranking, configurations,
verdicts and inputs under the date of the run, uploads them to BigQuery and sends the verdicts where that is
switched on, and removes outputs older than ASTER_BACKTEST_RETENTION_DAYS: none that was to be uploaded and
is not.

\b
Examples:
  aster-operator backtest weekly --dry-run
  aster-operator backtest weekly --grid grid.json --catalog catalog --out backtests --json
"""

_RANKED_TABLE = "backtest_ranked"
_CONFIG_TABLE = "backtest_config_map"
_INPUTS_TABLE = "backtest_inputs"
_DEFAULT_NOTIONAL_USD = 100.0

_GridFile = Annotated[
    Path | None,
    typer.Option(
        "--grid",
        metavar="FILE",
        help="JSON file with the lists of values (default: ASTER_BACKTEST_CONFIG_FILE).",
    ),
]
_Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder for what is not named by a setting.")
]
_LogDir = Annotated[
    Path | None,
    typer.Option(
        "--log-dir", "--log_dir", metavar="DIR", help="CSV logs (default: ASTER_LOG_DIR without a catalog)."
    ),
]
_Catalog = Annotated[
    Path | None,
    typer.Option("--catalog", metavar="DIR", help="Parquet catalog (default: CATALOG_DIR if it has bars)."),
]
_AllowGaps = Annotated[
    bool,
    typer.Option(
        "--allow-gaps/--no-allow-gaps", help="Take rows on both sides of a gap as neighbours, and say so."
    ),
]
_BigQuery = Annotated[
    bool | None,
    typer.Option(
        "--bigquery/--no-bigquery", help="Upload the results (default: ASTER_BQ_ENABLE_BACKTEST_UPLOAD)."
    ),
]
_UploadInputs = Annotated[bool, typer.Option("--upload-inputs", help="Upload the feature table too.")]
_Send = Annotated[
    bool | None,
    typer.Option(
        "--send/--no-send",
        help="Send verdicts and best configurations (default: ASTER_EMAIL_BACKTEST_ON_COMPLETION).",
    ),
]


class _Source(NamedTuple):
    """Where the features come from: one of the two, or neither where the inputs are there already."""

    log_dir: Path | None
    catalog: Path | None

    @property
    def name(self) -> str:
        return str(self.catalog or self.log_dir or "")


class _Way(NamedTuple):
    """How the sweep is run. `seed` is that of the verdicts, None: without them."""

    semantics: str
    options: "ExchangeOptions"
    allow_gaps: bool
    workers: int | None
    seed: int | None


class _Swept(NamedTuple):
    """What a run found. `recorded` is how many bars of each symbol there are."""

    results: "list[SweepResult]"
    studies: "list[Study]"
    together: "WeeklyTables"
    recorded: dict[str, int]
    gaps: int | None
    summary: dict[str, Any]


class _Upload(NamedTuple):
    """What became of the upload; `problem` is why it is not complete."""

    loaded: list[dict[str, Any]]
    problem: UserProblem | None = None


def weekly(
    grid: _GridFile = None,
    out: _Out = Path("backtests"),
    log_dir: _LogDir = None,
    catalog: _Catalog = None,
    semantics: SemanticsName = "exchange",
    slippage_bps: SlippageBps = 0.0,
    funding_hours: FundingHours = 8,
    allow_gaps: _AllowGaps = True,
    workers: Workers = None,
    verdict: Verdict = True,
    seed: Seed = 1,
    bigquery: _BigQuery = None,
    upload_inputs: _UploadInputs = False,
    send: _Send = None,
    dry_run: DryRun = False,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    from aster_operator.backtest.grid import read_grid
    from aster_operator.backtest.sweep import SEMANTICS
    from aster_operator.backtest.weekly import plan_week, swept_grids
    from aster_operator.cli.json_output import print_json

    one_of(semantics, SEMANTICS, "--semantics")
    settings, clock = settings_from(env_file), WallClock()
    plan = plan_week(settings, out, clock.now_ms(), grid)
    grids, left_out = swept_grids(read_grid(plan.grid), plan)
    source = _source(settings, plan, log_dir, catalog)
    wants_upload = settings.bq_enable_backtest_upload if bigquery is None else bigquery
    warehouse = warehouse_from(settings) if wants_upload else None
    wants_message = settings.email_backtest_on_completion if send is None else send
    notifier = sweep_notifier(settings, "backtest weekly --send") if wants_message else None
    found = _planned(plan, grids, source) | {"dry_run": dry_run}
    print_warnings(tuple(f"{symbol} is in the grid and not tested" for symbol in left_out))
    if dry_run:
        found |= {
            "would_upload": _table_names(upload_inputs) if wants_upload else [],
            "would_remove": [str(path) for path, _ in plan.outdated()],
            "would_send_to": [] if notifier is None else [target.name for target in notifier.targets],
        }
        print_json(found) if json_output else _print_plan(found)
        return 0

    way = _Way(
        semantics=semantics,
        options=exchange_options(
            float(settings.midfreq_taker_fee_bps),
            slippage_bps,
            float(settings.midfreq_order_notional_usd or _DEFAULT_NOTIONAL_USD),
            settings.midfreq_reentry_cooldown_min,
            funding_hours,
        ),
        allow_gaps=allow_gaps,
        workers=workers,
        seed=seed if verdict else None,
    )
    swept = _sweep(plan, grids, source, way, clock)
    upload = _Upload([]) if warehouse is None else _upload(warehouse, plan, swept, clock, upload_inputs)
    found |= swept.summary | {"recorded": swept.recorded, "gaps": swept.gaps, "bigquery": upload.loaded}
    found |= _tidied(plan, warehouse, upload)
    return _tell(found, swept, upload, _notes(plan, swept, upload), notifier, json_output)


def _tell(
    found: dict[str, Any],
    swept: _Swept,
    upload: _Upload,
    notes: tuple[str, ...],
    notifier: "Notifier | None",
    json_output: bool,
) -> int:
    """Print and send what was found; the exit code. Raises why the upload is not complete."""
    from aster_operator.cli.json_output import print_json

    print_warnings(notes)
    if notifier is not None:
        found["deliveries"] = send_sweep(
            notifier, swept.results, swept.studies, swept.summary["semantics"], notes
        )
    print_json(found) if json_output else print_sweep(swept.results, found | {"plots": []})
    if upload.problem is not None:
        raise upload.problem
    return int(not all_sent(found.get("deliveries", [])))


# --- before the work ------------------------------------------------------------------------------------


def _source(settings: "Settings", plan: "WeeklyPlan", log_dir: Path | None, catalog: Path | None) -> _Source:
    """The options' choice, else the catalog of the settings if there is one, else their CSV logs."""
    from aster_operator.market_data.catalog.catalog import Catalog
    from aster_operator.market_data.catalog.layout import is_catalog

    if log_dir is not None and catalog is not None:
        raise typer.BadParameter("give one of the two", param_hint="--log-dir or --catalog")
    if not plan.builds_inputs:
        if log_dir is not None or catalog is not None:
            raise typer.BadParameter(
                "ASTER_BACKTEST_BUILD_INPUTS=false takes the inputs as they are",
                param_hint="--log-dir or --catalog",
            )
        return _Source(None, None)
    if log_dir is None and catalog is None:
        own = Path(settings.catalog_dir)
        has_bars = is_catalog(own) and bool(Catalog(own).symbols("kline_1m"))
        catalog, log_dir = (own, None) if has_bars else (None, Path(settings.midfreq_log_dir))
    source = _Source(log_dir, catalog)
    if not Path(source.name).is_dir():
        raise UserProblem(
            "the recorded market is not there", source.name, "name its folder with --log-dir or --catalog"
        )
    return source


def _table_names(upload_inputs: bool) -> list[str]:
    return [_RANKED_TABLE, _CONFIG_TABLE, *([_INPUTS_TABLE] if upload_inputs else [])]


def _planned(plan: "WeeklyPlan", grids: "Sequence[SymbolGrid]", source: _Source) -> dict[str, Any]:
    return {
        "run_date": plan.run_date.isoformat(),
        "first_day": plan.first_day.isoformat() if plan.builds_inputs else None,
        "last_day": plan.last_day.isoformat() if plan.builds_inputs else None,
        "symbols": [grid.symbol for grid in grids],
        "configs": sum(grid.size for grid in grids),
        "source": source.name if plan.builds_inputs else str(plan.inputs),
        "inputs": str(plan.inputs),
        "ranked": str(plan.ranked),
        "config_map": str(plan.config_map),
    }


def _print_plan(found: Mapping[str, Any]) -> None:
    days = f", {found['first_day']} to {found['last_day']}" if found["first_day"] else ""
    typer.echo(
        f"{found['configs']:,} configurations of {', '.join(found['symbols'])}{days}, {found['source']}"
    )
    typer.echo(f"-> {found['inputs']}, {found['ranked']}, {found['config_map']}")
    for key in ("would_upload", "would_remove", "would_send_to"):
        typer.echo(f"{key.replace('_', ' ')}: {', '.join(found[key]) or 'nothing'}")


# --- the work -------------------------------------------------------------------------------------------


def _sweep(
    plan: "WeeklyPlan",
    grids: "list[SymbolGrid]",
    source: _Source,
    way: _Way,
    clock: Clock,
) -> _Swept:
    """Features, sweep, verdicts, and their files."""
    from aster_operator.backtest.features import write_features
    from aster_operator.backtest.results import file_hash, result_tables
    from aster_operator.backtest.saved_verdicts import verdict_files
    from aster_operator.backtest.weekly import weekly_tables, write_week
    from aster_operator.cli.backtest_verdicts import study_results

    gaps = None
    if plan.builds_inputs:
        windows = _windows(plan, grids)
        own = [grid.symbol for grid in grids]
        features = make_features(source.log_dir, source.catalog, own, windows, plan.times)
        gaps = features.gaps
        write_features(features, plan.inputs)
    prepared = prepare_sweep(plan.inputs, grids, way.semantics, way.options, allow_gaps=way.allow_gaps)
    bars = [own for _, own, _ in prepared]
    results, seconds = run_sweep(prepared, way.semantics, way.workers, clock, part_size=plan.part_size)
    studies = [] if way.seed is None else study_results(results, bars, seed=way.seed, workers=way.workers)
    inputs_hash = file_hash(plan.inputs)
    tables = {result.symbol: result_tables(result, inputs_hash) for result in results}
    together = weekly_tables(tables)
    verdicts = verdict_files(studies, results, plan.out, plan.date_in_names, inputs_hash)
    paths = write_week(plan, tables, together, verdicts)
    summary = sweep_summary(results, studies, seconds, way.semantics) | {
        "results": [str(path) for path in paths]
    }
    return _Swept(results, studies, together, _recorded(bars), gaps, summary)


def _recorded(bars: "Sequence[Bars]") -> dict[str, int]:
    return {own.symbol: len(own) for own in bars}


def _windows(plan: "WeeklyPlan", grids: "Sequence[SymbolGrid]") -> tuple[int, ...]:
    """The windows of the settings, and those that the grid asks for besides."""
    asked = {int(value) for grid in grids for name in ("T", "V") for value in grid.space[name]}
    return tuple(sorted({*plan.windows, *asked}))


# --- after the work -------------------------------------------------------------------------------------


def _upload(warehouse: Any, plan: "WeeklyPlan", swept: _Swept, clock: Clock, upload_inputs: bool) -> _Upload:
    from aster_operator.backtest.weekly import input_rows

    tables = {_RANKED_TABLE: swept.together.ranked, _CONFIG_TABLE: swept.together.config_map}
    if upload_inputs:
        tables[_INPUTS_TABLE] = input_rows(plan.inputs)
    loaded: list[dict[str, Any]] = []
    try:
        for name, rows in tables.items():
            done = warehouse.load_results(name, rows, plan.run_date.isoformat(), clock)
            loaded.append(done._asdict())
    except UserProblem as problem:
        return _Upload(loaded, problem)
    return _Upload(loaded)


def _tidied(plan: "WeeklyPlan", warehouse: Any, upload: _Upload) -> dict[str, list[str]]:
    """Remove what is older than the retention; what was to be uploaded, only if it was."""
    outdated, there = plan.outdated(), None
    if upload.problem is not None:
        there = frozenset[str]()
    elif warehouse is not None and outdated:
        there = warehouse.loaded_days(_RANKED_TABLE) & warehouse.loaded_days(_CONFIG_TABLE)
    removed = [path for path, day in outdated if there is None or day.isoformat() in there]
    for path in removed:
        path.unlink(missing_ok=True)
    return {
        "removed": [str(path) for path in removed],
        "kept_until_uploaded": [str(path) for path, _ in outdated if path not in removed],
    }


def _notes(plan: "WeeklyPlan", swept: _Swept, upload: _Upload) -> tuple[str, ...]:
    """What whoever reads the results must know of them."""
    notes = []
    if plan.builds_inputs:
        notes = [
            f"{symbol}: {bars:,} of {plan.minutes:,} minutes are there, {plan.first_day} to {plan.last_day}"
            for symbol, bars in swept.recorded.items()
            if bars < plan.minutes
        ]
        if swept.gaps:
            notes.append(f"rows on both sides of {swept.gaps:,} gaps were taken as neighbours")
    if upload.problem is not None:
        notes.append(f"not everything is in BigQuery: {upload.problem.line}")
    return tuple(notes)
