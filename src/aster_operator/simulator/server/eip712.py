"""The verifier's side of EIP-712: digests, and the address that made a signature.

Written apart from the client's signer on purpose, so that each checks the other. Protocol reference,
sections 2.2 (the `Message` scheme) and 2.3 (management calls).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from eth_hash.auto import keccak

from aster_operator.exchange.signing.keccak import TypedMessageHasher
from aster_operator.simulator.server.recovery import address_recoverer

__all__ = [
    "FieldValue",
    "checksum_address",
    "domain_separator",
    "message_digest",
    "recover_address",
    "struct_digest",
    "withdrawal_digest",
]

FieldValue = str | int | bool

_DOMAIN_TYPE = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_NAME = keccak(b"AsterSignTransaction")
_VERSION = keccak(b"1")
_MESSAGE_TYPE = keccak(b"Message(string msg)")
_WITHDRAWAL_NAME = keccak(b"Aster")
_WITHDRAWAL_TYPE = keccak(
    b"Action(string type,address destination,string destination Chain,string token,string amount,string fee,"
    b"uint256 nonce,string aster chain)"
)


@lru_cache(maxsize=64)
def domain_separator(chain_id: int) -> bytes:
    return keccak(_DOMAIN_TYPE + _NAME + _VERSION + chain_id.to_bytes(32, "big") + bytes(32))


def _plain_digest(message: bytes, chain_id: int) -> bytes:
    return keccak(b"\x19\x01" + domain_separator(chain_id) + keccak(_MESSAGE_TYPE + keccak(message)))


@lru_cache(maxsize=64)
def _hasher(chain_id: int) -> Callable[[bytes], bytes]:
    """The quick hasher of the client for a domain of our own, where it agrees with our own arithmetic."""
    quick = TypedMessageHasher(domain_separator(chain_id)).digest
    if all(quick(probe) == _plain_digest(probe, chain_id) for probe in (b"", b"nonce=1&signer=0x")):
        return quick
    return partial(_plain_digest, chain_id=chain_id)


def message_digest(message: bytes, chain_id: int) -> bytes:
    """The 32 bytes an agent signs for the parameter string `message`."""
    return _hasher(chain_id)(message)


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


def withdrawal_digest(
    *, chain_id: int, chain: str, receiver: bytes, asset: str, amount: str, fee: str, nonce: int, venue: str
) -> bytes:
    """The 32 bytes a wallet signs to withdraw: a type and a domain of their own, names with spaces in them.

    `chain` is where the money goes (`BSC`), `venue` is `Mainnet` or `Testnet`, `receiver` 20 bytes.
    """
    domain = keccak(_DOMAIN_TYPE + _WITHDRAWAL_NAME + _VERSION + chain_id.to_bytes(32, "big") + bytes(32))
    before, after = ("Withdraw",), (chain, asset, amount, fee)
    words = [keccak(text.encode()) for text in before]
    words.append(receiver.rjust(32, b"\0"))
    words.extend(keccak(text.encode()) for text in after)
    words.extend((nonce.to_bytes(32, "big"), keccak(venue.encode())))
    return keccak(b"\x19\x01" + domain + keccak(_WITHDRAWAL_TYPE + b"".join(words)))


_recover = address_recoverer()


def recover_address(digest: bytes, signature: bytes) -> str | None:
    """Lower-case address that signed `digest`, None when the 65 bytes are no signature of it.

    The last byte may be 0, 1, 27 or 28 (section 2.2).
    """
    if len(signature) != 65:
        return None
    recovery_id = signature[64] - 27 if signature[64] >= 27 else signature[64]
    if recovery_id not in (0, 1):
        return None
    return _recover(digest, signature[:64], recovery_id)


def checksum_address(address: str) -> str:
    """The mixed-case spelling of an address (EIP-55)."""
    plain = address.lower().removeprefix("0x")
    digest = keccak(plain.encode()).hex()
    return "0x" + "".join(
        character.upper() if int(digest[index], 16) >= 8 else character
        for index, character in enumerate(plain)
    )
