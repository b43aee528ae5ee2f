"""From trade to trade: which trades a configuration makes, never looking at the bars between them.

A step is three loads that wait for each other: the exit of an entry, the bar from which the next entry may
come, the entry at or after it. So four configurations are walked side by side, and each waits while the
others load.

Neighbours in a grid often make the very same trades for a long while: a target further away that is not
reached either changes nothing. Configurations of one signal set that made the same trades so far follow one
of them, their leader, and have its totals; one that makes another trade becomes a leader itself, or follows
one that parted the same way.
"""

from typing import Any

import numpy as np

from aster_operator.backtest.kernels.compiler import (
    Booleans,
    Floats,
    Integers,
    LongIntegers,
    compiled,
    inlined,
)

__all__ = ["walk_block"]

_SIDE_BY_SIDE = 4
_LOOK_BACK = 256
"""So many of those that parted are asked whether they went the same way."""


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
def _candidates(
    first: int,
    last: int,
    leaders: Integers,
    config_exit: Integers,
    exit_classes: Integers,
    walking: Integers,
) -> int:
    """List in `walking` the configurations that may make other trades than their leader, and the leaders;
    returns how many. One whose exits are all those of its leader need not be walked."""
    found = 0
    for config in range(first, last):
        leader = leaders[config]
        if leader == config or exit_classes[config_exit[config]] != exit_classes[config_exit[leader]]:
            walking[found] = config
            found += 1
    return found


@compiled
def _walk_one(
    config: int,
    begin: int,
    end: int,
    first_bar: int,
    entry_bars: Integers,
    set_entry: Integers,
    opposite_slots: Integers,
    exits: Integers,
    resumes: Integers,
    from_bar: int,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
) -> None:
    """Walk one configuration through its set's entries in the block, for which nothing need be made ready."""
    start = at = np.uint64(trade_offsets[config])
    resume = max(from_bar - first_bar, 0)
    for position in range(np.uint64(begin), np.uint64(end)):
        entry = np.uint32(set_entry[position])
        if entry_bars[entry] - first_bar < resume:
            continue
        slot = np.uint32(exits[entry])
        if opposite_slots.shape[0] > 0:
            slot = min(slot, np.uint32(opposite_slots[position]))
        trades[at] = slot
        at += np.uint64(1)
        resume = resumes[slot]
    trade_counts[config] = at - start


@compiled
def _walk_four(
    configs: Integers,
    first_bar: int,
    last_bar: int,
    exit_slots: Integers,
    reversals: Integers,
    resumes: Integers,
    next_entry: Integers,
    config_exit: Integers,
    next_bars: Integers,
    leaders: Integers,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
) -> None:
    """Walk the first four of `configs` through the block, side by side while all four have trades."""
    entries = np.uint32(reversals.shape[0])
    one = np.uint64(1)
    i, j, k, m = configs[0], configs[1], configs[2], configs[3]
    exits_a, exits_b = exit_slots[config_exit[i]], exit_slots[config_exit[j]]
    exits_c, exits_d = exit_slots[config_exit[k]], exit_slots[config_exit[m]]
    a = _entry_from(next_bars[leaders[i]], first_bar, last_bar, next_entry)
    b = _entry_from(next_bars[leaders[j]], first_bar, last_bar, next_entry)
    c = _entry_from(next_bars[leaders[k]], first_bar, last_bar, next_entry)
    d = _entry_from(next_bars[leaders[m]], first_bar, last_bar, next_entry)
    at_a, at_b = np.uint64(trade_offsets[i]), np.uint64(trade_offsets[j])
    at_c, at_d = np.uint64(trade_offsets[k]), np.uint64(trade_offsets[m])
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
    trade_counts[i] = at_a - np.uint64(trade_offsets[i])
    trade_counts[j] = at_b - np.uint64(trade_offsets[j])
    trade_counts[k] = at_c - np.uint64(trade_offsets[k])
    trade_counts[m] = at_d - np.uint64(trade_offsets[m])


@compiled
def _same_trades(
    one: int, other: int, trade_offsets: LongIntegers, trade_counts: Integers, trades: Integers
) -> bool:
    """Whether two configurations made the same trades; most that differ do so in what is looked at first."""
    count = trade_counts[one]
    here, there = trade_offsets[one], trade_offsets[other]
    if trade_counts[other] != count:
        return False
    for at in (count - 1, count // 2):
        if count > 0 and trades[here + at] != trades[there + at]:
            return False
    for at in range(count):  # noqa: SIM110  (numba has no all())
        if trades[here + at] != trades[there + at]:
            return False
    return True


@compiled
def _part_ways(
    walked: Integers,
    leaders: Integers,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
    totals: Floats,
) -> None:
    """Say for the configurations just walked whom they follow from here on; a new leader takes over the
    totals so far, who follows has no trades of its own to count."""
    parted, left = np.empty_like(walked), np.empty_like(walked)
    known = 0
    for config in walked:
        leader = leaders[config]
        if leader == config:
            continue
        followed = leader
        if not _same_trades(config, leader, trade_offsets, trade_counts, trades):
            followed = config
            for at in range(known - 1, max(known - 1 - _LOOK_BACK, -1), -1):
                other = parted[at]
                if left[at] == leader and _same_trades(config, other, trade_offsets, trade_counts, trades):
                    followed = other
                    break
        leaders[config] = followed
        if followed != config:
            trade_counts[config] = 0
            continue
        for column in range(totals.shape[1]):
            totals[config, column] = totals[leader, column]
        parted[known], left[known] = config, leader
        known += 1


@compiled
def _take_note(
    walked: Integers,
    last_bar: int,
    slot_next_bars: Integers,
    next_bars: Integers,
    leaders: Integers,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
    used: Booleans,
) -> None:
    """Keep how far each leader came, and mark the slots it used."""
    for config in walked:
        if leaders[config] != config:
            continue
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
    exit_classes: Integers,
    slot_next_bars: Integers,
    resumes: Integers,
    config_offsets: Integers,
    config_exit: Integers,
    next_bars: Integers,
    leaders: Integers,
    trade_offsets: LongIntegers,
    trade_counts: Integers,
    trades: Integers,
    used: Booleans,
    totals: Floats,
) -> None:
    """Walk the configurations of the sets from `first_set` to `last_set` through one block of bars.

    `leaders` says whom a configuration follows, itself or one before it. A leader looks for its next entry
    from `next_bars` on, which is brought forward. Its trades are written from `trade_offsets` on as slots,
    and each slot is marked as used; who follows another has none. `exit_slots` (exit parameters × entries)
    are the slots that exits end with, equal rows have one of `exit_classes`; `opposite_slots` are those of
    reversals, one for each entry of each set (empty: there are none). After a trade the next entry may come
    at `slot_next_bars`; `resumes` are the places of these in the block, its length for what lies beyond.
    """
    next_entry = np.empty(last_bar - first_bar + 1, dtype=np.int32)
    # Without reversals the opposite signal comes after everything.
    reversals = np.full(entry_bars.shape[0], np.iinfo(np.int32).max, dtype=np.int32)
    room = np.empty(config_offsets[last_set] - config_offsets[first_set], dtype=np.int32)
    for set_number in range(first_set, last_set):
        begin, end = set_offsets[set_number], set_offsets[set_number + 1]
        if begin == end:
            continue
        first, last = config_offsets[set_number], config_offsets[set_number + 1]
        walking = room[: _candidates(first, last, leaders, config_exit, exit_classes, room)]
        single = walking.shape[0] - walking.shape[0] % _SIDE_BY_SIDE
        if single > 0:
            _index_entries(
                begin, end, first_bar, last_bar, entry_bars, set_entry, opposite_slots, next_entry, reversals
            )
        for four in range(0, single, _SIDE_BY_SIDE):
            _walk_four(
                walking[four:], first_bar, last_bar, exit_slots, reversals, resumes, next_entry, config_exit,
                next_bars, leaders, trade_offsets, trade_counts, trades,
            )  # fmt: skip
        for config in walking[single:]:
            _walk_one(
                config, begin, end, first_bar, entry_bars, set_entry, opposite_slots,
                exit_slots[config_exit[config]], resumes, next_bars[leaders[config]], trade_offsets,
                trade_counts, trades,
            )  # fmt: skip
        _part_ways(walking, leaders, trade_offsets, trade_counts, trades, totals)
        _take_note(
            walking, last_bar, slot_next_bars, next_bars, leaders, trade_offsets, trade_counts, trades, used
        )
