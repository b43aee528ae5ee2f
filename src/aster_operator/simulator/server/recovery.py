"""Who signed a digest: ECDSA recovery without the per-call allocations of the library's Python side.

The public call of `coincurve` is the reference and the fallback; the same C functions are called on buffers
made once where they reproduce it.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module

from coincurve import PrivateKey, PublicKey
from eth_hash.auto import keccak

__all__ = ["address_recoverer", "reference_address"]

Recover = Callable[[bytes, bytes, int], str | None]
"""(32-byte digest, r and s, recovery id 0 or 1) -> lower-case address, None for what is no signature."""


def _address(uncompressed_key: bytes) -> str:
    return "0x" + keccak(uncompressed_key[1:])[-20:].hex()


def reference_address(digest: bytes, signature: bytes, recovery_id: int) -> str | None:
    """Lower-case address that signed `digest`, None when the 64 bytes are no signature of it."""
    try:
        key = PublicKey.from_signature_and_message(signature + bytes((recovery_id,)), digest, hasher=None)
    except Exception as error:
        # The library raises bare Exceptions for values off the curve.
        if type(error) is Exception or isinstance(error, ValueError):
            return None
        raise
    return _address(key.format(compressed=False))


def address_recoverer() -> Recover:
    """The quickest function that answers like `reference_address`. Not for several threads at once."""
    try:
        quick = _buffered()
    except (ImportError, AttributeError, TypeError):
        return reference_address
    key, digest = PrivateKey(bytes(31) + b"\x01"), bytes(range(32))
    signed = key.sign_recoverable(digest, hasher=None)
    probes = [
        (digest, signed[:64], signed[64]),
        (digest, signed[:64], 1 - signed[64]),
        (digest, bytes(64), 0),
    ]
    return quick if all(quick(*probe) == reference_address(*probe) for probe in probes) else reference_address


def _buffered() -> Recover:
    library, context = import_module("coincurve._libsecp256k1"), PrivateKey().context.ctx
    ffi, lib = library.ffi, library.lib
    parse = lib.secp256k1_ecdsa_recoverable_signature_parse_compact
    recover, serialize = lib.secp256k1_ecdsa_recover, lib.secp256k1_ec_pubkey_serialize
    signature = ffi.new("secp256k1_ecdsa_recoverable_signature *")
    public_key = ffi.new("secp256k1_pubkey *")
    raw_key = ffi.buffer(public_key)
    output, size = ffi.new("unsigned char[65]"), ffi.new("size_t *")
    uncompressed = lib.SECP256K1_EC_UNCOMPRESSED

    @lru_cache(maxsize=4096)
    def address(_raw_key: bytes) -> str:
        """Of the key in `public_key`, remembered by its bytes there."""
        size[0] = 65
        serialize(context, output, size, public_key, uncompressed)
        return _address(bytes(ffi.buffer(output)))

    def quick(digest: bytes, compact: bytes, recovery_id: int) -> str | None:
        if len(digest) != 32 or len(compact) != 64:
            return None
        if not parse(context, signature, compact, recovery_id):
            return None
        if not recover(context, public_key, signature, digest):
            return None
        return address(raw_key[:])

    return quick
