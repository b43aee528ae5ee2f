"""Listen keys (protocol reference, section 4.7)."""

from typing import Any

from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["USER_STREAM_ENDPOINTS"]


def create(call: Call) -> Any:
    """The account's listen key, new or extended by sixty minutes."""
    return {"listenKey": call.services.listen_keys.create(call.account_id)}


def extend(call: Call) -> Any:
    """Sixty more minutes for the account's key."""
    call.services.listen_keys.extend(call.account_id, call.params.optional_text("listenKey"))
    return {}


def close(call: Call) -> Any:
    """Forget the account's key; its streams fall silent."""
    call.services.listen_keys.close(call.account_id, call.params.optional_text("listenKey"))
    return {}


USER_STREAM_ENDPOINTS = (
    Endpoint("POST", "listenKey", (1, 3), Security.USER_STREAM, create),
    Endpoint("PUT", "listenKey", (1, 3), Security.USER_STREAM, extend),
    Endpoint("DELETE", "listenKey", (1, 3), Security.USER_STREAM, close),
)
