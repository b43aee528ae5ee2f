"""Blocks of bars made ready to be walked: the entries in them, and the distinct ways in which these end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, Integers, LongIntegers, Words
from aster_operator.backtest.kernels.signals import entries_of_block, next_opposites, union_of_block
from aster_operator.backtest.kernels.slots import (
    collect_slots,
    compact_slots,
    entries_to_sets,
    equal_rows,
    hash_rows,
)
from aster_operator.backtest.semantics import Entries, Semantics, Slots
from aster_operator.backtest.sharing import Sharing
from aster_operator.backtest.signals import Signals

__all__ = ["Block", "BlockMaker"]


@dataclass(frozen=True)
class Block:
    """The bars from `first_bar` to `last_bar`, ready to be walked.

    `set_entry` has the entries of each signal set from `set_offsets` on, `opposite_slots` the slots of their
    reversals. `exit_slots` (exit parameters × entries) are the slots of the exits; exit parameters that end
    every entry alike have one of `exit_classes`. `resumes` says for each slot where in the block the next
    entry may come.
    """

    first_bar: int
    last_bar: int
    entries: Entries
    slots: Slots
    set_offsets: Integers
    set_entry: Integers
    opposite_slots: Integers
    exit_slots: Integers
    exit_classes: Integers
    resumes: Integers


@dataclass(frozen=True)
class _Found:
    """What a block's slots are made of: the distinct exits of each entry with gaps between, which of them
    exit parameters end with (entries × exit parameters), and where reversals come in."""

    own_exits: Integers
    room: LongIntegers
    own: tuple[Integers, Floats, Bytes]
    counts: Integers
    entry_offsets: Integers
    positions: Integers
    opposite_slots: Integers


@dataclass(frozen=True)
class BlockMaker:
    """Makes the blocks of one sweep, in any order."""

    bars: int
    signals: Signals
    semantics: Semantics
    exit_sets: int
    sharing: Sharing

    def make(self, first_word: int, last_word: int) -> Block | None:
        """The bars of these words; None if nothing is entered there."""
        entries, entry_of_bar, set_entries = self._entries(first_word, last_word)
        if len(entries) == 0:
            return None
        set_offsets = offsets_of(set_entries)
        set_entry = np.empty(set_offsets[-1], dtype=np.int32)
        opposite_bars = np.empty(set_offsets[-1] if self.semantics.reverses else 0, dtype=np.int32)
        classes = self._classes()

        def fill_sets(first: int, last: int) -> None:
            entries_of_block(
                *classes, first_word, last_word, entry_of_bar, set_offsets, first, last, set_entry
            )
            if self.semantics.reverses:
                next_opposites(
                    *classes, last_word, self.bars, entries.bars, entries.sides, set_offsets, first, last,
                    set_entry, opposite_bars,
                )  # fmt: skip

        self.sharing.share(len(set_entries), fill_sets, is_light=True)
        found = self._find(entries, set_entry, opposite_bars)
        first_bar, last_bar = first_word * 64, min(self.bars, last_word * 64)
        slots, exit_slots, resumes = self._compact(first_bar, last_bar, entries, found)
        return Block(
            first_bar, last_bar, entries, slots, set_offsets, set_entry, found.opposite_slots, exit_slots,
            self._exit_classes(exit_slots), resumes,
        )  # fmt: skip

    def _classes(self) -> tuple[Words, Words, Words, Words, Integers]:
        signals = self.signals
        return signals.long, signals.short, signals.volume, signals.allowed, signals.set_classes

    def _entries(self, first_word: int, last_word: int) -> tuple[Entries, Integers, Integers]:
        room = (last_word - first_word) * 64
        bars = np.empty(room, dtype=np.int32)
        sides = np.empty(room, dtype=np.int8)
        entry_of_bar = np.empty(room, dtype=np.int32)
        set_entries = np.zeros(self.signals.set_classes.shape[0], dtype=np.int32)
        found = union_of_block(
            *self._classes(), first_word, last_word, bars, sides, entry_of_bar, set_entries
        )
        bars, sides = bars[:found].copy(), sides[:found].copy()
        return Entries(bars, sides, self.semantics.entry_prices(bars, sides)), entry_of_bar, set_entries

    def _find(self, entries: Entries, set_entry: Integers, opposite_bars: Integers) -> _Found:
        """Resolve every exit and number the distinct ones of each entry."""
        reverses, shape = self.semantics.reverses, (len(entries), self.exit_sets)
        entry_offsets = np.zeros(len(entries) + 1 if reverses else 0, dtype=np.int32)
        positions = np.empty(opposite_bars.shape[0], dtype=np.int32)
        room = np.arange(len(entries) + 1, dtype=np.int64) * self.exit_sets
        if reverses:
            entries_to_sets(set_entry, entry_offsets, positions)
            room += entry_offsets
        exits = np.empty(shape, dtype=np.int32), np.empty(shape), np.zeros(shape, dtype=np.int8)
        found = _Found(
            own_exits=np.empty(shape, dtype=np.int32),
            room=room,
            own=(
                np.empty(room[-1], dtype=np.int32),
                np.empty(room[-1]),
                np.empty(room[-1], dtype=np.int8),
            ),
            counts=np.empty(len(entries), dtype=np.int32),
            entry_offsets=entry_offsets,
            positions=positions,
            opposite_slots=np.empty_like(opposite_bars),
        )
        exit_bars, exit_prices, exit_flags = exits
        own_bars, own_prices, own_flags = found.own
        long_prices, short_prices = self.semantics.opposite_prices()

        def find(first: int, last: int) -> None:
            self.semantics.resolve(first, last, entries, *exits)
            collect_slots(
                first, last, exit_bars, exit_prices, exit_flags, entry_offsets, positions, opposite_bars,
                long_prices, short_prices, self.semantics.opposite_flag, entries.sides, found.own_exits,
                found.opposite_slots, own_bars, own_prices, own_flags, room, found.counts,
            )  # fmt: skip

        self.sharing.share(len(entries), find)
        return found

    def _compact(
        self, first_bar: int, last_bar: int, entries: Entries, found: _Found
    ) -> tuple[Slots, Integers, Integers]:
        """The slots of the whole block, those of the exits, and where in the block they resume."""
        bases = offsets_of(found.counts)
        total = int(bases[-1])
        slots = Slots(
            bases=bases,
            entries=np.empty(total, dtype=np.int32),
            bars=np.empty(total, dtype=np.int32),
            prices=np.empty(total),
            flags=np.empty(total, dtype=np.int8),
            next_bars=np.empty(total, dtype=np.int32),
            used=np.zeros(total, dtype=np.bool_),
        )
        resumes = np.empty(total, dtype=np.int32)
        exit_slots = np.empty((self.exit_sets, len(entries)), dtype=np.int32)

        def compact(first: int, last: int) -> None:
            compact_slots(
                first, last, first_bar, last_bar, self.semantics.cooldown_bars, found.entry_offsets,
                found.positions, self.semantics.opposite_flag, found.own_exits, found.room, *found.own,
                bases, slots.entries, slots.bars, slots.prices, slots.flags, slots.next_bars, resumes,
                exit_slots, found.opposite_slots,
            )  # fmt: skip

        self.sharing.share(len(entries), compact, is_light=True)
        return slots, exit_slots, resumes

    def _exit_classes(self, exit_slots: Integers) -> Integers:
        hashes = np.empty(self.exit_sets, dtype=np.uint64)
        self.sharing.share(
            self.exit_sets, lambda first, last: hash_rows(first, last, exit_slots, hashes), is_light=True
        )
        _, firsts, numbers = np.unique(hashes, return_index=True, return_inverse=True)
        candidates, classes = firsts[numbers].astype(np.int32), np.empty(self.exit_sets, dtype=np.int32)
        equal_rows(exit_slots, candidates, classes)
        return classes


def offsets_of(counts: Integers) -> Integers:
    """Where each of the lists with these lengths begins, and where the last one ends."""
    offsets = np.zeros(len(counts) + 1, dtype=np.int32)
    np.cumsum(counts, out=offsets[1:])
    return offsets
