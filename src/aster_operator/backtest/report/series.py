"""Lines and marks of a report: equity, drawdown, trades, bands, thinned to what a screen can show."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, Integers, LongIntegers
from aster_operator.backtest.sweep import SweepResult

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "BAND_SHARES",
    "MAX_POINTS",
    "MAX_TRADES",
    "Curve",
    "Line",
    "equity_curve",
    "histogram",
    "pnl_bands",
    "shown_trades",
    "thin",
]

MAX_POINTS = 1_500
"""A line keeps about this many points, its extremes among them."""
MAX_TRADES = 600
"""So many trades are drawn on the price: the largest wins and losses, the others evenly from all."""
BAND_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Line:
    """Values at times (ms, UTC), oldest first."""

    time_ms: LongIntegers
    values: Floats


@dataclass(frozen=True)
class Curve:
    """Realised equity in USD after each trade, and its fall from the peak as a share (negative or zero)."""

    equity: Line
    drawdown: Line


def thin(line: Line, limit: int = MAX_POINTS) -> Line:
    """At most about `limit` points: of each stretch of time its first, lowest, highest and last."""
    count = len(line.values)
    if count <= limit:
        return line
    stretches = max(1, limit // 4)
    borders = np.linspace(0, count, stretches + 1).astype(np.int64)
    kept: set[int] = set()
    for first, last in pairwise(borders):
        own = line.values[first:last]
        if len(own):
            known = np.where(np.isfinite(own), own, own[np.isfinite(own)][0] if np.isfinite(own).any() else 0)
            kept.update((int(first), int(first + known.argmin()), int(first + known.argmax()), int(last - 1)))
    rows = np.asarray(sorted(kept), dtype=np.int64)
    return Line(line.time_ms[rows], line.values[rows])


def equity_curve(result: SweepResult, trades: pl.DataFrame) -> Curve:
    """The curve of one configuration's `trades` (see `trade_list`), from the first bar to the last.

    The drawdown is a share of the peak where returns compound, else of one order's notional.
    """
    pnl = trades.get_column("pnl_usd").to_numpy()
    time_ms = np.concatenate(
        [[result.first_bar_ms], trades.get_column("exit_ms").to_numpy(), [result.last_bar_ms]]
    ).astype(np.int64)
    equity = np.concatenate([[0.0], np.cumsum(pnl), [pnl.sum()]]) + result.capital_usd
    peak = np.maximum.accumulate(equity)
    drawdown = (equity - peak) / (peak if result.compounds else result.capital_usd)
    shown = equity if result.compounds else equity - result.capital_usd
    return Curve(thin(Line(time_ms, shown)), thin(Line(time_ms, drawdown)))


def shown_trades(pnl_usd: Floats, limit: int = MAX_TRADES) -> Integers:
    """Rows of the trades to draw, in order: all when there are few enough."""
    count = len(pnl_usd)
    if count <= limit:
        return np.arange(count, dtype=np.int32)
    largest = np.argsort(-np.abs(pnl_usd), kind="stable")[: limit // 3]
    evenly = np.linspace(0, count - 1, limit - len(largest)).astype(np.int64)
    return np.unique(np.concatenate([largest, evenly])).astype(np.int32)


def pnl_bands(period_pnl: Floats) -> Floats:
    """Quantiles `BAND_SHARES` over all configurations of the PnL summed up to each period's end
    (shares x periods)."""
    return np.quantile(np.cumsum(period_pnl, axis=0), BAND_SHARES, axis=1)


def histogram(values: Floats, bins: int = 40) -> tuple[Floats, Floats, float]:
    """Middles of equal ranges, the share of `values` in each, and the width of a range."""
    low, high = float(values.min()), float(values.max())
    # Values that hardly differ (equal trades in any order) still need a range that can be cut.
    room = max(high - low, 1e-6 * max(abs(low), abs(high), 1.0))
    counts, borders = np.histogram(values, bins=bins, range=(low, low + room))
    return (borders[:-1] + borders[1:]) / 2, counts / len(values), room / bins
