"""From frames to bounded buffers: the part of recording that runs for every message.

Messages wait in lists, by stream, until the writer takes them. There is room for a fixed number; what comes
while the writer is stuck and the room is used up is dropped, counted and reported as gaps.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from aster_operator.exchange.streams.socket import Receiver
from aster_operator.exchange.wire.market_floats import (
    AggregateTradeTick,
    BookTick,
    DepthTick,
    FloatFrame,
    KlineTick,
    LiquidationTick,
    MarkPriceTick,
)

__all__ = ["Batch", "Closing", "Drop", "Intake", "Loss", "event_ms_of", "symbol_of"]

Message = Any
"""One of the messages of `market_floats`; the lists of a batch hold one kind each."""


class Drop:
    """Messages of one symbol's stream that found no room."""

    __slots__ = ("count", "first_ms", "last_ms")

    def __init__(self, event_ms: int) -> None:
        self.count = 0
        self.first_ms = self.last_ms = event_ms

    def add(self, event_ms: int) -> None:
        self.count += 1
        self.last_ms = max(self.last_ms, event_ms)


class Loss(msgspec.Struct, frozen=True):
    """A connection was lost: what was heard over it may have holes from here on."""

    pairs: tuple[tuple[str, str], ...]
    """(stream, symbol)."""
    cause: str
    detail: str


class Closing(msgspec.Struct, frozen=True):
    """All that could be fetched of a hole has been put in before this."""

    stream: str
    symbol: str
    first_id: int
    last_id: int
    failure: str = ""


class Batch:
    """What came in between two visits of the writer. `losses` happened before all its messages."""

    __slots__ = ("closings", "drops", "fetched", "losses", "messages", "rows")

    def __init__(self, losses: tuple[Loss, ...] = ()) -> None:
        self.losses = losses
        self.messages: dict[str, list[Message]] = {}
        self.fetched: dict[str, list[Message]] = {}
        """Answers of REST, by stream."""
        self.closings: list[Closing] = []
        self.drops: dict[tuple[str, str], Drop] = {}
        self.rows = 0


def symbol_of(message: Message) -> str:
    symbol: str = message.order.symbol if type(message) is LiquidationTick else message.symbol
    return symbol


def event_ms_of(message: Message) -> int:
    event_ms: int = message.event_ms
    return event_ms


_STREAM_OF: Final[dict[type, str]] = {
    BookTick: "bookTicker",
    AggregateTradeTick: "aggTrade",
    MarkPriceTick: "markPrice",
    LiquidationTick: "forceOrder",
}


class Intake:
    """Collects messages for the writer. `room` is how many may wait, in all streams together."""

    def __init__(self, *, room: int) -> None:
        self._room = room
        self._batches: list[Batch] = []
        self._current = Batch()
        self._lists: dict[type, list[Message]] = {}
        self.received = 0
        self.dropped = 0
        self._fresh(())

    def _fresh(self, losses: tuple[Loss, ...]) -> None:
        self._current = Batch(losses)
        self._lists = {kind: [] for kind in _STREAM_OF}
        self._lists[KlineTick] = []
        self._partial: list[Message] = []
        self._changes: list[Message] = []

    @property
    def room(self) -> int:
        """How many more messages may wait."""
        return self._room

    def receiver(self, general: Receiver) -> Receiver:
        """A receiver of frames; what it does not know goes to `general`."""
        decode: Callable[[memoryview], FloatFrame] = msgspec.json.Decoder(FloatFrame, strict=False).decode
        problems = (msgspec.DecodeError, UnicodeDecodeError)

        def receive(payload: memoryview, received_ns: int) -> None:
            try:
                frame = decode(payload)
            except problems:
                general(payload, received_ns)
                return
            message = frame.data
            if message is None:
                general(payload, received_ns)
            elif type(message) is list:
                for single in message:
                    self._take(frame.stream, single, received_ns)
            else:
                self._take(frame.stream, message, received_ns)

        return receive

    def _take(self, stream: str, message: Message, received_ns: int) -> None:
        if self._room <= 0:
            self._drop(stream, message)
            return
        self._room -= 1
        kind = type(message)
        if kind is DepthTick:
            message.received_ns = received_ns
            (self._partial if "@depth5" in stream else self._changes).append(message)
        elif kind is KlineTick:
            message.kline.received_ns = received_ns
            self._lists[KlineTick].append(message)
        else:
            message.received_ns = received_ns
            self._lists[kind].append(message)

    def _drop(self, stream: str, message: Message) -> None:
        self.dropped += 1
        event_ms = event_ms_of(message)
        if type(message) is DepthTick:
            name = "depth5" if "@depth5" in stream else "depth"
        else:
            name = _STREAM_OF.get(type(message), "kline_1m")
        pair = (name, symbol_of(message))
        drop = self._current.drops.get(pair)
        if drop is None:
            drop = self._current.drops[pair] = Drop(event_ms)
        drop.add(event_ms)

    def put_fetched(self, stream: str, messages: list[Message], closing: Closing | None = None) -> None:
        """Add answers of REST, and after them the end of a hole."""
        if messages:
            self._current.fetched.setdefault(stream, []).extend(messages)
            self._room -= len(messages)
        if closing is not None:
            self._current.closings.append(closing)

    def lose(self, loss: Loss) -> None:
        """Note that a connection was lost: later messages are kept apart from those before."""
        self._close()
        self._fresh((loss,))

    def _close(self) -> None:
        batch = self._current
        found = {name: self._lists[kind] for kind, name in _STREAM_OF.items()}
        found |= {"kline_1m": self._lists[KlineTick], "depth5": self._partial, "depth": self._changes}
        batch.messages = {name: messages for name, messages in found.items() if messages}
        batch.rows = sum(map(len, batch.messages.values())) + sum(map(len, batch.fetched.values()))
        self.received += sum(map(len, batch.messages.values()))
        self._batches.append(batch)

    def take(self) -> list[Batch]:
        """Everything that waits, oldest first. Give the room back with `free` when it is on the disk."""
        self._close()
        taken, self._batches = self._batches, []
        self._fresh(())
        return taken

    def free(self, rows: int) -> None:
        self._room += rows
