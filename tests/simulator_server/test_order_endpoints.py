"""Orders over the dispatcher: shapes, refusals, tolerance, batches."""

import json
from decimal import Decimal

import pytest

from simulator_server.trader import Trader

PLACED = {
    "orderId",
    "symbol",
    "status",
    "clientOrderId",
    "price",
    "avgPrice",
    "origQty",
    "executedQty",
    "cumQuote",
    "cumQty",
    "timeInForce",
    "type",
    "reduceOnly",
    "closePosition",
    "side",
    "positionSide",
    "stopPrice",
    "workingType",
    "priceProtect",
    "origType",
    "time",
    "updateTime",
}
LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "95000.0",
}


def test_an_acknowledgement_says_new_and_a_result_tells_the_end(trader: Trader) -> None:
    acknowledged = trader.market("BUY", "0.010").json
    assert set(acknowledged) == PLACED
    assert (acknowledged["status"], acknowledged["executedQty"]) == ("NEW", "0.000")
    assert acknowledged["avgPrice"] == "0.00000"
    result = trader.market("BUY", "0.010", newOrderRespType="RESULT").json
    assert (result["status"], result["executedQty"], result["timeInForce"]) == ("FILLED", "0.010", "GTC")
    assert Decimal(result["cumQuote"]) == Decimal(result["avgPrice"]) * Decimal("0.010")
    queried = trader.v3("GET", "order", symbol="BTCUSDT", orderId=acknowledged["orderId"]).json
    assert (queried["status"], set(queried)) == ("FILLED", PLACED - {"cumQty"})


def test_a_resting_order_is_listed_queried_modified_and_cancelled(trader: Trader) -> None:
    placed = trader.resting(newClientOrderId="my:order/1").json
    assert placed["clientOrderId"] == "my:order/1"
    by_client_id = {"symbol": "BTCUSDT", "origClientOrderId": "my:order/1"}
    assert trader.v3("GET", "openOrder", **by_client_id).json["orderId"] == placed["orderId"]
    assert len(trader.v3("GET", "openOrders").json) == 1
    assert trader.v3("GET", "openOrders", symbol="ETHUSDT").json == []
    changed = trader.v3("PUT", "order", **by_client_id, quantity="0.020", price=placed["price"])
    assert changed.json["origQty"] == "0.020"
    cancelled = trader.v3("DELETE", "order", **by_client_id).json
    assert (cancelled["status"], set(cancelled)) == ("CANCELED", PLACED)
    assert trader.v3("GET", "openOrder", **by_client_id).json == {
        "code": -2013,
        "msg": "Order does not exist.",
    }
    again = trader.v3("DELETE", "order", **by_client_id)
    assert (again.status, again.json) == (400, {"code": -2011, "msg": "Unknown order sent."})
    assert [order["status"] for order in trader.v3("GET", "allOrders", symbol="BTCUSDT").json] == ["CANCELED"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": None}, -1102),
        ({"symbol": "NOPE"}, -1121),
        ({"side": None}, -1102),
        ({"side": "UP"}, -1117),
        ({"type": "ICEBERG"}, -1116),
        ({"timeInForce": None}, -1102),
        ({"timeInForce": "DAY"}, -1115),
        ({"quantity": None}, -1102),
        ({"price": None}, -1102),
        ({"price": "NaN"}, -1100),
        ({"quantity": "Infinity"}, -1100),
        ({"quantity": "-1"}, -4003),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0015"}, -1111),
        ({"price": "95000.05"}, -1111),
        ({"price": "-5"}, -4001),
        ({"quantity": "0.00000001"}, -1111),
        ({"quantity": "100000"}, -4005),
        ({"price": "1000"}, None),
        ({"positionSide": "UP"}, -4060),
        ({"positionSide": "LONG"}, -4061),
        ({"stopPrice": "90000"}, -1106),
        ({"workingType": "INDEX"}, -4031),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "no spaces"}, -4015),
        ({"reduceOnly": "maybe"}, -1130),
        ({"reduceOnly": "true"}, -2022),
        ({"type": "MARKET"}, -1114),
        ({"type": "MARKET", "timeInForce": None}, -1106),
        ({"type": "STOP"}, -1102),
        ({"type": "STOP_MARKET", "quantity": None}, -1102),
        ({"type": "TRAILING_STOP_MARKET", "price": None}, -1102),
        ({"closePosition": "true"}, -1106),
        ({"type": "STOP_MARKET", "closePosition": "true", "stopPrice": "90000"}, -4137),
        ({"stpMode": "NONE"}, -1130),
        ({"pegPriceType": "BEST"}, -1130),
        ({"pegPriceType": "QUEUE_1", "pegOffset": "5"}, -1130),
        ({"builder": "0x" + "0" * 40, "feeRate": "0.001"}, -2031),
        ({"quantity": "0.010", "price": "0.1"}, None),
    ],
)
def test_bad_orders_have_their_codes(trader: Trader, changes: dict[str, object], code: int | None) -> None:
    before = trader.server.exchange.audit()
    answer = trader.v3("POST", "order", **(LIMIT | changes))
    assert answer.status == (400 if code is not None or "code" in answer.json else 200)
    if code is not None:
        assert answer.code == code, answer.json
        assert answer.json["msg"]
        assert trader.v3("GET", "openOrders").json == []
    assert before.balanced
    assert trader.server.exchange.audit().balanced


def test_scientific_quantities_and_any_case_flags_are_understood(trader: Trader) -> None:
    bid, _ = trader.touch()
    answer = trader.v3(
        "POST",
        "order",
        **(LIMIT | {"quantity": "1e-02", "price": f"{bid * 0.99:.1f}", "reduceOnly": "False"}),
        unknown="extra",
    )
    assert answer.json["origQty"] == "0.010"


def test_hedge_mode_refuses_reduce_only(trader: Trader) -> None:
    assert trader.v3("POST", "positionSide/dual", dualSidePosition="true").json == {
        "code": 200,
        "msg": "success",
    }
    answer = trader.market("BUY", "0.010", positionSide="LONG", reduceOnly="true")
    assert answer.json == {"code": -1106, "msg": "Parameter 'reduceOnly' sent when not required."}
    assert trader.market("BUY", "0.010").code == -4061
    assert trader.market("BUY", "0.010", positionSide="LONG").status == 200


def test_a_pegged_order_takes_its_price_from_the_touch(trader: Trader) -> None:
    bid, _ = trader.touch()
    answer = trader.v3("POST", "order", **(LIMIT | {"price": None}), pegPriceType="QUEUE_1", pegOffset="-1.0")
    assert float(answer.json["price"]) == pytest.approx(bid - 1.0)


def _batch(trader: Trader, orders: list[dict[str, object]]) -> str:
    return json.dumps(orders)


def test_a_batch_answers_each_order_in_its_place(trader: Trader) -> None:
    bid, _ = trader.touch()
    good = LIMIT | {"price": f"{bid * 0.99:.1f}"}
    rows = trader.v3(
        "POST",
        "batchOrders",
        batchOrders=json.dumps(
            [good, good | {"side": "UP"}, good | {"symbol": "ETHUSDT", "quantity": "1.0", "price": "1700"}]
        ),
    ).json
    assert [row.get("code", row.get("symbol")) for row in rows] == ["BTCUSDT", -1117, "ETHUSDT"]
    assert trader.v3("POST", "batchOrders", batchOrders=json.dumps([good] * 6)).code == -4082
    ids = [row["orderId"] for row in rows if "orderId" in row]
    cancelled = trader.v3(
        "DELETE", "batchOrders", symbol="BTCUSDT", orderIdList=json.dumps([str(ids[0]), "1"])
    ).json
    assert cancelled[0]["status"] == "CANCELED"
    assert cancelled[1] == {"code": -2011, "msg": "Unknown order sent."}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, -1102),
        ({"orderIdList": "[]"}, -1102),
        ({"orderIdList": "[a]"}, -1130),
        ({"orderIdList": json.dumps(list(range(11)))}, -4032),
    ],
)
def test_bad_batch_cancels(trader: Trader, params: dict[str, str], code: int) -> None:
    assert trader.v3("DELETE", "batchOrders", symbol="BTCUSDT", **params).code == code


def test_lower_case_and_unquoted_lists_cancel_too(trader: Trader) -> None:
    trader.resting(newClientOrderId="one")
    trader.resting(newClientOrderId="two")
    rows = trader.v3("DELETE", "batchOrders", symbol="BTCUSDT", origclientorderidlist="[one,two]").json
    assert [row["status"] for row in rows] == ["CANCELED", "CANCELED"]


def test_cancel_all_answers_a_string_code(trader: Trader) -> None:
    trader.resting()
    answer = trader.v3("DELETE", "allOpenOrders", symbol="BTCUSDT").json
    assert answer == {"code": "200", "msg": "The operation of cancel all open order is done."}
    assert trader.v3("GET", "openOrders", symbol="BTCUSDT").json == []


def test_a_countdown_cancels_in_market_time(trader: Trader) -> None:
    trader.resting()
    answer = trader.v3("POST", "countdownCancelAll", symbol="BTCUSDT", countdownTime=5000).json
    assert answer == {"symbol": "BTCUSDT", "countdownTime": "5000"}
    trader.server.step_to(trader.server.exchange.now_ms + 4999)
    assert len(trader.v3("GET", "openOrders").json) == 1
    trader.server.step_to(trader.server.exchange.now_ms + 1)
    assert trader.v3("GET", "openOrders").json == []


def test_an_order_without_any_id_is_refused_honestly(trader: Trader) -> None:
    for method, name in (("GET", "order"), ("DELETE", "order"), ("GET", "openOrder")):
        answer = trader.v3(method, name, symbol="BTCUSDT")
        assert answer.json == {
            "code": -1102,
            "msg": "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        }


def test_noop_uses_a_nonce_up(trader: Trader) -> None:
    nonce = trader.nonce()
    assert trader.v3("POST", "noop", nonce=nonce).json == {"code": 200, "msg": "success"}
    late = trader.market("BUY", "0.010", nonce=nonce)
    assert late.json == {"code": -4225, "msg": "Nonce Expired"}
    used = trader.nonce()
    assert trader.market("BUY", "0.010", nonce=used).status == 200
    assert trader.v3("POST", "noop", nonce=used).code == -4225


def test_a_guarded_cancel_needs_the_nonce_of_the_order(trader: Trader) -> None:
    nonce = trader.nonce()
    order_id = trader.resting(nonce=nonce).json["orderId"]
    key = {"symbol": "BTCUSDT", "orderId": order_id}
    assert trader.v3("DELETE", "guardedCancelOrder", **key).code == -2011
    assert trader.v3("DELETE", "guardedCancelOrder", **key, nonce=nonce).json["status"] == "CANCELED"


def test_an_order_test_places_nothing(trader: Trader) -> None:
    assert trader.v1("POST", "v1/order/test", **LIMIT).json == {}
    assert trader.v1("POST", "v1/order/test", **(LIMIT | {"side": "UP"})).code == -1117
    assert trader.v3("GET", "openOrders").json == []


def test_unfilled_cancelled_orders_are_forgotten_after_seven_days(trader: Trader) -> None:
    order_id = trader.resting().json["orderId"]
    trader.v3("DELETE", "order", symbol="BTCUSDT", orderId=order_id)
    key = {"symbol": "BTCUSDT", "orderId": order_id}
    week_ms = 7 * 24 * 3_600_000
    trader.server.step_to(trader.server.exchange.now_ms + week_ms)
    assert trader.v3("GET", "order", **key).json["status"] == "CANCELED"
    trader.server.step_to(trader.server.exchange.now_ms + 1)
    assert trader.v3("GET", "order", **key).code == -2013
    assert trader.v3("GET", "allOrders", symbol="BTCUSDT", orderId=0).json == []


def test_order_counts_are_reported_and_limited(make_server, clock) -> None:  # type: ignore[no-untyped-def]
    from aster_operator.simulator.server import RateLimitSettings

    trader = Trader(make_server(limits=RateLimitSettings(orders_per_minute=3)), clock, 0)
    counts = [trader.resting().headers.get("X-MBX-ORDER-COUNT-1M") for _ in range(3)]
    assert counts == ["1", "2", "3"]
    refused = trader.resting()
    assert (refused.status, refused.code) == (429, -1015)
    assert refused.json["msg"] == "Too many new orders; current limit is 3 orders per MINUTE."


TRAIL = {"symbol": "BTCUSDT", "side": "SELL", "type": "TRAILING_STOP_MARKET", "callbackRate": "0.1"}


def test_a_trailing_stop_without_a_quantity_closes_the_position(trader: Trader) -> None:
    assert trader.v3("POST", "order", **TRAIL).code == -1102
    trader.market("BUY", "0.030")
    order = trader.v3("POST", "order", **TRAIL).json
    assert (order["origQty"], order["reduceOnly"], order["status"]) == ("0.030", True, "NEW")
    assert trader.v3("POST", "order", **(TRAIL | {"side": "BUY"})).code == -1102
    trader.market("SELL", "0.030")
    for _ in range(60):
        trader.server.step_to(trader.server.exchange.now_ms + 60_000)
    query = {"symbol": "BTCUSDT", "orderId": order["orderId"]}
    assert trader.v3("GET", "order", **query).json["status"] == "EXPIRED"
    assert {row["positionAmt"] for row in trader.v3("GET", "positionRisk").json} == {"0.000"}


def test_in_hedge_mode_it_closes_the_side_it_names(trader: Trader) -> None:
    assert trader.v3("POST", "positionSide/dual", dualSidePosition="true").status == 200
    trader.market("BUY", "0.030", positionSide="LONG")
    order = trader.v3("POST", "order", **TRAIL, positionSide="LONG").json
    assert (order["origQty"], order["positionSide"], order["status"]) == ("0.030", "LONG", "NEW")
    assert trader.v3("POST", "order", **TRAIL, positionSide="SHORT").code == -1102
