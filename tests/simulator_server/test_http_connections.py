"""HTTP as strangers speak it, byte for byte over loopback sockets."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server import ExchangeServer
from aster_operator.simulator.server.http_reader import MAX_HEAD_BYTES, RequestReader
from simulator_server.trader import Trader

PING = b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n"
TIME = b"GET /fapi/v1/time HTTP/1.1\r\nHost: x\r\n\r\n"


class Caller:
    """A raw socket that reads one answer after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, *, with_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await self.reader.readexactly(int(headers["content-length"])) if with_body else b""
        return int(first.split()[1]), headers, body

    async def is_ended(self) -> bool:
        async with asyncio.timeout(5):
            try:
                return await self.reader.read() == b""
            except ConnectionResetError:
                return True


@pytest.fixture
async def caller(live: ExchangeServer) -> AsyncIterator[Caller]:
    port = int(live.rest_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    yield Caller(reader, writer)
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        # The exchange may have broken the connection, which is what some tests are about.
        assert writer.is_closing()


async def test_pipelined_requests_are_answered_in_order(caller: Caller) -> None:
    caller.send(PING + TIME + b"GET /fapi/v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n" + PING)
    seen = [await caller.answer() for _ in range(4)]
    assert [status for status, _, _ in seen] == [200, 200, 404, 200]
    assert [seen[0][2], seen[3][2]] == [b"{}", b"{}"]
    assert "serverTime" in json.loads(seen[1][2])


async def test_a_delayed_answer_holds_back_those_after_it(live: ExchangeServer, caller: Caller) -> None:
    live.control.call("POST", "/sim/fault", {"kind": "latency", "path": "*/time", "delay_ms": 50})
    caller.send(TIME + PING)
    assert "serverTime" in json.loads((await caller.answer())[2])
    assert (await caller.answer())[2] == b"{}"


async def test_thousands_of_pipelined_requests_of_a_slow_reader(caller: Caller) -> None:
    """What it asks for and does not read is neither lost nor heaped up."""
    info = b"GET /fapi/v1/exchangeInfo HTTP/1.1\r\nHost: x\r\n\r\n"
    caller.send(info * 2_000 + PING)
    sizes = {len((await caller.answer())[2]) for _ in range(2_000)}
    assert max(sizes) - min(sizes) < 5
    assert (await caller.answer())[2] == b"{}"


async def test_a_request_byte_by_byte(live: ExchangeServer, clock: ManualClock, caller: Caller) -> None:
    trader = Trader(live, clock, 0)
    query = trader.v3_query(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.001")
    for byte in f"POST /fapi/v3/order?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode():
        caller.send(bytes([byte]))
        await asyncio.sleep(0)
    status, headers, body = await caller.answer()
    assert (status, json.loads(body)["symbol"]) == (200, "BTCUSDT")
    assert headers["x-mbx-order-count-1m"] == "1"


async def test_a_chunked_body_is_the_body(live: ExchangeServer, clock: ManualClock, caller: Caller) -> None:
    body = Trader(live, clock, 0).v3_query(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.001")
    parts = [body[:10].encode(), body[10:].encode()]
    chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"
    caller.send(
        b"POST /fapi/v3/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + PING
    )
    assert (await caller.answer())[0] == 200
    assert (await caller.answer())[2] == b"{}"


async def test_expect_continue_is_answered_before_the_body(caller: Caller) -> None:
    caller.send(
        b"POST /fapi/v3/order HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    )
    async with asyncio.timeout(5):
        assert await caller.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    caller.send(b"a=b")
    assert (await caller.answer())[0] == 401


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET /fapi/v1/ping HTTP/1.0\r\n\r\n", False),
        (b"GET /fapi/v1/ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET http://x/fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"\r\n\r\nGET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (
            b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
            True,
        ),
    ],
)
async def test_which_connections_go_on(caller: Caller, head: bytes, keeps: bool) -> None:
    caller.send(head)
    status, headers, body = await caller.answer()
    assert (status, body) == (200, b"{}")
    assert headers["connection"] == ("keep-alive" if keeps else "close")
    if keeps:
        caller.send(PING)
        assert (await caller.answer())[2] == b"{}"
    else:
        assert await caller.is_ended()


async def test_head_has_no_body_and_options_has_an_answer(caller: Caller) -> None:
    caller.send(b"HEAD /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n")
    status, headers, _ = await caller.answer(with_body=False)
    assert status == 200
    assert headers["content-length"] == "2"
    caller.send(b"OPTIONS /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await caller.answer())[0] == 404


@pytest.mark.parametrize(
    ("noise", "status"),
    [
        (b"GET /fapi/v1/ping\r\n\r\n", 400),
        (b"GET /fapi/v1/ping HTTP/9.9\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1e9\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnothex\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 500 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * (MAX_HEAD_BYTES + 300_000), 431),
        (b"GET /" + b"y" * (MAX_HEAD_BYTES + 300_000), 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n", 413),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"fffff\r\n"
            b"" + b"a" * 0xFFFFF + b"\r\nfffff\r\n" + b"a" * 0xFFFFF,
            413,
        ),
    ],
)
async def test_what_cannot_be_understood_is_refused_after_what_could(
    live: ExchangeServer, caller: Caller, noise: bytes, status: int
) -> None:
    caller.send(PING + noise)
    assert (await caller.answer())[2] == b"{}"
    refused, headers, body = await caller.answer()
    assert (refused, headers["connection"]) == (status, "close")
    assert set(json.loads(body)) == {"code", "msg"}
    assert await caller.is_ended()
    assert live.exchange.audit().balanced


async def test_ten_thousand_parameters_get_the_venues_own_refusal(caller: Caller) -> None:
    query = "&".join(f"p{number}=1" for number in range(10_000))
    caller.send(f"GET /fapi/v1/depth?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    status, _, body = await caller.answer()
    assert (status, json.loads(body)["code"]) == (400, -1101)


async def test_a_connection_unused_for_long_is_ended(live: ExchangeServer, caller: Caller) -> None:
    caller.send(PING)
    assert (await caller.answer())[0] == 200
    for _ in range(70):
        live.keep_house()
    caller.send(PING)
    assert (await caller.answer())[0] == 200
    for _ in range(77):
        live.keep_house()
    assert await caller.is_ended()


async def test_a_socket_may_turn_to_streams_after_requests(live: ExchangeServer, caller: Caller) -> None:
    handshake = (
        b"GET /ws/btcusdt@bookTicker HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    # An unmasked-length, masked ping right behind the handshake, in the same packet.
    caller.send(PING + handshake + b"\x89\x82\x00\x00\x00\x00hi")
    assert (await caller.answer())[2] == b"{}"
    async with asyncio.timeout(5):
        head = await caller.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        assert await caller.reader.readexactly(4) == b"\x8a\x02hi"
        live.step_to(live.exchange.now_ms + 10_000)
        assert b"bookTicker" in await caller.reader.readuntil(b"}")


def test_the_reader_keeps_bytes_as_they_were_sent() -> None:
    reader = RequestReader("peer", 1000)
    assert (
        reader.feed(b"POST /p%61th?a=%2F+b&c=%C3%A9#f HTTP/1.1\r\nX-Mbx-ApiKey: k\r\nx-mbx-apikey: l\r\n")
        is None
    )
    assert reader.is_open
    assert reader.feed(b"Content-Length: 4\r\n\r\n\x00\xffa=") is None
    assert not reader.is_open
    [(request, keep_alive)] = reader.requests
    assert (request.method, request.path, request.raw_query) == ("POST", "/p%61th", b"a=%2F+b&c=%C3%A9")
    assert (request.headers["x-mbx-apikey"], request.body, request.peer) == ("k", b"\x00\xffa=", "peer")
    assert keep_alive
