"""The sweep's engine: blocks of bars, in each the distinct entries, exits and trades of all configurations.

For one block of bars:

1. the bars at which any signal set enters are numbered (the block's entries);
2. every entry's exit is resolved once for each set of exit parameters;
3. the distinct exits of an entry become its slots, shared by all configurations (so far `BlockMaker`);
4. each configuration is walked from trade to trade, which says which slots it uses, and those that made the
   same trades so far are counted as one;
5. used slots are described (sums over their bars), and
6. the descriptions of a configuration's trades are added to its running totals.

What the semantics differ in (2, 5, 6) is behind `Semantics`. Memory is bounded by the block, not by the
length of the history. Threads share the work of each step, and a block is made (1 to 3) while the one before
it is walked (4 to 6); results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from aster_operator.backtest.ahead import worked_ahead
from aster_operator.backtest.blocks import Block, BlockMaker
from aster_operator.backtest.grid import ParamGrid
from aster_operator.backtest.kernels.compiler import Floats, Integers
from aster_operator.backtest.kernels.walk import walk_block
from aster_operator.backtest.semantics import Semantics, Trades
from aster_operator.backtest.sharing import Sharing, available_cores
from aster_operator.backtest.signals import Signals

__all__ = ["run_engine"]

_BLOCK_BARS = 4 * 64 * 64
_TABLE_BYTES = 192_000_000
"""About what the tables of a block, and of the next one, may take."""


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
    exit_sets = int(grid.exit_sets.shape[0])
    words = signals.long.shape[1]
    step = _block_words(signals, np.diff(offsets), exit_sets, words)
    with Sharing(workers or available_cores()) as sharing:
        walker = _Walker(
            semantics=semantics,
            config_offsets=offsets.astype(np.int32),
            config_exit=np.ascontiguousarray(grid.exit_of[order]),
            next_bars=np.zeros(len(grid), dtype=np.int32),
            # So far nobody has traded, and all of a signal set are alike.
            leaders=np.repeat(offsets[:-1], np.diff(offsets)).astype(np.int32),
            totals=np.ascontiguousarray(totals[order]),
            sharing=sharing,
        )
        maker = BlockMaker(bars, signals, semantics, exit_sets, sharing)
        with closing(_blocks(maker, words, step)) as blocks:
            for last_word, block in blocks:
                if block is not None:
                    walker.walk(block)
                if progress is not None:
                    progress(last_word / words)
    totals[order] = walker.totals[walker.leaders]


def _block_words(signals: Signals, configs: Integers, exit_sets: int, words: int) -> int:
    """Words of bars in a block so that its tables keep to `_TABLE_BYTES`; `configs` are those of each set."""
    counts = signals.counts[:, 8:10].sum(axis=1).astype(np.int64)
    union = min(64 * words, int(counts.max(initial=0)) * 3)
    needed = 70 * union * exit_sets + 4 * int((counts * configs).sum()) + 90 * int(counts.sum())
    blocks = max(1, -(-needed // _TABLE_BYTES), -(-words * 64 // _BLOCK_BARS))
    return max(1, -(-words // blocks))


def _blocks(maker: BlockMaker, words: int, step: int) -> Generator[tuple[int, Block | None], None, None]:
    """The last word of each block and the block, which is made while the one before it is in use."""

    def make(first: int) -> tuple[int, Block | None]:
        last = min(words, first + step)
        return last, maker.make(first, last)

    starts = range(0, words, step)
    yield from worked_ahead(make, starts, 1, ahead=0) if maker.sharing.workers > 1 else map(make, starts)


@dataclass
class _Walker:
    """Walks all configurations, those of one signal set side by side, through one block after the other.

    Configurations stand in order of their signal sets, those of set s from `config_offsets[s]` on. For
    `leaders` and `next_bars` see `walk_block`.
    """

    semantics: Semantics
    config_offsets: Integers
    config_exit: Integers
    next_bars: Integers
    leaders: Integers
    totals: Floats
    sharing: Sharing
    _room: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    def walk(self, block: Block) -> None:
        entries, slots = block.entries, block.slots
        trades = self._trades(np.diff(block.set_offsets))
        self.semantics.start_block(slots)

        def walk(first: int, last: int) -> None:
            walk_block(
                first, last, block.first_bar, block.last_bar, entries.bars, block.set_offsets,
                block.set_entry, block.opposite_slots, block.exit_slots, block.exit_classes,
                slots.next_bars, block.resumes, self.config_offsets, self.config_exit, self.next_bars,
                self.leaders, trades.offsets, trades.counts, trades.trades, slots.used, self.totals,
            )  # fmt: skip

        def describe(first: int, last: int) -> None:
            self.semantics.describe(first, last, entries, slots)

        def accumulate(first: int, last: int) -> None:
            self.semantics.accumulate(first, last, entries, slots, trades, self.totals)

        self.sharing.share(len(block.set_offsets) - 1, walk)
        self.sharing.share(len(entries), describe)
        self.sharing.share(len(self.config_exit), accumulate)

    def _trades(self, set_entries: Integers) -> Trades:
        """Room for as many trades as a configuration could make; the same for every block, where it fits."""
        room = np.repeat(set_entries.astype(np.int64), np.diff(self.config_offsets))
        offsets = np.zeros(len(room) + 1, dtype=np.int64)
        np.cumsum(room, out=offsets[1:])
        if offsets[-1] > len(self._room):
            self._room = np.empty(int(offsets[-1]), dtype=np.int32)
        return Trades(offsets, np.zeros(len(room), dtype=np.int32), self._room)
