"""Signing, parameters to signed bytes: ours, bare libsecp256k1, eth-account, ccxt."""

import hashlib
import hmac
import statistics
import time
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urlencode

from coincurve import PrivateKey
from eth_account import Account
from eth_account.messages import encode_typed_data

from aster_operator.domain.enums import OrderType, PositionSide, Side, TimeInForce
from aster_operator.exchange.calls.order_parameters import order_parameters
from aster_operator.exchange.credentials import AgentCredentials, ApiKeyCredentials
from aster_operator.exchange.signing.agent import AgentSigner
from aster_operator.exchange.signing.api_key import ApiKeySigner
from aster_operator.exchange.signing.parameters import encode_parameters

KEY = "11" * 31 + "a5"
CREDENTIALS = AgentCredentials.from_private_key(KEY)
ORDER = order_parameters(
    symbol="BTCUSDT",
    side=Side.BUY,
    position_side=PositionSide.LONG,
    type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTX,
    quantity=Decimal("0.010"),
    price=Decimal("60000.1"),
    new_client_order_id="ao12345678-BTCUSDT-BL-1",
    new_order_resp_type="RESULT",
)
TEXTS = {name: str(value) for name, value in ORDER.items() if value is not None}
NONCE = 1_770_000_000_000_001


def ours_v3() -> Callable[[], object]:
    signer = AgentSigner(CREDENTIALS, 1666)
    return lambda: signer.sign(encode_parameters(TEXTS), NONCE).encode()


def bare_curve() -> Callable[[], object]:
    key, digest = PrivateKey(bytes.fromhex(KEY)), bytes(range(32))
    return lambda: key.sign_recoverable(digest, hasher=None)


def eth_account_v3() -> Callable[[], object]:
    """The way of the venue's documentation: typed data through eth-account."""
    account = Account.from_key("0x" + KEY)
    tail = f"&nonce={NONCE}&user={CREDENTIALS.user}&signer={CREDENTIALS.signer}"
    types = {
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ],
        "Message": [{"name": "msg", "type": "string"}],
    }
    domain = {
        "name": "AsterSignTransaction",
        "version": "1",
        "chainId": 1666,
        "verifyingContract": "0x" + "0" * 40,
    }

    def sign() -> bytes:
        message = urlencode(TEXTS) + tail
        data = {"types": types, "primaryType": "Message", "domain": domain, "message": {"msg": message}}
        signed = account.sign_message(encode_typed_data(full_message=data))
        return f"{message}&signature={signed.signature.hex()}".encode()

    return sign


def ours_v1() -> Callable[[], object]:
    signer = ApiKeySigner(ApiKeyCredentials("k" * 64, "s" * 64))
    return lambda: signer.sign(encode_parameters(TEXTS)).encode()


def plain_v1() -> Callable[[], object]:
    """urlencode and hmac.new, as the documentation shows it."""
    secret = b"s" * 64

    def sign() -> bytes:
        text = urlencode(TEXTS)
        return f"{text}&signature={hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()}".encode()

    return sign


def times_us(runs: dict[str, Callable[[], object]], loops: int, repeats: int) -> dict[str, float]:
    """Median microseconds a call over `repeats` turns. A turn takes each candidate's fastest of a hundred
    loops, mixed with the others' and shorter than the scheduler's slices, so that a busy neighbour slows all
    of them or none."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        best = dict.fromkeys(runs, float("inf"))
        for _ in range(100):
            for name, run in runs.items():
                best[name] = min(best[name], _loop(run, loops))
        for name, value in best.items():
            taken[name].append(value)
    return {name: statistics.median(values) for name, values in taken.items()}


def _loop(run: Callable[[], object], loops: int) -> float:
    started = time.perf_counter_ns()
    for _ in range(loops):
        run()
    return (time.perf_counter_ns() - started) / loops / 1000


def same_signature() -> bool:
    """Ours must equal eth-account's bit by bit before its speed means anything."""
    return ours_v3()() == eth_account_v3()()
