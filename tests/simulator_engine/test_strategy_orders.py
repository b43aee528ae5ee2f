"""OTO, OCO, OTOCO and chase."""

from decimal import Decimal
from typing import Any

import pytest

from aster_operator.domain.enums import OrderStatus, Side, TimeInForce, WorkingType
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.strategy_model import (
    ChaseRequest,
    DrivenOn,
    QuantityUnit,
    StrategyStatus,
    StrategyType,
    SubOrder,
    Trigger,
    TriggerAction,
)

from .helpers import best, make_exchange, place, play_minutes, request, with_account


def leg(sub_id: int, side: str, order_type: str, quantity: str | None = "0.1", **fields: Any) -> SubOrder:
    if order_type != "LIMIT" and order_type != "MARKET":
        fields.setdefault("working_type", WorkingType.MARK_PRICE)
    return SubOrder(sub_id, request(side, order_type, quantity, **fields))


def bracket(entry_price: str = "59500") -> list[SubOrder]:
    return [
        leg(1, "BUY", "LIMIT", price=entry_price, position_side="LONG"),
        leg(2, "SELL", "TAKE_PROFIT_MARKET", stop_price="61000", position_side="LONG"),
        leg(3, "SELL", "STOP_MARKET", stop_price="59000", position_side="LONG"),
    ]


def gap(exchange: SimulatedExchange, pct: str) -> None:
    exchange.control.gap_book("BTCUSDT", Decimal(pct))


def hedged() -> SimulatedExchange:
    return with_account(make_exchange(), hedge=True)


@pytest.mark.parametrize(
    ("first_move", "exit_move", "winner", "loser"),
    [("-1", "3", 1, 2), ("-1", "-2", 2, 1)],
    ids=["take profit", "stop"],
)
def test_an_otoco_places_its_exits_when_the_entry_has_filled(
    first_move: str, exit_move: str, winner: int, loser: int
) -> None:
    exchange = hedged()
    legs = bracket()
    strategy = exchange.place_strategy_order("alice", StrategyType.OTOCO, legs, "bracket")
    assert [each.order is not None for each in legs] == [True, False, False]
    gap(exchange, first_move)
    orders = [each.order for each in legs]
    assert all(order is not None for order in orders)
    entry = orders[0]
    assert entry is not None
    assert entry.status is OrderStatus.FILLED
    assert [order.status for order in orders[1:] if order] == [OrderStatus.NEW] * 2
    gap(exchange, exit_move)
    assert orders[winner] is not None
    assert orders[loser] is not None
    assert orders[winner].status is OrderStatus.FILLED
    assert orders[loser].status is OrderStatus.CANCELED
    assert strategy.status is StrategyStatus.FINISHED
    assert exchange.strategy_order("alice", None, "bracket") is strategy
    assert [row.lots for row in exchange.positions("alice", "BTCUSDT")] == [0, 0]


def test_an_entry_that_fills_at_once_has_its_exits_on_return() -> None:
    exchange = hedged()
    _, ask = best(exchange)
    legs = bracket(str(ask + 5))
    exchange.place_strategy_order("alice", StrategyType.OTOCO, legs)
    assert [each.order.status for each in legs if each.order] == [
        OrderStatus.FILLED,
        OrderStatus.NEW,
        OrderStatus.NEW,
    ]


def test_a_cancelled_entry_ends_the_strategy_and_its_exits_never_come() -> None:
    exchange = hedged()
    legs = bracket()
    strategy = exchange.place_strategy_order("alice", StrategyType.OTOCO, legs)
    entry = legs[0].order
    assert entry is not None
    exchange.cancel_order("alice", "BTCUSDT", entry.order_id, None)
    assert strategy.status is StrategyStatus.CANCELED
    gap(exchange, "-2")
    assert exchange.open_orders("alice", None) == []


def test_an_oco_cancels_the_other_leg() -> None:
    exchange = with_account(make_exchange())
    place(exchange, "alice", "BUY")
    legs = [
        leg(1, "SELL", "LIMIT", price="60500", reduce_only=True),
        leg(2, "SELL", "STOP_MARKET", stop_price="59500", reduce_only=True),
    ]
    strategy = exchange.place_strategy_order("alice", StrategyType.OCO, legs)
    assert len(exchange.open_orders("alice", None)) == 2
    gap(exchange, "-1")
    statuses = [each.order.status for each in legs if each.order]
    assert statuses[1] is OrderStatus.FILLED
    assert statuses[0] in (OrderStatus.CANCELED, OrderStatus.EXPIRED)
    assert strategy.status is StrategyStatus.FINISHED


def test_explicit_triggers_override_the_type() -> None:
    exchange = with_account(make_exchange())
    legs = [
        leg(1, "BUY", "LIMIT", price="59000"),
        leg(2, "BUY", "LIMIT", price="58990"),
    ]
    legs[1].triggers = (Trigger(1, DrivenOn.CANCELED, TriggerAction.PLACE_ORDER),)
    exchange.place_strategy_order("alice", StrategyType.OTO, legs)
    first = legs[0].order
    assert first is not None
    assert legs[1].order is None
    exchange.cancel_order("alice", "BTCUSDT", first.order_id, None)
    assert legs[1].order is not None
    assert legs[1].order.status is OrderStatus.NEW


def test_a_refused_leg_leaves_nothing_behind() -> None:
    exchange = with_account(make_exchange())
    place(exchange, "alice", "BUY")
    legs = [
        leg(1, "SELL", "LIMIT", price="60500"),
        leg(2, "SELL", "STOP_MARKET", stop_price="60100"),
    ]
    with pytest.raises(VenueRefusal, match="-4142"):
        exchange.place_strategy_order("alice", StrategyType.OCO, legs, "again")
    assert exchange.open_orders("alice", None) == []
    assert exchange.strategy_orders("alice") == []
    legs = [leg(1, "SELL", "LIMIT", price="60500"), leg(2, "SELL", "STOP_MARKET", stop_price="59100")]
    exchange.place_strategy_order("alice", StrategyType.OCO, legs, "again")
    with pytest.raises(VenueRefusal, match="-4015"):
        exchange.place_strategy_order("alice", StrategyType.OCO, legs, "again")


def test_a_follower_that_is_refused_fails_the_strategy() -> None:
    exchange = with_account(make_exchange())
    legs = [leg(1, "BUY", "LIMIT", price="59500"), leg(2, "BUY", "LIMIT", "100", price="59000")]
    strategy = exchange.place_strategy_order("alice", StrategyType.OTO, legs)
    gap(exchange, "-1")
    assert (strategy.status, strategy.failure_code) == (StrategyStatus.FAILED, -2027)
    assert legs[1].refused.startswith("-2027")


@pytest.mark.parametrize(
    ("strategy_type", "legs", "code"),
    [
        (StrategyType.OTO, [leg(1, "BUY", "LIMIT", price="59000")], -1130),
        (StrategyType.OTOCO, bracket()[:2], -1130),
        (StrategyType.CHASE, bracket(), -1130),
        (
            StrategyType.OCO,
            [leg(2, "BUY", "LIMIT", price="59000"), leg(1, "BUY", "LIMIT", price="59000")],
            -1130,
        ),
        (
            StrategyType.OCO,
            [leg(1, "BUY", "LIMIT", price="59000", tif="IOC"), leg(2, "BUY", "LIMIT", price="59000")],
            -1115,
        ),
    ],
)
def test_malformed_strategies(strategy_type: StrategyType, legs: list[SubOrder], code: int) -> None:
    exchange = with_account(make_exchange())
    with pytest.raises(VenueRefusal) as caught:
        exchange.place_strategy_order("alice", strategy_type, legs)
    assert caught.value.code == code


def chase(**fields: Any) -> ChaseRequest:
    return ChaseRequest("BTCUSDT", Side.BUY, **{"quantity": Decimal("0.1"), **fields})


def test_a_chase_follows_the_best_price_until_it_is_filled() -> None:
    exchange = with_account(make_exchange([(60_000.0, 60_050.0, 59_950.0, 60_040.0, 80.0)] * 10))
    bid, _ = best(exchange)
    strategy = exchange.place_chase_order("alice", chase(client_strategy_id="c1"))
    order = strategy.sub_orders[0].order
    assert order is not None
    assert order.spec.price_of(order.price_ticks) == bid
    prices = {order.price_ticks}
    for _ in range(60):
        exchange.advance_to(exchange.now_ms + 1_000)
        prices.add(order.price_ticks)
        if order.status.is_final:
            break
    assert len(prices) > 1
    play_minutes(exchange, 5)
    assert order.status is OrderStatus.FILLED
    assert strategy.status is StrategyStatus.FINISHED
    assert all(trade.is_maker for trade in exchange.trades("alice", None))


def test_a_chase_gives_up_when_the_market_has_run_away() -> None:
    exchange = with_account(make_exchange())
    strategy = exchange.place_chase_order(
        "alice", chase(max_chase_offset=Decimal(1), max_chase_offset_is_pct=True)
    )
    order = strategy.sub_orders[0].order
    assert order is not None
    gap(exchange, "1.5")
    exchange.advance_to(exchange.now_ms + 1_000)
    assert order.status is OrderStatus.CANCELED
    assert (strategy.status, strategy.failure_reason) == (StrategyStatus.CANCELED, "OFFSET_CANCELLED")


def test_a_chase_is_cancelled_through_its_order() -> None:
    exchange = with_account(make_exchange())
    strategy = exchange.place_chase_order("alice", chase(chase_offset=Decimal(100)))
    order = strategy.sub_orders[0].order
    assert order is not None
    assert order.spec.price_of(order.price_ticks) == best(exchange)[0] - 100
    exchange.cancel_order("alice", "BTCUSDT", order.order_id, None)
    assert strategy.status is StrategyStatus.CANCELED
    play_minutes(exchange, 1)
    assert order.status is OrderStatus.CANCELED


def test_a_chase_in_quote_units_buys_what_the_amount_pays() -> None:
    exchange = with_account(make_exchange())
    strategy = exchange.place_chase_order(
        "alice", chase(quantity=Decimal(1_000), quantity_unit=QuantityUnit.QUOTE)
    )
    order = strategy.sub_orders[0].order
    assert order is not None
    assert order.lots == 16


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"chase_offset": Decimal("-0.1")}, -1130),
        ({"chase_offset": Decimal("0.05")}, -1130),
        ({"max_chase_offset": Decimal(0)}, -1130),
        ({"time_in_force": TimeInForce.IOC}, -1115),
        ({"quantity": Decimal("0.0001")}, -4004),
        ({"quantity": Decimal("NaN")}, -4003),
        ({"client_strategy_id": "x" * 29}, -1130),
    ],
)
def test_malformed_chases(fields: dict[str, Any], code: int) -> None:
    exchange = with_account(make_exchange())
    with pytest.raises(VenueRefusal) as caught:
        exchange.place_chase_order("alice", chase(**fields))
    assert caught.value.code == code
    assert exchange.strategy_orders("alice") == []
