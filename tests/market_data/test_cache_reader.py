"""The inner loop of the caches: one connection's frames, and messages that come some other way."""

from collections import defaultdict, deque

import msgspec
import pytest
from picows import WSMsgType

from aster_operator.exchange.streams.socket import SocketListener
from aster_operator.market_data.cache_reader import CachePlaces, CacheReader, CacheStatistics

QUOTE = {"e": "bookTicker", "u": 7, "E": 5, "T": 4, "s": "AUSDT", "b": "1", "B": "2", "a": "3", "A": "4"}


class Frame:
    """What a listener asks of a frame; only its parser can make a real one."""

    def __init__(
        self, payload: bytes, *, last: bool, fin: bool = True, kind: WSMsgType = WSMsgType.TEXT
    ) -> None:
        self.msg_type, self.fin, self.last_in_buffer, self.payload = kind, fin, last, payload

    def get_payload_as_memoryview(self) -> memoryview:
        return memoryview(self.payload)

    def get_payload_as_bytes(self) -> bytes:
        return self.payload


class Transport:
    disconnected = False

    def disconnect(self) -> None:
        self.disconnected = True


def _combined(data: object) -> bytes:
    return msgspec.json.encode({"stream": "x", "data": data})


def _reader() -> tuple[CacheReader, CachePlaces, list]:
    general: list = []
    places = CachePlaces(
        latest_bbo={},
        recent_agg_trades=defaultdict(deque),
        latest_l2={},
        statistics=CacheStatistics(),
        is_late=lambda held, message: message.event_ms <= held.event_ms,
        take_other=lambda message, received_ns: general.append((message, received_ns)),
        general=lambda payload, received_ns: general.append((bytes(payload), received_ns)),
    )
    return CacheReader(places), places, general


def _listener(reader: CacheReader) -> tuple[SocketListener, Transport]:
    times = iter(range(100, 1000, 100))
    return SocketListener(reader, lambda: next(times)), Transport()


def test_all_frames_of_a_read_carry_one_time_and_the_next_read_another() -> None:
    reader, places, _ = _reader()
    listener, transport = _listener(reader)
    seen = []
    for number, last in ((7, False), (8, True), (9, True)):
        listener.on_ws_frame(transport, Frame(_combined(QUOTE | {"u": number, "E": number}), last=last))
        seen.append(places.latest_bbo["AUSDT"].received_ns)
    assert seen == [100, 100, 200]
    assert listener.reads == 2


def test_a_control_frame_that_ends_a_read_ends_its_time_as_well() -> None:
    reader, places, _ = _reader()
    listener, transport = _listener(reader)
    pongs: list[bytes] = []
    listener.on_pong = pongs.append
    listener.on_ws_frame(transport, Frame(_combined(QUOTE), last=False))
    listener.on_ws_frame(transport, Frame(b"p", last=True, kind=WSMsgType.PONG))
    listener.on_ws_frame(transport, Frame(_combined(QUOTE | {"u": 8, "E": 8}), last=True))
    assert pongs == [b"p"]
    assert places.latest_bbo["AUSDT"].received_ns == 300


@pytest.mark.parametrize("cut", [0, 1, 40, 96])
def test_a_message_in_pieces_is_put_together(cut: int) -> None:
    reader, places, _ = _reader()
    listener, transport = _listener(reader)
    payload = _combined(QUOTE)
    listener.on_ws_frame(transport, Frame(payload[:cut], last=False, fin=False))
    assert places.latest_bbo == {}
    listener.on_ws_frame(transport, Frame(payload[cut:], last=True, kind=WSMsgType.CONTINUATION))
    assert places.latest_bbo["AUSDT"].update_id == 7


def test_messages_let_through_by_a_filter_take_the_same_way() -> None:
    reader, places, general = _reader()
    listener, transport = _listener(reader)
    listener.set_receiver(lambda payload, received_ns: reader(payload, received_ns + 1))
    listener.on_ws_frame(transport, Frame(_combined(QUOTE), last=True))
    assert places.latest_bbo["AUSDT"].received_ns == 101
    listener.on_ws_frame(transport, Frame(_combined(QUOTE | {"u": 6, "E": 1}), last=True))
    assert places.latest_bbo["AUSDT"].update_id == 7
    assert places.statistics.out_of_order == 1
    listener.set_receiver(reader)
    listener.on_ws_frame(transport, Frame(_combined(QUOTE | {"u": 8, "E": 8}), last=True))
    assert places.latest_bbo["AUSDT"].update_id == 8
    assert general == []


@pytest.mark.parametrize(
    "payload", [b'{"id":1,"result":null}', b"garbage", b"\xff\xfe", _combined(QUOTE | {"b": "NaN"})]
)
def test_what_is_no_message_goes_to_the_general_receiver(payload: bytes) -> None:
    reader, places, general = _reader()
    listener, transport = _listener(reader)
    listener.on_ws_frame(transport, Frame(payload, last=True))
    assert general == [(payload, 100)]
    assert not places.latest_bbo
    assert not transport.disconnected


def test_a_failing_consumer_ends_the_connection_and_is_remembered() -> None:
    reader, places, _ = _reader()

    def fail(_message: object, _received_ns: int) -> None:
        raise RuntimeError("the disk is full")

    reader = CacheReader(places._replace(take_other=fail))
    listener, transport = _listener(reader)
    mark = {"e": "markPriceUpdate", "E": 1, "s": "AUSDT", "p": "1", "i": "1", "P": "1", "r": "0", "T": 2}
    listener.on_ws_frame(transport, Frame(_combined(mark), last=True))
    assert transport.disconnected
    assert str(listener.failure) == "the disk is full"
    with pytest.raises(RuntimeError):
        reader(memoryview(_combined(mark)), 5)
