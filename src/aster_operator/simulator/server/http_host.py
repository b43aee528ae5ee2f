"""The listening ports: REST connections by our own protocol, sockets that turn to WebSocket by aiohttp's."""

import asyncio
import errno
import re
import ssl
from collections.abc import Callable, Sequence
from urllib.parse import unquote

from aiohttp import WSMsgType, web

from aster_operator.domain.clock import Clock
from aster_operator.simulator.server.connections import (
    GOING_AWAY,
    POLICY_VIOLATION,
    ConnectionStatistics,
    StreamConnection,
)
from aster_operator.simulator.server.http_connection import Answer, HttpConnection
from aster_operator.simulator.server.http_reader import MAX_HEAD_BYTES, Upgrade, split_target
from aster_operator.simulator.server.product_streams import ProductStreams
from aster_operator.simulator.server.settings import PortTakenError

__all__ = ["HttpHost", "StreamHost", "stream_target"]

SHUTDOWN_S = 1.0
SILENT_S = 60
"""How long a connection may stay without a whole request."""
KEPT_ALIVE_ROUNDS = 75
"""Rounds of housekeeping (seconds) a connection may stay unused between two requests."""
_STREAM_PATH = re.compile(r"(?:/[^/]+)*?/(ws|stream)(?:/(.*))?")


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


class HttpHost:
    """One listening port. `rounds` counts how often `keep_house` has been called."""

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
        self.answer = answer
        self.clock = clock
        self.max_body_bytes = max_body_bytes
        self.rounds = 0
        self._host = host
        self._port = port
        self._tls = tls
        self._open: dict[HttpConnection, None] = {}
        self._all_gone = asyncio.Event()
        self._listener: asyncio.AbstractServer | None = None

    @property
    def port(self) -> int:
        """The port in use. Raises RuntimeError before `start`."""
        if self._listener is None:
            raise RuntimeError("the host has not been started")
        # Both event loops the exchange runs on have the sockets, which the abstract server does not promise.
        port: int = self._listener.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return port

    async def start(self) -> None:
        """Listen. Raises PortTakenError."""
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                lambda: HttpConnection(self), self._host, self._port, ssl=self._tls, backlog=1024
            )
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise PortTakenError(self._host, self._port) from error
            raise

    # --- what connections tell ----------------------------------------------------------------------

    def opened(self, connection: HttpConnection) -> None:
        self._open[connection] = None
        self._all_gone.clear()

    def closed(self, connection: HttpConnection) -> None:
        self._open.pop(connection, None)
        if not self._open:
            self._all_gone.set()

    def hand_on(self, _transport: asyncio.Transport, _upgrade: Upgrade) -> bool:
        """This port speaks nothing but HTTP."""
        return False

    # --- life ---------------------------------------------------------------------------------------

    def keep_house(self) -> None:
        """End connections on which no whole request has come for too long, or none any more."""
        self.rounds += 1
        oldest_ns = self.clock.monotonic_ns() - SILENT_S * 1_000_000_000
        for connection in list(self._open):
            silent = connection.silent_ns is not None and connection.silent_ns < oldest_ns
            unused = self.rounds - connection.used_round > KEPT_ALIVE_ROUNDS and not connection.is_waiting
            if silent or unused:
                connection.abort()

    async def close(self) -> None:
        """Stop listening, end every connection, wait until they are gone."""
        if self._listener is not None:
            self._listener.close()
        for connection in list(self._open):
            connection.shut()
        try:
            async with asyncio.timeout(SHUTDOWN_S):
                if self._open:
                    await self._all_gone.wait()
        except TimeoutError:
            for connection in list(self._open):
                connection.abort()
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
        self._sockets: web.Server | None = None
        self.statistics = ConnectionStatistics()
        self.connections: dict[StreamConnection, None] = {}

    async def start(self) -> None:
        self._sockets = web.Server(
            self._serve_streams, access_log=None, max_line_size=MAX_HEAD_BYTES, max_field_size=MAX_HEAD_BYTES
        )
        await super().start()

    def hand_on(self, transport: asyncio.Transport, upgrade: Upgrade) -> bool:
        """Let aiohttp make a WebSocket of it: the handshake, masks, fragments and closing are its trade."""
        request = upgrade.request
        wants = request.headers.get("upgrade", "").lower() == "websocket"
        if self._sockets is None or not wants or stream_target(request.path, request.raw_query) is None:
            return False
        protocol = self._sockets()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(upgrade.head + upgrade.rest)
        return True

    async def _serve_streams(self, request: web.BaseRequest) -> web.StreamResponse:
        path, raw_query = split_target(request.raw_path.encode("utf-8", "surrogateescape"))
        target = stream_target(path, raw_query)
        transport = request.transport
        if target is None or transport is None:
            return _no_socket()
        combined, names = target
        product = self._choose(path, names)
        socket = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=product.sockets.max_message_bytes
        )
        if not socket.can_prepare(request).ok:
            return _no_socket()
        await socket.prepare(request)
        connection = StreamConnection(
            transport,
            product.subscriptions,
            product.sockets,
            self.statistics,
            self.clock,
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
        if self._sockets is not None:
            self._sockets.pre_shutdown()
            await self._sockets.shutdown(SHUTDOWN_S)
        await super().close()


def _no_socket() -> web.StreamResponse:
    """Refusal of a handshake that is none; the connection ends."""
    response = web.Response(status=400, text="This path speaks WebSocket.")
    response.force_close()
    return response
