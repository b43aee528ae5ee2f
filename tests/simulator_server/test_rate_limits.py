from collections.abc import Callable

from aster_operator.domain.clock import MINUTE_MS, ManualClock
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.server import ExchangeServer, RateLimitSettings, ServerSettings
from simulator_server.trader import Answer, Trader

SMALL = RateLimitSettings(weight_per_minute=10, requests_before_ban=3)


def test_weight_is_counted_refused_banned_and_forgiven(
    make_server: Callable[..., ExchangeServer], clock: ManualClock
) -> None:
    trader = Trader(make_server(limits=SMALL, pace=1.0), clock, 0)
    used = [trader.public("v1/ping").headers["X-MBX-USED-WEIGHT-1M"] for _ in range(10)]
    assert used == [str(count) for count in range(1, 11)]
    for _ in range(3):
        refused = trader.public("v1/ping")
        assert (refused.status, refused.code) == (429, -1003)
        assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.json["msg"].startswith("Too many requests; current limit is 10 requests per minute.")
    banned = trader.public("v1/ping")
    assert (banned.status, banned.code) == (418, -1003)
    assert f"IP banned until {clock.now_ms() + 2 * MINUTE_MS}" in banned.json["msg"]
    clock.advance_ms(MINUTE_MS)
    assert trader.public("v1/ping").status == 418
    clock.advance_ms(MINUTE_MS)
    assert trader.public("v1/ping").status == 200


def test_a_second_ban_is_longer(make_server: Callable[..., ExchangeServer], clock: ManualClock) -> None:
    trader = Trader(make_server(limits=SMALL, pace=1.0), clock, 0)

    def get_banned() -> int:
        for _ in range(20):
            if trader.public("v1/ping").status == 418:
                break
        start_ms = clock.now_ms()
        while trader.public("v1/ping").status == 418:
            clock.advance_ms(30_000)
        return clock.now_ms() - start_ms

    assert get_banned() == 2 * MINUTE_MS
    clock.advance_ms(MINUTE_MS)
    assert get_banned() == 4 * MINUTE_MS


def test_addresses_are_counted_apart(make_server: Callable[..., ExchangeServer], clock: ManualClock) -> None:
    server = make_server(limits=SMALL, pace=1.0)
    for _ in range(11):
        server.dispatcher.dispatch(_ping("10.0.0.1"))
    assert server.dispatcher.dispatch(_ping("10.0.0.1")).status == 429
    assert server.dispatcher.dispatch(_ping("10.0.0.2")).status == 200


def test_in_accelerated_time_a_market_minute_opens_a_new_budget(
    make_server: Callable[..., ExchangeServer], clock: ManualClock
) -> None:
    server = make_server(limits=SMALL, pace="lockstep")
    trader = Trader(server, clock, 0)
    for _ in range(11):
        answer = trader.public("v1/ping")
    assert answer.status == 429
    server.step_to(server.exchange.now_ms + MINUTE_MS)
    assert trader.public("v1/ping").status == 200


def _ping(peer: str):  # type: ignore[no-untyped-def]
    from aster_operator.simulator.server.messages import WireRequest

    return WireRequest("GET", "/fapi/v1/ping", peer=peer)


def test_spot_has_a_budget_of_its_own_and_a_limit_of_ten_seconds(
    spot_exchange: SimulatedExchange, clock: ManualClock
) -> None:
    """As its exchangeInfo says; futures are another host at the venue."""
    settings = ServerSettings(pace=1.0, seed=7, limits=SMALL, control_token="test-token")
    server = ExchangeServer(settings, exchange=spot_exchange, clock=clock)
    trader = Trader(server, clock, 0)
    info = trader.send("GET", "/api/v3/exchangeInfo")
    told = {
        (row["rateLimitType"], row["intervalNum"], row["interval"]): row["limit"]
        for row in info.json["rateLimits"]
    }
    assert told == {
        ("REQUEST_WEIGHT", 1, "MINUTE"): 6000,
        ("ORDERS", 1, "MINUTE"): 6000,
        ("ORDERS", 10, "SECOND"): 300,
    }

    def order() -> Answer:
        fields = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "1"}
        return trader.send("POST", "/api/v3/order", trader.v3_query(**fields))

    answers = [order() for _ in range(301)]
    assert {answer.code for answer in answers[:300]} == {-2018}
    assert answers[299].headers["X-MBX-ORDER-COUNT-10S"] == "300"
    assert answers[300].status == 429
    assert answers[300].json == {
        "code": -1015,
        "msg": "Too many new orders; current limit is 300 orders per 10 SECOND.",
    }
    clock.advance_ms(10_000)
    assert order().code == -2018
    ping = trader.public("v1/ping")
    assert (ping.status, ping.headers["X-MBX-USED-WEIGHT-1M"]) == (200, "1")
