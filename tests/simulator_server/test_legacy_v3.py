"""The retired V3 scheme: the two worked examples of its documents, and requests that use it."""

from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from coincurve import PrivateKey
from eth_hash.auto import keccak

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server import AuthSettings, ExchangeServer
from aster_operator.simulator.server.legacy_v3 import legacy_hash, legacy_signer
from simulator_server.trader import Answer, Trader

USER = "0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e"
SIGNER = "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"
NONCE_US = 1748310859508867
COMMON = {"side": "BUY", "symbol": "SANDUSDT", "type": "LIMIT"}
COMMON |= {"recvWindow": "50000", "timestamp": "1749545309665"}
POST = COMMON | {"positionSide": "BOTH", "timeInForce": "GTC", "quantity": "190", "price": "0.28694"}
GET = COMMON | {"orderId": "2194215"}
VECTORS = [
    (
        POST,
        "9e0273fc91323f5cdbcb00c358be3dee2854afb2d3e4c68497364a2f27a377fc",
        "0337dd720a21543b80ff861cd3c26646b75b3a6a4b5d45805d4c1d6ad6fc33e6"
        "5f0722778dd97525466560c69fbddbe6874eb4ed6f5fa7e576e486d9b5da67f31b",
    ),
    (
        GET,
        "6ad9569ea1355bf62de1b09b33b267a9404239af6d9227fa59e3633edae19e2a",
        "4f5e36e91f0d4cf5b29b6559ebc2c808d3c808ebb13b2bcaaa478b98fb419564"
        "2c7473f0d1aa101359aaf278126af1a53bcb482fb05003bfb6bdc03de03c63151b",
    ),
]


@pytest.mark.parametrize(("params", "hashed", "signature"), VECTORS)
def test_the_documented_examples(params: dict[str, str], hashed: str, signature: str) -> None:
    sent = params | {"nonce": str(NONCE_US), "user": USER, "signer": SIGNER, "signature": signature}
    assert legacy_hash(sent, USER, SIGNER, NONCE_US).hex() == hashed
    assert legacy_signer(bytes.fromhex(hashed), bytes.fromhex(signature)) == SIGNER.lower()
    other = legacy_hash(sent | {"symbol": "BTCUSDT"}, USER, SIGNER, NONCE_US)
    assert legacy_signer(other, bytes.fromhex(signature)) != SIGNER.lower()


@pytest.mark.parametrize("address", ["0x12", "nobody", ""])
def test_what_is_no_address_cannot_be_hashed(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|hexadecimal"):
        legacy_hash(GET, address, SIGNER, NONCE_US)


class LegacyTrader(Trader):
    def legacy(self, method: str, name: str, changes: dict[str, str] | None = None, **params: str) -> Answer:
        """`changes` are made after signing."""
        nonce_us, user, signer = self.nonce(), self.account.user, self.account.signer
        sent = {"timestamp": str(self.clock.now_ms())} | params
        hashed = legacy_hash(sent, user, signer, nonce_us)
        digest = keccak(b"\x19Ethereum Signed Message:\n32" + hashed)
        key = PrivateKey(bytes.fromhex(self.account.private_key.removeprefix("0x")))
        signed = key.sign_recoverable(digest, hasher=None)
        signature = "0x" + (signed[:64] + bytes([27 + signed[64]])).hex()
        sent |= {"nonce": str(nonce_us), "user": user, "signer": signer, "signature": signature}
        body = urlencode(sent | (changes or {}))
        if method == "GET":
            return self.send(method, f"/fapi/v3/{name}", body)
        return self.send(method, f"/fapi/v3/{name}", body=body.encode())


ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}


@pytest.fixture
def old(make_server: Callable[..., ExchangeServer], clock: ManualClock) -> LegacyTrader:
    return LegacyTrader(make_server(auth=AuthSettings(legacy_v3=True)), clock, 1)


def test_old_requests_are_accepted_where_they_are_allowed(old: LegacyTrader) -> None:
    assert old.legacy("GET", "balance").json[0]["asset"] == "USDT"
    assert old.legacy("POST", "order", newClientOrderId="a b", **ORDER).code == -4015
    assert old.legacy("POST", "order", **ORDER).status == 200
    assert old.v3("GET", "openOrders").json == []


def test_old_requests_are_refused_elsewhere(server: ExchangeServer, clock: ManualClock) -> None:
    assert LegacyTrader(server, clock, 1).legacy("GET", "balance").code == -1022


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity": "0.020"}, -1022),
        ({"user": "0x12"}, -1022),
        ({"signature": "0x12"}, -1022),
        ({"signature": "none"}, -1022),
    ],
)
def test_what_was_changed_after_signing_is_refused(
    old: LegacyTrader, changes: dict[str, str], code: int
) -> None:
    assert old.legacy("POST", "order", changes, **ORDER).code == code


def test_old_requests_age_by_timestamp_and_nonce(old: LegacyTrader) -> None:
    assert old.legacy("GET", "balance", timestamp=str(old.clock.now_ms() - 6_000)).code == -1021
    assert old.legacy("GET", "balance", timestamp=str(old.clock.now_ms() + 1_000)).code == -1021
    nonce_us = old.nonce()
    old.nonce = lambda: nonce_us  # type: ignore[method-assign]
    assert old.legacy("GET", "balance").status == 200
    assert old.legacy("GET", "balance").code == -4225
