"""Events of the exchange to the streams that carry them, synchronously and in order."""

from heapq import heappop, heappush

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
from aster_operator.simulator.server.publishers import Publisher, make_publisher
from aster_operator.simulator.server.stream_names import parse_stream
from aster_operator.simulator.server.subscriptions import Subscriptions

__all__ = ["StreamHub"]


class StreamHub:
    """Everything an engine call causes has been handed to its subscribers when the call returns.

    `on_time` must be called after every advance of market time, so that periods without an event end too.
    """

    def __init__(
        self, exchange: ExchangeApi, market: MarketFeed, subscriptions: Subscriptions, listen_keys: ListenKeys
    ) -> None:
        self._exchange = exchange
        self._market = market
        self._subscriptions = subscriptions
        self._listen_keys = listen_keys
        self._publishers: dict[str, Publisher] = {}
        self._by_event: dict[tuple[type, str], list[Publisher]] = {}
        self._due: list[tuple[int, str, Publisher]] = []
        subscriptions.on_first = self._open
        subscriptions.on_last = self._close
        subscriptions.on_joined = self._joined
        self._unsubscribe = exchange.subscribe(self.on_event)

    def detach(self) -> None:
        """Stop listening to the exchange."""
        self._unsubscribe()

    # --- subscriptions ------------------------------------------------------------------------------

    def _open(self, text: str) -> None:
        name = parse_stream(text)
        if name is None or (name.symbol is not None and name.symbol not in self._exchange.contracts()):
            return
        publisher = make_publisher(
            name, self._exchange, self._market, self._subscriptions.publish, self._schedule
        )
        self._publishers[text] = publisher
        for kind in publisher.events:
            for symbol in publisher.symbols:
                self._by_event.setdefault((kind, symbol), []).append(publisher)

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
        due_ms = (self._exchange.now_ms // period_ms + 1) * period_ms
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
        """The exchange's listener."""
        if isinstance(event, OrderEvent):
            key = self._heard_key(event.order.account_id)
            if key is not None:
                self._subscriptions.publish(key, user_payloads.order_update(event))
        elif isinstance(event, AccountEvent):
            key = self._heard_key(event.account_id)
            if key is not None:
                self._subscriptions.publish(key, user_payloads.account_update(event))
        elif isinstance(event, ConfigEvent):
            self._on_config(event)
        elif isinstance(event, MarginCallEvent):
            key = self._heard_key(event.account_id)
            if key is not None:
                self._subscriptions.publish(key, user_payloads.margin_call(event))
        else:
            self._on_market(event)

    def _on_market(self, event: BookEvent | TradeEvent | MarkEvent | KlineEvent | ForceOrderEvent) -> None:
        if self._due and self._due[0][0] <= event.time_ms:
            self.on_time(event.time_ms)
        symbol = _symbol_of(event)
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
            book = self._exchange.book(symbol, levels)
            for publisher in listeners:
                if publisher.levels:
                    publisher.picture(book)

    def _on_config(self, event: ConfigEvent) -> None:
        key = self._heard_key(event.account_id)
        if key is None:
            return
        view = self._exchange.account(event.account_id)
        hedge_mode = view.hedge_mode if event.hedge_mode is None else event.hedge_mode
        multi_assets = view.multi_assets if event.multi_assets is None else event.multi_assets
        self._subscriptions.publish(key, user_payloads.config_update(event, hedge_mode, multi_assets))

    def _heard_key(self, account_id: str) -> str | None:
        """The account's listen key if anybody listens to it: what nobody hears is not written."""
        key = self._listen_keys.current(account_id)
        return key if key is not None and self._subscriptions.has(key) else None

    def expire_keys(self, keys: list[str]) -> None:
        """Tell those who listen to a lapsed key; their sockets stay open and fall silent (section 7.3)."""
        for key in keys:
            self._subscriptions.publish(key, user_payloads.listen_key_expired(self._exchange.now_ms))


def _symbol_of(event: BookEvent | TradeEvent | MarkEvent | KlineEvent | ForceOrderEvent) -> str:
    if isinstance(event, KlineEvent):
        return event.bar.spec.symbol
    if isinstance(event, ForceOrderEvent):
        return event.order.symbol
    return event.spec.symbol
