"""What a search is worth: its best judged against the number of trials, and on bars it never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, ParamGrid
from aster_operator.backtest.metrics import metric_columns
from aster_operator.backtest.optimise.search import SearchRun, TrialRow
from aster_operator.backtest.optimise.space import SearchSpace
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import run_grid_backtest
from aster_operator.backtest.validation.plateau import Plateau, plateau_around
from aster_operator.backtest.validation.study import Study, StudyOptions, study_sweep

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FrontRow", "Outcome", "grid_json", "judge_search", "split_holdout", "trials_table"]

_SHOWN = ("total_pnl", "n_trades", "sharpe", "max_drawdown")


@dataclass(frozen=True)
class FrontRow:
    """A trial on the front: metrics over the searched bars, and over those it never saw (None: no such)."""

    trial: TrialRow
    searched: dict[str, float]
    unseen: dict[str, float] | None


@dataclass(frozen=True)
class Outcome:
    """The front, most wanted first, and the study of its first against all trials; None without a front."""

    run: SearchRun
    front: list[FrontRow]
    study: Study | None


def split_holdout(bars: Bars, share: float) -> tuple[Bars, Bars | None]:
    """The bars to search, and the last `share` of them that the search never sees."""
    cut = len(bars) - int(len(bars) * share)
    return bars.window(0, cut), bars.window(cut, len(bars)) if cut < len(bars) else None


def judge_search(
    run: SearchRun,
    space: SearchSpace,
    searched: Bars,
    unseen: Bars | None,
    *,
    semantics: str,
    options: ExchangeOptions,
    seed: int,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Outcome:
    """Judge the first of the front as the best of all that were tried, the stopped ones included."""
    by_number = {row.number: row for row in run.trials}
    chosen = [by_number[number] for number in run.front]
    if not chosen:
        return Outcome(run, [], None)

    def metrics(some: Bars, rows: Sequence[Sequence[float]]) -> dict[str, Any]:
        grid = ParamGrid.of_rows(np.array(rows, dtype=np.float64))
        return metric_columns(
            run_grid_backtest(some, grid, semantics=semantics, options=options, workers=workers)
        )

    rows = [row.values for row in chosen]
    inside = metrics(searched, rows)
    outside = metrics(unseen, rows) if unseen is not None and len(unseen) > 1 else None
    front = [
        FrontRow(row, _pick(inside, at), None if outside is None else _pick(outside, at))
        for at, row in enumerate(chosen)
    ]
    distinct = list(dict.fromkeys(row.values for row in run.trials))
    result = run_grid_backtest(
        searched,
        ParamGrid.of_rows(np.array(distinct, dtype=np.float64)),
        semantics=semantics,
        options=options,
        config_ids=[f"trial_{_first(run, values)}" for values in distinct],
        workers=workers,
    )
    study = study_sweep(
        result,
        searched,
        StudyOptions(seed=seed),
        chosen=distinct.index(chosen[0].values),
        plateau=_plateau(space, chosen[0].values, lambda near: metrics(searched, near)["total_pnl"]),
        workers=workers,
        progress=progress,
    )
    return Outcome(run, front, study)


def trials_table(run: SearchRun, objectives: Sequence[str]) -> pl.DataFrame:
    """One row a trial in the order they were made: parameters, objectives, why it was stopped."""
    import polars as pl

    front = set(run.front)
    columns: dict[str, Any] = {"trial": [row.number for row in run.trials]}
    for at, name in enumerate(PARAMETERS):
        values = [row.values[at] for row in run.trials]
        columns[name] = [int(value) for value in values] if name in ("T", "V") else values
    for at, name in enumerate(objectives):
        told = [row.objectives[at] if row.objectives else None for row in run.trials]
        columns[name.replace("-", "_")] = pl.Series(told, dtype=pl.Float64)
    columns["stopped"] = [row.stopped for row in run.trials]
    columns["on_front"] = [row.number in front for row in run.trials]
    return pl.DataFrame(columns)


def grid_json(space: SearchSpace, values: Sequence[float]) -> dict[str, Any]:
    """One configuration as an entry of a grid file."""
    sizes = {"tick_size": space.tick_size, "lot_size": space.lot_size}
    params = {
        name: [int(value) if name in ("T", "V") else value]
        for name, value in zip(PARAMETERS, values, strict=True)
    }
    return {name: size for name, size in sizes.items() if size is not None} | {"params": params}


def _first(run: SearchRun, values: tuple[float, ...]) -> int:
    return next(row.number for row in run.trials if row.values == values)


def _pick(columns: dict[str, Any], at: int) -> dict[str, float]:
    return {name: float(columns[name][at]) for name in _SHOWN}


def _plateau(
    space: SearchSpace, centre: tuple[float, ...], profits_of: Callable[[Sequence[Sequence[float]]], Any]
) -> Plateau:
    """The ground around the chosen one: every free parameter moved a little, one at a time."""
    rows = [centre]
    for name in space.free:
        at = PARAMETERS.index(name)
        for near in space.parameters[name].beside(centre[at]):
            rows.append((*centre[:at], near, *centre[at + 1 :]))
    columns = {name: [row[at] for row in rows] for at, name in enumerate(PARAMETERS)}
    return plateau_around(columns, profits_of(rows), 0)
