"""Placing, changing, cancelling and querying orders (protocol reference, sections 4.3 and 4.4)."""

from collections.abc import Callable, Sequence
from typing import Any

from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.enums import OrderStatus
from aster_operator.simulator.filters import check_request
from aster_operator.simulator.model import SimulatedOrder, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.endpoints.lists import parse_items, parse_orders
from aster_operator.simulator.server.endpoints.order_requests import RESPONSE_TYPES, order_request
from aster_operator.simulator.server.params import Params
from aster_operator.simulator.server.render import order_json
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["ORDER_ENDPOINTS", "noop", "order_key", "week_span"]

MAX_BATCH = 5
MAX_BATCH_CANCEL = 10
FORGOTTEN_AFTER_MS = 7 * DAY_MS


def _place(call: Call, params: Params) -> dict[str, Any]:
    response_type = params.optional_text("newOrderRespType") or "ACK"
    if response_type not in RESPONSE_TYPES:
        raise VenueRefusal(-1136, "Invalid newOrderRespType.")
    request = order_request(call, params)
    call.services.protection.check(call.account_id, request.symbol)
    order = call.exchange.place_order(call.account_id, request)
    return order_json(order, acknowledged=response_type == "ACK")


def place(call: Call) -> Any:
    """A new order. ACK answers NEW with nothing filled, even of an order that has filled at once."""
    return _place(call, call.params)


def place_test(call: Call) -> Any:
    """Check the parameters of an order without placing it."""
    request = order_request(call, call.params)
    check_request(call.exchange.contracts()[request.symbol], request)
    return {}


def _each(rows: Sequence[Any], act: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
    answers = []
    for row in rows:
        try:
            answers.append(act(row))
        except VenueRefusal as refusal:
            answers.append({"code": refusal.code, "msg": refusal.message})
    return answers


def _batch(call: Call) -> list[Params]:
    orders = parse_orders("batchOrders", call.params.text("batchOrders"))
    if len(orders) > MAX_BATCH:
        raise VenueRefusal(-4082, "Invalid number of batch place orders.")
    return orders


def place_batch(call: Call) -> Any:
    """Up to five orders, each with its own answer."""
    return _each(_batch(call), lambda params: _place(call, params))


def modify_batch(call: Call) -> Any:
    """Up to five modifications, each with its own answer."""
    orders = parse_orders("batchOrders", call.params.text("batchOrders"))
    if len(orders) > MAX_BATCH:
        raise refusals.illegal_characters("batchOrders", f"1 to {MAX_BATCH}")
    return _each(orders, lambda params: _modify(call, params))


def order_key(params: Params) -> tuple[int | None, str | None]:
    order_id = params.optional_integer("orderId", low=0)
    client_order_id = params.optional_text("origClientOrderId")
    if order_id is None and client_order_id is None:
        raise refusals.either_parameter("origClientOrderId", "orderId")
    return order_id, client_order_id


def _symbol(call: Call, params: Params) -> str:
    symbol = params.text("symbol")
    if symbol not in call.exchange.contracts():
        raise refusals.bad_symbol()
    return symbol


def _modify(call: Call, params: Params) -> dict[str, Any]:
    symbol = _symbol(call, params)
    order_id, client_order_id = order_key(params)
    quantity, price = params.decimal("quantity"), params.decimal("price")
    order = call.exchange.modify_order(call.account_id, symbol, order_id, client_order_id, quantity, price)
    return order_json(order)


def modify(call: Call) -> Any:
    """New price and quantity of a resting LIMIT order."""
    return _modify(call, call.params)


def cancel(call: Call) -> Any:
    """Cancel one order, named by either id."""
    symbol = _symbol(call, call.params)
    order = call.exchange.cancel_order(call.account_id, symbol, *order_key(call.params))
    return order_json(order)


def _guarded(call: Call, order_id: int | None, client_order_id: str | None) -> dict[str, Any]:
    symbol = _symbol(call, call.params)
    try:
        order = call.exchange.order(call.account_id, symbol, order_id, client_order_id)
    except VenueRefusal:
        raise _unknown_order() from None
    if call.identity is None or order.received_nonce_us != call.identity.nonce_us:
        raise _unknown_order()
    return order_json(call.exchange.cancel_order(call.account_id, symbol, order_id, client_order_id))


def _unknown_order() -> VenueRefusal:
    return VenueRefusal(-2011, "Unknown order sent.")


def guarded_cancel(call: Call) -> Any:
    """Cancel an order only if it was placed with the nonce of this request."""
    return _guarded(call, *order_key(call.params))


def _listed_keys(call: Call) -> list[tuple[int | None, str | None]]:
    ids = call.params.optional_text("orderIdList", "orderidlist")
    client_ids = call.params.optional_text("origClientOrderIdList", "origclientorderidlist")
    if ids is None and client_ids is None:
        raise refusals.either_parameter("orderIdList", "origClientOrderIdList")
    keys: list[tuple[int | None, str | None]]
    if ids is not None:
        items = parse_items(ids)
        if not all(item.isascii() and item.isdigit() and len(item) <= 18 for item in items):
            raise refusals.invalid_parameter("orderIdList")
        keys = [(int(item), None) for item in items]
    else:
        keys = [(None, item) for item in parse_items(client_ids or "")]
    if not keys:
        raise refusals.mandatory_parameter("orderIdList")
    if len(keys) > MAX_BATCH_CANCEL:
        raise VenueRefusal(-4032, "Exceed maximum cancel order size.")
    return keys


def cancel_batch(call: Call) -> Any:
    """Cancel up to ten orders of a symbol, each with its own answer."""
    symbol = _symbol(call, call.params)
    return _each(
        _listed_keys(call),
        lambda key: order_json(call.exchange.cancel_order(call.account_id, symbol, *key)),
    )


def guarded_cancel_batch(call: Call) -> Any:
    """As `cancel_batch`, only of orders placed with the nonce of this request."""
    _symbol(call, call.params)
    return _each(_listed_keys(call), lambda key: _guarded(call, *key))


def cancel_all(call: Call) -> Any:
    """Cancel every open order of a symbol."""
    call.exchange.cancel_all(call.account_id, _symbol(call, call.params))
    return {"code": "200", "msg": "The operation of cancel all open order is done."}


def countdown(call: Call) -> Any:
    """Cancel all orders of a symbol when the time is over; every call starts it anew, 0 stops it."""
    symbol = _symbol(call, call.params)
    countdown_ms = call.params.integer("countdownTime", low=0)
    call.exchange.set_countdown(call.account_id, symbol, countdown_ms)
    return {"symbol": symbol, "countdownTime": str(countdown_ms)}


def _is_forgotten(order: SimulatedOrder, now_ms: int) -> bool:
    return (
        order.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
        and order.filled_lots == 0
        and now_ms - order.updated_ms > FORGOTTEN_AFTER_MS
    )


def query(call: Call) -> Any:
    """One order, open or finished."""
    symbol = _symbol(call, call.params)
    order = call.exchange.order(call.account_id, symbol, *order_key(call.params))
    if _is_forgotten(order, call.exchange.now_ms):
        raise _no_such_order()
    return order_json(order, listed=True)


def _no_such_order() -> VenueRefusal:
    return VenueRefusal(-2013, "Order does not exist.")


def query_open(call: Call) -> Any:
    """One open order."""
    symbol = _symbol(call, call.params)
    order = call.exchange.order(call.account_id, symbol, *order_key(call.params))
    if order.status.is_final:
        raise _no_such_order()
    return order_json(order, listed=True)


def open_orders(call: Call) -> Any:
    """Open orders of a symbol, or of all."""
    spec = call.optional_spec()
    orders = call.exchange.open_orders(call.account_id, None if spec is None else spec.symbol)
    return [order_json(order, listed=True) for order in orders]


def all_orders(call: Call) -> Any:
    """Orders of a symbol from an id on, or of a span of at most seven days (default: the last seven)."""
    symbol = _symbol(call, call.params)
    from_id = call.params.optional_integer("orderId", low=0)
    start_ms, end_ms = week_span(call)
    now_ms = call.exchange.now_ms
    found = [
        order
        for order in call.exchange.order_history(call.account_id, symbol)
        if not _is_forgotten(order, now_ms)
        and (order.order_id >= from_id if from_id is not None else start_ms <= order.created_ms <= end_ms)
    ]
    limit = call.params.limit(500, 1000)
    newest = from_id is None and "startTime" not in call.params
    return [order_json(order, listed=True) for order in (found[-limit:] if newest else found[:limit])]


def week_span(call: Call) -> tuple[int, int]:
    """The asked span in market time, at most seven days. Raises VenueRefusal(-4165) for a longer one."""
    start_ms, end_ms = call.params.time_span()
    now_ms = call.exchange.now_ms
    if start_ms is None:
        end = now_ms if end_ms is None else end_ms
        return end - FORGOTTEN_AFTER_MS, end
    if end_ms is None:
        return start_ms, start_ms + FORGOTTEN_AFTER_MS
    if end_ms - start_ms > FORGOTTEN_AFTER_MS:
        raise VenueRefusal(-4165, "Invalid time interval.")
    return start_ms, end_ms


def noop(call: Call) -> Any:
    """Use a nonce up, so that a queued request with the same nonce can do nothing any more.

    Refused with -4225 when that nonce has already acted.
    """
    identity = call.identity
    if identity is None or identity.nonce_us is None or identity.signer is None:
        raise refusals.mandatory_parameter("nonce")
    call.services.registry.nonces(identity.signer).use(identity.nonce_us)
    return {"code": 200, "msg": "success"}


def _batch_size(params: Params) -> int:
    text = params.get("batchOrders", "")
    return max(1, min(text.count("{"), MAX_BATCH))


def _one_order(_params: Params) -> int:
    return 1


_BOTH = (1, 3)
_TRADE, _READ = Security.TRADE, Security.USER_DATA

ORDER_ENDPOINTS = (
    Endpoint("POST", "order", _BOTH, _TRADE, place, orders=_one_order),
    Endpoint("PUT", "order", _BOTH, _TRADE, modify, orders=_one_order),
    Endpoint("DELETE", "order", _BOTH, _TRADE, cancel),
    Endpoint("GET", "order", _BOTH, _READ, query),
    Endpoint("POST", "order/test", _BOTH, _TRADE, place_test),
    Endpoint("POST", "batchOrders", _BOTH, _TRADE, place_batch, 5, orders=_batch_size),
    Endpoint("PUT", "batchOrders", (3,), _TRADE, modify_batch, 5, orders=_batch_size),
    Endpoint("DELETE", "batchOrders", _BOTH, _TRADE, cancel_batch),
    Endpoint("DELETE", "allOpenOrders", _BOTH, _TRADE, cancel_all),
    Endpoint("DELETE", "guardedCancelOrder", (3,), _TRADE, guarded_cancel, reuses_nonce=True),
    Endpoint("DELETE", "guardedBatchOrders", (3,), _TRADE, guarded_cancel_batch, reuses_nonce=True),
    Endpoint("POST", "countdownCancelAll", _BOTH, _TRADE, countdown, 10),
    Endpoint("POST", "noop", (3,), _TRADE, noop, reuses_nonce=True),
    Endpoint("GET", "openOrder", _BOTH, _READ, query_open),
    Endpoint(
        "GET", "openOrders", _BOTH, _READ, open_orders, lambda params: 1 if params.get("symbol") else 40
    ),
    Endpoint("GET", "allOrders", _BOTH, _READ, all_orders, 5),
)
