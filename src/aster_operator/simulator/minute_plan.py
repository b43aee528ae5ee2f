"""How the inside of a minute is played: a path through its four prices, a share of volume for each step."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from aster_operator.domain.enums import Side

__all__ = ["MINIMUM_SUBSTEPS", "RecordedMinute", "SubStep", "plan_minute"]

MINIMUM_SUBSTEPS = 4
"""Open, two extremes and close need a step each."""

_MAIN_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class RecordedMinute:
    """A recorded bar in ticks and lots; `taker_buy_share` is a fraction of the volume, None if unknown."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int
    taker_buy_share: float | None = None


@dataclass(frozen=True, slots=True)
class SubStep:
    """One sub-step: the path price, who aggresses, and lots of the main and of the counter flow."""

    ticks: int
    side: Side
    main_lots: int
    counter_lots: int
    is_anchor: bool = False
    """One of the bar's four prices: it must be seen."""


def plan_minute(minute: RecordedMinute, count: int, random: Random) -> list[SubStep]:
    """Divide a minute into `count` sub-steps (at least 4).

    Draws the same number of random numbers for every minute, whatever its prices.
    """
    first = 1 + int(random.random() * (count - 3))
    second = first + 1 + int(random.random() * (count - 2 - first))
    wiggles = [random.random() - 0.5 for _ in range(count)]
    weights = [0.25 + random.random() for _ in range(count)]
    coins = [random.random() for _ in range(count)]
    near_high = minute.high - minute.open <= minute.open - minute.low
    extremes = (minute.high, minute.low) if near_high else (minute.low, minute.high)
    anchors = ((0, minute.open), (first, extremes[0]), (second, extremes[1]), (count - 1, minute.close))
    path = _path(anchors, wiggles, minute.low, minute.high)
    sides = _sides(path, coins, minute.taker_buy_share)
    lots = _shared_lots(minute.lots, weights, _needed(anchors, path))
    steps: list[SubStep] = []
    anchored = {index for index, _ in anchors}
    for index, (ticks, side, volume) in enumerate(zip(path, sides, lots, strict=True)):
        main = _main_lots(volume, side, minute.taker_buy_share)
        steps.append(SubStep(ticks, side, main, volume - main, index in anchored))
    return steps


def _path(anchors: Sequence[tuple[int, int]], wiggles: Sequence[float], low: int, high: int) -> list[int]:
    path = [anchors[0][1]]
    for (start, start_ticks), (end, end_ticks) in pairwise(anchors):
        length = end - start
        move = end_ticks - start_ticks
        # A bridge: free to wander half-way between two anchors, pinned at both.
        amplitude = abs(move) * 0.5 + (high - low) * 0.1
        for index in range(1, length):
            pull = index * (length - index) * 4 / (length * length)
            ticks = start_ticks + move * index / length + wiggles[start + index] * amplitude * pull
            path.append(min(high, max(low, round(ticks))))
        path.append(end_ticks)
    return path


def _sides(path: Sequence[int], coins: Sequence[float], taker_buy_share: float | None) -> list[Side]:
    threshold = 0.5 if taker_buy_share is None else taker_buy_share
    sides: list[Side] = []
    previous = path[0]
    for ticks, coin in zip(path, coins, strict=True):
        if ticks != previous:
            sides.append(Side.BUY if ticks > previous else Side.SELL)
        else:
            sides.append(Side.BUY if coin < threshold else Side.SELL)
        previous = ticks
    return sides


def _needed(anchors: Sequence[tuple[int, int]], path: Sequence[int]) -> list[int]:
    """Sub-steps that must print for the bar to come out right; only the first when the price stands still."""
    needed = [anchors[0][0]]
    seen = {anchors[0][1]}
    for index, ticks in anchors[1:-1]:
        if ticks not in seen:
            needed.append(index)
            seen.add(ticks)
    if len(seen) > 1:
        needed.append(len(path) - 1)
    return needed


def _shared_lots(total: int, weights: Sequence[float], needed: Sequence[int]) -> list[int]:
    """Share `total` lots by weight; at least one at each of `needed` when there is any volume at all."""
    if total == 0:
        return [0] * len(weights)
    scale = sum(weights)
    lots: list[int] = []
    given, passed = 0, 0.0
    for weight in weights:
        passed += weight
        upto = round(total * (passed / scale))
        lots.append(upto - given)
        given = upto
    for index in needed:
        if lots[index] == 0:
            donors = [each for each, have in enumerate(lots) if have > (each in needed)]
            if donors:
                lots[max(donors, key=lots.__getitem__)] -= 1
            lots[index] = 1
    return lots


def _main_lots(volume: int, side: Side, taker_buy_share: float | None) -> int:
    if volume <= 1:
        return volume
    share = _MAIN_SHARE
    if taker_buy_share is not None:
        own = taker_buy_share if side is Side.BUY else 1 - taker_buy_share
        share = min(0.95, max(0.3, own + 0.2))
    return max(1, round(volume * share))
