"""Plots of a sweep as one HTML file that works without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.metrics import build_ranked_metrics
from aster_operator.backtest.sweep import SweepResult
from aster_operator.backtest.tables import replace_files
from aster_operator.backtest.trades import trade_list

if TYPE_CHECKING:
    import polars as pl

__all__ = ["plot_top_n"]

_BIASED = "vectorbt semantics: fills inside the bar that made the signal, biased upwards"


def plot_top_n(
    result: SweepResult, bars: Bars, path: Path, *, ranked: pl.DataFrame | None = None, n: int = 3
) -> list[str]:
    """Equity and drawdown after each trade of the `n` best configurations; returns their ids.

    `bars` are those the sweep ran over. The file holds everything it needs. Raises BacktestProblem when it
    cannot be written.
    """
    import plotly.graph_objects as go  # type: ignore[import-untyped]
    from plotly.subplots import make_subplots  # type: ignore[import-untyped]

    table = build_ranked_metrics(result) if ranked is None else ranked
    chosen = table.head(n).get_column("config_id").to_list()
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.7, 0.3], subplot_titles=("Equity, USD", "Drawdown")
    )
    for name in chosen:
        trades = trade_list(result, bars, name)
        times = trades.get_column("exit_ms").cast(int).to_numpy().astype("datetime64[ms]")
        equity = result.capital_usd + np.cumsum(trades.get_column("pnl_usd").to_numpy())
        _add(figure, go, name, times, equity, result)
    bias = f" · {_BIASED}" if result.semantics == "vectorbt" else ""
    figure.update_layout(
        title=f"{result.symbol}, best {len(chosen)} of {len(result.grid):,}{bias}", height=700
    )
    figure.update_yaxes(tickformat=".1%", row=2, col=1)
    html = figure.to_html(include_plotlyjs=True, full_html=True)
    replace_files({path: lambda target: _write_text(target, html)})
    return list(chosen)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _add(figure: Any, go: Any, name: str, times: Any, equity: Any, result: SweepResult) -> None:
    """One configuration's curves."""
    start = np.concatenate([[result.capital_usd], equity])
    peak = np.maximum.accumulate(start)
    base = peak if result.compounds else result.capital_usd
    drawdown = ((start - peak) / base)[1:]
    legend = {"name": name, "legendgroup": name, "mode": "lines", "line_shape": "hv"}
    figure.add_trace(go.Scatter(x=times, y=equity, **legend), row=1, col=1)
    figure.add_trace(go.Scatter(x=times, y=drawdown, showlegend=False, **legend), row=2, col=1)
