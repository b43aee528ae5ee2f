"""One-minute bars of what really traded, and longer bars summed from them."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace

from aster_operator.simulator.model import ContractSpec, KlineRecord

__all__ = ["MINUTE_MS", "BarSeries", "bar_open_ms"]

MINUTE_MS = 60_000
_HOUR_MS = 3_600_000
_SLAB = 5_000
_OLDER = ((_HOUR_MS, 3_000), (4 * _HOUR_MS, 4_500), (24 * _HOUR_MS, 20_000))
"""Length of the bars that older ones are summed to, and how many are kept before they become longer."""
_OLDER_SLAB = 200
_WEEK_MS = 7 * 86_400_000
# 1970-01-01 was a Thursday; weekly bars start on Monday.
_MONDAY_OFFSET_MS = 4 * 86_400_000


def bar_open_ms(time_ms: int, interval_ms: int) -> int:
    """Opening time of the bar of `interval_ms` that holds `time_ms`."""
    offset = _MONDAY_OFFSET_MS if interval_ms == _WEEK_MS else 0
    return (time_ms - offset) // interval_ms * interval_ms + offset


class BarSeries:
    """Minute bars of one symbol, oldest first; the last may still be running.

    About `capacity` closed minutes are kept, a month of them; what is older lives on as hours for some
    months, as four hours for two years, then as days.
    """

    def __init__(self, spec: ContractSpec, capacity: int = 45_000) -> None:
        self._spec = spec
        self._capacity = capacity
        self._closed: list[KlineRecord] = []
        self._older: tuple[list[KlineRecord], ...] = tuple([] for _ in _OLDER)
        self.running: KlineRecord | None = None

    def preload(self, bars: Iterable[KlineRecord]) -> None:
        """Put recorded bars from before the first trade into the history."""
        self._closed.extend(bars)
        self._trim()

    def open_bar(self, open_ms: int, ticks: int) -> KlineRecord:
        """Begin the minute at `open_ms`; its prices start at `ticks` until the first trade sets them."""
        close_ms = open_ms + MINUTE_MS - 1
        self.running = bar = KlineRecord(self._spec, open_ms, close_ms, ticks, ticks, ticks, ticks)
        return bar

    def close_due(self, now_ms: int) -> KlineRecord | None:
        """Close the running bar when its minute is over at `now_ms`; return it, else None."""
        bar = self.running
        if bar is None or now_ms <= bar.close_ms:
            return None
        self._closed.append(bar)
        self._trim()
        self.running = None
        return bar

    def add_trade(
        self, time_ms: int, trade_id: int, ticks: int, lots: int, quote_atoms: int, buyer_is_maker: bool
    ) -> None:
        """Count one public trade; opens the minute when none is running."""
        bar = self.running
        if bar is None:
            bar = self.open_bar(bar_open_ms(time_ms, MINUTE_MS), ticks)
        if bar.trades == 0:
            bar.open_ticks = bar.high_ticks = bar.low_ticks = ticks
            bar.first_trade_id = trade_id
        elif ticks > bar.high_ticks:
            bar.high_ticks = ticks
        elif ticks < bar.low_ticks:
            bar.low_ticks = ticks
        bar.close_ticks = ticks
        bar.last_trade_id = trade_id
        bar.lots += lots
        bar.quote_atoms += quote_atoms
        bar.trades += 1
        if not buyer_is_maker:
            bar.taker_buy_lots += lots
            bar.taker_buy_quote_atoms += quote_atoms

    def bars(
        self, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
    ) -> Sequence[KlineRecord]:
        """Bars of `interval_ms` (a whole number of minutes), as `ExchangeApi.klines` says."""
        closed = self._reaching_back(interval_ms)
        first, last = _range(closed, interval_ms, start_ms, end_ms, limit)
        minutes = closed[first:last]
        running = self.running
        if running is not None and last == len(closed) and (end_ms is None or running.open_ms <= end_ms):
            minutes.append(running.copy())
        if interval_ms != MINUTE_MS:
            minutes = _summed(minutes, interval_ms)
        if start_ms is not None:
            minutes = [bar for bar in minutes if bar.open_ms >= start_ms]
            return minutes[:limit]
        return minutes[-limit:] if limit else []

    def _reaching_back(self, interval_ms: int) -> list[KlineRecord]:
        """All closed bars that bars of `interval_ms` can be summed from, oldest first."""
        closed = self._closed
        for (length_ms, _), bars in zip(_OLDER, self._older, strict=True):
            if interval_ms % length_ms:
                break
            closed = [*bars, *closed]
        return closed

    def _trim(self) -> None:
        # In slabs, because deleting from the front of a list copies the rest; and only whole longer bars.
        bars, capacity, slab = self._closed, self._capacity, _SLAB
        for (length_ms, kept), longer in zip(_OLDER, self._older, strict=True):
            excess = len(bars) - capacity
            if excess < slab:
                return
            boundary_ms = bar_open_ms(bars[excess].open_ms, length_ms)
            count = bisect_left(bars, boundary_ms, key=_open_ms)
            longer.extend(_summed(bars[:count], length_ms))
            del bars[:count]
            bars, capacity, slab = longer, kept, _OLDER_SLAB
        del bars[:-capacity]


def _open_ms(bar: KlineRecord) -> int:
    return bar.open_ms


def _range(
    closed: Sequence[KlineRecord], interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
) -> tuple[int, int]:
    last = len(closed)
    if end_ms is not None:
        last = bisect_left(closed, end_ms + 1, key=_open_ms)
    # One bar more than asked for, because the oldest may be cut off.
    span = (limit + 1) * (interval_ms // MINUTE_MS)
    if start_ms is not None:
        first = bisect_left(closed, start_ms, key=_open_ms)
        return first, min(last, first + span)
    return max(0, last - span), last


def _summed(minutes: Iterable[KlineRecord], interval_ms: int) -> list[KlineRecord]:
    found: list[KlineRecord] = []
    for minute in minutes:
        open_ms = bar_open_ms(minute.open_ms, interval_ms)
        if not found or found[-1].open_ms != open_ms:
            found.append(replace(minute, open_ms=open_ms, close_ms=open_ms + interval_ms - 1))
            continue
        bar = found[-1]
        bar.high_ticks = max(bar.high_ticks, minute.high_ticks)
        bar.low_ticks = min(bar.low_ticks, minute.low_ticks)
        bar.close_ticks = minute.close_ticks
        bar.lots += minute.lots
        bar.quote_atoms += minute.quote_atoms
        bar.trades += minute.trades
        bar.taker_buy_lots += minute.taker_buy_lots
        bar.taker_buy_quote_atoms += minute.taker_buy_quote_atoms
        if minute.first_trade_id >= 0:
            bar.first_trade_id = minute.first_trade_id if bar.first_trade_id < 0 else bar.first_trade_id
            bar.last_trade_id = minute.last_trade_id
    return found
