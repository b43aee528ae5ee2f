"""Recoverable ECDSA signatures as hex, without the per-call allocations of the library's Python side.

The public call of `coincurve` is the reference and the fallback; the same C functions called on buffers made
once save a twentieth of a signature, which is most of what is not the curve itself.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Final

from coincurve import PrivateKey

__all__ = ["hex_signer", "reference_signature"]

_RECOVERY: Final = ("1b", "1c", "1d", "1e")
_PROBE: Final = bytes(range(32))


def reference_signature(private_key: PrivateKey, digest: bytes) -> str:
    """Return r, s and v (27 or 28) of a 32-byte digest as 130 hex digits; deterministic (RFC 6979)."""
    signature = private_key.sign_recoverable(digest, hasher=None)
    return signature[:64].hex() + _RECOVERY[signature[64]]


def hex_signer(private_key: PrivateKey) -> Callable[[bytes], str]:
    """Return the quickest function that signs 32-byte digests like `reference_signature`.

    It works in buffers of its own and lets other threads run meanwhile: callers on several threads guard it.
    """

    def reference(digest: bytes) -> str:
        return reference_signature(private_key, digest)

    try:
        quick = _buffered(private_key)
        proven = quick(_PROBE) == reference(_PROBE)
    except (ImportError, AttributeError, TypeError):
        return reference
    return quick if proven else reference


def _buffered(private_key: PrivateKey) -> Callable[[bytes], str]:
    library = import_module("coincurve._libsecp256k1")
    ffi, lib = library.ffi, library.lib
    sign = lib.secp256k1_ecdsa_sign_recoverable
    serialize = lib.secp256k1_ecdsa_recoverable_signature_serialize_compact
    context, secret, none = private_key.context.ctx, private_key.secret, ffi.NULL
    signature = ffi.new("secp256k1_ecdsa_recoverable_signature *")
    compact, recovery = ffi.new("unsigned char[64]"), ffi.new("int *")
    content = ffi.buffer(compact, 64)

    def quick(digest: bytes) -> str:
        if len(digest) != 32:
            raise ValueError(f"a digest has 32 bytes, was {len(digest)}")
        if not sign(context, signature, digest, secret, none, none):
            raise ValueError("the private key could not sign")
        serialize(context, compact, recovery, signature)
        return str(content[:].hex()) + _RECOVERY[recovery[0]]

    return quick
