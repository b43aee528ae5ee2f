"""The wire side of the embedded exchange: REST, streams, authentication and control over loopback."""

from aster_operator.simulator.server.accounts import DemoAccount, demo_accounts
from aster_operator.simulator.server.auth import AuthSettings
from aster_operator.simulator.server.connections import SocketSettings
from aster_operator.simulator.server.rate_limits import RateLimitSettings
from aster_operator.simulator.server.serve import ExchangeServer
from aster_operator.simulator.server.settings import ExchangeServerError, PortTakenError, ServerSettings

__all__ = [
    "AuthSettings",
    "DemoAccount",
    "ExchangeServer",
    "ExchangeServerError",
    "PortTakenError",
    "RateLimitSettings",
    "ServerSettings",
    "SocketSettings",
    "demo_accounts",
]
