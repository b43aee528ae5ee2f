"""Bars built from finer bars: months for REST, running bars for the kline streams."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from aster_operator.domain.clock import DAY_MS, MINUTE_MS
from aster_operator.simulator.model import KlineEvent, KlineRecord
from aster_operator.simulator.server.intervals import (
    MONTH,
    bar_close_ms,
    bar_open_ms,
    interval_ms,
)
from aster_operator.simulator.server.market_side import MarketSide

__all__ = ["BarSource", "RunningBar", "klines_of", "merge_bars"]

_DAYS_IN_MONTH = 31


def merge_bars(bars: Iterable[KlineRecord], open_ms: int, close_ms: int) -> KlineRecord | None:
    """One bar out of consecutive ones, None when there are none."""
    merged: KlineRecord | None = None
    for bar in bars:
        if merged is None:
            merged = replace(bar, open_ms=open_ms, close_ms=close_ms)
            continue
        merged.high_ticks = max(merged.high_ticks, bar.high_ticks)
        merged.low_ticks = min(merged.low_ticks, bar.low_ticks)
        merged.close_ticks = bar.close_ticks
        merged.lots += bar.lots
        merged.quote_atoms += bar.quote_atoms
        merged.trades += bar.trades
        merged.taker_buy_lots += bar.taker_buy_lots
        merged.taker_buy_quote_atoms += bar.taker_buy_quote_atoms
        if merged.first_trade_id < 0:
            merged.first_trade_id = bar.first_trade_id
        if bar.last_trade_id >= 0:
            merged.last_trade_id = bar.last_trade_id
    return merged


class BarSource(Protocol):
    """The futures or the spot side of the exchange."""

    def klines(
        self, symbol: str, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int
    ) -> Sequence[KlineRecord]: ...


def klines_of(
    source: BarSource, symbol: str, interval: str, start_ms: int | None, end_ms: int | None, limit: int
) -> Sequence[KlineRecord]:
    """Bars of any interval the venue has, oldest first, the running one last.

    Raises VenueRefusal(-1120) for an unknown interval.
    """
    if interval != MONTH:
        return source.klines(symbol, interval_ms(interval), start_ms, end_ms, limit)
    if start_ms is not None:
        # A bar belongs to a span that contains its open, so the first whole month is the next one.
        first = bar_open_ms(MONTH, start_ms)
        start_ms = first if first == start_ms else bar_close_ms(MONTH, first) + 1
    days = source.klines(symbol, DAY_MS, start_ms, end_ms, limit * _DAYS_IN_MONTH)
    months: dict[int, list[KlineRecord]] = {}
    for day in days:
        months.setdefault(bar_open_ms(MONTH, day.open_ms), []).append(day)
    bars = [merge_bars(group, open_ms, bar_close_ms(MONTH, open_ms)) for open_ms, group in months.items()]
    complete = [bar for bar in bars if bar is not None]
    return complete[:limit] if start_ms is not None else complete[-limit:]


class RunningBar:
    """The current bar of one interval, kept from the exchange's one-minute bars."""

    def __init__(self, exchange: MarketSide, symbol: str, interval: str) -> None:
        self._interval = interval
        self._open_ms = bar_open_ms(interval, exchange.now_ms)
        self._finished: list[KlineRecord] = []
        self._minute: KlineRecord | None = None
        minutes = -(-(exchange.now_ms - self._open_ms + 1) // MINUTE_MS)
        bars = exchange.klines(symbol, MINUTE_MS, self._open_ms, None, minutes)
        if bars:
            merged = merge_bars(bars[:-1], self._open_ms, self._close_ms)
            self._finished = [] if merged is None else [merged]
            self._minute = replace(bars[-1])

    @property
    def _close_ms(self) -> int:
        return bar_close_ms(self._interval, self._open_ms)

    def add(self, event: KlineEvent) -> KlineRecord | None:
        """Take a minute in. Returns the finished bar when this closed minute is its last one."""
        open_ms = bar_open_ms(self._interval, event.bar.open_ms)
        if open_ms != self._open_ms:
            self._open_ms, self._finished, self._minute = open_ms, [], None
        if self._minute is not None and self._minute.open_ms != event.bar.open_ms:
            self._fold()
        self._minute = event.bar
        if not event.is_closed:
            return None
        self._fold()
        if event.bar.close_ms == self._close_ms:
            return self.current()
        return None

    def current(self) -> KlineRecord | None:
        """The bar so far, None before its first minute."""
        parts = self._finished if self._minute is None else [*self._finished, self._minute]
        return merge_bars(parts, self._open_ms, self._close_ms)

    def _fold(self) -> None:
        merged = self.current()
        self._finished = [] if merged is None else [merged]
        self._minute = None
