"""Columns of the running totals that every configuration has, whatever the semantics."""

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, compiled
from aster_operator.backtest.kernels.rows import COLUMNS

__all__ = [
    "ADVERSE_BPS",
    "AMBIGUOUS",
    "BARS_HELD",
    "CAPITAL",
    "ENTRY_LOSSES",
    "ENTRY_RETURNS",
    "ENTRY_SQUARES",
    "FAVOURABLE_BPS",
    "FEES",
    "FUNDING",
    "LINK",
    "LONGEST_DRAWDOWN",
    "LOSING",
    "LOSSES",
    "LOST",
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

RETURNS, SQUARES, LOSSES, ADVERSE_BPS, FAVOURABLE_BPS, BARS_HELD, WINS, LOSING = range(COLUMNS)
SUMMED = COLUMNS
"""The first columns are plain sums over trades. Squares are of bar returns, losses of the negative ones."""

(
    CAPITAL,
    PEAK,
    MAX_DRAWDOWN,
    LINK,
    TRADES,
    AMBIGUOUS,
    FUNDING,
    WON,
    LOST,
    FEES,
    PEAK_EXIT_BAR,
    LONGEST_DRAWDOWN,
    PEAK_CAPITAL,
    ENTRY_RETURNS,
    ENTRY_SQUARES,
    ENTRY_LOSSES,
) = range(SUMMED, 24)
"""Those of the bars on which a position was taken are kept apart until the end, where capital compounds."""
_COLUMNS = 24


def new_totals(configurations: int, capital: float) -> Floats:
    """Totals of configurations that have not traded yet."""
    totals = np.zeros((configurations, _COLUMNS))
    for column in (CAPITAL, PEAK, PEAK_CAPITAL):
        totals[:, column] = capital
    totals[:, LINK] = 1.0
    return totals


@compiled
def finish_totals(totals: Floats, bars: int) -> None:
    """Count the drawdown that has not ended, and the bars of entry among the others."""
    for config in range(totals.shape[0]):
        own = totals[config]
        own[RETURNS] += own[ENTRY_RETURNS]
        own[SQUARES] += own[ENTRY_SQUARES]
        own[LOSSES] += own[ENTRY_LOSSES]
        if own[CAPITAL] < own[PEAK_CAPITAL]:
            own[LONGEST_DRAWDOWN] = max(own[LONGEST_DRAWDOWN], bars - 1 - own[PEAK_EXIT_BAR])
