"""Everything the lab can say about whether a sweep's best configuration is to be believed.

The history is cut into equal periods, and every configuration is run through each of them from a flat start:
what comes out, profit by period and configuration, is what all studies look at. A position still open at the
end of a period is valued there, so that no trade belongs to two periods.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, ParamGrid
from aster_operator.backtest.kernels.compiler import Floats, LongIntegers
from aster_operator.backtest.metrics import metric_columns
from aster_operator.backtest.sweep import SweepResult, prepare_bars, run_grid_backtest
from aster_operator.backtest.trades import trade_list
from aster_operator.backtest.validation.decay import decay_p_value
from aster_operator.backtest.validation.overfitting import (
    OverfittingEstimate,
    distinct_columns,
    probability_of_overfitting,
)
from aster_operator.backtest.validation.plateau import Plateau, plateau_around
from aster_operator.backtest.validation.reality_check import RealityCheck, reality_check
from aster_operator.backtest.validation.regimes import (
    RegimeRow,
    break_down,
    hour_of_day,
    terciles,
    weekday,
)
from aster_operator.backtest.validation.sharpe import DeflatedSharpe, deflated_sharpe_ratio
from aster_operator.backtest.validation.trade_order import TradeOrderStudy, study_trade_order
from aster_operator.backtest.validation.verdict import Evidence, Judgement, Thresholds, judge
from aster_operator.backtest.validation.windows import equal_blocks, walk_forward_windows

__all__ = ["COST_FACTORS", "CostRow", "FoldRow", "Study", "StudyOptions", "study_periods", "study_sweep"]

COST_FACTORS = (0.5, 1.0, 1.5, 2.0, 3.0)
_STRESS_FACTOR = 1.5
_DAY_BARS = 24 * 60
_MIN_PERIODS = 30
_MAX_PERIODS = 365
_TREND_BARS = 60
_SCHEMES = ("anchored", "rolling")
_MOVED_PARAMETERS = ("k", "n", "tp_bps", "sl_bps", "activation_bps", "callback_bps")
_MOVED_SHARE = 0.1


@dataclass(frozen=True)
class StudyOptions:
    """`periods` of equal length (one a day unless told, at least 30), `folds` of the walk-forward,
    `blocks` of the cross-validation; `purge_periods` are left out between choosing and judging."""

    periods: int | None = None
    folds: int = 5
    purge_periods: int = 1
    blocks: int = 10
    resamples: int = 1_000
    seed: int = 1
    thresholds: Thresholds = field(default_factory=Thresholds)


@dataclass(frozen=True)
class FoldRow:
    """One step of a walk-forward: the best configuration of the training periods, and what it then earned.

    `test_first_ms` and `test_last_ms` are close times of bars; profits in the unit of the sweep.
    """

    scheme: str
    fold: int
    config_id: str
    train_pnl: float
    test_pnl: float
    test_first_ms: int
    test_last_ms: int


@dataclass(frozen=True)
class CostRow:
    """The chosen configuration with fees and slippage times `factor`."""

    factor: float
    total_pnl: float
    trades: int


@dataclass(frozen=True)
class Study:
    """All findings on one symbol. `period_pnl` holds periods x configurations; parts are None where there was
    too little to look at."""

    symbol: str
    best: str
    judgement: Judgement
    evidence: Evidence
    period_pnl: Floats
    period_end_ms: LongIntegers
    walk_forward: tuple[FoldRow, ...]
    overfitting: OverfittingEstimate | None
    deflated: DeflatedSharpe | None
    check: RealityCheck | None
    plateau: Plateau
    order: TradeOrderStudy | None
    costs: tuple[CostRow, ...]
    regimes: dict[str, list[RegimeRow]]


def study_sweep(
    result: SweepResult,
    bars: Bars,
    options: StudyOptions | None = None,
    *,
    chosen: int | None = None,
    plateau: Plateau | None = None,
    period_pnl: Floats | None = None,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> Study:
    """Study the configuration that `result` ranks first, or row `chosen` of its grid.

    `bars` are those the sweep ran over. `plateau` is the chosen one's neighbourhood where the grid does not
    hold it, `period_pnl` the profits of `study_periods` where they were computed elsewhere.

    The same inputs and seed give the same study, with any number of workers. Raises BacktestProblem for
    options that do not fit together.
    """
    settings = options if options is not None else StudyOptions()
    metrics = metric_columns(result)
    profits = metrics["total_pnl"]
    best = int(np.argmax(np.where(np.isnan(profits), -np.inf, profits))) if chosen is None else chosen
    used = prepare_bars(bars, result.semantics)
    ranges = study_periods(result, bars, settings)
    pnl = _period_pnl(result, used, ranges, workers, progress) if period_pnl is None else period_pnl
    ends = used.close_ms[[last - 1 for _, last in ranges]]
    trades_somewhere = bool(np.any(pnl.std(axis=0) > 0.0))
    numbers = distinct_columns(pnl)
    distinct = pnl[:, numbers]
    check = _check(distinct, numbers, settings) if trades_somewhere else None
    overfitting = _overfitting(distinct, settings)
    deflated = deflated_sharpe_ratio(pnl, best) if trades_somewhere else None
    folds = _walk_forward(result, pnl, ends, settings)
    if plateau is None:
        plateau = _plateau(result, bars, profits, best)
    costs = tuple(_with_costs(result, bars, best, factor) for factor in COST_FACTORS)
    evidence = Evidence(
        trades=int(metrics["n_trades"][best]),
        alternatives=distinct.shape[1],
        reality_check_p_value=math.nan if check is None else check.p_value,
        overfitting_probability=math.nan if overfitting is None else overfitting.probability,
        loss_probability=math.nan if overfitting is None else overfitting.loss_probability,
        deflated_sharpe_probability=math.nan if deflated is None else deflated.probability,
        walk_forward_pnl=_worse_scheme(folds),
        decay_p_value=decay_p_value(pnl[:, best]),
        plateau_score=plateau.score,
        stressed_cost_pnl=next(row.total_pnl for row in costs if row.factor == _STRESS_FACTOR),
    )
    order, regimes = _trades(result, bars, used, best, settings)
    return Study(
        symbol=result.symbol,
        best=result.config_ids[best],
        judgement=judge(evidence, settings.thresholds, is_biased=result.compounds),
        evidence=evidence,
        period_pnl=pnl,
        period_end_ms=ends,
        walk_forward=folds,
        overfitting=overfitting,
        deflated=deflated,
        check=check,
        plateau=plateau,
        order=order,
        costs=costs,
        regimes=regimes,
    )


def study_periods(result: SweepResult, bars: Bars, options: StudyOptions) -> tuple[tuple[int, int], ...]:
    """The periods of a study as half-open ranges of the bars the semantics uses."""
    used = len(prepare_bars(bars, result.semantics))
    return equal_blocks(used, _period_count(used, options))


def _period_count(bars: int, options: StudyOptions) -> int:
    if options.periods is not None:
        return options.periods
    return min(max(bars // _DAY_BARS, _MIN_PERIODS), _MAX_PERIODS, bars)


def _period_pnl(
    result: SweepResult,
    used: Bars,
    ranges: tuple[tuple[int, int], ...],
    workers: int | None,
    progress: Callable[[float], None] | None,
) -> Floats:
    """Profit of every configuration in every period (periods x configurations)."""
    pnl = np.empty((len(ranges), len(result.grid)))
    for row, (first, last) in enumerate(ranges):
        part = run_grid_backtest(
            used.window(first, last),
            result.grid,
            semantics=result.semantics,
            options=result.options,
            config_ids=result.config_ids,
            workers=workers,
        )
        pnl[row] = metric_columns(part)["total_pnl"]
        if progress is not None:
            progress((row + 1) / len(ranges))
    return pnl


def _check(distinct: Floats, numbers: LongIntegers, options: StudyOptions) -> RealityCheck | None:
    """On the `distinct` profits alone: the best of some is not better for being there twice."""
    if len(distinct) < 8:
        return None
    check = reality_check(distinct, resamples=options.resamples, seed=options.seed)
    return None if check is None else replace(check, best=int(numbers[check.best]))


def _overfitting(pnl: Floats, options: StudyOptions) -> OverfittingEstimate | None:
    if pnl.shape[1] < 2 or pnl.shape[0] < options.blocks:
        return None
    return probability_of_overfitting(pnl, blocks=options.blocks)


def _plateau(result: SweepResult, bars: Bars, profits: Floats, best: int) -> Plateau:
    """The ground around the chosen one in the grid. A grid that does not vary has none: then each parameter
    but the windows is moved a little to either side, one at a time."""
    columns = {name: result.grid.column(name).tolist() for name in PARAMETERS}
    around = plateau_around(columns, profits, best)
    if around.neighbours:
        return around
    rows = [result.grid.values[best]]
    for name in _MOVED_PARAMETERS:
        for factor in (1.0 - _MOVED_SHARE, 1.0 + _MOVED_SHARE):
            moved = rows[0].copy()
            moved[PARAMETERS.index(name)] *= factor
            if moved[PARAMETERS.index(name)] > 0.0:
                rows.append(moved)
    near = ParamGrid.of_rows(np.array(rows))
    run = run_grid_backtest(bars, near, semantics=result.semantics, options=result.options, workers=1)
    moved_columns = {name: near.column(name).tolist() for name in PARAMETERS}
    return plateau_around(moved_columns, metric_columns(run)["total_pnl"], 0)


def _walk_forward(
    result: SweepResult, pnl: Floats, ends: LongIntegers, options: StudyOptions
) -> tuple[FoldRow, ...]:
    """Both schemes over the periods; none when there are too few of them for the folds."""
    if len(pnl) < (options.folds + 1) * (options.purge_periods + 1):
        return ()
    rows = []
    for scheme in _SCHEMES:
        windows = walk_forward_windows(
            len(pnl), options.folds, anchored=scheme == "anchored", purge_bars=options.purge_periods
        )
        for fold, window in enumerate(windows, start=1):
            trained = pnl[window.train_first : window.train_last].sum(axis=0)
            chosen = int(np.argmax(trained))
            rows.append(
                FoldRow(
                    scheme=scheme,
                    fold=fold,
                    config_id=result.config_ids[chosen],
                    train_pnl=float(trained[chosen]),
                    test_pnl=float(pnl[window.test_first : window.test_last, chosen].sum()),
                    test_first_ms=int(ends[window.test_first - 1]),
                    test_last_ms=int(ends[window.test_last - 1]),
                )
            )
    return tuple(rows)


def _worse_scheme(folds: tuple[FoldRow, ...]) -> float:
    """Profit out of sample under the scheme that did worse; nan without any."""
    if not folds:
        return math.nan
    return min(sum(row.test_pnl for row in folds if row.scheme == scheme) for scheme in _SCHEMES)


def _with_costs(result: SweepResult, bars: Bars, chosen: int, factor: float) -> CostRow:
    options = replace(
        result.options,
        fee_bps=result.options.fee_bps * factor,
        slippage_bps=result.options.slippage_bps * factor,
    )
    alone = run_grid_backtest(
        bars,
        result.grid.take(np.asarray([chosen], dtype=np.int32)),
        semantics=result.semantics,
        options=options,
        workers=1,
    )
    metrics = metric_columns(alone)
    return CostRow(
        factor=factor, total_pnl=float(metrics["total_pnl"][0]), trades=int(metrics["n_trades"][0])
    )


def _trades(
    result: SweepResult, bars: Bars, used: Bars, chosen: int, options: StudyOptions
) -> tuple[TradeOrderStudy | None, dict[str, list[RegimeRow]]]:
    """What the chosen one's own trades tell: their order, and the regimes they were entered in."""
    trades = trade_list(result, bars, result.config_ids[chosen])
    if not len(trades):
        return None, {}
    pnl = trades.get_column("pnl_usd").to_numpy()
    entries = trades.get_column("entry_bar").to_numpy()
    entry_ms = trades.get_column("entry_ms").to_numpy()
    window = min(used.volatility_bps)
    volatility = terciles(used.volatility_bps[window])[entries]
    trend = terciles(used.close / np.roll(used.close, _TREND_BARS) - 1.0)
    trend = np.where(entries >= _TREND_BARS, trend[entries], -1)
    return study_trade_order(pnl, seed=options.seed), {
        "volatility": break_down(pnl, volatility, ("calm", "normal", "wild")),
        "trend of the last hour": break_down(pnl, trend, ("falling", "sideways", "rising")),
        "hour (UTC)": break_down(pnl, hour_of_day(entry_ms), [f"{hour:02d}" for hour in range(24)]),
        "weekday (UTC)": break_down(
            pnl, weekday(entry_ms), ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
        ),
    }
