"""Signed order round trips against the exchange over loopback, and the ECDSA verification among them.

Ten accounts, one connection and one order under way each. Every order is a resting post-only LIMIT order,
signed V3 (EIP-712) beforehand, so that the clients' core does little but write and read. Every answer is
checked. After each burst all orders are cancelled, which is not counted.
"""

import asyncio
import json
import os
import statistics
import time
import urllib.request
from itertools import count
from typing import Any, cast

from exchange_venue import Venue, cores, venue

from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.signing.agent import AgentSigner
from aster_operator.exchange.signing.parameters import encode_parameters
from aster_operator.simulator.server.auth import split_signature
from aster_operator.simulator.server.eip712 import message_digest, recover_address

CHAIN_ID = 1666
BURST = 100
"""Orders of an account in a burst: below the 200 open orders the venue allows."""
_numbers = count()


def _now_us() -> int:
    return time.time_ns() // 1000  # noqa: TID251 - as a client would


class Signer:
    """One account's requests, signed and framed."""

    def __init__(self, account: dict[str, str], port: int) -> None:
        credentials = AgentCredentials(account["user"], account["signer"], account["private_key"])
        self._signer = AgentSigner(credentials, CHAIN_ID)
        self._port = port
        self._nonce_us = 0

    def text(self, parameters: dict[str, str]) -> str:
        self._nonce_us = max(self._nonce_us + 1, _now_us())
        return self._signer.sign(encode_parameters(parameters), self._nonce_us)

    def request(self, method: str, path: str, parameters: dict[str, str]) -> bytes:
        lines = [
            f"{method} {path}?{self.text(parameters)} HTTP/1.1",
            f"Host: 127.0.0.1:{self._port}",
            "User-Agent: bench-exchange",
            "Accept: */*",
            "Content-Type: application/x-www-form-urlencoded",
            "Content-Length: 0",
            "\r\n",
        ]
        return "\r\n".join(lines).encode()

    def order(self, price: str) -> bytes:
        parameters = {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "positionSide": "BOTH",
            "type": "LIMIT",
            "timeInForce": "GTX",
            "quantity": "0.002",
            "price": price,
            "newClientOrderId": f"bench-{next(_numbers)}",
            "newOrderRespType": "RESULT",
        }
        return self.request("POST", "/fapi/v3/order", parameters)

    def cancel_all(self) -> bytes:
        return self.request("DELETE", "/fapi/v3/allOpenOrders", {"symbol": "BTCUSDT"})


class Connection(asyncio.Protocol):
    """Sends one request after the other, each when the answer before it has come whole."""

    def __init__(self) -> None:
        self._queue: list[bytes] = []
        self._received = b""
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def run(self, requests: list[bytes]) -> "asyncio.Future[None]":
        self._done = asyncio.get_running_loop().create_future()
        self._queue = requests[::-1]
        self._next()
        return self._done

    def _next(self) -> None:
        if self._queue:
            self._transport.write(self._queue.pop())
        elif not self._done.done():
            self._done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return
        self._received = body[length:]
        if not head.startswith(b"HTTP/1.1 200") and not self._done.done():
            self._done.set_exception(RuntimeError(body.decode()))
            return
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError("the exchange hung up"))


def far_price(running: Venue) -> str:
    """A price three percent below the best bid: it rests and never trades."""
    url = f"{running.line['rest']}/fapi/v1/ticker/bookTicker?symbol=BTCUSDT"
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback address
        ticker: dict[str, Any] = json.load(answer)
    return f"{float(ticker['bidPrice']) * 0.97:.1f}"


async def _turn(
    running: Venue, signers: list[Signer], connections: list[Connection], bursts: int
) -> tuple[float, float]:
    """(wall seconds, CPU seconds of the exchange) of `bursts` bursts."""
    seconds = cpu_seconds = 0.0
    for _ in range(bursts):
        price = far_price(running)
        orders = [[signer.order(price) for _ in range(BURST)] for signer in signers]
        cpu_before = running.cpu_seconds()
        started = time.perf_counter()
        await asyncio.gather(*(each.run(queue) for each, queue in zip(connections, orders, strict=True)))
        seconds += time.perf_counter() - started
        cpu_seconds += running.cpu_seconds() - cpu_before
        cancels = [[signer.cancel_all()] for signer in signers]
        await asyncio.gather(*(each.run(queue) for each, queue in zip(connections, cancels, strict=True)))
    return seconds, cpu_seconds


async def _rates(running: Venue, repeats: int, bursts: int) -> list[tuple[float, float]]:
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(Connection, "127.0.0.1", running.port))[1]
        for _ in running.line["accounts"]
    ]
    signers = [Signer(account, running.port) for account in running.line["accounts"]]
    await _turn(running, signers, connections, 2)
    orders = bursts * BURST * len(signers)
    rates = []
    for _ in range(repeats):
        seconds, cpu_seconds = await _turn(running, signers, connections, bursts)
        rates.append((orders / seconds, cpu_seconds / orders * 1e6))
    return rates


def order_rates(repeats: int, bursts: int) -> tuple[float, float]:
    """Medians: (orders a second, CPU microseconds of the exchange an order)."""
    exchange_core, clients_core = cores()
    before = os.sched_getaffinity(0)
    with venue(exchange_core) as running:
        os.sched_setaffinity(0, {clients_core})
        try:
            rates = asyncio.run(_rates(running, repeats, bursts))
        finally:
            os.sched_setaffinity(0, before)
    return statistics.median(rate for rate, _ in rates), statistics.median(cpu for _, cpu in rates)


def verification_us(repeats: int, loops: int = 2_000) -> float:
    """Median microseconds to verify one signed order: keccak digest and ECDSA recovery."""
    key = "0x" + "11" * 31 + "a5"
    credentials = AgentCredentials.from_private_key(key)
    account = {"user": credentials.user, "signer": credentials.signer, "private_key": key}
    parameters = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.002", "price": "60000"}
    text = Signer(account, 0).text(parameters)
    message, _, signature_hex = split_signature(text.encode(), b"")
    assert signature_hex is not None
    signature = bytes.fromhex(signature_hex.removeprefix("0x"))
    if recover_address(message_digest(message, CHAIN_ID), signature) != credentials.signer.lower():
        raise SystemExit("the verifier does not recognise the signature: its speed means nothing")
    taken = []
    for _ in range(repeats):
        started = time.perf_counter_ns()
        for _ in range(loops):
            recover_address(message_digest(message, CHAIN_ID), signature)
        taken.append((time.perf_counter_ns() - started) / loops / 1000)
    return statistics.median(taken)
