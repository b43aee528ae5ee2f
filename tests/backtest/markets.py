"""Synthetic markets for the lab's tests: minute bars with quotes, marks and indicators."""

from dataclasses import replace

import numpy as np

from aster_operator.backtest.bars import Bars

MINUTE_MS = 60_000
START_MS = 1_767_225_600_000  # 2026-01-01 00:00 UTC


def rolling_mean(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of the last `window` values, NaN until there are as many. Each window summed on its own."""
    out = np.full(len(values), np.nan)
    if len(values) >= window:
        out[window - 1 :] = np.lib.stride_tricks.sliding_window_view(values, window).mean(axis=1)
    return out


def rogers_satchell(open_: np.ndarray, high: np.ndarray, low: np.ndarray, close: np.ndarray) -> np.ndarray:
    return np.log(high / open_) * np.log(high / close) + np.log(low / open_) * np.log(low / close)


def random_bars(
    minutes: int,
    seed: int,
    *,
    volatility_bps: float = 6.0,
    spread_bps: float = 0.4,
    steps: int = 30,
    drift_bps: float = 0.0,
    windows: tuple[int, ...] = (10, 30),
    symbol: str = "BTCUSDT",
    price: float = 50_000.0,
) -> Bars:
    """A random walk of `steps` steps a minute with volume that rises with the move; first row is dropped."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(drift_bps / steps, volatility_bps / np.sqrt(steps), (minutes, steps)) / 1e4
    # Volatility clusters, or no bar would ever stand out against its window.
    shocks *= np.exp(0.5 * np.repeat(rng.normal(size=minutes // 20 + 1), 20)[:minutes])[:, None]
    path = price * np.exp(np.cumsum(shocks.ravel())).reshape(minutes, steps)
    close = path[:, -1]
    open_ = np.concatenate([[price], close[:-1]])
    high = np.maximum(open_, path.max(axis=1))
    low = np.minimum(open_, path.min(axis=1))
    volume = rng.lognormal(0.0, 0.6, minutes) * (1 + 40 * np.abs(np.log(close / open_)) * 1e4 / 100)
    half = 0.5 * spread_bps / 1e4 * rng.uniform(0.5, 1.5, minutes)
    bid, ask = close * (1 - half), close * (1 + half)
    middle = path.mean(axis=1)
    tw_bid, tw_ask = middle * (1 - half), middle * (1 + half)
    basis = 1 + rng.normal(0, 0.3, minutes) / 1e4
    mark = close * basis
    ret = np.concatenate([[np.nan], 1e4 * (close[1:] / close[:-1] - 1)])
    funding = np.repeat(rng.normal(0.5, 0.8, minutes // 480 + 1), 480)[:minutes]
    opening = np.where(ret >= 0, 1e4 * (ask / mark - 1), 1e4 * (mark / bid - 1))
    variance = rogers_satchell(open_, high, low, close)
    bars = Bars(
        symbol=symbol,
        close_ms=START_MS + MINUTE_MS * np.arange(1, minutes + 1, dtype=np.int64) - 1,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        ret_bps=ret,
        bid=bid,
        ask=ask,
        tw_bid=tw_bid,
        tw_ask=tw_ask,
        spread_bps=1e4 * (ask - bid) / (0.5 * (ask + bid)),
        mark=mark,
        mark_high=high * basis,
        mark_low=low * basis,
        funding_bps=funding,
        opening_loss_bps=opening,
        volatility_bps={size: 1e4 * np.sqrt(rolling_mean(variance, size)) for size in windows},
        average_volume={size: rolling_mean(volume, size) for size in windows},
    )
    return bars.window(1, minutes)


def planted(bars: Bars, push_bps: float, *, minutes: int = 10, where: np.ndarray | None = None) -> Bars:
    """The same market with momentum in it: after a loud bar (return above its half-hourly volatility, volume
    above its mean) the price drifts by `push_bps` in the bar's direction over the next `minutes`.

    `where` says at which bars that holds, everywhere unless told. Indicators are computed anew.
    """
    loud = (np.abs(bars.ret_bps) > bars.volatility_bps[30]) & (bars.volume > 1.2 * bars.average_volume[10])
    direction = np.where(loud if where is None else loud & where, np.sign(bars.ret_bps), 0.0)
    push = np.zeros(len(bars))
    for minute in range(1, minutes + 1):
        push[minute:] += push_bps / minutes / 1e4 * direction[:-minute]
    after = np.exp(np.cumsum(push))
    before = np.concatenate([[1.0], after[:-1]])
    top, bottom, middle = np.maximum(after, before), np.minimum(after, before), np.sqrt(after * before)
    open_, high, low, close = bars.open * before, bars.high * top, bars.low * bottom, bars.close * after
    variance = np.maximum(rogers_satchell(open_, high, low, close), 0.0)
    return replace(
        bars,
        open=open_,
        high=high,
        low=low,
        close=close,
        ret_bps=np.concatenate([[np.nan], 1e4 * (close[1:] / close[:-1] - 1)]),
        bid=bars.bid * after,
        ask=bars.ask * after,
        tw_bid=bars.tw_bid * middle,
        tw_ask=bars.tw_ask * middle,
        mark=bars.mark * after,
        mark_high=bars.mark_high * top,
        mark_low=bars.mark_low * bottom,
        volatility_bps={size: 1e4 * np.sqrt(rolling_mean(variance, size)) for size in bars.volatility_bps},
    )


def space(**changes: list[float]) -> dict[str, list[float]]:
    """A small grid; `changes` replaces lists."""
    base: dict[str, list[float]] = {
        "k": [1.0, 1.6],
        "T": [10, 30],
        "n": [1.0, 1.4],
        "V": [10, 30],
        "tp_bps": [20.0, 60.0],
        "sl_bps": [10.0, 25.0],
        "activation_bps": [8.0, 20.0],
        "activation_buffer_bps": [0.5],
        "callback_bps": [3.0, 9.0],
        "min_tp_gap_bps": [4.0],
        "spread_max": [0.5],
        "funding_max": [1.5],
    }
    return base | changes
