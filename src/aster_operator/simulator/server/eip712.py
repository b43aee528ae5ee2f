"""The verifier's side of EIP-712: digests, and the address that made a signature.

Written apart from the client's signer on purpose, so that each checks the other. Protocol reference,
sections 2.2 (the `Message` scheme) and 2.3 (management calls).
"""

from collections.abc import Sequence
from functools import lru_cache

from coincurve import PublicKey
from eth_hash.auto import keccak

__all__ = [
    "FieldValue",
    "checksum_address",
    "domain_separator",
    "message_digest",
    "recover_address",
    "struct_digest",
]

FieldValue = str | int | bool

_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_NAME = keccak(b"AsterSignTransaction")
_VERSION = keccak(b"1")
_MESSAGE_TYPE = keccak(b"Message(string msg)")


@lru_cache(maxsize=64)
def domain_separator(chain_id: int) -> bytes:
    return keccak(_DOMAIN_TYPE + _NAME + _VERSION + chain_id.to_bytes(32, "big") + bytes(32))


def message_digest(message: bytes, chain_id: int) -> bytes:
    """The 32 bytes an agent signs for the parameter string `message`."""
    return keccak(b"\x19\x01" + domain_separator(chain_id) + keccak(_MESSAGE_TYPE + keccak(message)))


def _encode_field(value: FieldValue) -> tuple[str, bytes]:
    if isinstance(value, bool):
        return "bool", int(value).to_bytes(32, "big")
    if isinstance(value, int):
        return "uint256", value.to_bytes(32, "big")
    return "string", keccak(value.encode())


def struct_digest(primary_type: str, fields: Sequence[tuple[str, FieldValue]], chain_id: int) -> bytes:
    """The 32 bytes a wallet signs for a management call; `fields` in the order of the type."""
    encoded = [(name, *_encode_field(value)) for name, value in fields]
    type_text = f"{primary_type}({','.join(f'{kind} {name}' for name, kind, _ in encoded)})"
    struct_hash = keccak(keccak(type_text.encode()) + b"".join(word for _, _, word in encoded))
    return keccak(b"\x19\x01" + domain_separator(chain_id) + struct_hash)


@lru_cache(maxsize=4096)
def _address_of(public_key: bytes) -> str:
    return "0x" + keccak(public_key[1:])[-20:].hex()


def recover_address(digest: bytes, signature: bytes) -> str | None:
    """Lower-case address that signed `digest`, None when the 65 bytes are no signature of it.

    The last byte may be 0, 1, 27 or 28 (section 2.2).
    """
    if len(signature) != 65:
        return None
    recovery_id = signature[64] - 27 if signature[64] >= 27 else signature[64]
    if recovery_id not in (0, 1):
        return None
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes((recovery_id,)), digest, hasher=None
        )
    except Exception as error:
        if type(error) is Exception or isinstance(error, ValueError):
            return None
        raise
    return _address_of(key.format(compressed=False))


def checksum_address(address: str) -> str:
    """The mixed-case spelling of an address (EIP-55)."""
    plain = address.lower().removeprefix("0x")
    digest = keccak(plain.encode()).hex()
    return "0x" + "".join(
        character.upper() if int(digest[index], 16) >= 8 else character
        for index, character in enumerate(plain)
    )
