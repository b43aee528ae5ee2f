"""Keccak-256 and the EIP-712 digest of one string, as quickly as the installed libraries allow.

`eth_hash` is the reference. Its backend spends four microseconds a hash on Python objects; the same C
functions called on buffers laid out beforehand spend one. They are used when they can be loaded and
reproduce known values, otherwise the reference is.
"""

import ctypes
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from eth_hash.auto import keccak as _reference_keccak

__all__ = ["TypedMessageHasher", "keccak256"]

_MESSAGE_TYPE_HASH: Final = bytes.fromhex("c4cfb57eea370ef2a92403a7e865b2de262d7ca272333665b54ad7e6a602ef68")
"""keccak256 of "Message(string msg)" (section 2.2)."""

_CAPACITY_BYTES = 64
_ROUNDS = 24
_PADDING = 0x01


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 hash of `data`."""
    return _reference_keccak(data)


def _load_library() -> ctypes.PyDLL | None:
    """The C part of the hash backend, bound without releasing the GIL: the calls are far shorter."""
    package = find_spec("Crypto.Hash")
    for folder in (package.submodule_search_locations or []) if package else []:
        for candidate in sorted(Path(folder).glob("_keccak*")):
            try:
                library = ctypes.PyDLL(str(candidate))
                _ = library.keccak_init, library.keccak_absorb, library.keccak_squeeze, library.keccak_reset
            except (OSError, AttributeError):
                continue
            return library
    return None


_SIZES: Final = tuple(ctypes.c_size_t.from_param(count) for count in range(1024))
"""Byte counts as arguments made beforehand: few signed texts are longer."""


def _size(count: int) -> object:
    return _SIZES[count] if count < len(_SIZES) else ctypes.c_size_t.from_param(count)


class TypedMessageHasher:
    """EIP-712 digests of `Message(string msg)` under one domain separator.

    `digest` works in buffers of its own: callers on several threads guard it.
    """

    def __init__(self, domain_separator: bytes) -> None:
        self._domain_separator = domain_separator
        self.digest: Callable[[bytes], bytes] = self._reference_digest
        library = _load_library()
        if library is not None:
            fast = self._make_fast_digest(library)
            probes = (b"", b"a" * 135, b"a" * 136, b"a" * 137, b"probe " * 100)
            if all(fast(probe) == self._reference_digest(probe) for probe in probes):
                self.digest = fast

    def _reference_digest(self, message: bytes) -> bytes:
        struct_hash = keccak256(_MESSAGE_TYPE_HASH + keccak256(message))
        return keccak256(b"\x19\x01" + self._domain_separator + struct_hash)

    def _make_fast_digest(self, library: ctypes.PyDLL) -> Callable[[bytes], bytes]:
        # No prototypes are declared: arguments are C arguments made beforehand, and converting values in each
        # call would cost as much as hashing. What they do is proved against the reference before it is used.
        handle = ctypes.c_void_p()
        failed = library.keccak_init(ctypes.byref(handle), _size(_CAPACITY_BYTES), ctypes.c_uint8(_ROUNDS))
        if failed or handle.value is None:
            return self._reference_digest
        state = ctypes.byref(ctypes.c_char.from_address(handle.value))
        # Each hash writes straight into its slot of the next hash's input.
        struct_input = ctypes.create_string_buffer(_MESSAGE_TYPE_HASH + bytes(32), 64)
        final_input = ctypes.create_string_buffer(b"\x19\x01" + self._domain_separator + bytes(32), 66)
        output = ctypes.create_string_buffer(32)
        struct_at, struct_slot = ctypes.byref(struct_input), ctypes.byref(struct_input, 32)
        final_at, final_slot = ctypes.byref(final_input), ctypes.byref(final_input, 34)
        output_slot = ctypes.byref(output)
        padding = ctypes.c_uint8.from_param(_PADDING)
        hash_size, struct_size, final_size = _size(32), _size(64), _size(66)
        reset, absorb, squeeze = library.keccak_reset, library.keccak_absorb, library.keccak_squeeze
        reset.restype = absorb.restype = squeeze.restype = None
        sizes = _SIZES

        def digest(message: bytes) -> bytes:
            reset(state)
            count = len(message)
            absorb(state, message, sizes[count] if count < 1024 else _size(count))
            squeeze(state, struct_slot, hash_size, padding)
            reset(state)
            absorb(state, struct_at, struct_size)
            squeeze(state, final_slot, hash_size, padding)
            reset(state)
            absorb(state, final_at, final_size)
            squeeze(state, output_slot, hash_size, padding)
            return output.raw

        return digest
