"""A client written for the tests alone: signs both ways and talks to the dispatcher without a socket."""

import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from coincurve import PrivateKey

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.server import DemoAccount, ExchangeServer
from aster_operator.simulator.server.eip712 import message_digest
from aster_operator.simulator.server.frames import Outgoing
from aster_operator.simulator.server.messages import WireRequest


def sign_message(message: bytes, private_key: str, chain_id: int = 1666) -> str:
    key = PrivateKey(bytes.fromhex(private_key.removeprefix("0x")))
    signature = key.sign_recoverable(message_digest(message, chain_id), hasher=None)
    return (signature[:64] + bytes([27 + signature[64]])).hex()


def hmac_hex(message: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), message, sha256).hexdigest()


def refusal_code(action: Callable[[], object]) -> int | None:
    """Code of the refusal that `action` raises, None when it raises none."""
    try:
        action()
    except VenueRefusal as refusal:
        return refusal.code
    return None


class Answer:
    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.json: Any = json.loads(body)

    @property
    def code(self) -> int:
        return int(self.json["code"])


class Trader:
    """Acts for one demo account. `v3` and `v1` send signed requests, `public` an unsigned one."""

    def __init__(self, server: ExchangeServer, clock: ManualClock, index: int) -> None:
        self.server = server
        self.clock = clock
        self.account: DemoAccount = server.accounts[index]
        self._nonce_step = 0

    def nonce(self) -> int:
        self._nonce_step += 1
        return self.clock.now_us() + self._nonce_step

    def v3_query(self, **params: object) -> str:
        sent = {name: value for name, value in params.items() if value is not None}
        sent.setdefault("nonce", self.nonce())
        sent.setdefault("user", self.account.user)
        sent.setdefault("signer", self.account.signer)
        message = urlencode(sent)
        return f"{message}&signature={sign_message(message.encode(), self.account.private_key)}"

    def v1_query(self, **params: object) -> str:
        sent = {name: value for name, value in params.items() if value is not None}
        sent.setdefault("timestamp", self.clock.now_ms())
        message = urlencode(sent)
        return f"{message}&signature={hmac_hex(message.encode(), self.account.api_secret)}"

    def send(
        self,
        method: str,
        path: str,
        query: str = "",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        response = self.server.dispatcher.dispatch(
            WireRequest(method, path, query.encode(), headers or {}, body)
        )
        return Answer(response.status, response.body, response.headers)

    def public(self, path: str, **params: object) -> Answer:
        return self.send("GET", f"/fapi/{path}", urlencode(params))

    def v3(self, method: str, name: str, **params: object) -> Answer:
        return self.send(method, f"/fapi/v3/{name}", self.v3_query(**params))

    def v1(self, method: str, name: str, **params: object) -> Answer:
        return self.send(method, f"/fapi/{name}", self.v1_query(**params), headers=self.key_header)

    @property
    def key_header(self) -> dict[str, str]:
        return {"x-mbx-apikey": self.account.api_key}

    def touch(self, symbol: str = "BTCUSDT") -> tuple[float, float]:
        answer = self.public("v3/ticker/bookTicker", symbol=symbol).json
        return float(answer["bidPrice"]), float(answer["askPrice"])

    def market(self, side: str, quantity: str, **params: object) -> Answer:
        return self.v3(
            "POST", "order", symbol="BTCUSDT", side=side, type="MARKET", quantity=quantity, **params
        )

    def resting(self, side: str = "BUY", quantity: str = "0.010", **params: object) -> Answer:
        """A GTC limit order one percent away from the touch."""
        bid, ask = self.touch()
        price = round(bid * 0.99, 1) if side == "BUY" else round(ask * 1.01, 1)
        return self.v3(
            "POST",
            "order",
            symbol="BTCUSDT",
            side=side,
            type="LIMIT",
            timeInForce="GTC",
            quantity=quantity,
            price=params.pop("price", price),
            **params,
        )


class Recorder:
    """A subscriber that keeps what it is sent, as (stream, payload)."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []

    def deliver(self, message: Outgoing) -> None:
        frame = message.combined()
        wrapped = json.loads(frame[frame.index(b"{") :])
        self.messages.append((wrapped["stream"], wrapped["data"]))

    def payloads(self, stream: str | None = None) -> list[Any]:
        return [payload for name, payload in self.messages if stream is None or name == stream]

    def clear(self) -> None:
        self.messages.clear()
