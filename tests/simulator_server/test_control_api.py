"""The control verbs in process, and what moves market time."""

from collections.abc import Callable

import pytest

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.server import ExchangeServer
from aster_operator.simulator.server.control import ControlRefusal
from aster_operator.simulator.server.market_driver import MAX_SPEED, MarketDriver, MarketState, parse_pace
from aster_operator.simulator.server.messages import WireRequest
from simulator_server.trader import Trader


def test_steps_to_by_and_next(server: ExchangeServer) -> None:
    control, start = server.control, server.exchange.now_ms
    assert control.call("POST", "/sim/step", {"ms": 1000})["now_ms"] == start + 1000
    assert control.call("POST", "/sim/step", {"to_ms": start + 9000})["now_ms"] == start + 9000
    following = server.next_step_ms()
    assert control.call("POST", "/sim/step")["now_ms"] == following


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/sim/step", {"ms": "soon"}),
        ("/sim/step", {"ms": -1}),
        ("/sim/step", {"to_ms": 1}),
        ("/sim/step", {"to_ms": True}),
        ("/sim/speed", {}),
        ("/sim/speed", {"speed": "fast"}),
        ("/sim/speed", {"speed": -1}),
        ("/sim/speed", {"speed": None}),
        ("/sim/account", {"deposits": {"USDT": "much"}}),
        ("/sim/account", {"deposits": 5}),
        ("/sim/account", {"user": "0x1", "deposits": {"USDT": "1"}}),
        ("/sim/nothing", {}),
    ],
)
def test_bad_verbs_are_refused_in_one_line(
    server: ExchangeServer, path: str, arguments: dict[str, object]
) -> None:
    with pytest.raises(ControlRefusal) as caught:
        server.control.call("POST", path, arguments)
    assert caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff"])
def test_bodies_that_are_no_object_are_refused(server: ExchangeServer, body: bytes) -> None:
    headers = {"authorization": "Bearer test-token"}
    assert server.control.dispatch(WireRequest("POST", "/sim/step", headers=headers, body=body)).status == 400


def test_a_new_account_trades_at_once_and_can_be_funded(server: ExchangeServer, clock: ManualClock) -> None:
    opened = server.control.call("POST", "/sim/account", {"deposits": {"USDT": "500.5"}})
    assert set(opened) == {"user", "signer", "private_key", "api_key", "api_secret"}
    trader = Trader(server, clock, len(server.accounts) - 1)
    assert trader.account.user == opened["user"]
    assert trader.v3("GET", "balance").json[0]["balance"] == "500.50000000"
    server.control.call("POST", "/sim/account", {"user": opened["user"], "deposits": {"USDT": 100}})
    assert trader.v1("GET", "v2/balance").json[0]["balance"] == "600.50000000"
    assert server.control.call("GET", "/sim/audit")["balanced"] is True


def test_pause_resume_and_speed_show_in_the_state(server: ExchangeServer) -> None:
    control = server.control
    assert control.call("GET", "/sim/state")["state"] == "lockstep"
    assert control.call("POST", "/sim/speed", {"speed": 60})["state"] == "running"
    assert control.call("POST", "/sim/pause")["state"] == "paused"
    assert control.call("POST", "/sim/resume")["speed"] == 60
    assert control.call("POST", "/sim/speed", {"speed": "max"})["speed"] == "max"


# --- the driver -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "pace"), [("1", 1.0), (60, 60.0), ("max", MAX_SPEED), ("lockstep", None)])
def test_paces(text: str | float, pace: float | None) -> None:
    assert parse_pace(text) == pace


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "nan", "1e9", "inf"])
def test_no_paces(text: str) -> None:
    with pytest.raises(ValueError, match="speed"):
        parse_pace(text)


async def test_market_time_follows_the_wall_at_its_pace(
    exchange: SimulatedExchange, clock: ManualClock
) -> None:
    times: list[int] = []
    driver = MarketDriver(exchange, clock, 10.0, times.append)
    start = exchange.now_ms
    for _ in range(100):
        clock.advance_ms(50)
        wait_s = driver.catch_up()
        assert 0 <= wait_s <= 0.05
    assert exchange.now_ms == start + 100 * 50 * 10
    assert times == sorted(times)
    driver.pause()
    clock.advance_ms(60_000)
    assert driver.state is MarketState.PAUSED
    driver.resume()
    driver.catch_up()
    assert exchange.now_ms == start + 50_000


async def test_at_the_end_of_the_data_time_stops_and_the_books_stay(
    exchange: SimulatedExchange, clock: ManualClock
) -> None:
    driver = MarketDriver(exchange, clock, MAX_SPEED, lambda _time_ms: None)
    while driver.state is MarketState.RUNNING:
        driver.catch_up()
    assert driver.state is MarketState.ENDED
    assert exchange.now_ms <= (exchange.end_ms or 0)
    assert exchange.book("BTCUSDT", 1).bids
    with pytest.raises(ValueError, match="go back"):
        driver.step_to(exchange.now_ms - 1)


async def test_a_failing_market_is_not_hidden(make_server: Callable[..., ExchangeServer]) -> None:
    server = make_server(pace="max")

    def fail(_time_ms: int) -> None:
        raise RuntimeError("the data are broken")

    server.driver._on_time = fail
    from aster_operator.simulator.server import ExchangeServerError

    with pytest.raises(ExchangeServerError, match="the data are broken"):
        async with server:
            await server.serve_forever()
