"""One HTTP/1 connection of the exchange: requests in, answers out in the same order.

A request that can be answered at once costs no task, no header object and one write.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol, cast

import structlog

from aster_operator.domain.clock import Clock
from aster_operator.simulator.server.http_reader import RequestReader, Upgrade
from aster_operator.simulator.server.messages import WireRequest, WireResponse, json_response

__all__ = ["Answer", "ConnectionOwner", "HttpConnection"]

log = structlog.get_logger(__name__)
Reply = WireResponse | None
Answer = Callable[[WireRequest], Reply | Awaitable[Reply]]
"""Answers a request, at once or later; None means: say nothing and break the connection."""

MAX_QUEUED = 64
"""Pipelined requests that may wait on a connection before nothing more is read from it."""
LINGER_S = 2.0
"""How long a refused sender may go on sending before it is cut off: it should be able to read why."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_FAILED = json_response({"code": -1000, "msg": "An unknown error occured while processing the request."}, 500)


class ConnectionOwner(Protocol):
    """The listening port a connection belongs to."""

    answer: Answer
    clock: Clock
    max_body_bytes: int
    rounds: int
    """How often the house has been kept: about once a second."""

    def opened(self, connection: "HttpConnection") -> None: ...

    def closed(self, connection: "HttpConnection") -> None: ...

    def hand_on(self, transport: asyncio.Transport, upgrade: Upgrade) -> bool:
        """Take over a socket that asks for another protocol; False when it is to be answered as usual."""


@lru_cache(maxsize=256)
def _head_start(status: int, content_type: str) -> str:
    reason = _REASONS.get(status, "Unknown")
    return f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: "


def _encoded(response: WireResponse, *, keep_alive: bool, with_body: bool = True) -> bytes:
    """The whole answer in one piece."""
    start = _head_start(response.status, response.content_type)
    head = f"{start}{len(response.body)}\r\nConnection: {'keep-alive' if keep_alive else 'close'}\r\n"
    for name, value in response.headers.items():
        head += f"{name}: {value}\r\n"
    return (head + "\r\n").encode() + (response.body if with_body else b"")


class HttpConnection(asyncio.Protocol):
    """The server's end of one TCP connection.

    `silent_ns` is the monotonic time since which it owes a request or the rest of one, None when it has
    asked and owes nothing; `used_round` is the round of housekeeping in which it was last answered.
    """

    __slots__ = (
        "_is_blocked",
        "_is_ending",
        "_is_last",
        "_is_paused",
        "_lingering",
        "_owner",
        "_reader",
        "_task",
        "_transport",
        "silent_ns",
        "used_round",
    )

    def __init__(self, owner: ConnectionOwner) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader("", owner.max_body_bytes)
        self._task: asyncio.Task[None] | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._is_blocked = self._is_paused = self._is_last = self._is_ending = False
        self.silent_ns: int | None = owner.clock.monotonic_ns()
        self.used_round = owner.rounds

    @property
    def is_busy(self) -> bool:
        """Something that was asked has not been answered."""
        return self._task is not None or bool(self._reader.requests)

    @property
    def is_waiting(self) -> bool:
        """An answer is under way, which a fault may delay for long."""
        return self._task is not None

    # --- the transport's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked with isinstance: the transports of uvloop are ones without saying so.
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        name = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        self._reader = RequestReader(name, self._owner.max_body_bytes)
        self._owner.opened(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._reader.requests.clear()
        if self._task is not None:
            self._task.cancel()
        if self._lingering is not None:
            self._lingering.cancel()
        self._owner.closed(self)

    def pause_writing(self) -> None:
        """The other side does not read: what it has asked waits, and it is not heard."""
        self._is_blocked = True
        self._pause()

    def resume_writing(self) -> None:
        self._is_blocked = False
        self._work()

    def eof_received(self) -> bool:
        """Keep our side open while an answer is under way; the rest of a request will never come."""
        transport = self._transport
        self._is_last = True
        # TLS knows no half-closed connections.
        return self.is_busy and transport is not None and transport.can_write_eof()

    def data_received(self, data: bytes) -> None:
        if self._is_ending:
            return
        reader = self._reader
        upgrade: Upgrade | None = reader.feed(data)
        while upgrade is not None:
            if self._handed_on(upgrade):
                return
            reader.requests.append((upgrade.request, upgrade.keep_alive))
            upgrade = reader.feed(upgrade.rest) if upgrade.rest and reader.refusal is None else None
        self._work()
        if not reader.is_open:
            self.silent_ns = None
        elif self.silent_ns is None:
            self.silent_ns = self._owner.clock.monotonic_ns()

    def _handed_on(self, upgrade: Upgrade) -> bool:
        self._work()
        if self._transport is None or self.is_busy or self._is_ending:
            return False
        if not self._owner.hand_on(self._transport, upgrade):
            return False
        self._is_ending = True
        self._transport = None
        self._owner.closed(self)
        return True

    # --- answering ----------------------------------------------------------------------------------

    def _work(self) -> None:
        """Answer what waits, in order, as far as that is possible now."""
        reader, answer = self._reader, self._owner.answer
        while reader.requests and self._task is None and not self._is_blocked and not self._is_ending:
            request, keep_alive = reader.requests.popleft()
            try:
                reply = answer(request)
            except Exception:
                log.exception("request failed", method=request.method, path=request.path)
                reply = _FAILED
            if reply is not None and not isinstance(reply, WireResponse):
                self._task = asyncio.ensure_future(self._answer_later(request, keep_alive, reply))
            else:
                self._send(request, keep_alive, reply)
        self._after_work()

    def _after_work(self) -> None:
        reader, transport = self._reader, self._transport
        if transport is None or self._is_ending:
            return
        if self.is_busy:
            if len(reader.requests) >= MAX_QUEUED:
                self._pause()
        elif self._is_blocked:
            return
        elif reader.refusal is not None:
            self._end(_encoded(reader.refusal, keep_alive=False))
        elif self._is_last:
            self.shut()
        else:
            if reader.wants_continue:
                reader.wants_continue = False
                transport.write(_CONTINUE)
            if self._is_paused:
                self._is_paused = False
                transport.resume_reading()

    def _pause(self) -> None:
        if self._transport is not None and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    async def _answer_later(self, request: WireRequest, keep_alive: bool, coming: Awaitable[Reply]) -> None:
        try:
            reply = await coming
        except Exception:
            log.exception("request failed", method=request.method, path=request.path)
            reply = _FAILED
        self._task = None
        self._send(request, keep_alive, reply)
        self._work()

    def _send(self, request: WireRequest, keep_alive: bool, reply: Reply) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if reply is None:
            self._is_ending = True
            transport.abort()
            return
        data = _encoded(reply, keep_alive=keep_alive, with_body=request.method != "HEAD")
        self.used_round = self._owner.rounds
        if keep_alive:
            transport.write(data)
        else:
            self._end(data)

    def _end(self, last: bytes) -> None:
        """Send `last` and end. Who is still sending gets a moment to read it before the connection breaks."""
        transport = self._transport
        self._is_ending = True
        if transport is None:
            return
        transport.write(last)
        if self._reader.refusal is None or not transport.can_write_eof():
            transport.close()
            return
        transport.write_eof()
        if self._is_paused:
            transport.resume_reading()
        self._lingering = asyncio.get_running_loop().call_later(LINGER_S, transport.abort)

    def shut(self) -> None:
        """The port closes: send what has been written, then end."""
        self._is_ending = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Break the connection without a word."""
        self._is_ending = True
        if self._transport is not None:
            self._transport.abort()
