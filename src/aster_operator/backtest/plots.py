"""Plots of a sweep's best configurations as one HTML file that works without a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aster_operator.backtest.given import GivenBars, as_bars
from aster_operator.backtest.metrics import build_ranked_metrics
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.report.figures import equity_panel, trades_panel
from aster_operator.backtest.report.material import top_configurations
from aster_operator.backtest.report.page import BIASED, PageSection, page_html
from aster_operator.backtest.sweep import SweepResult
from aster_operator.backtest.tables import replace_files

if TYPE_CHECKING:
    import polars as pl

__all__ = ["plot_top_n"]


def plot_top_n(
    result: SweepResult,
    bars: GivenBars,
    path: Path | str,
    *,
    ranked: pl.DataFrame | None = None,
    n: int = 3,
) -> list[str]:
    """Equity, drawdown and trades on the price of the `n` best configurations; returns their ids.

    `bars` are those the sweep ran over, or their table. The file holds everything it needs. Raises
    BacktestProblem when it cannot be written.
    """
    if not isinstance(result, SweepResult):
        raise BacktestProblem(
            f"plots cannot be made of {type(result).__name__}",
            "result",
            "give what run_grid_backtest returned",
        )
    if Path(path).is_dir():
        raise BacktestProblem("that is a folder", str(path), "name a file in it")
    has_tick_size = result.options.tick_size is not None
    bars = as_bars(bars, result.grid, result.semantics, has_tick_size=has_tick_size, allow_gaps=True)
    table = build_ranked_metrics(result) if ranked is None else ranked
    top, price = top_configurations(result, bars, table.get_column("config_id").head(n).to_list())
    title = f"{result.symbol}, best {len(top)} of {len(result.grid):,}"
    intro = f'<p class="caution" role="note">{BIASED}</p>' if result.semantics == "vectorbt" else ""
    panels = [
        equity_panel(top, "USD", compounds=result.compounds),
        *(trades_panel([one], price, title=f"Trades of {one.config_id}") for one in top),
    ]
    html = page_html(title, intro, [PageSection("plots", result.symbol, "", panels)])
    replace_files({Path(path): lambda target: _write_text(target, html)})
    return [one.config_id for one in top]


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
