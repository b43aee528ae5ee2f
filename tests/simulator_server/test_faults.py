"""Faults by chance and by script, on requests, events, sockets, clocks and keys."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server import ExchangeServer
from aster_operator.simulator.server.control import ControlRefusal
from aster_operator.simulator.server.faults import FaultKind, FaultRule, Faults
from aster_operator.simulator.server.frames import Outgoing
from aster_operator.simulator.server.messages import WireRequest
from aster_operator.simulator.server.scenario_player import (
    ScenarioError,
    load_scenario,
    parse_scenario,
    shipped_scenarios,
)
from simulator_server.test_streams import listen
from simulator_server.trader import Recorder, Trader

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}


def do(server: ExchangeServer, verb: str, **arguments: object) -> Any:
    return server.control.call("POST", f"/sim/{verb}", arguments)


async def order(trader: Trader) -> tuple[int, dict[str, Any] | None] | None:
    """(status, JSON) of a market order sent through the gate; None when the connection broke."""
    request = WireRequest("POST", "/fapi/v3/order", trader.v3_query(**ORDER).encode())
    response = await trader.server.gate.answer(request)
    if response is None:
        return None
    return response.status, json.loads(response.body) if "json" in response.content_type else None


def filled(trader: Trader) -> int:
    return len(trader.v3("GET", "userTrades", symbol="BTCUSDT").json)


@pytest.mark.parametrize(
    ("fault", "answer", "trades"),
    [
        ({"kind": "drop_request"}, None, 0),
        ({"kind": "lose_answer"}, None, 1),
        ({"kind": "unavailable"}, (503, -1006), 0),
        ({"kind": "unavailable", "executed": True}, (503, -1006), 1),
        ({"kind": "timeout"}, (503, -1007), 0),
        ({"kind": "timeout", "executed": True}, (503, -1007), 1),
        ({"kind": "too_many_requests"}, (429, -1003), 0),
        ({"kind": "banned"}, (418, -1003), 0),
        ({"kind": "refuse", "code": -2019}, (400, -2019), 0),
        ({"kind": "refuse", "code": -4061, "http_status": 403}, (403, -4061), 0),
        ({"kind": "html_500"}, (500, None), 0),
        ({"kind": "html_500", "executed": True}, (500, None), 1),
    ],
)
async def test_requests_meet_their_fault(
    trader: Trader, fault: dict[str, object], answer: tuple[int, int | None] | None, trades: int
) -> None:
    do(trader.server, "fault", method="POST", path="*/order", **fault)
    got = await order(trader)
    assert (got if got is None else (got[0], None if got[1] is None else got[1]["code"])) == answer
    assert filled(trader) == trades
    assert do(trader.server, "heal") == {"lifted": 1}
    healed = await order(trader)
    assert healed is not None
    assert healed[0] == 200


async def test_a_fault_strikes_by_count_after_some_and_only_one_account(
    trader: Trader, other_trader: Trader
) -> None:
    user = trader.account.user
    do(trader.server, "fault", kind="unavailable", path="*/order", skip=1, count=2, user=user)
    statuses = [await order(trader) for _ in range(5)]
    assert [answer[0] for answer in statuses if answer] == [200, 503, 503, 200, 200]
    theirs = await order(other_trader)
    assert theirs is not None
    assert theirs[0] == 200


async def refusal_of(trader: Trader, method: str, path: str, **params: object) -> tuple[int, object]:
    """(status, JSON) of a request sent through the gate."""
    request = WireRequest(method, path, trader.v3_query(**params).encode())
    response = await trader.server.gate.answer(request)
    assert response is not None
    return response.status, json.loads(response.body)


async def test_only_the_second_leg_of_a_pair_is_refused(trader: Trader) -> None:
    trader.v3("POST", "positionSide/dual", dualSidePosition="true")
    do(
        trader.server,
        "fault",
        kind="refuse",
        method="POST",
        path="/fapi/*/order",
        params={"symbol": "BTC*", "positionSide": "SHORT"},
        code=-2019,
        count=2,
    )

    async def leg(side: str, position_side: str) -> int:
        order = ORDER | {"side": side, "positionSide": position_side}
        return (await refusal_of(trader, "POST", "/fapi/v3/order", **order))[0]

    legs = [("BUY", "LONG"), ("SELL", "SHORT"), ("SELL", "SHORT"), ("SELL", "SHORT")]
    assert [await leg(*each) for each in legs] == [200, 400, 400, 200]
    (rule,) = trader.server.control.call("GET", "/sim/faults")
    assert (rule["struck"], rule["message"]) == (2, "Margin is insufficient.")


async def test_a_refusal_is_the_venues_own_last_word(trader: Trader) -> None:
    """It uses up nonce and order count, and a bad signature is told first, as when the venue refuses."""
    server = trader.server
    do(server, "fault", kind="refuse", path="*/leverage", code=-9999, message="Not today.", http_status=418)
    do(
        server,
        "fault",
        kind="refuse",
        path="*/order",
        params={"symbol": "BTCUSDT"},
        code=-2010,
        message="No.",
    )
    answer = await refusal_of(trader, "POST", "/fapi/v3/leverage", symbol="BTCUSDT", leverage=5)
    assert answer == (418, {"code": -9999, "msg": "Not today."})
    query = trader.v3_query(**ORDER)
    request = WireRequest("POST", "/fapi/v3/order", query.encode())
    refused = await server.gate.answer(request)
    assert refused is not None
    assert json.loads(refused.body) == {"code": -2010, "msg": "No."}
    assert refused.headers["X-MBX-ORDER-COUNT-1M"] == "1"
    again = await server.gate.answer(request)
    assert again is not None
    assert json.loads(again.body)["code"] == -4225
    forged = await server.gate.answer(WireRequest("POST", "/fapi/v3/order", query.encode() + b"00"))
    assert forged is not None
    assert json.loads(forged.body)["code"] == -1022
    broken = await server.gate.answer(WireRequest("POST", "/fapi/v3/order", b"symbol=%ff"))
    assert broken is not None
    assert json.loads(broken.body)["code"] == -1100
    assert server.exchange.audit().balanced


def test_refusals_come_by_chance_and_by_scenario(trader: Trader) -> None:
    faults = Faults(1)
    faults.add(FaultRule(FaultKind.REFUSE, probability=0.25, code=-2019))
    plans = [faults.plan_request(WireRequest("POST", "/fapi/v3/order"), None) for _ in range(400)]
    assert 70 < sum(plan.refusal is not None for plan in plans) < 130
    server = trader.server
    refuse = {"kind": "refuse", "path": "*/order", "params": {"symbol": "ETHUSDT"}, "code": -4061}
    steps = [{"at_s": 1, "do": "fault", "with": refuse}, {"at_s": 5, "do": "heal"}]
    do(server, "scenario", scenario={"name": "x", "description": "y", "steps": steps})
    server.step_to(server.exchange.now_ms + 2_000)
    (rule,) = server.control.call("GET", "/sim/faults")
    assert (rule["code"], rule["params"]) == (-4061, {"symbol": "ETHUSDT"})
    server.step_to(server.exchange.now_ms + 5_000)
    assert server.control.call("GET", "/sim/faults") == []
    assert server.scenarios.problems == []


def test_chance_comes_from_the_seed() -> None:
    def strikes(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add(FaultRule(FaultKind.UNAVAILABLE, probability=0.3))
        request = WireRequest("GET", "/fapi/v1/ping")
        return [faults.plan_request(request, None).rule is not None for _ in range(500)]

    assert strikes(1) == strikes(1) != strikes(2)
    assert 100 < sum(strikes(1)) < 200


async def test_a_late_request_can_be_killed_by_its_nonce(trader: Trader) -> None:
    """The venue's noop: a queued order whose nonce was used up meanwhile does nothing."""
    do(trader.server, "fault", kind="latency", path="*/order", delay_ms=50, count=1)
    nonce = trader.nonce()
    query = trader.v3_query(**ORDER, nonce=nonce)
    sent = asyncio.ensure_future(
        trader.server.gate.answer(WireRequest("POST", "/fapi/v3/order", query.encode()))
    )
    await asyncio.sleep(0)
    assert trader.v3("POST", "noop", nonce=nonce).json == {"code": 200, "msg": "success"}
    response = await sent
    assert response is not None
    assert json.loads(response.body)["code"] == -4225
    assert filled(trader) == 0


def test_delays_add_up() -> None:
    faults = Faults(1)
    faults.add(FaultRule(FaultKind.LATENCY, delay_ms=100))
    faults.add(FaultRule(FaultKind.LATENCY, delay_ms=20, jitter_ms=10))
    plan = faults.plan_request(WireRequest("GET", "/"), None)
    assert 120 <= plan.delay_ms <= 130
    assert plan.goes_in


def test_a_base_latency_stays_when_all_faults_are_healed() -> None:
    faults = Faults(1, latency_ms=40, jitter_ms=20)
    faults.add(FaultRule(FaultKind.LATENCY, delay_ms=100))
    assert 140 <= faults.plan_request(WireRequest("GET", "/"), None).delay_ms <= 160
    faults.remove(None)
    delays = [faults.plan_request(WireRequest("GET", "/"), None).delay_ms for _ in range(50)]
    assert faults.strike_requests
    assert 40 <= min(delays) < max(delays) <= 60
    with pytest.raises(ValueError, match="negative"):
        Faults(1, latency_ms=-1)


# --- events -----------------------------------------------------------------------------------------------


def deliver(kind: FaultKind, names: str, **fields: Any) -> str:
    faults = Faults(1)
    faults.add(FaultRule(kind, **fields))
    out = ""
    for name in names:
        for message in faults.deliveries("s", None, Outgoing("s", name)):
            out += message.raw().decode("latin-1")[-2]
    return out


def test_events_are_lost_doubled_and_swapped() -> None:
    assert deliver(FaultKind.LOSE_EVENT, "abcd", skip=1, count=1) == "acd"
    assert deliver(FaultKind.DUPLICATE_EVENT, "abcd", skip=2, count=1) == "abccd"
    assert deliver(FaultKind.REORDER_EVENT, "abcd", count=1) == "bacd"
    assert deliver(FaultKind.REORDER_EVENT, "abcd") == "badc"


def test_user_events_are_lost_for_one_account_alone(trader: Trader, other_trader: Trader) -> None:
    mine, theirs = listen(trader), listen(other_trader)
    do(trader.server, "fault", kind="lose_event", stream="user", user=trader.account.user)
    trader.resting()
    other_trader.resting()
    assert mine.messages == []
    assert len(theirs.messages) == 1


def test_a_lost_depth_event_is_a_gap(server: ExchangeServer) -> None:
    recorder = Recorder()
    server.subscriptions.add(recorder, "btcusdt@depth@100ms")
    do(server, "fault", kind="lose_event", stream="btcusdt@depth*", skip=2, count=1)
    server.step_to(server.exchange.now_ms + 60_000)
    events = recorder.payloads()
    breaks = [after["pu"] != before["u"] for before, after in itertools.pairwise(events)]
    assert breaks.count(True) == 1
    assert breaks[1] is True


# --- sockets ----------------------------------------------------------------------------------------------


@pytest.fixture
async def watched(
    live: ExchangeServer,
) -> AsyncIterator[tuple[ExchangeServer, aiohttp.ClientWebSocketResponse]]:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{live.ws_url}/ws/btcusdt@bookTicker", autoping=False) as ws,
    ):
        yield live, ws


Watched = tuple[ExchangeServer, aiohttp.ClientWebSocketResponse]


async def test_a_stall_holds_everything_back_and_loses_nothing(watched: Watched) -> None:
    server, ws = watched
    assert do(server, "sockets", action="stall", stream="btcusdt@*") == {"touched": 1}
    server.step_to(server.exchange.now_ms + 60_000)
    await ws.ping(b"late")
    with pytest.raises(TimeoutError):
        await ws.receive(timeout=0.05)
    do(server, "sockets", action="resume")
    times = []
    while (message := await ws.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
        times.append(json.loads(message.data)["E"])
    assert message.type is aiohttp.WSMsgType.PONG
    assert times == sorted(times)
    assert len(times) > 5


async def test_a_half_open_socket_hears_nothing_and_a_cut_one_breaks(watched: Watched) -> None:
    server, ws = watched
    do(server, "sockets", action="half_open")
    server.step_to(server.exchange.now_ms + 60_000)
    await ws.ping(b"anybody?")
    with pytest.raises(TimeoutError):
        await ws.receive(timeout=0.05)
    do(server, "sockets", action="cut")
    assert (await ws.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


async def test_a_dropped_request_breaks_the_connection(live: ExchangeServer) -> None:
    do(live, "fault", kind="drop_request", count=1)
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientError):
            # aiohttp itself repeats a GET whose connection broke; a POST it does not.
            await http.post(f"{live.rest_url}/fapi/v1/order")
        async with http.get(f"{live.rest_url}/fapi/v1/ping") as response:
            assert response.status == 200


async def test_maintenance_closes_everything_until_it_is_over(watched: Watched) -> None:
    server, ws = watched
    do(server, "maintenance", on=True)
    assert (await ws.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    response = await server.gate.answer(WireRequest("GET", "/fapi/v1/ping"))
    assert response is not None
    assert (response.status, json.loads(response.body)["code"]) == (503, -1016)
    do(server, "maintenance", on=False)
    healed = await server.gate.answer(WireRequest("GET", "/fapi/v1/ping"))
    assert healed is not None
    assert healed.status == 200


def test_clock_keys_and_bans(trader: Trader, clock: ManualClock) -> None:
    server = trader.server
    recorder = listen(trader)
    assert do(server, "listen_keys", user=trader.account.user) == {"expired": 1}
    assert recorder.payloads()[-1]["e"] == "listenKeyExpired"
    do(server, "clock", skew_ms=-30_000)
    assert (
        trader.v1("GET", "v2/balance").json["msg"].startswith("Timestamp for this request was 1000ms ahead")
    )
    do(server, "clock", skew_ms=0)
    do(server, "ban", ms=60_000)
    assert trader.public("v1/ping").status == 418
    do(server, "ban", ms=0)
    assert trader.public("v1/ping").status == 200


# --- the market -------------------------------------------------------------------------------------------


def test_the_market_can_be_moved(trader: Trader) -> None:
    server = trader.server
    trader.market("BUY", "0.010")
    bid, _ = trader.touch()
    do(server, "gap", symbol="BTCUSDT", move_pct="-2")
    assert trader.touch()[0] == pytest.approx(bid * 0.98, rel=0.002)
    do(server, "mark", symbol="BTCUSDT", price="90000")
    assert trader.public("v3/premiumIndex", symbol="BTCUSDT").json["markPrice"] == "90000.00000000"
    do(server, "mark", symbol="BTCUSDT", price=None)
    do(server, "empty_side", symbol="BTCUSDT", side="BUY")
    assert trader.public("v3/depth", symbol="BTCUSDT", limit=5).json["bids"] == []
    do(server, "restore_side", symbol="BTCUSDT", side="BUY")
    do(server, "fees", symbol="BTCUSDT", maker="0.0002", taker="0.0005")
    rates = trader.v3("GET", "commissionRate", symbol="BTCUSDT").json
    assert (rates["makerCommissionRate"], rates["takerCommissionRate"]) == ("0.000200", "0.000500")
    do(server, "funding", symbol="BTCUSDT", rate="0.001", now=True)
    assert trader.v3("GET", "income", incomeType="FUNDING_FEE").json[0]["income"].startswith("-")
    do(server, "filters", symbol="BTCUSDT", min_notional="50000")
    assert trader.market("BUY", "0.010").code == -4164
    do(server, "liquidate", user=trader.account.user, symbol="BTCUSDT")
    (forced,) = trader.v3("GET", "forceOrders").json
    assert forced["clientOrderId"].startswith("autoclose-")
    do(server, "status", symbol="BTCUSDT", status="SETTLING")
    assert trader.market("BUY", "0.010").code == -4140
    assert server.exchange.audit().balanced


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("fault", {}),
        ("fault", {"kind": "earthquake"}),
        ("fault", {"kind": "latency", "probability": 2}),
        ("fault", {"kind": "latency", "delay_ms": -1}),
        ("fault", {"kind": "latency", "color": "red"}),
        ("fault", {"kind": "latency", "code": -2019}),
        ("fault", {"kind": "refuse"}),
        ("fault", {"kind": "refuse", "code": 200}),
        ("fault", {"kind": "refuse", "code": -9999}),
        ("fault", {"kind": "refuse", "code": -4164}),
        ("fault", {"kind": "refuse", "code": -2019, "http_status": 200}),
        ("fault", {"kind": "refuse", "code": -2019, "executed": True}),
        ("fault", {"kind": "refuse", "code": -2019, "params": {"symbol": 5}}),
        ("heal", {"rule_id": "all"}),
        ("sockets", {"action": "kick"}),
        ("sockets", {"action": "cut", "stream": 5}),
        ("clock", {"skew_ms": "much"}),
        ("listen_keys", {"user": 5}),
        ("ban", {"ms": -1}),
        ("maintenance", {"on": "yes"}),
        ("gap", {"symbol": "BTCUSDT"}),
        ("gap", {"symbol": "BTCUSDT", "move_pct": "-100"}),
        ("gap", {"move_pct": 1}),
        ("mark", {"symbol": "BTCUSDT", "price": "-1"}),
        ("empty_side", {"symbol": "BTCUSDT", "side": "LEFT"}),
        ("liquidate", {"symbol": "BTCUSDT"}),
        ("filters", {"symbol": "BTCUSDT", "tick_size": "1"}),
        ("status", {"symbol": "BTCUSDT", "status": "GONE"}),
        ("halt", {"symbol": "BTCUSDT", "halted": 1}),
        ("storm", {"symbol": "NOPE", "orders": 1}),
        ("storm", {"symbol": "BTCUSDT", "orders": 0}),
        ("scenario", {"name": "no such file"}),
        ("scenario", {"scenario": {"name": "x", "description": "", "steps": [{"at_s": 1, "do": "dance"}]}}),
    ],
)
def test_senseless_verbs_are_refused_in_one_line(
    server: ExchangeServer, verb: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(ControlRefusal) as caught:
        do(server, verb, **arguments)
    assert caught.value.message
    assert "\n" not in caught.value.message


def test_unknown_symbols_in_verbs_are_answered_over_http(server: ExchangeServer) -> None:
    response = server.control.dispatch(
        WireRequest(
            "POST",
            "/sim/gap",
            headers={"authorization": "Bearer test-token"},
            body=b'{"symbol": "NOPE", "move_pct": 1}',
        )
    )
    assert response.status == 400
    assert b"-1121" in response.body


# --- scenarios --------------------------------------------------------------------------------------------


def test_five_scenarios_ship() -> None:
    assert set(shipped_scenarios()) == {
        "flash_crash",
        "funding_spike",
        "order_storm",
        "outage_with_open_pair",
        "slow_death_of_user_stream",
    }
    assert all(load_scenario(name).description for name in shipped_scenarios())


@pytest.mark.parametrize("name", shipped_scenarios())
def test_each_shipped_scenario_plays_without_a_problem_and_the_books_balance(
    trader: Trader, clock: ManualClock, name: str
) -> None:
    server = trader.server
    listen(trader)
    trader.v3("POST", "positionSide/dual", dualSidePosition="true")
    playing = do(server, "scenario", name=name)
    server.step_to(server.exchange.now_ms + 30_000)
    assert trader.market("BUY", "0.010", positionSide="LONG").status == 200
    assert trader.market("SELL", "0.010", positionSide="SHORT").status == 200
    for _ in range(90):
        server.step_to(server.exchange.now_ms + 5_000)
        assert server.exchange.audit().balanced
    told = server.control.call("GET", "/sim/scenarios")
    assert told["problems"] == []
    assert len(told["done"]) == playing["steps"]


def test_steps_happen_at_their_market_time_whatever_the_stride(
    make_server: Callable[..., ExchangeServer],
) -> None:
    steps = [
        {
            "at_s": 1.5,
            "do": "halt",
            "with": {"symbol": "BTCUSDT", "halted": True},
            "repeat": {"times": 3, "every_s": 2},
        }
    ]
    server = make_server()
    start = server.exchange.now_ms
    do(server, "scenario", scenario={"name": "x", "description": "y", "steps": steps})
    server.step_to(start + 60_000)
    assert server.scenarios.done == [f"{start + offset} halt" for offset in (1500, 3500, 5500)]
    do(server, "scenario", scenario={"name": "x", "description": "y", "steps": steps})
    assert do(server, "scenario/stop") == {"forgotten": 3}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just a text",
        "name: x",
        "name: x\ndescription: y\nsteps: 5",
        "name: x\ndescription: y\nsteps: [{at_s: soon, do: gap}]",
        "name: x\ndescription: y\nsteps: [{at_s: -1, do: gap}]",
        "name: x\ndescription: y\nbegins: tomorrow\nsteps: []",
        "steps: [",
    ],
)
def test_broken_scenario_files_are_named_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_scenario_may_be_given_as_an_object() -> None:
    scenario = parse_scenario({"name": "x", "description": "y", "steps": [{"at_s": 1, "do": "heal"}]})
    assert scenario.steps[0].times_ms() == [1000]


def test_a_symbol_can_be_listed_fed_traded_and_delisted(trader: Trader) -> None:
    server = trader.server
    told = do(server, "list", symbol="NEWUSDT", price="12.34")
    server.step_to(server.exchange.now_ms + 1000)
    symbols = {row["symbol"]: row for row in trader.public("v3/exchangeInfo").json["symbols"]}
    assert symbols["NEWUSDT"]["baseAsset"] == "NEW"
    tick = next(row for row in symbols["NEWUSDT"]["filters"] if row["filterType"] == "PRICE_FILTER")
    assert tick["tickSize"] == told["tick_size"]
    recorder = Recorder()
    server.subscriptions.add(recorder, "newusdt@bookTicker")
    order = {"symbol": "NEWUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}
    bought = trader.v3("POST", "order", **order)
    assert bought.status == 200, bought.json
    do(server, "feed", symbol="NEWUSDT", price="12.50")
    server.step_to(server.exchange.now_ms + 1000)
    assert recorder.payloads()[-1]["a"] == trader.public("v3/depth", symbol="NEWUSDT").json["asks"][0][0]
    (position,) = trader.v3("GET", "positionRisk", symbol="NEWUSDT").json
    assert float(position["unRealizedProfit"]) > 0
    do(server, "delist", symbol="NEWUSDT")
    (closed,) = trader.v3("GET", "positionRisk", symbol="NEWUSDT").json
    assert float(closed["positionAmt"]) == 0
    assert trader.v3("POST", "order", **order).code == -4141
    assert server.exchange.audit().balanced


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("list", {"symbol": "BTCUSDT", "price": "1"}),
        ("list", {"symbol": "new usdt", "price": "1"}),
        ("list", {"symbol": "NEWUSDT"}),
        ("list", {"symbol": "NEWUSDT", "price": "-1"}),
        ("list", {"symbol": "NEWUSDT", "price": "cheap"}),
        ("list", {"symbol": "NEWUSDT", "price": "0.0000001"}),
        ("feed", {"symbol": "BTCUSDT", "price": "1"}),
    ],
)
def test_senseless_listings_are_refused(
    server: ExchangeServer, verb: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(ControlRefusal):
        do(server, verb, **arguments)


@pytest.mark.parametrize(
    ("price", "tick"), [("2", "0.0001"), ("2.5", "0.0001"), ("65000", "1"), ("0.00012", "0.00000001")]
)
def test_a_symbol_listed_at_a_round_price_can_be_traded_and_moved(
    trader: Trader, price: str, tick: str
) -> None:
    server = trader.server
    assert do(server, "list", symbol="NEWUSDT", price=price)["tick_size"] == tick
    server.step_to(server.exchange.now_ms + 1_000)
    lot = server.exchange.contracts()["NEWUSDT"].instrument.lot
    quantity = lot.step * max(1, int(10 / (Decimal(price) * lot.step)))
    answer = trader.v3("POST", "order", symbol="NEWUSDT", side="BUY", type="MARKET", quantity=str(quantity))
    assert answer.status == 200, answer.json
    do(
        server,
        "feed",
        symbol="NEWUSDT",
        price=str(Decimal(price) * Decimal("1.01").quantize(Decimal("0.01"))),
    )
    assert server.exchange.audit().balanced


def test_a_symbol_that_cannot_be_listed_is_not(trader: Trader) -> None:
    with pytest.raises(ControlRefusal, match="too low"):
        do(trader.server, "list", symbol="NEWUSDT", price="0.0000001")
    assert "NEWUSDT" not in trader.server.exchange.contracts()


async def test_a_ban_by_fault_says_how_long_it_lasts(trader: Trader) -> None:
    do(trader.server, "fault", kind="banned", path="*/order")
    request = WireRequest("POST", "/fapi/v3/order", trader.v3_query(**ORDER).encode())
    response = await trader.server.gate.answer(request)
    assert response is not None
    assert (response.status, response.headers["Retry-After"]) == (418, "120")


async def test_a_day_of_a_user_stream_passes_before_a_plain_client(
    live: ExchangeServer, clock: ManualClock
) -> None:
    """What others' programs live through: the key's hour, its grace, its end, the cut after 24 hours."""
    account = live.accounts[0]
    minute = 60_000

    async def listen_key(http: aiohttp.ClientSession, method: str) -> tuple[int, Any]:
        headers = {"X-MBX-APIKEY": account.api_key}
        async with http.request(method, f"{live.rest_url}/fapi/v1/listenKey", headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async with aiohttp.ClientSession() as http:
        _, made = await listen_key(http, "POST")
        url = f"{live.ws_url}/ws/{made['listenKey']}"
        async with (
            http.ws_connect(url) as user,
            http.ws_connect(f"{live.ws_url}/ws/btcusdt@bookTicker") as market,
        ):
            do(live, "clock", skew_ms=61 * minute)
            live.keep_house()
            assert await listen_key(http, "PUT") == (200, {})
            do(live, "clock", skew_ms=124 * minute)
            live.keep_house()
            assert (await user.receive_json(timeout=5))["e"] == "listenKeyExpired"
            status, refused = await listen_key(http, "PUT")
            assert (status, refused["code"]) == (400, -1125)
            _, again = await listen_key(http, "POST")
            assert again["listenKey"] != made["listenKey"]
            assert not user.closed
            assert do(live, "sockets", action="retire") == {"touched": 2}
            for socket in (user, market):
                ended = await socket.receive(timeout=5)
                assert (ended.type, ended.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        async with http.ws_connect(f"{live.ws_url}/ws/{again['listenKey']}") as renewed:
            do(live, "clock", skew_ms=0)
            Trader(live, clock, 0).resting()
            assert (await renewed.receive_json(timeout=5))["e"] == "ORDER_TRADE_UPDATE"
            clock.advance_ms(24 * 60 * minute)
            live.keep_house()
            ended = await renewed.receive(timeout=5)
            assert (ended.type, ended.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert live.control.call("GET", "/sim/state")["connections"]["dropped_old"] == 3
