"""Where the exits resting on the exchange fill, resolved on bars, once for each entry and set of parameters.

Three reduce-only orders wait from the moment of the fill: a take-profit on the last price, a stop on the mark
price, and a trailing stop that arms when its activation is reached. The venue's trailing stop follows the
last price; where it does not take the callback the operator runs one, on the mark, as live.

A bar says which levels were reached but not in which order. What is certain is taken as it is: a bar that
opens beyond a level fills at its open, and a trailing stop armed before the bar is met before a stop further
away. Where the order matters and is not known, the ending that costs more is taken, and the exit is flagged.
Where there are finer prices beside a bar, they say what came first.
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
from aster_operator.backtest.kernels.passage import first_at_least, first_at_most
from aster_operator.backtest.kernels.ticks import (
    MARKED,
    TRADED,
    Fine,
    first_mark,
    first_trade,
    trailing_stop_event,
)

__all__ = [
    "AMBIGUOUS_EXIT",
    "Extremes",
    "Market",
    "exit_levels",
    "resolve_exits_exchange",
]

Market = tuple[Floats, Floats, Floats, Floats, Floats, Floats, Floats, Floats]
"""Open, high and low of the last price, high and low of the mark; at each close mark over last price, the
fraction a market order gives up, and the break-even floor in bps without the buffer."""

Extremes = tuple[tuple[Floats, Floats], tuple[Floats, Floats], tuple[Floats, Floats], tuple[Floats, Floats]]
"""Of blocks: maxima of high, minima of low, maxima of the mark's high, minima of its low."""

AMBIGUOUS_EXIT = 1
"""Flag of an exit whose bar allows more than one ending."""

_CERTAIN, _POSSIBLE, _OPENED = 0, 1, 2
"""How a trailing stop ends within its bar: at this price, perhaps at another, or because it opened beyond."""

_ROOM_TICKS = 1e-6
"""Or binary fractions would move a level that is on the grid by a tick."""


@compiled
def exit_levels(price: float, side: int, distance_bps: float, tick: float) -> float:
    """The price `distance_bps` away in favour of `side`, on the tick grid (`tick` 0: any price).

    Rounded as live: a target is never nearer than planned, a stop never further.
    """
    level = price * (1 + side * distance_bps / 1e4)
    if tick > 0:
        level = np.ceil(level / tick - _ROOM_TICKS) if side > 0 else np.floor(level / tick + _ROOM_TICKS)
        level *= tick
    return level


@compiled
def _adverse(side: int, price: float, other: float) -> float:
    """The price that is worse for whoever leaves a position of `side`."""
    return min(price, other) if side > 0 else max(price, other)


@compiled
def _trail(
    armed_at: int,
    activation: float,
    side: int,
    callback: float,
    on_mark: bool,
    market: Market,
    fine: Fine,
    out: Floats,
) -> int:
    """Bar at which a trailing stop fills; `out` gets the last price then, how certain it is, and the event.

    `activation`, the peak and the levels are of the mark where it is followed, else of the last price. The
    peak before a bar is certain; one made within a bar may have come before or after its adverse extreme.
    """
    open_, high, low, mark_high, mark_low, basis, _, _ = market
    bars = int(open_.shape[0])
    if armed_at >= bars:
        return bars
    highs, lows = (mark_high, mark_low) if on_mark else (high, low)
    favourable, adverse = (highs, lows) if side > 0 else (lows, highs)
    offsets, kinds, last, marks = fine
    seen, bit = (marks, MARKED) if on_mark else (last, TRADED)
    keep = 1 - side * callback
    peak = activation
    for bar in range(armed_at, bars):
        before = basis[max(bar - 1, 0)] if on_mark else 1.0
        opened = open_[bar] * before
        armed_before = bar > armed_at or side * (opened - activation) >= 0
        if bar == armed_at and armed_before:
            peak = opened
        level = peak * keep
        begin, end = offsets[bar], offsets[bar + 1]
        higher = max(peak, favourable[bar]) if side > 0 else min(peak, favourable[bar])
        raised = higher * keep
        out[2] = -1
        if end > begin and side * (adverse[bar] - raised) <= 0:
            known = peak if bar > armed_at else np.nan
            event = trailing_stop_event(begin, end, kinds, seen, bit, side, known, activation, keep)
            if event >= 0:
                out[0], out[1], out[2] = last[event], _CERTAIN, event
                return bar
            if not (armed_before and side * (adverse[bar] - level) <= 0):
                peak = higher
                continue
        if bar > armed_at and side * (opened - level) <= 0:
            out[0], out[1] = open_[bar], _OPENED
            return bar
        if side * (adverse[bar] - raised) <= 0:
            # What the last price is when what is followed gets there, as far as the bar allows.
            reached = level if side * (adverse[bar] - level) <= 0 else adverse[bar]
            out[0] = min(max(reached / before, low[bar]), high[bar])
            out[1] = _CERTAIN if armed_before and higher == peak else _POSSIBLE
            return bar
        peak = higher
    return bars


@compiled
def _at_bar(
    bar: int,
    side: int,
    stop: Floats,
    target: Floats,
    trail_bar: int,
    trail: Floats,
    open_: Floats,
    high: Floats,
    low: Floats,
    basis: Floats,
    fine: Fine,
    out: Floats,
) -> int:
    """Price (`out[0]`) and flag of the exit within `bar`, the first bar at which any level is reached."""
    opened = open_[bar]
    before = basis[max(bar - 1, 0)]
    stop_bar, stop_level = int(stop[0]), stop[1]
    target_bar, target_level = int(target[0]), target[1]
    offsets, kinds, last, mark = fine
    begin, end = offsets[bar], offsets[bar + 1]
    if end > begin:
        # The first event that reaches a level, if every level the bar reached is found among the events.
        first = end
        if stop_bar == bar:
            first = first_mark(begin, end, kinds, mark, side, stop_level)
        if target_bar == bar and first >= 0:
            first = min(first, first_trade(begin, end, kinds, last, side, target_level))
        if trail_bar == bar and first >= 0:
            first = min(first, int(trail[2]))
        if first >= 0:
            out[0] = last[first]
            return 0
    if stop_bar == bar and side * (opened * before - stop_level) <= 0:
        out[0] = opened
        return 0
    if target_bar == bar and side * (opened - target_level) >= 0:
        out[0] = opened
        return 0
    flag = 0
    price = 0.0
    if trail_bar == bar:
        price = trail[0]
        if trail[1] == _POSSIBLE:
            flag = AMBIGUOUS_EXIT
        elif trail[1] == _OPENED:
            out[0] = price
            return 0
    if stop_bar == bar:
        # What the last price is when the mark reaches the level, as far as the bar allows.
        stopped = min(max(stop_level / before, low[bar]), high[bar])
        if trail_bar != bar:
            price = stopped
        elif trail[1] == _CERTAIN:
            price = max(price, stopped) if side > 0 else min(price, stopped)
        else:
            price = _adverse(side, price, stopped)
    if target_bar == bar:
        if price > 0:
            flag = AMBIGUOUS_EXIT
        else:
            price = target_level
    out[0] = price
    return flag


@compiled
def _fill(price: float, side: int, half_spread: float, tick: float) -> float:
    """What a market order that closes a position of `side` gets when the last price is `price`."""
    filled = price * (1 - side * half_spread)
    if tick > 0:
        # A thousandth of a tick of room, so that a price on the grid stays where it is.
        filled = (np.floor(filled / tick + 1e-3) if side > 0 else np.ceil(filled / tick - 1e-3)) * tick
    return filled


@compiled
def _first_beyond(
    side: int | np.int8,
    start: int,
    level: float,
    high: Floats,
    low: Floats,
    highs: tuple[Floats, Floats],
    lows: tuple[Floats, Floats],
) -> int:
    """First bar from `start` on that reaches `level`: from below where `side` is +1, else from above."""
    if side > 0:
        return first_at_least(high, highs[0], highs[1], start, level)
    return first_at_most(low, lows[0], lows[1], start, level)


@compiled
def _levels_reached(
    start: int,
    price: float,
    side: int,
    floor_bps: float,
    tick: float,
    market: Market,
    extremes: Extremes,
    stop_values: Floats,
    arm_values: Floats,
    target_values: Floats,
    stops: Floats,
    arms: Floats,
    targets: Floats,
) -> None:
    """First bar and level of every stop, activation and target: rows of (bar, level, distance in bps).

    Activations are looked for in the last price; `_armed_on_mark` is for the mark.
    """
    _, high, low, mark_high, mark_low, _, _, _ = market
    highs, lows, mark_highs, mark_lows = extremes
    for index in range(stop_values.shape[0]):
        level = exit_levels(price, side, -stop_values[index], tick)
        # Of the type of `side`, or everything it is passed to would be compiled twice.
        away = np.int8(-side)
        stops[index, 0] = _first_beyond(away, start, level, mark_high, mark_low, mark_highs, mark_lows)
        stops[index, 1] = level
    for index in range(arm_values.shape[0] + target_values.shape[0]):
        target = index - arm_values.shape[0]
        if target < 0:
            row = arms[index]
            row[2] = max(arm_values[index, 0], floor_bps + arm_values[index, 1])
        else:
            row = targets[target]
            armed = arms[int(target_values[target, 2]), 2]
            row[2] = max(target_values[target, 0], armed + target_values[target, 1])
        row[1] = exit_levels(price, side, row[2], tick)
        row[0] = _first_beyond(side, start, row[1], high, low, highs, lows)


@compiled
def _armed_on_mark(start: int, side: int, level: float, market: Market, extremes: Extremes) -> int:
    """First bar from `start` on whose mark reaches the activation."""
    return _first_beyond(side, start, level, market[3], market[4], extremes[2], extremes[3])


@compiled
def _reached(
    bar: int,
    stop: int,
    target: int,
    trail: int,
    stops: Floats,
    targets: Floats,
    trail_bars: LongIntegers,
) -> tuple[int, int, int, int]:
    """The bar of an exit and which stop, target and trailing stop it reaches, -1 for none: all that its
    price depends on."""
    return (
        bar,
        stop if stops[stop, 0] == bar else -1,
        target if targets[target, 0] == bar else -1,
        trail if trail_bars[trail] == bar else -1,
    )


@compiled
def resolve_exits_exchange(
    first: int,
    last: int,
    entry_bars: Integers,
    entry_sides: Bytes,
    entry_prices: Floats,
    market: Market,
    extremes: Extremes,
    fine: Fine,
    tick: float,
    stop_values: Floats,
    arm_values: Floats,
    target_values: Floats,
    trail_values: Floats,
    trails_on_mark: Booleans,
    classes: Integers,
    exit_bars: Integers,
    exit_prices: Floats,
    exit_flags: Bytes,
) -> None:
    """Fill bar, price and flag (entries × exit parameters) for the entries from `first` to `last`.

    A position entered after the close of bar i is exposed from bar i + 1 on. For `classes` and the values
    see `ExitClasses`. A trailing stop the venue does not take follows the mark: `trails_on_mark`.
    """
    open_, high, low, _, _, basis, half_spread, floor_bps = market
    bars = high.shape[0]
    stops = np.empty((stop_values.shape[0], 3))
    arms = np.empty((arm_values.shape[0], 3))
    targets = np.empty((target_values.shape[0], 3))
    trail_bars = np.empty(trail_values.shape[0], dtype=np.int64)
    trails = np.empty((trail_values.shape[0], 3))
    out = np.empty(1)
    flag = 0
    for entry in range(first, last):
        start = entry_bars[entry] + 1
        side = entry_sides[entry]
        _levels_reached(
            start, entry_prices[entry], side, floor_bps[start - 1], tick, market, extremes, stop_values,
            arm_values, target_values, stops, arms, targets,
        )  # fmt: skip
        for index in range(trail_values.shape[0]):
            arm = arms[int(trail_values[index, 0])]
            on_mark = trails_on_mark[index]
            armed_at = _armed_on_mark(start, side, arm[1], market, extremes) if on_mark else int(arm[0])
            trail_bars[index] = _trail(
                armed_at, arm[1], side, trail_values[index, 1] / 1e4, on_mark, market, fine, trails[index]
            )
        ending = (-1, -1, -1, -1)
        for number in range(classes.shape[0]):
            # Not classes[number]: a view would be counted in and out for every number read.
            stop, target, trail = classes[number, 0], classes[number, 2], classes[number, 3]
            bar = min(int(stops[stop, 0]), int(targets[target, 0]), trail_bars[trail])
            # Neighbours in a grid often end alike: then there is nothing to look at.
            before, ending = ending, _reached(bar, stop, target, trail, stops, targets, trail_bars)
            if ending != before:
                flag, out[0] = 0, 0.0
                if bar < bars:
                    flag = _at_bar(
                        bar, side, stops[stop], targets[target], trail_bars[trail], trails[trail], open_,
                        high, low, basis, fine, out,
                    )  # fmt: skip
                    out[0] = _fill(out[0], side, half_spread[bar - 1], tick)
            exit_bars[entry, number] = bar
            exit_flags[entry, number] = flag
            exit_prices[entry, number] = out[0]
