"""One WebSocket connection: frames out of it, text into it, fences through it, death noticed.

The listener does as little as possible for each frame: it hands its bytes on. Silence is judged from a timer
by a count of reads, so that no frame costs a look at the clock.
"""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from aster_operator.exchange.errors import TransportFailed

__all__ = [
    "FrameHandler",
    "FrameReader",
    "Receiver",
    "SocketClosed",
    "SocketListener",
    "StreamSocket",
]

_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
_PING_PREFIX: Final = b"fence-"
_MAX_FRAME_BYTES: Final = 16 * 1024 * 1024

Receiver = Callable[[memoryview, int], None]
"""Takes the payload of one message, valid only during the call, and when it was received (ns)."""
FrameHandler = Callable[[WSTransport, WSFrame], None]


class SocketClosed(TransportFailed):
    """The connection ended; `cause` says how."""

    def __init__(self, endpoint: str, cause: str) -> None:
        super().__init__(endpoint, cause, may_have_arrived=True)


class SocketListener(WSListener):
    """Receives the frames of one connection.

    All messages of one read carry one time of receipt: the clock is asked at the first of them, and the last
    of them takes the mark back. `on_ws_frame` runs for every message of the market, so that each look at the
    frame or at an attribute is felt: it is a closure in a slot, made for the receiver. A callback for each
    read would be felt more: when messages come one by one it doubles the turns of the loop.
    """

    __slots__ = (
        "_fragments",
        "_now_ns",
        "_receive",
        "close_reason",
        "failure",
        "on_pong",
        "on_ws_frame",
        "reads",
    )

    def __init__(self, receive: Receiver, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self.reads = 0
        self.failure: Exception | None = None
        self.close_reason = ""
        self.on_pong: Callable[[bytes], None] = lambda _payload: None
        self._fragments: list[bytes] = []
        self.set_receiver(receive)

    def set_receiver(self, receive: Receiver) -> None:
        """Hand messages to `receive` from now on."""
        self._receive = receive
        handler = receive.frame_handler if isinstance(receive, FrameReader) else self._frame_handler
        self.on_ws_frame = handler(self)  # type: ignore[method-assign, assignment]

    def _frame_handler(self, _listener: "SocketListener") -> FrameHandler:
        receive, received_ns = self._receive, 0

        def on_ws_frame(transport: WSTransport, frame: WSFrame) -> None:
            nonlocal received_ns
            if frame.msg_type is _TEXT and frame.fin:
                if not received_ns:
                    received_ns = self.begin_read()
                try:
                    receive(frame.get_payload_as_memoryview(), received_ns)
                except Exception as error:
                    self.fail(transport, error)
            else:
                self.take_other(transport, frame)
            if frame.last_in_buffer:
                received_ns = 0

        return on_ws_frame

    def fail(self, transport: WSTransport, error: Exception) -> None:
        """End the connection: a consumer that fails must be heard, and the connection's owner raises this."""
        self.failure = error
        transport.disconnect()

    def begin_read(self) -> int:
        """Return the time of receipt of what is being read; for the first frame of a read."""
        self.reads += 1
        # Never zero, which stands for "not yet asked", also for clocks that begin at zero.
        return self._now_ns() or 1

    def take_other(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take what is no whole text: control frames and fragments."""
        received_ns = self.begin_read()
        kind = frame.msg_type
        if kind is WSMsgType.PONG:
            self.on_pong(frame.get_payload_as_bytes())
        elif kind is WSMsgType.CLOSE:
            self.close_reason = f"closed by the venue with {frame.get_close_code()}"
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind is _TEXT or kind is _BINARY or kind is WSMsgType.CONTINUATION:
            # Binary frames are taken like text: the receiver counts what it cannot read.
            self._fragments.append(frame.get_payload_as_bytes())
            if frame.fin:
                whole = b"".join(self._fragments)
                self._fragments.clear()
                try:
                    self._receive(memoryview(whole), received_ns)
                except Exception as error:
                    self.fail(transport, error)


class FrameReader(ABC):
    """A receiver that reads the frames of a connection itself: one call less for every message."""

    @abstractmethod
    def frame_handler(self, listener: SocketListener) -> FrameHandler:
        """Return what takes every frame of the connection of `listener`.

        It hands what is no whole text to `listener.take_other`, tells a failure to `listener.fail` and asks
        `listener.begin_read` when the first frame of a read was received.
        """

    @abstractmethod
    def __call__(self, payload: memoryview, received_ns: int) -> None:
        """Take one message that came some other way: put together, or let through by a filter."""


class StreamSocket:
    """A connected WebSocket. Made by `StreamSocket.connect`; ends by `close` or by itself."""

    def __init__(self, url: str, transport: WSTransport, listener: SocketListener) -> None:
        self.url = url
        self._transport = transport
        self._listener = listener
        self._fences: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._fence_count = 0
        listener.on_pong = self._on_pong

    @classmethod
    async def connect(
        cls,
        url: str,
        receive: Receiver,
        now_ns: Callable[[], int],
        *,
        ssl_context: ssl.SSLContext | None = None,
        timeout_s: float = 10.0,
    ) -> "StreamSocket":
        """Connect, or raise TransportFailed within `timeout_s`. `receive` gets each message."""
        listener = SocketListener(receive, now_ns)
        endpoint = _without_key(url)
        try:
            async with asyncio.timeout(timeout_s):
                transport, _ = await ws_connect(
                    lambda: listener,
                    url,
                    ssl_context=ssl_context,
                    websocket_handshake_timeout=timeout_s,
                    enable_auto_ping=False,
                    enable_auto_pong=True,
                    max_frame_size=_MAX_FRAME_BYTES,
                    disconnect_on_exception=True,
                )
        except TimeoutError:
            cause = f"no connection within {timeout_s:g} s"
            raise TransportFailed(endpoint, cause, may_have_arrived=False) from None
        except (OSError, WSError) as error:
            cause = str(error) or type(error).__name__
            raise TransportFailed(endpoint, cause, may_have_arrived=False) from None
        return cls(endpoint, transport, listener)

    @property
    def reads(self) -> int:
        """How often something was read from the network."""
        return self._listener.reads

    def set_receiver(self, receive: Receiver) -> None:
        """Hand messages to another receiver from now on."""
        self._listener.set_receiver(receive)

    @property
    def is_open(self) -> bool:
        return not self._transport.is_disconnected

    def send_text(self, text: bytes) -> None:
        """Send one message. Raises SocketClosed when the connection has ended."""
        if self._transport.is_disconnected:
            raise SocketClosed(self.url, "the connection has ended")
        self._transport.send(_TEXT, text)

    async def fence(self, timeout_s: float) -> None:
        """Return when the venue has answered a ping, and so sent everything it had to send before.

        Raises SocketClosed when the connection ends first, TransportFailed after `timeout_s`.
        """
        if self._transport.is_disconnected:
            raise SocketClosed(self.url, "the connection has ended")
        self._fence_count += 1
        payload = _PING_PREFIX + str(self._fence_count).encode()
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._fences.append((payload, answered))
        self._transport.send_ping(payload)
        try:
            async with asyncio.timeout(timeout_s):
                await answered
        except TimeoutError:
            cause = f"no pong within {timeout_s:g} s"
            raise TransportFailed(self.url, cause, may_have_arrived=True) from None

    def _on_pong(self, payload: bytes) -> None:
        known = any(waiting == payload for waiting, _ in self._fences)
        while self._fences:
            waiting, answered = self._fences.popleft()
            if not answered.done():
                answered.set_result(None)
            # Pongs come in order, so one answers all pings before it. A server that answers every ping
            # with an empty pong answers them one by one.
            if not known or waiting == payload:
                return

    async def wait_closed(self) -> str:
        """Return, when the connection has ended, how. Raises what the consumer of a message raised."""
        await self._transport.wait_disconnected()
        while self._fences:
            _, answered = self._fences.popleft()
            if not answered.done():
                answered.set_exception(SocketClosed(self.url, "the connection ended"))
        if self._listener.failure is not None:
            raise self._listener.failure
        return self._listener.close_reason or "the connection was lost"

    def abort(self) -> None:
        """End the connection without ceremony: it is believed dead."""
        self._transport.disconnect(graceful=False)

    async def close(self) -> None:
        """Say goodbye and end the connection."""
        if not self._transport.is_disconnected:
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect()
        await self._transport.wait_disconnected()


def _without_key(url: str) -> str:
    """The address without the listen key, which is a secret."""
    head, separator, _ = url.partition("/ws/")
    return f"{head}/ws/********" if separator else url
