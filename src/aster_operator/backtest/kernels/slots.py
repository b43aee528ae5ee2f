"""Distinct exits: the ways a trade from one entry can end, kept once for all configurations."""

from typing import Any

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, Integers, LongIntegers, Words, compiled

__all__ = ["collect_slots", "compact_slots", "entries_to_sets", "equal_rows", "hash_rows", "order_by_bar"]

_SHORT_RUN = 16
"""So many exits are sorted by insertion before runs are merged."""


@compiled
def entries_to_sets(set_entry: Integers, offsets: Integers, out: Integers) -> None:
    """Positions in `set_entry` grouped by entry: a counting sort. `offsets` has one more than the entries."""
    for entry in set_entry:
        offsets[entry + 1] += 1
    for entry in range(offsets.shape[0] - 1):
        offsets[entry + 1] += offsets[entry]
    filled = offsets[:-1].copy()
    for position in range(set_entry.shape[0]):
        entry = set_entry[position]
        out[filled[entry]] = position
        filled[entry] += 1


@compiled
def _find_or_add(
    bar: int,
    price: float,
    flag: int | np.int8,
    bars: Integers,
    prices: Floats,
    flags: Bytes,
    known: int,
    table: Integers,
) -> int:
    """Number of the exit among the `known` ones, or `known` after adding it; `table` is a hash table."""
    mask = table.shape[0] - 1
    at = (bar * 7919 + np.int64(price * 16) * 31 + flag) & mask
    while table[at] >= 0:
        number = table[at]
        if bars[number] == bar and prices[number] == price and flags[number] == flag:
            return int(number)
        at = (at + 1) & mask
    table[at] = known
    bars[known] = bar
    prices[known] = price
    flags[known] = flag
    return known


@compiled
def order_by_bar(bars: Integers, known: int) -> Integers:
    """Numbers of the first `known` exits in order of their bars, equal ones as they stand: a merge sort.

    NumPy's own sort costs ten times as long to compile, and whoever starts a first sweep waits for that.
    """
    order = np.empty(known, dtype=np.int32)
    for begin in range(0, known, _SHORT_RUN):
        for at in range(begin, min(begin + _SHORT_RUN, known)):
            bar, place = bars[at], at
            while place > begin and bars[order[place - 1]] > bar:
                order[place] = order[place - 1]
                place -= 1
            order[place] = at
    merged = np.empty(known, dtype=np.int32)
    width = _SHORT_RUN
    while width < known:
        for begin in range(0, known, 2 * width):
            middle, end = min(begin + width, known), min(begin + 2 * width, known)
            left, right = begin, middle
            for place in range(begin, end):
                if left < middle and (right >= end or bars[order[left]] <= bars[order[right]]):
                    merged[place] = order[left]
                    left += 1
                else:
                    merged[place] = order[right]
                    right += 1
        order, merged = merged, order
        width *= 2
    return order


@compiled
def _sort_by_bar(bars: Integers, prices: Floats, flags: Bytes, known: int, places: Integers) -> None:
    """Sort the exits by bar, those of one bar as they were found; `places` gets the new place of each."""
    order = order_by_bar(bars, known)
    old_bars, old_prices, old_flags = bars[:known].copy(), prices[:known].copy(), flags[:known].copy()
    for place in range(known):
        number = order[place]
        bars[place] = old_bars[number]
        prices[place] = old_prices[number]
        flags[place] = old_flags[number]
        places[number] = place


@compiled
def _number_exits(
    entry: int,
    exit_bars: Integers,
    exit_prices: Floats,
    exit_flags: Bytes,
    own_bars: Integers,
    own_prices: Floats,
    own_flags: Bytes,
    table: Integers,
    exit_slots: Integers,
) -> int:
    """Number the distinct exits of `entry` as they are found; returns how many there are."""
    known: Any = np.int64(0)  # a literal would have everything it is passed to compiled twice
    found: Any = np.int64(0)
    for number in range(exit_bars.shape[1]):
        bar, price, flag = exit_bars[entry, number], exit_prices[entry, number], exit_flags[entry, number]
        # Neighbours in a grid often end alike: then there is nothing to look up.
        is_same = known > 0 and own_bars[found] == bar and own_prices[found] == price
        if not (is_same and own_flags[found] == flag):
            found = _find_or_add(bar, price, flag, own_bars, own_prices, own_flags, known, table)
            known = max(known, found + 1)
        exit_slots[entry, number] = found
    return int(known)


@compiled
def collect_slots(
    first: int,
    last: int,
    exit_bars: Integers,
    exit_prices: Floats,
    exit_flags: Bytes,
    opposite_offsets: Integers,
    opposite_positions: Integers,
    opposite_bars: Integers,
    opposite_price_long: Floats,
    opposite_price_short: Floats,
    opposite_flag: int,
    entry_sides: Bytes,
    exit_slots: Integers,
    opposite_slots: Integers,
    slot_bars: Integers,
    slot_prices: Floats,
    slot_flags: Bytes,
    slot_offsets: LongIntegers,
    slot_counts: Integers,
) -> None:
    """Number the distinct exits (bar, price, flag) of the entries from `first` to `last`, in order of time.

    A trade ended by the opposite signal fills at that bar's price. `opposite_offsets` is empty where opposite
    signals end nothing. Lists begin at `slot_offsets`, which leaves room for every exit to be distinct.
    """
    bars = opposite_price_long.shape[0]
    exits = exit_bars.shape[1]
    for entry in range(first, last):
        start, stop = slot_offsets[entry], slot_offsets[entry + 1]
        own_bars = slot_bars[start:stop]
        own_prices = slot_prices[start:stop]
        own_flags = slot_flags[start:stop]
        size = 64
        while size < 2 * (stop - start):
            size *= 2
        table = np.full(size, -1, dtype=np.int32)
        known = _number_exits(
            entry, exit_bars, exit_prices, exit_flags, own_bars, own_prices, own_flags, table, exit_slots
        )
        reverses = opposite_offsets.shape[0] > 0
        begin = opposite_offsets[entry] if reverses else 0
        end = opposite_offsets[entry + 1] if reverses else 0
        price_of_bar = opposite_price_long if entry_sides[entry] > 0 else opposite_price_short
        before, found = -1, known
        for index in range(begin, end):
            bar = opposite_bars[opposite_positions[index]]
            if bar != before:
                price = price_of_bar[bar] if bar < bars else 0.0
                found = _find_or_add(
                    bar, price, np.int8(opposite_flag), own_bars, own_prices, own_flags, known, table
                )
                known = max(known, found + 1)
                before = bar
            opposite_slots[opposite_positions[index]] = found
        slot_counts[entry] = known
        places = np.empty(known, dtype=np.int32)
        _sort_by_bar(own_bars, own_prices, own_flags, known, places)
        for number in range(exits):
            exit_slots[entry, number] = places[exit_slots[entry, number]]
        for index in range(begin, end):
            opposite_slots[opposite_positions[index]] = places[opposite_slots[opposite_positions[index]]]


@compiled
def compact_slots(
    first: int,
    last: int,
    first_bar: int,
    last_bar: int,
    cooldown_bars: int,
    opposite_offsets: Integers,
    opposite_positions: Integers,
    opposite_flag: int,
    own_exits: Integers,
    slot_offsets: LongIntegers,
    slot_bars: Integers,
    slot_prices: Floats,
    slot_flags: Bytes,
    bases: Integers,
    slot_entries: Integers,
    out_bars: Integers,
    out_prices: Floats,
    out_flags: Bytes,
    next_bars: Integers,
    resumes: Integers,
    exit_slots: Integers,
    opposite_slots: Integers,
) -> None:
    """Close the gaps between the lists of the entries from `first` to `last`: what is used together lies
    together, and exits are numbered through the block.

    `exit_slots` gets the slots of `own_exits` the other way round (exit parameters × entries), as they are
    walked. After an exit within bar j the next entry may come at j + `cooldown_bars`, after a reversal at j.
    """
    reverses = opposite_offsets.shape[0] > 0
    for entry in range(first, last):
        base = bases[entry]
        start = slot_offsets[entry]
        for slot in range(base, bases[entry + 1]):
            index = start + slot - base
            slot_entries[slot] = entry
            out_bars[slot] = slot_bars[index]
            out_prices[slot] = slot_prices[index]
            out_flags[slot] = slot_flags[index]
            is_reversal = reverses and slot_flags[index] == opposite_flag
            next_bars[slot] = slot_bars[index] + (0 if is_reversal else cooldown_bars)
            resumes[slot] = min(next_bars[slot], last_bar) - first_bar
        for number in range(own_exits.shape[1]):
            exit_slots[number, entry] = base + own_exits[entry, number]
        begin = opposite_offsets[entry] if reverses else 0
        end = opposite_offsets[entry + 1] if reverses else 0
        for index in range(begin, end):
            opposite_slots[opposite_positions[index]] += base


@compiled
def hash_rows(first: int, last: int, rows: Integers, out: Words) -> None:
    """A number for each of the rows from `first` to `last`, the same for equal ones (FNV-1a, by numbers
    instead of bytes)."""
    for row in range(first, last):
        number = np.uint64(0xCBF29CE484222325)
        for column in range(rows.shape[1]):
            number = (number ^ np.uint64(rows[row, column])) * np.uint64(0x100000001B3)
        out[row] = number


@compiled
def equal_rows(rows: Integers, candidates: Integers, classes: Integers) -> None:
    """For each row the one it is equal to: its candidate, or itself."""
    for row in range(rows.shape[0]):
        candidate = candidates[row]
        for column in range(rows.shape[1]):
            if rows[row, column] != rows[candidate, column]:
                candidate = row
                break
        classes[row] = candidate
