"""When a strategy earns: its trades by the kind of market they were entered in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aster_operator.backtest.kernels.compiler import Floats, LongIntegers

__all__ = ["RegimeRow", "break_down", "hour_of_day", "terciles", "weekday"]

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS


@dataclass(frozen=True)
class RegimeRow:
    """Trades entered in one regime: how many, what they earned in all and each, and how many won."""

    regime: str
    trades: int
    total_pnl: float
    mean_pnl: float
    win_rate: float


def break_down(trade_pnl: Floats, labels: npt.NDArray[np.int64], names: Sequence[str]) -> list[RegimeRow]:
    """One row for each name, also for regimes without a trade (their means are nan); a negative label counts
    for no regime."""
    rows = []
    for label, name in enumerate(names):
        own = trade_pnl[labels == label]
        rows.append(
            RegimeRow(
                regime=name,
                trades=len(own),
                total_pnl=float(own.sum()),
                mean_pnl=float(own.mean()) if len(own) else float("nan"),
                win_rate=float(np.mean(own > 0.0)) if len(own) else float("nan"),
            )
        )
    return rows


def terciles(values: Floats) -> npt.NDArray[np.int64]:
    """0, 1 or 2 for the lower, middle and upper third of the known values, -1 where unknown."""
    labels = np.full(len(values), -1, dtype=np.int64)
    known = ~np.isnan(values)
    if known.any():
        lower, upper = np.quantile(values[known], (1 / 3, 2 / 3))
        labels[known] = (values[known] > lower).astype(np.int64) + (values[known] > upper)
    return labels


def hour_of_day(time_ms: LongIntegers) -> npt.NDArray[np.int64]:
    """UTC hour, 0 to 23."""
    return time_ms // _HOUR_MS % 24


def weekday(time_ms: LongIntegers) -> npt.NDArray[np.int64]:
    """UTC weekday, 0 for Monday; the epoch was a Thursday."""
    return (time_ms // _DAY_MS + 3) % 7
