"""What a Sharpe ratio is worth when it is the best of many, and when returns are skewed and fat-tailed.

Bailey and López de Prado, The Deflated Sharpe Ratio (2014); Mertens (2002) for the standard error.
All ratios are per period, not annualised.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.problems import BacktestProblem

__all__ = [
    "DeflatedSharpe",
    "deflated_sharpe_ratio",
    "effective_trials",
    "expected_best_sharpe",
    "probabilistic_sharpe_ratio",
]

_EULER_MASCHERONI = 0.5772156649015329
_NORMAL = NormalDist()


@dataclass(frozen=True)
class DeflatedSharpe:
    """`probability` that the true ratio is above zero, given how many were tried.

    `sharpe` is the one observed, `hurdle` what the best of `trials` independent ones without any skill
    would show.
    """

    probability: float
    sharpe: float
    hurdle: float
    trials: float


def probabilistic_sharpe_ratio(returns: Floats, benchmark: float = 0.0) -> float:
    """Probability that the true ratio of `returns` (one column, equal periods) exceeds `benchmark`.

    Nan for fewer than three periods or returns that never change.
    """
    count = len(returns)
    deviations = returns - returns.mean() if count else returns
    variance = float(np.mean(np.square(deviations))) if count else 0.0
    if count < 3 or variance <= 0.0:
        return math.nan
    sharpe = float(returns.mean()) / math.sqrt(variance * count / (count - 1))
    skewness = float(np.mean(deviations**3)) / variance**1.5
    kurtosis = float(np.mean(deviations**4)) / variance**2
    spread = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    if spread <= 0.0:
        return math.nan
    return _NORMAL.cdf((sharpe - benchmark) * math.sqrt(count - 1) / math.sqrt(spread))


def expected_best_sharpe(deviation: float, trials: float) -> float:
    """Ratio that the best of `trials` independent strategies without skill is expected to show.

    `deviation` is the standard deviation of the ratios over the trials. Zero for a single trial.
    """
    if trials < 1.0:
        raise BacktestProblem(f"the number of trials must be at least 1, got {trials}")
    if trials == 1.0:
        return 0.0
    first = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return deviation * ((1.0 - _EULER_MASCHERONI) * first + _EULER_MASCHERONI * second)


def effective_trials(returns: Floats) -> float:
    """How many independent strategies the columns of `returns` (periods x configurations) amount to.

    The participation ratio of the correlation matrix's eigenvalues: 1 when all columns are one strategy,
    their number when none has to do with another. Columns that never change count for nothing.
    """
    deviations = returns - returns.mean(axis=0)
    norms = np.sqrt(np.sum(np.square(deviations), axis=0))
    moving = norms > 0.0
    count = int(moving.sum())
    if count == 0:
        return 1.0
    unit = deviations[:, moving] / norms[moving]
    # The periods' Gram matrix has the same squared norm as the correlation matrix, and is far smaller.
    gram = unit @ unit.T if unit.shape[0] <= count else unit.T @ unit
    return max(1.0, count**2 / float(np.sum(np.square(gram))))


def deflated_sharpe_ratio(returns: Floats, chosen: int | None = None) -> DeflatedSharpe:
    """Judge column `chosen` of `returns` (periods x configurations), that with the highest ratio unless told.

    The hurdle supposes that no trial has skill: then ratios scatter by one over the root of the periods (Lo,
    The Statistics of Sharpe Ratios, 2002). How much the trials' ratios scatter in fact would count it against
    a good configuration that others of the grid are bad, by costs for instance.
    """
    periods = returns.shape[0]
    spreads = returns.std(axis=0, ddof=1) if periods > 1 else np.zeros(returns.shape[1])
    moving = spreads > 0.0
    if not moving.any():
        raise BacktestProblem("no configuration has any return: there is nothing to judge")
    means = returns.mean(axis=0)
    sharpes = np.where(moving, means / np.where(moving, spreads, 1.0), 0.0)
    judged = int(np.argmax(np.where(moving, sharpes, -np.inf))) if chosen is None else chosen
    trials = effective_trials(returns)
    hurdle = expected_best_sharpe(1.0 / math.sqrt(periods - 1), trials)
    return DeflatedSharpe(
        probability=probabilistic_sharpe_ratio(returns[:, judged], hurdle),
        sharpe=float(sharpes[judged]),
        hurdle=hurdle,
        trials=trials,
    )
