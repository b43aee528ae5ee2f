"""What a futures trader needs of the spot market (protocol reference, sections 1.1 and 11.4).

Same schemes and errors as the futures calls, on `/api` paths and the spot host; its limits are its own.
"""

from decimal import Decimal
from typing import Final

from aster_operator.domain.enums import OrderType, Side, TimeInForce
from aster_operator.exchange.calls.base import Calls
from aster_operator.exchange.calls.market import depth_weight, kline_weight
from aster_operator.exchange.calls.order_parameters import fresh_order_id, identity
from aster_operator.exchange.endpoint import Endpoint, Method, Product, Security, read
from aster_operator.exchange.rate_limits import Priority
from aster_operator.exchange.rest import RestSession
from aster_operator.exchange.signing.parameters import Parameters
from aster_operator.exchange.wire.account import CommissionRateRecord, ListenKeyRecord, TransferRecord
from aster_operator.exchange.wire.market import (
    BookTickerRecord,
    DepthRecord,
    ExchangeInfoRecord,
    KlineRecord,
    PriceTickerRecord,
    PublicTradeRecord,
)
from aster_operator.exchange.wire.records import Acknowledged
from aster_operator.exchange.wire.spot import SpotAccountRecord, SpotOrderRecord, SpotTradeRecord

__all__ = ["SpotCalls"]

_SIGNED = Security.SIGNED
_SPOT = Product.SPOT
EXCHANGE_INFO: Final = read("exchangeInfo", Security.NONE, product=_SPOT)
DEPTH: Final = read("depth", Security.NONE, 10, product=_SPOT)
TRADES: Final = read("trades", Security.NONE, product=_SPOT)
KLINES: Final = read("klines", Security.NONE, 5, product=_SPOT)
TICKER_PRICE: Final = read("ticker/price", Security.NONE, product=_SPOT)
BOOK_TICKER: Final = read("ticker/bookTicker", Security.NONE, product=_SPOT)
ACCOUNT: Final = read("account", _SIGNED, 5, product=_SPOT)
QUERY_ORDER: Final = read("order", _SIGNED, product=_SPOT)
OPEN_ORDER: Final = read("openOrder", _SIGNED, product=_SPOT)
OPEN_ORDERS: Final = read("openOrders", _SIGNED, product=_SPOT)
ALL_ORDERS: Final = read("allOrders", _SIGNED, 5, product=_SPOT)
COMMISSION_RATE: Final = read("commissionRate", _SIGNED, 20, product=_SPOT)
MY_TRADES: Final = read("userTrades", _SIGNED, 5, product=_SPOT)
NEW_ORDER: Final = Endpoint(
    method="POST", name="order", security=_SIGNED, orders=1, priority=Priority.ORDER, product=_SPOT
)
CANCEL_ORDER: Final = Endpoint(
    method="DELETE", name="order", security=_SIGNED, priority=Priority.CLOSE, product=_SPOT
)
CANCEL_ALL: Final = Endpoint(
    method="DELETE",
    name="allOpenOrders",
    security=_SIGNED,
    priority=Priority.CLOSE,
    repeatable=True,
    product=_SPOT,
)
TRANSFER: Final = Endpoint(
    method="POST", name="asset/wallet/transfer", security=_SIGNED, weight=5, product=_SPOT
)
NOOP: Final = Endpoint(
    method="POST",
    name="noop",
    security=_SIGNED,
    v1=None,
    repeatable=True,
    priority=Priority.CLOSE,
    product=_SPOT,
)


def _listen_key(method: Method) -> Endpoint:
    return Endpoint(
        method=method, name="listenKey", security=Security.USER_STREAM, repeatable=True, product=_SPOT
    )


NEW_LISTEN_KEY: Final = _listen_key("POST")
KEEP_LISTEN_KEY: Final = _listen_key("PUT")
CLOSE_LISTEN_KEY: Final = _listen_key("DELETE")


class SpotCalls(Calls):
    """The spot market of the same account: `AsterClient.spot`."""

    def __init__(self, rest: RestSession) -> None:
        self._rest = rest

    async def exchange_info(self) -> ExchangeInfoRecord:
        """Return limits and all spot symbols with their filters.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 5.1.
        """
        return await self._rest.call(EXCHANGE_INFO, {}, ExchangeInfoRecord)

    async def depth(self, symbol: str, limit: int | None = None) -> DepthRecord:
        """Return the order book, best first.

        `symbol` as the venue lists it. `limit` rows at most. Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight 2 to 20 by limit. Section 6.3.
        """
        return await self._rest.call(
            DEPTH, {"symbol": symbol, "limit": limit}, DepthRecord, weight=depth_weight(limit)
        )

    async def trades(self, symbol: str, limit: int | None = None) -> list[PublicTradeRecord]:
        """Return the latest public trades, oldest first; `limit` up to 1000 (default 500).

        `symbol` as the venue lists it. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1.
        Section 4.1.
        """
        return await self._rest.call(TRADES, {"symbol": symbol, "limit": limit}, list[PublicTradeRecord])

    async def klines(
        self,
        symbol: str,
        interval: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[KlineRecord]:
        """Return klines, oldest first; the newest may be running.

        `symbol` as the venue lists it. `interval` is one of KLINE_INTERVALS. `start_ms` and `end_ms` bound
        the time (ms UTC, both included). `limit` rows at most. Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight 1 to 10 by limit. Section 4.1.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "interval": interval,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._rest.call(KLINES, parameters, list[KlineRecord], weight=kline_weight(limit))

    async def ticker_price(self, symbol: str | None = None) -> list[PriceTickerRecord]:
        """Return last prices.

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1 with a
        symbol, 2 without. Section 4.1.
        """
        answer: PriceTickerRecord | list[PriceTickerRecord] = await self._rest.call(
            TICKER_PRICE,
            {"symbol": symbol},
            PriceTickerRecord | list[PriceTickerRecord],
            weight=2 if symbol is None else 1,
        )
        return answer if isinstance(answer, list) else [answer]

    async def book_ticker(self, symbol: str | None = None) -> list[BookTickerRecord]:
        """Return best bids and asks.

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1 with a
        symbol, 2 without. Section 4.1.
        """
        answer: BookTickerRecord | list[BookTickerRecord] = await self._rest.call(
            BOOK_TICKER,
            {"symbol": symbol},
            BookTickerRecord | list[BookTickerRecord],
            weight=2 if symbol is None else 1,
        )
        return answer if isinstance(answer, list) else [answer]

    async def account(self) -> SpotAccountRecord:
        """Return the spot balances, free and locked.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 5. Section 11.4.
        """
        return await self._rest.call(ACCOUNT, {}, SpotAccountRecord)

    async def new_order(
        self,
        symbol: str,
        side: Side,
        order_type: OrderType,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        price: Decimal | None = None,
        time_in_force: TimeInForce | None = None,
        stop_price: Decimal | None = None,
        new_client_order_id: str | None = None,
    ) -> SpotOrderRecord:
        """Place a spot order; a market buy may name `quote_quantity` instead of `quantity`.

        `symbol` as the venue lists it. `side` is BUY or SELL. `order_type` is LIMIT, MARKET or one with a
        trigger. `price` is in units of the quote asset. `time_in_force` is how long it rests. `stop_price` is
        the trigger. `new_client_order_id` is a name of your own; without one it gets one. Raises
        FilterViolation, InsufficientMargin, OrderRejected, UnknownOutcome. Weight 1, one order. Section 11.4.
        """
        new_client_order_id = new_client_order_id or fresh_order_id()
        parameters: Parameters = {
            "symbol": symbol,
            "side": side,
            "type": order_type,
            "timeInForce": time_in_force,
            "quantity": quantity,
            "quoteOrderQty": quote_quantity,
            "price": price,
            "stopPrice": stop_price,
            "newClientOrderId": new_client_order_id,
            "newOrderRespType": "RESULT",
        }
        return await self._rest.call(
            NEW_ORDER, parameters, SpotOrderRecord, client_order_id=new_client_order_id
        )

    async def get_order(
        self, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> SpotOrderRecord:
        """Return one order in any state.

        `symbol` as the venue lists it. The order is named by `order_id` or `orig_client_order_id`. Raises
        OrderNotFound (-2013). Weight 1. Section 11.4.
        """
        parameters: Parameters = {"symbol": symbol, **identity(order_id, orig_client_order_id)}
        return await self._rest.call(QUERY_ORDER, parameters, SpotOrderRecord)

    async def cancel(
        self, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> SpotOrderRecord:
        """Cancel one order.

        `symbol` as the venue lists it. The order is named by `order_id` or `orig_client_order_id`. Raises
        OrderNotFound (-2011), UnknownOutcome. Weight 1. Section 11.4.
        """
        parameters: Parameters = {"symbol": symbol, **identity(order_id, orig_client_order_id)}
        return await self._rest.call(
            CANCEL_ORDER, parameters, SpotOrderRecord, client_order_id=orig_client_order_id
        )

    async def cancel_open_orders(self, symbol: str) -> Acknowledged:
        """Cancel all open orders of a symbol.

        `symbol` as the venue lists it. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1.
        Section 11.4.
        """
        return await self._rest.call(CANCEL_ALL, {"symbol": symbol}, Acknowledged)

    async def open_order(
        self, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> SpotOrderRecord:
        """Return one order if it is open.

        `symbol` as the venue lists it. The order is named by `order_id` or `orig_client_order_id`. Raises
        OrderNotFound otherwise. Weight 1. Section 11.4.
        """
        parameters: Parameters = {"symbol": symbol, **identity(order_id, orig_client_order_id)}
        return await self._rest.call(OPEN_ORDER, parameters, SpotOrderRecord)

    async def open_orders(self, symbol: str | None = None) -> list[SpotOrderRecord]:
        """Return the open orders of a symbol (weight 1) or of all (weight 40).

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Section 11.4.
        """
        return await self._rest.call(
            OPEN_ORDERS, {"symbol": symbol}, list[SpotOrderRecord], weight=40 if symbol is None else 1
        )

    async def all_orders(
        self,
        symbol: str,
        *,
        order_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[SpotOrderRecord]:
        """Return orders of any state from `order_id` on, or of a span below 7 days (default the last 7).

        `limit` up to 1000 (default 500). `symbol` as the venue lists it. `start_ms` and `end_ms` bound the
        time (ms UTC, both included). Raises RequestRefused, TransportFailed, MalformedResponse. Weight 5.
        Section 11.4.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "orderId": order_id,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._rest.call(ALL_ORDERS, parameters, list[SpotOrderRecord])

    async def commission_rate(self, symbol: str) -> CommissionRateRecord:
        """Return the account's spot fees as fractions of notional.

        `symbol` as the venue lists it. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 20.
        Section 11.4.
        """
        return await self._rest.call(COMMISSION_RATE, {"symbol": symbol}, CommissionRateRecord)

    async def noop(self, nonce_us: int) -> Acknowledged:
        """Take the nonce of a spot request that may still be in flight, so that it is refused if it arrives.

        Best effort: query the order afterwards. `nonce_us` is the nonce the request was signed with (us). V3.
        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.4.
        """
        self._rest.kill_nonce(nonce_us)
        return await self._rest.call(NOOP, {}, Acknowledged, nonce_us=nonce_us)

    async def new_listen_key(self) -> str:
        """Return the spot listen key, made or extended to 60 minutes.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.7.
        """
        record: ListenKeyRecord = await self._rest.call(NEW_LISTEN_KEY, {}, ListenKeyRecord)
        return record.listen_key

    async def keep_listen_key(self, listen_key: str) -> None:
        """Extend the listen key by 60 minutes.

        `listen_key` is from `new_listen_key`. Raises ListenKeyUnknown (-1125). Weight 1. Section 4.7.
        """
        await self._rest.call(KEEP_LISTEN_KEY, {"listenKey": listen_key}, dict[str, object])

    async def close_listen_key(self, listen_key: str) -> None:
        """End the listen key.

        `listen_key` is from `new_listen_key`. Raises RequestRefused, TransportFailed, MalformedResponse.
        Weight 1. Section 4.7.
        """
        await self._rest.call(CLOSE_LISTEN_KEY, {"listenKey": listen_key}, dict[str, object])

    async def user_trades(
        self,
        symbol: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        from_id: int | None = None,
        limit: int | None = None,
    ) -> list[SpotTradeRecord]:
        """Return own trades, oldest first; `from_id` excludes times.

        `symbol` as the venue lists it. `start_ms` and `end_ms` bound the time (ms UTC, both included).
        `limit` rows at most. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 5. Section
        11.4.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "startTime": start_ms,
            "endTime": end_ms,
            "fromId": from_id,
            "limit": limit,
        }
        return await self._rest.call(MY_TRADES, parameters, list[SpotTradeRecord])

    async def transfer(
        self, asset: str, amount: Decimal, *, to_futures: bool, client_tran_id: str
    ) -> TransferRecord:
        """Move money between the wallets; the same `client_tran_id` makes a repeat harmless.

        `asset` such as USDT. `amount` is in units of the asset. `to_futures` False moves to spot. Raises
        UnknownOutcome without a clear answer. Weight 5. Section 4.6.
        """
        parameters: Parameters = {
            "asset": asset,
            "amount": amount,
            "clientTranId": client_tran_id,
            "kindType": "SPOT_FUTURE" if to_futures else "FUTURE_SPOT",
        }
        return await self._rest.call(TRANSFER, parameters, TransferRecord, client_order_id=client_tran_id)
