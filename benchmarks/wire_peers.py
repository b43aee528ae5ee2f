"""Other clients on the market feed of wire_feed.py: what people use today.

Each reads the same bytes from the same sender into caches of its own kind. They are slow, so they get fewer
messages; the rate is counted from when the sender began, and does not depend on how many there are.
"""

import asyncio
import json
from collections import defaultdict, deque

import aiohttp
import wire_orders
from wire_feed import SYMBOLS
from wire_market import SUBSCRIBE, rate_since, started_in

__all__ = ["aiohttp_rate", "autobahn_rate", "ccxt_rate"]

TIMEOUT_S = 60.0
"""After this long a reader has lost the feed's last word."""


async def aiohttp_rate(port: int, count: int) -> float:
    """What people commonly write: aiohttp, orjson, dictionaries."""
    import orjson

    caches: dict[str, dict[str, object]] = defaultdict(dict)
    trades: dict[str, deque[object]] = defaultdict(lambda: deque(maxlen=1000))
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://127.0.0.1:{port}/stream") as socket,
    ):
        await socket.send_str(SUBSCRIBE.decode())
        async for message in socket:
            frame = orjson.loads(message.data)
            data = frame.get("data")
            if data is None:
                if frame["id"] == 0:
                    return rate_since(started_in(message.data), count)
                continue
            if data["e"] == "aggTrade":
                trades[data["s"]].append(data)
            else:
                caches[data["e"]][data["s"]] = data
    raise AssertionError("the feed ended without its last word")


async def autobahn_rate(port: int, count: int) -> float:
    """The libraries under the official connector, which is on no index: autobahn and json, dictionaries.

    The connector runs autobahn on Twisted's loop, this on asyncio's; it adds logging to each connection, a
    thread, and TLS, which are left out here.
    """
    from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol

    caches: dict[str, dict[str, object]] = defaultdict(dict)
    trades: dict[str, deque[object]] = defaultdict(lambda: deque(maxlen=1000))
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[float] = loop.create_future()

    class Reader(WebSocketClientProtocol):  # type: ignore[misc]
        def onOpen(self) -> None:  # noqa: N802 - the library's name
            self.sendMessage(SUBSCRIBE)

        def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803, ARG002
            frame = json.loads(payload.decode("utf8"))
            data = frame.get("data")
            if data is None:
                if frame["id"] == 0:
                    finished.set_result(rate_since(started_in(payload), count))
                return
            if data["e"] == "aggTrade":
                trades[data["s"]].append(data)
            else:
                caches[data["e"]][data["s"]] = data

    factory = WebSocketClientFactory(f"ws://127.0.0.1:{port}/stream", loop=loop)
    factory.protocol = Reader
    transport, _ = await loop.create_connection(factory, "127.0.0.1", port)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await finished
    finally:
        transport.close()


async def ccxt_rate(port: int, count: int) -> float:
    """ccxt.pro's `aster`: one watch starts the feed, its own handlers take every message.

    Nobody waits for the messages, which flatters it: a `watch_...` loop has to be woken for each.
    """
    import ccxt.pro

    exchange = ccxt.pro.aster({"enableRateLimit": False, "newUpdates": False})
    # The word fstream in the address tells ccxt that this is the futures' feed.
    exchange.urls["api"]["ws"]["public"]["swap"] = f"ws://127.0.0.1:{port}/fstream/stream"
    exchange.set_markets(
        [exchange.parse_market(wire_orders.market_entry(f"S{n}", "USDT")) for n in range(SYMBOLS)]
    )
    finished: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    handle = exchange.handle_message

    def listen(client: object, message: dict[str, object]) -> None:
        if message.get("id") == 0 and not finished.done():
            finished.set_result(rate_since(started_in(json.dumps(message).encode()), count))
        else:
            handle(client, message)

    exchange.handle_message = listen
    watch = asyncio.ensure_future(exchange.watch_bids_asks(["S0/USDT:USDT"]))
    try:
        async with asyncio.timeout(TIMEOUT_S):
            rate = await finished
        trades = sum(trades[-1]["info"]["a"] for trades in exchange.trades.values())
        assert trades > count * 0.15, "ccxt has not kept the trades"
        assert len(exchange.bidsasks) == len(exchange.orderbooks) == SYMBOLS
        return rate
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await exchange.close()
