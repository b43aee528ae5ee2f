"""Metrics of a fixed notional (the exchange semantics): what a trade adds to the account, in quote currency.

Nothing compounds, so a trade is described once in currency and added up. Rows have the layout of
`kernels.compound`: eight plain sums, then what meets the account's path.
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
    AMBIGUOUS,
    CAPITAL,
    FEES,
    FUNDING,
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

__all__ = ["FIXED_COLUMNS", "accumulate_fixed", "describe_fixed"]

_RETURNS, _SQUARES, _LOSSES, _ADVERSE, _FAVOURABLE, _HELD, _WINS, _LOSING = range(SUMMED)
_PROFIT, _FEES, _LOWEST, _HIGHEST, _DRAWDOWN, _EXIT_BAR, _AMBIGUOUS, _FUNDING = range(SUMMED, 2 * SUMMED)
FIXED_COLUMNS = 2 * SUMMED


@compiled
def _step(running: Floats, value: float, now: float) -> None:
    """Count one bar on which a position went from the profit `value` to the profit `now`."""
    change = now - value
    running[_RETURNS] += change
    running[_SQUARES] += change * change
    running[_HIGHEST] = max(running[_HIGHEST], now)
    if change < 0:
        running[_LOSSES] += change * change
    running[_LOWEST] = min(running[_LOWEST], now)
    running[_DRAWDOWN] = min(running[_DRAWDOWN], now - running[_HIGHEST])


@compiled
def _excursions(
    out: Floats, price: float, lowest: float, highest: float, long: bool, low: float, high: float
) -> None:
    """Furthest moves against and with a position, in bps of its entry price, exit bar included."""
    up = 1e4 * max(max(highest, high) / price - 1, 0.0)
    down = 1e4 * max(1 - min(lowest, low) / price, 0.0)
    out[_ADVERSE] = down if long else up
    out[_FAVOURABLE] = up if long else down


@compiled
def _close(
    out: Floats,
    value: float,
    price: float,
    exit_price: float,
    units: float,
    fee: float,
    paid: float,
    flag: int,
) -> None:
    """Count the exit bar of a position of `units` (negative: short) that paid `paid` in funding."""
    exit_fee = fee * abs(units) * exit_price
    out[_FEES] += exit_fee
    out[_AMBIGUOUS] = flag
    out[_FUNDING] = paid
    _step(out, value, units * (exit_price - price) - out[_FEES] - paid)
    out[_PROFIT] = units * (exit_price - price) - out[_FEES] - paid


@compiled
def _quantity(wanted: float, lot: float) -> float:
    """At least `wanted`, in whole lots (0: any quantity). A billionth of a lot is rounding, not a lot."""
    return np.ceil(wanted / lot - 1e-9) * lot if lot > 0 else wanted


@compiled
def describe_fixed(
    first: int,
    last: int,
    fee: float,
    notional: float,
    lot: float,
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
    funding_due: Floats,
    slots: Floats,
) -> None:
    """Describe the used exits of the entries from `first` to `last`.

    `funding_due` is what one unit held long pays at the opening of each bar; who entered at that very
    moment does not pay. The quantity is the notional rounded up by `lot` (0: any quantity). A slot whose
    bar is the number of bars is still open at the end and valued at the last close.
    """
    bars = close.shape[0]
    running = np.zeros(FIXED_COLUMNS)
    for entry in range(first, last):
        last_used = slot_bases[entry + 1] - 1
        while last_used >= slot_bases[entry] and not used[last_used]:
            last_used -= 1
        price = entry_prices[entry]
        units = entry_sides[entry] * _quantity(notional / price, lot)
        running[:] = 0.0
        running[_FEES] = fee * abs(units) * price
        start = bar = entry_bars[entry] + 1
        value = paid = 0.0
        lowest = highest = price
        if start == bars:
            value = units * (close[-1] - price) - running[_FEES]
            _step(running, 0.0, value)
        for slot in range(slot_bases[entry], last_used + 1):
            while bar < slot_bars[slot]:
                if bar > start:
                    paid += units * funding_due[bar]
                now = units * (close[bar] - price) - running[_FEES] - paid
                _step(running, value, now)
                value = now
                lowest = min(lowest, low[bar])
                highest = max(highest, high[bar])
                bar += 1
            if not used[slot]:
                continue
            out = slots[slot]
            # Not out[:] = running: what could be said of a mismatch would be compiled too, for seconds.
            for column in range(FIXED_COLUMNS):
                out[column] = running[column]
            until = min(bar, bars - 1)
            _excursions(out, price, lowest, highest, units > 0, low[until], high[until])
            out[_HELD], out[_EXIT_BAR] = until - entry_bars[entry], until
            out[_PROFIT], out[_FUNDING] = value, paid
            if bar < bars:
                due = units * funding_due[bar] if bar > start else 0.0
                _close(out, value, price, slot_prices[slot], units, fee, paid + due, slot_flags[slot])
            out[_WINS], out[_LOSING] = out[_PROFIT] > 0, out[_PROFIT] < 0


@compiled
def _add_trades(trades: Integers, first: int, last: int, slots: Floats, totals: Floats, config: int) -> None:
    """Continue the totals of one configuration with its trades, slots from `first` to `last`.

    Without branches and views, as in `kernels.compound`.
    """
    own = totals[config]
    capital, peak, peak_capital = own[CAPITAL], own[PEAK], own[PEAK_CAPITAL]
    max_drawdown, longest, peak_exit_bar = own[MAX_DRAWDOWN], own[LONGEST_DRAWDOWN], own[PEAK_EXIT_BAR]
    won, lost, fees = own[WON], own[LOST], own[FEES]
    funding, ambiguous = own[FUNDING], own[AMBIGUOUS]
    sums = sums_of_row(totals, config)
    for index in range(np.uint64(first), np.uint64(last)):
        slot = np.uint32(trades[index])
        sums = plus_row(sums, slots, slot)
        max_drawdown = min(max_drawdown, capital + slots[slot, _LOWEST] - peak)
        max_drawdown = min(max_drawdown, slots[slot, _DRAWDOWN])
        peak = max(peak, capital + slots[slot, _HIGHEST])
        fees += slots[slot, _FEES]
        funding += slots[slot, _FUNDING]
        ambiguous += slots[slot, _AMBIGUOUS]
        profit = slots[slot, _PROFIT]
        won += max(profit, 0.0)
        lost += min(profit, 0.0)
        capital += profit
        exit_bar = slots[slot, _EXIT_BAR]
        new_peak_bar = exit_bar if capital > peak_capital else 0.0
        longest = max(longest, new_peak_bar - peak_exit_bar)
        peak_exit_bar = max(peak_exit_bar, new_peak_bar)
        peak_capital = max(peak_capital, capital)
    put_row(totals, config, sums)
    own[WON], own[LOST], own[FEES] = won, lost, fees
    own[FUNDING], own[AMBIGUOUS] = funding, ambiguous
    own[TRADES] += last - first
    own[CAPITAL], own[PEAK], own[PEAK_CAPITAL] = capital, peak, peak_capital
    own[MAX_DRAWDOWN], own[LONGEST_DRAWDOWN], own[PEAK_EXIT_BAR] = max_drawdown, longest, peak_exit_bar


@compiled
def accumulate_fixed(
    first: int,
    last: int,
    slots: Floats,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
    totals: Floats,
) -> None:
    """Add the trades of the block to the totals of the configurations from `first` to `last`."""
    for config in range(first, last):
        start = trade_offsets[config]
        _add_trades(trades, start, start + trade_counts[config], slots, totals, config)
