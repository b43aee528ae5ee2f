"""A sweep in parts: so many configurations at a time, with the result of all at once, to the last bit.

What a sweep holds in memory while it runs grows with its configurations; a small machine takes them in parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import ParamGrid
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import SweepResult, run_grid_backtest

__all__ = ["run_grid_in_parts"]


def run_grid_in_parts(
    bars: Bars,
    grid: ParamGrid,
    *,
    part_size: int | None,
    semantics: str = "exchange",
    options: ExchangeOptions | None = None,
    config_ids: list[str] | None = None,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> SweepResult:
    """As `run_grid_backtest`, with at most `part_size` configurations (at least 1) at a time; None: all."""
    if part_size is None or part_size >= len(grid):
        return run_grid_backtest(
            bars,
            grid,
            semantics=semantics,
            options=options,
            config_ids=config_ids,
            workers=workers,
            progress=progress,
        )
    # Configurations that share their signals go together, so that few signals are found twice.
    order = np.argsort(grid.signal_of, kind="stable").astype(np.int32)
    totals, counts = [], []
    for first in range(0, len(grid), part_size):
        part = run_grid_backtest(
            bars,
            grid.take(order[first : first + part_size]),
            semantics=semantics,
            options=options,
            workers=workers,
        )
        totals.append(part.totals)
        counts.append(part.signal_counts[part.grid.signal_of])
        if progress is not None:
            progress(min(1.0, (first + part_size) / len(grid)))
    all_totals = np.empty((len(grid), totals[0].shape[1]), dtype=totals[0].dtype)
    all_totals[order] = np.concatenate(totals)
    signal_counts = np.zeros((len(grid.signal_sets), counts[0].shape[1]), dtype=counts[0].dtype)
    signal_counts[grid.signal_of[order]] = np.concatenate(counts)
    return replace(
        part,
        grid=grid,
        config_ids=config_ids or [f"cfg_{number:04d}" for number in range(len(grid))],
        totals=all_totals,
        signal_counts=signal_counts,
    )
