"""Any two parameters of a grid against a metric, the others summed up, and where the ground is level."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from aster_operator.backtest.grid import PARAMETERS
from aster_operator.backtest.kernels.compiler import Booleans, Floats

if TYPE_CHECKING:
    import polars as pl

__all__ = ["METRICS", "Heatmap", "HeatmapMetric", "heatmaps", "plateau_cells", "varied_parameters"]

MAX_CELLS_A_SIDE = 24
"""More distinct values than this (an optimiser's) are gathered into so many ranges."""
_MIN_PLATEAU_SHARE = 0.5


@dataclass(frozen=True)
class HeatmapMetric:
    """A metric over a cell's configurations; `scale` turns the column's unit into the shown one."""

    column: str
    summary: str
    label: str
    unit: str
    scale: float = 1.0


METRICS = (
    HeatmapMetric("total_pnl", "median", "Net PnL, median of the others", "USD"),
    HeatmapMetric("total_pnl", "max", "Net PnL, best of the others", "USD"),
    HeatmapMetric("sharpe", "median", "Sharpe ratio a year, median of the others", ""),
    HeatmapMetric("max_drawdown", "median", "Max drawdown, median of the others", "%", 100.0),
    HeatmapMetric("n_trades", "median", "Trades, median of the others", "trades"),
)


@dataclass(frozen=True)
class Heatmap:
    """`values[m]` is metric m of `METRICS` by y (rows) and x (columns), NaN where no configuration lies.

    `plateaus` are cells of `values[0]` that stand on level ground.
    """

    x: str
    y: str
    x_values: list[float]
    y_values: list[float]
    values: list[Floats]
    plateaus: Booleans


def varied_parameters(ranked: pl.DataFrame) -> list[str]:
    """Parameters with more than one value, those that move the median PnL most first."""
    spreads = {}
    for name in PARAMETERS:
        if ranked.get_column(name).n_unique() > 1:
            medians = _ranges(ranked, (name,)).group_by(name).median().get_column("total_pnl")
            spreads[name] = float(medians.max() or 0.0) - float(medians.min() or 0.0)  # type: ignore[arg-type]
    return sorted(spreads, key=lambda name: -spreads[name])


def heatmaps(ranked: pl.DataFrame, parameters: list[str]) -> Iterator[Heatmap]:
    """One map for every pair of `parameters`, in their order."""
    table = _ranges(ranked, tuple(parameters))
    for x, y in combinations(parameters, 2):
        yield _heatmap(table, x, y)


def plateau_cells(values: Floats) -> Booleans:
    """Cells that win and whose neighbours' median is at least half of their own: a hill, not a needle."""
    plateaus = np.zeros(values.shape, dtype=np.bool_)
    for (row, column), own in np.ndenumerate(values):
        if not own > 0:
            continue
        around = [
            values[row + down, column + right]
            for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1))
            if 0 <= row + down < values.shape[0] and 0 <= column + right < values.shape[1]
        ]
        known = [value for value in around if np.isfinite(value)]
        plateaus[row, column] = bool(known) and float(np.median(known)) >= _MIN_PLATEAU_SHARE * own
    return plateaus


def _ranges(ranked: pl.DataFrame, parameters: tuple[str, ...]) -> pl.DataFrame:
    """The parameters and the metrics' columns; many values of a parameter are gathered into ranges."""
    import polars as pl

    metrics = dict.fromkeys(metric.column for metric in METRICS)
    table = ranked.select(*parameters, *(pl.col(name).cast(pl.Float64) for name in metrics)).with_columns(
        pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in metrics
    )
    for name in parameters:
        values = table.get_column(name).to_numpy().astype(np.float64)
        if len(np.unique(values)) > MAX_CELLS_A_SIDE:
            low, high = float(values.min()), float(values.max())
            width = (high - low) / MAX_CELLS_A_SIDE
            place = np.minimum((values - low) // width, MAX_CELLS_A_SIDE - 1)
            middles = np.array([float(f"{low + (at + 0.5) * width:.4g}") for at in place])
            table = table.with_columns(pl.Series(name, middles))
    return table


def _heatmap(table: pl.DataFrame, x: str, y: str) -> Heatmap:
    import polars as pl

    summed = table.group_by(x, y).agg(
        *(
            (pl.col(metric.column).median() if metric.summary == "median" else pl.col(metric.column).max())
            .mul(metric.scale)
            .alias(str(number))
            for number, metric in enumerate(METRICS)
        )
    )
    x_values, y_values = (sorted(summed.get_column(name).unique().to_list()) for name in (x, y))
    columns = [x_values.index(value) for value in summed.get_column(x)]
    rows = [y_values.index(value) for value in summed.get_column(y)]
    values = []
    for number in range(len(METRICS)):
        matrix = np.full((len(y_values), len(x_values)), np.nan)
        matrix[rows, columns] = summed.get_column(str(number)).to_numpy()
        values.append(matrix)
    return Heatmap(x, y, x_values, y_values, values, plateau_cells(values[0]))
