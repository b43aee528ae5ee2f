"""Over real loopback sockets."""

import asyncio
import io
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from yarl import URL

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server import ExchangeServer, PortTakenError, SocketSettings
from simulator_server.trader import Trader


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def live_trader(live: ExchangeServer, clock: ManualClock) -> Trader:
    return Trader(live, clock, 0)


async def read(ws: aiohttp.ClientWebSocketResponse) -> dict[str, object]:
    async with asyncio.timeout(5):
        return json.loads(await ws.receive_str())  # type: ignore[no-any-return]


async def test_the_first_line_is_the_contract(live: ExchangeServer) -> None:
    line = json.loads(live.first_line())
    assert list(line) == ["rest", "ws", "control", "control_token", "accounts"]
    assert line["rest"].startswith("http://127.0.0.1:")
    assert line["ws"] == line["rest"].replace("http", "ws")
    assert line["accounts"][0]["user"] == line["accounts"][0]["signer"]


async def test_rest_over_the_wire_in_both_schemes(
    live: ExchangeServer, live_trader: Trader, http: aiohttp.ClientSession
) -> None:
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
    body = live_trader.v3_query(**order)
    async with http.post(
        f"{live.rest_url}/fapi/v3/order",
        data=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ) as response:
        assert response.status == 200
        assert response.headers["X-MBX-ORDER-COUNT-1M"] == "1"
        assert int(response.headers["X-MBX-USED-WEIGHT-1M"]) >= 1
        assert (await response.json())["symbol"] == "BTCUSDT"
    url = URL(f"{live.rest_url}/fapi/v1/order?{live_trader.v1_query(**order)}", encoded=True)
    async with http.post(
        url,
        headers={
            "X-MBX-APIKEY": live_trader.account.api_key,
            "Content-Type": "application/json;charset=utf-8",
        },
    ) as response:
        assert response.status == 200, await response.text()
    async with http.get(f"{live.rest_url}/fapi/v3/nothing") as response:
        assert response.status == 404
        assert (await response.json())["code"] == -5000


@pytest.mark.parametrize(
    ("path", "wrapped"),
    [
        ("/ws/btcusdt@bookTicker", False),
        ("/ws/btcusdt@bookTicker/ethusdt@bookTicker", False),
        ("/stream?streams=btcusdt@bookTicker", True),
        ("/stream?streams=btcusdt%40bookTicker/ethusdt@bookTicker", True),
        ("/fstream/stream?streams=btcusdt@bookTicker", True),
        ("/public/stream?streams=btcusdt@bookTicker", True),
        ("/fstream/ws/btcusdt@bookTicker", False),
    ],
)
async def test_stream_addresses(
    live: ExchangeServer, http: aiohttp.ClientSession, path: str, wrapped: bool
) -> None:
    async with http.ws_connect(live.ws_url + path) as ws:
        live.step_to(live.exchange.now_ms + 10_000)
        frame = await read(ws)
        assert ("stream" in frame) is wrapped
        payload = frame["data"] if wrapped else frame
        assert payload["e"] == "bookTicker"  # type: ignore[index]


async def test_bare_sockets_subscribe(live: ExchangeServer, http: aiohttp.ClientSession) -> None:
    for path, wrapped in (("/ws", False), ("/stream", True), ("/fstream/stream", True)):
        async with http.ws_connect(live.ws_url + path) as ws:
            await ws.send_json({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"]})
            assert await read(ws) == {"result": None, "id": None}
            live.step_to(live.exchange.now_ms + 10_000)
            assert ("stream" in await read(ws)) is wrapped


async def test_a_listen_key_works_as_path_as_parameter_and_as_stream_name(
    live: ExchangeServer, live_trader: Trader, http: aiohttp.ClientSession
) -> None:
    key = live_trader.v3("POST", "listenKey").json["listenKey"]
    for path in (f"/ws/{key}", f"/private/ws?listenKey={key}"):
        async with http.ws_connect(live.ws_url + path) as ws:
            live_trader.resting()
            assert (await read(ws))["e"] == "ORDER_TRADE_UPDATE"
    async with http.ws_connect(f"{live.ws_url}/ws") as ws:
        await ws.send_json({"method": "SUBSCRIBE", "params": [key], "id": 9})
        assert (await read(ws))["id"] == 9
        live_trader.resting()
        assert (await read(ws))["e"] == "ORDER_TRADE_UPDATE"


async def test_a_pong_follows_every_frame_written_before_it(
    live: ExchangeServer, live_trader: Trader, http: aiohttp.ClientSession
) -> None:
    """The fence of lock-step: after the pong nothing older can arrive."""
    key = live_trader.v3("POST", "listenKey").json["listenKey"]
    async with http.ws_connect(
        f"{live.ws_url}/stream?streams={key}/btcusdt@bookTicker", autoping=False
    ) as ws:
        for fence in range(20):
            live.step_to(live.next_step_ms() or 0)
            body = live_trader.v3_query(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.001")
            async with http.post(f"{live.rest_url}/fapi/v3/order?{body}") as response:
                order_id = (await response.json())["orderId"]
            await ws.ping(str(fence).encode())
            seen = []
            while True:
                message = await ws.receive(timeout=5)
                if message.type is aiohttp.WSMsgType.PONG:
                    assert bytes(message.data) == str(fence).encode()
                    break
                seen.append(json.loads(message.data)["data"])
            fills = [event["o"] for event in seen if event["e"] == "ORDER_TRADE_UPDATE"]
            assert [(fill["i"], fill["X"]) for fill in fills] == [(order_id, "NEW"), (order_id, "FILLED")]
            assert any(event["e"] == "bookTicker" for event in seen)


async def test_empty_pongs_keep_a_connection_alive(
    make_server: Callable[..., ExchangeServer], clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    async with make_server() as server:
        async with http.ws_connect(f"{server.ws_url}/ws", autoping=False) as ws:
            for _ in range(6):
                clock.advance_ms(5 * 60_000)
                server.keep_house()
                assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.PING
                await ws.pong(b"")
                await ws.ping(b"sync")
                assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.PONG
            clock.advance_ms(15 * 60_000)
            server.keep_house()
            closed = await ws.receive(timeout=5)
            assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1008)
        async with http.ws_connect(f"{server.ws_url}/ws") as ws:
            clock.advance_ms(24 * 3_600_000)
            server.keep_house()
            assert (await ws.receive(timeout=5)).data == 1001


async def test_more_than_ten_messages_a_second_end_a_connection(
    live: ExchangeServer, http: aiohttp.ClientSession
) -> None:
    async with http.ws_connect(f"{live.ws_url}/ws") as ws:
        for index in range(11):
            await ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": index})
        for index in range(10):
            assert (await read(ws))["id"] == index
        assert (await ws.receive(timeout=5)).data == 1008


async def test_a_reader_that_does_not_read_is_cut_off_and_nobody_else_notices(
    make_server: Callable[..., ExchangeServer], http: aiohttp.ClientSession
) -> None:
    async with make_server(sockets=SocketSettings(write_buffer_bytes=20_000)) as server:
        statistics = server.control.call("GET", "/sim/state")["connections"]
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.connect(("127.0.0.1", int(server.rest_url.rpartition(":")[2])))
        streams = "/".join(f"{s}@depth20@{p}ms" for s in ("btcusdt", "ethusdt") for p in (100, 250, 500))
        slow.send(
            f"GET /ws/{streams} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n".encode()
            + b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        async with http.ws_connect(f"{server.ws_url}/ws/btcusdt@bookTicker") as ws:
            while not statistics["dropped_slow"] and (step := server.next_step_ms()) is not None:
                server.step_to(step)
                await asyncio.sleep(0)
                statistics = server.control.call("GET", "/sim/state")["connections"]
            assert statistics["dropped_slow"] == 1
            await ws.ping(b"still here")
            assert (await read(ws))["e"] == "bookTicker"
        slow.close()


async def test_a_taken_port_is_named_in_one_line(make_server: Callable[..., ExchangeServer]) -> None:
    async with make_server() as first:
        port = int(first.rest_url.rpartition(":")[2])
        second = make_server(port=port, account_count=0)
        with pytest.raises(PortTakenError) as caught:
            await second.__aenter__()
        assert str(port) in str(caught.value)
        assert "\n" not in str(caught.value)
        third = make_server(control_port=port, account_count=0)
        with pytest.raises(PortTakenError):
            await third.__aenter__()


async def test_closing_ends_every_socket_and_frees_the_port(
    make_server: Callable[..., ExchangeServer], http: aiohttp.ClientSession
) -> None:
    async with make_server() as server:
        port = int(server.rest_url.rpartition(":")[2])
        ws = await http.ws_connect(f"{server.ws_url}/ws")
    assert (await ws.receive(timeout=5)).data == 1001
    async with make_server(port=port, account_count=0):
        pass


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"GET /fapi/v1/ping HTTP/1.1\r\n",
        b"POST /fapi/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    ],
)
async def test_noise_on_a_socket_disturbs_nobody(
    live: ExchangeServer, http: aiohttp.ClientSession, noise: bytes
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(live.rest_url.rpartition(":")[2]))
    writer.write(noise)
    async with http.get(f"{live.rest_url}/fapi/v1/ping") as response:
        assert response.status == 200
    writer.close()
    await writer.wait_closed()


async def test_large_bodies_are_refused(live: ExchangeServer, http: aiohttp.ClientSession) -> None:
    body = io.BytesIO(b"a" * (2 * 1024 * 1024))
    async with http.post(f"{live.rest_url}/fapi/v3/order", data=body) as response:
        assert response.status == 413
        assert (await response.json())["code"] == -1100


async def test_a_body_that_says_it_will_be_enormous_is_not_waited_for(live: ExchangeServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(live.rest_url.rpartition(":")[2]))
    writer.write(b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nabc")
    async with asyncio.timeout(5):
        answer = await reader.readuntil(b"}")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer
    writer.close()
    await writer.wait_closed()


async def test_noise_is_answered_without_filling_the_screen(
    live: ExchangeServer, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(live.rest_url.rpartition(":")[2]))
    writer.write(b"\x00\xff\xfe\r\n\r\n")
    async with asyncio.timeout(5):
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    assert [record for record in caplog.records if record.exc_info] == []
    writer.close()
    await writer.wait_closed()


async def test_hundreds_of_idle_sockets_are_no_trouble(
    live: ExchangeServer, http: aiohttp.ClientSession
) -> None:
    port = int(live.rest_url.rpartition(":")[2])
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(300)]
    async with http.get(f"{live.rest_url}/fapi/v1/ping") as response:
        assert response.status == 200
    for _, writer in idle:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in idle))


async def test_the_control_api_wants_its_token(live: ExchangeServer, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{live.control_url}/sim/state") as response:
        assert response.status == 401
    headers = {"Authorization": f"Bearer {live.control_token}"}
    async with http.get(f"{live.control_url}/sim/state", headers=headers) as response:
        assert (await response.json())["state"] == "lockstep"
    before = live.exchange.now_ms
    async with http.post(f"{live.control_url}/sim/step", json={"ms": 5000}, headers=headers) as response:
        assert (await response.json())["now_ms"] == before + 5000


async def test_tls_with_a_generated_authority(
    make_server: Callable[..., ExchangeServer], http: aiohttp.ClientSession
) -> None:
    async with make_server(tls=True) as server:
        ca_file = server.ca_file
        assert ca_file is not None
        assert json.loads(server.first_line())["ca_file"] == str(ca_file)
        assert ca_file.parent.stat().st_mode & 0o077 == 0
        trusting = ssl.create_default_context(cafile=str(ca_file))
        port = server.rest_url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost"):
            async with http.get(f"https://{host}:{port}/fapi/v1/ping", ssl=trusting) as response:
                assert response.status == 200
        async with http.ws_connect(f"{server.ws_url}/ws/btcusdt@bookTicker", ssl=trusting) as ws:
            server.step_to(server.next_step_ms() or 0)
            assert (await read(ws))["e"] == "bookTicker"
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(f"{server.rest_url}/fapi/v1/ping")
    assert not ca_file.exists()


async def test_connections_that_never_ask_anything_are_ended(
    make_server: Callable[..., ExchangeServer], clock: ManualClock, http: aiohttp.ClientSession
) -> None:
    async with make_server() as server:
        port = int(server.rest_url.rpartition(":")[2])
        idle, half, body = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        half[1].write(b"POST /fapi/v3/order HTTP/1.1\r\nHost: x\r\nContent-Le")
        # The second request of a connection that has asked before stops in the middle of its body.
        body[1].write(b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await body[0].readuntil(b"{}")
        body[1].write(b"POST /fapi/v3/order HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        async with http.get(f"{server.rest_url}/fapi/v1/ping") as response:
            assert response.status == 200
        async with http.ws_connect(f"{server.ws_url}/ws/btcusdt@bookTicker") as ws:
            clock.advance_ms(61_000)
            server.keep_house()
            for reader, writer in (idle, half, body):
                async with asyncio.timeout(5):
                    assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
            server.step_to(server.exchange.now_ms + 10_000)
            assert (await read(ws))["e"] == "bookTicker"
