"""Listen keys (protocol reference, section 4.7)."""

from typing import Any

from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.listen_keys import ListenKeys
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["USER_STREAM_ENDPOINTS"]


def _keys(call: Call) -> ListenKeys:
    """The keys of the product whose path was called. Raises VenueRefusal(-1020) without a spot side."""
    if not call.request.path.startswith("/api/"):
        return call.services.listen_keys
    if call.exchange.spot is None:
        raise refusals.unsupported_operation()
    return call.services.spot_listen_keys


def create(call: Call) -> Any:
    """The account's listen key, new or extended by sixty minutes."""
    return {"listenKey": _keys(call).create(call.account_id)}


def extend(call: Call) -> Any:
    """Sixty more minutes for the account's key."""
    _keys(call).extend(call.account_id, call.params.optional_text("listenKey"))
    return {}


def close(call: Call) -> Any:
    """Forget the account's key; its streams fall silent."""
    _keys(call).close(call.account_id, call.params.optional_text("listenKey"))
    return {}


USER_STREAM_ENDPOINTS = (
    Endpoint("POST", "listenKey", (1, 3), Security.USER_STREAM, create),
    Endpoint("PUT", "listenKey", (1, 3), Security.USER_STREAM, extend),
    Endpoint("DELETE", "listenKey", (1, 3), Security.USER_STREAM, close),
    Endpoint("POST", "listenKey", (1, 3), Security.USER_STREAM, create, product="api"),
    Endpoint("PUT", "listenKey", (1, 3), Security.USER_STREAM, extend, product="api"),
    Endpoint("DELETE", "listenKey", (1, 3), Security.USER_STREAM, close, product="api"),
)
