"""Spot orders and trades (protocol reference, section 11.4): no position side, no reduce-only, FULL."""

from typing import Any

from aster_operator.domain.enums import OrderStatus, OrderType, Side, TimeInForce
from aster_operator.simulator.model import (
    ContractSpec,
    OrderRequest,
    SimulatedOrder,
    TradeRecord,
    VenueRefusal,
)
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.endpoints.order_requests import client_order_id
from aster_operator.simulator.server.endpoints.orders import noop, order_key, week_span
from aster_operator.simulator.server.number_text import atoms_text, symbol_text
from aster_operator.simulator.server.params import Params
from aster_operator.simulator.server.render import order_json, rate_text
from aster_operator.simulator.server.routing import Call, Endpoint
from aster_operator.simulator.spot import SpotExchange

__all__ = ["SPOT_ORDER_ENDPOINTS", "spot_spec"]

_FUTURES_ONLY = (
    "positionSide",
    "reduceOnly",
    "closePosition",
    "workingType",
    "priceProtect",
    "activatePrice",
    "priceRate",
)


def spot_spec(call: Call) -> tuple[SpotExchange, ContractSpec]:
    """The spot side and the market named by `symbol`. Raises VenueRefusal(-1121) without one or the other."""
    symbol, spot = call.params.text("symbol"), call.exchange.spot
    spec = None if spot is None else spot.contracts().get(symbol)
    if spot is None or spec is None:
        raise refusals.bad_symbol()
    return spot, spec


def _order_json(order: SimulatedOrder, *, acknowledged: bool = False) -> dict[str, Any]:
    payload = order_json(order, acknowledged=acknowledged, listed=True)
    for name in _FUTURES_ONLY:
        payload.pop(name, None)
    return payload


def _trade_json(trade: TradeRecord) -> dict[str, Any]:
    text, instrument = symbol_text(trade.spec), trade.spec.instrument
    bought = trade.side is Side.BUY
    return {
        "symbol": trade.spec.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": trade.side.value,
        "price": text.price(trade.ticks),
        "qty": text.quantity(trade.lots),
        "quoteQty": text.notional(trade.spec.notional_atoms(trade.ticks, trade.lots)),
        "commission": atoms_text(trade.commission_atoms),
        "commissionAsset": instrument.base_asset if bought else instrument.quote_asset,
        "time": trade.time_ms,
        "buyer": bought,
        "maker": trade.is_maker,
    }


def place(call: Call) -> Any:
    """An order on the spot market, STOP and TAKE_PROFIT among them; a MARKET BUY may name what to spend."""
    spot, spec = spot_spec(call)
    params = call.params
    response_type = params.optional_text("newOrderRespType") or "ACK"
    if response_type not in ("ACK", "RESULT", "FULL"):
        raise VenueRefusal(-1136, "Invalid newOrderRespType.")
    request = OrderRequest(
        symbol=spec.symbol,
        side=params.choice("side", Side, VenueRefusal(-1117, "Invalid side.")),
        order_type=params.choice("type", OrderType, VenueRefusal(-1116, "Invalid orderType.")),
        time_in_force=params.optional_choice(
            "timeInForce", TimeInForce, VenueRefusal(-1115, "Invalid timeInForce.")
        ),
        quantity=params.optional_decimal("quantity"),
        price=params.optional_decimal("price"),
        stop_price=params.optional_decimal("stopPrice"),
        client_order_id=client_order_id(params),
    )
    order = spot.place_order(call.account_id, request, params.optional_decimal("quoteOrderQty"))
    payload = _order_json(order, acknowledged=response_type == "ACK")
    if response_type == "FULL":
        trades = spot.trades(call.account_id, spec.symbol)
        payload["fills"] = [_trade_json(trade) for trade in trades if trade.order_id == order.order_id]
    return payload


def cancel(call: Call) -> Any:
    """Cancel one spot order."""
    spot, spec = spot_spec(call)
    return _order_json(spot.cancel_order(call.account_id, spec.symbol, *order_key(call.params)))


def cancel_all(call: Call) -> Any:
    """Cancel every open spot order of a symbol."""
    spot, spec = spot_spec(call)
    for order in list(spot.open_orders(call.account_id, spec.symbol)):
        spot.cancel_order(call.account_id, spec.symbol, order.order_id, None)
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def query(call: Call) -> Any:
    """One spot order, open or finished."""
    spot, spec = spot_spec(call)
    return _order_json(spot.order(call.account_id, spec.symbol, *order_key(call.params)))


def query_open(call: Call) -> Any:
    """One open spot order."""
    spot, spec = spot_spec(call)
    order = spot.order(call.account_id, spec.symbol, *order_key(call.params))
    if order.status not in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED):
        raise VenueRefusal(-2013, "Order does not exist.")
    return _order_json(order)


def open_orders(call: Call) -> Any:
    """Open spot orders of a symbol, or of all."""
    spot = call.exchange.spot
    symbol = spot_spec(call)[1].symbol if call.params.optional_text("symbol") is not None else None
    orders = () if spot is None else spot.open_orders(call.account_id, symbol)
    return [_order_json(order) for order in orders]


def all_orders(call: Call) -> Any:
    """Spot orders of a symbol from an id on, or of at most seven days."""
    spot, spec = spot_spec(call)
    from_id = call.params.optional_integer("orderId", low=0)
    start_ms, end_ms = week_span(call)
    found = [
        order
        for order in spot.order_history(call.account_id, spec.symbol)
        if (order.order_id >= from_id if from_id is not None else start_ms <= order.created_ms <= end_ms)
    ]
    return [_order_json(order) for order in found[-call.params.limit(500, 1000) :]]


def user_trades(call: Call) -> Any:
    """Own spot executions, oldest first."""
    spot = call.exchange.spot
    symbol = spot_spec(call)[1].symbol if call.params.optional_text("symbol") is not None else None
    from_id = call.params.optional_integer("fromId", low=0) or 0
    start_ms, end_ms = week_span(call)
    trades = () if spot is None else spot.trades(call.account_id, symbol)
    found = [trade for trade in trades if trade.trade_id >= from_id and start_ms <= trade.time_ms <= end_ms]
    return [_trade_json(trade) for trade in found[-call.params.limit(500, 1000) :]]


def commission_rate(call: Call) -> Any:
    """Maker and taker rate of a spot market."""
    _, spec = spot_spec(call)
    return {
        "symbol": spec.symbol,
        "makerCommissionRate": rate_text(spec.maker_fee_e8),
        "takerCommissionRate": rate_text(spec.taker_fee_e8),
    }


def _one(_params: Params) -> int:
    return 1


_BOTH = (1, 3)
_TRADE, _READ = Security.TRADE, Security.USER_DATA

SPOT_ORDER_ENDPOINTS = (
    Endpoint("POST", "order", _BOTH, _TRADE, place, orders=_one, product="api"),
    Endpoint("DELETE", "order", _BOTH, _TRADE, cancel, product="api"),
    Endpoint("DELETE", "allOpenOrders", _BOTH, _TRADE, cancel_all, product="api"),
    Endpoint("POST", "noop", (3,), _TRADE, noop, reuses_nonce=True, product="api"),
    Endpoint("GET", "order", _BOTH, _READ, query, product="api"),
    Endpoint("GET", "openOrder", _BOTH, _READ, query_open, product="api"),
    Endpoint("GET", "openOrders", _BOTH, _READ, open_orders, product="api"),
    Endpoint("GET", "allOrders", _BOTH, _READ, all_orders, 5, product="api"),
    Endpoint("GET", "userTrades", _BOTH, _READ, user_trades, 5, product="api"),
    Endpoint("GET", "commissionRate", _BOTH, _READ, commission_rate, 20, product="api"),
)
