"""First bar at which a series reaches a level, found through extremes of blocks instead of bar by bar.

A series is accompanied by the extremes of its blocks of 64 and of 4,096 bars; a search skips whole blocks
that cannot hold the answer.
"""

from collections.abc import Callable

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, compiled

__all__ = [
    "FINE",
    "block_extremes",
    "block_maxima",
    "block_minima",
    "first_at_least",
    "first_at_most",
    "first_move_at_least",
]

FINE = 64
_COARSE = FINE * FINE


@compiled
def block_minima(values: Floats, size: int) -> Floats:
    """Smallest value of each block of `size` values."""
    blocks = (values.shape[0] + size - 1) // size
    out = np.full(blocks, np.inf)
    for index in range(values.shape[0]):
        block = index // size
        if values[index] < out[block]:
            out[block] = values[index]
    return out


@compiled
def block_maxima(values: Floats, size: int) -> Floats:
    """Largest value of each block of `size` values."""
    blocks = (values.shape[0] + size - 1) // size
    out = np.full(blocks, -np.inf)
    for index in range(values.shape[0]):
        block = index // size
        if values[index] > out[block]:
            out[block] = values[index]
    return out


def block_extremes(find: Callable[[Floats, int], Floats], values: Floats) -> tuple[Floats, Floats]:
    """The extremes of the fine and of the coarse blocks; `find` is `block_maxima` or `block_minima`."""
    return find(values, FINE), find(values, _COARSE)


@compiled
def first_at_most(values: Floats, fine: Floats, coarse: Floats, start: int, level: float) -> int:
    """First index from `start` on with a value of at most `level`; the length if there is none."""
    length = int(values.shape[0])
    index = start
    while index < length:
        if index % FINE == 0:
            if index % _COARSE == 0 and coarse[index // _COARSE] > level:
                index += _COARSE
                continue
            if fine[index // FINE] > level:
                index += FINE
                continue
        stop = min(length, (index // FINE + 1) * FINE)
        while index < stop:
            if values[index] <= level:
                return index
            index += 1
    return length


@compiled
def first_at_least(values: Floats, fine: Floats, coarse: Floats, start: int, level: float) -> int:
    """First index from `start` on with a value of at least `level`; the length if there is none."""
    length = int(values.shape[0])
    index = start
    while index < length:
        if index % FINE == 0:
            if index % _COARSE == 0 and coarse[index // _COARSE] < level:
                index += _COARSE
                continue
            if fine[index // FINE] < level:
                index += FINE
                continue
        stop = min(length, (index // FINE + 1) * FINE)
        while index < stop:
            if values[index] >= level:
                return index
            index += 1
    return length


@compiled
def first_move_at_least(
    values: Floats, fine: Floats, coarse: Floats, start: int, origin: float, side: float, move: float
) -> int:
    """First index from `start` on that has moved by the fraction `move` of `origin` in favour of `side`.

    `fine` and `coarse` are maxima for the side +1 and minima for -1. The comparison is made on the relative
    move itself, not on a level, because the two can differ in the last digit.
    """
    length = int(values.shape[0])
    index = start
    while index < length:
        if index % FINE == 0:
            if index % _COARSE == 0 and not side * (coarse[index // _COARSE] / origin - 1.0) >= move:
                index += _COARSE
                continue
            if not side * (fine[index // FINE] / origin - 1.0) >= move:
                index += FINE
                continue
        stop = min(length, (index // FINE + 1) * FINE)
        while index < stop:
            if side * (values[index] / origin - 1.0) >= move:
                return index
            index += 1
    return length
