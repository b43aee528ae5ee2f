"""A venue that answers what a test tells it to: aiohttp on loopback, bounded by the test's own timeout."""

import asyncio
import contextlib
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import WSMsgType, web

__all__ = ["Answer", "Received", "ScriptedVenue", "scripted_venue"]


@dataclass
class Answer:
    """One scripted answer. `hang` never answers; `cut` drops the connection after reading the request."""

    body: bytes | str | dict | list = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    cut: bool = False

    def payload(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass
class Received:
    """One request as it came over the wire."""

    method: str
    path: str
    query: str
    body: str
    headers: dict[str, str]

    @property
    def text(self) -> str:
        return self.query + self.body

    @property
    def parameters(self) -> dict[str, str]:
        return dict(
            parse_qsl(self.query, keep_blank_values=True) + parse_qsl(self.body, keep_blank_values=True)
        )


Responder = Answer | Callable[[Received], Answer]


class ScriptedVenue:
    def __init__(self) -> None:
        self.url = ""
        self.ws_url = ""
        self.requests: list[Received] = []
        self._answers: dict[tuple[str, str], deque[Responder]] = defaultdict(deque)
        self._standing: dict[tuple[str, str], Responder] = {}
        self.sockets: list[web.WebSocketResponse] = []
        self.socket_paths: list[str] = []
        self.open_sockets = 0
        self.control: list[dict] = []
        self.arrived = asyncio.Event()
        self.connected = asyncio.Event()
        self.acknowledge = True
        self.refuse_sockets = False
        self.refused = 0
        self.autoping = True
        self.empty_pongs = False
        self.drop_at_once = False
        """Accept a socket, acknowledge its first request, and drop it."""

    # --- REST ----------------------------------------------------------------------------------------

    def always(self, method: str, path: str, answer: Responder) -> None:
        self._standing[method, path] = answer

    def next(self, method: str, path: str, *answers: Responder) -> None:
        self._answers[method, path].extend(answers)

    def requests_to(self, path: str) -> list[Received]:
        return [request for request in self.requests if request.path == path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        received = Received(
            request.method,
            request.path,
            request.rel_url.raw_query_string,
            (await request.read()).decode(),
            dict(request.headers),
        )
        self.requests.append(received)
        self.arrived.set()
        key = (request.method, request.path)
        queue = self._answers[key]
        responder = queue.popleft() if queue else self._standing.get(key)
        if responder is None:
            return web.json_response({"code": -1121, "msg": f"nothing scripted for {key}"}, status=404)
        answer = responder(received) if callable(responder) else responder
        if answer.hang:
            await asyncio.Event().wait()
        if answer.cut:
            assert request.transport is not None
            request.transport.abort()
            raise asyncio.CancelledError
        return web.Response(
            status=answer.status,
            body=answer.payload(),
            headers={"Content-Type": "application/json", **answer.headers},
        )

    # --- WebSocket -----------------------------------------------------------------------------------

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_sockets:
            self.refused += 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        self.sockets.append(socket)
        self.open_sockets += 1
        self.socket_paths.append(request.path_qs)
        self.connected.set()
        try:
            await self._listen(socket)
        finally:
            self.open_sockets -= 1
        return socket

    async def _listen(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is WSMsgType.PING:
                if self.autoping:
                    await socket.pong(b"" if self.empty_pongs else message.data)
            elif message.type is WSMsgType.TEXT:
                await self._control(socket, json.loads(message.data))
                if self.drop_at_once:
                    break

    async def _control(self, socket: web.WebSocketResponse, command: dict) -> None:
        self.control.append(command)
        if not self.acknowledge:
            return
        listing = command["method"] == "LIST_SUBSCRIPTIONS"
        result = sorted(self.subscribed()) if listing else None
        await socket.send_str(json.dumps({"result": result, "id": command["id"]}))

    def subscribed(self) -> set[str]:
        names: set[str] = set()
        for command in self.control:
            if command["method"] == "SUBSCRIBE":
                names.update(command["params"])
            elif command["method"] == "UNSUBSCRIBE":
                names.difference_update(command["params"])
        return names

    async def send(self, payload: dict | str | bytes, socket: int = -1) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        await self.sockets[socket].send_str(text)

    async def send_binary(self, payload: bytes, socket: int = -1) -> None:
        await self.sockets[socket].send_bytes(payload)

    async def until_sockets(self, count: int) -> None:
        while len(self.sockets) < count:
            self.connected.clear()
            await self.connected.wait()

    async def until_requests(self, count: int) -> None:
        while len(self.requests) < count:
            self.arrived.clear()
            await self.arrived.wait()

    def cut(self, socket: int = -1) -> None:
        """Drop the TCP connection without a close frame."""
        transport = self.sockets[socket]._req.transport  # type: ignore[union-attr]
        assert transport is not None
        transport.abort()


@contextlib.asynccontextmanager
async def scripted_venue() -> AsyncIterator[ScriptedVenue]:
    venue = ScriptedVenue()
    app = web.Application()
    app.router.add_get("/stream", venue.stream)
    app.router.add_get("/ws/{key}", venue.stream)
    app.router.add_route("*", "/{tail:.*}", venue.handle)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    venue.url, venue.ws_url = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    try:
        yield venue
    finally:
        for socket in venue.sockets:
            await socket.close()
        await runner.cleanup()
