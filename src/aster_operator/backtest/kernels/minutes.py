"""Snapshots to minutes: what was known last in each minute, and the time-weighted quote.

Each kernel reads one piece of a stream in order of time and carries its state on to the next piece, so that
a stream need not fit into memory. A snapshot that cannot be used stops the kernel, which then returns
-1 - its index; otherwise it returns the number of minutes that are complete.
"""

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, LongIntegers, compiled

__all__ = [
    "bars_to_minutes",
    "close_quote_minute",
    "marks_to_minutes",
    "quotes_to_minutes",
    "rogers_satchell_variance",
    "rolling_mean",
    "rolling_volatility_bps",
]

_MINUTE_MS = 60_000


@compiled
def bars_to_minutes(
    time_ms: LongIntegers,
    start_ms: LongIntegers,
    columns: Floats,
    state_ms: LongIntegers,
    state: Floats,
    out_minutes: LongIntegers,
    out_starts: LongIntegers,
    out: Floats,
) -> int:
    """The last bar snapshot of each minute; `columns` are open, high, low, close, volume (rows).

    `state_ms` holds the last time and the last bar's start, -1 before the first snapshot.
    """
    written = 0
    for index in range(time_ms.shape[0]):
        now = time_ms[index]
        row = columns[index]
        body_high = max(row[0], row[3])
        body_low = min(row[0], row[3])
        if now < state_ms[0] or not (
            row[2] > 0 and row[1] >= body_high and row[2] <= body_low and row[4] >= 0
        ):
            return -1 - index
        minute = now // _MINUTE_MS
        if state_ms[0] >= 0 and minute != state_ms[0] // _MINUTE_MS:
            out_minutes[written] = state_ms[0] // _MINUTE_MS
            out_starts[written] = state_ms[1]
            out[written] = state
            written += 1
        state_ms[0] = now
        state_ms[1] = start_ms[index]
        state[:] = row
    return written


@compiled
def quotes_to_minutes(
    time_ms: LongIntegers,
    columns: Floats,
    state_ms: LongIntegers,
    state: Floats,
    out_minutes: LongIntegers,
    out: Floats,
) -> int:
    """Last and time-weighted bid and ask of each minute; `columns` are bid, ask (rows).

    A quote holds until the next one, also into the next minute; the first minute is weighted from its first
    quote on. `state` is bid, ask, their weighted sums, and the weight.
    """
    written = 0
    for index in range(time_ms.shape[0]):
        now = time_ms[index]
        bid, ask = columns[index]
        if now < state_ms[0] or not (0 < bid <= ask):
            return -1 - index
        minute = now // _MINUTE_MS
        if state_ms[0] >= 0:
            last_minute = state_ms[0] // _MINUTE_MS
            if minute != last_minute:
                close_quote_minute(state_ms, state, out_minutes, out, written)
                written += 1
                state_ms[1] = minute * _MINUTE_MS
                state[2:] = 0.0
            weight = now - state_ms[1]
            state[2] += weight * state[0]
            state[3] += weight * state[1]
            state[4] += weight
        state_ms[0] = now
        state_ms[1] = now
        state[0] = bid
        state[1] = ask
    return written


@compiled
def close_quote_minute(
    state_ms: LongIntegers, state: Floats, out_minutes: LongIntegers, out: Floats, row: int
) -> None:
    """Write the minute in `state` as if nothing more came in it."""
    minute = state_ms[0] // _MINUTE_MS
    weight = (minute + 1) * _MINUTE_MS - state_ms[1]
    total = state[4] + weight
    out_minutes[row] = minute
    out[row, 0] = state[0]
    out[row, 1] = state[1]
    out[row, 2] = (state[2] + weight * state[0]) / total
    out[row, 3] = (state[3] + weight * state[1]) / total


@compiled
def marks_to_minutes(
    time_ms: LongIntegers,
    columns: Floats,
    state_ms: LongIntegers,
    state: Floats,
    out_minutes: LongIntegers,
    out: Floats,
) -> int:
    """Last mark price and funding rate of each minute, and the mark's extremes in it.

    `columns` are mark, funding rate (rows); `state` is mark, funding rate, highest, lowest.
    """
    written = 0
    for index in range(time_ms.shape[0]):
        now = time_ms[index]
        mark, rate = columns[index]
        if now < state_ms[0] or not (mark > 0 and np.isfinite(rate)):
            return -1 - index
        minute = now // _MINUTE_MS
        if state_ms[0] >= 0 and minute != state_ms[0] // _MINUTE_MS:
            out_minutes[written] = state_ms[0] // _MINUTE_MS
            out[written] = state
            written += 1
        if state_ms[0] < 0 or minute != state_ms[0] // _MINUTE_MS:
            state[2] = mark
            state[3] = mark
        state_ms[0] = now
        state[0] = mark
        state[1] = rate
        state[2] = max(state[2], mark)
        state[3] = min(state[3], mark)
    return written


@compiled
def rogers_satchell_variance(open_: Floats, high: Floats, low: Floats, close: Floats) -> Floats:
    """ln(h/o) ln(h/c) + ln(l/o) ln(l/c) of each bar."""
    out = np.empty(close.shape[0])
    for bar in range(close.shape[0]):
        up = np.log(high[bar] / open_[bar]) * np.log(high[bar] / close[bar])
        out[bar] = up + np.log(low[bar] / open_[bar]) * np.log(low[bar] / close[bar])
    return out


@compiled
def rolling_mean(values: Floats, window: int) -> Floats:
    """Mean of the last `window` values; NaN until there are as many.

    Every window is summed anew: a running sum would carry the rounding of what has left the window.
    """
    out = np.full(values.shape[0], np.nan)
    for end in range(window, values.shape[0] + 1):
        total = 0.0
        for index in range(end - window, end):
            total += values[index]
        out[end - 1] = total / window
    return out


@compiled
def rolling_volatility_bps(variance: Floats, window: int) -> Floats:
    """1e4 × root of the mean variance over `window` bars; NaN until there are as many."""
    out = rolling_mean(variance, window)
    for bar in range(out.shape[0]):
        # A close rounded beyond its bar's extremes would make the mean a hair negative.
        out[bar] = 1e4 * np.sqrt(max(out[bar], 0.0)) if out[bar] == out[bar] else out[bar]
    return out
