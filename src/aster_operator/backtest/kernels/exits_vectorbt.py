"""Stop, target and trailing exits as vectorbt resolves them, once for each entry and set of exit parameters.

The rules, bar by bar after the entry bar: the trailing stop arms when the bar's order price has moved far
enough from the entry's order price; a stop is looked for first, then the target; a trailing peak learns of a
bar's high only after that bar's stop was checked. Whatever triggered, the order fills at the bar's order
price, not at the level.
"""

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, Integers, LongIntegers, compiled
from aster_operator.backtest.kernels.passage import (
    FINE,
    first_at_least,
    first_at_most,
    first_move_at_least,
)

__all__ = ["resolve_exits_vectorbt"]


@compiled
def _trailing_exit_long(
    high: Floats,
    high_fine: Floats,
    low: Floats,
    low_fine: Floats,
    armed_at: int,
    origin: float,
    callback: float,
) -> int:
    """First bar from `armed_at` on whose low gives back `callback` from the peak; the length if none."""
    length = int(high.shape[0])
    peak = origin
    bar = armed_at
    while bar < length:
        if bar % FINE == 0:
            block = bar // FINE
            highest = max(peak, high_fine[block])
            if low_fine[block] > highest * (1 - callback):
                peak = highest
                bar += FINE
                continue
        if low[bar] <= peak * (1 - callback):
            return bar
        peak = max(peak, high[bar])
        bar += 1
    return length


@compiled
def _trailing_exit_short(
    high: Floats,
    high_fine: Floats,
    low: Floats,
    low_fine: Floats,
    armed_at: int,
    origin: float,
    callback: float,
) -> int:
    """First bar from `armed_at` on whose high gives back `callback` from the trough; the length if none."""
    length = int(high.shape[0])
    trough = origin
    bar = armed_at
    while bar < length:
        if bar % FINE == 0:
            block = bar // FINE
            lowest = min(trough, low_fine[block])
            if high_fine[block] < lowest * (1 + callback):
                trough = lowest
                bar += FINE
                continue
        if high[bar] >= trough * (1 + callback):
            return bar
        trough = min(trough, low[bar])
        bar += 1
    return length


@compiled
def _targets(
    start: int,
    origin: float,
    side: int,
    arm_levels: Floats,
    high: Floats,
    high_maxima: tuple[Floats, Floats],
    low: Floats,
    low_minima: tuple[Floats, Floats],
    target_values: Floats,
    out_distances: Floats,
    out_bars: LongIntegers,
) -> None:
    """First bar that reaches each target; a target keeps its gap from the level its trailing stop arms at."""
    for index in range(target_values.shape[0]):
        target, gap, arm = target_values[index, 0], target_values[index, 1], target_values[index, 2]
        distance = max(target, arm_levels[int(arm)] + max(gap, 0.0)) / 1e4
        out_distances[index] = distance
        known = 0
        while out_distances[known] != distance:
            known += 1
        if known < index:
            out_bars[index] = out_bars[known]
        elif side > 0:
            level = origin * (1 + distance)
            out_bars[index] = first_at_least(high, high_maxima[0], high_maxima[1], start, level)
        else:
            level = origin * (1 - distance)
            out_bars[index] = first_at_most(low, low_minima[0], low_minima[1], start, level)


@compiled
def _trails(
    origin: float,
    side: int,
    arm_bars: LongIntegers,
    high: Floats,
    high_fine: Floats,
    low: Floats,
    low_fine: Floats,
    trail_values: Floats,
    out_bars: LongIntegers,
) -> None:
    """First bar at which each trailing stop, once armed, is hit."""
    for index in range(trail_values.shape[0]):
        armed_at = arm_bars[int(trail_values[index, 0])]
        known = 0
        while known < index and not (
            trail_values[known, 1] == trail_values[index, 1]
            and arm_bars[int(trail_values[known, 0])] == armed_at
        ):
            known += 1
        callback = trail_values[index, 1] / 1e4
        if known < index:
            out_bars[index] = out_bars[known]
        elif side > 0:
            out_bars[index] = _trailing_exit_long(high, high_fine, low, low_fine, armed_at, origin, callback)
        else:
            out_bars[index] = _trailing_exit_short(high, high_fine, low, low_fine, armed_at, origin, callback)


@compiled
def _stops_and_arms(
    start: int,
    origin: float,
    side: int,
    floor_bps: float,
    order_price: Floats,
    order_price_extremes: tuple[Floats, Floats, Floats, Floats],
    high: Floats,
    high_maxima: tuple[Floats, Floats],
    low: Floats,
    low_minima: tuple[Floats, Floats],
    stop_values: Floats,
    arm_values: Floats,
    stop_bars: LongIntegers,
    arm_levels: Floats,
    arm_bars: LongIntegers,
) -> None:
    """First bars at which each stop is hit and each trailing stop is armed, and the levels of arming."""
    max_fine, max_coarse, min_fine, min_coarse = order_price_extremes
    for index in range(stop_values.shape[0]):
        stop = stop_values[index] / 1e4
        if side > 0:
            level = origin * (1 - stop)
            stop_bars[index] = first_at_most(low, low_minima[0], low_minima[1], start, level)
        else:
            level = origin * (1 + stop)
            stop_bars[index] = first_at_least(high, high_maxima[0], high_maxima[1], start, level)
    for index in range(arm_values.shape[0]):
        level = max(arm_values[index, 0], floor_bps + arm_values[index, 1])
        arm_levels[index] = level
        arm_bars[index] = -1
        for earlier in range(index):
            if arm_levels[earlier] == level:
                arm_bars[index] = arm_bars[earlier]
                break
        if arm_bars[index] < 0 and side > 0:
            arm_bars[index] = first_move_at_least(
                order_price, max_fine, max_coarse, start, origin, 1.0, level / 1e4
            )
        elif arm_bars[index] < 0:
            arm_bars[index] = first_move_at_least(
                order_price, min_fine, min_coarse, start, origin, -1.0, level / 1e4
            )


@compiled
def resolve_exits_vectorbt(
    first: int,
    last: int,
    entry_bars: Integers,
    entry_sides: Bytes,
    order_price: Floats,
    order_price_extremes: tuple[Floats, Floats, Floats, Floats],
    high: Floats,
    high_maxima: tuple[Floats, Floats],
    low: Floats,
    low_minima: tuple[Floats, Floats],
    buy_price: Floats,
    sell_price: Floats,
    floor_bps: Floats,
    stop_values: Floats,
    arm_values: Floats,
    target_values: Floats,
    trail_values: Floats,
    classes: Integers,
    exit_bars: Integers,
    exit_prices: Floats,
) -> None:
    """Fill `exit_bars` and `exit_prices` (entries × exit parameters) for the entries from `first` to `last`.

    `floor_bps` is the break-even floor of each bar without the buffer. An exit that never comes has the
    number of bars as its bar. Row x of `classes` numbers the stop, the (activation, buffer), the (target,
    gap, arm) and the (arm, callback) of exit parameters x among the distinct ones, all values in bps.
    """
    bars = high.shape[0]
    stop_bars = np.empty(stop_values.shape[0], dtype=np.int64)
    arm_bars = np.empty(arm_values.shape[0], dtype=np.int64)
    arm_levels = np.empty(arm_values.shape[0])
    target_bars = np.empty(target_values.shape[0], dtype=np.int64)
    target_distances = np.empty(target_values.shape[0])
    trail_bars = np.empty(trail_values.shape[0], dtype=np.int64)
    for entry in range(first, last):
        start = entry_bars[entry] + 1
        side = entry_sides[entry]
        origin = order_price[entry_bars[entry]]
        _stops_and_arms(
            start, origin, side, floor_bps[entry_bars[entry]], order_price, order_price_extremes, high,
            high_maxima, low, low_minima, stop_values, arm_values, stop_bars, arm_levels, arm_bars,
        )  # fmt: skip
        _targets(
            start, origin, side, arm_levels, high, high_maxima, low, low_minima, target_values,
            target_distances, target_bars,
        )  # fmt: skip
        _trails(origin, side, arm_bars, high, high_maxima[0], low, low_minima[0], trail_values, trail_bars)
        for number in range(classes.shape[0]):
            # Not classes[number]: a view would be counted in and out for every number read.
            stop, arm = classes[number, 0], classes[number, 1]
            target, trail = classes[number, 2], classes[number, 3]
            stopped = stop_bars[stop]
            if arm_bars[arm] <= stopped:
                stopped = trail_bars[trail]
            found = min(target_bars[target], stopped)
            exit_bars[entry, number] = found
            exit_prices[entry, number] = 0.0
            if found < bars:
                exit_prices[entry, number] = sell_price[found] if side > 0 else buy_price[found]
