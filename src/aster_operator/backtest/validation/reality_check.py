"""Whether the best of many beats doing nothing by more than luck: reality check by stationary bootstrap.

White, A Reality Check for Data Snooping (2000), on means divided by their standard deviation, as in Hansen, A
Test for Superior Predictive Ability (2005): on the means as they are, configurations that trade wildly and
without success hide a quiet one that earns. The least favourable form: no configuration is left out for being
poor, since leaving them out lets noise pass too often on the few months that people have.

The deviation is that of each resample, not of the history: the bootstrap-t of Hall, The Bootstrap and
Edgeworth Expansion (1992, ch. 3), for Sharpe ratios Ledoit and Wolf, Robust Performance Hypothesis Testing
with the Sharpe Ratio (2008). With one deviation for all resamples, strategies of many small gains and rare
large losses pass on luck nearly always.

Resampling after Politis and Romano (1994): blocks of geometric length, so that what hangs together in time
stays together.
"""

import math
from dataclasses import dataclass

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.problems import BacktestProblem

__all__ = ["RealityCheck", "draw_counts", "reality_check"]

_CHUNK_VALUES = 4_000_000
"""Configurations are resampled in chunks of about this many (resample, configuration) pairs."""
_MIN_PERIODS = 8
"""Periods with a result that a configuration needs: of fewer its deviation is not known."""


@dataclass(frozen=True)
class RealityCheck:
    """P-value against "no configuration earns anything", on studentised means.

    `best` is the configuration with the largest studentised mean, `best_outcomes` its mean per period in each
    resample (for a picture of the range it might have shown). `white_p_value` is that of the means as they
    are, for comparison: it sees nothing where one wild configuration loses.
    """

    p_value: float
    white_p_value: float
    best: int
    best_outcomes: Floats
    resamples: int
    mean_block: float


def draw_counts(periods: int, resamples: int, mean_block: float, generator: np.random.Generator) -> Floats:
    """How often each period occurs in each resample (resamples x periods); every row adds up to `periods`."""
    counts = np.zeros((resamples, periods))
    rows = np.arange(resamples)
    position = generator.integers(0, periods, resamples)
    for _ in range(periods):
        counts[rows, position] += 1.0
        fresh = generator.random(resamples) < 1.0 / mean_block
        position = np.where(fresh, generator.integers(0, periods, resamples), (position + 1) % periods)
    return counts


def reality_check(
    returns: Floats, *, resamples: int = 1_000, seed: int = 1, mean_block: float | None = None
) -> RealityCheck | None:
    """Judge the best column of `returns` (periods x configurations, PnL of equal periods after all costs).

    `mean_block` periods hang together, the cube root of their number unless told. Configurations with a
    result in fewer than eight periods take no part; None when no other is left. Raises BacktestProblem for
    fewer than eight periods.
    """
    periods = returns.shape[0]
    if periods < _MIN_PERIODS:
        raise BacktestProblem(f"a reality check needs at least {_MIN_PERIODS} periods, got {periods}")
    judged = np.flatnonzero((np.count_nonzero(returns, axis=0) >= _MIN_PERIODS) & (returns.std(axis=0) > 0.0))
    if not len(judged):
        return None
    block = mean_block if mean_block is not None else max(1.0, periods ** (1 / 3))
    counts = draw_counts(periods, resamples, block, np.random.default_rng(seed))
    root = math.sqrt(periods)
    # A resample is centred on a mean that was fitted to the same periods: it moves too little by this much.
    widening = 1.0 / math.sqrt(max(1.0 - (2.0 * block - 1.0) / periods, 0.25))
    white, studentised = np.full(resamples, -np.inf), np.full(resamples, -np.inf)
    chunk = max(1, _CHUNK_VALUES // resamples)
    for first in range(0, len(judged), chunk):
        columns = returns[:, judged[first : first + chunk]]
        centred, deviations = _resampled(columns, counts)
        centred *= widening * root
        white = np.maximum(white, centred.max(axis=1))
        studentised = np.maximum(studentised, (centred / deviations).max(axis=1))
    means = returns[:, judged].mean(axis=0)
    ratios = root * means / returns[:, judged].std(axis=0, ddof=1)
    best = int(judged[int(np.argmax(ratios))])
    return RealityCheck(
        p_value=_p_value(studentised, float(ratios.max())),
        white_p_value=_p_value(white, root * float(means.max())),
        best=best,
        best_outcomes=counts @ returns[:, best] / periods,
        resamples=resamples,
        mean_block=block,
    )


def _resampled(columns: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Means less the history's, and standard deviations, of every resample (resamples x configurations);
    a resample in which nothing varies has an infinite deviation, since it tells nothing."""
    periods = columns.shape[0]
    own = columns.mean(axis=0)
    deviations = columns - own
    centred = counts @ deviations / periods
    variances = counts @ np.square(deviations) / periods - np.square(centred)
    flat = variances <= 1e-12 * np.square(deviations).mean(axis=0)
    variances[flat] = np.inf
    return centred, np.sqrt(variances * periods / (periods - 1))


def _p_value(resampled: Floats, observed: float) -> float:
    """Share of resamples at least as good; the observation itself counts as one, so that it is never zero."""
    return (1.0 + float(np.sum(resampled >= observed))) / (1.0 + len(resampled))
