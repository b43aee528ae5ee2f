"""Events of the exchange to the streams that carry them, synchronously and in order."""

from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Any

from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.model import (
    AccountEvent,
    BookEvent,
    ConfigEvent,
    ExchangeEvent,
    ForceOrderEvent,
    KlineEvent,
    MarginCallEvent,
    MarkEvent,
    OrderEvent,
    TradeEvent,
)
from aster_operator.simulator.server import user_payloads
from aster_operator.simulator.server.listen_keys import ListenKeys
from aster_operator.simulator.server.market_feed import MarketFeed
from aster_operator.simulator.server.market_side import MarketSide
from aster_operator.simulator.server.publishers import Publisher, make_publisher
from aster_operator.simulator.server.stream_names import StreamName, parse_stream
from aster_operator.simulator.server.subscriptions import Subscriptions

__all__ = ["MarketHub", "StreamHub"]

MarketEvent = BookEvent | TradeEvent | MarkEvent | KlineEvent | ForceOrderEvent


class MarketHub:
    """The market streams of one product.

    Everything an engine call causes has been handed to its subscribers when the call returns. A symbol
    listed later joins the streams of all symbols, and streams somebody already waits for begin. `on_time`
    must be called after every advance of market time, so that periods without an event end too.
    """

    def __init__(
        self,
        side: MarketSide,
        market: MarketFeed,
        subscriptions: Subscriptions,
        listen_keys: ListenKeys,
        parse: Callable[[str], StreamName | None],
    ) -> None:
        self._side = side
        self._market = market
        self._subscriptions = subscriptions
        self._listen_keys = listen_keys
        self._parse = parse
        self._symbols = set(side.contracts())
        self._publishers: dict[str, Publisher] = {}
        self._by_event: dict[tuple[type, str], list[Publisher]] = {}
        self._due: list[tuple[int, str, Publisher]] = []
        subscriptions.on_first = self._open
        subscriptions.on_last = self._close
        subscriptions.on_joined = self._joined
        self._unsubscribe = side.subscribe(self.on_event)

    def detach(self) -> None:
        """Stop listening to the exchange."""
        self._unsubscribe()

    # --- subscriptions ------------------------------------------------------------------------------

    def _open(self, text: str) -> None:
        name = self._parse(text)
        if name is None or (name.symbol is not None and name.symbol not in self._side.contracts()):
            return
        publisher = make_publisher(
            name, self._side, self._market, self._subscriptions.publish, self._schedule
        )
        self._publishers[text] = publisher
        for kind in publisher.events:
            for symbol in publisher.symbols:
                self._by_event.setdefault((kind, symbol), []).append(publisher)

    def _list(self, symbol: str) -> None:
        self._symbols.add(symbol)
        for publisher in self._publishers.values():
            if publisher.name.symbol is None:
                publisher.list_symbol(symbol)
                for kind in publisher.events:
                    self._by_event.setdefault((kind, symbol), []).append(publisher)
        for text in self._subscriptions.names():
            if text not in self._publishers:
                self._open(text)

    def _close(self, text: str) -> None:
        publisher = self._publishers.pop(text, None)
        if publisher is None:
            return
        for kind in publisher.events:
            for symbol in publisher.symbols:
                self._by_event[kind, symbol].remove(publisher)
        self._due = sorted(entry for entry in self._due if entry[2] is not publisher)

    def _joined(self, text: str) -> None:
        publisher = self._publishers.get(text)
        if publisher is not None:
            publisher.joined()

    # --- time ---------------------------------------------------------------------------------------

    def _schedule(self, publisher: Publisher) -> None:
        period_ms = publisher.name.period_ms
        due_ms = (self._side.now_ms // period_ms + 1) * period_ms
        publisher.is_scheduled = True
        heappush(self._due, (due_ms, publisher.name.text, publisher))

    def on_time(self, time_ms: int) -> None:
        """End every period that is over at market time `time_ms`."""
        while self._due and self._due[0][0] <= time_ms:
            due_ms, _, publisher = heappop(self._due)
            publisher.is_scheduled = False
            if publisher.is_periodic:
                due_ms = time_ms - time_ms % publisher.name.period_ms
            publisher.flush(due_ms)

    # --- events -------------------------------------------------------------------------------------

    def on_event(self, event: ExchangeEvent) -> None:
        """The listener of the side."""
        raise NotImplementedError

    def _on_market(self, event: MarketEvent) -> None:
        if self._due and self._due[0][0] <= event.time_ms:
            self.on_time(event.time_ms)
        symbol = _symbol_of(event)
        if symbol not in self._symbols:
            self._list(symbol)
        if isinstance(event, TradeEvent):
            self._market.on_trade(event)
        elif isinstance(event, KlineEvent):
            self._market.on_kline(event)
        elif isinstance(event, MarkEvent):
            self._market.on_mark(event)
        listeners = self._by_event.get((type(event), symbol), ())
        levels = 0
        for publisher in listeners:
            publisher.take(event)
            levels = max(levels, publisher.levels)
        if levels:
            book = self._side.book(symbol, levels)
            for publisher in listeners:
                if publisher.levels:
                    publisher.picture(book)

    def _heard_key(self, account_id: str) -> str | None:
        """The account's listen key if anybody listens to it: what nobody hears is not written."""
        key = self._listen_keys.current(account_id)
        return key if key is not None and self._subscriptions.has(key) else None

    def _tell(self, account_id: str, payload: Callable[[], Any]) -> None:
        key = self._heard_key(account_id)
        if key is not None:
            self._subscriptions.publish(key, payload())

    def expire_keys(self, keys: list[str]) -> None:
        """Tell those who listen to a lapsed key; their sockets stay open and fall silent (section 7.3)."""
        for key in keys:
            self._subscriptions.publish(key, user_payloads.listen_key_expired(self._side.now_ms))


class StreamHub(MarketHub):
    """The streams of the perpetuals, and their user events."""

    def __init__(
        self, exchange: ExchangeApi, market: MarketFeed, subscriptions: Subscriptions, listen_keys: ListenKeys
    ) -> None:
        self._exchange = exchange
        super().__init__(exchange, market, subscriptions, listen_keys, parse_stream)

    def on_event(self, event: ExchangeEvent) -> None:
        """The exchange's listener."""
        if isinstance(event, OrderEvent):
            self._tell(event.order.account_id, partial(user_payloads.order_update, event))
        elif isinstance(event, AccountEvent):
            self._tell(event.account_id, partial(user_payloads.account_update, event))
        elif isinstance(event, ConfigEvent):
            self._on_config(event)
        elif isinstance(event, MarginCallEvent):
            self._tell(event.account_id, partial(user_payloads.margin_call, event))
        else:
            self._on_market(event)

    def _on_config(self, event: ConfigEvent) -> None:
        key = self._heard_key(event.account_id)
        if key is None:
            return
        view = self._exchange.account(event.account_id)
        hedge_mode = view.hedge_mode if event.hedge_mode is None else event.hedge_mode
        multi_assets = view.multi_assets if event.multi_assets is None else event.multi_assets
        self._subscriptions.publish(key, user_payloads.config_update(event, hedge_mode, multi_assets))


def _symbol_of(event: MarketEvent) -> str:
    if isinstance(event, KlineEvent):
        return event.bar.spec.symbol
    if isinstance(event, ForceOrderEvent):
        return event.order.symbol
    return event.spec.symbol
