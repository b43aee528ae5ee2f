"""Snapshots to minutes: what was known last in each minute, and the time-weighted quote.

Each kernel reads one piece of a stream, of each symbol in order of time, and carries its state on to the
next piece, so that a stream need not fit into memory. A row of symbol -1 is left out. `state` has a row for
each symbol; so has `state_ms`: its last time, -1 before the first, the end of that time's minute, and the
time up to which quotes are weighted. A snapshot that cannot be used stops the kernel, which then returns -1
- its index; otherwise it returns the number of minutes that are complete and stand in `out_symbols`,
`out_minutes` and `out`.
"""

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, Integers, LongIntegers, compiled

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
_SIDE_BY_SIDE = 1024


@compiled
def bars_to_minutes(
    symbol_of: Integers,
    time_ms: LongIntegers,
    columns: Floats,
    state_ms: LongIntegers,
    state: Floats,
    out_symbols: Integers,
    out_minutes: LongIntegers,
    out: Floats,
) -> int:
    """The last bar snapshot of each minute; `columns` are start in ms, open, high, low, close, volume.

    `state` is brought up to date at the end of the piece: until then the last rows' places are enough.
    """
    written = 0
    last_row = np.full(state.shape[0], -1, dtype=np.int64)
    for index in range(time_ms.shape[0]):
        symbol = symbol_of[index]
        if symbol < 0:
            continue
        now = time_ms[index]
        last = state_ms[symbol, 0]
        opened, closed = columns[index, 1], columns[index, 4]
        lowest = columns[index, 3]
        if (
            now < last
            or not (lowest > 0 and columns[index, 2] >= max(opened, closed))
            or not (lowest <= min(opened, closed) and columns[index, 5] >= 0)
        ):
            return -1 - index
        if now >= state_ms[symbol, 1]:
            if last >= 0:
                out_symbols[written], out_minutes[written] = symbol, last // _MINUTE_MS
                row = last_row[symbol]
                for column in range(columns.shape[1]):
                    out[written, column] = columns[row, column] if row >= 0 else state[symbol, column]
                written += 1
            state_ms[symbol, 1] = (now // _MINUTE_MS + 1) * _MINUTE_MS
        state_ms[symbol, 0] = now
        last_row[symbol] = index
    for symbol in range(state.shape[0]):
        row = last_row[symbol]
        if row >= 0:
            for column in range(columns.shape[1]):
                state[symbol, column] = columns[row, column]
    return written


@compiled
def quotes_to_minutes(
    symbol_of: Integers,
    time_ms: LongIntegers,
    columns: Floats,
    state_ms: LongIntegers,
    state: Floats,
    out_symbols: Integers,
    out_minutes: LongIntegers,
    out: Floats,
) -> int:
    """Last and time-weighted bid and ask of each minute; `columns` are bid, ask.

    A quote holds until the next one, also into the next minute; the first minute is weighted from its first
    quote on. `state` is bid, ask, their weighted sums, and the weight.
    """
    written = 0
    for index in range(time_ms.shape[0]):
        symbol = symbol_of[index]
        if symbol < 0:
            continue
        now = time_ms[index]
        last = state_ms[symbol, 0]
        bid, ask = columns[index, 0], columns[index, 1]
        if now < last or not (0 < bid <= ask):
            return -1 - index
        if now >= state_ms[symbol, 1]:
            start = now // _MINUTE_MS * _MINUTE_MS
            if last >= 0:
                close_quote_minute(symbol, state_ms, state, out_symbols, out_minutes, out, written)
                written += 1
                state[symbol, 2] = state[symbol, 3] = state[symbol, 4] = 0.0
            state_ms[symbol, 1] = start + _MINUTE_MS
            state_ms[symbol, 2] = start if last >= 0 else now
        weight = now - state_ms[symbol, 2]
        state[symbol, 2] += weight * state[symbol, 0]
        state[symbol, 3] += weight * state[symbol, 1]
        state[symbol, 4] += weight
        state_ms[symbol, 0] = state_ms[symbol, 2] = now
        state[symbol, 0], state[symbol, 1] = bid, ask
    return written


@compiled
def close_quote_minute(
    symbol: int,
    state_ms: LongIntegers,
    state: Floats,
    out_symbols: Integers,
    out_minutes: LongIntegers,
    out: Floats,
    row: int,
) -> None:
    """Write the symbol's minute in `state` as if nothing more came in it."""
    minute = state_ms[symbol, 0] // _MINUTE_MS
    weight = (minute + 1) * _MINUTE_MS - state_ms[symbol, 2]
    total = state[symbol, 4] + weight
    out_symbols[row], out_minutes[row] = symbol, minute
    out[row, 0], out[row, 1] = state[symbol, 0], state[symbol, 1]
    out[row, 2] = (state[symbol, 2] + weight * state[symbol, 0]) / total
    out[row, 3] = (state[symbol, 3] + weight * state[symbol, 1]) / total


@compiled
def marks_to_minutes(
    symbol_of: Integers,
    time_ms: LongIntegers,
    columns: Floats,
    state_ms: LongIntegers,
    state: Floats,
    out_symbols: Integers,
    out_minutes: LongIntegers,
    out: Floats,
) -> int:
    """Last mark price and funding rate of each minute, and the mark's extremes in it.

    `columns` are mark, funding rate; `state` is mark, funding rate, highest, lowest.
    """
    written = 0
    for index in range(time_ms.shape[0]):
        symbol = symbol_of[index]
        if symbol < 0:
            continue
        now = time_ms[index]
        last = state_ms[symbol, 0]
        mark, rate = columns[index, 0], columns[index, 1]
        if now < last or not (mark > 0 and np.isfinite(rate)):
            return -1 - index
        if now >= state_ms[symbol, 1]:
            if last >= 0:
                out_symbols[written], out_minutes[written] = symbol, last // _MINUTE_MS
                for column in range(4):
                    out[written, column] = state[symbol, column]
                written += 1
            state_ms[symbol, 1] = (now // _MINUTE_MS + 1) * _MINUTE_MS
            state[symbol, 2] = state[symbol, 3] = mark
        state_ms[symbol, 0] = now
        state[symbol, 0], state[symbol, 1] = mark, rate
        state[symbol, 2] = max(state[symbol, 2], mark)
        state[symbol, 3] = min(state[symbol, 3], mark)
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

    Every window is summed anew, the oldest first: a running sum would carry the rounding of what has left the
    window. Many windows are summed side by side, as one addition alone has to wait for the one before.
    """
    out = np.full(values.shape[0], np.nan)
    for first in range(window - 1, values.shape[0], _SIDE_BY_SIDE):
        last = min(first + _SIDE_BY_SIDE, values.shape[0])
        sums = out[first:last]
        sums[:] = 0.0
        for back in range(window - 1, -1, -1):
            added = values[first - back : last - back]
            for end in range(sums.shape[0]):
                sums[end] += added[end]
        sums /= window
    return out


@compiled
def rolling_volatility_bps(variance: Floats, window: int) -> Floats:
    """1e4 × root of the mean variance over `window` bars; NaN until there are as many."""
    out = rolling_mean(variance, window)
    for bar in range(out.shape[0]):
        # A close rounded beyond its bar's extremes would make the mean a hair negative.
        out[bar] = 1e4 * np.sqrt(max(out[bar], 0.0)) if out[bar] == out[bar] else out[bar]
    return out
