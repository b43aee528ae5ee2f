"""The market as the core last saw it, with the age of everything."""

import math
from dataclasses import dataclass, field
from decimal import Decimal

from msgspec import structs

from aster_operator.domain.market import Bar, MarkPrice, Quote
from aster_operator.domain.pairing import spot_symbol, venue_symbol

__all__ = ["MarketView", "SymbolView"]

_MEMORY_BARS = 60
"""Spread and volatility are averaged over about this many closed minutes, newer ones weighing more."""
_RECENT_BARS = 10
_DAY_BARS = 720
"""As `_MEMORY_BARS`, for how the market moves right now and how it moves on the whole."""
_LEAST_BARS = 30
_SILENT_MS = 5_000
"""The mark price is told every second or three: a stream this far behind a snapshot is not heard."""
_AWAY_MS = 60_000
"""Held positions are read every few seconds: after a longer gap more than the stream was silent."""
_MINUTES_AN_HOUR = 60


@dataclass(slots=True)
class SymbolView:
    """Latest quote, mark and closed bar of one symbol; None until the first arrives."""

    quote: Quote | None = None
    mark: MarkPrice | None = None
    last_closed_bar: Bar | None = None
    reported_mark: tuple[Decimal, int] | None = None
    """Mark price beside a position in the newest snapshot, and its time: for limits, while the stream is
    silent. Nothing is opened by it."""
    blind_since_ms: int | None = None
    """Since when snapshots tell mark prices that the stream does not; None while the stream is heard. An
    outage of everything, or a machine that slept, is no silence of this one stream."""
    last_funding_ms: int | None = None
    """The funding stamp that was ahead until the venue announced the next one."""
    _bars_seen: int = 0
    _half_spread_bps: float = 0.0
    _minute_variance: float = 0.0
    _recent_variance: float = 0.0
    _usual_variance: float = 0.0
    _spreads_seen: int = 0

    @property
    def usual_half_spread_bps(self) -> Decimal | None:
        """Half the spread as it has been over the last hour or so, sampled at each closed bar; None before
        enough of them were seen."""
        return _exact(self._half_spread_bps) if self._spreads_seen >= _LEAST_BARS else None

    @property
    def volatility_bps_hour(self) -> Decimal | None:
        """Standard deviation of an hour's return, from the returns of the last closed bars; None before
        enough of them were seen."""
        return self._hourly(self._minute_variance)

    @property
    def recent_volatility_bps_hour(self) -> Decimal | None:
        """The same of the last ten minutes or so."""
        return self._hourly(self._recent_variance)

    @property
    def usual_volatility_bps_hour(self) -> Decimal | None:
        """The same of the last day or so, as far as it was seen."""
        return self._hourly(self._usual_variance)

    def _hourly(self, minute_variance: float) -> Decimal | None:
        if self._bars_seen < _LEAST_BARS:
            return None
        return _exact(math.sqrt(minute_variance * _MINUTES_AN_HOUR) * 10_000)

    @property
    def volatility_bps_second(self) -> float | None:
        """Standard deviation of a second's return, from the returns of the last closed bars: one wild bar
        counts for much at once. None before enough of them were seen."""
        return math.sqrt(self._minute_variance / 60) * 10_000 if self._bars_seen >= _LEAST_BARS else None

    def newest_mark(self) -> tuple[Decimal, int] | None:
        """The mark price of the stream, or the snapshot's while the stream is silent; and its time."""
        mark, reported = self.mark, self.reported_mark
        if mark is None or (reported is not None and reported[1] - mark.event_ms > _SILENT_MS):
            return reported
        return mark.mark, mark.event_ms

    def report_mark(self, mark: Decimal, at_ms: int) -> None:
        """Take in the mark price of a snapshot, and notice whether the stream has fallen behind it."""
        self.reported_mark = (mark, at_ms)
        if self.mark is None or at_ms - self.mark.event_ms <= _SILENT_MS:
            self.blind_since_ms = None
        elif self.blind_since_ms is None:
            away = at_ms - self.mark.event_ms > _AWAY_MS
            self.blind_since_ms = at_ms if away else self.mark.event_ms

    def close_bar(self, bar: Bar) -> None:
        """Take in a closed one-minute bar."""
        last, self.last_closed_bar = self.last_closed_bar, bar
        if self.quote is not None:
            half_bps = float((self.quote.ask - self.quote.bid) / (self.quote.ask + self.quote.bid)) * 10_000
            self._spreads_seen += 1
            weight = 1 / min(self._spreads_seen, _MEMORY_BARS)
            self._half_spread_bps += weight * (half_bps - self._half_spread_bps)
        if last is None or min(last.close, bar.close) <= 0:
            return
        square = math.log(float(bar.close) / float(last.close)) ** 2
        self._bars_seen += 1
        seen = self._bars_seen
        self._minute_variance += (square - self._minute_variance) / min(seen, _MEMORY_BARS)
        self._recent_variance += (square - self._recent_variance) / min(seen, _RECENT_BARS)
        self._usual_variance += (square - self._usual_variance) / min(seen, _DAY_BARS)

    def staleness(self, now_ms: int, max_mark_age_ms: int, max_quote_age_ms: int) -> str | None:
        """Why this view must not be traded on, in words; None when it is fresh.

        The mark price ticks every second or three whatever happens, so its age is the age of the feed; the
        best quote is sent only when it changes and may rightly be older.
        """
        if self.quote is None:
            return "no quote yet"
        if self.mark is None:
            return "no mark price yet"
        if now_ms - self.mark.event_ms > max_mark_age_ms:
            return f"mark price is {(now_ms - self.mark.event_ms) / 1000:.1f} s old"
        if now_ms - self.quote.event_ms > max_quote_age_ms:
            return f"quote is {(now_ms - self.quote.event_ms) / 1000:.1f} s old"
        return None


@dataclass(slots=True)
class MarketView:
    """`spot_symbols` are the spot markets that are followed beside the perpetuals."""

    symbols: dict[str, SymbolView] = field(default_factory=dict)
    spot_symbols: frozenset[str] = frozenset()

    def of(self, symbol: str) -> SymbolView:
        view = self.symbols.get(symbol)
        if view is None:
            view = self.symbols[symbol] = SymbolView()
        return view

    def mark_of(self, symbol: str) -> Decimal | None:
        newest = self.of(symbol).newest_mark()
        return None if newest is None else newest[0]

    def fresh_mark_of(self, symbol: str, now_ms: int, max_age_ms: int) -> Decimal | None:
        """The mark price that limits may be judged by; None when it is older than `max_age_ms`."""
        newest = self.of(symbol).newest_mark()
        return None if newest is None or now_ms - newest[1] > max_age_ms else newest[0]

    def apply_reported_mark(self, symbol: str, mark: Decimal, at_ms: int) -> None:
        """Take in what a snapshot says beside a position; the spot market of the name is worth as much."""
        if mark > 0:
            twin = spot_symbol(symbol)
            for name in (symbol, twin) if twin in self.spot_symbols else (symbol,):
                self.of(name).report_mark(mark, at_ms)

    def look_again(self) -> None:
        """Begin anew to wait for the stream: the venue was away and is back."""
        for view in self.symbols.values():
            view.blind_since_ms = None

    def apply_quote(self, quote: Quote) -> None:
        view = self.of(quote.symbol)
        # Streams may deliver late; an older quote never replaces a newer one.
        if view.quote is None or quote.event_ms >= view.quote.event_ms:
            view.quote = quote

    def volatility_bps_second(self, symbol: str) -> float | None:
        """Standard deviation of a second's return of a symbol; that of the perpetual of the name where a spot
        market tells of none. None while neither is known."""
        volatility = self.of(symbol).volatility_bps_second
        if symbol in self.spot_symbols:
            twin = self.of(venue_symbol(symbol)).volatility_bps_second
            return max(volatility or 0.0, twin or 0.0) or None
        return volatility

    def apply_mark(self, mark: MarkPrice) -> None:
        """Take a mark in; the spot market of the same name, where it is followed, is worth the index."""
        self._apply_mark(mark)
        twin = spot_symbol(mark.symbol)
        if twin in self.spot_symbols:
            self._apply_mark(structs.replace(mark, symbol=twin, mark=mark.index, funding_rate=Decimal(0)))

    def _apply_mark(self, mark: MarkPrice) -> None:
        view = self.of(mark.symbol)
        if view.mark is not None and mark.event_ms < view.mark.event_ms:
            return
        if view.mark is not None and view.mark.next_funding_ms < mark.next_funding_ms:
            view.last_funding_ms = view.mark.next_funding_ms
        view.mark = mark
        view.blind_since_ms = None

    def apply_bar(self, bar: Bar) -> None:
        view = self.of(bar.symbol)
        last = view.last_closed_bar
        if bar.is_closed and (last is None or bar.open_ms > last.open_ms):
            view.close_bar(bar)


def _exact(value: float) -> Decimal:
    return Decimal(str(round(value, 4)))
