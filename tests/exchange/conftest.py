"""Fixtures of the exchange tests: a scripted venue on loopback and clients of it in both schemes."""

from collections.abc import AsyncIterator, Iterator

import pytest
import stamina

from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.credentials import AgentCredentials, ApiKeyCredentials
from aster_operator.exchange.streams.link import LinkSettings
from exchange.scripted_venue import ScriptedVenue, scripted_venue
from exchange.vectors import AGENT_ADDRESS, AGENT_KEY, USER_ADDRESS

QUICK = LinkSettings(
    silence_s=0.05,
    pong_timeout_s=0.1,
    connect_timeout_s=2,
    backoff_initial_s=0.01,
    backoff_max_s=0.05,
    overlap_s=0.05,
    fence_timeout_s=3,
)


@pytest.fixture(autouse=True)
def _instant_retries() -> Iterator[None]:
    """Reads are retried without waiting."""
    stamina.set_testing(True, attempts=3)
    yield
    stamina.set_testing(False)


@pytest.fixture
def agent() -> AgentCredentials:
    return AgentCredentials(USER_ADDRESS, AGENT_ADDRESS, AGENT_KEY)


@pytest.fixture
def api_key() -> ApiKeyCredentials:
    return ApiKeyCredentials("k" * 64, "s" * 64)


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    async with scripted_venue() as running:
        yield running


@pytest.fixture
async def client(venue: ScriptedVenue, agent: AgentCredentials) -> AsyncIterator[AsterClient]:
    async with AsterClient(
        agent,
        environment="sim",
        base_url=venue.url,
        ws_url=venue.ws_url,
        timeout_s=2,
        link_settings=QUICK,
    ) as opened:
        yield opened


@pytest.fixture
async def key_client(venue: ScriptedVenue, api_key: ApiKeyCredentials) -> AsyncIterator[AsterClient]:
    async with AsterClient(
        api_key, environment="sim", base_url=venue.url, ws_url=venue.ws_url, timeout_s=2, link_settings=QUICK
    ) as opened:
        yield opened
