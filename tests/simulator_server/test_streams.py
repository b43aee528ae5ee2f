"""Streams in process: payloads, throttles in market time, local books, the user stream."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.clock import HOUR_MS, MINUTE_MS, ManualClock
from aster_operator.market_data.history import RecordedHistory
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.server import ExchangeServer, ServerSettings
from aster_operator.simulator.server.stream_names import parse_stream
from simulator_server.trader import Recorder, Trader


def follow(server: ExchangeServer, *names: str) -> Recorder:
    recorder = Recorder()
    for name in names:
        server.subscriptions.add(recorder, name)
    return recorder


def run(server: ExchangeServer, milliseconds: int) -> None:
    server.step_to(server.exchange.now_ms + milliseconds)


KEYS = {
    "btcusdt@aggTrade": "e E s a p q f l T m",
    "btcusdt@markPrice": "e E s p i P r T",
    "btcusdt@markPrice@1s": "e E s p i P r T",
    "btcusdt@kline_5m": "e E s k",
    "btcusdt@miniTicker": "e E s c o h l v q",
    "btcusdt@ticker": "e E s p P w c Q o h l v q O C F L n",
    "btcusdt@bookTicker": "e u E T s b B a A",
    "btcusdt@tradepro": "e E T s t p q h m",
    "btcusdt@depth5@100ms": "e E T s U u pu b a",
    "btcusdt@depth20": "e E T s U u pu b a",
    "btcusdt@depth@250ms": "e E T s U u pu b a",
}


@pytest.mark.parametrize("name", KEYS)
def test_payloads_have_exactly_the_documented_keys(server: ExchangeServer, name: str) -> None:
    recorder = follow(server, name)
    run(server, 2 * MINUTE_MS)
    payloads = recorder.payloads(name)
    assert payloads
    assert all(list(payload) == KEYS[name].split() for payload in payloads)
    assert all(payload["s"] == "BTCUSDT" for payload in payloads)


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("!markPrice@arr", "markPriceUpdate"),
        ("!markPrice@arr@1s", "markPriceUpdate"),
        ("!ticker@arr", "24hrTicker"),
        ("!miniTicker@arr", "24hrMiniTicker"),
    ],
)
def test_streams_of_all_symbols_send_arrays(server: ExchangeServer, name: str, event: str) -> None:
    recorder = follow(server, name)
    run(server, MINUTE_MS)
    rows = recorder.payloads()[-1]
    assert {row["s"] for row in rows} <= {"BTCUSDT", "ETHUSDT"}
    assert {row["e"] for row in rows} == {event}


def test_all_book_tickers_come_one_by_one(server: ExchangeServer) -> None:
    recorder = follow(server, "!bookTicker")
    run(server, MINUTE_MS)
    assert {payload["s"] for payload in recorder.payloads()} == {"BTCUSDT", "ETHUSDT"}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "btcusdt",
        "BTCUSDT@trade",
        "BTCUSDT@bookTicker",
        "btcusdt@depth7",
        "btcusdt@depth@50ms",
        "btcusdt@kline_7m",
        "!nothing",
        "{!markPrice@arr",
        "@depth",
    ],
)
def test_unknown_names_stay_silent(server: ExchangeServer, name: str) -> None:
    assert parse_stream(name) is None
    recorder = follow(server, name, "nosuch@bookTicker")
    run(server, MINUTE_MS)
    assert recorder.messages == []


def test_a_throttled_stream_speaks_once_a_period_in_market_time(server: ExchangeServer) -> None:
    recorder = follow(server, "btcusdt@depth5@500ms", "btcusdt@kline_1m", "btcusdt@markPrice")
    for _ in range(120):
        run(server, 500)
    times = [payload["E"] for payload in recorder.payloads("btcusdt@depth5@500ms")]
    assert all(frame["U"] <= frame["u"] for frame in recorder.payloads("btcusdt@depth5@500ms"))
    assert len(times) == len(set(times))
    assert all(time % 500 == 0 for time in times)
    marks = [payload["E"] for payload in recorder.payloads("btcusdt@markPrice")]
    assert {after - before for before, after in itertools.pairwise(marks)} == {3000}


def test_frames_do_not_depend_on_how_time_was_cut(history: RecordedHistory) -> None:
    names = "btcusdt@depth@100ms btcusdt@depth20 btcusdt@aggTrade btcusdt@kline_3m ethusdt@ticker !bookTicker"

    def play(step_ms: int | None) -> list[tuple[str, object]]:
        exchange = SimulatedExchange.from_history(history, ExchangeOptions(seed=7, substep_ms=5000))
        server = ExchangeServer(ServerSettings(pace="lockstep"), exchange=exchange, clock=ManualClock(1))
        recorder = follow(server, *names.split())
        end_ms = exchange.now_ms + 5 * MINUTE_MS
        while exchange.now_ms < end_ms:
            following = server.next_step_ms() if step_ms is None else exchange.now_ms + step_ms
            server.step_to(min(following or end_ms, end_ms))
        return recorder.messages

    assert play(77) == play(None) == play(5 * MINUTE_MS)


def test_a_finished_bar_comes_at_once_and_equals_rest(server: ExchangeServer, trader: Trader) -> None:
    recorder = follow(server, "btcusdt@kline_1m", "btcusdt@kline_5m")
    run(server, 11 * MINUTE_MS)
    for interval in ("1m", "5m"):
        closed = [p["k"] for p in recorder.payloads(f"btcusdt@kline_{interval}") if p["k"]["x"]]
        bars = {bar[0]: bar for bar in trader.public("v3/klines", symbol="BTCUSDT", interval=interval).json}
        assert len(closed) >= 2
        for bar in closed:
            rest = bars[bar["t"]]
            assert [bar["o"], bar["h"], bar["l"], bar["c"], bar["v"]] == rest[1:6]
            assert (bar["T"], bar["q"], bar["n"]) == (rest[6], rest[7], rest[8])


@settings(max_examples=15, deadline=None)
@given(
    joins_after_ms=st.integers(0, 30_000),
    speed=st.sampled_from(["", "@100ms", "@500ms"]),
    steps=st.lists(st.integers(1, 9_000), min_size=5, max_size=40),
)
def test_a_local_book_kept_by_the_published_rule_never_drifts(
    history: RecordedHistory, joins_after_ms: int, speed: str, steps: list[int]
) -> None:
    exchange = SimulatedExchange.from_history(history, ExchangeOptions(seed=7, substep_ms=1000))
    clock = ManualClock(1)
    server = ExchangeServer(ServerSettings(pace="lockstep"), exchange=exchange, clock=clock)
    trader = Trader(server, clock, 0)
    run(server, joins_after_ms)
    recorder = follow(server, f"btcusdt@depth{speed}")
    for step in steps[: len(steps) // 2]:
        run(server, step)
    snapshot = trader.public("v3/depth", symbol="BTCUSDT", limit=1000).json
    for step in steps[len(steps) // 2 :]:
        run(server, step)
    run(server, 1000)
    local = {side: dict(snapshot[side]) for side in ("bids", "asks")}
    last, joined = snapshot["lastUpdateId"], False
    for event in recorder.payloads():
        if event["u"] < last:
            continue
        if not joined:
            assert event["U"] <= last <= event["u"]
            joined = True
        else:
            assert event["pu"] == last
        last = event["u"]
        for side, key in (("bids", "b"), ("asks", "a")):
            for price, quantity in event[key]:
                if Decimal(quantity):
                    local[side][price] = quantity
                else:
                    local[side].pop(price, None)
    final = trader.public("v3/depth", symbol="BTCUSDT", limit=1000).json
    if final["lastUpdateId"] == last + 1:
        for side in ("bids", "asks"):
            assert {Decimal(p): Decimal(q) for p, q in local[side].items()} == {
                Decimal(p): Decimal(q) for p, q in final[side]
            }


def test_each_speed_has_its_own_chain(server: ExchangeServer) -> None:
    recorder = follow(server, "btcusdt@depth@100ms", "btcusdt@depth@500ms")
    run(server, MINUTE_MS)
    for name in ("btcusdt@depth@100ms", "btcusdt@depth@500ms"):
        events = recorder.payloads(name)
        assert len(events) > 5
        for before, after in itertools.pairwise(events):
            assert after["pu"] == before["u"] == after["U"] - 1


def test_a_late_subscriber_of_pictures_sees_one_at_the_next_turn(server: ExchangeServer) -> None:
    follow(server, "btcusdt@depth20")
    run(server, 300)
    late = follow(server, "btcusdt@depth20")
    run(server, 300)
    assert late.payloads()
    assert len(late.payloads()[0]["b"]) == 20


# --- the user stream --------------------------------------------------------------------------------------


def listen(trader: Trader) -> Recorder:
    key = trader.v3("POST", "listenKey").json["listenKey"]
    return follow(trader.server, key)


@pytest.mark.parametrize(("hedge", "sides"), [(False, ["BOTH"]), (True, ["LONG", "SHORT"])])
def test_a_change_of_the_margin_type_is_told(trader: Trader, hedge: bool, sides: list[str]) -> None:
    if hedge:
        trader.v3("POST", "positionSide/dual", dualSidePosition="true")
    recorder = listen(trader)
    assert trader.v3("POST", "marginType", symbol="BTCUSDT", marginType="ISOLATED").status == 200
    assert trader.v3("POST", "marginType", symbol="BTCUSDT", marginType="ISOLATED").code == -4046
    [update] = recorder.payloads()
    assert (update["e"], update["a"]["m"]) == ("ACCOUNT_UPDATE", "MARGIN_TYPE_CHANGE")
    assert [(each["s"], each["ps"], each["mt"]) for each in update["a"]["P"]] == [
        ("BTCUSDT", side, "isolated") for side in sides
    ]
    assert [(each["a"], each["bc"]) for each in update["a"]["B"]] == [("USDT", "0")]


def test_a_market_order_tells_of_itself_before_it_is_answered(trader: Trader) -> None:
    recorder = listen(trader)
    answer = trader.market("BUY", "0.010", newClientOrderId="mine").json
    events = recorder.payloads()
    orders = [event["o"] for event in events if event["e"] == "ORDER_TRADE_UPDATE"]
    assert [(order["x"], order["X"]) for order in orders] == [("NEW", "NEW"), ("TRADE", "FILLED")]
    assert {(order["i"], order["c"]) for order in orders} == {(answer["orderId"], "mine")}
    placed, filled = orders
    assert "N" not in placed
    assert (placed["t"], placed["rp"]) == (0, "0")
    assert (filled["N"], filled["z"], filled["m"]) == ("USDT", "0.010", False)
    trade = trader.v3("GET", "userTrades", symbol="BTCUSDT").json[0]
    assert (filled["t"], filled["n"], filled["L"]) == (trade["id"], trade["commission"], trade["price"])
    (account,) = [event["a"] for event in events if event["e"] == "ACCOUNT_UPDATE"]
    assert account["m"] == "ORDER"
    assert account["B"][0]["wb"] == trader.v3("GET", "balance").json[0]["balance"]
    (position,) = account["P"]
    assert (position["s"], position["pa"], position["ps"], position["ma"]) == (
        "BTCUSDT",
        "0.010",
        "BOTH",
        "USDT",
    )
    assert set(position) == {"s", "pa", "ep", "cr", "up", "mt", "iw", "ps", "ma"}


def test_resting_orders_push_no_account_update(trader: Trader) -> None:
    recorder = listen(trader)
    order_id = trader.resting().json["orderId"]
    trader.v3("DELETE", "order", symbol="BTCUSDT", orderId=order_id)
    assert [(event["e"], event["o"]["x"]) for event in recorder.payloads()] == [
        ("ORDER_TRADE_UPDATE", "NEW"),
        ("ORDER_TRADE_UPDATE", "CANCELED"),
    ]


def test_settings_are_told(trader: Trader) -> None:
    recorder = listen(trader)
    trader.v3("POST", "leverage", symbol="BTCUSDT", leverage=7)
    trader.v3("POST", "positionSide/dual", dualSidePosition="true")
    changes = [event for event in recorder.payloads() if event["e"] == "ACCOUNT_CONFIG_UPDATE"]
    assert [change.get("ac") or change.get("ai") for change in changes] == [
        {"s": "BTCUSDT", "l": 7},
        {"j": False, "f": False, "d": True},
    ]


def test_others_hear_nothing_of_it(trader: Trader, other_trader: Trader) -> None:
    recorder = listen(other_trader)
    trader.market("BUY", "0.010")
    assert recorder.messages == []


def test_listen_keys_live_an_hour_and_a_little(trader: Trader, clock: ManualClock) -> None:
    recorder = listen(trader)
    key = trader.server.services.listen_keys.current(trader.account.account_id)
    clock.advance_ms(HOUR_MS)
    assert trader.v3("PUT", "listenKey").json == {}
    assert trader.v3("PUT", "listenKey", listenKey="another").code == -1125
    clock.advance_ms(HOUR_MS + 3 * MINUTE_MS)
    trader.server.keep_house()
    assert [event["e"] for event in recorder.payloads()] == ["listenKeyExpired"]
    assert trader.v3("PUT", "listenKey").code == -1125
    trader.market("BUY", "0.010")
    assert len(recorder.messages) == 1
    assert trader.v3("POST", "listenKey").json["listenKey"] != key


def test_closing_a_listen_key_silences_it(trader: Trader) -> None:
    recorder = listen(trader)
    assert trader.v3("DELETE", "listenKey").json == {}
    trader.market("BUY", "0.010")
    assert recorder.messages == []
    assert trader.v3("DELETE", "listenKey").json == {"code": -1125, "msg": "This listenKey does not exist."}


def test_a_position_in_danger_is_told_and_a_liquidation_is_public(trader: Trader) -> None:
    server = trader.server
    recorder, public = listen(trader), follow(server, "btcusdt@forceOrder", "!forceOrder@arr")
    trader.v3("POST", "leverage", symbol="BTCUSDT", leverage=50)
    trader.v3("POST", "marginType", symbol="BTCUSDT", marginType="ISOLATED")
    assert trader.market("BUY", "0.100").status == 200
    (risk,) = [
        row
        for row in trader.v3("GET", "positionRisk", symbol="BTCUSDT").json
        if Decimal(row["positionAmt"]) != 0
    ]
    liquidation = Decimal(risk["liquidationPrice"])
    control = server.control
    for pct in ("0.2", "0.1", "0.05"):
        price = liquidation * (1 + Decimal(pct) / 100)
        control.call("POST", "/sim/mark", {"symbol": "BTCUSDT", "price": f"{price:.1f}"})
        run(server, 5_000)
    calls = [event for event in recorder.payloads() if event["e"] == "MARGIN_CALL"]
    assert calls
    assert "cw" not in calls[0]
    (position,) = calls[0]["p"]
    assert set(position) == {"s", "ps", "pa", "mt", "iw", "mp", "up", "mm"}
    assert (position["s"], position["mt"], position["pa"]) == ("BTCUSDT", "ISOLATED", "0.100")
    price = liquidation * Decimal("0.998")
    control.call("POST", "/sim/mark", {"symbol": "BTCUSDT", "price": f"{price:.1f}"})
    run(server, 5_000)
    for stream in ("btcusdt@forceOrder", "!forceOrder@arr"):
        (forced,) = public.payloads(stream)
        assert list(forced["o"]) == ["s", "S", "o", "f", "q", "p", "ap", "X", "l", "z", "T"]
        assert (forced["e"], forced["o"]["S"], forced["o"]["q"]) == ("forceOrder", "SELL", "0.100")
    forced_orders = [
        event["o"]
        for event in recorder.payloads()
        if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["c"].startswith("autoclose-")
    ]
    assert forced_orders
    assert trader.v3("GET", "forceOrders", autoCloseType="LIQUIDATION").json
    assert server.exchange.audit().balanced


def test_a_new_symbol_joins_the_streams_that_are_open(server: ExchangeServer) -> None:
    all_marks, all_tickers, all_touches = "!markPrice@arr@1s", "!ticker@arr", "!bookTicker"
    awaited = ("newusdt@bookTicker", "newusdt@kline_1m")
    recorder = follow(server, all_marks, all_tickers, all_touches, *awaited)
    run(server, MINUTE_MS)
    assert {row["s"] for row in recorder.payloads(all_marks)[-1]} == {"BTCUSDT", "ETHUSDT"}
    recorder.clear()
    server.control.call("POST", "/sim/list", {"symbol": "NEWUSDT", "price": "12.5"})
    run(server, MINUTE_MS)
    symbols = {"BTCUSDT", "ETHUSDT", "NEWUSDT"}
    assert {row["s"] for row in recorder.payloads(all_marks)[-1]} == symbols
    assert {row["s"] for rows in recorder.payloads(all_tickers) for row in rows} == symbols
    assert {row["s"] for row in recorder.payloads(all_touches)} == symbols
    assert all(recorder.payloads(name) for name in awaited)
    server.subscriptions.forget(recorder)
    recorder.clear()
    run(server, MINUTE_MS)
    assert recorder.messages == []
