"""One finding of the doctor, and how a check that fails to be made becomes one."""

from collections.abc import Awaitable, Callable

import msgspec

from aster_operator.exchange.errors import ExchangeError

__all__ = ["Check", "guarded"]

_REMEDIES = {
    "reachability": "check the address and the network",
    "market stream": "check the WebSocket address (--ws-url) and the network",
    "user stream": "check the WebSocket address (--ws-url) and the key's permissions",
    "credentials": "check the keys, their expiry and the IP whitelist",
}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. `ok` False is something to mend; `remedy` says how, empty when there is nothing to do."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


async def guarded(name: str, look: Callable[[], Awaitable[list[Check]]]) -> list[Check]:
    """What `look` finds, or one failed check called `name` with what the venue said instead."""
    try:
        return await look()
    except ExchangeError as error:
        return [Check(name=name, ok=False, detail=str(error), remedy=_REMEDIES.get(name, "see the message"))]
