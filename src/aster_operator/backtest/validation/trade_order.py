"""What else the same trades could have looked like: Monte Carlo over their order and their choice."""

from dataclasses import dataclass

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.problems import BacktestProblem

__all__ = ["TradeOrderStudy", "study_trade_order"]


@dataclass(frozen=True)
class TradeOrderStudy:
    """Deepest fall of cumulated PnL (positive, same unit as the trades) over random orders of the trades,
    and total PnL over random choices of as many of them with replacement; both sorted.

    `actual_drawdown` is that of the real order, `drawdown_share` the share of orders with a smaller one:
    near 0 the real order was a lucky one.
    """

    drawdowns: Floats
    totals: Floats
    actual_drawdown: float
    drawdown_share: float

    def drawdown_at(self, share: float) -> float:
        """The drawdown that `share` of the orders stay within."""
        return float(np.quantile(self.drawdowns, share))

    def total_at(self, share: float) -> float:
        """The total that `share` of the choices stay below."""
        return float(np.quantile(self.totals, share))


def study_trade_order(trade_pnl: Floats, *, draws: int = 1_000, seed: int = 1) -> TradeOrderStudy:
    """Study the trades of one configuration. Raises BacktestProblem when there are none."""
    if not len(trade_pnl):
        raise BacktestProblem("a configuration without trades has no order to study")
    generator = np.random.default_rng(seed)
    drawdowns, totals = np.empty(draws), np.empty(draws)
    for draw in range(draws):
        drawdowns[draw] = _drawdown(generator.permutation(trade_pnl))
        totals[draw] = generator.choice(trade_pnl, len(trade_pnl)).sum()
    actual = _drawdown(trade_pnl)
    return TradeOrderStudy(
        drawdowns=np.sort(drawdowns),
        totals=np.sort(totals),
        actual_drawdown=actual,
        drawdown_share=float(np.mean(drawdowns < actual)),
    )


def _drawdown(trade_pnl: Floats) -> float:
    equity = np.concatenate(([0.0], np.cumsum(trade_pnl)))
    return float(np.max(np.maximum.accumulate(equity) - equity))
