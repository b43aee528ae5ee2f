"""What a futures trader needs of the spot market (protocol reference, sections 1.1 and 11.4).

Same schemes and errors as the futures calls, on `/api` paths and the spot host; its limits are its own.
"""

from decimal import Decimal
from typing import Final

from aster_operator.domain.enums import OrderType, Side, TimeInForce
from aster_operator.exchange.calls.base import Calls
from aster_operator.exchange.calls.order_parameters import identity
from aster_operator.exchange.endpoint import Endpoint, Product, Security, read
from aster_operator.exchange.rate_limits import Priority
from aster_operator.exchange.rest import RestSession
from aster_operator.exchange.signing.parameters import Parameters
from aster_operator.exchange.wire.account import TransferRecord
from aster_operator.exchange.wire.market import BookTickerRecord, DepthRecord, ExchangeInfoRecord, KlineRecord
from aster_operator.exchange.wire.records import Acknowledged
from aster_operator.exchange.wire.spot import SpotAccountRecord, SpotOrderRecord, SpotTradeRecord

__all__ = ["SpotCalls"]

_SIGNED = Security.SIGNED
_SPOT = Product.SPOT
EXCHANGE_INFO: Final = read("exchangeInfo", Security.NONE, product=_SPOT)
DEPTH: Final = read("depth", Security.NONE, 10, product=_SPOT)
KLINES: Final = read("klines", Security.NONE, 5, product=_SPOT)
BOOK_TICKER: Final = read("ticker/bookTicker", Security.NONE, product=_SPOT)
ACCOUNT: Final = read("account", _SIGNED, 5, product=_SPOT)
QUERY_ORDER: Final = read("order", _SIGNED, product=_SPOT)
OPEN_ORDERS: Final = read("openOrders", _SIGNED, product=_SPOT)
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


class SpotCalls(Calls):
    """The spot market of the same account: `AsterClient.spot`."""

    def __init__(self, rest: RestSession) -> None:
        self._rest = rest

    async def exchange_info(self) -> ExchangeInfoRecord:
        """Return limits and all spot symbols with their filters. Weight 1. Section 5.1."""
        return await self._rest.call(EXCHANGE_INFO, {}, ExchangeInfoRecord)

    async def depth(self, symbol: str, limit: int | None = None) -> DepthRecord:
        """Return the order book, best first. Weight 2 to 20 by limit. Section 6.3."""
        return await self._rest.call(DEPTH, {"symbol": symbol, "limit": limit}, DepthRecord)

    async def klines(
        self,
        symbol: str,
        interval: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[KlineRecord]:
        """Return klines, oldest first; the newest may be running. Weight 5. Section 4.1."""
        parameters: Parameters = {
            "symbol": symbol,
            "interval": interval,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._rest.call(KLINES, parameters, list[KlineRecord])

    async def book_ticker(self, symbol: str | None = None) -> list[BookTickerRecord]:
        """Return best bids and asks. Weight 1 with a symbol, 2 without. Section 4.1."""
        answer: BookTickerRecord | list[BookTickerRecord] = await self._rest.call(
            BOOK_TICKER, {"symbol": symbol}, BookTickerRecord | list[BookTickerRecord]
        )
        return answer if isinstance(answer, list) else [answer]

    async def account(self) -> SpotAccountRecord:
        """Return the spot balances, free and locked. Weight 5. Section 11.4."""
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

        Raises FilterViolation, InsufficientMargin, OrderRejected, UnknownOutcome. Weight 1, one order.
        Section 11.4.
        """
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
        """Return one order in any state. Raises OrderNotFound (-2013). Weight 1. Section 11.4."""
        parameters: Parameters = {"symbol": symbol, **identity(order_id, orig_client_order_id)}
        return await self._rest.call(QUERY_ORDER, parameters, SpotOrderRecord)

    async def cancel(
        self, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> SpotOrderRecord:
        """Cancel one order. Raises OrderNotFound (-2011), UnknownOutcome. Weight 1. Section 11.4."""
        parameters: Parameters = {"symbol": symbol, **identity(order_id, orig_client_order_id)}
        return await self._rest.call(
            CANCEL_ORDER, parameters, SpotOrderRecord, client_order_id=orig_client_order_id
        )

    async def cancel_open_orders(self, symbol: str) -> Acknowledged:
        """Cancel all open orders of a symbol. Weight 1. Section 11.4."""
        return await self._rest.call(CANCEL_ALL, {"symbol": symbol}, Acknowledged)

    async def open_orders(self, symbol: str | None = None) -> list[SpotOrderRecord]:
        """Return the open orders of a symbol (weight 1) or of all (weight 40). Section 11.4."""
        return await self._rest.call(
            OPEN_ORDERS, {"symbol": symbol}, list[SpotOrderRecord], weight=40 if symbol is None else 1
        )

    async def user_trades(
        self,
        symbol: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        from_id: int | None = None,
        limit: int | None = None,
    ) -> list[SpotTradeRecord]:
        """Return own trades, oldest first; `from_id` excludes times. Weight 5. Section 11.4."""
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

        Raises UnknownOutcome without a clear answer. Weight 5. Section 4.6.
        """
        parameters: Parameters = {
            "asset": asset,
            "amount": amount,
            "clientTranId": client_tran_id,
            "kindType": "SPOT_FUTURE" if to_futures else "FUTURE_SPOT",
        }
        return await self._rest.call(TRANSFER, parameters, TransferRecord, client_order_id=client_tran_id)
