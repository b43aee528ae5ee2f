"""Synthetic depth: what the market shows around its best prices.

A level's size depends on the seed, its price and a slowly turning phase, not on when it is asked for. So a
level keeps its size while the market stands still, and showing a book draws no random numbers.
"""

from random import Random

from aster_operator.simulator.book import Ladder

__all__ = ["DEPTH_LEVELS", "DepthModel"]

DEPTH_LEVELS = 20

_NOISE_SIZE = 1024
_NOISE_MASK = _NOISE_SIZE - 1
_PHASE_BITS = 4


class DepthModel:
    """Ladders of `levels` prices a side.

    Near the touch the levels are adjacent ticks; further out the gaps grow in proportion to the price, so
    that the ladder reaches a few basis points on any symbol. Sizes grow away from the touch.
    """

    def __init__(self, seed: str, ticks: int, levels: int = DEPTH_LEVELS) -> None:
        random = Random(seed)  # noqa: S311 - reproducible market noise, not security
        self._noise = tuple(random.randrange(40, 200) for _ in range(_NOISE_SIZE))
        self._salt = random.randrange(1 << 20)
        # A fifth of a basis point per gap unit, but never finer than the grid.
        gap = max(1, ticks // 500_000)
        self._levels = tuple((level + gap * level * level // 12, 100 + 35 * level) for level in range(levels))
        self._step = 0

    def advance(self, steps: int = 1) -> None:
        """At each step, let a sixteenth of the levels change their size."""
        self._step += steps

    def ladder(self, best_ticks: int, direction: int, touch_lots: int) -> Ladder:
        """Levels from `best_ticks` outwards: `direction` -1 for bids, +1 for asks; best first.

        `touch_lots` is the typical size at the touch. Prices at or below zero are left out.
        """
        noise, salt, step = self._noise, self._salt, self._step
        ladder: Ladder = {}
        for offset, shape in self._levels:
            tick = best_ticks + direction * offset
            # Masks and shifts of powers of two; this loop is half of the cost of playing a market.
            index = (tick * 7919 + ((step + tick * 5) >> _PHASE_BITS) * 104_729 + salt) & _NOISE_MASK
            ladder[tick] = touch_lots * shape * noise[index] // 10_000 + 1
        if tick <= 0:
            return {tick: lots for tick, lots in ladder.items() if tick > 0}
        return ladder
