"""One publisher per stream that somebody listens to: it collects events and says when to speak.

Throttles run in market time. A throttled publisher asks to be flushed at the next multiple of its
period; what happened exactly at that instant belongs to the period after it.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from aster_operator.simulator.api import BookView
from aster_operator.simulator.model import (
    BookEvent,
    ContractSpec,
    ExchangeEvent,
    ForceOrderEvent,
    KlineEvent,
    KlineRecord,
    TradeEvent,
)
from aster_operator.simulator.server import stream_payloads
from aster_operator.simulator.server.bars import RunningBar
from aster_operator.simulator.server.market_feed import AggregateTrade, MarketFeed
from aster_operator.simulator.server.market_side import MarketSide
from aster_operator.simulator.server.number_text import symbol_text
from aster_operator.simulator.server.render import update_id
from aster_operator.simulator.server.stream_names import StreamName

__all__ = ["Publisher", "make_publisher"]


class Publisher:
    """Base of all. `take` gets the events named in `events`; `flush` speaks."""

    events: ClassVar[tuple[type, ...]] = ()
    levels = 0
    """Book levels this publisher reads at every change."""
    is_periodic = False
    """Speaks every period, changed or not; after a jump in time once, for the period just ended."""

    def __init__(
        self,
        name: StreamName,
        exchange: MarketSide,
        market: MarketFeed,
        publish: Callable[[str, Any], None],
        schedule: "Callable[[Publisher], None]",
    ) -> None:
        self.name = name
        self.exchange = exchange
        self.market = market
        self.symbols = [name.symbol] if name.symbol is not None else list(exchange.contracts())
        self.is_scheduled = False
        self._publish = publish
        self._schedule = schedule

    def publish(self, payload: Any) -> None:
        self._publish(self.name.text, payload)

    def wake(self) -> None:
        """Ask for a flush at the end of the current period."""
        if not self.is_scheduled:
            self._schedule(self)

    def joined(self) -> None:
        """Somebody has subscribed: a stream of pictures shows the current one at its next turn."""

    def list_symbol(self, symbol: str) -> None:
        """A symbol has been listed; told to the streams of all symbols only."""
        self.symbols.append(symbol)

    def take(self, event: ExchangeEvent) -> None: ...

    def picture(self, book: BookView) -> None:
        """The book after a change, for publishers with `levels`, called after `take`."""

    def flush(self, time_ms: int) -> None: ...


class AggregateTrades(Publisher):
    events = (TradeEvent,)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._published = max(
            (trade.aggregate_id for trade in map(self._last, self.symbols) if trade), default=0
        )

    def _last(self, symbol: str) -> AggregateTrade | None:
        return self.market.last_aggregate(symbol)

    def take(self, event: ExchangeEvent) -> None:
        if isinstance(event, TradeEvent):
            self.wake()

    def flush(self, time_ms: int) -> None:
        for symbol in self.symbols:
            for trade in self.market.aggregates_after(symbol, self._published):
                self._published = trade.aggregate_id
                self.publish(stream_payloads.aggregate_trade(trade, time_ms))


class MarkPrices(Publisher):
    """Every period, whether or not the price has moved, as the venue does."""

    is_periodic = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.wake()

    def flush(self, time_ms: int) -> None:
        marks = [self.exchange.mark(symbol) for symbol in self.symbols]
        payloads = [stream_payloads.mark_price(mark, time_ms) for mark in marks]
        self.publish(payloads if self.name.symbol is None else payloads[0])
        self.wake()


class Klines(Publisher):
    """Updates at most every period; a finished bar at once."""

    events = (KlineEvent,)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._running = RunningBar(self.exchange, self.symbols[0], self.name.detail)

    def joined(self) -> None:
        self.wake()

    def take(self, event: ExchangeEvent) -> None:
        if not isinstance(event, KlineEvent):
            return
        finished = self._running.add(event)
        if finished is not None:
            self._speak(finished, True, event.time_ms)
        else:
            self.wake()

    def flush(self, time_ms: int) -> None:
        bar = self._running.current()
        if bar is not None and bar.open_ms <= time_ms <= bar.close_ms:
            self._speak(bar, False, time_ms)

    def _speak(self, bar: KlineRecord, is_closed: bool, time_ms: int) -> None:
        self.publish(stream_payloads.kline(bar, self.name.detail, is_closed, time_ms))


class Tickers(Publisher):
    """Rolling 24-hour figures, of one symbol or of all that have changed."""

    events = (KlineEvent,)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._changed: dict[str, None] = {}
        self._render = (
            stream_payloads.mini_ticker if self.name.kind == "miniTicker" else stream_payloads.ticker
        )
        for symbol in self.symbols:
            # The statistics of a symbol begin when they are first asked for.
            self.market.day(symbol)

    def list_symbol(self, symbol: str) -> None:
        super().list_symbol(symbol)
        self.market.day(symbol)

    def joined(self) -> None:
        self._changed.update(dict.fromkeys(self.symbols))
        self.wake()

    def take(self, event: ExchangeEvent) -> None:
        if isinstance(event, KlineEvent):
            self._changed[event.bar.spec.symbol] = None
            self.wake()

    def flush(self, time_ms: int) -> None:
        figures = [self.market.day(symbol, time_ms) for symbol in self._changed]
        payloads = [self._render(each, time_ms) for each in figures if each is not None]
        self._changed.clear()
        if not payloads:
            return
        self.publish(payloads if self.name.symbol is None else payloads[0])


class BookTickers(Publisher):
    events = (BookEvent,)
    levels = 1

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._best_changed = False

    def take(self, event: ExchangeEvent) -> None:
        self._best_changed = isinstance(event, BookEvent) and event.best_changed

    def picture(self, book: BookView) -> None:
        if self._best_changed:
            self.publish(stream_payloads.book_ticker(book, book.time_ms))


class PartialDepth(Publisher):
    """A complete picture of the best levels, at most every period."""

    events = (BookEvent,)
    levels = 20

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._book: BookView = self.exchange.book(self.symbols[0], self.levels)
        self._previous_id = update_id(self._book.update_id)

    def joined(self) -> None:
        self.wake()

    def picture(self, book: BookView) -> None:
        self._book = book
        self.wake()

    def flush(self, time_ms: int) -> None:
        book, shown = self._book, int(self.name.detail)
        text = symbol_text(book.spec)
        last_id = update_id(book.update_id)
        self.publish(
            stream_payloads.depth_update(
                book.spec.symbol,
                time_ms,
                book.time_ms,
                min(self._previous_id, last_id),
                last_id,
                text.levels(book.bids[:shown]),
                text.levels(book.asks[:shown]),
            )
        )
        self._previous_id = last_id


class DepthChanges(Publisher):
    """Levels changed since the last frame of this stream and speed, with absolute quantities."""

    events = (BookEvent,)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        book = self.exchange.book(self.symbols[0], 1)
        self._spec: ContractSpec = book.spec
        self._previous_id = self._last_id = update_id(book.update_id)
        self._transaction_ms = book.time_ms
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def take(self, event: ExchangeEvent) -> None:
        if isinstance(event, BookEvent):
            self._bids.update(event.bids)
            self._asks.update(event.asks)
            self._last_id = update_id(event.update_id)
            self._transaction_ms = event.time_ms
            self.wake()

    def flush(self, time_ms: int) -> None:
        text = symbol_text(self._spec)
        self.publish(
            stream_payloads.depth_update(
                self._spec.symbol,
                time_ms,
                self._transaction_ms,
                self._previous_id,
                self._last_id,
                text.levels(sorted(self._bids.items(), reverse=True)),
                text.levels(sorted(self._asks.items())),
            )
        )
        self._previous_id = self._last_id
        self._bids.clear()
        self._asks.clear()


class ForceOrders(Publisher):
    """The latest liquidation order of each symbol, at most every second."""

    events = (ForceOrderEvent,)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._latest: dict[str, ForceOrderEvent] = {}

    def take(self, event: ExchangeEvent) -> None:
        if isinstance(event, ForceOrderEvent):
            self._latest[event.order.symbol] = event
            self.wake()

    def flush(self, time_ms: int) -> None:
        for event in self._latest.values():
            self.publish(stream_payloads.force_order(event, time_ms))
        self._latest.clear()


class SingleTrades(Publisher):
    """Every trade by itself, in real time."""

    events = (TradeEvent,)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._render = _TRADE_PAYLOADS[self.name.kind]

    def take(self, event: ExchangeEvent) -> None:
        if isinstance(event, TradeEvent):
            self.publish(self._render(event))


_TRADE_PAYLOADS: dict[str, Callable[[TradeEvent], dict[str, Any]]] = {
    "trade": stream_payloads.trade,
    "spotAggTrade": stream_payloads.spot_aggregate_trade,
    "tradepro": stream_payloads.trade_with_parties,
}
_KINDS: dict[str, type[Publisher]] = {
    **dict.fromkeys(_TRADE_PAYLOADS, SingleTrades),
    "aggTrade": AggregateTrades,
    "markPrice": MarkPrices,
    "kline": Klines,
    "miniTicker": Tickers,
    "ticker": Tickers,
    "bookTicker": BookTickers,
    "forceOrder": ForceOrders,
}


def make_publisher(
    name: StreamName,
    exchange: MarketSide,
    market: MarketFeed,
    publish: Callable[[str, Any], None],
    schedule: Callable[[Publisher], None],
) -> Publisher:
    """The publisher of a parsed stream name."""
    if name.kind == "depth":
        kind: type[Publisher] = PartialDepth if name.detail else DepthChanges
    else:
        kind = _KINDS[name.kind]
    return kind(name, exchange, market, publish, schedule)
