"""Management calls: one EIP-712 type each, signed by the main wallet (protocol reference, section 2.3).

The field names are the parameter names with the first letter upper-cased. Signature and chain id travel
beside the typed data, not in it.
"""

from collections.abc import Mapping
from typing import Final

from coincurve import PrivateKey

from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.signing.agent import domain_separator
from aster_operator.exchange.signing.keccak import keccak256
from aster_operator.exchange.signing.recoverable import reference_signature

__all__ = [
    "MANAGEMENT_TYPES",
    "SIGNATURE_CHAIN_EVM",
    "ManagementSigner",
    "ManagementValue",
    "management_digest",
]

SIGNATURE_CHAIN_EVM = 56
"""Chain id under which EVM wallets sign management calls."""

MANAGEMENT_TYPES: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "ApproveAgent": (
        ("agentName", "string"),
        ("agentAddress", "string"),
        ("ipWhitelist", "string"),
        ("expired", "uint256"),
        ("canSpotTrade", "bool"),
        ("canPerpTrade", "bool"),
        ("canWithdraw", "bool"),
        ("asterChain", "string"),
        ("user", "string"),
        ("nonce", "uint256"),
    ),
    "UpdateAgent": (
        ("agentAddress", "string"),
        ("ipWhitelist", "string"),
        ("canSpotTrade", "bool"),
        ("canPerpTrade", "bool"),
        ("canWithdraw", "bool"),
        ("asterChain", "string"),
        ("user", "string"),
        ("nonce", "uint256"),
    ),
    "DelAgent": (
        ("agentAddress", "string"),
        ("asterChain", "string"),
        ("user", "string"),
        ("nonce", "uint256"),
    ),
    "ApproveBuilder": (
        ("builder", "string"),
        ("maxFeeRate", "string"),
        ("builderName", "string"),
        ("asterChain", "string"),
        ("user", "string"),
        ("nonce", "uint256"),
    ),
    "UpdateBuilder": (
        ("builder", "string"),
        ("maxFeeRate", "string"),
        ("asterChain", "string"),
        ("user", "string"),
        ("nonce", "uint256"),
    ),
    "DelBuilder": (
        ("builder", "string"),
        ("asterChain", "string"),
        ("user", "string"),
        ("nonce", "uint256"),
    ),
    "UserAssetMigrate": (("asterChain", "string"), ("user", "string"), ("nonce", "uint256")),
}
"""Primary type to its parameters, in the fixed order of the typed data, with their EIP-712 types."""

ManagementValue = str | int | bool


def _member_name(parameter: str) -> str:
    return parameter[0].upper() + parameter[1:]


def _encoded_member(name: str, kind: str, value: ManagementValue) -> bytes:
    if kind == "string":
        if not isinstance(value, str):
            raise TypeError(f"{name} must be text, was {type(value).__name__}")
        return keccak256(value.encode())
    if kind == "bool":
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be true or false, was {type(value).__name__}")
        return int(value).to_bytes(32, "big")
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{name} must be a non-negative integer, was {value!r}")
    return value.to_bytes(32, "big")


def management_digest(primary_type: str, values: Mapping[str, ManagementValue], chain_id: int) -> bytes:
    """Return the EIP-712 digest of a management call.

    `values` maps parameter names to values. Raises KeyError for an unknown type or a missing parameter
    by name, TypeError for a value of the wrong kind.
    """
    members = MANAGEMENT_TYPES[primary_type]
    declaration = ",".join(f"{kind} {_member_name(name)}" for name, kind in members)
    encoded = keccak256(f"{primary_type}({declaration})".encode())
    for name, kind in members:
        encoded += _encoded_member(name, kind, values[name])
    return keccak256(b"\x19\x01" + domain_separator(chain_id) + keccak256(encoded))


class ManagementSigner:
    """Signs management calls with the main wallet's own key."""

    __slots__ = ("_key", "chain_id", "user")

    def __init__(self, wallet: AgentCredentials, chain_id: int = SIGNATURE_CHAIN_EVM) -> None:
        """`wallet` must be its own signer: only the main wallet may approve. Raises ValueError otherwise."""
        if not wallet.is_main_wallet:
            raise ValueError("management calls are signed by the main wallet: user and signer must be equal")
        self.user = wallet.user
        self.chain_id = chain_id
        self._key = PrivateKey(wallet.secret_bytes())

    def signature(self, primary_type: str, values: Mapping[str, ManagementValue]) -> str:
        """Return the signature of a call as 130 hex digits."""
        return reference_signature(self._key, management_digest(primary_type, values, self.chain_id))

    def __repr__(self) -> str:
        return f"ManagementSigner(user={self.user!r}, chain_id={self.chain_id})"
