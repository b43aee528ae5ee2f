"""From trade to trade: which trades a configuration makes, never looking at the bars between them."""

import numpy as np

from aster_operator.backtest.kernels.compiler import Booleans, Integers, LongIntegers, compiled

__all__ = ["walk_block"]


@compiled
def _index_entries(
    begin: int,
    end: int,
    first_bar: int,
    last_bar: int,
    entry_bars: Integers,
    set_entry: Integers,
    opposite_bars: Integers,
    opposite_slots: Integers,
    next_entry: Integers,
    reversal_bars: Integers,
    reversal_slots: Integers,
) -> None:
    """For each bar of the block the set's next entry at or after it, or -1; for each entry its reversal."""
    upper = last_bar
    following = -1
    for position in range(end - 1, begin - 1, -1):
        entry = set_entry[position]
        next_entry[entry_bars[entry] + 1 - first_bar : upper - first_bar] = following
        following = entry
        upper = entry_bars[entry] + 1
        if opposite_bars.shape[0] > 0:
            reversal_bars[entry] = opposite_bars[position]
            reversal_slots[entry] = opposite_slots[position]
    next_entry[: upper - first_bar] = following


@compiled
def walk_block(
    first_set: int,
    last_set: int,
    first_bar: int,
    last_bar: int,
    cooldown_bars: int,
    entry_bars: Integers,
    set_offsets: Integers,
    set_entry: Integers,
    opposite_bars: Integers,
    opposite_slots: Integers,
    exit_bars: Integers,
    exit_slots: Integers,
    slot_bases: Integers,
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
    written from `trade_offsets` on as slots, and each slot is marked as used. After an exit within bar j the
    next entry may come at j + `cooldown_bars`; after a reversal at bar j it comes at j.
    """
    next_entry = np.empty(last_bar - first_bar, dtype=np.int32)
    # Without reversals the opposite signal comes after everything.
    reversal_bars = np.full(entry_bars.shape[0], np.iinfo(np.int32).max, dtype=np.int32)
    reversal_slots = np.zeros(entry_bars.shape[0], dtype=np.int32)
    for set_number in range(first_set, last_set):
        begin = set_offsets[set_number]
        end = set_offsets[set_number + 1]
        if begin == end:
            continue
        _index_entries(
            begin, end, first_bar, last_bar, entry_bars, set_entry, opposite_bars, opposite_slots, next_entry,
            reversal_bars, reversal_slots,
        )  # fmt: skip
        for config in range(config_offsets[set_number], config_offsets[set_number + 1]):
            exit_number = config_exit[config]
            bar = max(next_bars[config], first_bar)
            start = trade_offsets[config]
            written = start
            while bar < last_bar:
                entry = next_entry[bar - first_bar]
                if entry < 0:
                    break
                exit_bar = exit_bars[entry, exit_number]
                reversal = reversal_bars[entry]
                is_exit = exit_bar <= reversal
                slot = exit_slots[entry, exit_number] if is_exit else reversal_slots[entry]
                bar = exit_bar + cooldown_bars if is_exit else reversal
                slot += slot_bases[entry]
                trades[written] = slot
                used[slot] = True
                written += 1
            trade_counts[config] = written - start
            next_bars[config] = max(bar, last_bar)
