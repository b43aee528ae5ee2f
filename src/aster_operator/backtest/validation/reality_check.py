"""Whether the best of many beats doing nothing by more than luck: reality check by stationary bootstrap.

White, A Reality Check for Data Snooping (2000), once on the means as they are and once on means divided by
their standard deviation, as in Hansen, A Test for Superior Predictive Ability (2005), in its least favourable
form: no configuration is left out for being poor, since leaving them out lets noise pass too often on the few
months that people have. Resampling after Politis and Romano (1994): blocks of geometric length, so that what
hangs together in time stays together.
"""

import math
from dataclasses import dataclass

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.problems import BacktestProblem

__all__ = ["RealityCheck", "draw_counts", "reality_check"]

_CHUNK_VALUES = 8_000_000
"""Configurations are resampled in chunks of about this many (resample, configuration) pairs."""


@dataclass(frozen=True)
class RealityCheck:
    """P-values against "no configuration earns anything": on means, and on studentised means.

    `best` is the configuration with the largest studentised mean, `best_outcomes` its mean per period in each
    resample (for a picture of the range it might have shown).
    """

    white_p_value: float
    studentised_p_value: float
    best: int
    best_outcomes: Floats
    resamples: int
    mean_block: float

    @property
    def p_value(self) -> float:
        """The larger of the two: each alone lets noise pass a little more often than it says (measured on
        short histories), and what must convince somebody with money has to pass both."""
        return max(self.white_p_value, self.studentised_p_value)


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
) -> RealityCheck:
    """Judge the best column of `returns` (periods x configurations, PnL of equal periods after all costs).

    `mean_block` periods hang together, the cube root of their number unless told. Configurations that never
    trade take no part. Raises BacktestProblem for fewer than eight periods or when nothing ever trades.
    """
    periods = returns.shape[0]
    if periods < 8:
        raise BacktestProblem(f"a reality check needs at least 8 periods, got {periods}")
    spreads = returns.std(axis=0)
    moving = np.flatnonzero(spreads > 0.0)
    if not len(moving):
        raise BacktestProblem("no configuration has any return: there is nothing to judge")
    block = mean_block if mean_block is not None else max(1.0, periods ** (1 / 3))
    counts = draw_counts(periods, resamples, block, np.random.default_rng(seed))
    means = returns.mean(axis=0)
    deviations = returns.std(axis=0, ddof=1)
    root = math.sqrt(periods)
    # A resample is centred on a mean that was fitted to the same periods: it moves too little by this much.
    widening = 1.0 / math.sqrt(max(1.0 - (2.0 * block - 1.0) / periods, 0.25))
    white, studentised = np.full(resamples, -np.inf), np.full(resamples, -np.inf)
    chunk = max(1, _CHUNK_VALUES // resamples)
    for first in range(0, len(moving), chunk):
        columns = moving[first : first + chunk]
        centred = widening * root * (counts @ returns[:, columns] / periods - means[columns])
        white = np.maximum(white, centred.max(axis=1))
        studentised = np.maximum(studentised, (centred / deviations[columns]).max(axis=1))
    ratios = root * means[moving] / deviations[moving]
    best = int(moving[int(np.argmax(ratios))])
    return RealityCheck(
        white_p_value=_p_value(white, root * float(means[moving].max())),
        studentised_p_value=_p_value(studentised, float(ratios.max())),
        best=best,
        best_outcomes=counts @ returns[:, best] / periods,
        resamples=resamples,
        mean_block=block,
    )


def _p_value(resampled: Floats, observed: float) -> float:
    """Share of resamples at least as good; the observation itself counts as one, so that it is never zero."""
    return (1.0 + float(np.sum(resampled >= observed))) / (1.0 + len(resampled))
