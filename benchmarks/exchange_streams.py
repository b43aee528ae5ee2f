"""A thousand WebSocket subscribers of one stream: whether all hear everything, and how fast.

The market stands still until the control API plays a piece of it; the clock stops when the last subscriber
has its last frame. Writing a frame to a thousand sockets is a thousand system calls, so the rate is mostly
the operating system's.
"""

import asyncio
import base64
import json
import os
import resource
import statistics
import time
import urllib.request
from typing import Any

from exchange_venue import Venue, cores, venue

STREAM = "btcusdt@bookTicker"
STEP_MS = 30_000
QUIET_S = 30.0
"""How long to wait for a frame that does not come."""


class Subscriber(asyncio.Protocol):
    """Counts the frames of one socket."""

    def __init__(self, heard: "Hearing") -> None:
        self._heard = heard
        self._received = b""
        self._is_open = False
        self.frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET /ws/{STREAM} HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            "\r\n",
        ]
        transport.write("\r\n".join(lines).encode())

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._is_open:
            head, separator, rest = self._received.partition(b"\r\n\r\n")
            if not separator:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._is_open, self._received = True, rest
            self._heard.opened += 1
        while len(self._received) >= 2:
            size, start = self._received[1] & 0x7F, 2
            if size == 126:
                if len(self._received) < 4:
                    break
                size, start = int.from_bytes(self._received[2:4], "big"), 4
            if len(self._received) < start + size:
                break
            self._received = self._received[start + size :]
            self.frames += 1
            self._heard.frames += 1
        self._heard.changed.set()


class Hearing:
    """What all subscribers have heard together."""

    def __init__(self) -> None:
        self.opened = self.frames = 0
        self.changed = asyncio.Event()

    async def until(self, opened: int, frames: int) -> bool:
        """False when nothing more came for too long."""
        while self.opened < opened or self.frames < frames:
            self.changed.clear()
            try:
                async with asyncio.timeout(QUIET_S):
                    await self.changed.wait()
            except TimeoutError:
                return False
        return True


def control(running: Venue, verb: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310 - our own loopback address
        f"{running.line['control']}{verb}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {running.line['control_token']}"},
    )
    with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
        result: dict[str, Any] = json.load(answer)
    return result


async def _measure(running: Venue, subscribers: int, repeats: int) -> tuple[float, int]:
    loop = asyncio.get_running_loop()
    heard, all_of_them = Hearing(), []
    for _ in range(subscribers):
        _, subscriber = await loop.create_connection(lambda: Subscriber(heard), "127.0.0.1", running.port)
        all_of_them.append(subscriber)
    if not await heard.until(subscribers, 0):
        return 0.0, heard.opened
    rates = []
    for _ in range(repeats):
        before, started = heard.frames, time.perf_counter()
        await asyncio.to_thread(control, running, "/sim/step", {"ms": STEP_MS})
        state = await asyncio.to_thread(control, running, "/sim/state")
        await heard.until(subscribers, state["connections"]["frames_sent"])
        rates.append((heard.frames - before) / (time.perf_counter() - started))
    most = max(each.frames for each in all_of_them)
    complete = sum(each.frames == most for each in all_of_them) if most else 0
    return statistics.median(rates), complete


def subscriber_rates(subscribers: int, repeats: int) -> tuple[float, int]:
    """(frames a second to all together, median; subscribers that heard every frame)."""
    _allow_sockets(subscribers + 200)
    exchange_core, clients_core = cores()
    before = os.sched_getaffinity(0)
    with venue(exchange_core, "lockstep") as running:
        os.sched_setaffinity(0, {clients_core})
        try:
            return asyncio.run(_measure(running, subscribers, repeats))
        finally:
            os.sched_setaffinity(0, before)


def _allow_sockets(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
