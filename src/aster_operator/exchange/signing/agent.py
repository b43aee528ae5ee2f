"""V3: EIP-712 signatures of an agent over the parameter text (protocol reference, section 2.2)."""

import threading
from typing import Final

from coincurve import PrivateKey

from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.environment import CHAIN_ID_MAINNET, CHAIN_ID_TESTNET
from aster_operator.exchange.signing.keccak import TypedMessageHasher, keccak256
from aster_operator.exchange.signing.recoverable import hex_signer

__all__ = ["DOMAIN_TYPE_HASH", "AgentSigner", "domain_separator"]

DOMAIN_TYPE_HASH: Final = keccak256(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)

_PRECOMPUTED = {
    CHAIN_ID_MAINNET: bytes.fromhex("a95d0a7a6f3f17fcebb0c2336645385ce79cde7523f71ab147fdb7f15e9f37f9"),
    CHAIN_ID_TESTNET: bytes.fromhex("fad01b07bed5729a04dbb977fd86da612eba71d668660bf12cf10b3d65b74d94"),
}


def domain_separator(chain_id: int) -> bytes:
    """Return the EIP-712 domain separator of the venue for `chain_id`."""
    known = _PRECOMPUTED.get(chain_id)
    if known is not None:
        return known
    return keccak256(
        DOMAIN_TYPE_HASH
        + keccak256(b"AsterSignTransaction")
        + keccak256(b"1")
        + chain_id.to_bytes(32, "big")
        + bytes(32)
    )


class AgentSigner:
    """Signs parameter text with an agent's key for one chain."""

    __slots__ = ("_digest", "_guard", "_sign", "_tail", "chain_id", "signer", "user")

    def __init__(self, credentials: AgentCredentials, chain_id: int) -> None:
        self.user = credentials.user
        self.signer = credentials.signer
        self.chain_id = chain_id
        self._sign = hex_signer(PrivateKey(credentials.secret_bytes()))
        self._digest = TypedMessageHasher(domain_separator(chain_id)).digest
        # Hash and signature work in buffers made once, and the curve lets other threads run.
        self._guard = threading.Lock()
        self._tail = f"&user={self.user}&signer={self.signer}"

    def signature(self, text: str) -> str:
        """Return the signature of `text` as 130 hex digits without 0x."""
        with self._guard:
            return self._sign(self._digest(text.encode()))

    def sign(self, text: str, nonce_us: int) -> str:
        """Return `text` with nonce, user, signer and, last, the signature."""
        joint = "&" if text else ""
        message = f"{text}{joint}nonce={nonce_us}{self._tail}"
        with self._guard:
            signature = self._sign(self._digest(message.encode()))
        return f"{message}&signature={signature}"

    def __repr__(self) -> str:
        return f"AgentSigner(user={self.user!r}, signer={self.signer!r}, chain_id={self.chain_id})"
