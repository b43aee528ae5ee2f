"""Aster's spot market as the operator trades it: `SpotMarket` over the client's spot calls and streams."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.enums import OrderType
from aster_operator.domain.events import Feed, FeedStatusChanged
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.fills import Fill
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Quote
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.pairing import spot_symbol, venue_symbol
from aster_operator.domain.positions import SpotBalance
from aster_operator.exchange import parse, parse_spot
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.calls.market import only
from aster_operator.exchange.client_protocol import EventStream, StreamEvent
from aster_operator.exchange.wire.spot import SpotOrderRecord, SpotTradeRecord
from aster_operator.exchange.wire.spot_stream import SpotAccountMessage, SpotOrderMessage

__all__ = ["AsterSpotMarket"]

_SPAN_MS = 7 * DAY_MS - 1
_LONG_SPAN_MS = 182 * DAY_MS
"""Beyond this the venue is asked for the first trade before its weeks are walked."""
_PAGE = 1000
_REMEMBERED_ORDERS = 10_000


class AsterSpotMarket:
    """The spot side of `client`'s account; streams it opens end with the client. Errors as in its calls."""

    def __init__(self, client: AsterClient) -> None:
        self._client = client
        self._calls = client.spot
        self._assets: dict[str, tuple[str, str]] = {}
        self._client_ids: OrderedDict[int, str] = OrderedDict()
        """Client order id by order id: the venue's trade history names only the latter."""
        self._event_ms = 0

    async def instruments(self) -> dict[str, Instrument]:
        info = await self._calls.exchange_info()
        parsed = [parse_spot.spot_instrument(record, "GET spot exchangeInfo") for record in info.symbols]
        found = {each.symbol: each for each in parsed if each is not None}
        self._assets = {
            venue_symbol(symbol): (each.base_asset, each.quote_asset) for symbol, each in found.items()
        }
        return found

    # --- orders ---------------------------------------------------------------------------------------

    async def place_order(self, order: NewOrder) -> OrderReport:
        """A limit or market order. The spot market knows no self-trade prevention and no reduce-only."""
        record = await self._calls.new_order(
            venue_symbol(order.symbol),
            order.side,
            order.order_type,
            quantity=order.quantity,
            price=order.price,
            time_in_force=order.time_in_force if order.order_type is OrderType.LIMIT else None,
            new_client_order_id=order.client_order_id,
        )
        return self._report(record)

    async def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport:
        return self._report(
            await self._calls.cancel(venue_symbol(symbol), orig_client_order_id=client_order_id)
        )

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport:
        return self._report(
            await self._calls.get_order(venue_symbol(symbol), orig_client_order_id=client_order_id)
        )

    async def open_orders(self, symbol: str) -> list[OrderReport]:
        return [self._report(record) for record in await self._calls.open_orders(venue_symbol(symbol))]

    def _report(self, record: SpotOrderRecord) -> OrderReport:
        self._remember(record)
        return parse_spot.spot_order(record, "spot order")

    def _remember(self, record: SpotOrderRecord) -> None:
        self._client_ids[record.order_id] = record.client_order_id
        if len(self._client_ids) > _REMEMBERED_ORDERS:
            self._client_ids.popitem(last=False)

    # --- account --------------------------------------------------------------------------------------

    async def balances(self) -> list[SpotBalance]:
        account = await self._calls.account()
        return [parse_spot.spot_balance(row, "GET spot account") for row in account.balances]

    async def fee_rates(self, symbol: str) -> FeeRates:
        rates = parse.fee_rates(
            await self._calls.commission_rate(venue_symbol(symbol)), "GET spot commissionRate"
        )
        return FeeRates(symbol=symbol, maker=rates.maker, taker=rates.taker)

    async def fills(self, symbol: str, start_ms: int, end_ms: int | None = None) -> list[Fill]:
        """All own trades of the span, oldest first, every page fetched, no duplicates."""
        last_ms = await self._client.market_time_ms() if end_ms is None else end_ms
        name, found = venue_symbol(symbol), dict[int, SpotTradeRecord]()
        first = start_ms
        if last_ms - start_ms > _LONG_SPAN_MS:
            oldest = await self._calls.user_trades(name, from_id=1, limit=1)
            first = max(start_ms, oldest[0].time) if oldest else last_ms + 1
        while first <= last_ms:
            last = min(first + _SPAN_MS, last_ms)
            page = await self._calls.user_trades(name, start_ms=first, end_ms=last, limit=_PAGE)
            found.update((record.id, record) for record in page)
            while len(page) == _PAGE and page[-1].time <= last:
                page = await self._calls.user_trades(name, from_id=page[-1].id + 1, limit=_PAGE)
                found.update((record.id, record) for record in page if record.time <= last)
            first = last + 1
        await self._learn_client_ids(name, {record.order_id for record in found.values()})
        return [
            parse_spot.spot_fill(
                found[key], self._client_ids.get(found[key].order_id, ""), "GET spot userTrades"
            )
            for key in sorted(found)
        ]

    async def _learn_client_ids(self, symbol: str, order_ids: set[int]) -> None:
        missing = order_ids - self._client_ids.keys()
        while missing:
            page = await self._calls.all_orders(symbol, order_id=min(missing), limit=_PAGE)
            for record in page:
                self._remember(record)
            reached = page[-1].order_id if page else max(missing)
            missing = {number for number in missing if number > reached and number not in self._client_ids}

    # --- market and streams ---------------------------------------------------------------------------

    async def quote(self, symbol: str) -> Quote:
        record = only(await self._calls.book_ticker(venue_symbol(symbol)), venue_symbol(symbol), "spot quote")
        quote = parse.quote(record, self._client.clock.now_ns(), "GET spot bookTicker")
        return Quote(
            symbol=spot_symbol(quote.symbol),
            bid=quote.bid,
            bid_quantity=quote.bid_quantity,
            ask=quote.ask,
            ask_quantity=quote.ask_quantity,
            event_ms=quote.event_ms,
            received_ns=quote.received_ns,
        )

    async def open_market_stream(
        self, symbols: Sequence[str], on_event: Callable[[StreamEvent], None]
    ) -> EventStream:
        return await self._client.open_spot_quote_stream(symbols, on_event)

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> EventStream:
        if not self._assets:
            await self.instruments()

        def on_message(message: SpotOrderMessage | SpotAccountMessage) -> None:
            received_ns, name = self._client.clock.now_ns(), "spot user stream"
            self._event_ms = max(self._event_ms, message.event_ms)
            if isinstance(message, SpotAccountMessage):
                on_event(parse_spot.balances_changed(message, received_ns, name))
            else:
                assets = self._assets.get(message.symbol, ("", ""))
                on_event(parse_spot.order_changed(message, assets, received_ns, name))

        def on_status(healthy: bool, detail: str) -> None:
            on_event(
                FeedStatusChanged(
                    event_ms=self._event_ms,
                    received_ns=self._client.clock.now_ns(),
                    feed=Feed.USER,
                    healthy=healthy,
                    detail=f"spot: {detail}" if detail else detail,
                )
            )

        return await self._client.open_spot_user_stream(on_message, on_status)
