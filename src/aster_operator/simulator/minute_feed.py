"""Where minutes come from: a recording, or a seeded walk that never ends."""

from bisect import bisect_left
from dataclasses import replace
from random import Random
from typing import Protocol

from aster_operator.domain.clock import HOUR_MS
from aster_operator.market_data.history import MINUTE_MS, SymbolHistory
from aster_operator.simulator.minute_plan import RecordedMinute
from aster_operator.simulator.model import ATOMS, ContractSpec, KlineRecord

__all__ = ["MinuteFeed", "RecordedFeed", "SyntheticFeed"]

_INTEREST_E8_OF_8_HOURS = 10_000


class MinuteFeed(Protocol):
    """Minutes of one symbol, oldest first."""

    @property
    def end_ms(self) -> int | None:
        """Just after the last minute; None when there is none."""

    def next_minute(self) -> RecordedMinute | None:
        """The next minute; None when the feed has ended."""

    def history(self) -> list[KlineRecord]:
        """Bars from before the first minute."""

    def recorded_rates_e8(self) -> dict[int, int]:
        """Known funding: settlement time -> rate times 10^8."""


class RecordedFeed:
    """A recording, from `start_ms` on; what lies before becomes kline history.

    With `endless` it turns round at its end and at the beginning of its last stretch without a break, for
    ever: each minute then runs from its close to its open, so that the price never jumps and never leaves
    what was recorded. Raises ValueError when nothing is left to play.
    """

    def __init__(
        self,
        spec: ContractSpec,
        history: SymbolHistory,
        start_ms: int | None = None,
        *,
        endless: bool = False,
    ) -> None:
        self._spec = spec
        self._history = history
        self._tick = float(spec.instrument.tick_size)
        self._lots_per_unit = float(spec.lots_per_unit)
        self._first = 0 if start_ms is None else bisect_left(history.open_time_ms, start_ms)
        self._index = self._first
        if self._first == len(history):
            raise ValueError(f"{spec.symbol}: no recorded minute from {start_ms} on")
        self._endless_from = (
            bisect_left(history.open_time_ms, history.windows()[-1].start_ms) if endless else None
        )

    @property
    def end_ms(self) -> int | None:
        return self._history.end_ms if self._endless_from is None else None

    def next_minute(self) -> RecordedMinute | None:
        index, recorded = self._index, len(self._history)
        if index >= recorded and self._endless_from is None:
            return None
        self._index += 1
        return self._minute(index) if index < recorded else self._again(index - recorded)

    def _again(self, minutes_after_end: int) -> RecordedMinute:
        first, end = self._endless_from or 0, len(self._history)
        lap, offset = divmod(minutes_after_end, end - first)
        open_ms = self._history.end_ms + minutes_after_end * MINUTE_MS
        if lap % 2:
            return replace(self._minute(first + offset), open_ms=open_ms)
        forward = self._minute(end - 1 - offset)
        bought = forward.taker_buy_share
        return replace(
            forward,
            open_ms=open_ms,
            open=forward.close,
            close=forward.open,
            taker_buy_share=None if bought is None else 1 - bought,
        )

    def history(self) -> list[KlineRecord]:
        return [_bar(self._spec, self._minute(index)) for index in range(self._first)]

    def recorded_rates_e8(self) -> dict[int, int]:
        return {time_ms: round(rate * ATOMS) for time_ms, rate in self._history.funding}

    def _minute(self, index: int) -> RecordedMinute:
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


def _bar(spec: ContractSpec, minute: RecordedMinute) -> KlineRecord:
    """A history bar: quote volume estimated at the typical price, number of trades unknown (0)."""
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


class SyntheticFeed:
    """An endless seeded market: a mean-reverting volatility, fat tails, volume that follows the moves.

    `volatility_bps` is the typical move of a minute, `lots_per_minute` the typical volume. `start_ms` must be
    the start of a minute; `past_minutes` before it become kline history, with funding at the interest rate.
    Nothing in it is a forecast of anything; it is for demos, tests and teaching.
    """

    def __init__(
        self,
        spec: ContractSpec,
        *,
        seed: int,
        start_ms: int,
        start_ticks: int,
        lots_per_minute: int,
        volatility_bps: float = 6.0,
        past_minutes: int = 0,
    ) -> None:
        if start_ms % MINUTE_MS:
            raise ValueError(f"start_ms must be the start of a minute, was {start_ms}")
        if start_ticks <= 0 or lots_per_minute < 0 or volatility_bps < 0:
            raise ValueError("start price must be positive, volume and volatility not negative")
        self._random = Random(f"{seed}:{spec.symbol}:synthetic")  # noqa: S311 - reproducible, not security
        self._spec = spec
        self._start_ms = start_ms
        self._open_ms = start_ms - past_minutes * MINUTE_MS
        self._price = float(start_ticks)
        self._lots = lots_per_minute
        self._typical = volatility_bps / 10_000
        self._volatility = self._typical
        self._past = [_bar(spec, self.next_minute()) for _ in range(past_minutes)]

    @property
    def end_ms(self) -> int | None:
        return None

    def history(self) -> list[KlineRecord]:
        return self._past

    def recorded_rates_e8(self) -> dict[int, int]:
        interval_ms = self._spec.funding_interval_hours * HOUR_MS
        first_ms = self._past[0].open_ms if self._past else self._start_ms
        settled = range(-(-first_ms // interval_ms) * interval_ms, self._start_ms, interval_ms)
        return dict.fromkeys(settled, _INTEREST_E8_OF_8_HOURS * self._spec.funding_interval_hours // 8)

    def next_minute(self) -> RecordedMinute:
        random = self._random
        shock = abs(random.gauss(0.0, 1.0))
        self._volatility += 0.1 * (self._typical - self._volatility) + 0.05 * self._typical * (shock - 0.8)
        self._volatility = max(self._typical * 0.2, self._volatility)
        # A sum of a calm and, one time in thirty, a violent draw: tails fatter than the normal ones.
        scale = self._volatility * (4.0 if random.random() < 1 / 30 else 1.0)
        move = random.gauss(0.0, scale)
        up, down = abs(random.gauss(0.0, scale)) / 2, abs(random.gauss(0.0, scale)) / 2
        volume = self._lots * (0.3 + 1.4 * random.random()) * (0.5 + abs(move) / (2 * self._typical or 1.0))
        open_price, close = self._price, max(10.0, self._price * (1 + move))
        high, low = max(open_price, close) * (1 + up), min(open_price, close) * (1 - down)
        open_ms, self._open_ms, self._price = self._open_ms, self._open_ms + MINUTE_MS, close
        open_ticks, close_ticks = round(open_price), round(close)
        return RecordedMinute(
            open_ms,
            open_ticks,
            max(open_ticks, close_ticks, round(high)),
            max(1, min(open_ticks, close_ticks, round(low))),
            close_ticks,
            round(volume),
            0.5 + max(-0.3, min(0.3, move / (4 * self._typical or 1.0))),
        )
