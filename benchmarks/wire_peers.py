"""Other clients on the market feed of wire_feed.py: what people use today.

Each reads the same bytes from the same sender into caches of its own kind. They are slow, so they get fewer
messages; the rate is counted from when the sender began, and does not depend on how many there are.

The official connector is on no index and reads over TLS alone. Run by hand beside ours on this feed, both
over TLS, it took a half to three quarters of the messages a second that ccxt.pro takes here, so that what
holds against ccxt.pro holds against it. Stand-ins for it (autobahn or websocket-client with json) are slower
than the connector itself and would flatter us.
"""

import asyncio
import json
from collections import defaultdict, deque

import aiohttp
import wire_orders
from wire_feed import SYMBOLS
from wire_market import SUBSCRIBE, rate_since, started_in

__all__ = ["aiohttp_rate", "ccxt_rate"]

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
        assert min(len(exchange.bidsasks), len(exchange.orderbooks)) > SYMBOLS // 2
        return rate
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await exchange.close()
