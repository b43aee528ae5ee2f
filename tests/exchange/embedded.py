"""The embedded exchange on loopback, for tests that want a whole venue instead of scripted answers."""

import contextlib
from collections.abc import AsyncIterator
from functools import cache

from aster_operator.domain.clock import HOUR_MS, WallClock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.credentials import AgentCredentials, ApiKeyCredentials, Credentials
from aster_operator.market_data.history import RecordedHistory, load_history, sample_data_path
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.server import ExchangeServer, ServerSettings

__all__ = ["client_of", "credentials_of", "embedded_exchange"]


@cache
def _history() -> RecordedHistory:
    whole = load_history(sample_data_path(), ["BTCUSDT", "ETHUSDT"])
    return load_history(sample_data_path(), ["BTCUSDT", "ETHUSDT"], end_ms=whole.start_ms + 3 * HOUR_MS)


@contextlib.asynccontextmanager
async def embedded_exchange(*, with_spot: bool = False, **settings: object) -> AsyncIterator[ExchangeServer]:
    exchange = SimulatedExchange.from_history(
        _history(), ExchangeOptions(seed=7, substep_ms=5000, with_spot=with_spot)
    )
    exchange.advance_to(exchange.now_ms + 60_000)
    chosen = {"pace": "lockstep", "seed": 7, "control_token": "t"} | settings
    async with ExchangeServer(ServerSettings(**chosen), exchange=exchange, clock=WallClock()) as server:
        yield server


def credentials_of(server: ExchangeServer, scheme: str, index: int = 0) -> Credentials:
    account = server.accounts[index]
    if scheme == "v3":
        return AgentCredentials(account.user, account.signer, account.private_key)
    return ApiKeyCredentials(account.api_key, account.api_secret)


def client_of(server: ExchangeServer, scheme: str, index: int = 0, **options: object) -> AsterClient:
    return AsterClient(
        credentials_of(server, scheme, index),
        environment="sim",
        base_url=server.rest_url,
        ws_url=server.ws_url,
        ca_file=server.ca_file,
        **options,
    )
