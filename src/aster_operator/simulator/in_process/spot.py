"""The spot side of the embedded exchange as a `SpotMarket` without a wire."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from aster_operator.domain.clock import Clock
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.events import OrderChanged, QuoteUpdated, SpotBalancesChanged
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.fills import Fill
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Quote
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.pairing import spot_symbol, venue_symbol
from aster_operator.domain.positions import SpotBalance
from aster_operator.exchange.client_protocol import EventStream, StreamEvent
from aster_operator.exchange.errors import refusal_of
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.in_process.client import Subscription, refusals
from aster_operator.simulator.in_process.values import fill_of, money, order_report, request_of
from aster_operator.simulator.model import BookEvent, ExchangeEvent, OrderEvent, SimulatedOrder, TradeRecord
from aster_operator.simulator.spot import SpotExchange
from aster_operator.simulator.spot_books import SpotTradeRecord

__all__ = ["InProcessSpot"]


class InProcessSpot:
    """Raises ValueError for an exchange without a spot side."""

    def __init__(self, exchange: ExchangeApi, account_id: str, clock: Clock) -> None:
        if exchange.spot is None:
            raise ValueError("the exchange has no spot side")
        self._spot: SpotExchange = exchange.spot
        self._account_id = account_id
        self._clock = clock

    async def instruments(self) -> dict[str, Instrument]:
        found = (spec.instrument for spec in self._spot.contracts().values())
        return {
            spot_symbol(each.symbol): replace(each, symbol=spot_symbol(each.symbol), contract_type="SPOT")
            for each in found
        }

    async def place_order(self, order: NewOrder) -> OrderReport:
        request = request_of(
            replace(
                order,
                symbol=venue_symbol(order.symbol),
                position_side=PositionSide.BOTH,
                self_trade_prevention=None,
            )
        )
        with refusals():
            return _report(self._spot.place_order(self._account_id, request))

    async def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport:
        with refusals():
            return _report(
                self._spot.cancel_order(self._account_id, venue_symbol(symbol), None, client_order_id)
            )

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport:
        with refusals():
            return _report(self._spot.order(self._account_id, venue_symbol(symbol), None, client_order_id))

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        with refusals():
            return [
                _report(order) for order in self._spot.open_orders(self._account_id, venue_symbol(symbol))
            ]

    async def fills(self, symbol: str, start_ms: int, end_ms: int | None = None) -> list[Fill]:
        trades = self._spot.trades(self._account_id, venue_symbol(symbol))
        return [
            _fill(trade)
            for trade in trades
            if start_ms <= trade.time_ms and (end_ms is None or trade.time_ms <= end_ms)
        ]

    async def fee_rates(self, symbol: str) -> FeeRates:
        spec = self._spot.contracts()[venue_symbol(symbol)]
        return FeeRates(symbol=symbol, maker=money(spec.maker_fee_e8), taker=money(spec.taker_fee_e8))

    async def quote(self, symbol: str) -> Quote:
        quote = self._quote(venue_symbol(symbol))
        if quote is None:
            raise refusal_of(-1112, "one side of the book is empty", 400, "in process")
        return quote

    async def balances(self) -> list[SpotBalance]:
        return _balances(self._spot, self._account_id)

    async def open_market_stream(
        self, symbols: Sequence[str], on_event: Callable[[StreamEvent], None]
    ) -> EventStream:
        followed = {venue_symbol(symbol) for symbol in symbols}

        def listen(event: ExchangeEvent) -> None:
            if isinstance(event, BookEvent) and event.best_changed and event.spec.symbol in followed:
                quote = self._quote(event.spec.symbol)
                if quote is not None:
                    received_ns = self._clock.now_ns()
                    on_event(QuoteUpdated(event_ms=event.time_ms, received_ns=received_ns, quote=quote))

        return Subscription(self._spot.subscribe(listen))

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> EventStream:
        return _SpotUserStream(self._spot, self._account_id, self._clock, on_event)

    def _quote(self, symbol: str) -> Quote | None:
        book = self._spot.book(symbol, 1)
        if not book.bids or not book.asks:
            return None
        (bid, bid_lots), (ask, ask_lots) = book.bids[0], book.asks[0]
        return Quote(
            symbol=spot_symbol(symbol),
            bid=book.spec.price_of(bid),
            bid_quantity=book.spec.quantity_of(bid_lots),
            ask=book.spec.price_of(ask),
            ask_quantity=book.spec.quantity_of(ask_lots),
            event_ms=book.time_ms,
            received_ns=self._clock.now_ns(),
        )


class _SpotUserStream:
    """Own orders at once, balances after them: an order tells of itself in the middle of a change, so that
    what it moved is told with the next event, or when the stream is fenced."""

    def __init__(
        self, spot: SpotExchange, account_id: str, clock: Clock, on_event: Callable[[StreamEvent], None]
    ) -> None:
        self._spot = spot
        self._account_id = account_id
        self._clock = clock
        self._on_event = on_event
        self._moved_ms: int | None = None
        self._unsubscribe = spot.subscribe(self._listen)

    def _listen(self, event: ExchangeEvent) -> None:
        if not isinstance(event, OrderEvent):
            self._tell_balances()
        elif event.order.account_id == self._account_id:
            self._moved_ms = event.time_ms
            fill = None if event.trade is None else _fill(event.trade)
            received_ns, report = self._clock.now_ns(), _report(event.order)
            self._on_event(
                OrderChanged(event_ms=event.time_ms, received_ns=received_ns, report=report, fill=fill)
            )

    def _tell_balances(self) -> None:
        moved_ms, self._moved_ms = self._moved_ms, None
        if moved_ms is not None:
            balances = tuple(_balances(self._spot, self._account_id))
            received_ns = self._clock.now_ns()
            self._on_event(SpotBalancesChanged(event_ms=moved_ms, received_ns=received_ns, balances=balances))

    async def fence(self) -> None:
        self._tell_balances()

    async def close(self) -> None:
        self._unsubscribe()


def _balances(spot: SpotExchange, account_id: str) -> list[SpotBalance]:
    return [
        SpotBalance(asset=each.asset, free=money(each.free_atoms), locked=money(each.locked_atoms))
        for each in spot.balances(account_id)
    ]


def _report(order: SimulatedOrder) -> OrderReport:
    report = order_report(order)
    return replace(report, symbol=spot_symbol(report.symbol), position_side=PositionSide.LONG)


def _fill(trade: TradeRecord) -> Fill:
    fill = fill_of(trade)
    asset = trade.commission_asset if isinstance(trade, SpotTradeRecord) else fill.commission_asset
    return replace(
        fill, symbol=spot_symbol(fill.symbol), position_side=PositionSide.LONG, commission_asset=asset
    )
