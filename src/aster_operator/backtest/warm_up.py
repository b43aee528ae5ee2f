"""Compile or load the kernels before anything is timed."""

from __future__ import annotations

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, make_param_grid
from aster_operator.backtest.sweep import run_grid_backtest
from aster_operator.domain.clock import MINUTE_MS

__all__ = ["warm_up"]

_BARS = 4


def warm_up(semantics: str) -> None:
    """Run a grid of one configuration over a few bars, with an entry, so that every kernel is needed.

    The first time on a machine this compiles for some seconds; afterwards the kernels come from the disk.
    """
    close = 100.0 + np.arange(_BARS, dtype=np.float64)
    ones = np.ones(_BARS)
    bars = Bars(
        symbol="WARMUP",
        close_ms=MINUTE_MS * np.arange(1, _BARS + 1, dtype=np.int64) - 1,
        open=close,
        high=close,
        low=close,
        close=close,
        volume=2 * ones,
        ret_bps=2 * ones,
        bid=close,
        ask=close,
        tw_bid=close,
        tw_ask=close,
        spread_bps=0 * ones,
        mark=close,
        mark_high=close,
        mark_low=close,
        funding_bps=0 * ones,
        opening_loss_bps=0 * ones,
        volatility_bps={1: ones},
        average_volume={1: ones},
    )
    grid = make_param_grid({name: [1.0] for name in PARAMETERS})
    run_grid_backtest(bars, grid, semantics=semantics, workers=1)
