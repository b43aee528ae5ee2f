"""One socket of the market stream with its subscriptions."""

import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec
import structlog

from aster_operator.domain.clock import Clock
from aster_operator.exchange.errors import MalformedResponse
from aster_operator.exchange.streams.link import LinkSettings, StreamLink
from aster_operator.exchange.streams.socket import Receiver, StreamSocket
from aster_operator.exchange.streams.subscriptions import MAX_STREAMS_PER_SOCKET, ControlChannel
from aster_operator.exchange.wire.problems import field_of
from aster_operator.exchange.wire.streams import MarketFrame, MarketMessage

__all__ = ["OnMessage", "ReceiverFactory", "Shard", "shards_of"]

_log = structlog.get_logger(__name__)
_GARBAGE_LIMIT: Final = 20
"""Unreadable frames in a row after which a connection is renewed: something is broken on it."""

OnMessage = Callable[[str, MarketMessage | list[MarketMessage], int], None]
ReceiverFactory = Callable[[Receiver], Receiver]
"""Makes a quicker receiver that hands what it does not know to the general one it is given."""


def shards_of(streams: Sequence[str], per_socket: int = MAX_STREAMS_PER_SOCKET) -> list[list[str]]:
    """Split streams evenly over the fewest sockets that hold at most `per_socket` each."""
    unique = list(dict.fromkeys(streams))
    sockets = -(-len(unique) // per_socket)
    return [unique[start::sockets] for start in range(sockets)]


class Shard:
    """One socket with its subscriptions."""

    def __init__(
        self,
        url: str,
        streams: Iterable[str],
        on_message: OnMessage,
        on_status: "Callable[[Shard, bool, str], None]",
        clock: Clock,
        settings: LinkSettings,
        ssl_context: ssl.SSLContext | None,
        receiver: ReceiverFactory | None,
    ) -> None:
        self.streams = dict.fromkeys(streams)
        self.is_down = False
        """True from an announced loss until its repair."""
        self._url = url
        self._on_message = on_message
        self._decoder = msgspec.json.Decoder(MarketFrame, strict=False)
        self.control = ControlChannel()
        self.malformed = 0
        self.unknown = 0
        self._malformed_in_a_row = 0
        self.link = StreamLink(
            address=self._address,
            receive=self.receive if receiver is None else receiver(self.receive),
            on_connected=self._subscribe,
            on_status=lambda healthy, detail: on_status(self, healthy, detail),
            clock=clock,
            settings=settings,
            ssl_context=ssl_context,
            is_beating=self._is_beating,
        )

    async def _address(self) -> str:
        return self._url

    def _is_beating(self) -> bool:
        """Mark prices come every one or three seconds, whether anybody trades or not (section 6.2)."""
        return any("@markPrice" in name or name.startswith("!markPrice") for name in self.streams)

    async def _subscribe(self, socket: StreamSocket) -> None:
        # What is wanted may change while the venue answers, and nobody else tells this connection yet.
        subscribed: set[str] = set()
        while missing := [name for name in self.streams if name not in subscribed]:
            await self.control.change(socket, "SUBSCRIBE", missing)
            subscribed.update(missing)
            if unwanted := [name for name in subscribed if name not in self.streams]:
                await self.control.change(socket, "UNSUBSCRIBE", unwanted)
                subscribed.difference_update(unwanted)

    def receive(self, payload: memoryview, received_ns: int) -> None:
        """Take any frame: data, answers to control requests, garbage."""
        try:
            frame = self._decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self._count_malformed(error, bytes(payload))
            return
        data = frame.data
        if data is None:
            if not self.control.take(frame):
                self._count_malformed(ValueError("a frame without data"), bytes(payload))
            return
        try:
            self._on_message(frame.stream, data, received_ns)
        except MalformedResponse as error:
            self._note_malformed(error)
            return
        self._malformed_in_a_row = 0

    def _count_malformed(self, error: Exception, payload: bytes) -> None:
        field, problem = field_of(error)
        if field.endswith("data.e") and "Invalid value" in problem:
            # A kind of event that is newer than this client: not ours to judge.
            self.unknown += 1
            return
        self._note_malformed(MalformedResponse(_stream_in(payload), field, problem, payload))

    def _note_malformed(self, error: MalformedResponse) -> None:
        self.malformed += 1
        self._malformed_in_a_row += 1
        _log.warning("unreadable market message", error=str(error), count=self.malformed)
        if self._malformed_in_a_row >= _GARBAGE_LIMIT:
            self._malformed_in_a_row = 0
            self.link.renew()


def _stream_in(payload: bytes) -> str:
    """Name of the stream in a frame that does not decode as a whole, as far as it can be told."""
    try:
        return msgspec.json.decode(payload, type=_StreamName).stream or "market stream"
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "market stream"


class _StreamName(msgspec.Struct):
    stream: str = ""
