"""The aiohttp host: turns sockets into `WireRequest`s and stream connections, and nothing more."""

import asyncio
import errno
import logging
import re
import ssl
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import structlog
from aiohttp import WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError

from aster_operator.domain.clock import Clock
from aster_operator.simulator.server.connections import (
    GOING_AWAY,
    POLICY_VIOLATION,
    ConnectionStatistics,
    StreamConnection,
)
from aster_operator.simulator.server.messages import WireRequest, WireResponse, json_response
from aster_operator.simulator.server.product_streams import ProductStreams
from aster_operator.simulator.server.settings import PortTakenError

__all__ = ["HttpHost", "StreamHost", "split_target", "stream_target"]

log = structlog.get_logger(__name__)
Answer = Callable[[WireRequest], Awaitable[WireResponse | None]]
"""Answers a request; None means: say nothing and break the connection."""
MAX_LINE_BYTES = 64 * 1024
SHUTDOWN_S = 1.0
SILENT_S = 60
"""How long a connection may stay without a whole request."""
_REASONS = {status.value: status.phrase for status in HTTPStatus}
_STREAM_PATH = re.compile(r"(?:/[^/]+)*?/(ws|stream)(?:/(.*))?")


def _is_fault_of_ours(record: logging.LogRecord) -> bool:
    """False for the trace of a request that is no HTTP: the sender has been told, and it fills the screen."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


def _quiet_logger() -> logging.Logger:
    logger = logging.getLogger("aster_operator.exchange.http")
    if _is_fault_of_ours not in logger.filters:
        logger.addFilter(_is_fault_of_ours)
    return logger


def split_target(raw_target: str) -> tuple[str, bytes]:
    """(path, raw query) of a request line's target, the query as the bytes that were sent."""
    if raw_target.startswith(("http://", "https://")):
        raw_target = "/" + raw_target.split("/", 3)[-1]
    path, _, query = raw_target.partition("?")
    return path, query.partition("#")[0].encode("utf-8", "surrogateescape")


def stream_target(path: str, raw_query: bytes) -> tuple[bool, list[str]] | None:
    """(combined, names) of a stream URL: `/ws`, `/ws/<name>`, `/stream?streams=a/b`, under any prefix.

    None when the path is no stream path. Protocol reference, sections 1.1 and 10.
    """
    match = _STREAM_PATH.fullmatch(path.rstrip("/") or "/")
    if match is None:
        return None
    names = [unquote(name) for name in (match[2] or "").split("/") if name]
    query = raw_query.decode("utf-8", "replace")
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key in ("streams", "listenKey"):
            names += [name for name in unquote(value).split("/") if name]
    return match[1] == "stream", names


class _WholeResponse(web.StreamResponse):
    """A finished answer written in one piece: no header objects, no second write."""

    def __init__(self, response: WireResponse) -> None:
        super().__init__(status=response.status)
        self._whole = response
        self._keeps_alive = False

    @property
    def keep_alive(self) -> bool | None:
        return self._keeps_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Raises ConnectionResetError when the client has gone."""
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self._keeps_alive = bool(request.keep_alive and super().keep_alive is not False)
        response = self._whole
        lines = [
            f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            f"Connection: {'keep-alive' if self._keeps_alive else 'close'}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
            "\r\n",
        ]
        head = "\r\n".join(lines).encode()
        request.transport.write(head if request.method == "HEAD" else head + response.body)

    async def write_eof(self, data: bytes = b"") -> None:
        """Everything has been written by `prepare`."""


class HttpHost:
    """One listening port."""

    def __init__(
        self,
        host: str,
        port: int,
        answer: Answer,
        *,
        clock: Clock,
        max_body_bytes: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._answer = answer
        self._max_body_bytes = max_body_bytes
        self._tls = tls
        self._clock = clock
        # Connections that have not sent a whole request yet, with the moment they were opened.
        self._silent: dict[web.RequestHandler, int] = {}
        self._listener: asyncio.Server | None = None
        self._server: web.Server | None = None

    @property
    def port(self) -> int:
        """The port in use. Raises RuntimeError before `start`."""
        if self._listener is None:
            raise RuntimeError("the host has not been started")
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen. Raises PortTakenError."""
        self._server = web.Server(
            self._handle,
            request_factory=self._request,
            access_log=None,
            logger=_quiet_logger(),
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            auto_decompress=False,
            keepalive_timeout=75.0,
        )
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                self._new_protocol, self._host, self._port, ssl=self._tls, backlog=1024
            )
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise PortTakenError(self._host, self._port) from error
            raise

    def _new_protocol(self) -> asyncio.Protocol:
        if self._server is None:
            raise RuntimeError("the host has not been started")
        protocol = self._server()
        self._silent[protocol] = self._clock.monotonic_ns()
        return protocol

    def keep_house(self) -> None:
        """End connections on which no whole request has come for too long."""
        oldest_ns = self._clock.monotonic_ns() - SILENT_S * 1_000_000_000
        for protocol, since_ns in list(self._silent.items()):
            if since_ns < oldest_ns:
                # Those that have gone by themselves are forgotten by the same rule.
                del self._silent[protocol]
                protocol.force_close()

    def _request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: "asyncio.Task[None]"
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message,
            payload,
            protocol,
            writer,
            task,
            asyncio.get_running_loop(),
            client_max_size=self._max_body_bytes,
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, raw_query = split_target(request.raw_path)
        if (request.content_length or 0) > self._max_body_bytes:
            return self._too_large()
        try:
            body = await self._body(request)
        except web.HTTPRequestEntityTooLarge:
            return self._too_large()
        response = await self._answer(
            WireRequest(request.method, path, raw_query, request.headers, body, request.remote or "")
        )
        if response is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        return _WholeResponse(response)

    async def _body(self, request: web.BaseRequest) -> bytes:
        """The whole body. Who never sends the rest of it is as silent as who sends nothing."""
        if not request.body_exists:
            self._silent.pop(request.protocol, None)
            return b""
        self._silent.setdefault(request.protocol, self._clock.monotonic_ns())
        try:
            return await request.read()
        finally:
            self._silent.pop(request.protocol, None)

    @staticmethod
    def _too_large() -> web.StreamResponse:
        """Refused without waiting for the rest, which nobody will read: the connection ends."""
        response = _WholeResponse(json_response({"code": -1100, "msg": "Request body is too large."}, 413))
        response.force_close()
        return response

    async def close(self) -> None:
        """Stop listening, end every connection, wait until they are gone."""
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(SHUTDOWN_S)
        if self._listener is not None:
            await self._listener.wait_closed()


class StreamHost(HttpHost):
    """REST and WebSocket on one port. `choose` tells from the path and the stream names of a socket which
    product it has come for."""

    def __init__(
        self,
        host: str,
        port: int,
        answer: Answer,
        *,
        choose: Callable[[str, Sequence[str]], ProductStreams],
        clock: Clock,
        max_body_bytes: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(host, port, answer, clock=clock, max_body_bytes=max_body_bytes, tls=tls)
        self._choose = choose
        self.statistics = ConnectionStatistics()
        self.connections: dict[StreamConnection, None] = {}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._silent.pop(request.protocol, None)
        if request.headers.get("upgrade", "").lower() == "websocket":
            path, raw_query = split_target(request.raw_path)
            target = stream_target(path, raw_query)
            if target is not None:
                return await self._serve_streams(request, self._choose(path, target[1]), *target)
        return await super()._handle(request)

    async def _serve_streams(
        self, request: web.BaseRequest, product: ProductStreams, combined: bool, names: list[str]
    ) -> web.StreamResponse:
        socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=product.sockets.max_message_bytes
        )
        if not socket.can_prepare(request).ok:
            return web.Response(status=400, text="This path speaks WebSocket.")
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        connection = StreamConnection(
            transport,
            product.subscriptions,
            product.sockets,
            self.statistics,
            self._clock,
            combined=combined,
        )
        self.connections[connection] = None
        if len(names) > product.sockets.max_streams:
            connection.close(POLICY_VIOLATION, "Too many streams")
            names = []
        for name in names:
            product.subscriptions.add(connection, name)
        try:
            await self._listen(socket, connection)
        finally:
            del self.connections[connection]
            connection.finished()
        return socket

    @staticmethod
    async def _listen(socket: web.WebSocketResponse, connection: StreamConnection) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                connection.on_text(message.data.encode())
            elif message.type is WSMsgType.BINARY:
                connection.on_text(message.data)
            elif message.type is WSMsgType.PING:
                connection.on_ping(bytes(message.data))
            elif message.type is WSMsgType.PONG:
                connection.on_pong()
            else:
                break

    def keep_house(self) -> None:
        """Pings and limits of every connection."""
        super().keep_house()
        for connection in list(self.connections):
            connection.keep_house()

    async def close(self) -> None:
        for connection in list(self.connections):
            connection.close(GOING_AWAY, "server is going away")
        await super().close()
