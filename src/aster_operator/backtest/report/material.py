"""Everything a report shows of one symbol, computed once for the page and for the pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.report.heatmaps import Heatmap, heatmaps, varied_parameters
from aster_operator.backtest.report.saved import SavedSweep
from aster_operator.backtest.report.series import Curve, Line, equity_curve, thin
from aster_operator.backtest.sweep import SweepResult, prepare_bars, run_grid_backtest
from aster_operator.backtest.trades import trade_list
from aster_operator.backtest.validation.study import Study, StudyOptions, study_sweep

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SymbolMaterial", "TopConfiguration", "gather", "top_configurations"]

_SAME = 1e-9
_SWEEP_SHARE = 0.4
"""Of the time of running and studying a sweep: about what the running takes."""


@dataclass(frozen=True)
class TopConfiguration:
    """One of the best: its trades and its curve."""

    config_id: str
    trades: pl.DataFrame
    curve: Curve


@dataclass(frozen=True)
class SymbolMaterial:
    """One symbol. `changed` counts configurations whose PnL is not what the result file says: other code or
    other options wrote it."""

    sweep: SavedSweep
    result: SweepResult
    study: Study
    price: Line
    top: list[TopConfiguration]
    parameters: list[str]
    maps: list[Heatmap]
    changed: int


def top_configurations(
    result: SweepResult, bars: Bars, config_ids: Sequence[str]
) -> tuple[list[TopConfiguration], Line]:
    """Trades and curves of some configurations, and the price they traded on."""
    used = prepare_bars(bars, result.semantics)
    top = []
    for config_id in config_ids:
        trades = trade_list(result, bars, config_id)
        top.append(TopConfiguration(config_id, trades, equity_curve(result, trades)))
    return top, thin(Line(used.close_ms, used.close))


def gather(
    sweep: SavedSweep,
    bars: Bars,
    *,
    top: int,
    seed: int = 1,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> SymbolMaterial:
    """Run a saved sweep again over its bars and study it. Raises BacktestProblem."""

    def share(first: float, room: float) -> Callable[[float], None] | None:
        return None if progress is None else lambda done: progress(first + room * done)

    result = run_grid_backtest(
        bars,
        sweep.grid,
        semantics=sweep.semantics,
        options=sweep.options,
        config_ids=sweep.config_ids,
        workers=workers,
        progress=share(0.0, _SWEEP_SHARE),
    )
    study = study_sweep(
        result,
        bars,
        StudyOptions(seed=seed),
        workers=workers,
        progress=share(_SWEEP_SHARE, 1.0 - _SWEEP_SHARE),
    )
    best, price = top_configurations(result, bars, sweep.ranked.get_column("config_id").head(top).to_list())
    parameters = varied_parameters(sweep.ranked)
    return SymbolMaterial(
        sweep=sweep,
        result=result,
        study=study,
        price=price,
        top=best,
        parameters=parameters,
        maps=list(heatmaps(sweep.ranked, parameters)),
        changed=_changed(sweep, result),
    )


def _changed(sweep: SavedSweep, result: SweepResult) -> int:
    from aster_operator.backtest.metrics import metric_columns

    saved = dict(sweep.ranked.select("config_id", "total_pnl").iter_rows())
    before = np.array([saved.get(name, np.nan) for name in result.config_ids], dtype=np.float64)
    now = metric_columns(result)["total_pnl"]
    return int(np.sum(~np.isclose(now, before, rtol=_SAME, atol=_SAME, equal_nan=True)))
