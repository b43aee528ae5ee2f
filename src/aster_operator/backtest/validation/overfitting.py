"""How often the best of the past is below the middle of the future: probability of backtest overfitting.

Combinatorially symmetric cross-validation (Bailey, Borwein, López de Prado, Zhu: The Probability of Backtest
Overfitting, 2015): the history is cut into an even number of blocks; for every way to take half of them the
best configuration there is looked up among all in the other half.

It judges the choosing, not the chosen: among configurations that all earn the same any choice is as good, and
about half of the time the chosen one is below the median. Hence the paper looks at the probability of loss
too, and so does the verdict. Configurations that are one and the same in disguise are one here.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, LongIntegers
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.validation.windows import equal_blocks

__all__ = ["OverfittingEstimate", "distinct_columns", "probability_of_overfitting"]

_CHUNK_VALUES = 4_000_000
"""Splits are judged in chunks of about this many (split, configuration) pairs, to bound the memory."""


@dataclass(frozen=True)
class OverfittingEstimate:
    """`probability` that the chosen configuration ends up below the median out of sample.

    `logits` holds ln(w / (1 - w)) for each split, w being the chosen one's relative rank out of sample;
    `degradation_slope` is the slope of its Sharpe ratio out of sample on the one in sample;
    `loss_probability` the share of splits in which it lost money out of sample.
    """

    probability: float
    logits: Floats
    degradation_slope: float
    loss_probability: float
    splits: int


def probability_of_overfitting(returns: Floats, *, blocks: int = 10) -> OverfittingEstimate:
    """Judge the choice by Sharpe ratio among the columns of `returns` (periods x configurations).

    `returns` are PnL or returns of equal periods, in any one unit. Configurations that never trade count as
    ratio zero. Raises BacktestProblem for an odd number of blocks, fewer than two configurations, or too few
    periods.
    """
    periods, configurations = returns.shape
    if blocks % 2 or blocks < 2:
        raise BacktestProblem(f"the number of blocks must be even, got {blocks}")
    if configurations < 2:
        raise BacktestProblem("overfitting is a property of a choice: it needs at least two configurations")
    ranges = equal_blocks(periods, blocks)
    sums = np.stack([returns[first:last].sum(axis=0) for first, last in ranges])
    squares = np.stack([np.square(returns[first:last]).sum(axis=0) for first, last in ranges])
    lengths = np.array([last - first for first, last in ranges], dtype=np.float64)
    chosen_blocks = np.zeros((math.comb(blocks, blocks // 2), blocks))
    for row, members in enumerate(combinations(range(blocks), blocks // 2)):
        chosen_blocks[row, list(members)] = 1.0
    inside, outside, ranks = _judge_splits(chosen_blocks, sums, squares, lengths)
    logits = np.log(ranks / (1.0 - ranks))
    return OverfittingEstimate(
        probability=float(np.mean(logits <= 0.0)),
        logits=logits,
        degradation_slope=_slope(inside, outside),
        loss_probability=float(np.mean(outside < 0.0)),
        splits=len(logits),
    )


def distinct_columns(returns: Floats) -> LongIntegers:
    """Numbers of the columns that differ, each once, in order: many configurations may be one in disguise."""
    key = np.zeros(returns.shape[1])
    for weight, row in zip(np.random.default_rng(0).normal(size=len(returns)), returns, strict=True):
        # Row by row, so that equal columns add up to equal keys to the last bit.
        key += weight * row
    return np.sort(np.unique(key, return_index=True)[1])


def _judge_splits(
    chosen_blocks: Floats, sums: Floats, squares: Floats, lengths: Floats
) -> tuple[Floats, Floats, Floats]:
    """For each split the chosen one's ratio inside, its ratio outside and its relative rank outside."""
    splits, configurations = len(chosen_blocks), sums.shape[1]
    inside, outside, ranks = np.empty(splits), np.empty(splits), np.empty(splits)
    chunk = max(1, _CHUNK_VALUES // configurations)
    for first in range(0, splits, chunk):
        taken = chosen_blocks[first : first + chunk]
        left = 1.0 - taken
        ratios_in = _ratios(taken @ sums, taken @ squares, taken @ lengths)
        ratios_out = _ratios(left @ sums, left @ squares, left @ lengths)
        rows = np.arange(len(taken))
        best = np.argmax(ratios_in, axis=1)
        own = ratios_out[rows, best]
        # Ties share the middle of their ranks: many configurations may be the same one in disguise.
        below = np.sum(ratios_out < own[:, None], axis=1)
        equal = np.sum(ratios_out == own[:, None], axis=1)
        last = first + len(taken)
        inside[first:last] = ratios_in[rows, best]
        outside[first:last] = own
        ranks[first:last] = (below + (equal + 1) / 2) / (configurations + 1)
    return inside, outside, ranks


def _ratios(sums: Floats, squares: Floats, lengths: Floats) -> Floats:
    """Mean over standard deviation; zero where nothing ever moved."""
    means = sums / lengths[:, None]
    variances = np.maximum(squares / lengths[:, None] - np.square(means), 0.0)
    ratios = np.zeros_like(means)
    # What rounding leaves of a variance is no risk taken: a constant column has no ratio.
    moved = variances > 1e-12 * np.maximum(np.square(means), 1e-300)
    ratios[moved] = means[moved] / np.sqrt(variances[moved])
    return ratios


def _slope(inside: Floats, outside: Floats) -> float:
    spread = inside - inside.mean()
    total = float(spread @ spread)
    return float(spread @ (outside - outside.mean())) / total if total > 0.0 else float("nan")
