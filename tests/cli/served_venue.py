"""An embedded exchange in a thread of its own, for commands that run in a process of theirs."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aster_operator.domain.clock import WallClock
from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions, embedded_venue
from aster_operator.simulator.server.accounts import DemoAccount


class Venue:
    """Where it answers, and the accounts it made."""

    def __init__(self, rest: str, ws: str, accounts: tuple[DemoAccount, ...]) -> None:
        self.rest, self.ws, self.accounts = rest, ws, accounts

    def agent(self, index: int) -> dict[str, str]:
        account = self.accounts[index]
        return {"WALLET_ADDRESS": account.user, "ASTER_AGENT_PRIVATE_KEY": account.private_key}


@contextmanager
def served_venue() -> Iterator[Venue]:
    ready = threading.Event()
    found: list[Venue] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        options = EmbeddedVenueOptions(symbols=None, warm_up_ms=3_600_000, pace=60.0)
        async with embedded_venue(options, WallClock()) as started:
            server = started.server
            found.append(Venue(server.rest_url, server.ws_url, server.accounts))
            ready.set()
            await stop.wait()

    def work() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    assert ready.wait(30)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
