"""Metrics of all-in compounding (the vectorbt semantics): what a trade multiplies the capital by.

A long of capital C bought at `in` is worth C/(1+f)/in × close; a short is worth
C × (1 + (1-f)/(1+f) - close/(in × (1+f))), f being the fee as a fraction. Neither depends on what happened
before, so every trade is described once, for a capital of one, in a row of 16 numbers: eight that are simply
added up, and eight that meet the capital.
"""

import numpy as np

from aster_operator.backtest.kernels.compiler import (
    Booleans,
    Bytes,
    Floats,
    Integers,
    LongIntegers,
    compiled,
)
from aster_operator.backtest.kernels.rows import plus_row, put_row, sums_of_row
from aster_operator.backtest.kernels.totals import (
    CAPITAL,
    ENTRY_LOSSES,
    ENTRY_RETURNS,
    ENTRY_SQUARES,
    FEES,
    LINK,
    LONGEST_DRAWDOWN,
    LOST,
    MAX_DRAWDOWN,
    PEAK,
    PEAK_CAPITAL,
    PEAK_EXIT_BAR,
    SUMMED,
    TRADES,
    WON,
)

__all__ = ["REVERSED", "SLOT_COLUMNS", "accumulate_compound", "describe_compound"]

# The first eight stand in the order of the totals they are added to.
_RETURNS, _SQUARES, _LOSSES, _ADVERSE, _FAVOURABLE, _HELD, _WINS, _LOSING = range(SUMMED)
_FACTOR, _LINK, _VALUE, _LOWEST, _HIGHEST, _DRAWDOWN, _TURNOVER, _EXIT_BAR = range(SUMMED, 2 * SUMMED)
SLOT_COLUMNS = 2 * SUMMED

REVERSED = 1
"""Flag of an exit by the opposite signal: the bar's return is counted with the entry that follows."""


@compiled
def _step(running: Floats, value: float, now: float) -> None:
    """Count one bar on which a position worth `value` came to be worth `now`."""
    change = (now - value) / value
    running[_RETURNS] += change
    square = change * change
    running[_SQUARES] += square
    running[_HIGHEST] = max(running[_HIGHEST], now)
    if change < 0:
        running[_LOSSES] += square
        running[_LOWEST] = min(running[_LOWEST], now)
        running[_DRAWDOWN] = min(running[_DRAWDOWN], now / running[_HIGHEST] - 1)


@compiled
def _finish(
    out: Floats, running: Floats, value: float, price: float, exit_price: float, long: bool, kept: float
) -> None:
    """Describe a trade of which `running` is known up to the bar before its exit."""
    for column in range(running.shape[0]):
        out[column] = running[column]
    out[_FACTOR] = value
    out[_TURNOVER] = 1.0
    out[_LINK] = 1.0
    if exit_price > 0:
        ratio = exit_price / price
        out[_FACTOR] = kept * ratio if long else 1 + kept - ratio
        out[_TURNOVER] = 1 + ratio
    out[_WINS] = 1.0 if out[_FACTOR] > 1 else 0.0
    out[_LOSING] = 1.0 if out[_FACTOR] < 1 else 0.0


@compiled
def _excursions(
    out: Floats, price: float, lowest: float, highest: float, long: bool, low: float, high: float
) -> None:
    """Furthest moves against and with a position, in bps of its entry price, exit bar included."""
    lowest = min(lowest, low)
    highest = max(highest, high)
    up = 1e4 * max(highest / price - 1, 0.0)
    down = 1e4 * max(1 - lowest / price, 0.0)
    out[_ADVERSE] = down if long else up
    out[_FAVOURABLE] = up if long else down


@compiled
def _end(out: Floats, value: float, flag: int) -> None:
    """Count the exit bar, on which a position worth `value` ends; a reversal leaves that to what follows."""
    if flag == REVERSED:
        out[_LINK] = out[_FACTOR] / value
    else:
        _step(out, value, out[_FACTOR])


@compiled
def _ruin(out: Floats) -> None:
    """Everything is lost, be it in one bar or on the way: nothing is left and nothing more is owed.

    vectorbt lets the account go below zero and orders no more; that is not imitated.
    """
    out[_FACTOR], out[_LOWEST], out[_DRAWDOWN] = 0.0, 0.0, -1.0
    out[_RETURNS], out[_SQUARES], out[_LOSSES] = -1.0, 1.0, 1.0
    out[_WINS], out[_LOSING] = 0.0, 1.0


@compiled
def describe_compound(
    first: int,
    last: int,
    fee: float,
    entry_bars: Integers,
    entry_sides: Bytes,
    entry_prices: Floats,
    slot_bases: Integers,
    slot_bars: Integers,
    slot_prices: Floats,
    slot_flags: Bytes,
    used: Booleans,
    close: Floats,
    high: Floats,
    low: Floats,
    slots: Floats,
) -> None:
    """Describe the used exits of the entries from `first` to `last` for a capital of one.

    A slot whose bar is the number of bars is a position still open at the end, valued at the last close.
    """
    bars = close.shape[0]
    kept = (1 - fee) / (1 + fee)
    running = np.zeros(SLOT_COLUMNS)
    for entry in range(first, last):
        last_used = slot_bases[entry + 1] - 1
        while last_used >= slot_bases[entry] and not used[last_used]:
            last_used -= 1
        long = entry_sides[entry] > 0
        price = entry_prices[entry]
        constant = 0.0 if long else 1 + kept
        slope = (1.0 if long else -1.0) / (1 + fee) / price
        bar = entry_bars[entry] + 1
        value = constant + slope * close[bar - 1]
        running[:] = 0.0
        running[_VALUE] = running[_LOWEST] = running[_HIGHEST] = value
        lowest = price
        highest = price
        for slot in range(slot_bases[entry], last_used + 1):
            while bar < slot_bars[slot]:
                now = constant + slope * close[bar]
                _step(running, value, now)
                value = now
                lowest = min(lowest, low[bar])
                highest = max(highest, high[bar])
                bar += 1
            if used[slot]:
                out = slots[slot]
                _finish(out, running, value, price, slot_prices[slot], long, kept)
                until = min(bar, bars - 1)
                _excursions(out, price, lowest, highest, long, low[until], high[until])
                # As vectorbt counts: a position still open has been held through the last bar.
                out[_HELD] = bar - entry_bars[entry]
                out[_EXIT_BAR] = until
                if out[_LOWEST] <= 0 or out[_FACTOR] <= 0:
                    _ruin(out)
                elif bar < bars:
                    _end(out, value, slot_flags[slot])


@compiled
def _add_trades(trades: Integers, first: int, last: int, slots: Floats, totals: Floats, config: int) -> None:
    """Continue the totals of one configuration with its trades, slots from `first` to `last`, for as long as
    there is capital.

    Written out in single variables and without branches: they stay in registers and nothing is guessed
    wrong, which is most of the speed of a sweep. A peak is new in one trade of five.
    """
    own = totals[config]
    capital, peak, link, peak_capital = own[CAPITAL], own[PEAK], own[LINK], own[PEAK_CAPITAL]
    longest, peak_exit_bar = own[LONGEST_DRAWDOWN], own[PEAK_EXIT_BAR]
    returns, squares, losses = own[ENTRY_RETURNS], own[ENTRY_SQUARES], own[ENTRY_LOSSES]
    won, lost, fees = own[WON], own[LOST], own[FEES]
    sums = sums_of_row(totals, config)
    deepest_within, lowest = 0.0, 1.0
    index, end = np.uint64(first), np.uint64(last)
    while index < end and capital > 0:
        # Not slots[slot]: a view would be counted in and out, which takes longer than all that follows.
        slot = np.uint32(trades[index])
        sums = plus_row(sums, slots, slot)
        change = slots[slot, _VALUE] * link - 1
        loss = min(change, 0.0)
        returns += change
        squares += change * change
        losses += loss * loss
        link = slots[slot, _LINK]
        # What came before this trade's own peaks is measured from the peak before it.
        lowest = min(lowest, capital * slots[slot, _LOWEST] / peak)
        peak = max(peak, capital * slots[slot, _HIGHEST])
        deepest_within = min(deepest_within, slots[slot, _DRAWDOWN])
        fees += capital * slots[slot, _TURNOVER]
        after = capital * slots[slot, _FACTOR]
        profit = after - capital
        won += max(profit, 0.0)
        lost += min(profit, 0.0)
        capital = after
        exit_bar = slots[slot, _EXIT_BAR]
        new_peak_bar = exit_bar if capital > peak_capital else 0.0
        longest = max(longest, new_peak_bar - peak_exit_bar)
        peak_exit_bar = max(peak_exit_bar, new_peak_bar)
        peak_capital = max(peak_capital, capital)
        index += np.uint64(1)
    put_row(totals, config, sums)
    own[ENTRY_RETURNS], own[ENTRY_SQUARES], own[ENTRY_LOSSES] = returns, squares, losses
    own[WON], own[LOST], own[FEES] = won, lost, fees
    own[TRADES] += np.int64(index) - first
    own[MAX_DRAWDOWN] = min(own[MAX_DRAWDOWN], deepest_within, lowest - 1)
    own[CAPITAL], own[PEAK], own[LINK], own[PEAK_CAPITAL] = capital, peak, link, peak_capital
    own[LONGEST_DRAWDOWN], own[PEAK_EXIT_BAR] = longest, peak_exit_bar


@compiled
def accumulate_compound(
    first: int,
    last: int,
    entry_bars: Integers,
    slots: Floats,
    slot_entries: Integers,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
    totals: Floats,
) -> None:
    """Add the trades of the block to the totals of the configurations from `first` to `last`."""
    for config in range(first, last):
        count = trade_counts[config]
        if count == 0:
            continue
        own = totals[config]
        start = trade_offsets[config]
        if own[TRADES] == 0 and entry_bars[slot_entries[trades[start]]] == 0:
            # The first value there is, is that of the position; the capital before it is no peak.
            own[PEAK] = own[CAPITAL] * slots[trades[start], _VALUE]
        _add_trades(trades, start, start + count, slots, totals, config)
