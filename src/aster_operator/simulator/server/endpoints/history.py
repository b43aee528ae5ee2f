"""Own trades, income and forced orders (protocol reference, section 4.6)."""

from typing import Any

from aster_operator.simulator.model import SimulatedOrder
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.endpoints.orders import week_span
from aster_operator.simulator.server.render import income_json, order_json, own_trade_json
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["HISTORY_ENDPOINTS"]

LIQUIDATION_PREFIX = "autoclose-"
ADL_PREFIX = "adl_autoclose"


def user_trades(call: Call) -> Any:
    """Own executions of a symbol, oldest first: from an id on, or of at most seven days.

    The first `limit` of the span when it has a start, else the newest.
    """
    spec = call.spec()
    from_id = call.params.optional_integer("fromId", low=0)
    limit = call.params.limit(500, 1000)
    trades = call.exchange.trades(call.account_id, spec.symbol)
    if from_id is not None:
        if "startTime" in call.params or "endTime" in call.params:
            raise refusals.invalid_combination()
        found = [trade for trade in trades if trade.trade_id >= from_id][:limit]
    else:
        start_ms, end_ms = week_span(call)
        in_span = [trade for trade in trades if start_ms <= trade.time_ms <= end_ms]
        found = in_span[:limit] if "startTime" in call.params else in_span[-limit:]
    return [own_trade_json(trade) for trade in found]


def income(call: Call) -> Any:
    """Cash flows of the account, oldest first; default the last seven days."""
    symbol = call.params.optional_text("symbol")
    kind = call.params.optional_text("incomeType")
    limit = call.params.limit(100, 1000)
    start_ms, end_ms = call.params.time_span()
    if start_ms is None:
        start_ms, _ = week_span(call)
    found = [
        row
        for row in call.exchange.income(call.account_id)
        if row.time_ms >= start_ms
        and (end_ms is None or row.time_ms <= end_ms)
        and (symbol is None or row.symbol == symbol)
        and (kind is None or row.income_type == kind)
    ]
    chosen = found[:limit] if "startTime" in call.params else found[-limit:]
    return [income_json(row) for row in chosen]


def _is_forced(order: SimulatedOrder, kind: str | None) -> bool:
    liquidation = order.client_order_id.startswith(LIQUIDATION_PREFIX)
    deleveraging = order.client_order_id.startswith(ADL_PREFIX)
    if kind is None:
        return liquidation or deleveraging
    return liquidation if kind == "LIQUIDATION" else deleveraging


def force_orders(call: Call) -> Any:
    """The account's liquidation and auto-deleveraging orders; default the last seven days."""
    spec = call.optional_spec()
    kind = call.params.optional_text("autoCloseType")
    if kind not in (None, "LIQUIDATION", "ADL"):
        raise refusals.invalid_parameter("autoCloseType")
    start_ms, end_ms = week_span(call)
    symbols = list(call.exchange.contracts()) if spec is None else [spec.symbol]
    found = [
        order
        for symbol in symbols
        for order in call.exchange.order_history(call.account_id, symbol)
        if _is_forced(order, kind) and start_ms <= order.created_ms <= end_ms
    ]
    found.sort(key=lambda order: order.order_id)
    return [order_json(order, listed=True) for order in found[-call.params.limit(50, 100) :]]


_BOTH = (1, 3)

HISTORY_ENDPOINTS = (
    Endpoint("GET", "userTrades", _BOTH, Security.USER_DATA, user_trades, 5),
    Endpoint("GET", "income", _BOTH, Security.USER_DATA, income, 30),
    Endpoint(
        "GET",
        "forceOrders",
        _BOTH,
        Security.USER_DATA,
        force_orders,
        lambda params: 20 if params.get("symbol") else 50,
    ),
)
