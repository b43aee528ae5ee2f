"""Both schemes reproduce the reference vectors and agree with independent implementations."""

import hashlib
import hmac
import inspect
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from urllib.parse import parse_qsl, urlencode

import pytest
from coincurve import PrivateKey, PublicKey
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.enums import Side
from aster_operator.exchange.credentials import (
    AgentCredentials,
    ApiKeyCredentials,
    CredentialsError,
    Secret,
    checksum_address,
)
from aster_operator.exchange.signing import agent as agent_module
from aster_operator.exchange.signing import recoverable
from aster_operator.exchange.signing.agent import AgentSigner, domain_separator
from aster_operator.exchange.signing.api_key import ApiKeySigner
from aster_operator.exchange.signing.keccak import TypedMessageHasher
from aster_operator.exchange.signing.management import MANAGEMENT_TYPES, ManagementSigner, management_digest
from aster_operator.exchange.signing.parameters import encode_parameters, wire_text
from aster_operator.exchange.signing.recoverable import hex_signer, reference_signature
from exchange import vectors

AGENT = AgentCredentials(vectors.USER_ADDRESS, vectors.AGENT_ADDRESS, vectors.AGENT_KEY)
WALLET = AgentCredentials.from_private_key(vectors.USER_KEY)


def _typed_data(message: str, chain_id: int) -> dict:
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            "Message": [{"name": "msg", "type": "string"}],
        },
        "primaryType": "Message",
        "domain": {
            "name": "AsterSignTransaction",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": "0x" + "0" * 40,
        },
        "message": {"msg": message},
    }


def _oracle(message: str, chain_id: int, key: str) -> str:
    signable = encode_typed_data(full_message=_typed_data(message, chain_id))
    return Account.sign_message(signable, "0x" + key).signature.hex().removeprefix("0x")


CASES_HMAC = [pytest.param(*row[1:], id=row[0]) for row in vectors.HMAC]
CASES_MESSAGES = [pytest.param(*row[1:], id=row[0]) for row in vectors.MESSAGES]


# --- vectors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "secret", "expected"), CASES_HMAC)
def test_api_key_signature_equals_the_reference(text: str, secret: str, expected: str) -> None:
    assert ApiKeySigner(ApiKeyCredentials("key", secret)).signature(text) == expected


@pytest.mark.parametrize(
    ("chain_id", "message", "expected"),
    [row[1:] for row in vectors.MESSAGES],
    ids=[r[0] for r in vectors.MESSAGES],
)
def test_agent_signature_equals_the_reference(chain_id: int, message: str, expected: str) -> None:
    assert AgentSigner(AGENT, chain_id).signature(message) == expected


DEMO = (
    "symbol=ASTERUSDT&type=LIMIT&side=BUY&timeInForce=GTC&quantity=20&price=0.5&nonce=1748310859508867"
    "{user}&signer=0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"
)


@pytest.mark.parametrize(
    ("user", "signature"),
    [
        (
            "",
            "d82a6784f5eff00b95ecb88145cf7a5fa6803ea6f67e0217262073da628750a7"
            "42bb3ba555af418320e55029afe358957808d4f810d73ea663d9c91852cd6d941c",
        ),
        (
            "&user=0x63DD5aCC6b1aa0f563956C0e534DD30B6dcF7C4e",
            "0a56c5923ebf3524475c5f631940ec4c0e41dbd300ad28198d1915d8f3ca49ce"
            "26fd1aeb8b0c3079133595da0de38322ae7e860e0c76d032c4a491d27c1430b01c",
        ),
    ],
)
def test_reference_signature_of_the_documented_demo_recovers_to_its_signer(user: str, signature: str) -> None:
    # The demo's private key is not ours to carry around; the digest is right when the signer comes out.
    raw = bytes.fromhex(signature)
    digest = TypedMessageHasher(domain_separator(1666)).digest(DEMO.format(user=user).encode())
    key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest, hasher=None)
    address = checksum_address(keccak(key.format(compressed=False)[1:])[-20:])
    assert address == "0x21cF8Ae13Bb72632562c6Fff438652Ba1a151bb0"


def test_signed_order_is_the_reference_message_with_the_signature_last() -> None:
    parameters = {
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": Decimal("0.001"),
        "price": Decimal("60000.10"),
        "newClientOrderId": "vec:1/a",
    }
    signed = AgentSigner(AGENT, 1666).sign(encode_parameters(parameters), 1770000000000001)
    _, _, message, signature = vectors.MESSAGES[0]
    assert signed == f"{message}&signature={signature}"


@pytest.mark.parametrize("chain_id", [1666, 714])
def test_precomputed_domain_separator_equals_the_computed_one(
    chain_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    precomputed = domain_separator(chain_id)
    monkeypatch.setattr(agent_module, "_PRECOMPUTED", {})
    assert domain_separator(chain_id) == precomputed


def test_approve_agent_signature_equals_the_reference() -> None:
    signer = ManagementSigner(WALLET, 56)
    assert signer.signature("ApproveAgent", vectors.APPROVE_AGENT) == vectors.APPROVE_AGENT_SIGNATURE


# --- oracles -------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=400), st.sampled_from([1666, 714, 56]))
def test_agent_signature_equals_eth_account(message: str, chain_id: int) -> None:
    assert AgentSigner(AGENT, chain_id).signature(message) == _oracle(message, chain_id, vectors.AGENT_KEY)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=700))
def test_fast_digest_equals_the_reference_hash(message: bytes) -> None:
    hasher = TypedMessageHasher(domain_separator(1666))
    assert hasher.digest(message) == hasher._reference_digest(message)


def test_fast_digest_is_in_use_here() -> None:
    hasher = TypedMessageHasher(domain_separator(1666))
    assert not inspect.ismethod(hasher.digest), "the slow hash is in use: the C functions were not found"


def test_digest_falls_back_when_the_library_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TypedMessageHasher, "_make_fast_digest", lambda *_: lambda _message: bytes(32))
    hasher = TypedMessageHasher(domain_separator(1666))
    assert hasher.digest(b"x") == hasher._reference_digest(b"x") != bytes(32)


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_quick_signature_equals_the_public_call(digest: bytes) -> None:
    key = PrivateKey(bytes.fromhex(vectors.AGENT_KEY))
    assert hex_signer(key)(digest) == reference_signature(key, digest)


def test_quick_signature_is_in_use_and_refuses_what_is_no_digest() -> None:
    signer = hex_signer(PrivateKey(bytes.fromhex(vectors.AGENT_KEY)))
    assert signer.__name__ == "quick"
    with pytest.raises(ValueError, match="32 bytes"):
        signer(b"short")


def test_signing_falls_back_when_the_quick_way_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    key = PrivateKey(bytes.fromhex(vectors.AGENT_KEY))
    monkeypatch.setattr(recoverable, "_buffered", lambda _key: lambda _digest: "00" * 65)
    assert hex_signer(key)(bytes(32)) == reference_signature(key, bytes(32))


def test_threads_sign_without_disturbing_each_other() -> None:
    signer = AgentSigner(AGENT, 1666)
    texts = [f"x={n}" for n in range(200)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(signer.signature, texts * 4))
    assert together == [signer.signature(text) for text in texts] * 4


def _management_values(primary: str) -> dict:
    samples = {"string": "0xAbC", "uint256": 1770000000000003, "bool": True}
    return {name: samples[kind] for name, kind in MANAGEMENT_TYPES[primary]}


@pytest.mark.parametrize("primary", sorted(MANAGEMENT_TYPES))
@pytest.mark.parametrize("chain_id", [56, 1666])
def test_management_signature_equals_eth_account(primary: str, chain_id: int) -> None:
    values = _management_values(primary)
    data = _typed_data("", chain_id)
    upper = {name[0].upper() + name[1:]: kind for name, kind in MANAGEMENT_TYPES[primary]}
    del data["types"]["Message"]
    data["types"][primary] = [{"name": name, "type": kind} for name, kind in upper.items()]
    data["primaryType"] = primary
    data["message"] = {name[0].upper() + name[1:]: value for name, value in values.items()}
    expected = Account.sign_message(encode_typed_data(full_message=data), "0x" + vectors.USER_KEY)
    ours = ManagementSigner(WALLET, chain_id).signature(primary, values)
    assert ours == expected.signature.hex().removeprefix("0x")


def test_management_values_of_the_wrong_kind_are_refused() -> None:
    values = _management_values("DelAgent")
    for name, wrong in [("nonce", "1"), ("nonce", True), ("nonce", -1), ("user", 5)]:
        with pytest.raises(TypeError, match=name):
            management_digest("DelAgent", {**values, name: wrong}, 56)


def test_only_the_main_wallet_signs_management_calls() -> None:
    with pytest.raises(ValueError, match="main wallet"):
        ManagementSigner(AGENT)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["symbol", "newClientOrderId", "note", "price", "x"]), TEXT, max_size=5)
)
def test_encoded_parameters_equal_the_standard_library(parameters: dict[str, str]) -> None:
    encoded = encode_parameters(parameters)
    assert encoded == urlencode(parameters)
    assert dict(parse_qsl(encoded, keep_blank_values=True)) == parameters


@settings(max_examples=100, deadline=None)
@given(TEXT, st.binary(min_size=1, max_size=64))
def test_hmac_equals_the_standard_library(text: str, secret: bytes) -> None:
    expected = hmac.new(secret.hex().encode(), text.encode(), hashlib.sha256).hexdigest()
    assert ApiKeySigner(ApiKeyCredentials("k", secret.hex())).signature(text) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("1E-5"), "0.00001"),
        (Decimal("1.2300"), "1.23"),
        (True, "true"),
        (7, "7"),
        (Side.SELL, "SELL"),
        ([1, 2], "[1,2]"),
        ([{"price": Decimal("1.10"), "stop": None}], '[{"price":"1.1"}]'),
    ],
)
def test_values_as_the_wire_writes_them(value: object, text: str) -> None:
    assert wire_text(value) == text


def test_floats_are_refused() -> None:
    for value in (0.1, [0.1], {"a": 0.1}):
        with pytest.raises(TypeError, match="float"):
            wire_text(value)


# --- credentials ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "signer", "key", "says"),
    [
        ("0x12", vectors.AGENT_ADDRESS, vectors.AGENT_KEY, "user"),
        (vectors.USER_ADDRESS, "nonsense", vectors.AGENT_KEY, "signer"),
        (vectors.USER_ADDRESS, vectors.AGENT_ADDRESS, "11" * 31, "64 hex digits"),
        (vectors.USER_ADDRESS, vectors.AGENT_ADDRESS, "0" * 64, "not a valid"),
        (vectors.USER_ADDRESS, vectors.AGENT_ADDRESS, vectors.USER_KEY, "not to the signer"),
    ],
)
def test_wrong_agent_credentials_are_refused_in_one_line(user: str, signer: str, key: str, says: str) -> None:
    with pytest.raises(CredentialsError, match=says) as caught:
        AgentCredentials(user, signer, key)
    assert "\n" not in str(caught.value)
    assert key not in str(caught.value)


@pytest.mark.parametrize(("key", "secret"), [("", "s"), ("k", ""), ("k e y", "s"), ("k", "s\ns")])
def test_wrong_api_key_credentials_are_refused(key: str, secret: str) -> None:
    with pytest.raises(CredentialsError, match="API"):
        ApiKeyCredentials(key, secret)


def test_secrets_show_nowhere() -> None:
    key = ApiKeyCredentials("PUBLICPART", "HIDDENPART")
    shown = [repr(AGENT), str(AGENT), repr(key), repr(Secret("HIDDENPART")), f"{Secret('HIDDENPART'):>20}"]
    shown += [repr(ApiKeySigner(key)), repr(AgentSigner(AGENT, 1666)), repr(ManagementSigner(WALLET))]
    assert not [text for text in shown if "HIDDENPART" in text or "PUBLICPART" in text or "1111" in text]
    assert AGENT.private_key.reveal() == vectors.AGENT_KEY


def test_a_wallet_may_be_its_own_agent() -> None:
    assert WALLET.user == WALLET.signer == vectors.USER_ADDRESS
    assert (
        AgentCredentials.from_private_key("0x" + vectors.AGENT_KEY, vectors.USER_ADDRESS).user
        == vectors.USER_ADDRESS
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**64))
def test_derived_address_equals_eth_account(seed: int) -> None:
    key = hashlib.sha256(str(seed).encode()).hexdigest()
    assert AgentCredentials.from_private_key(key).signer == Account.from_key("0x" + key).address


@pytest.mark.parametrize("text", ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: [x], lambda x: [{"quantity": x}]])
def test_what_is_no_number_is_never_signed(text: str, wrap) -> None:
    with pytest.raises(ValueError, match="finite number"):
        encode_parameters({"quantity": wrap(Decimal(text))})
