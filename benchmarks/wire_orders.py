"""Order round trips over loopback: ours, ccxt, and a stand-in for the official connector.

The venue is this module in a process of its own: it answers every order at once with a canned body, so that
what is measured is the client. It does not verify signatures.

The official connector is on no package index. Its stand-in does what is known of its wire (protocol
reference, section 2.1): a `requests` session, V1 HMAC over the urlencoded query, an empty JSON-typed body,
the answer through `json`. It is simpler than the connector and so no slower.
"""

import asyncio
import hashlib
import hmac
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

from aster_operator.domain.enums import OrderType, PositionSide, Side, TimeInForce
from aster_operator.domain.orders import NewOrder
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.credentials import AgentCredentials, ApiKeyCredentials
from aster_operator.exchange.rate_limits import RateLimiter

ANSWER = {
    "orderId": 22542179001,
    "symbol": "BTCUSDT",
    "clientOrderId": "bench",
    "side": "BUY",
    "positionSide": "BOTH",
    "status": "NEW",
    "type": "LIMIT",
    "origType": "LIMIT",
    "timeInForce": "GTX",
    "price": "60000.1",
    "avgPrice": "0.00000",
    "origQty": "0.010",
    "executedQty": "0",
    "cumQty": "0",
    "cumQuote": "0",
    "stopPrice": "0",
    "reduceOnly": False,
    "closePosition": False,
    "priceProtect": False,
    "workingType": "CONTRACT_PRICE",
    "updateTime": 1770000000123,
}
KEY = "11" * 31 + "a5"


class Venue(asyncio.Protocol):
    """Answers any HTTP/1.1 request with the order; reads just enough to find its end."""

    BODY = json.dumps(ANSWER).encode()
    HEAD = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-MBX-USED-WEIGHT-1M: 1\r\n"
        b"X-MBX-ORDER-COUNT-1M: 1\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.waiting = b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while True:
            head, separator, rest = self.waiting.partition(b"\r\n\r\n")
            if not separator:
                return
            size = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    size = int(line[15:])
            if len(rest) < size:
                return
            self.waiting = rest[size:]
            self.transport.write(self.HEAD + self.BODY)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Venue, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def venue() -> Iterator[str]:
    """The canned venue's address."""
    process = subprocess.Popen([sys.executable, str(Path(__file__))], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def _sampled(place: Callable[[], Awaitable[object]], count: int) -> list[float]:
    for _ in range(20):
        await place()
    taken = []
    for _ in range(count):
        started = time.perf_counter_ns()
        await place()
        taken.append((time.perf_counter_ns() - started) / 1000)
    return taken


async def ours(url: str, count: int, scheme: str) -> list[float]:
    credentials = (
        AgentCredentials.from_private_key(KEY) if scheme == "v3" else ApiKeyCredentials("k" * 64, "s" * 64)
    )
    client = AsterClient(credentials, environment="sim", base_url=url, ws_url=url.replace("http", "ws"))
    client.rest.limiter.configure(10_000_000, 10_000_000)
    order = NewOrder(
        client_order_id="bench",
        symbol="BTCUSDT",
        side=Side.BUY,
        position_side=PositionSide.BOTH,
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.010"),
        price=Decimal("60000.1"),
        time_in_force=TimeInForce.GTX,
    )
    assert isinstance(client.rest.limiter, RateLimiter)
    try:
        return await _sampled(lambda: client.place_order(order), count)
    finally:
        await client.close()


async def with_ccxt(url: str, count: int) -> list[float]:
    """ccxt's asynchronous `aster`, V3, builder fees off, rate limiter off, markets given beforehand."""
    import ccxt.async_support as ccxt

    exchange = ccxt.aster(
        {"privateKey": "0x" + KEY, "enableRateLimit": False, "options": {"builderFee": False}}
    )
    host = url.split("://")[1]
    for name, address in list(exchange.urls["api"].items()):
        if isinstance(address, str) and name.startswith(("fapi", "sapi")):
            path = address.split("://")[1].partition("/")[2]
            exchange.urls["api"][name] = f"http://{host}/{path}"
    exchange.set_markets([exchange.parse_market(market_entry("BTC", "USDT"))])
    try:
        return await _sampled(
            lambda: exchange.create_order(
                "BTC/USDT:USDT", "limit", "buy", 0.01, 60000.1, {"timeInForce": "GTX"}
            ),
            count,
        )
    finally:
        await exchange.close()


def market_entry(base: str, quote: str) -> dict[str, object]:
    """A symbol as exchangeInfo tells of it."""
    return {
        "symbol": base + quote,
        "pair": base + quote,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1627628400000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "marginAsset": quote,
        "pricePrecision": 1,
        "quantityPrecision": 3,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "1000000", "tickSize": "0.1"},
            {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "100", "stepSize": "0.001"},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def stand_in(url: str, count: int) -> list[float]:
    """The official connector's dialect, see above."""
    import requests

    session = requests.Session()
    session.headers.update(
        {"Content-Type": "application/json;charset=utf-8", "X-MBX-APIKEY": "k" * 64, "User-Agent": "stand-in"}
    )
    parameters = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": 0.01,
        "timeInForce": "GTX",
        "price": 60000.1,
        "newClientOrderId": "bench",
    }

    def place() -> object:
        stamped = {**parameters, "timestamp": time.time_ns() // 1_000_000}  # noqa: TID251 - as a client would
        text = urlencode(stamped)
        signature = hmac.new(b"s" * 64, text.encode(), hashlib.sha256).hexdigest()
        answer = session.post(f"{url}/fapi/v1/order?{text}&signature={signature}", timeout=10)
        return json.loads(answer.text)

    for _ in range(20):
        place()
    taken = []
    for _ in range(count):
        started = time.perf_counter_ns()
        place()
        taken.append((time.perf_counter_ns() - started) / 1000)
    session.close()
    return taken


def p50_us(count: int, repeats: int) -> dict[str, float]:
    """Median of the medians of each client, taking turns."""
    taken: dict[str, list[float]] = {"ours v3": [], "ours v1": [], "stand-in": [], "ccxt": []}
    with venue() as url:
        for _ in range(repeats):
            taken["ours v3"].append(statistics.median(asyncio.run(ours(url, count, "v3"))))
            taken["ours v1"].append(statistics.median(asyncio.run(ours(url, count, "v1"))))
            taken["stand-in"].append(statistics.median(stand_in(url, count)))
            taken["ccxt"].append(statistics.median(asyncio.run(with_ccxt(url, max(count // 5, 20)))))
    return {name: statistics.median(values) for name, values in taken.items()}


if __name__ == "__main__":
    asyncio.run(serve())
