"""What the front door remembers of the market, besides what the exchange itself can be asked.

Aggregated trades, rolling 24-hour statistics, and minute bars of mark and index price. All of it is
built from the exchange's events, in market time, and bounded.
"""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from aster_operator.domain.clock import DAY_MS, MINUTE_MS
from aster_operator.simulator.model import ContractSpec, KlineEvent, KlineRecord, MarkEvent, TradeEvent
from aster_operator.simulator.server.market_side import MarketSide

__all__ = ["AggregateTrade", "DayFigures", "DayStatistics", "MarkBar", "MarketFeed"]

AGGREGATION_MS = 100
AGGREGATES_KEPT = 50_000
MARK_BARS_KEPT = 7 * 1440


@dataclass(slots=True)
class AggregateTrade:
    """Fills of one taker at one price within a tenth of a second (section 4.1)."""

    spec: ContractSpec
    aggregate_id: int
    ticks: int
    lots: int
    first_id: int
    last_id: int
    buyer_is_maker: bool
    time_ms: int


@dataclass(slots=True)
class MarkBar:
    """A minute of mark or index price in 10^-8 units; `points` counts what it was built from."""

    open_ms: int
    open_e8: int
    high_e8: int
    low_e8: int
    close_e8: int
    points: int = 1

    def add(self, price_e8: int) -> None:
        self.high_e8 = max(self.high_e8, price_e8)
        self.low_e8 = min(self.low_e8, price_e8)
        self.close_e8 = price_e8
        self.points += 1


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The last 24 hours. Ticks, lots and atoms; ids -1 when nothing traded."""

    spec: ContractSpec
    open_ms: int
    close_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    last_ticks: int
    last_lots: int
    lots: int
    quote_atoms: int
    trades: int
    first_id: int
    last_id: int


class DayStatistics:
    """A rolling 24-hour window of minute bars: running sums, and monotone queues for the extremes."""

    def __init__(self, exchange: MarketSide, spec: ContractSpec) -> None:
        self._spec = spec
        self._bars: deque[KlineRecord] = deque()
        self._highs: deque[KlineRecord] = deque()
        self._lows: deque[KlineRecord] = deque()
        self._lots = self._quote_atoms = self._trades = 0
        self._running: KlineRecord | None = None
        bars = exchange.klines(spec.symbol, MINUTE_MS, None, None, DAY_MS // MINUTE_MS)
        for bar in bars[:-1]:
            self._append(bar)
        if bars:
            self._running = replace(bars[-1])
        recent = exchange.recent_trades(spec.symbol, 1)
        self.last_trade: TradeEvent | None = recent[-1] if recent else None

    def add(self, event: KlineEvent) -> None:
        if self._running is not None and self._running.open_ms != event.bar.open_ms:
            self._append(self._running)
        self._running = None if event.is_closed else event.bar
        if event.is_closed:
            self._append(event.bar)

    def _append(self, bar: KlineRecord) -> None:
        self._bars.append(bar)
        self._lots += bar.lots
        self._quote_atoms += bar.quote_atoms
        self._trades += bar.trades
        while self._highs and self._highs[-1].high_ticks <= bar.high_ticks:
            self._highs.pop()
        self._highs.append(bar)
        while self._lows and self._lows[-1].low_ticks >= bar.low_ticks:
            self._lows.pop()
        self._lows.append(bar)

    def _drop_before(self, time_ms: int) -> None:
        while self._bars and self._bars[0].open_ms < time_ms:
            bar = self._bars.popleft()
            self._lots -= bar.lots
            self._quote_atoms -= bar.quote_atoms
            self._trades -= bar.trades
            if self._highs[0] is bar:
                self._highs.popleft()
            if self._lows[0] is bar:
                self._lows.popleft()

    def figures(self, now_ms: int) -> DayFigures | None:
        """None before the first bar."""
        self._drop_before(now_ms - DAY_MS)
        running = self._running
        first = self._bars[0] if self._bars else running
        last = running or (self._bars[-1] if self._bars else None)
        if first is None or last is None:
            return None
        parts = [queue[0] for queue in (self._highs,) if queue] + ([running] if running else [])
        lows = [queue[0] for queue in (self._lows,) if queue] + ([running] if running else [])
        trade = self.last_trade
        return DayFigures(
            spec=self._spec,
            open_ms=first.open_ms,
            close_ms=now_ms,
            open_ticks=first.open_ticks,
            high_ticks=max(bar.high_ticks for bar in parts),
            low_ticks=min(bar.low_ticks for bar in lows),
            last_ticks=last.close_ticks,
            last_lots=0 if trade is None else trade.lots,
            lots=self._lots + (running.lots if running else 0),
            quote_atoms=self._quote_atoms + (running.quote_atoms if running else 0),
            trades=self._trades + (running.trades if running else 0),
            first_id=next((bar.first_trade_id for bar in self._all() if bar.first_trade_id >= 0), -1),
            last_id=next((bar.last_trade_id for bar in self._newest() if bar.last_trade_id >= 0), -1),
        )

    def _all(self) -> Iterator[KlineRecord]:
        yield from self._bars
        if self._running is not None:
            yield self._running

    def _newest(self) -> Iterator[KlineRecord]:
        if self._running is not None:
            yield self._running
        yield from reversed(self._bars)


class MarketFeed:
    """Listens to the exchange and answers what REST and the streams ask."""

    def __init__(self, exchange: MarketSide) -> None:
        self._exchange = exchange
        self._days: dict[str, DayStatistics] = {}
        self._aggregates: dict[str, deque[AggregateTrade]] = {}
        self._aggregate_counts: dict[str, int] = {}
        self._marks: dict[str, deque[MarkBar]] = {}
        self._indices: dict[str, deque[MarkBar]] = {}
        for symbol in exchange.contracts():
            for trade in exchange.recent_trades(symbol, AGGREGATES_KEPT):
                self.on_trade(trade)

    # --- taking in ----------------------------------------------------------------------------------

    def on_trade(self, event: TradeEvent) -> AggregateTrade | None:
        """Returns the aggregate that this trade has closed by not belonging to it, if any."""
        symbol = event.spec.symbol
        day = self._days.get(symbol)
        if day is not None:
            day.last_trade = event
        kept = self._aggregates.setdefault(symbol, deque(maxlen=AGGREGATES_KEPT))
        current = kept[-1] if kept else None
        if (
            current is not None
            and current.ticks == event.ticks
            and current.buyer_is_maker == event.buyer_is_maker
            and current.time_ms // AGGREGATION_MS == event.time_ms // AGGREGATION_MS
        ):
            current.lots += event.lots
            current.last_id = event.trade_id
            return None
        aggregate_id = self._aggregate_counts.get(symbol, 0) + 1
        self._aggregate_counts[symbol] = aggregate_id
        kept.append(
            AggregateTrade(
                spec=event.spec,
                aggregate_id=aggregate_id,
                ticks=event.ticks,
                lots=event.lots,
                first_id=event.trade_id,
                last_id=event.trade_id,
                buyer_is_maker=event.buyer_is_maker,
                time_ms=event.time_ms,
            )
        )
        return current

    def on_kline(self, event: KlineEvent) -> None:
        day = self._days.get(event.bar.spec.symbol)
        if day is not None:
            day.add(event)

    def on_mark(self, event: MarkEvent) -> None:
        self._add_point(self._marks, event.spec.symbol, event.time_ms, event.mark_e8)
        self._add_point(self._indices, event.spec.symbol, event.time_ms, event.index_e8)

    @staticmethod
    def _add_point(store: dict[str, deque[MarkBar]], symbol: str, time_ms: int, price_e8: int) -> None:
        bars = store.setdefault(symbol, deque(maxlen=MARK_BARS_KEPT))
        open_ms = time_ms - time_ms % MINUTE_MS
        if bars and bars[-1].open_ms == open_ms:
            bars[-1].add(price_e8)
        else:
            bars.append(MarkBar(open_ms, price_e8, price_e8, price_e8, price_e8))

    # --- answering ----------------------------------------------------------------------------------

    def day(self, symbol: str, now_ms: int | None = None) -> DayFigures | None:
        """Figures of the 24 hours up to `now_ms` (default: market time), None before the first bar."""
        statistics = self._days.get(symbol)
        if statistics is None:
            statistics = DayStatistics(self._exchange, self._exchange.contracts()[symbol])
            self._days[symbol] = statistics
        return statistics.figures(self._exchange.now_ms if now_ms is None else now_ms)

    def last_aggregate(self, symbol: str) -> AggregateTrade | None:
        kept = self._aggregates.get(symbol)
        return kept[-1] if kept else None

    def aggregates(
        self, symbol: str, from_id: int | None, start_ms: int | None, end_ms: int | None, limit: int
    ) -> Sequence[AggregateTrade]:
        """Oldest first: the first `limit` of the span or from `from_id`, without either the newest."""
        kept: deque[AggregateTrade] = self._aggregates.get(symbol, deque())
        if from_id is None and start_ms is None and end_ms is None:
            return list(kept)[-limit:]
        matching = (
            trade
            for trade in kept
            if (from_id is None or trade.aggregate_id >= from_id)
            and (start_ms is None or trade.time_ms >= start_ms)
            and (end_ms is None or trade.time_ms <= end_ms)
        )
        return list(islice(matching, limit))

    def aggregates_after(self, symbol: str, aggregate_id: int) -> list[AggregateTrade]:
        """Aggregates younger than `aggregate_id`, oldest first."""
        found = []
        for trade in reversed(self._aggregates.get(symbol, deque())):
            if trade.aggregate_id <= aggregate_id:
                break
            found.append(trade)
        return found[::-1]

    def mark_bars(self, symbol: str) -> Sequence[MarkBar]:
        """Minutes of the mark price, oldest first; see `_with_past`."""
        return self._with_past(symbol, self._marks.get(symbol, ()))

    def index_bars(self, symbol: str) -> Sequence[MarkBar]:
        """Minutes of the index price, oldest first; see `_with_past`."""
        return self._with_past(symbol, self._indices.get(symbol, ()))

    def _with_past(self, symbol: str, bars: Collection[MarkBar]) -> Sequence[MarkBar]:
        """The bars, and before them those of the trades, which were all there was to be recorded."""
        seen = tuple(bars)
        end_ms = seen[0].open_ms - 1 if seen else None
        missing = MARK_BARS_KEPT - len(seen)
        if missing <= 0:
            return seen
        past = self._exchange.klines(symbol, MINUTE_MS, None, end_ms, missing)
        unit = self._exchange.contracts()[symbol].price_atoms_per_tick
        return (
            *(
                MarkBar(
                    bar.open_ms,
                    bar.open_ticks * unit,
                    bar.high_ticks * unit,
                    bar.low_ticks * unit,
                    bar.close_ticks * unit,
                )
                for bar in past
            ),
            *seen,
        )
