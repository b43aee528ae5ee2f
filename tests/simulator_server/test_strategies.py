"""Chase and strategy orders over the dispatcher (protocol reference, section 4.5)."""

import json
from decimal import Decimal

import pytest

from simulator_server.trader import Answer, Trader

SHAPE = {
    "strategyId",
    "clientStrategyId",
    "strategyType",
    "strategyStatus",
    "updateTime",
    "failureCode",
    "failureReason",
}


def otoco(trader: Trader, **changes: object) -> Answer:
    bid, _ = trader.touch()
    leg = {"securityType": "USDT_FUTURES", "symbol": "BTCUSDT", "quantity": "0.010"}
    legs = [
        leg | {"strategySubId": "1", "side": "BUY", "type": "MARKET", "clientOrderId": "entry"},
        leg
        | {
            "strategySubId": "2",
            "side": "SELL",
            "type": "TAKE_PROFIT_MARKET",
            "stopPrice": f"{bid * 1.02:.1f}",
            "firstDrivenId": "1",
            "firstDrivenOn": "FILLED",
            "firstTrigger": "PLACE_ORDER",
            "secondDrivenId": "3",
            "secondDrivenOn": "FILLED",
            "secondTrigger": "CANCEL_ORDER",
        },
        leg
        | {
            "strategySubId": "3",
            "side": "SELL",
            "type": "STOP_MARKET",
            "stopPrice": f"{bid * 0.98:.1f}",
            "firstDrivenId": "1",
            "firstDrivenOn": "FILLED",
            "firstTrigger": "PLACE_ORDER",
            "secondDrivenId": "2",
            "secondDrivenOn": "FILLED",
            "secondTrigger": "CANCEL_ORDER",
        },
    ]
    fields = {"strategyType": "OTOCO", "subOrderList": json.dumps(legs), "clientStrategyId": "mine"}
    return trader.v3("POST", "placeStrategyOrder", **(fields | changes))


def test_an_entry_brings_its_exits_and_one_exit_ends_the_other(trader: Trader) -> None:
    placed = otoco(trader).json
    assert set(placed) == SHAPE
    assert (placed["strategyType"], placed["strategyStatus"], placed["failureCode"]) == (
        "OTOCO",
        "WORKING",
        0,
    )
    resting = trader.v3("GET", "openOrders", symbol="BTCUSDT").json
    assert {order["type"] for order in resting} == {"TAKE_PROFIT_MARKET", "STOP_MARKET"}
    key = {"strategyType": "OTOCO", "strategyId": placed["strategyId"]}
    shown = trader.v3("GET", "strategyOpenOrder", **key).json
    assert [leg["strategySubId"] for leg in shown["subOrders"]] == [1, 2, 3]
    assert shown["subOrders"][0]["status"] == "FILLED"
    assert shown["subOrders"][0]["clientOrderId"] == "entry"
    trader.server.control.call("POST", "/sim/gap", {"symbol": "BTCUSDT", "move_pct": "-3"})
    trader.server.step_to(trader.server.exchange.now_ms + 10_000)
    assert trader.v3("GET", "openOrders", symbol="BTCUSDT").json == []
    positions = trader.v3("GET", "positionRisk", symbol="BTCUSDT").json
    assert all(Decimal(row["positionAmt"]) == 0 for row in positions)
    assert trader.v3("GET", "strategyOpenOrder", **key).code == -2013
    (ended,) = trader.v3("GET", "strategyHistoryOrder", **key).json
    assert ended["strategyStatus"] != "WORKING"
    (listed,) = trader.v3("GET", "strategyHistoryOrder", strategyType="OTOCO").json
    assert listed == ended


def test_legs_can_be_moved_while_they_wait_and_while_they_rest(trader: Trader) -> None:
    bid, _ = trader.touch()
    leg = {"symbol": "BTCUSDT", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010"}
    legs = [
        leg | {"side": "BUY", "price": f"{bid * 0.99:.1f}"},
        leg | {"side": "SELL", "price": f"{bid * 1.01:.1f}"},
    ]
    placed = trader.v3("POST", "placeStrategyOrder", strategyType="OTO", subOrderList=json.dumps(legs)).json
    legs[0]["price"], legs[1]["price"] = f"{bid * 0.985:.1f}", f"{bid * 1.015:.1f}"
    rows = trader.v3(
        "POST",
        "updateStrategyOrder",
        strategyId=placed["strategyId"],
        strategyType="OTO",
        subOrderList=json.dumps(legs),
    ).json
    assert [row["updateStatus"] for row in rows] == ["SUCCESS", "SUCCESS"]
    assert [Decimal(row["updatedSubOrder"]["price"]) for row in rows] == [
        Decimal(str(leg["price"])) for leg in legs
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"strategyType": "OTTO"}, -1130),
        ({"strategyType": "OTO"}, -1130),
        ({"strategyType": None}, -1102),
        ({"subOrderList": None}, -1102),
        ({"subOrderList": "[]"}, -1130),
        ({"subOrderList": "[{}]"}, -1102),
        ({"clientStrategyId": "x" * 29}, -1130),
    ],
)
def test_bad_strategies_leave_nothing_behind(trader: Trader, changes: dict[str, object], code: int) -> None:
    assert otoco(trader, **changes).code == code
    assert trader.v3("GET", "openOrders").json == []


def test_a_strategy_is_named_by_exactly_one_id(trader: Trader) -> None:
    placed = otoco(trader).json
    by_client = trader.v3("GET", "strategyOpenOrder", strategyType="OTOCO", clientStrategyId="mine").json
    assert by_client["strategyId"] == placed["strategyId"]
    for params in ({}, {"clientStrategyId": "mine", "strategyId": placed["strategyId"]}):
        assert trader.v3("GET", "strategyOpenOrder", strategyType="OTOCO", **params).code == -1102
    assert trader.v3("GET", "strategyOpenOrder", strategyType="OCO", clientStrategyId="mine").code == -2013


def chase(trader: Trader, **changes: object) -> Answer:
    fields = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.010", "quantityUnit": "BASE"}
    return trader.v3("POST", "chase", **(fields | changes))


def test_a_chase_follows_the_best_price(trader: Trader) -> None:
    started = chase(trader, chaseOffset="400.0", clientStrategyId="run").json
    assert set(started) > SHAPE
    echoed = {"chaseOffset": "400", "timeInForce": "GTX", "quantityUnit": "BASE", "maxChaseOffset": None}
    assert echoed.items() <= started.items()
    assert started["strategyType"] == "CHASE"
    bid, _ = trader.touch()
    (order,) = trader.v3("GET", "openOrders").json
    assert float(order["price"]) == pytest.approx(bid - 400)
    assert order["timeInForce"] == "GTX"
    trader.server.step_to(trader.server.exchange.now_ms + 60_000)
    moved, _ = trader.touch()
    (order,) = trader.v3("GET", "openOrders").json
    assert float(order["price"]) == pytest.approx(moved - 400, abs=60)
    trader.v3("DELETE", "order", symbol="BTCUSDT", orderId=order["orderId"])
    shown = trader.v3("GET", "strategyHistoryOrder", strategyType="CHASE", clientStrategyId="run").json
    assert shown[0]["strategyStatus"] == "CANCELED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantityUnit": None}, -1102),
        ({"quantityUnit": "LOTS"}, -1130),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0001"}, -4004),
        ({"chaseOffset": "-1"}, -1130),
        ({"chaseOffset": "0.05"}, -1130),
        ({"chaseOffsetType": "PERCENTAGE"}, -1020),
        ({"maxChaseOffset": "0"}, -1130),
        ({"maxChaseOffsetType": "FAR"}, -1130),
        ({"timeInForce": "IOC"}, -1115),
        ({"clientStrategyId": "x" * 29}, -1130),
        ({"symbol": "NOPE"}, -1121),
    ],
)
def test_bad_chases_have_their_codes(trader: Trader, changes: dict[str, object], code: int) -> None:
    assert chase(trader, **changes).code == code
    assert trader.v3("GET", "openOrders").json == []


def test_the_stop_of_a_running_bracket_can_be_moved(trader: Trader) -> None:
    """The usual use: trail the protective stop by hand. Only what changes is sent."""
    bid, _ = trader.touch()
    placed = otoco(trader).json
    stop_before = next(
        order
        for order in trader.v3("GET", "openOrders", symbol="BTCUSDT").json
        if order["type"] == "STOP_MARKET"
    )
    wanted = f"{Decimal(stop_before['stopPrice']) + 100:.1f}"
    row = {"strategySubId": "3", "securityType": "USDT_FUTURES", "symbol": "BTCUSDT"}
    key = {"strategyId": placed["strategyId"], "strategyType": "OTOCO"}
    (answer,) = trader.v3(
        "POST", "updateStrategyOrder", subOrderList=json.dumps([row | {"stopPrice": wanted}]), **key
    ).json
    assert (answer["updateStatus"], answer["updatedSubOrder"]["stopPrice"]) == ("SUCCESS", wanted)
    moved = trader.v3("GET", "order", symbol="BTCUSDT", orderId=stop_before["orderId"]).json
    assert (moved["stopPrice"], moved["status"], moved["origQty"]) == (wanted, "NEW", stop_before["origQty"])
    through = f"{bid * 2:.1f}"
    refused = [
        ({"stopPrice": through}, -2021),
        ({"stopPrice": "1.23"}, -1111),
        ({"type": "LIMIT", "price": wanted}, -1130),
        ({"type": "TAKE_PROFIT_MARKET"}, -1130),
        ({"side": "BUY"}, -1130),
    ]
    for changes, code in refused:
        (answer,) = trader.v3(
            "POST", "updateStrategyOrder", subOrderList=json.dumps([row | changes]), **key
        ).json
        assert (answer["updateStatus"], answer["failureCode"]) == ("FAILED", code), changes
    assert trader.v3("GET", "order", symbol="BTCUSDT", orderId=stop_before["orderId"]).json == moved
    unknown = json.dumps([row | {"strategySubId": "4"}])
    assert trader.v3("POST", "updateStrategyOrder", subOrderList=unknown, **key).code == -1130


def test_a_leg_that_waits_is_checked_when_it_is_placed(trader: Trader) -> None:
    bid, _ = trader.touch()
    leg = {"symbol": "BTCUSDT", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010"}
    legs = [
        leg | {"side": "BUY", "price": f"{bid * 0.99:.1f}"},
        leg | {"side": "SELL", "price": "60000.05"},
    ]
    answer = trader.v3("POST", "placeStrategyOrder", strategyType="OTO", subOrderList=json.dumps(legs))
    assert answer.code == -1111
    assert trader.v3("GET", "openOrders").json == []
