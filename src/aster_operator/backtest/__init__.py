"""The lab: features from recordings, parameter sweeps, metrics, results.

`make_param_grid`, `build_signals`, `run_grid_backtest`, `build_ranked_metrics` and `plot_top_n` keep the
names they have in the second source system.
"""

from aster_operator.backtest.grid import make_param_grid
from aster_operator.backtest.inputs import InputFile
from aster_operator.backtest.metrics import build_ranked_metrics
from aster_operator.backtest.plots import plot_top_n
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.signals import build_signals
from aster_operator.backtest.sweep import run_grid_backtest
from aster_operator.backtest.trades import trade_list

__all__ = [
    "ExchangeOptions",
    "InputFile",
    "build_ranked_metrics",
    "build_signals",
    "make_param_grid",
    "plot_top_n",
    "run_grid_backtest",
    "trade_list",
]
