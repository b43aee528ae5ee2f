"""What the mid-frequency strategy measures on closed bars: return, Rogers-Satchell volatility, volume.

All in float64. Sums are exact (`math.fsum`), so that a value depends on the bars in its window alone and
never on how many came before.
"""

import math
from collections.abc import Sequence

from aster_operator.domain.market import Bar

__all__ = ["mean_volume", "return_bps", "rogers_satchell_variance", "rogers_satchell_volatility_bps"]


def return_bps(bars: Sequence[Bar]) -> float:
    """Close of the last bar against the close of the one before it. Raises ValueError for fewer than two."""
    if len(bars) < 2:
        raise ValueError(f"a return needs two bars, got {len(bars)}")
    return 1e4 * (float(bars[-1].close) / float(bars[-2].close) - 1.0)


def rogers_satchell_variance(open_: float, high: float, low: float, close: float) -> float:
    """ln(h/o) ln(h/c) + ln(l/o) ln(l/c): variance of one bar that a drift does not bias.

    Zero for a flat bar, never negative when high and low enclose open and close. Prices must be positive.
    """
    return math.log(high / open_) * math.log(high / close) + math.log(low / open_) * math.log(low / close)


def rogers_satchell_volatility_bps(bars: Sequence[Bar]) -> float:
    """1e4 x sqrt of the mean Rogers-Satchell variance over all of `bars`. Raises ValueError for none."""
    if not bars:
        raise ValueError("a volatility needs at least one bar")
    variances = (
        rogers_satchell_variance(float(bar.open), float(bar.high), float(bar.low), float(bar.close))
        for bar in bars
    )
    # A bar whose close the venue rounded beyond its high would make the mean a hair negative.
    return 1e4 * math.sqrt(max(0.0, math.fsum(variances) / len(bars)))


def mean_volume(bars: Sequence[Bar]) -> float:
    """Mean base volume over all of `bars`, those without a trade included. Raises ValueError for none."""
    if not bars:
        raise ValueError("a mean volume needs at least one bar")
    return math.fsum(float(bar.base_volume) for bar in bars) / len(bars)
