"""What the engine asks of a semantics, and the tables the two hand each other, a block of bars at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from aster_operator.backtest.kernels.compiler import Booleans, Bytes, Floats, Integers, LongIntegers

__all__ = ["Entries", "Semantics", "Slots", "Trades"]


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
    """The distinct exits of a block, those of entry e from `bases[e]` to `bases[e + 1]`, sorted by bar.

    After the trade that ends so, the next entry may come from `next_bars` on.
    """

    bases: Integers
    entries: Integers
    bars: Integers
    prices: Floats
    flags: Bytes
    next_bars: Integers
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
