"""What happened within a bar, event by event: levels reached by the last price and by the mark."""

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, LongIntegers, compiled

__all__ = ["MARKED", "TRADED", "Fine", "first_mark", "first_trade", "lay_beside_bars", "trailing_stop_event"]

TRADED, MARKED = 1, 2
"""Bits of an event: the last price is new, the mark is new."""

Fine = tuple[LongIntegers, Bytes, Floats, Floats]
"""Offsets of the bars' events, kinds, last price, mark: see `FinePrices`."""


@compiled
def lay_beside_bars(
    close_ms: LongIntegers,
    bar_ms: int,
    basis: Floats,
    trade_ms: LongIntegers,
    trades: Floats,
    mark_ms: LongIntegers,
    marks: Floats,
    offsets: LongIntegers,
    kinds: Bytes,
    last: Floats,
    mark: Floats,
) -> int:
    """Merge trades and marks in order of time and give each its bar; returns how many lie in one.

    Without any marks every trade moves the mark too, by what mark over last price was a bar before (`basis`).
    """
    bars = close_ms.shape[0]
    trade = marked = bar = found = 0
    price = np.nan
    while trade < trades.shape[0] or marked < marks.shape[0]:
        is_mark = marked < marks.shape[0] and (trade == trades.shape[0] or mark_ms[marked] <= trade_ms[trade])
        now = mark_ms[marked] if is_mark else trade_ms[trade]
        if not is_mark:
            price = trades[trade]
        while bar < bars and close_ms[bar] < now:
            bar += 1
            offsets[bar] = found
        if bar < bars and now > close_ms[bar] - bar_ms and price == price:
            kinds[found] = MARKED if is_mark else TRADED
            last[found] = price
            if is_mark:
                mark[found] = marks[marked]
            elif marks.shape[0] == 0:
                kinds[found] = TRADED | MARKED
                mark[found] = price * basis[max(bar - 1, 0)]
            else:
                mark[found] = np.nan
            found += 1
        marked += int(is_mark)
        trade += int(not is_mark)
    while bar < bars:
        bar += 1
        offsets[bar] = found
    return found


@compiled
def first_trade(begin: int, end: int, kinds: Bytes, last: Floats, side: int, level: float) -> int:
    """First event at which the last price reaches `level` in favour of `side`; -1 if none does."""
    for event in range(begin, end):
        if kinds[event] & TRADED and side * (last[event] - level) >= 0:
            return event
    return -1


@compiled
def first_mark(begin: int, end: int, kinds: Bytes, mark: Floats, side: int, level: float) -> int:
    """First event at which the mark reaches `level` against `side`; -1 if none does."""
    for event in range(begin, end):
        if kinds[event] & MARKED and side * (mark[event] - level) <= 0:
            return event
    return -1


@compiled
def trailing_stop_event(
    begin: int,
    end: int,
    kinds: Bytes,
    prices: Floats,
    bit: int,
    side: int,
    peak: float,
    activation: float,
    keep: float,
) -> int:
    """First event at which the price that is followed has given back the callback from its peak; -1 if none.

    `prices` are those that are new where `kinds` has `bit`: last prices, or marks. `peak` is the peak before
    `begin`, or not a number while the stop is not armed: then the first price at `activation` arms it. `keep`
    is what is left of the peak, 1 - callback for a long.
    """
    for event in range(begin, end):
        if not kinds[event] & bit:
            continue
        price = prices[event]
        if peak != peak:
            if side * (price - activation) >= 0:
                peak = price
        elif side * (price - peak * keep) <= 0:
            return event
        elif side * (price - peak) > 0:
            peak = price
    return -1
