"""A small recorded market, a server in lock-step on it, and traders who sign."""

from collections.abc import AsyncIterator, Callable

import pytest

from aster_operator.domain.clock import HOUR_MS, ManualClock
from aster_operator.market_data.history import RecordedHistory, load_history, sample_data_path
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.server import ExchangeServer, ServerSettings
from simulator_server.trader import Trader

SECURITY_START_MS = 1_770_000_000_000


@pytest.fixture(scope="session")
def history() -> RecordedHistory:
    whole = load_history(sample_data_path(), ["BTCUSDT", "ETHUSDT"])
    return load_history(sample_data_path(), ["BTCUSDT", "ETHUSDT"], end_ms=whole.start_ms + 3 * HOUR_MS)


@pytest.fixture
def exchange(history: RecordedHistory) -> SimulatedExchange:
    """The recorded market, one hour in, so that there are books, trades and bars."""
    exchange = SimulatedExchange.from_history(history, ExchangeOptions(seed=7, substep_ms=5000))
    exchange.advance_to(exchange.now_ms + 60_000)
    return exchange


@pytest.fixture
def spot_exchange(history: RecordedHistory) -> SimulatedExchange:
    """The same market with a spot market beside each perpetual."""
    exchange = SimulatedExchange.from_history(
        history, ExchangeOptions(seed=7, substep_ms=5000, with_spot=True)
    )
    exchange.advance_to(exchange.now_ms + 60_000)
    return exchange


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SECURITY_START_MS)


@pytest.fixture
def make_server(exchange: SimulatedExchange, clock: ManualClock) -> Callable[..., ExchangeServer]:
    def make(**settings: object) -> ExchangeServer:
        chosen = {"pace": "lockstep", "seed": 7, "control_token": "test-token"} | settings
        return ExchangeServer(ServerSettings(**chosen), exchange=exchange, clock=clock)  # type: ignore[arg-type]

    return make


@pytest.fixture
def server(make_server: Callable[..., ExchangeServer]) -> ExchangeServer:
    """Not started: no port is opened, requests go straight to its dispatcher."""
    return make_server()


@pytest.fixture
def spot_server(spot_exchange: SimulatedExchange, clock: ManualClock) -> ExchangeServer:
    """Not started, with a spot side."""
    return ExchangeServer(
        ServerSettings(pace="lockstep", seed=7, control_token="test-token"),
        exchange=spot_exchange,
        clock=clock,
    )


@pytest.fixture
def trader(server: ExchangeServer, clock: ManualClock) -> Trader:
    return Trader(server, clock, 0)


@pytest.fixture
def other_trader(server: ExchangeServer, clock: ManualClock) -> Trader:
    return Trader(server, clock, 1)


@pytest.fixture
async def live(make_server: Callable[..., ExchangeServer]) -> AsyncIterator[ExchangeServer]:
    """A started server on free ports."""
    async with make_server() as server:
        yield server
