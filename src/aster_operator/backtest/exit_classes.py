"""Exit parameters taken apart: what the exits of a grid have in common is computed once."""

from __future__ import annotations

import numpy as np

from aster_operator.backtest.grid import EXIT_PARAMETERS
from aster_operator.backtest.kernels.compiler import Floats, Integers

__all__ = ["ExitClasses"]


class ExitClasses:
    """The distinct parts of exit parameters, in bps.

    `stops`: stop distances. `arms`: (activation, buffer). `targets`: (take-profit, gap, number of the arm).
    `trails`: (number of the arm, callback). `numbers` has one row for each set of exit parameters: the
    numbers of its stop, arm, target and trail.
    """

    stops: Floats
    arms: Floats
    targets: Floats
    trails: Floats
    numbers: Integers

    def __init__(self, exit_sets: Floats) -> None:
        target, stop, activation, buffer, callback, gap = (
            exit_sets[:, index] for index in range(len(EXIT_PARAMETERS))
        )
        stops, stop_of = _numbered(stop)
        self.stops = np.ascontiguousarray(stops[:, 0])
        self.arms, arm_of = _numbered(activation, buffer)
        self.targets, target_of = _numbered(target, gap, arm_of)
        self.trails, trail_of = _numbered(arm_of, callback)
        self.numbers = np.column_stack([stop_of, arm_of, target_of, trail_of]).astype(np.int32)


def _numbered(*columns: np.ndarray) -> tuple[Floats, Integers]:
    """The distinct rows of the columns, and the number of each row among them."""
    rows = np.column_stack(columns).astype(np.float64)
    values, numbers = np.unique(rows, axis=0, return_inverse=True)
    return np.ascontiguousarray(values), numbers.reshape(-1).astype(np.int32)
