"""The weekly back-test of the deployment kit: which days, which files, and what of earlier runs is removed.

Everything comes from the settings `ASTER_BACKTEST_*`; a run's date names its files and its day in BigQuery,
so that the same run again takes the place of itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aster_operator.backtest.feature_sources import TimeRange
from aster_operator.backtest.grid import SymbolGrid
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.results import ResultTables, result_files, write_table
from aster_operator.backtest.tables import read_table, replace_files, table_kind
from aster_operator.domain.clock import DAY_MS
from aster_operator.market_data.catalog.layout import day_start_ms

if TYPE_CHECKING:
    import polars as pl

    from aster_operator.config.settings import Settings

__all__ = [
    "DEFAULT_DAYS",
    "WeeklyPlan",
    "WeeklyTables",
    "input_rows",
    "plan_week",
    "swept_grids",
    "weekly_tables",
    "write_week",
]

DEFAULT_DAYS = 7
"""Full days before the run's date that are tested where the settings do not say which."""

_OUTPUT = re.compile(
    r"backtest_(?:inputs|ranked|config_map|report|(?:results|config|verdict|top)_[^_].*)_(\d{8})(?:_\w+)?"
    r"\.(?:csv|csv\.gz|parquet|json|html|png)"
)
_FORMAT = "csv"


@dataclass(frozen=True)
class WeeklyPlan:
    """One run. Days are UTC, the last one included; `part_size` configurations run at a time."""

    grid: Path
    symbols: tuple[str, ...]
    first_day: date
    last_day: date
    run_date: date
    windows: tuple[int, ...]
    part_size: int
    retention_days: int
    builds_inputs: bool
    out: Path
    inputs: Path
    ranked: Path
    config_map: Path

    @property
    def date_in_names(self) -> str:
        return self.run_date.strftime("%Y%m%d")

    @property
    def times(self) -> TimeRange:
        """The bars that are tested, by the time they close."""
        return TimeRange(
            day_start_ms(self.first_day.isoformat()), day_start_ms(self.last_day.isoformat()) + DAY_MS
        )

    @property
    def minutes(self) -> int:
        """How many bars of a symbol the days have."""
        return ((self.last_day - self.first_day).days + 1) * 24 * 60

    def outdated(self) -> list[tuple[Path, date]]:
        """Outputs of runs in the folder that are older than the retention, oldest first, with their date."""
        oldest = self.run_date - timedelta(days=self.retention_days)
        own = {path.absolute() for path in (self.grid, self.inputs, self.ranked, self.config_map)}
        found = []
        for path in self.out.iterdir() if self.out.is_dir() else ():
            named = _OUTPUT.fullmatch(path.name)
            day = None if named is None else _day_in(named[1])
            if day is not None and day < oldest and path.absolute() not in own and path.is_file():
                found.append((path, day))
        return sorted(found, key=lambda output: (output[1], output[0]))


def plan_week(settings: Settings, out: Path, now_ms: int, grid: Path | None = None) -> WeeklyPlan:
    """The run that the settings ask for at `now_ms`; `grid` wins over theirs. Raises BacktestProblem."""
    chosen = grid or (None if settings.backtest_config_file is None else Path(settings.backtest_config_file))
    if chosen is None:
        raise BacktestProblem("no grid is named", "backtest weekly", "set ASTER_BACKTEST_CONFIG_FILE")
    today = datetime.fromtimestamp(now_ms / 1000, tz=UTC).date()
    run_date = _day("ASTER_BACKTEST_RUN_DATE", settings.backtest_run_date) or today
    last = _day("ASTER_BACKTEST_END_DATE", settings.backtest_end_date) or run_date - timedelta(days=1)
    first = _day("ASTER_BACKTEST_START_DATE", settings.backtest_start_date)
    first = first or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise BacktestProblem(
            f"{first} is after the last day, {last}", "ASTER_BACKTEST_START_DATE", "name an earlier day"
        )
    named = run_date.strftime("%Y%m%d")
    plan = WeeklyPlan(
        grid=chosen,
        symbols=settings.backtest_query_symbols or settings.midfreq_symbols,
        first_day=first,
        last_day=last,
        run_date=run_date,
        windows=tuple(sorted(set(settings.backtest_feature_windows_min))),
        part_size=settings.backtest_chunk_size,
        retention_days=settings.backtest_retention_days,
        builds_inputs=settings.backtest_build_inputs,
        out=out,
        inputs=Path(settings.backtest_inputs_csv or out / f"backtest_inputs_{named}.csv"),
        ranked=Path(settings.backtest_ranked_csv or out / f"backtest_ranked_{named}.csv"),
        config_map=Path(settings.backtest_config_map_csv or out / f"backtest_config_map_{named}.csv"),
    )
    _check_places(plan)
    return plan


def swept_grids(grids: Sequence[SymbolGrid], plan: WeeklyPlan) -> tuple[list[SymbolGrid], tuple[str, ...]]:
    """The grids of the plan's symbols, and the grid's symbols that are left out. Raises BacktestProblem."""
    own = [grid for grid in grids if grid.symbol in plan.symbols]
    left_out = tuple(grid.symbol for grid in grids if grid.symbol not in plan.symbols)
    if not own:
        raise BacktestProblem(
            f"none of {', '.join(plan.symbols)} is in the grid, which has {', '.join(left_out)}",
            str(plan.grid),
            "set ASTER_BACKTEST_QUERY_SYMBOLS",
        )
    return own, left_out


class WeeklyTables(NamedTuple):
    """All symbols together: the ranking, best first, and the parameters of each configuration."""

    ranked: pl.DataFrame
    config_map: pl.DataFrame


def weekly_tables(tables: Mapping[str, ResultTables]) -> WeeklyTables:
    """The tables of every symbol as one of each kind."""
    import polars as pl

    ranked = pl.concat([own.ranked for own in tables.values()], how="vertical_relaxed")
    configurations = pl.concat([own.configurations for own in tables.values()], how="vertical_relaxed")
    return WeeklyTables(
        ranked.sort("total_pnl", descending=True, nulls_last=True, maintain_order=True), configurations
    )


def write_week(
    plan: WeeklyPlan,
    tables: Mapping[str, ResultTables],
    together: WeeklyTables,
    verdicts: Mapping[Path, Callable[[Path], None]],
) -> list[Path]:
    """Write each symbol's files, those of all together and the verdicts, all or none; returns the paths.

    Raises BacktestProblem.
    """
    files = result_files(tables, plan.out, date=plan.date_in_names, file_format=_FORMAT)
    files[plan.ranked] = partial(write_table, together.ranked, table_kind(plan.ranked))
    files[plan.config_map] = partial(write_table, together.config_map, table_kind(plan.config_map))
    files |= verdicts
    replace_files(files)
    return list(files)


def input_rows(path: Path) -> pl.DataFrame:
    """A feature table with its times as times, however it was written. Raises BacktestProblem."""
    import polars as pl

    rows = read_table(path)
    if "bar_ts_ms" not in rows.columns:
        return rows
    times = pl.from_epoch("bar_ts_ms", time_unit="ms").dt.replace_time_zone("UTC").alias("timestamp")
    return rows.with_columns(times)


def _check_places(plan: WeeklyPlan) -> None:
    if plan.out.exists() and not plan.out.is_dir():
        raise BacktestProblem("not a folder", str(plan.out), "name a folder with --out")
    keys = {
        "ASTER_BACKTEST_INPUTS_CSV": plan.inputs,
        "ASTER_BACKTEST_RANKED_CSV": plan.ranked,
        "ASTER_BACKTEST_CONFIG_MAP_CSV": plan.config_map,
        "ASTER_BACKTEST_CONFIG_FILE": plan.grid,
    }
    seen: dict[Path, str] = {}
    for key, path in keys.items():
        other = seen.setdefault(path.absolute(), key)
        if other != key:
            raise BacktestProblem(f"{other} and {key} name one file", str(path), "name two")
        if path != plan.grid:
            table_kind(path)
    if plan.builds_inputs:
        return
    if not plan.inputs.is_file():
        raise BacktestProblem(
            "the file is not there", str(plan.inputs), "set ASTER_BACKTEST_INPUTS_CSV or _BUILD_INPUTS=true"
        )


def _day(key: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BacktestProblem(f"{text} is no day", key, "write YYYY-MM-DD") from None


def _day_in(name: str) -> date | None:
    try:
        return date(int(name[:4]), int(name[4:6]), int(name[6:]))
    except ValueError:
        return None
