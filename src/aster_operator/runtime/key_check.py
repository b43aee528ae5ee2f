"""Keys before they trade: making one, proving that we sign as the venue expects, asking what a key may do.

The vectors are those of the protocol reference, section 2; their keys are throw-away ones made for it.
"""

import secrets
from collections.abc import Callable

from coincurve import PublicKey

from aster_operator.domain.clock import DAY_MS, Clock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.credentials import (
    AgentCredentials,
    ApiKeyCredentials,
    Credentials,
    Secret,
    address_of_private_key,
    checksum_address,
)
from aster_operator.exchange.environment import CHAIN_ID_MAINNET, CHAIN_ID_TESTNET
from aster_operator.exchange.errors import ExchangeError
from aster_operator.exchange.signing.agent import AgentSigner, domain_separator
from aster_operator.exchange.signing.api_key import ApiKeySigner
from aster_operator.exchange.signing.keccak import TypedMessageHasher, keccak256
from aster_operator.exchange.wire.agents import AgentRecord
from aster_operator.runtime.doctor import Check

__all__ = ["check_key_at_venue", "check_signing", "new_agent_key"]

_EXPIRY_WARNING_DAYS = 14

_VECTOR_KEY = "11" * 31 + "a5"
_VECTOR_AGENT = "0x5eDcBC07dCDa1079E06Bf434B17836D7A762f6FB"
_VECTOR_USER = "0x7930617D99E7f873D3A627A0091d2f7DD5aD4050"
_VECTOR_TEXT = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=60000.1"
    f"&newClientOrderId=vec%3A1%2Fa&nonce=1770000000000001&user={_VECTOR_USER}&signer={_VECTOR_AGENT}"
)
_VECTOR_SIGNATURES = {
    CHAIN_ID_MAINNET: "e2a5cedaa709a4b591bb3950bb15715e8991dc44131805fe17cd19376149b87d"
    "06c138ab066302028e072978847f027669820ee72ae82bedae56ee84e9eefac51b",
    CHAIN_ID_TESTNET: "6b883ae96cfd95f6a23a0b9746e23c93cec325ef816122ff7aa8f230906ce001"
    "7610036c77383732c27ee4656a600816ca16cac6f8ce7ffba4764f41b41bb1131b",
}
_VECTOR_HMAC_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"  # noqa: S105 - public
_VECTOR_HMAC_TEXT = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
    "&timestamp=1591702613943"
)
_VECTOR_HMAC_SIGNATURE = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


def new_agent_key(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> tuple[str, Secret]:
    """Address and private key (64 hex digits) of a new agent, from the system's secure randomness."""
    while True:
        raw = random_bytes(32)
        try:
            return address_of_private_key(raw), Secret(raw.hex())
        except ValueError:  # zero, or beyond the order of the curve: one chance in 2^128
            continue


def check_signing(credentials: Credentials | None) -> list[Check]:
    """Sign the reference vectors, then with the owner's key, and see who the signature says it was."""
    checks = [_vectors("signing vectors, V3", _v3_signatures(), _VECTOR_SIGNATURES)]
    hmac = ApiKeySigner(ApiKeyCredentials("vector", _VECTOR_HMAC_SECRET)).signature(_VECTOR_HMAC_TEXT)
    checks.append(_vectors("signing vectors, V1", hmac, _VECTOR_HMAC_SIGNATURE))
    if isinstance(credentials, AgentCredentials):
        checks.append(_own_signature(credentials))
    return checks


def _v3_signatures() -> dict[int, str]:
    vector = AgentCredentials(_VECTOR_USER, _VECTOR_AGENT, _VECTOR_KEY)
    return {chain: AgentSigner(vector, chain).signature(_VECTOR_TEXT) for chain in _VECTOR_SIGNATURES}


def _vectors(name: str, ours: object, expected: object) -> Check:
    if ours == expected:
        return Check(name=name, ok=True, detail="the same as the reference's")
    return Check(
        name=name,
        ok=False,
        detail="this installation signs differently from the reference",
        remedy="install aster-operator anew; do not trade with this one",
    )


def _own_signature(credentials: AgentCredentials) -> Check:
    signature = bytes.fromhex(AgentSigner(credentials, CHAIN_ID_MAINNET).signature(_VECTOR_TEXT))
    digest = TypedMessageHasher(domain_separator(CHAIN_ID_MAINNET)).digest(_VECTOR_TEXT.encode())
    recoverable = signature[:64] + bytes([signature[64] - 27])
    public = PublicKey.from_signature_and_message(recoverable, bytes(digest), hasher=None)
    who = checksum_address(keccak256(public.format(compressed=False)[1:])[-20:])
    if who.lower() == credentials.signer.lower():
        return Check(name="own key", ok=True, detail=f"signs as {who}")
    return Check(
        name="own key", ok=False, detail=f"signs as {who}, not as {credentials.signer}", remedy="make another"
    )


async def check_key_at_venue(client: AsterClient, clock: Clock) -> list[Check]:
    """Whether the venue takes the key, and what it lets the key do. Reads only."""
    try:
        offset = await client.measure_clock()
        await client.balance()
    except ExchangeError as error:
        return [Check(name="accepted", ok=False, detail=str(error), remedy=_acceptance_remedy(client))]
    checks = [Check(name="accepted", ok=True, detail=f"the venue takes the key of {client.account_label}")]
    credentials = client.credentials
    if not isinstance(credentials, AgentCredentials):
        detail = "the venue does not say what a V1 key may do; look at its page: withdrawals must be off"
        return [*checks, Check(name="permissions", ok=True, detail=detail)]
    if credentials.is_main_wallet:
        return [
            *checks,
            Check(
                name="permissions",
                ok=False,
                detail="THIS IS THE MAIN WALLET'S OWN KEY: whoever holds it holds everything",
                remedy="make an agent with aster-operator auth new-agent, and take this key off the machine",
            ),
        ]
    try:
        agents = await client.agents()
    except ExchangeError as error:
        return [*checks, Check(name="permissions", ok=False, detail=str(error), remedy="try again")]
    own = [agent for agent in agents if agent.agent_address.lower() == credentials.signer.lower()]
    if not own:
        detail = f"the venue does not list {credentials.signer} among the agents of {credentials.user}"
        return [*checks, Check(name="permissions", ok=False, detail=detail, remedy="approve it")]
    return checks + _permissions(own[0], clock.now_ms() + round(offset.offset_ms))


def _acceptance_remedy(client: AsterClient) -> str:
    credentials = client.credentials
    if isinstance(credentials, AgentCredentials):
        return f"approve the agent {credentials.signer} with the wallet {credentials.user}, then check again"
    return "check the key and its secret, and the addresses it may be used from"


def _permissions(agent: AgentRecord, now_ms: int) -> list[Check]:
    perpetuals = agent.can_perp_trade is not False
    checks = [
        Check(
            name="permission to trade perpetuals",
            ok=perpetuals,
            detail="on" if perpetuals else "off",
            remedy="" if perpetuals else "turn it on for this agent",
        ),
        Check(
            name="permission to withdraw",
            ok=not agent.can_withdraw,
            detail="ON: A THIEF OF THIS KEY TAKES THE MONEY"
            if agent.can_withdraw
            else "off, as it should be",
            remedy="turn it off for this agent" if agent.can_withdraw else "",
        ),
        Check(
            name="permission to trade spot",
            ok=True,
            detail="on, and not needed" if agent.can_spot_trade else "off",
        ),
        Check(
            name="addresses",
            ok=True,
            detail=f"usable from {agent.ip_whitelist} only"
            if agent.ip_whitelist
            else "usable from everywhere; naming this machine's address would be safer",
        ),
    ]
    if agent.expired is not None:
        days = (agent.expired - now_ms) / DAY_MS
        checks.append(
            Check(
                name="expiry",
                ok=days >= _EXPIRY_WARNING_DAYS,
                detail=f"in {days:.0f} days" if days > 0 else "it has expired",
                remedy="" if days >= _EXPIRY_WARNING_DAYS else "approve a new agent before then",
            )
        )
    return checks
