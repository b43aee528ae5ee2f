"""The retired V3 scheme of early agents (protocol reference, section 2.5), for programs that speak it."""

import json
from collections.abc import Mapping

from eth_hash.auto import keccak

from aster_operator.simulator.server.eip712 import recover_address

__all__ = ["legacy_hash", "legacy_signer"]

_NOT_SIGNED_AS_TEXT = frozenset({"nonce", "user", "signer", "signature"})
_PERSONAL_MESSAGE = b"\x19Ethereum Signed Message:\n32"
_TEXT_OFFSET = 4 * 32


def _word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _address_word(address: str) -> bytes:
    """Raises ValueError for what is no address of twenty bytes."""
    raw = bytes.fromhex(address.removeprefix("0x").removeprefix("0X"))
    if len(raw) != 20:
        raise ValueError(f"{address!r} is no address")
    return raw.rjust(32, b"\0")


def legacy_hash(params: Mapping[str, str], user: str, signer: str, nonce_us: int) -> bytes:
    """The 32 bytes to sign: the sorted parameters as JSON of texts, with both addresses and the nonce.

    All blanks are taken out and single quotes doubled, as the scheme wants it. Raises ValueError for an
    address that is none.
    """
    business = {name: value for name, value in params.items() if name not in _NOT_SIGNED_AS_TEXT}
    text = json.dumps(business, sort_keys=True).replace(" ", "").replace("'", '"').encode()
    padding = -len(text) % 32
    return keccak(
        _word(_TEXT_OFFSET)
        + _address_word(user)
        + _address_word(signer)
        + _word(nonce_us)
        + _word(len(text))
        + text
        + bytes(padding)
    )


def legacy_signer(hashed: bytes, signature: bytes) -> str | None:
    """Lower-case address whose personal signature of the 32 bytes this is, None for no signature."""
    return recover_address(keccak(_PERSONAL_MESSAGE + hashed), signature)
