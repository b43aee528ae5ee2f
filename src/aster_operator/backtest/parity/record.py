"""What a session saw, decided and traded, kept from its events and commands, live or replayed."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.backtest.parity.pair_record import PairLedger
from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.closed_trades import ClosedTrade
from aster_operator.domain.commands import Command, RecordDecision, RecordTrade
from aster_operator.domain.enums import Side
from aster_operator.domain.events import BarUpdated, Event, QuoteUpdated

__all__ = ["SessionRecord", "TradeKey"]

TradeKey = tuple[str, int]
"""Symbol and opening time (ms) of the bar that was decided on: a strategy decides once on each."""


@dataclass
class SessionRecord:
    """A journal that keeps what a comparison needs. `bars` are the closed minutes that were heard, by their
    opening time: (close, base volume)."""

    trades: dict[TradeKey, ClosedTrade] = field(default_factory=dict)
    decisions: dict[TradeKey, RecordDecision] = field(default_factory=dict)
    bars: dict[str, dict[int, tuple[Decimal, Decimal]]] = field(default_factory=lambda: defaultdict(dict))
    last_ms: int = 0
    pairs: PairLedger = field(default_factory=PairLedger)
    _quote_ms: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _quotes: dict[str, list[tuple[Decimal, Decimal]]] = field(default_factory=lambda: defaultdict(list))
    _bar_at: dict[tuple[str, int], int] = field(default_factory=dict)

    def event(self, event: Event) -> None:
        self.last_ms = max(self.last_ms, event.event_ms)
        self.pairs.event(event)
        if isinstance(event, QuoteUpdated):
            times = self._quote_ms[event.quote.symbol]
            if not times or event.event_ms >= times[-1]:
                times.append(event.event_ms)
                self._quotes[event.quote.symbol].append((event.quote.bid, event.quote.ask))
        elif isinstance(event, BarUpdated) and event.bar.is_closed:
            bar = event.bar
            self.bars[bar.symbol].setdefault(bar.open_ms, (bar.close, bar.base_volume))

    def command(self, command: Command) -> None:
        self.pairs.command(command)
        if isinstance(command, RecordDecision) and "bar_open_ms" in command.numbers:
            bar_ms = int(command.numbers["bar_open_ms"])
            self.decisions[command.symbol, bar_ms] = command
            self._bar_at[command.symbol, command.at_ms] = bar_ms
        elif isinstance(command, RecordTrade):
            trade = command.trade
            minute_before = trade.decided_ms // MINUTE_MS * MINUTE_MS - MINUTE_MS
            bar_ms = self._bar_at.get((trade.symbol, trade.decided_ms), minute_before)
            self.trades[trade.symbol, bar_ms] = trade

    def close(self) -> None:
        """Nothing is open."""

    def touch(self, symbol: str, side: Side, at_ms: int) -> Decimal | None:
        """The price an order of `side` would have crossed to at a time; None where no quote was heard."""
        place = bisect_right(self._quote_ms[symbol], at_ms) - 1
        if place < 0:
            return None
        bid, ask = self._quotes[symbol][place]
        return ask if side is Side.BUY else bid
