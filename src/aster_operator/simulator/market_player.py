"""Plays recorded minutes as a moving book.

Inside each minute the price walks open -> nearer extreme -> farther extreme -> close with a seeded wiggle
that never leaves [low, high]. At every sub-step the ladder is re-centred, the other side's flow trades, and
then the aggressor of the move prints exactly at the path price. So the bars that come out equal those that
went in, as long as no account interferes: first trade at the open, both extremes touched, last trade at the
close, all of the volume traded. A minute without volume moves the book and prints nothing.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from aster_operator.domain.enums import Side
from aster_operator.market_data.history import MINUTE_MS, SymbolHistory
from aster_operator.simulator.liquidity import DepthModel
from aster_operator.simulator.market_source import MarketDesk
from aster_operator.simulator.model import ATOMS, ContractSpec, KlineRecord

__all__ = ["MinutePlayer", "RecordedMinute", "SubStep", "plan_minute"]

_MINIMUM_SUBSTEPS = 4
_MAIN_SHARE = 0.7
# Share of a minute's volume that is typically shown at the touch, and how slowly that adapts.
_TOUCH_DIVISOR = 50
_QUIET_MINUTE_USD = 200_000


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
    for ticks, side, volume in zip(path, sides, lots, strict=True):
        main = _main_lots(volume, side, minute.taker_buy_share)
        steps.append(SubStep(ticks, side, main, volume - main))
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


class MinutePlayer:
    """A `MarketSource` over recorded minutes.

    `substep_ms` divides a minute into at least four. `start_ms` begins later than the data; what lies before
    becomes kline history. Raises ValueError for a sub-step that does not fit.
    """

    def __init__(
        self,
        spec: ContractSpec,
        history: SymbolHistory,
        *,
        seed: int,
        substep_ms: int = 1000,
        start_ms: int | None = None,
    ) -> None:
        if substep_ms <= 0 or MINUTE_MS % substep_ms or MINUTE_MS // substep_ms < _MINIMUM_SUBSTEPS:
            raise ValueError(
                f"substep_ms must divide a minute into at least {_MINIMUM_SUBSTEPS} parts, was {substep_ms}"
            )
        self._spec = spec
        self._history = history
        self._substep_ms = substep_ms
        self._count = MINUTE_MS // substep_ms
        self._random = Random(f"{seed}:{spec.symbol}:path")  # noqa: S311 - reproducible market, not security
        self._tick = float(spec.instrument.tick_size)
        self._lots_per_unit = float(spec.lots_per_unit)
        first = 0 if start_ms is None else bisect_left(history.open_time_ms, start_ms)
        if first == len(history):
            raise ValueError(f"{spec.symbol}: no recorded minute from {start_ms} on")
        self._first_index = self._index = first
        self._substep = 0
        self._plan: list[SubStep] = []
        self._minute = self._minute_at(first)
        self._depth = DepthModel(f"{seed}:{spec.symbol}:depth", self._minute.open)
        self._touch_lots = max(2, self._minute.lots // _TOUCH_DIVISOR)
        self._spread = 1
        self._next_ms: int | None = self._minute.open_ms

    @property
    def spec(self) -> ContractSpec:
        return self._spec

    @property
    def start_ticks(self) -> int:
        return self._minute_at(self._first_index).open

    @property
    def end_ms(self) -> int | None:
        return self._history.end_ms

    def next_ms(self) -> int | None:
        return self._next_ms

    def recorded_rates_e8(self) -> dict[int, int]:
        return {time_ms: round(rate * ATOMS) for time_ms, rate in self._history.funding}

    def history(self) -> list[KlineRecord]:
        return [self._bar(self._minute_at(index)) for index in range(self._first_index)]

    def play(self, desk: MarketDesk) -> None:
        """Take the sub-step that is due."""
        if self._substep == 0:
            self._begin_minute(desk)
        if self._substep < self._count and self._plan:
            self._play_substep(desk, self._plan[self._substep])
            self._schedule()
        else:
            # The end of the data, or of a window: only the last bar is left to close.
            desk.reference(self._spec.symbol, self._minute.close)
            self._next_minute()

    # --- inside a minute

    def _begin_minute(self, desk: MarketDesk) -> None:
        minute = self._minute = self._minute_at(self._index)
        self._plan = plan_minute(minute, self._count, self._random)
        self._touch_lots = max(2, (self._touch_lots * 9 + minute.lots // _TOUCH_DIVISOR) // 10)
        self._spread = self._spread_ticks(minute)
        desk.begin_minute(self._spec.symbol, minute.open_ms)

    def _play_substep(self, desk: MarketDesk, step: SubStep) -> None:
        symbol, minute, spread = self._spec.symbol, self._minute, self._spread
        buying = step.side is Side.BUY
        ask = step.ticks if buying else step.ticks + spread
        bid = max(1, step.ticks - spread if buying else step.ticks)
        depth, touch = self._depth, self._touch_lots
        depth.advance()
        bids, asks = depth.ladder(bid, -1, touch), depth.ladder(ask, 1, touch)
        shown = asks[ask] if buying else bids[bid]
        swept = desk.requote(symbol, bids, asks)
        main = step.main_lots
        if step.counter_lots:
            other = bid if buying else ask
            if self._substep and minute.low <= other <= minute.high:
                desk.aggress(symbol, step.side.opposite, step.counter_lots, other)
                desk.top_up(symbol, step.side, other, touch // 4 + 1)
            else:
                main += step.counter_lots
        if main:
            # What account orders took on the way was part of the recorded volume.
            desk.aggress(symbol, step.side, max(1, main - swept), step.ticks)
            desk.top_up(symbol, step.side.opposite, step.ticks, shown // 4 + 1)
        desk.reference(symbol, step.ticks)

    def _spread_ticks(self, minute: RecordedMinute) -> int:
        """One tick in a busy, calm minute; wider when the price moves fast or hardly anybody trades."""
        spread = 1 + (minute.high - minute.low) // 200
        usd = self._spec.notional_atoms(minute.close, minute.lots) // ATOMS
        if usd < _QUIET_MINUTE_USD:
            spread += minute.close // 20_000
        return spread

    # --- moving on

    def _schedule(self) -> None:
        self._substep += 1
        if self._substep < self._count:
            self._next_ms = self._minute.open_ms + self._substep * self._substep_ms
            return
        end_ms = self._minute.open_ms + MINUTE_MS
        follows = self._index + 1 < len(self._history)
        if follows and self._history.open_time_ms[self._index + 1] == end_ms:
            self._next_minute()
        else:
            self._next_ms = end_ms

    def _next_minute(self) -> None:
        self._index += 1
        self._substep = 0
        self._plan = []
        ended = self._index >= len(self._history)
        self._next_ms = None if ended else self._history.open_time_ms[self._index]

    # --- reading the record

    def _minute_at(self, index: int) -> RecordedMinute:
        history, tick = self._history, self._tick
        volume, taker = history.base_volume[index], history.taker_buy_base[index]
        return RecordedMinute(
            history.open_time_ms[index],
            max(1, round(history.open[index] / tick)),
            max(1, round(history.high[index] / tick)),
            max(1, round(history.low[index] / tick)),
            max(1, round(history.close[index] / tick)),
            round(volume * self._lots_per_unit),
            None if taker is None or volume <= 0 else taker / volume,
        )

    def _bar(self, minute: RecordedMinute) -> KlineRecord:
        """A history bar: quote volume estimated at the typical price, number of trades unknown (0)."""
        spec = self._spec
        typical = (minute.open + minute.high + minute.low + minute.close) // 4
        bought = round(minute.lots * (0.5 if minute.taker_buy_share is None else minute.taker_buy_share))
        return KlineRecord(
            spec,
            minute.open_ms,
            minute.open_ms + MINUTE_MS - 1,
            minute.open,
            minute.high,
            minute.low,
            minute.close,
            lots=minute.lots,
            quote_atoms=spec.notional_atoms(typical, minute.lots),
            taker_buy_lots=bought,
            taker_buy_quote_atoms=spec.notional_atoms(typical, bought),
        )
