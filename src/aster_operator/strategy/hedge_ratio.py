"""How strongly one symbol moves with another: the slope of its minute returns on the other's, kept rolling.

Ordinary least squares on log returns of closed minutes that both symbols have, over a window of the latest.
The same bars give the same figures. Estimates are floats and leave here as decimals of four places.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.market import Bar
from aster_operator.strategy.intents import Beta

__all__ = ["MinuteCloses", "estimate_beta"]

_PLACES = Decimal("0.0001")


@dataclass(slots=True)
class MinuteCloses:
    """Closes of the latest minutes of each symbol, by the minute's opening time. `minutes`: how many."""

    minutes: int
    _closes: dict[str, OrderedDict[int, float]] = field(default_factory=dict)

    def observe(self, bar: Bar) -> None:
        """Take a closed one-minute bar in; anything else changes nothing. Bars may come in any order."""
        if not bar.is_closed or bar.interval != "1m" or bar.close <= 0:
            return
        closes = self._closes.setdefault(bar.symbol, OrderedDict())
        is_late = bool(closes) and bar.open_ms < next(reversed(closes))
        closes[bar.open_ms] = float(bar.close)
        if is_late:
            for open_ms in sorted(closes):
                closes.move_to_end(open_ms)
        while len(closes) > self.minutes + 1:
            closes.popitem(last=False)

    def beta(self, first: str, second: str) -> Beta | None:
        """Slope of `first` on `second` over the minutes both have; None before there is anything to tell."""
        ours, theirs = self._closes.get(first), self._closes.get(second)
        if ours is None or theirs is None:
            return None
        # Returns over a hole would mix spans of different length: only neighbouring minutes count.
        common = sorted(ours.keys() & theirs.keys())
        returns = [
            (math.log(ours[now] / ours[before]), math.log(theirs[now] / theirs[before]))
            for before, now in pairwise(common)
            if now - before == MINUTE_MS
        ]
        return estimate_beta([a for a, _ in returns], [b for _, b in returns])


def estimate_beta(first: list[float], second: list[float]) -> Beta | None:
    """Slope of `first` on `second` (returns of the same minutes) and their correlation; None where one of
    them never moved or there are fewer than three."""
    count = len(first)
    if count < 3:
        return None
    mean_first, mean_second = math.fsum(first) / count, math.fsum(second) / count
    var_first = math.fsum((value - mean_first) ** 2 for value in first)
    var_second = math.fsum((value - mean_second) ** 2 for value in second)
    if var_first == 0 or var_second == 0:
        return None
    covariance = math.fsum((a - mean_first) * (b - mean_second) for a, b in zip(first, second, strict=True))
    return Beta(
        value=Decimal(covariance / var_second).quantize(_PLACES),
        correlation=Decimal(covariance / math.sqrt(var_first * var_second)).quantize(_PLACES),
        minutes=count,
    )
