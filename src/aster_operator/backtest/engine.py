"""The sweep's engine: blocks of bars, in each the distinct entries, exits and trades of all configurations.

For one block of bars:

1. the bars at which any signal set enters are numbered (the block's entries);
2. every entry's exit is resolved once for each set of exit parameters;
3. the distinct exits of an entry become its slots, shared by all configurations;
4. each configuration is walked from trade to trade, which says which slots it uses;
5. used slots are described (sums over their bars), and
6. the descriptions of a configuration's trades are added to its running totals.

What the semantics differ in (2, 5, 6) is behind `Semantics`. Memory is bounded by the block, not by the
length of the history. Threads share the work of each step; results do not depend on their number.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aster_operator.backtest.grid import ParamGrid
from aster_operator.backtest.kernels.compiler import (
    Booleans,
    Bytes,
    Floats,
    Integers,
    LongIntegers,
    Words,
)
from aster_operator.backtest.kernels.signals import entries_of_block, next_opposites, union_of_block
from aster_operator.backtest.kernels.slots import collect_slots, compact_slots, entries_to_sets
from aster_operator.backtest.kernels.walk import walk_block
from aster_operator.backtest.signals import Signals

__all__ = ["Entries", "Semantics", "Slots", "Trades", "available_cores", "run_engine"]

_BLOCK_BARS = 64 * 64
_TABLE_BYTES = 192_000_000
"""About what the tables of one block may take."""


@dataclass(frozen=True)
class Entries:
    """The distinct entries of a block: bar, side (+1 long, -1 short) and the price paid or received."""

    bars: Integers
    sides: Bytes
    prices: Floats

    def __len__(self) -> int:
        return int(self.bars.shape[0])


@dataclass(frozen=True)
class Slots:
    """The distinct exits of a block, those of entry e from `bases[e]` to `bases[e + 1]`, sorted by bar."""

    bases: Integers
    entries: Integers
    bars: Integers
    prices: Floats
    flags: Bytes
    used: Booleans


@dataclass(frozen=True)
class Trades:
    """The trades of a block as slots: for each configuration `counts` of them from `offsets` on."""

    offsets: LongIntegers
    counts: Integers
    trades: Integers


class Semantics(Protocol):
    """How entries fill, how positions end, and what is summed up about them."""

    cooldown_bars: int
    """An exit within bar j lets the next signal count from bar j + this on."""
    reverses: bool
    """Whether the opposite signal ends a position and opens the other side."""
    opposite_flag: int
    """Flag of an exit by the opposite signal."""

    def entry_prices(self, bars: Integers, sides: Bytes) -> Floats: ...

    def opposite_prices(self) -> tuple[Floats, Floats]:
        """Price at which a long, and a short, is ended at each bar by the opposite signal."""
        ...

    def resolve(
        self, first: int, last: int, entries: Entries, bars: Integers, prices: Floats, flags: Bytes
    ) -> None:
        """Exit bar, price and flag (entries × exit sets) for the entries from `first` to `last`."""
        ...

    def describe(self, first: int, last: int, entries: Entries, slots: Slots) -> None: ...

    def start_block(self, slots: Slots) -> None:
        """Make room for the descriptions of a new block."""
        ...

    def accumulate(
        self, first: int, last: int, entries: Entries, slots: Slots, trades: Trades, totals: Floats
    ) -> None: ...


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_engine(
    bars: int,
    grid: ParamGrid,
    signals: Signals,
    semantics: Semantics,
    totals: Floats,
    *,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Walk every configuration of `grid` over all `bars` and leave its sums in `totals`, in grid order."""
    order = np.argsort(grid.signal_of, kind="stable")
    offsets = np.searchsorted(grid.signal_of[order], np.arange(grid.signal_sets.shape[0] + 1))
    engine = _Engine(
        bars=bars,
        signals=signals,
        semantics=semantics,
        exit_sets=int(grid.exit_sets.shape[0]),
        config_offsets=offsets.astype(np.int32),
        config_exit=np.ascontiguousarray(grid.exit_of[order]),
        next_bars=np.zeros(len(grid), dtype=np.int32),
        totals=np.ascontiguousarray(totals[order]),
        workers=workers or available_cores(),
    )
    words = signals.long.shape[1]
    step = _block_words(engine, words)
    with ThreadPoolExecutor(engine.workers) as pool:
        for first_word in range(0, words, step):
            engine.run_block(pool, first_word, min(words, first_word + step))
            if progress is not None:
                progress(min(words, first_word + step) / words)
    totals[order] = engine.totals


def _block_words(engine: _Engine, words: int) -> int:
    """Words of bars in a block so that its tables keep to `_TABLE_BYTES`."""
    counts = engine.signals.counts[:, 8:10].sum(axis=1).astype(np.int64)
    union = min(64 * words, int(counts.max(initial=0)) * 3)
    configs = np.diff(engine.config_offsets).astype(np.int64)
    needed = 40 * union * engine.exit_sets + 4 * int((counts * configs).sum()) + 60 * int(counts.sum())
    blocks = max(1, -(-needed // _TABLE_BYTES), -(-words * 64 // _BLOCK_BARS))
    return max(1, -(-words // blocks))


@dataclass
class _Engine:
    bars: int
    signals: Signals
    semantics: Semantics
    exit_sets: int
    config_offsets: Integers
    config_exit: Integers
    next_bars: Integers
    totals: Floats
    workers: int

    def run_block(self, pool: ThreadPoolExecutor, first_word: int, last_word: int) -> None:
        entries, entry_of_bar, set_entries = self._entries(first_word, last_word)
        if len(entries) == 0:
            return
        set_offsets = _offsets(set_entries)
        set_entry = np.empty(set_offsets[-1], dtype=np.int32)
        opposite_bars = np.empty(set_offsets[-1] if self.semantics.reverses else 0, dtype=np.int32)
        classes = self._classes()
        sets = len(set_entries)

        def fill_sets(first: int, last: int) -> None:
            entries_of_block(
                *classes, first_word, last_word, entry_of_bar, set_offsets, first, last, set_entry
            )
            if self.semantics.reverses:
                next_opposites(
                    *classes, last_word, self.bars, entries.bars, entries.sides, set_offsets, first, last,
                    set_entry, opposite_bars,
                )  # fmt: skip

        exits = (
            np.empty((len(entries), self.exit_sets), dtype=np.int32),
            np.empty((len(entries), self.exit_sets)),
            np.zeros((len(entries), self.exit_sets), dtype=np.int8),
        )
        self._share(pool, sets, fill_sets)
        self._share(
            pool, len(entries), lambda first, last: self.semantics.resolve(first, last, entries, *exits)
        )
        slots, exit_slots, opposite_slots = self._slots(pool, entries, exits, set_entry, opposite_bars)
        trades = self._trade_room(set_entries)
        first_bar, last_bar = first_word * 64, min(self.bars, last_word * 64)
        self.semantics.start_block(slots)

        def walk(first: int, last: int) -> None:
            walk_block(
                first, last, first_bar, last_bar, self.semantics.cooldown_bars,
                entries.bars, set_offsets, set_entry, opposite_bars, opposite_slots, exits[0], exit_slots,
                slots.bases, self.config_offsets, self.config_exit, self.next_bars, trades.offsets,
                trades.counts, trades.trades, slots.used,
            )  # fmt: skip

        self._share(pool, sets, walk)
        self._share(
            pool, len(entries), lambda first, last: self.semantics.describe(first, last, entries, slots)
        )
        self._share(
            pool,
            len(self.config_exit),
            lambda first, last: self.semantics.accumulate(first, last, entries, slots, trades, self.totals),
        )

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

    def _slots(
        self,
        pool: ThreadPoolExecutor,
        entries: Entries,
        exits: tuple[Integers, Floats, Bytes],
        set_entry: Integers,
        opposite_bars: Integers,
    ) -> tuple[Slots, Integers, Integers]:
        """Number the distinct exits; returns them, and the numbers of exits and of reversals."""
        entry_offsets = np.zeros(len(entries) + 1 if self.semantics.reverses else 0, dtype=np.int32)
        positions = np.empty(opposite_bars.shape[0], dtype=np.int32)
        if self.semantics.reverses:
            entries_to_sets(set_entry, entry_offsets, positions)
        room = np.arange(len(entries) + 1, dtype=np.int64) * self.exit_sets
        if self.semantics.reverses:
            room += entry_offsets
        own = (
            np.empty(room[-1], dtype=np.int32),
            np.empty(room[-1]),
            np.empty(room[-1], dtype=np.int8),
        )
        counts = np.empty(len(entries), dtype=np.int32)
        exit_slots = np.empty_like(exits[0])
        opposite_slots = np.empty_like(opposite_bars)
        prices = self.semantics.opposite_prices()
        self._share(
            pool,
            len(entries),
            lambda first, last: collect_slots(
                first,
                last,
                *exits,
                entry_offsets,
                positions,
                opposite_bars,
                *prices,
                self.semantics.opposite_flag,
                entries.sides,
                exit_slots,
                opposite_slots,
                *own,
                room,
                counts,
            ),
        )
        bases = _offsets(counts)
        total = int(bases[-1])
        slots = Slots(
            bases=bases,
            entries=np.empty(total, dtype=np.int32),
            bars=np.empty(total, dtype=np.int32),
            prices=np.empty(total),
            flags=np.empty(total, dtype=np.int8),
            used=np.zeros(total, dtype=np.bool_),
        )
        compact_slots(
            entries.bars, room, counts, *own, bases, slots.entries, slots.bars, slots.prices, slots.flags
        )
        return slots, exit_slots, opposite_slots

    def _trade_room(self, set_entries: Integers) -> Trades:
        configs = np.diff(self.config_offsets)
        room = np.repeat(set_entries.astype(np.int64), configs)
        offsets = np.zeros(len(room) + 1, dtype=np.int64)
        np.cumsum(room, out=offsets[1:])
        return Trades(
            offsets, np.zeros(len(room), dtype=np.int32), np.empty(int(offsets[-1]), dtype=np.int32)
        )

    def _share(self, pool: ThreadPoolExecutor, items: int, work: Callable[[int, int], None]) -> None:
        """Do `work(first, last)` for all items in as many pieces as keep the threads busy to the end."""
        pieces = list(_pieces(items, 1 if self.workers == 1 else 4 * self.workers))
        if len(pieces) <= 1 or self.workers == 1:
            for first, last in pieces:
                work(first, last)
            return
        for future in [pool.submit(work, first, last) for first, last in pieces]:
            future.result()


def _offsets(counts: Integers) -> Integers:
    offsets = np.zeros(len(counts) + 1, dtype=np.int32)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _pieces(items: int, pieces: int) -> Iterator[tuple[int, int]]:
    size = max(1, -(-items // pieces))
    for first in range(0, items, size):
        yield first, min(items, first + size)
