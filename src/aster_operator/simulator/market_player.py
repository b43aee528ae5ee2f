"""Plays minutes as a moving book.

Inside each minute the price walks open -> nearer extreme -> farther extreme -> close with a seeded wiggle
that never leaves [low, high]. At every sub-step the ladder is re-centred, the other side's flow trades, and
then the aggressor of the move prints exactly at the path price. So the bars that come out equal those that
went in, as long as no account interferes: first trade at the open, both extremes touched, last trade at the
close, all of the volume traded. A minute without volume moves the book and prints nothing.
"""

from dataclasses import replace
from random import Random

from aster_operator.domain.enums import Side
from aster_operator.market_data.history import MINUTE_MS, SymbolHistory
from aster_operator.simulator.liquidity import DEPTH_LEVELS, DepthModel
from aster_operator.simulator.market_source import MarketDesk
from aster_operator.simulator.minute_feed import MinuteFeed, RecordedFeed, SyntheticFeed
from aster_operator.simulator.minute_plan import MINIMUM_SUBSTEPS, RecordedMinute, SubStep, plan_minute
from aster_operator.simulator.model import ATOMS, ContractSpec, KlineRecord

__all__ = ["MinutePlayer", "recorded_market", "synthetic_market"]

# Share of a minute's volume that is typically shown at the touch.
_TOUCH_DIVISOR = 50
_QUIET_MINUTE_USD = 200_000


def recorded_market(
    spec: ContractSpec,
    history: SymbolHistory,
    *,
    seed: int,
    substep_ms: int = 1000,
    calm_substep_ms: int | None = None,
    start_ms: int | None = None,
    levels: int = DEPTH_LEVELS,
    endless: bool = False,
) -> "MinutePlayer":
    """A market that plays recorded minutes from `start_ms` on, `endless` to and fro for ever.

    Raises ValueError when there are none.
    """
    feed = RecordedFeed(spec, history, start_ms, endless=endless)
    return MinutePlayer(
        spec, feed, seed=seed, substep_ms=substep_ms, calm_substep_ms=calm_substep_ms, levels=levels
    )


def synthetic_market(
    spec: ContractSpec,
    *,
    seed: int,
    start_ms: int,
    start_ticks: int,
    lots_per_minute: int,
    volatility_bps: float = 6.0,
    substep_ms: int = 1000,
    past_minutes: int = 0,
    levels: int = DEPTH_LEVELS,
) -> "MinutePlayer":
    """An endless market that needs no data; see `SyntheticFeed`."""
    feed = SyntheticFeed(
        spec,
        seed=seed,
        start_ms=start_ms,
        start_ticks=start_ticks,
        lots_per_minute=lots_per_minute,
        volatility_bps=volatility_bps,
        past_minutes=past_minutes,
    )
    return MinutePlayer(spec, feed, seed=seed, substep_ms=substep_ms, levels=levels)


class MinutePlayer:
    """A `MarketSource` over a feed of minutes.

    `substep_ms` divides a minute into at least four parts; a side shows `levels` prices. While no order of an
    account waits in the market it is seen only every `calm_substep_ms`, a multiple of that, and at the bar's
    four prices: the path is the same, and what was traded in between prints with the next step. Raises
    ValueError for steps that do not fit, and for an empty feed.
    """

    def __init__(
        self,
        spec: ContractSpec,
        feed: MinuteFeed,
        *,
        seed: int,
        substep_ms: int = 1000,
        calm_substep_ms: int | None = None,
        levels: int = DEPTH_LEVELS,
    ) -> None:
        if substep_ms <= 0 or MINUTE_MS % substep_ms or MINUTE_MS // substep_ms < MINIMUM_SUBSTEPS:
            raise ValueError(
                f"substep_ms must divide a minute into at least {MINIMUM_SUBSTEPS} parts, was {substep_ms}"
            )
        calm_ms = substep_ms if calm_substep_ms is None else calm_substep_ms
        if calm_ms <= 0 or calm_ms % substep_ms or MINUTE_MS % calm_ms:
            raise ValueError(
                f"calm_substep_ms must be a multiple of {substep_ms} that divides a minute, was {calm_ms}"
            )
        first = feed.next_minute()
        if first is None:
            raise ValueError(f"{spec.symbol}: nothing to play")
        self._spec = spec
        self._feed = feed
        self._substep_ms = substep_ms
        self._count = MINUTE_MS // substep_ms
        self._random = Random(f"{seed}:{spec.symbol}:path")  # noqa: S311 - reproducible market, not security
        self._minute = first
        self._following = feed.next_minute()
        self._start_ticks = first.open
        self._stride = calm_ms // substep_ms
        self._substep = 0
        self._seen = -1
        self._untold = {Side.BUY: 0, Side.SELL: 0}
        self._plan: list[SubStep] = []
        self._depth = DepthModel(f"{seed}:{spec.symbol}:depth", first.open, levels)
        self._touch_lots = max(2, first.lots // _TOUCH_DIVISOR)
        self._spread = 1
        self._next_ms: int | None = first.open_ms

    @property
    def spec(self) -> ContractSpec:
        return self._spec

    @property
    def start_ticks(self) -> int:
        return self._start_ticks

    @property
    def end_ms(self) -> int | None:
        return self._feed.end_ms

    def next_ms(self) -> int | None:
        return self._next_ms

    def recorded_rates_e8(self) -> dict[int, int]:
        return self._feed.recorded_rates_e8()

    def history(self) -> list[KlineRecord]:
        return self._feed.history()

    def play(self, desk: MarketDesk) -> None:
        """Take the sub-step that is due."""
        if self._substep == self._count:
            # The end of the data, or of a window: only the last bar is left to close.
            desk.reference(self._spec.symbol, self._minute.close)
            self._next_minute()
            return
        if self._substep == 0:
            self._begin_minute(desk)
        self._play_substep(desk, self._with_untold(desk, self._plan[self._substep]))
        # Its own prints may have filled the last order.
        self._schedule(may_leap=self._stride > 1 and not desk.has_orders(self._spec.symbol))

    def wake(self, now_ms: int) -> bool:
        """An order waits in the market now: every step counts again. Whether `next_ms` is sooner for it."""
        following = (now_ms - self._minute.open_ms) // self._substep_ms + 1
        if self._next_ms is None or self._next_ms <= now_ms or not 0 < following < self._substep:
            return False
        self._substep = following
        self._next_ms = self._minute.open_ms + following * self._substep_ms
        return True

    # --- inside a minute

    def _with_untold(self, desk: MarketDesk, step: SubStep) -> SubStep:
        """The step, with the volume of those passed over before it. What traded before an account's order
        came never fills it: that prints when no order waits."""
        passed = self._plan[self._seen + 1 : self._substep]
        self._seen = self._substep
        self._depth.advance(1 + len(passed))
        for each in passed:
            self._untold[each.side] += each.main_lots
            self._untold[each.side.opposite] += each.counter_lots
        if not any(self._untold.values()) or desk.has_orders(self._spec.symbol):
            return step
        main = step.main_lots + self._untold[step.side]
        counter = step.counter_lots + self._untold[step.side.opposite]
        self._untold = {Side.BUY: 0, Side.SELL: 0}
        return replace(step, main_lots=main, counter_lots=counter)

    def _begin_minute(self, desk: MarketDesk) -> None:
        minute = self._minute
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

    def _schedule(self, *, may_leap: bool) -> None:
        self._substep += 1
        while may_leap and self._substep % self._stride and not self._plan[self._substep].is_anchor:
            self._substep += 1
        end_ms = self._minute.open_ms + MINUTE_MS
        if self._substep < self._count:
            self._next_ms = self._minute.open_ms + self._substep * self._substep_ms
        elif self._following is not None and self._following.open_ms == end_ms:
            self._next_minute()
        else:
            self._next_ms = end_ms

    def _next_minute(self) -> None:
        if self._following is None:
            self._next_ms = None
            return
        self._minute, self._following = self._following, self._feed.next_minute()
        self._substep = 0
        self._seen = -1
        self._next_ms = self._minute.open_ms
