"""Entry signals of every signal set of a grid, with the count of what let a bar through and what did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.given import GivenBars, GivenGrid, as_bars, as_grid
from aster_operator.backtest.grid import SIGNAL_PARAMETERS
from aster_operator.backtest.kernels.compiler import Booleans, Floats, Integers, Words
from aster_operator.backtest.kernels.signals import above, at_most, count_bits, entry_counts, momentum
from aster_operator.domain.clock import MINUTE_MS

__all__ = ["DIAGNOSTICS", "MAX_SPREAD_TICKS", "OpeningLossRule", "Signals", "build_signals"]

MAX_SPREAD_TICKS = 2.0
"""Widest spread for an entry where the tick size is known, as live."""

OpeningLossRule = str
"""`live`: at most min(10, max(5, 2 × spread)) bps; `source`: min(10, 5 + 2 × spread), the original lab's."""

DIAGNOSTICS = (
    "valid_bars",
    "momentum_long_count",
    "momentum_short_count",
    "volume_pass_count",
    "blockers_pass_count",
    "blocked_spread_count",
    "blocked_funding_count",
    "blocked_opening_loss_count",
    "entry_long_count",
    "entry_short_count",
)
"""Counts of bars for each signal set; the blockers are counted over all bars, signal or not."""

_ROUNDING_BPS = 1e-9

_K, _T, _N, _V, _SPREAD, _FUNDING = range(len(SIGNAL_PARAMETERS))


@dataclass(frozen=True)
class Signals:
    """Bit sets, one row a class, 64 bars a word; `set_classes` says which classes a signal set combines.

    `counts` has one row a signal set and one column for each of `DIAGNOSTICS`.
    """

    long: Words
    short: Words
    volume: Words
    allowed: Words
    set_classes: Integers
    counts: Integers

    def entries(self, signal_set: int, bars: int) -> tuple[Booleans, Booleans]:
        """Whether the set enters long, and short, at each of the `bars` bars."""
        momentum_class, volume_class, blocker_class = self.set_classes[signal_set]
        gate = self.volume[volume_class] & self.allowed[blocker_class]
        sides = (self.long[momentum_class] & gate, self.short[momentum_class] & gate)
        long, short = (
            np.unpackbits(words.view(np.uint8), bitorder="little")[:bars].astype(bool) for words in sides
        )
        return long, short


def build_signals(
    bars: GivenBars,
    grid: GivenGrid,
    *,
    tick_size: float | None = None,
    opening_loss_rule: OpeningLossRule = "live",
    allow_gaps: bool = False,
) -> Signals:
    """Entry signals of all signal sets of `grid`, which may be given as lists, and the bars as a table.

    Long when the return exceeds k volatilities over T bars, short when it is below minus that, both only
    with a volume above n times the mean over V bars and all blockers open: spread at most two ticks (or
    `spread_max` bps without a tick size), |funding| at most `funding_max` bps, and the opening loss within
    its limit. A missing number never lets an entry through.
    """
    grid = as_grid(grid)
    semantics = "exchange" if opening_loss_rule == "live" else "vectorbt"
    bars = as_bars(bars, grid, semantics, has_tick_size=tick_size is not None, allow_gaps=allow_gaps)
    sets = grid.signal_sets
    words = (len(bars) + 63) // 64
    momentum_keys, momentum_of = _classes(sets, (_K, _T))
    volume_keys, volume_of = _classes(sets, (_N, _V))
    blocker_keys, blocker_of = _classes(sets, (_SPREAD, _FUNDING))
    long = np.zeros((len(momentum_keys), words), dtype=np.uint64)
    short = np.zeros_like(long)
    for row, (factor, window) in enumerate(momentum_keys):
        momentum(bars.ret_bps, bars.volatility_bps[int(window)], factor, long[row], short[row])
    volume = np.zeros((len(volume_keys), words), dtype=np.uint64)
    for row, (factor, window) in enumerate(volume_keys):
        above(bars.volume, bars.average_volume[int(window)], factor, volume[row])
    allowed, blocked = _blockers(bars, blocker_keys, tick_size, opening_loss_rule, words)
    set_classes = np.column_stack([momentum_of, volume_of, blocker_of]).astype(np.int32)
    counts = np.zeros((sets.shape[0], len(DIAGNOSTICS)), dtype=np.int32)
    counts[:, 0] = len(bars)
    counts[:, 1] = _counted(long)[momentum_of]
    counts[:, 2] = _counted(short)[momentum_of]
    counts[:, 3] = _counted(volume)[volume_of]
    counts[:, 4] = _counted(allowed)[blocker_of]
    counts[:, 5:8] = blocked[blocker_of]
    entries = np.zeros((sets.shape[0], 2), dtype=np.int32)
    entry_counts(long, short, volume, allowed, set_classes, entries)
    counts[:, 8:10] = entries
    return Signals(long, short, volume, allowed, set_classes, counts)


def _classes(sets: Floats, columns: tuple[int, int]) -> tuple[Floats, Integers]:
    keys, inverse = np.unique(sets[:, columns], axis=0, return_inverse=True)
    return keys, inverse.reshape(-1).astype(np.int32)


def _counted(rows: Words) -> Integers:
    return np.asarray([count_bits(row) for row in rows], dtype=np.int32)


def _blockers(
    bars: Bars, keys: Sequence[Floats] | Floats, tick_size: float | None, rule: OpeningLossRule, words: int
) -> tuple[Words, Integers]:
    """Bits of the bars at which nothing blocks, and how many bars each blocker stops."""
    with np.errstate(invalid="ignore"):
        if rule == "live":
            # Live compares exact decimals: what is at the limit there must not fail here by a rounding.
            opening_limit = np.minimum(10.0, np.maximum(5.0, 2.0 * bars.spread_bps)) + _ROUNDING_BPS
        else:
            opening_limit = np.minimum(10.0, 5.0 + 2.0 * bars.spread_bps)
    opening = np.zeros(words, dtype=np.uint64)
    at_most(bars.opening_loss_bps, opening_limit, opening)
    room = 0.0
    if rule == "live":
        room = _ROUNDING_BPS
        # A return over missing minutes is no return of one bar.
        after_gap = np.concatenate([[False], np.diff(bars.close_ms) != MINUTE_MS])
        connected = np.zeros(words, dtype=np.uint64)
        at_most(after_gap.astype(np.float64), np.zeros(len(bars)), connected)
        opening &= connected
    allowed = np.zeros((len(keys), words), dtype=np.uint64)
    blocked = np.zeros((len(keys), 3), dtype=np.int32)
    spread = np.zeros(words, dtype=np.uint64)
    funding = np.zeros(words, dtype=np.uint64)
    funding_abs = np.abs(bars.funding_bps)
    for row, (spread_max, funding_max) in enumerate(keys):
        if tick_size is None:
            at_most(bars.spread_bps, np.full(len(bars), spread_max + room), spread)
        else:
            # Half a millionth of a tick of room, or binary fractions would block an exact two ticks.
            limit = (MAX_SPREAD_TICKS + 5e-7) * tick_size
            at_most(bars.ask - bars.bid, np.full(len(bars), limit), spread)
        at_most(funding_abs, np.full(len(bars), funding_max + room), funding)
        allowed[row] = spread & funding & opening
        blocked[row] = [len(bars) - count_bits(bits) for bits in (spread, funding, opening)]
    return allowed, blocked
