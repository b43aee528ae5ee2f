"""From running totals to the ranking table: the original's columns first, then ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aster_operator.backtest.grid import PARAMETERS
from aster_operator.backtest.kernels import totals as t
from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.signals import DIAGNOSTICS
from aster_operator.backtest.sweep import SweepResult

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ORIGINAL_METRICS", "OWN_METRICS", "build_ranked_metrics", "metric_columns"]

_BARS_A_YEAR = 365 * 24 * 60

ORIGINAL_METRICS = (
    "total_pnl",
    "total_return",
    "n_trades",
    "win_rate",
    "sharpe",
    "sortino",
    "max_drawdown",
    "avg_trade_pnl",
    "avg_win",
    "avg_loss",
    "avg_hold_bars",
)
OWN_METRICS = (
    "fees_usd",
    "funding_usd",
    "exposure",
    "profit_factor",
    "avg_mae_bps",
    "avg_mfe_bps",
    "longest_drawdown_bars",
    "ambiguous_bars",
)


def metric_columns(result: SweepResult) -> dict[str, Floats]:
    """Every metric of every configuration, in grid order; NaN where a metric is not defined.

    Returns are those of one bar; a year has 525,600 of them. As in the original, Sharpe and Sortino ratios
    are infinite where nothing varies, a win rate without trades is not a number, and a position still open
    at the end counts as a trade at its last value.
    """
    totals, bars, capital = result.totals, result.bars, result.capital_usd
    unit = 1.0 if result.compounds else capital
    trades = totals[:, t.TRADES]
    profit = totals[:, t.CAPITAL] - capital
    mean = totals[:, t.RETURNS] / unit / bars
    squares = totals[:, t.SQUARES] / unit**2
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = np.sqrt(np.maximum(squares - bars * mean**2, 0.0) / (bars - 1))
        downside = np.sqrt(totals[:, t.LOSSES] / unit**2 / bars)
        sharpe = np.where(deviation == 0, np.inf, mean / deviation * np.sqrt(_BARS_A_YEAR))
        sortino = np.where(downside == 0, np.inf, mean * np.sqrt(_BARS_A_YEAR) / downside)
        drawdown = totals[:, t.MAX_DRAWDOWN] / unit
        return {
            "total_pnl": profit,
            "total_return": profit / capital,
            "n_trades": trades.astype(np.int64),
            "win_rate": totals[:, t.WINS] / trades,
            "sharpe": sharpe if bars > 1 else np.full(len(trades), np.nan),
            "sortino": sortino if bars > 1 else np.full(len(trades), np.nan),
            "max_drawdown": drawdown,
            "avg_trade_pnl": (totals[:, t.WON] + totals[:, t.LOST]) / trades,
            "avg_win": totals[:, t.WON] / totals[:, t.WINS],
            "avg_loss": totals[:, t.LOST] / totals[:, t.LOSING],
            "avg_hold_bars": totals[:, t.BARS_HELD] / trades,
            "fees_usd": totals[:, t.FEES],
            "funding_usd": 0.0 - totals[:, t.FUNDING],
            "exposure": totals[:, t.BARS_HELD] / bars,
            "profit_factor": totals[:, t.WON] / -totals[:, t.LOST],
            "avg_mae_bps": totals[:, t.ADVERSE_BPS] / trades,
            "avg_mfe_bps": totals[:, t.FAVOURABLE_BPS] / trades,
            "longest_drawdown_bars": totals[:, t.LONGEST_DRAWDOWN].astype(np.int64),
            "ambiguous_bars": totals[:, t.AMBIGUOUS].astype(np.int64),
        }


def build_ranked_metrics(result: SweepResult) -> pl.DataFrame:
    """One row a configuration, the highest `total_pnl` first.

    `config_id, symbol`, the parameters under their own names, the original's metrics, ours, and what let
    entries through or blocked them. `semantics` says how the numbers came about; `vectorbt` is biased.
    """
    import polars as pl

    grid = result.grid
    columns: dict[str, object] = {
        "config_id": result.config_ids,
        "symbol": [result.symbol] * len(grid),
        "semantics": [result.semantics] * len(grid),
    }
    for name in PARAMETERS:
        values = grid.column(name)
        columns[name] = values.astype(np.int64) if name in ("T", "V") else values
    columns |= metric_columns(result)
    counts = result.signal_counts[grid.signal_of]
    columns |= {name: counts[:, index] for index, name in enumerate(DIAGNOSTICS)}
    entries = counts[:, 8:10].sum(axis=1)
    columns["entry_total_count"] = entries
    columns["has_any_entry"] = entries > 0
    columns["entry_rate"] = entries / result.bars if result.bars else np.zeros(len(grid))
    return pl.DataFrame(columns).sort("total_pnl", descending=True, maintain_order=True, nulls_last=True)
