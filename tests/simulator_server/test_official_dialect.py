"""What the official Python connector puts on the wire, spelled out: it is on no package index.

HMAC in the query whatever the method, an empty body that calls itself JSON, `@` left unescaped, batches as
Python's text of a list, `wss` with a verified certificate, the listen key as a stream name, empty pongs
(protocol reference, sections 2.1, 4.4, 6.1 and 10).
"""

import asyncio
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from yarl import URL

from aster_operator.domain.clock import WallClock
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.server import ExchangeServer, ServerSettings

SYMBOL = "BTCUSDT"
HEADERS = {"Content-Type": "application/json;charset=utf-8", "User-Agent": "aster-connector/1.0.0"}


class Connector:
    """Builds requests byte for byte as the connector does."""

    def __init__(self, server: ExchangeServer, http: aiohttp.ClientSession) -> None:
        self.server = server
        self._http = http
        self._account = server.accounts[1]
        self._clock = WallClock()
        assert server.ca_file is not None
        self.trust = ssl.create_default_context(cafile=str(server.ca_file))

    async def send(
        self, method: str, path: str, *, sign: bool = True, special: bool = False, **params: object
    ) -> tuple[int, Any, dict[str, str]]:
        kept = {name: value for name, value in params.items() if value is not None}
        if sign:
            kept["timestamp"] = self._clock.now_ms()
        query = self._encode(kept, special)
        if sign:
            query += (
                "&signature="
                + hmac.new(self._account.api_secret.encode(), query.encode(), sha256).hexdigest()
            )
        url = URL(f"{self.server.rest_url}{path}?{query}", encoded=True)
        headers = HEADERS | {"X-MBX-APIKEY": self._account.api_key}
        async with self._http.request(method, url, headers=headers, ssl=self.trust) as response:
            limits = {
                key.lower(): value for key, value in response.headers.items() if key.startswith("X-MBX")
            }
            return response.status, await response.json(), limits

    @staticmethod
    def _encode(params: dict[str, object], special: bool) -> str:
        if special:
            return urlencode(params).replace("%40", "@").replace("%27", "%22")
        return urlencode(params, doseq=True).replace("%40", "@")

    async def ok(self, method: str, path: str, **params: Any) -> Any:
        status, answer, _ = await self.send(method, path, **params)
        assert status == 200, answer
        return answer


@pytest.fixture
async def connector(exchange: SimulatedExchange) -> AsyncIterator[Connector]:
    settings = ServerSettings(pace="lockstep", seed=7, tls=True)
    async with (
        ExchangeServer(settings, exchange=exchange, clock=WallClock()) as server,
        aiohttp.ClientSession() as http,
    ):
        yield Connector(server, http)


async def test_every_public_method(connector: Connector) -> None:
    for path, params in (
        ("v1/ping", {}),
        ("v1/time", {}),
        ("v1/exchangeInfo", {}),
        ("v1/depth", {"symbol": SYMBOL, "limit": 5}),
        ("v1/trades", {"symbol": SYMBOL}),
        ("v1/historicalTrades", {"symbol": SYMBOL}),
        ("v1/aggTrades", {"symbol": SYMBOL}),
        ("v1/klines", {"symbol": SYMBOL, "interval": "1m"}),
        ("v1/indexPriceKlines", {"pair": SYMBOL, "interval": "1m"}),
        ("v1/markPriceKlines", {"symbol": SYMBOL, "interval": "1m"}),
        ("v1/premiumIndex", {"symbol": SYMBOL}),
        ("v1/fundingRate", {"symbol": SYMBOL}),
        ("v1/ticker/24hr", {"symbol": SYMBOL}),
        ("v1/ticker/price", {"symbol": SYMBOL}),
        ("v1/ticker/bookTicker", {"symbol": SYMBOL}),
    ):
        status, _, limits = await connector.send("GET", f"/fapi/{path}", sign=False, **params)
        assert status == 200, path
        assert "x-mbx-used-weight-1m" in limits


async def test_every_private_method(connector: Connector) -> None:
    touch = await connector.ok("GET", "/fapi/v1/ticker/bookTicker", sign=False, symbol=SYMBOL)
    price = round(float(touch["bidPrice"]) * 0.99, 1)
    await connector.ok("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")
    await connector.ok("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false")
    await connector.ok("POST", "/fapi/v1/multiAssetsMargin", multiAssetsMargin="false")
    await connector.ok("POST", "/fapi/v1/leverage", symbol=SYMBOL, leverage=7)
    await connector.ok("POST", "/fapi/v1/marginType", symbol=SYMBOL, marginType="ISOLATED")
    limit = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": price}
    order = await connector.ok("POST", "/fapi/v1/order", **limit, quantity=0.01, newClientOrderId="a:b/c")
    assert order["clientOrderId"] == "a:b/c"
    market = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": 0.01, "reduceOnly": False}
    await connector.ok("POST", "/fapi/v1/order", **market)
    await connector.ok("POST", "/fapi/v1/positionMargin", symbol=SYMBOL, amount=5.5, type=1)
    for path, params in (
        ("v1/positionSide/dual", {}),
        ("v1/multiAssetsMargin", {}),
        ("v1/openOrders", {"symbol": SYMBOL}),
        ("v1/allOrders", {"symbol": SYMBOL}),
        ("v2/balance", {}),
        ("v2/account", {}),
        ("v1/positionMargin/history", {"symbol": SYMBOL}),
        ("v2/positionRisk", {}),
        ("v1/userTrades", {"symbol": SYMBOL}),
        ("v1/income", {}),
        ("v1/leverageBracket", {}),
        ("v1/adlQuantile", {}),
        ("v1/forceOrders", {}),
        ("v1/commissionRate", {"symbol": SYMBOL}),
        ("v1/order", {"symbol": SYMBOL, "orderId": order["orderId"]}),
        ("v1/openOrder", {"symbol": SYMBOL, "origClientOrderId": "a:b/c"}),
    ):
        assert await connector.ok("GET", f"/fapi/{path}", **params) is not None, path
    await connector.ok("POST", "/fapi/v1/countdownCancelAll", symbol=SYMBOL, countdownTime=100000)
    cancelled = await connector.ok("DELETE", "/fapi/v1/order", symbol=SYMBOL, orderId=order["orderId"])
    assert cancelled["status"] == "CANCELED"
    assert (await connector.ok("DELETE", "/fapi/v1/allOpenOrders", symbol=SYMBOL))["code"] == "200"


async def test_a_batch_is_the_text_of_a_python_list(connector: Connector) -> None:
    touch = await connector.ok("GET", "/fapi/v1/ticker/bookTicker", sign=False, symbol=SYMBOL)
    price = str(round(float(touch["bidPrice"]) * 0.99, 1))
    row = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "quantity": "0.01", "price": price}
    row |= {"timeInForce": "GTC"}
    rows = [row, row | {"reduceOnly": False}]
    placed = await connector.ok("POST", "/fapi/v1/batchOrders", special=True, batchOrders=rows)
    assert [order.get("status") for order in placed] == ["NEW", "NEW"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "order"), ("DELETE", "order"), ("GET", "openOrder"), ("DELETE", "batchOrders")],
)
async def test_methods_that_drop_their_ids_get_an_honest_answer(
    connector: Connector, method: str, path: str
) -> None:
    """It reads `code` and `msg` of every refusal and breaks without them."""
    status, answer, limits = await connector.send(method, f"/fapi/v1/{path}", symbol=SYMBOL)
    assert (status, answer["code"]) == (400, -1102)
    assert answer["msg"].startswith("Param '")
    assert limits


async def test_tiny_floats_arrive_in_scientific_form(connector: Connector) -> None:
    status, answer, _ = await connector.send(
        "POST", "/fapi/v1/order", symbol=SYMBOL, side="BUY", type="MARKET", quantity=1e-05
    )
    assert (status, answer["code"]) == (400, -1111)


async def test_streams_with_the_listen_key_as_a_stream_name(connector: Connector) -> None:
    server = connector.server
    opened = await connector.ok("POST", "/fapi/v1/listenKey", sign=False)
    await connector.ok("PUT", "/fapi/v1/listenKey", sign=False, listenKey=opened["listenKey"])
    ws_url = server.ws_url.replace("127.0.0.1", "localhost")
    combined = f"{ws_url}/stream?streams=btcusdt@bookTicker/ethusdt@bookTicker"
    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{ws_url}/ws", ssl=connector.trust, autoping=False) as user,
        http.ws_connect(f"{ws_url}/ws", ssl=connector.trust, autoping=False) as broken,
        http.ws_connect(combined, ssl=connector.trust) as both,
    ):
        await user.send_str(json.dumps({"method": "SUBSCRIBE", "params": [opened["listenKey"]], "id": 3}))
        assert await user.receive_json() == {"result": None, "id": 3}
        await broken.send_str(json.dumps({"method": "SUBSCRIBE", "params": ["{!markPrice@arr"], "id": 10}))
        assert await broken.receive_json() == {"result": None, "id": 10}
        await connector.ok("POST", "/fapi/v1/order", symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01)
        assert (await user.receive_json())["e"] == "ORDER_TRADE_UPDATE"
        server.step_to(server.next_step_ms() or 0)
        assert (await both.receive_json())["stream"] in ("btcusdt@bookTicker", "ethusdt@bookTicker")
    await connector.ok("DELETE", "/fapi/v1/listenKey", sign=False)
