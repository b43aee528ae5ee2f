"""SUBSCRIBE, UNSUBSCRIBE and LIST on one socket, within the venue's message rate (protocol reference,
sections 3 and 6.1)."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Literal

import msgspec

from aster_operator.exchange.errors import InvalidRequest, TransportFailed
from aster_operator.exchange.streams.socket import StreamSocket
from aster_operator.exchange.wire.streams import MarketFrame

__all__ = ["MAX_STREAMS_PER_SOCKET", "ControlChannel"]

MAX_STREAMS_PER_SOCKET: Final = 200
_MESSAGES_PER_SECOND: Final = 8
"""Below the venue's 10, so that pings and a late answer do not tip it over."""
_PARAMETERS_PER_MESSAGE: Final = 100
_ids = itertools.count(1)

Method = Literal["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS"]
Answer = list[str] | bool | None


class ControlChannel:
    """Sends control requests and matches the answers by id. Ids are unique in the process, so that the
    answers of two sockets are never taken for one another."""

    def __init__(self, *, timeout_s: float = 10.0, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep):
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._pace = asyncio.Lock()
        self.sent = 0

    async def change(self, socket: StreamSocket, method: Method, streams: Iterable[str]) -> None:
        """Subscribe to or unsubscribe from `streams`, in as few messages as the venue takes.

        Raises TransportFailed without an answer, InvalidRequest for an error answer.
        """
        wanted = list(streams)
        for start in range(0, len(wanted), _PARAMETERS_PER_MESSAGE):
            await self._request(socket, method, wanted[start : start + _PARAMETERS_PER_MESSAGE])

    async def listed(self, socket: StreamSocket) -> list[str]:
        """Return what the venue says the socket is subscribed to."""
        answer = await self._request(socket, "LIST_SUBSCRIPTIONS", None)
        return answer if isinstance(answer, list) else []

    async def _request(self, socket: StreamSocket, method: Method, streams: list[str] | None) -> Answer:
        request: dict[str, object] = {"method": method, "id": next(_ids)}
        if streams is not None:
            request["params"] = streams
        number = request["id"]
        assert isinstance(number, int)  # noqa: S101 - narrows the type
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        try:
            async with self._pace:
                socket.send_text(msgspec.json.encode(request))
                self.sent += 1
                if self.sent % _MESSAGES_PER_SECOND == 0:
                    await self._sleep(1.0)
            closed = asyncio.ensure_future(socket.wait_closed())
            try:
                either: set[asyncio.Future[Any]] = {answered, closed}
                await asyncio.wait(either, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
                if answered.done():
                    return answered.result()
                how = closed.result() if closed.done() else f"no answer within {self._timeout_s:g} s"
            finally:
                closed.cancel()
            raise TransportFailed(f"{method} on {socket.url}", how, may_have_arrived=True)
        finally:
            self._waiting.pop(number, None)

    def take(self, frame: MarketFrame) -> bool:
        """Take an answer to a control request; False when `frame` is none."""
        if frame.stream:
            return False
        waiting = self._waiting.get(frame.id) if frame.id is not None else None
        if waiting is None or waiting.done():
            return frame.id is not None or frame.code is not None
        if frame.code is not None or frame.msg is not None:
            refusal = InvalidRequest(frame.code or 0, frame.msg or "", 200, "stream control request")
            waiting.set_exception(refusal)
        else:
            waiting.set_result(frame.result)
        return True
