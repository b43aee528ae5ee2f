"""From trade to trade: which trades a configuration makes, never looking at the bars between them.

A step is three loads that wait for each other: the exit of an entry, the bar from which the next entry may
come, the entry at or after it. So four configurations are walked side by side, and each waits while the
others load.
"""

from typing import Any

import numpy as np

from aster_operator.backtest.kernels.compiler import (
    Booleans,
    Integers,
    LongIntegers,
    compiled,
    inlined,
)

__all__ = ["walk_block"]

_SIDE_BY_SIDE = 4


@compiled
def _index_entries(
    begin: int,
    end: int,
    first_bar: int,
    last_bar: int,
    entry_bars: Integers,
    set_entry: Integers,
    opposite_slots: Integers,
    next_entry: Integers,
    reversals: Integers,
) -> None:
    """For each bar of the block the set's next entry at or after it, or one beyond the last; for each entry
    its reversal."""
    upper = last_bar
    following = entry_bars.shape[0]
    next_entry[last_bar - first_bar] = following
    for position in range(end - 1, begin - 1, -1):
        entry = set_entry[position]
        next_entry[entry_bars[entry] + 1 - first_bar : upper - first_bar] = following
        following = entry
        upper = entry_bars[entry] + 1
        if opposite_slots.shape[0] > 0:
            reversals[entry] = opposite_slots[position]
    next_entry[: upper - first_bar] = following


@inlined
def _exit_of(entry: Any, exits: Integers, reversals: Integers) -> Any:
    """Slot of what ends a trade first: slots stand in order of time, at one bar the exit before the
    reversal. Unsigned, so that no index is asked whether it counts from the end."""
    return np.uint32(min(exits[entry], reversals[entry]))


@inlined
def _entry_from(bar: int, first_bar: int, last_bar: int, next_entry: Integers) -> Any:
    """The next entry of a configuration that looks for one from `bar` on."""
    return np.uint32(next_entry[min(max(bar, first_bar), last_bar) - first_bar])


@inlined
def _entry_after(slot: Any, resumes: Integers, next_entry: Integers) -> Any:
    """The next entry after the trade that ends with `slot`."""
    return np.uint32(next_entry[np.uint32(resumes[slot])])


@inlined
def _walk_on(
    entry: Any,
    at: Any,
    exits: Integers,
    reversals: Integers,
    resumes: Integers,
    next_entry: Integers,
    trades: Integers,
) -> Any:
    """Walk one configuration from `entry` to the end of the block; returns where its list of trades ends."""
    while entry < np.uint32(reversals.shape[0]):
        slot = _exit_of(entry, exits, reversals)
        trades[at] = slot
        at += np.uint64(1)
        entry = _entry_after(slot, resumes, next_entry)
    return at


@compiled
def _walk_one(
    config: int,
    first_bar: int,
    last_bar: int,
    exit_slots: Integers,
    reversals: Integers,
    resumes: Integers,
    next_entry: Integers,
    config_exit: Integers,
    next_bars: Integers,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
) -> None:
    """Walk one configuration through the block."""
    entry = _entry_from(next_bars[config], first_bar, last_bar, next_entry)
    start = np.uint64(trade_offsets[config])
    exits = exit_slots[config_exit[config]]
    trade_counts[config] = _walk_on(entry, start, exits, reversals, resumes, next_entry, trades) - start


@compiled
def _walk_four(
    config: int,
    first_bar: int,
    last_bar: int,
    exit_slots: Integers,
    reversals: Integers,
    resumes: Integers,
    next_entry: Integers,
    config_exit: Integers,
    next_bars: Integers,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
) -> None:
    """Walk `config` and the three after it through the block, side by side while all four have trades."""
    entries = np.uint32(reversals.shape[0])
    one = np.uint64(1)
    exits_a, exits_b = exit_slots[config_exit[config]], exit_slots[config_exit[config + 1]]
    exits_c, exits_d = exit_slots[config_exit[config + 2]], exit_slots[config_exit[config + 3]]
    a = _entry_from(next_bars[config], first_bar, last_bar, next_entry)
    b = _entry_from(next_bars[config + 1], first_bar, last_bar, next_entry)
    c = _entry_from(next_bars[config + 2], first_bar, last_bar, next_entry)
    d = _entry_from(next_bars[config + 3], first_bar, last_bar, next_entry)
    at_a, at_b = np.uint64(trade_offsets[config]), np.uint64(trade_offsets[config + 1])
    at_c, at_d = np.uint64(trade_offsets[config + 2]), np.uint64(trade_offsets[config + 3])
    while a < entries and b < entries and c < entries and d < entries:
        slot_a, slot_b = _exit_of(a, exits_a, reversals), _exit_of(b, exits_b, reversals)
        slot_c, slot_d = _exit_of(c, exits_c, reversals), _exit_of(d, exits_d, reversals)
        trades[at_a] = slot_a
        trades[at_b] = slot_b
        trades[at_c] = slot_c
        trades[at_d] = slot_d
        at_a, at_b, at_c, at_d = at_a + one, at_b + one, at_c + one, at_d + one
        a, b = _entry_after(slot_a, resumes, next_entry), _entry_after(slot_b, resumes, next_entry)
        c, d = _entry_after(slot_c, resumes, next_entry), _entry_after(slot_d, resumes, next_entry)
    at_a = _walk_on(a, at_a, exits_a, reversals, resumes, next_entry, trades)
    at_b = _walk_on(b, at_b, exits_b, reversals, resumes, next_entry, trades)
    at_c = _walk_on(c, at_c, exits_c, reversals, resumes, next_entry, trades)
    at_d = _walk_on(d, at_d, exits_d, reversals, resumes, next_entry, trades)
    trade_counts[config] = at_a - np.uint64(trade_offsets[config])
    trade_counts[config + 1] = at_b - np.uint64(trade_offsets[config + 1])
    trade_counts[config + 2] = at_c - np.uint64(trade_offsets[config + 2])
    trade_counts[config + 3] = at_d - np.uint64(trade_offsets[config + 3])


@compiled
def _take_note(
    first: int,
    last: int,
    last_bar: int,
    slot_next_bars: Integers,
    next_bars: Integers,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
    used: Booleans,
) -> None:
    """Keep how far each configuration came, and mark the slots it used."""
    for config in range(first, last):
        start = trade_offsets[config]
        end = start + trade_counts[config]
        for index in range(start, end):
            used[np.uint32(trades[np.uint64(index)])] = True
        if end > start:
            next_bars[config] = slot_next_bars[trades[end - 1]]
        next_bars[config] = max(next_bars[config], last_bar)


@compiled
def walk_block(
    first_set: int,
    last_set: int,
    first_bar: int,
    last_bar: int,
    entry_bars: Integers,
    set_offsets: Integers,
    set_entry: Integers,
    opposite_slots: Integers,
    exit_slots: Integers,
    slot_next_bars: Integers,
    resumes: Integers,
    config_offsets: Integers,
    config_exit: Integers,
    next_bars: Integers,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
    used: Booleans,
) -> None:
    """Walk the configurations of the sets from `first_set` to `last_set` through one block of bars.

    A configuration looks for its next entry from `next_bars` on, which is brought forward. Its trades are
    written from `trade_offsets` on as slots, and each slot is marked as used. `exit_slots` (exit parameters
    × entries) are the slots that exits end with, `opposite_slots` those of reversals, one for each entry of
    each set (empty: there are none). After a trade the next entry may come at `slot_next_bars`; `resumes` are
    the places of these in the block, its length for what lies beyond.
    """
    next_entry = np.empty(last_bar - first_bar + 1, dtype=np.int32)
    # Without reversals the opposite signal comes after everything.
    reversals = np.full(entry_bars.shape[0], np.iinfo(np.int32).max, dtype=np.int32)
    for set_number in range(first_set, last_set):
        begin, end = set_offsets[set_number], set_offsets[set_number + 1]
        if begin == end:
            continue
        _index_entries(
            begin, end, first_bar, last_bar, entry_bars, set_entry, opposite_slots, next_entry, reversals
        )
        config, stop = config_offsets[set_number], config_offsets[set_number + 1]
        single = stop - (stop - config) % _SIDE_BY_SIDE
        for four in range(config, single, _SIDE_BY_SIDE):
            _walk_four(
                four, first_bar, last_bar, exit_slots, reversals, resumes, next_entry, config_exit,
                next_bars, trade_offsets, trade_counts, trades,
            )  # fmt: skip
        for one in range(single, stop):
            _walk_one(
                one, first_bar, last_bar, exit_slots, reversals, resumes, next_entry, config_exit,
                next_bars, trade_offsets, trade_counts, trades,
            )  # fmt: skip
        _take_note(
            config, stop, last_bar, slot_next_bars, next_bars, trade_offsets, trade_counts, trades, used
        )
