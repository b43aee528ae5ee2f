"""The market as the core last saw it, with the age of everything."""

from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.market import Bar, MarkPrice, Quote

__all__ = ["MarketView", "SymbolView"]


@dataclass(slots=True)
class SymbolView:
    """Latest quote, mark and closed bar of one symbol; None until the first arrives."""

    quote: Quote | None = None
    mark: MarkPrice | None = None
    last_closed_bar: Bar | None = None
    last_funding_ms: int | None = None
    """The funding stamp that was ahead until the venue announced the next one."""

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
    symbols: dict[str, SymbolView] = field(default_factory=dict)

    def of(self, symbol: str) -> SymbolView:
        view = self.symbols.get(symbol)
        if view is None:
            view = self.symbols[symbol] = SymbolView()
        return view

    def mark_of(self, symbol: str) -> Decimal | None:
        mark = self.of(symbol).mark
        return None if mark is None else mark.mark

    def apply_quote(self, quote: Quote) -> None:
        view = self.of(quote.symbol)
        # Streams may deliver late; an older quote never replaces a newer one.
        if view.quote is None or quote.event_ms >= view.quote.event_ms:
            view.quote = quote

    def apply_mark(self, mark: MarkPrice) -> None:
        view = self.of(mark.symbol)
        if view.mark is not None and mark.event_ms < view.mark.event_ms:
            return
        if view.mark is not None and view.mark.next_funding_ms < mark.next_funding_ms:
            view.last_funding_ms = view.mark.next_funding_ms
        view.mark = mark

    def apply_bar(self, bar: Bar) -> None:
        view = self.of(bar.symbol)
        last = view.last_closed_bar
        if bar.is_closed and (last is None or bar.open_ms > last.open_ms):
            view.last_closed_bar = bar
