"""Whether a good configuration stands on a plateau or on a needle: its neighbours in the grid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.problems import BacktestProblem

__all__ = ["Plateau", "plateau_around"]


@dataclass(frozen=True)
class Plateau:
    """`score` is the neighbours' median result over the centre's, between 0 and 1; zero when the centre does
    not win. `profitable_share` is the share of neighbours that win. Both nan without neighbours."""

    score: float
    profitable_share: float
    neighbours: int


def plateau_around(parameters: Mapping[str, Sequence[float]], results: Floats, centre: int) -> Plateau:
    """Judge the configuration `centre` by those one step away in exactly one parameter.

    `parameters` holds one column for each parameter, a value for each configuration; `results` is what was
    sought (total PnL, Sharpe ratio), larger being better, with zero meaning nothing won.
    """
    if not 0 <= centre < len(results):
        raise BacktestProblem(f"there is no configuration {centre} among {len(results)}")
    steps = []
    for column in parameters.values():
        values, ranks = np.unique(np.asarray(column, dtype=np.float64), return_inverse=True)
        if len(values) > 1:
            steps.append(np.abs(ranks - ranks[centre]))
    if not steps:
        return Plateau(score=float("nan"), profitable_share=float("nan"), neighbours=0)
    distances = np.sum(steps, axis=0)
    around = results[distances == 1]
    around = around[~np.isnan(around)]
    if not len(around):
        return Plateau(score=float("nan"), profitable_share=float("nan"), neighbours=0)
    own = float(results[centre])
    score = float(np.clip(np.median(around) / own, 0.0, 1.0)) if own > 0.0 else 0.0
    return Plateau(score=score, profitable_share=float(np.mean(around > 0.0)), neighbours=len(around))
