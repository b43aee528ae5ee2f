"""Spot streams: payloads, speeds, local books, the user events, and which socket gets them."""

import itertools
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from aster_operator.domain.clock import MINUTE_MS, ManualClock
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.server import ExchangeServer, ServerSettings
from aster_operator.simulator.server.stream_names import parse_spot_stream
from simulator_server.trader import Answer, Recorder, Trader

KEYS = {
    "btcusdt@aggTrade": "e E s a p q f l T m M",
    "btcusdt@trade": "e E s t p q T m",
    "btcusdt@tradepro": "e E T s t p q h m",
    "btcusdt@kline_5m": "e E s k",
    "btcusdt@miniTicker": "e E s c o h l v q",
    "btcusdt@ticker": "e E s p P w c Q o h l v q O C F L n",
    "btcusdt@bookTicker": "e u E T s b B a A",
    "btcusdt@depth10@100ms": "e E T s U u pu b a",
    "btcusdt@depth": "e E T s U u pu b a",
}
REPORT = [
    "s",
    "c",
    "S",
    "o",
    "f",
    "q",
    "p",
    "ap",
    "P",
    "x",
    "X",
    "i",
    "l",
    "z",
    "L",
    "T",
    "t",
    "m",
    "ot",
    "O",
    "Z",
    "Y",
    "Q",
    "e",
    "E",
]


class SpotTrader(Trader):
    def spot(self, method: str, name: str, **params: object) -> Answer:
        return self.send(method, f"/api/v3/{name}", self.v3_query(**params))

    def transfer(self, amount: str, kind: str = "FUTURE_SPOT") -> None:
        move = {"asset": "USDT", "amount": amount, "clientTranId": f"t{self.nonce()}", "kindType": kind}
        assert self.spot("POST", "asset/wallet/transfer", **move).status == 200

    def hear(self) -> Recorder:
        """The account's user events from now on."""
        return follow(self.server, self.spot("POST", "listenKey").json["listenKey"])


def follow(server: ExchangeServer, *names: str) -> Recorder:
    recorder = Recorder()
    for name in names:
        server.streams.spot.subscriptions.add(recorder, name)
    return recorder


def run(server: ExchangeServer, milliseconds: int) -> None:
    server.step_to(server.exchange.now_ms + milliseconds)


def events(recorder: Recorder, kind: str) -> list[Any]:
    return [payload for payload in recorder.payloads() if payload["e"] == kind]


@pytest.fixture
def spot_trader(spot_server: ExchangeServer, clock: ManualClock) -> SpotTrader:
    return SpotTrader(spot_server, clock, 0)


@pytest.mark.parametrize("name", KEYS)
def test_payloads_have_exactly_the_documented_keys(spot_server: ExchangeServer, name: str) -> None:
    recorder = follow(spot_server, name)
    run(spot_server, 2 * MINUTE_MS)
    payloads = recorder.payloads(name)
    assert payloads
    assert all(list(payload) == KEYS[name].split() for payload in payloads)


def test_streams_of_all_symbols(spot_server: ExchangeServer) -> None:
    recorder = follow(spot_server, "!ticker@arr", "!miniTicker@arr", "!bookTicker")
    run(spot_server, MINUTE_MS)
    for name in ("!ticker@arr", "!miniTicker@arr"):
        assert {row["s"] for row in recorder.payloads(name)[-1]} == {"BTCUSDT", "ETHUSDT"}
    assert {row["s"] for row in recorder.payloads("!bookTicker")} == {"BTCUSDT", "ETHUSDT"}


@pytest.mark.parametrize(
    ("name", "period_ms"),
    [
        ("btcusdt@depth", 1000),
        ("btcusdt@depth@100ms", 100),
        ("btcusdt@depth5", 1000),
        ("btcusdt@ticker", 1000),
        ("btcusdt@miniTicker", 1000),
        ("btcusdt@kline_1m", 2000),
        ("btcusdt@aggTrade", 0),
        ("!ticker@arr", 1000),
    ],
)
def test_spot_speeds(name: str, period_ms: int) -> None:
    parsed = parse_spot_stream(name)
    assert parsed is not None
    assert parsed.period_ms == period_ms


@pytest.mark.parametrize(
    "name", ["btcusdt@markPrice", "btcusdt@forceOrder", "!markPrice@arr", "btcusdt@depth@250ms", "BTC@trade"]
)
def test_what_only_perpetuals_have_stays_silent(spot_server: ExchangeServer, name: str) -> None:
    recorder = follow(spot_server, name)
    run(spot_server, MINUTE_MS)
    assert recorder.messages == []


def test_a_local_book_follows_the_spot_rules(spot_trader: SpotTrader) -> None:
    server = spot_trader.server
    recorder = follow(server, "btcusdt@depth@100ms")
    run(server, 20_000)
    snapshot = spot_trader.send("GET", "/api/v3/depth", "symbol=BTCUSDT&limit=1000").json
    run(server, MINUTE_MS)
    # What happened in the last instant belongs to the period after it.
    run(server, 100)
    last_id = snapshot["lastUpdateId"]
    after = [event for event in recorder.payloads() if event["u"] > last_id]
    assert after[0]["U"] <= last_id + 1 <= after[0]["u"]
    assert all(later["U"] == sooner["u"] + 1 for sooner, later in itertools.pairwise(after))
    book: dict[str, dict[Decimal, Decimal]] = {}
    for side, key in (("bids", "b"), ("asks", "a")):
        book[side] = {Decimal(price): Decimal(quantity) for price, quantity in snapshot[side]}
        for event in after:
            book[side].update({Decimal(price): Decimal(quantity) for price, quantity in event[key]})
    fresh = spot_trader.send("GET", "/api/v3/depth", "symbol=BTCUSDT&limit=1000").json
    for side in ("bids", "asks"):
        left = {price: quantity for price, quantity in book[side].items() if quantity}
        assert left == {Decimal(price): Decimal(quantity) for price, quantity in fresh[side]}


def test_trades_of_the_stream_are_those_of_rest(spot_trader: SpotTrader) -> None:
    recorder = follow(spot_trader.server, "btcusdt@aggTrade")
    run(spot_trader.server, 20_000)
    told = recorder.payloads()
    listed = spot_trader.send("GET", "/api/v3/aggTrades", f"symbol=BTCUSDT&limit={len(told)}").json
    assert [(row["a"], row["p"], row["q"]) for row in told] == [
        (row["a"], row["p"], row["q"]) for row in listed
    ]


def test_a_purchase_is_reported_with_its_balances(spot_trader: SpotTrader) -> None:
    recorder = spot_trader.hear()
    spot_trader.transfer("2000")
    (arrived,) = events(recorder, "outboundAccountPosition")
    assert (arrived["B"], arrived["m"]) == ([{"a": "USDT", "f": "2000", "l": "0"}], "DEPOSIT")
    recorder.clear()
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
    placed = spot_trader.spot("POST", "order", **order, newOrderRespType="FULL").json
    reports = events(recorder, "executionReport")
    assert [report["x"] for report in reports] == ["NEW"] + ["TRADE"] * len(placed["fills"])
    assert list(reports[0]) == REPORT
    assert set(reports[-1]) == {*REPORT, "n", "N"}
    assert (reports[-1]["X"], reports[-1]["i"], reports[-1]["N"]) == ("FILLED", placed["orderId"], "BTC")
    assert (
        Decimal(reports[-1]["Z"])
        == Decimal(placed["cumQuote"])
        == sum(Decimal(each["Y"]) for each in reports)
    )
    told = {row["a"]: row for row in events(recorder, "outboundAccountPosition")[-1]["B"]}
    held = {row["asset"]: row for row in spot_trader.spot("GET", "account").json["balances"]}
    assert {asset: row["f"] for asset, row in told.items()} == {
        asset: row["free"] for asset, row in held.items()
    }
    recorder.clear()
    spot_trader.transfer("1", "SPOT_FUTURE")
    (left,) = events(recorder, "outboundAccountPosition")
    assert ([row["a"] for row in left["B"]], left["m"]) == (["USDT"], "WITHDRAW")


def test_a_resting_order_locks_and_its_end_unlocks(spot_trader: SpotTrader) -> None:
    spot_trader.transfer("2000")
    recorder = spot_trader.hear()
    bid, _ = spot_trader.touch()
    limit = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010"}
    placed = spot_trader.spot("POST", "order", **limit, price=f"{bid * 0.98:.1f}").json
    spot_trader.spot("DELETE", "order", symbol="BTCUSDT", orderId=placed["orderId"])
    run(spot_trader.server, 5000)
    assert [report["X"] for report in events(recorder, "executionReport")] == ["NEW", "CANCELED"]
    locked = [row["l"] for position in events(recorder, "outboundAccountPosition") for row in position["B"]]
    assert locked == [f"{Decimal(placed['price']) * Decimal('0.010'):f}".rstrip("0").rstrip("."), "0"]


def test_listen_keys_of_the_two_products_differ(spot_trader: SpotTrader) -> None:
    spot_key = spot_trader.spot("POST", "listenKey").json["listenKey"]
    futures_key = spot_trader.v3("POST", "listenKey").json["listenKey"]
    assert spot_key != futures_key
    assert spot_trader.spot("POST", "listenKey").json["listenKey"] == spot_key
    assert spot_trader.spot("PUT", "listenKey", listenKey=spot_key).json == {}
    assert spot_trader.spot("PUT", "listenKey", listenKey=futures_key).code == -1125
    assert spot_trader.spot("DELETE", "listenKey").json == {}
    assert spot_trader.spot("PUT", "listenKey").code == -1125
    assert spot_trader.v3("PUT", "listenKey").json == {}


def test_there_is_no_spot_key_without_a_spot_side(server: ExchangeServer, clock: ManualClock) -> None:
    assert SpotTrader(server, clock, 0).spot("POST", "listenKey").code == -1020


def test_a_lapsed_key_is_told(spot_trader: SpotTrader) -> None:
    recorder = spot_trader.hear()
    spot_trader.clock.advance_ms(63 * MINUTE_MS)
    spot_trader.server.keep_house()
    assert [event["e"] for event in recorder.payloads()] == ["listenKeyExpired"]


@pytest.fixture
async def live_spot(spot_exchange: SimulatedExchange, clock: ManualClock) -> AsyncIterator[ExchangeServer]:
    settings = ServerSettings(pace="lockstep", seed=7)
    async with ExchangeServer(settings, exchange=spot_exchange, clock=clock) as server:
        yield server


async def test_a_socket_gets_the_streams_of_its_path(live_spot: ExchangeServer, clock: ManualClock) -> None:
    trader = SpotTrader(live_spot, clock, 0)
    key = trader.spot("POST", "listenKey").json["listenKey"]
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{live_spot.ws_url}/sstream/ws/btcusdt@aggTrade") as spot,
        session.ws_connect(f"{live_spot.ws_url}/ws/btcusdt@aggTrade") as futures,
        session.ws_connect(f"{live_spot.ws_url}/ws/{key}") as user,
    ):
        live_spot.step_to(live_spot.exchange.now_ms + 20_000)
        trader.transfer("5")
        assert "M" in await spot.receive_json(timeout=5)
        assert "M" not in await futures.receive_json(timeout=5)
        assert (await user.receive_json(timeout=5))["e"] == "outboundAccountPosition"
