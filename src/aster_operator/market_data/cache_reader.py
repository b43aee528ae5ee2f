"""The inner loop of the caches: decode a frame, put it into place, note when.

It runs for every message of every market followed. What may look odd in it was measured: one long method, a
look into a dictionary that nearly always succeeds.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
from picows import WSFrame, WSMsgType, WSTransport

from aster_operator.exchange.streams.socket import FrameHandler, FrameReader, Receiver, SocketListener
from aster_operator.exchange.wire.market_floats import (
    AggregateTradeTick,
    BookTick,
    DepthTick,
    FloatMessage,
)

__all__ = ["CachePlaces", "CacheReader", "CacheStatistics"]

_TEXT: Final = WSMsgType.TEXT
_PROBLEMS: Final = (msgspec.DecodeError, UnicodeDecodeError)


class CacheStatistics:
    """What the caches noticed and repaired."""

    __slots__ = ("out_of_order", "seed_failures", "seeds", "trade_gaps")

    def __init__(self) -> None:
        self.trade_gaps = 0
        """Aggregate trades whose number did not follow the one before."""
        self.out_of_order = 0
        """Trades that were already there, and trades, quotes and books older than what was; all dropped."""
        self.seeds = 0
        self.seed_failures = 0


class CachePlaces(NamedTuple):
    """Where messages go.

    `is_late` says of two quotes or books of which the second has the lower number whether it is an old one,
    `take_other` takes the rare kinds, `general` whole payloads that are no such message.
    """

    latest_bbo: dict[str, BookTick]
    recent_agg_trades: dict[str, deque[AggregateTradeTick]]
    latest_l2: dict[str, DepthTick]
    statistics: CacheStatistics
    is_late: Callable[[BookTick | DepthTick, BookTick | DepthTick], bool]
    take_other: Callable[[object, int], None]
    general: Receiver


class CacheReader(FrameReader):
    """Reads the frames of one connection into `places`."""

    def __init__(self, places: CachePlaces) -> None:
        self._places = places
        self._given_ns = 0
        self._take_message = _Frames(places, lambda: self._given_ns, _refuse, _raise).take

    def frame_handler(self, listener: SocketListener) -> FrameHandler:
        return _Frames(self._places, listener.begin_read, listener.take_other, listener.fail).take

    def __call__(self, payload: memoryview, received_ns: int) -> None:
        self._given_ns = received_ns
        self._take_message(None, _Message(payload))  # type: ignore[arg-type]


class _Frame(msgspec.Struct, gc=False):
    """A combined frame without the name of its stream: kind and symbol stand in the message."""

    data: FloatMessage | list[FloatMessage] | None = None


class _Message(NamedTuple):
    """A message that is no frame any more, with what the loop asks of a frame."""

    payload: memoryview
    msg_type: WSMsgType = _TEXT
    fin: bool = True
    last_in_buffer: bool = True

    def get_payload_as_memoryview(self) -> memoryview:
        return self.payload


def _refuse(_transport: WSTransport, frame: WSFrame) -> None:
    raise AssertionError(f"a message is no {frame.msg_type}")


def _raise(_transport: WSTransport, error: Exception) -> None:
    raise error


class _Frames:
    """The loop over the frames of one connection."""

    __slots__ = (
        "_begin_read",
        "_decode",
        "_fail",
        "_latest_bbo",
        "_latest_l2",
        "_places",
        "_received_ns",
        "_recent_trades",
        "_take_other_frame",
    )

    def __init__(
        self,
        places: CachePlaces,
        begin_read: Callable[[], int],
        take_other_frame: FrameHandler,
        fail: Callable[[WSTransport, Exception], None],
    ) -> None:
        self._places = places
        self._latest_bbo = places.latest_bbo
        self._latest_l2 = places.latest_l2
        self._recent_trades = places.recent_agg_trades
        self._decode = msgspec.json.Decoder(_Frame, strict=False).decode
        self._begin_read = begin_read
        self._take_other_frame = take_other_frame
        self._fail = fail
        self._received_ns = 0

    def take(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is _TEXT and frame.fin:
            received_ns = self._received_ns
            if not received_ns:
                received_ns = self._received_ns = self._begin_read()
            try:
                try:
                    message = self._decode(frame.get_payload_as_memoryview()).data
                except _PROBLEMS:
                    message = None
                kind = type(message)
                if kind is BookTick:
                    symbol = message.symbol  # type: ignore[union-attr]
                    message.received_ns = received_ns  # type: ignore[union-attr]
                    try:
                        held = self._latest_bbo[symbol]
                        if message.update_id < held.update_id and self._places.is_late(held, message):  # type: ignore[union-attr, arg-type]
                            self._places.statistics.out_of_order += 1
                        else:
                            self._latest_bbo[symbol] = message  # type: ignore[assignment]
                    except KeyError:
                        self._latest_bbo[symbol] = message  # type: ignore[assignment]
                elif kind is AggregateTradeTick:
                    message.received_ns = received_ns  # type: ignore[union-attr]
                    trades = self._recent_trades[message.symbol]  # type: ignore[union-attr]
                    if trades and message.trade_id != trades[-1].trade_id + 1:  # type: ignore[union-attr]
                        if message.trade_id <= trades[-1].trade_id:  # type: ignore[union-attr]
                            self._places.statistics.out_of_order += 1
                        else:
                            self._places.statistics.trade_gaps += 1
                            trades.append(message)  # type: ignore[arg-type]
                    else:
                        trades.append(message)  # type: ignore[arg-type]
                elif kind is DepthTick:
                    symbol = message.symbol  # type: ignore[union-attr]
                    message.received_ns = received_ns  # type: ignore[union-attr]
                    book = self._latest_l2.get(symbol)
                    if (
                        book is not None
                        and message.last_update_id < book.last_update_id  # type: ignore[union-attr]
                        and self._places.is_late(book, message)  # type: ignore[arg-type]
                    ):
                        self._places.statistics.out_of_order += 1
                    else:
                        self._latest_l2[symbol] = message  # type: ignore[assignment]
                elif message is None:
                    # A control answer, or garbage, which the general receiver judges.
                    self._places.general(frame.get_payload_as_memoryview(), received_ns)
                else:
                    self._places.take_other(message, received_ns)
            except Exception as error:
                self._fail(transport, error)
        else:
            self._take_other_frame(transport, frame)
        if frame.last_in_buffer:
            self._received_ns = 0
