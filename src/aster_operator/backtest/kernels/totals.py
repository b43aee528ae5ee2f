"""Columns of the running totals that every configuration has, whatever the semantics."""

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, compiled

__all__ = [
    "ADVERSE_BPS",
    "AMBIGUOUS",
    "BARS_HELD",
    "CAPITAL",
    "FAVOURABLE_BPS",
    "FEES",
    "FUNDING",
    "LINK",
    "LONGEST_DRAWDOWN",
    "LOSING",
    "LOSSES",
    "LOST",
    "LOWEST_CAPITAL",
    "MAX_DRAWDOWN",
    "PEAK",
    "PEAK_CAPITAL",
    "PEAK_EXIT_BAR",
    "RETURNS",
    "SQUARES",
    "SUMMED",
    "TRADES",
    "WINS",
    "WON",
    "finish_totals",
    "new_totals",
]

RETURNS, SQUARES, LOSSES, ADVERSE_BPS, FAVOURABLE_BPS, BARS_HELD, AMBIGUOUS, FUNDING = range(8)
SUMMED = 8
"""The first columns are plain sums over trades. Squares are of bar returns, losses of the negative ones."""

(
    CAPITAL,
    PEAK,
    MAX_DRAWDOWN,
    LINK,
    TRADES,
    WINS,
    LOSING,
    WON,
    LOST,
    FEES,
    LOWEST_CAPITAL,
    PEAK_EXIT_BAR,
    LONGEST_DRAWDOWN,
    PEAK_CAPITAL,
) = range(8, 22)
_COLUMNS = 22


def new_totals(configurations: int, capital: float) -> Floats:
    """Totals of configurations that have not traded yet."""
    totals = np.zeros((configurations, _COLUMNS))
    for column in (CAPITAL, PEAK, PEAK_CAPITAL, LOWEST_CAPITAL):
        totals[:, column] = capital
    totals[:, LINK] = 1.0
    return totals


@compiled
def finish_totals(totals: Floats, bars: int) -> None:
    """Count the drawdown that has not ended."""
    for config in range(totals.shape[0]):
        own = totals[config]
        if own[CAPITAL] < own[PEAK_CAPITAL]:
            own[LONGEST_DRAWDOWN] = max(own[LONGEST_DRAWDOWN], bars - 1 - own[PEAK_EXIT_BAR])
