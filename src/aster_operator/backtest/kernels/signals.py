"""Entry signals as bit sets: one bit a bar, so that combining conditions costs a word for 64 bars."""

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, Integers, Words, compiled

__all__ = [
    "above",
    "at_most",
    "count_bits",
    "entries_of_block",
    "entry_counts",
    "momentum",
    "next_opposites",
    "union_of_block",
]

_ONE = np.uint64(1)
_ZERO = np.uint64(0)


@compiled
def momentum(ret_bps: Floats, volatility_bps: Floats, factor: float, long: Words, short: Words) -> None:
    """Bits of the bars whose return exceeds `factor` volatilities, up (`long`) or down (`short`).

    A return or volatility that is not a number gives no signal.
    """
    bars = ret_bps.shape[0]
    for word in range(long.shape[0]):
        up = _ZERO
        down = _ZERO
        first = word * 64
        for bit in range(min(64, bars - first)):
            threshold = factor * volatility_bps[first + bit]
            value = ret_bps[first + bit]
            up |= np.uint64(value > threshold) << np.uint64(bit)
            down |= np.uint64(value < -threshold) << np.uint64(bit)
        long[word] = up
        short[word] = down


@compiled
def above(values: Floats, averages: Floats, factor: float, out: Words) -> None:
    """Bits of the bars where the value exceeds `factor` averages."""
    bars = values.shape[0]
    for word in range(out.shape[0]):
        found = _ZERO
        first = word * 64
        for bit in range(min(64, bars - first)):
            found |= np.uint64(values[first + bit] > factor * averages[first + bit]) << np.uint64(bit)
        out[word] = found


@compiled
def at_most(values: Floats, limits: Floats, out: Words) -> None:
    """Bits of the bars where the value is at most its limit; false for a missing value."""
    bars = values.shape[0]
    for word in range(out.shape[0]):
        found = _ZERO
        first = word * 64
        for bit in range(min(64, bars - first)):
            found |= np.uint64(values[first + bit] <= limits[first + bit]) << np.uint64(bit)
        out[word] = found


@compiled
def _popcount(word: np.uint64) -> int:
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    # Not int(): numba would leave it unsigned, and unsigned plus signed is a float there.
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))  # type: ignore[return-value]


@compiled
def _lowest_bit(word: np.uint64) -> int:
    return _popcount((word & (~word + _ONE)) - _ONE)


@compiled
def count_bits(words: Words) -> int:
    """How many bars are set."""
    total = 0
    for word in words:
        total += _popcount(word)
    return int(total)


@compiled
def entry_counts(
    long: Words, short: Words, volume: Words, allowed: Words, set_classes: Integers, out: Integers
) -> None:
    """Entries long and short of each signal set; `set_classes` holds its (momentum, volume, blocker)
    class."""
    for row in range(set_classes.shape[0]):
        momentum_class, volume_class, blocker_class = set_classes[row]
        longs = 0
        shorts = 0
        for word in range(long.shape[1]):
            gate = volume[volume_class, word] & allowed[blocker_class, word]
            longs += _popcount(long[momentum_class, word] & gate)
            shorts += _popcount(short[momentum_class, word] & gate)
        out[row, 0] = longs
        out[row, 1] = shorts


@compiled
def union_of_block(
    long: Words,
    short: Words,
    volume: Words,
    allowed: Words,
    set_classes: Integers,
    first_word: int,
    last_word: int,
    entry_bars: Integers,
    entry_sides: Bytes,
    entry_of_bar: Integers,
    set_entries: Integers,
) -> int:
    """Every bar of the block at which any signal set enters; returns how many.

    `entry_of_bar` gets the entry's number or -1, `set_entries` the number of entries of each set.
    """
    found = 0
    for set_number in range(set_classes.shape[0]):
        set_entries[set_number] = 0
    for word in range(first_word, last_word):
        any_long = _ZERO
        any_short = _ZERO
        for set_number in range(set_classes.shape[0]):
            momentum_class, volume_class, blocker_class = set_classes[set_number]
            gate = volume[volume_class, word] & allowed[blocker_class, word]
            set_long = long[momentum_class, word] & gate
            set_short = short[momentum_class, word] & gate
            any_long |= set_long
            any_short |= set_short
            set_entries[set_number] += _popcount(set_long | set_short)
        either = any_long | any_short
        for bit in range(64):
            entry_of_bar[(word - first_word) * 64 + bit] = -1
        while either:
            bit = _lowest_bit(either)
            either &= either - _ONE
            bar = word * 64 + bit
            entry_bars[found] = bar
            entry_sides[found] = 1 if (any_long >> np.uint64(bit)) & _ONE else -1
            entry_of_bar[bar - first_word * 64] = found
            found += 1
    return found


@compiled
def entries_of_block(
    long: Words,
    short: Words,
    volume: Words,
    allowed: Words,
    set_classes: Integers,
    first_word: int,
    last_word: int,
    entry_of_bar: Integers,
    set_offsets: Integers,
    first_set: int,
    last_set: int,
    set_entry: Integers,
) -> None:
    """The entries of each set in order of time, as numbers of the block's entries."""
    for set_number in range(first_set, last_set):
        momentum_class, volume_class, blocker_class = set_classes[set_number]
        at = set_offsets[set_number]
        for word in range(first_word, last_word):
            either = long[momentum_class, word] | short[momentum_class, word]
            either &= volume[volume_class, word] & allowed[blocker_class, word]
            while either:
                bit = _lowest_bit(either)
                either &= either - _ONE
                set_entry[at] = entry_of_bar[(word - first_word) * 64 + bit]
                at += 1


@compiled
def next_opposites(
    long: Words,
    short: Words,
    volume: Words,
    allowed: Words,
    set_classes: Integers,
    last_word: int,
    bars: int,
    entry_bars: Integers,
    entry_sides: Bytes,
    set_offsets: Integers,
    first_set: int,
    last_set: int,
    set_entry: Integers,
    opposite_bars: Integers,
) -> None:
    """For each entry of each set, the bar of the set's next signal for the other side; `bars` if none."""
    for set_number in range(first_set, last_set):
        momentum_class, volume_class, blocker_class = set_classes[set_number]
        next_long = bars
        next_short = bars
        for word in range(last_word, long.shape[1]):
            if next_long < bars and next_short < bars:
                break
            gate = volume[volume_class, word] & allowed[blocker_class, word]
            set_long = long[momentum_class, word] & gate
            set_short = short[momentum_class, word] & gate
            if next_long == bars and set_long:
                next_long = word * 64 + _lowest_bit(set_long)
            if next_short == bars and set_short:
                next_short = word * 64 + _lowest_bit(set_short)
        for at in range(set_offsets[set_number + 1] - 1, set_offsets[set_number] - 1, -1):
            entry = set_entry[at]
            if entry_sides[entry] > 0:
                opposite_bars[at] = next_short
                next_long = entry_bars[entry]
            else:
                opposite_bars[at] = next_long
                next_short = entry_bars[entry]
