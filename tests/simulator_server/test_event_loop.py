"""The exchange says the same on either event loop, and serves on uvloop where it can."""

import asyncio
import sys

import pytest
import uvloop

from aster_operator.domain.clock import ManualClock
from aster_operator.market_data.history import RecordedHistory
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.server import ExchangeServer, ServerSettings
from aster_operator.simulator.server.event_loop import run_served
from simulator_server.conftest import SECURITY_START_MS
from simulator_server.trader import Trader

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010", "newClientOrderId": "x1"}


async def read_until(reader: asyncio.StreamReader, *ends: bytes) -> bytes:
    """What comes until each of `ends` has come, in this order."""
    heard = b""
    for end in ends:
        heard += await asyncio.wait_for(reader.readuntil(end), 10)
    return heard


async def converse(history: RecordedHistory) -> tuple[bytes, bytes, bytes]:
    """(answers to requests in one write and in many, answer to what is no request, frames of a socket)."""
    exchange = SimulatedExchange.from_history(history, ExchangeOptions(seed=7, substep_ms=5000))
    exchange.advance_to(exchange.now_ms + 60_000)
    clock = ManualClock(SECURITY_START_MS)
    settings = ServerSettings(pace="lockstep", seed=7, control_token="test-token")
    async with ExchangeServer(settings, exchange=exchange, clock=clock) as server:
        port = int(server.rest_url.rsplit(":", 1)[1])
        trader = Trader(server, clock, 0)
        socket, to_socket = await asyncio.open_connection("127.0.0.1", port)
        to_socket.write(
            b"GET /ws/btcusdt@bookTicker HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        await read_until(socket, b"\r\n\r\n")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        ping = b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n"
        order = f"POST /fapi/v3/order?{trader.v3_query(**ORDER)} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        writer.write(ping + order + ping)
        answers = await read_until(reader, b"{}", b"x1", b"\r\n\r\n{}")
        for byte in ping:
            writer.write(bytes((byte,)))
            await writer.drain()
        answers += await read_until(reader, b"{}")
        server.step_to(exchange.now_ms + 30_000)
        frames = await read_until(socket, *([b'"A":'] * 5))
        writer.write(b"\x00\x01 no request\r\n\r\n")
        refused = await asyncio.wait_for(reader.read(), 10)
        to_socket.close()
        writer.close()
        return answers, refused, frames


def test_both_loops_carry_the_same_bytes(history: RecordedHistory) -> None:
    on_asyncio = asyncio.run(converse(history))
    on_uvloop = uvloop.run(converse(history))
    assert on_uvloop == on_asyncio
    assert on_asyncio[0].count(b"HTTP/1.1 200 OK") == 4
    assert b"-1013" in on_asyncio[1]


async def loop_module() -> str:
    return type(asyncio.get_running_loop()).__module__


@pytest.mark.parametrize("installed", [True, False])
def test_without_uvloop_the_loop_of_the_library_serves(
    monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    assert run_served(loop_module()).startswith("uvloop" if installed else "asyncio")
