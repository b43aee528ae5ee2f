"""Chase and strategy orders (protocol reference, section 4.5)."""

from decimal import Decimal
from typing import Any

from aster_operator.domain.enums import PositionSide, Side, TimeInForce
from aster_operator.domain.money import plain_text
from aster_operator.simulator.model import OrderRequest, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.endpoints.lists import parse_orders
from aster_operator.simulator.server.endpoints.order_requests import approved_builder, order_request
from aster_operator.simulator.server.endpoints.orders import week_span
from aster_operator.simulator.server.params import Params
from aster_operator.simulator.server.render import sub_order_json
from aster_operator.simulator.server.routing import Call, Endpoint
from aster_operator.simulator.strategy_model import (
    ChaseRequest,
    DrivenOn,
    QuantityUnit,
    StrategyOrder,
    StrategyType,
    SubOrder,
    Trigger,
    TriggerAction,
)

__all__ = ["STRATEGY_ENDPOINTS"]

MAX_CLIENT_ID = 28


def _strategy_json(strategy: StrategyOrder) -> dict[str, Any]:
    return {
        "strategyId": strategy.strategy_id,
        "clientStrategyId": strategy.client_strategy_id,
        "strategyType": strategy.strategy_type.value,
        "strategyStatus": strategy.status.value,
        "updateTime": strategy.updated_ms,
        "failureCode": strategy.failure_code,
        "failureReason": strategy.failure_reason,
    }


def _listed_json(strategy: StrategyOrder) -> dict[str, Any]:
    legs = [sub_order_json(leg) for leg in strategy.sub_orders]
    return _strategy_json(strategy) | {"symbol": strategy.symbol, "subOrders": legs}


def _client_strategy_id(call: Call) -> str | None:
    text = call.params.optional_text("clientStrategyId")
    if text is not None and len(text) > MAX_CLIENT_ID:
        raise refusals.invalid_parameter("clientStrategyId")
    return text


def chase(call: Call) -> Any:
    """A post-only limit order that follows the best price of its own side."""
    spec, params = call.spec(), call.params
    if (params.optional_text("chaseOffsetType") or "ABSOLUTE") != "ABSOLUTE":
        raise refusals.unsupported_operation()
    far_type = params.optional_text("maxChaseOffsetType") or "ABSOLUTE"
    if far_type not in ("ABSOLUTE", "PERCENTAGE"):
        raise refusals.invalid_parameter("maxChaseOffsetType")
    request = ChaseRequest(
        symbol=spec.symbol,
        side=params.choice("side", Side, VenueRefusal(-1117, "Invalid side.")),
        quantity=params.decimal("quantity"),
        quantity_unit=params.choice("quantityUnit", QuantityUnit, refusals.invalid_parameter("quantityUnit")),
        position_side=params.optional_choice(
            "positionSide", PositionSide, VenueRefusal(-4060, "Invalid position side.")
        )
        or PositionSide.BOTH,
        reduce_only=params.optional_flag("reduceOnly") or False,
        chase_offset=params.optional_decimal("chaseOffset") or Decimal(0),
        max_chase_offset=params.optional_decimal("maxChaseOffset"),
        max_chase_offset_is_pct=far_type == "PERCENTAGE",
        time_in_force=params.optional_choice(
            "timeInForce", TimeInForce, VenueRefusal(-1115, "Invalid timeInForce.")
        )
        or TimeInForce.GTX,
        client_strategy_id=_client_strategy_id(call),
    )
    placed = _strategy_json(call.exchange.place_chase_order(call.account_id, request))
    return placed | _chase_echo(call, request)


def _chase_echo(call: Call, request: ChaseRequest) -> dict[str, Any]:
    """What the documentation shows beside what the venue was seen to answer: the request itself."""
    farthest = request.max_chase_offset
    return {
        "symbol": request.symbol,
        "side": request.side.value,
        "positionSide": request.position_side.value,
        "quantityUnit": request.quantity_unit.value,
        "quantity": plain_text(request.quantity),
        "reduceOnly": request.reduce_only,
        "chaseOffset": plain_text(request.chase_offset),
        "chaseOffsetType": "ABSOLUTE",
        "maxChaseOffset": None if farthest is None else plain_text(farthest),
        "maxChaseOffsetType": "PERCENTAGE" if request.max_chase_offset_is_pct else "ABSOLUTE",
        "timeInForce": request.time_in_force.value,
        "bookTime": call.exchange.now_ms,
    }


def _strategy_type(call: Call) -> StrategyType:
    return call.params.choice("strategyType", StrategyType, refusals.invalid_parameter("strategyType"))


def _triggers(params: Params) -> tuple[Trigger, ...]:
    triggers = []
    invalid = refusals.invalid_parameter("subOrderList")
    for slot in ("first", "second"):
        driven_id = params.optional_integer(f"{slot}DrivenId", 1, 3)
        if driven_id is not None:
            driven_on = params.choice(f"{slot}DrivenOn", DrivenOn, invalid)
            action = params.choice(f"{slot}Trigger", TriggerAction, invalid)
            triggers.append(Trigger(driven_id, driven_on, action))
    return tuple(triggers)


def _sub_orders(call: Call) -> list[SubOrder]:
    legs = []
    builder, builder_rate_e8 = approved_builder(call, call.params)
    for number, params in enumerate(parse_orders("subOrderList", call.params.text("subOrderList")), start=1):
        fields = dict(params)
        if params.optional_integer("strategySubId") not in (None, number):
            raise refusals.invalid_parameter("strategySubId")
        if "clientOrderId" in fields:
            fields["newClientOrderId"] = fields.pop("clientOrderId")
        leg = SubOrder(number, order_request(call, Params(fields)), _triggers(params))
        if leg.request.builder is None:
            leg.request.builder, leg.request.builder_rate_e8 = builder, builder_rate_e8
        legs.append(leg)
    return legs


def place_strategy(call: Call) -> Any:
    """OTO, OCO or OTOCO: several orders that place and cancel each other."""
    strategy = call.exchange.place_strategy_order(
        call.account_id, _strategy_type(call), _sub_orders(call), _client_strategy_id(call)
    )
    return _strategy_json(strategy)


def update_strategy(call: Call) -> Any:
    """New terms for some legs of a strategy, each with its own answer; what is not sent stays as it is.

    A leg that rests is modified, one that waits for its trigger or for another leg is replaced, one that has
    ended refuses.
    """
    strategy_id = call.params.integer("strategyId", low=0)
    strategy = call.exchange.strategy_order(call.account_id, strategy_id, None)
    if strategy.strategy_type is not _strategy_type(call):
        raise refusals.invalid_parameter("strategyType")
    rows = parse_orders("subOrderList", call.params.text("subOrderList"))
    if len(rows) > len(strategy.sub_orders):
        raise refusals.invalid_parameter("subOrderList")
    named = [_named_leg(strategy, row, number) for number, row in enumerate(rows, start=1)]
    if len({leg.sub_id for leg in named}) != len(named):
        raise refusals.invalid_parameter("subOrderList")
    answers = []
    for leg, row in zip(named, rows, strict=True):
        answer: dict[str, Any] = {"updateStatus": "SUCCESS"}
        try:
            call.exchange.update_strategy_leg(call.account_id, strategy, leg, _changed(call, leg, row))
        except VenueRefusal as refusal:
            answer = {
                "failureCode": refusal.code,
                "failureReason": refusal.message,
                "updateStatus": "FAILED",
            }
        answers.append(_strategy_json(strategy) | answer | {"updatedSubOrder": sub_order_json(leg)})
    return answers


def _named_leg(strategy: StrategyOrder, row: Params, number: int) -> SubOrder:
    """The leg a row names, or the one of its place in the list. Raises VenueRefusal(-1130)."""
    sub_id = row.optional_integer("strategySubId", 1) or number
    if sub_id > len(strategy.sub_orders):
        raise refusals.invalid_parameter("strategySubId")
    return strategy.sub_orders[sub_id - 1]


def _changed(call: Call, leg: SubOrder, row: Params) -> OrderRequest:
    """The request of the leg with what was sent put over it."""
    old = leg.request
    kept: dict[str, Any] = {
        "symbol": old.symbol,
        "side": old.side.value,
        "type": old.order_type.value,
        "positionSide": old.position_side.value,
        "timeInForce": None if old.time_in_force is None else old.time_in_force.value,
        "quantity": old.quantity,
        "price": old.price,
        "stopPrice": old.stop_price,
        "activationPrice": old.activation_price,
        "callbackRate": old.callback_rate_pct,
        "workingType": old.working_type.value,
        "reduceOnly": "true" if old.reduce_only else None,
        "closePosition": "true" if old.close_position else None,
        "priceProtect": "true" if old.price_protect else None,
    }
    texts = {name: str(value) for name, value in kept.items() if value is not None}
    request = order_request(call, Params(texts | {name: value for name, value in row.items() if value}))
    request.client_order_id = old.client_order_id
    request.self_trade_prevention = old.self_trade_prevention
    request.builder = old.builder
    return request


def _found(call: Call) -> StrategyOrder:
    strategy_id = call.params.optional_integer("strategyId", low=0)
    client_id = call.params.optional_text("clientStrategyId")
    if (strategy_id is None) == (client_id is None):
        raise refusals.either_parameter("strategyId", "clientStrategyId")
    strategy = call.exchange.strategy_order(call.account_id, strategy_id, client_id)
    if strategy.strategy_type is not _strategy_type(call):
        raise VenueRefusal(-2013, "Order does not exist.")
    return strategy


def open_strategy(call: Call) -> Any:
    """A working strategy with its legs."""
    strategy = _found(call)
    if not strategy.is_open:
        raise VenueRefusal(-2013, "Order does not exist.")
    return _listed_json(strategy)


def strategy_history(call: Call) -> Any:
    """One strategy by its id, or those of a span."""
    if "strategyId" in call.params or "clientStrategyId" in call.params:
        return [_listed_json(_found(call))]
    kind = _strategy_type(call)
    start_ms, end_ms = week_span(call)
    found = [
        strategy
        for strategy in call.exchange.strategy_orders(call.account_id)
        if strategy.strategy_type is kind and start_ms <= strategy.created_ms <= end_ms
    ]
    return [_listed_json(strategy) for strategy in found[-call.params.limit(500, 1000) :]]


def _legs(params: Params) -> int:
    return max(1, min(params.get("subOrderList", "").count("{"), 3))


def _one(_params: Params) -> int:
    return 1


STRATEGY_ENDPOINTS = (
    Endpoint("POST", "chase", (3,), Security.TRADE, chase, orders=_one),
    Endpoint("POST", "placeStrategyOrder", (3,), Security.TRADE, place_strategy, 50, orders=_legs),
    Endpoint("POST", "updateStrategyOrder", (3,), Security.TRADE, update_strategy, 50, orders=_legs),
    Endpoint("GET", "strategyOpenOrder", (3,), Security.USER_DATA, open_strategy, 5),
    Endpoint("GET", "strategyHistoryOrder", (3,), Security.USER_DATA, strategy_history, 5),
    # The change log of the API documents the same two by these names.
    Endpoint("GET", "strategyOrder", (3,), Security.USER_DATA, open_strategy, 5),
    Endpoint("GET", "strategyOrder/history", (3,), Security.USER_DATA, strategy_history, 5),
)
