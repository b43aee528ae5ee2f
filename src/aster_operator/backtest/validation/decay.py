"""Whether what a strategy earns has faded: an edge that was there once is not one to trade.

The CUSUM of deviations from the mean, as in Ploberger and Krämer, The CUSUM Test with OLS Residuals (1992),
on one side only: what has grown better is no reason for doubt.
"""

import math

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats

__all__ = ["decay_p_value"]


def decay_p_value(returns: Floats) -> float:
    """How often returns with one mean throughout would look as if they had earned earlier what they no longer
    do. `returns` are those of equal periods; nan for fewer than three or none that varies."""
    periods = len(returns)
    deviation = float(returns.std(ddof=1)) if periods > 2 else 0.0
    if deviation <= 0.0:
        return math.nan
    path = np.cumsum(returns - returns.mean()) / (deviation * math.sqrt(periods))
    # The supremum of a Brownian bridge exceeds x with probability exp(-2 x^2).
    return math.exp(-2.0 * max(float(path.max()), 0.0) ** 2)
