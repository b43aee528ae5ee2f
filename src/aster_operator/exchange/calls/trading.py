"""Orders (protocol reference, sections 4.2 to 4.4).

New orders raise UnknownOutcome when the venue may have acted without saying so; they are never sent twice.
All raise RequestRefused or a subclass for a definite refusal.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Raw

from aster_operator.exchange.calls.base import Calls
from aster_operator.exchange.calls.order_parameters import (
    batch_answer,
    batch_text,
    fresh_order_id,
    identities,
    identity,
    order_parameters,
)
from aster_operator.exchange.endpoint import Endpoint, Security, read
from aster_operator.exchange.rate_limits import Priority
from aster_operator.exchange.signing.parameters import Parameters, ParameterValue
from aster_operator.exchange.wire.orders import BatchRefusal, CountdownRecord, OrderRecord, UserTradeRecord
from aster_operator.exchange.wire.records import Acknowledged

__all__ = ["TradingCalls"]

_SIGNED = Security.SIGNED
NEW_ORDER: Final = Endpoint(method="POST", name="order", security=_SIGNED, orders=1, priority=Priority.ORDER)
TEST_ORDER: Final = Endpoint(method="POST", name="order/test", security=_SIGNED, v3=None, repeatable=True)
MODIFY_ORDER: Final = Endpoint(
    method="PUT", name="order", security=_SIGNED, v1=None, orders=1, priority=Priority.ORDER
)
BATCH_ORDERS: Final = Endpoint(
    method="POST", name="batchOrders", security=_SIGNED, weight=5, orders=5, priority=Priority.ORDER
)
MODIFY_BATCH: Final = Endpoint(
    method="PUT", name="batchOrders", security=_SIGNED, weight=5, v1=None, orders=5, priority=Priority.ORDER
)
QUERY_ORDER: Final = read("order", _SIGNED)
CANCEL_ORDER: Final = Endpoint(method="DELETE", name="order", security=_SIGNED, priority=Priority.CLOSE)
GUARDED_CANCEL: Final = Endpoint(
    method="DELETE", name="guardedCancelOrder", security=_SIGNED, v1=None, priority=Priority.CLOSE
)
CANCEL_ALL: Final = Endpoint(
    method="DELETE", name="allOpenOrders", security=_SIGNED, repeatable=True, priority=Priority.CLOSE
)
CANCEL_BATCH: Final = Endpoint(method="DELETE", name="batchOrders", security=_SIGNED, priority=Priority.CLOSE)
GUARDED_CANCEL_BATCH: Final = Endpoint(
    method="DELETE", name="guardedBatchOrders", security=_SIGNED, v1=None, priority=Priority.CLOSE
)
COUNTDOWN: Final = Endpoint(
    method="POST",
    name="countdownCancelAll",
    security=_SIGNED,
    weight=10,
    repeatable=True,
    priority=Priority.CLOSE,
)
OPEN_ORDER: Final = read("openOrder", _SIGNED)
OPEN_ORDERS: Final = read("openOrders", _SIGNED)
ALL_ORDERS: Final = read("allOrders", _SIGNED, 5)
USER_TRADES: Final = read("userTrades", _SIGNED, 5)
NOOP: Final = Endpoint(
    method="POST", name="noop", security=_SIGNED, v1=None, repeatable=True, priority=Priority.CLOSE
)


class TradingCalls(Calls):
    """Orders and own trades."""

    async def new_order(self, *, reduces: bool = False, **order: ParameterValue) -> OrderRecord:
        """Place an order; keyword arguments as `order_parameters` names them.

        `reduces` lets the request go before others when the order limit is near: say so for closes. With
        `new_order_resp_type="RESULT"` a market order answers with its fill, else as NEW. `order` holds the
        parameters of `order_parameters`; without `new_client_order_id` it gets one. Weight 1, one order.
        Raises FilterViolation, InsufficientMargin, OrderRejected, PositionModeMismatch, UnknownOutcome.
        Sections 4.2 and 4.3.
        """
        client_order_id = str(order.get("new_client_order_id") or fresh_order_id())
        parameters = order_parameters(**(order | {"new_client_order_id": client_order_id}))  # type: ignore[arg-type]
        return await self._rest.call(
            NEW_ORDER,
            parameters,
            OrderRecord,
            client_order_id=client_order_id,
            priority=Priority.CLOSE if reduces else Priority.ORDER,
        )

    async def test_order(self, **order: ParameterValue) -> None:
        """Check an order without placing it. V1 only, undocumented.

        `order` holds the parameters of `order_parameters`. Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight 1. Section 4.4.
        """
        await self._rest.call(TEST_ORDER, order_parameters(**order), dict[str, object])  # type: ignore[arg-type]

    async def modify_order(
        self,
        symbol: str,
        *,
        quantity: Decimal,
        price: Decimal,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
    ) -> OrderRecord:
        """Change price and quantity of a resting LIMIT order; both are required by the venue.

        A refused change leaves the original. `symbol` as the venue lists it. `quantity` is in units of the
        base asset. `price` is in units of the quote asset. The order is named by `order_id` or
        `orig_client_order_id`. V3. Raises RequestRefused, UnknownOutcome. Weight 1, one order. Section 4.4.
        """
        parameters: Parameters = {
            "symbol": symbol,
            **identity(order_id, orig_client_order_id),
            "quantity": quantity,
            "price": price,
        }
        return await self._rest.call(
            MODIFY_ORDER, parameters, OrderRecord, client_order_id=orig_client_order_id
        )

    async def new_batch_orders(
        self, orders: Sequence[Mapping[str, ParameterValue]]
    ) -> list[OrderRecord | BatchRefusal]:
        """Place up to five orders at once; each of `orders` as `order_parameters` returns it.

        They are matched concurrently; the answer keeps their order, refused ones as BatchRefusal. Weight 5,
        one order each. Raises UnknownOutcome for the batch as a whole. Section 4.4.
        """
        return await self._batch(BATCH_ORDERS, orders)

    async def modify_batch_orders(
        self, orders: Sequence[Mapping[str, ParameterValue]]
    ) -> list[OrderRecord | BatchRefusal]:
        """Change up to five orders; each names symbol, orderId or origClientOrderId, quantity and price.

        Not atomic. `orders` are 1 to 5 sets of parameters. V3. Raises RequestRefused, UnknownOutcome. Weight
        5. Section 4.4.
        """
        return await self._batch(MODIFY_BATCH, orders)

    async def _batch(
        self, endpoint: Endpoint, orders: Sequence[Mapping[str, ParameterValue]]
    ) -> list[OrderRecord | BatchRefusal]:
        if not 1 <= len(orders) <= 5:
            raise ValueError(f"a batch holds 1 to 5 orders, was {len(orders)}")
        # Inside a batch every value is text, as the venue's own examples send them.
        listed = [{k: batch_text(v) for k, v in order.items() if v is not None} for order in orders]
        answer: list[Raw] = await self._rest.call(endpoint, {"batchOrders": listed}, list[Raw])
        return batch_answer(endpoint, answer)

    async def get_order(
        self, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> OrderRecord:
        """Return one order. Raises OrderNotFound (-2013), also for unfilled ones that ended 7 days ago.

        `symbol` as the venue lists it. The order is named by `order_id` or `orig_client_order_id`. Weight 1.
        Section 4.4.
        """
        parameters: Parameters = {"symbol": symbol, **identity(order_id, orig_client_order_id)}
        return await self._rest.call(
            QUERY_ORDER, parameters, OrderRecord, client_order_id=orig_client_order_id
        )

    async def cancel(
        self, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> OrderRecord:
        """Cancel one order. Raises OrderNotFound (-2011) when it is not open, UnknownOutcome.

        `symbol` as the venue lists it. The order is named by `order_id` or `orig_client_order_id`. Weight 1;
        goes before reads. Section 4.4.
        """
        parameters: Parameters = {"symbol": symbol, **identity(order_id, orig_client_order_id)}
        return await self._rest.call(
            CANCEL_ORDER, parameters, OrderRecord, client_order_id=orig_client_order_id
        )

    async def guarded_cancel(
        self,
        symbol: str,
        nonce_us: int,
        *,
        order_id: int | None = None,
        orig_client_order_id: str | None = None,
    ) -> OrderRecord:
        """Cancel an order with the nonce it was placed with, so that it dies even if still in flight.

        `symbol` as the venue lists it. `nonce_us` is the nonce the request was signed with (us). The order is
        named by `order_id` or `orig_client_order_id`. V3. Raises RequestRefused, UnknownOutcome. Weight 1.
        Section 4.4.
        """
        parameters: Parameters = {"symbol": symbol, **identity(order_id, orig_client_order_id)}
        self._rest.kill_nonce(nonce_us)
        return await self._rest.call(
            GUARDED_CANCEL,
            parameters,
            OrderRecord,
            client_order_id=orig_client_order_id,
            nonce_us=nonce_us,
        )

    async def cancel_open_orders(self, symbol: str) -> Acknowledged:
        """Cancel all open orders of a symbol, protective ones too.

        `symbol` as the venue lists it. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1.
        Section 4.4.
        """
        return await self._rest.call(CANCEL_ALL, {"symbol": symbol}, Acknowledged)

    async def cancel_batch_orders(
        self,
        symbol: str,
        *,
        order_ids: Sequence[int] = (),
        orig_client_order_ids: Sequence[str] = (),
    ) -> list[OrderRecord | BatchRefusal]:
        """Cancel up to ten orders; the answer keeps their order.

        `symbol` as the venue lists it. The orders are named by `order_ids` or `orig_client_order_ids`, at
        most 10. Raises RequestRefused, UnknownOutcome. Weight 1. Section 4.4.
        """
        parameters: Parameters = {"symbol": symbol, **identities(order_ids, orig_client_order_ids)}
        return batch_answer(CANCEL_BATCH, await self._rest.call(CANCEL_BATCH, parameters, list[Raw]))

    async def guarded_cancel_batch(
        self,
        symbol: str,
        nonce_us: int,
        *,
        order_ids: Sequence[int] = (),
        orig_client_order_ids: Sequence[str] = (),
    ) -> list[OrderRecord | BatchRefusal]:
        """Cancel up to ten orders with the nonce they were placed with.

        `symbol` as the venue lists it. `nonce_us` is the nonce the request was signed with (us). The orders
        are named by `order_ids` or `orig_client_order_ids`, at most 10. V3. Raises RequestRefused,
        UnknownOutcome. Weight 1. Section 4.4.
        """
        parameters: Parameters = {"symbol": symbol, **identities(order_ids, orig_client_order_ids)}
        self._rest.kill_nonce(nonce_us)
        answer: list[Raw] = await self._rest.call(
            GUARDED_CANCEL_BATCH, parameters, list[Raw], nonce_us=nonce_us
        )
        return batch_answer(GUARDED_CANCEL_BATCH, answer)

    async def countdown_cancel_all(self, symbol: str, countdown_ms: int) -> CountdownRecord:
        """Cancel all open orders of a symbol in `countdown_ms` unless called again; 0 stops the timer.

        It takes protective orders too: never use it where stops rest. `symbol` as the venue lists it. Raises
        RequestRefused, TransportFailed, MalformedResponse. Weight 10. Section 4.4.
        """
        parameters: Parameters = {"symbol": symbol, "countdownTime": countdown_ms}
        return await self._rest.call(COUNTDOWN, parameters, CountdownRecord)

    async def open_order(
        self, symbol: str, *, order_id: int | None = None, orig_client_order_id: str | None = None
    ) -> OrderRecord:
        """Return one order if it is open.

        `symbol` as the venue lists it. The order is named by `order_id` or `orig_client_order_id`. Raises
        OrderNotFound otherwise. Weight 1. Section 4.4.
        """
        parameters: Parameters = {"symbol": symbol, **identity(order_id, orig_client_order_id)}
        return await self._rest.call(OPEN_ORDER, parameters, OrderRecord)

    async def get_open_orders(self, symbol: str | None = None) -> list[OrderRecord]:
        """Return the open orders of a symbol (weight 1) or of all (weight 40).

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Section 4.4.
        """
        return await self._rest.call(
            OPEN_ORDERS, {"symbol": symbol}, list[OrderRecord], weight=40 if symbol is None else 1
        )

    async def all_orders(
        self,
        symbol: str,
        *,
        order_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[OrderRecord]:
        """Return orders of any state from `order_id` on, or of a span below 7 days (default the last 7).

        `limit` up to 1000 (default 500). `symbol` as the venue lists it. `start_ms` and `end_ms` bound the
        time (ms UTC, both included). Raises RequestRefused, TransportFailed, MalformedResponse. Weight 5.
        Section 4.4.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "orderId": order_id,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._rest.call(ALL_ORDERS, parameters, list[OrderRecord])

    async def user_trades(
        self,
        symbol: str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        from_id: int | None = None,
        limit: int | None = None,
    ) -> list[UserTradeRecord]:
        """Return own trades, oldest first: of a span of at most 7 days, or from trade id `from_id` on.

        `from_id` excludes times. `limit` up to 1000 (default 500). `symbol` as the venue lists it. `start_ms`
        and `end_ms` bound the time (ms UTC, both included). Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight 5. Section 4.6.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "startTime": start_ms,
            "endTime": end_ms,
            "fromId": from_id,
            "limit": limit,
        }
        return await self._rest.call(USER_TRADES, parameters, list[UserTradeRecord])

    async def noop(self, nonce_us: int) -> Acknowledged:
        """Take the nonce of a request that may still be in flight, so that it is refused if it arrives.

        Best effort: query the order afterwards. `nonce_us` is the nonce the request was signed with (us). V3.
        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.4.
        """
        self._rest.kill_nonce(nonce_us)
        return await self._rest.call(NOOP, {}, Acknowledged, nonce_us=nonce_us)
