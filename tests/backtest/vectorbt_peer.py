"""The same grid computed by vectorbt: what the `vectorbt` semantics must equal.

Entries are computed anew with NumPy, one column a configuration; exits are left to vectorbt's own stops, with
a trailing stop that arms when the order price has moved far enough.
"""

from typing import Any

import numpy as np
import pandas as pd
from numba import njit

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, ParamGrid


@njit
def arm_trailing(context, arm_at, callback):  # type: ignore[no-untyped-def]
    """Vectorbt asks this before each bar for the stop in force: (distance, trailing or not)."""
    if context.position_now == 0 or context.curr_trail:
        distance = context.curr_stop if context.position_now == 0 else callback[context.col]
        return distance, context.curr_trail
    side = 1.0 if context.position_now > 0 else -1.0
    moved = side * (context.val_price_now / context.init_price - 1.0)
    if moved >= arm_at[context.init_i, context.col]:
        return callback[context.col], True
    return context.curr_stop, False


def columns(grid: ParamGrid) -> dict[str, np.ndarray]:
    return {name: grid.values[:, index] for index, name in enumerate(PARAMETERS)}


def entries(bars: Bars, grid: ParamGrid) -> tuple[np.ndarray, np.ndarray]:
    """Long and short entries, bars × configurations, by the original's rules."""
    values = columns(grid)
    volatility = np.column_stack([bars.volatility_bps[int(window)] for window in values["T"]])
    average = np.column_stack([bars.average_volume[int(window)] for window in values["V"]])
    spread = bars.spread_bps[:, None]
    allowed = (
        (spread <= values["spread_max"])
        & (np.abs(bars.funding_bps)[:, None] <= values["funding_max"])
        & (bars.opening_loss_bps[:, None] <= np.minimum(10.0, 5.0 + 2.0 * spread))
        & (bars.volume[:, None] > values["n"] * average)
    )
    threshold = values["k"] * volatility
    ret = bars.ret_bps[:, None]
    return (ret > threshold) & allowed, (ret < -threshold) & allowed


def stops(bars: Bars, grid: ParamGrid, fee_bps: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance of arming and of the target, bars × configurations, as fractions."""
    values = columns(grid)
    floor = (2.0 * fee_bps + bars.opening_loss_bps + np.abs(bars.funding_bps) / 8.0)[:, None]
    arm = np.maximum(values["activation_bps"], floor + values["activation_buffer_bps"])
    target = np.maximum(values["tp_bps"], arm + values["min_tp_gap_bps"])
    return arm / 1e4, target / 1e4


def portfolio(bars: Bars, grid: ParamGrid, *, fee_bps: float, slippage_bps: float) -> Any:
    import vectorbt as vbt

    values = columns(grid)
    long, short = entries(bars, grid)
    arm, target = stops(bars, grid, fee_bps)
    index = pd.to_datetime(bars.close_ms, unit="ms", utc=True)

    def wide(column: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame(np.repeat(column[:, None], len(grid), axis=1), index=index)

    middle = 0.5 * (bars.tw_bid + bars.tw_ask)
    slippage = (bars.tw_ask - bars.tw_bid) / (2.0 * middle) + slippage_bps / 1e4
    return vbt.Portfolio.from_signals(
        close=wide(bars.close),
        price=wide(middle),
        open=wide(bars.open),
        high=wide(bars.high),
        low=wide(bars.low),
        entries=pd.DataFrame(long, index=index),
        exits=pd.DataFrame(short, index=index),
        short_entries=pd.DataFrame(short, index=index),
        short_exits=pd.DataFrame(long, index=index),
        fees=fee_bps / 1e4,
        slippage=wide(slippage),
        tp_stop=target,
        sl_stop=(values["sl_bps"] / 1e4)[None, :],
        sl_trail=False,
        stop_entry_price="Price",
        stop_exit_price="Price",
        upon_opposite_entry="Reverse",
        adjust_sl_func_nb=arm_trailing,
        adjust_sl_args=(arm, values["callback_bps"] / 1e4),
        freq="1min",
    )


def metrics(found: Any) -> pd.DataFrame:
    """The original's ranking table, in grid order."""
    trades = found.trades
    return pd.DataFrame(
        {
            "total_pnl": found.total_profit(),
            "total_return": found.total_return(),
            "n_trades": trades.count(),
            "win_rate": trades.win_rate(),
            "sharpe": found.sharpe_ratio(),
            "sortino": found.sortino_ratio(),
            "max_drawdown": found.max_drawdown(),
            "avg_trade_pnl": trades.pnl.mean(),
            "avg_win": trades.winning.pnl.mean(),
            "avg_loss": trades.losing.pnl.mean(),
            "avg_hold_bars": trades.duration.mean(),
        }
    )
