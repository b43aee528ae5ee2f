"""The exchange room: everything between the operator and a venue.

`AsterClient` is the client; the names below are the public face. They are loaded when first asked for, so
that a module that needs only the errors does not load the network.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aster_operator.exchange.aster_client import AsterClient
    from aster_operator.exchange.client_protocol import EventStream, ExchangeClient, MarketChannel
    from aster_operator.exchange.conformance import ConformancePlan, run_conformance
    from aster_operator.exchange.credentials import AgentCredentials, ApiKeyCredentials
    from aster_operator.exchange.environment import Environment
    from aster_operator.exchange.errors import ExchangeError, RequestRefused, UnknownOutcome

__all__ = [
    "AgentCredentials",
    "ApiKeyCredentials",
    "AsterClient",
    "ConformancePlan",
    "Environment",
    "EventStream",
    "ExchangeClient",
    "ExchangeError",
    "MarketChannel",
    "RequestRefused",
    "UnknownOutcome",
    "run_conformance",
]

_HOMES = {
    "AgentCredentials": "credentials",
    "ApiKeyCredentials": "credentials",
    "AsterClient": "aster_client",
    "ConformancePlan": "conformance",
    "Environment": "environment",
    "EventStream": "client_protocol",
    "ExchangeClient": "client_protocol",
    "ExchangeError": "errors",
    "MarketChannel": "client_protocol",
    "RequestRefused": "errors",
    "UnknownOutcome": "errors",
    "run_conformance": "conformance",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
