"""Looking at text 64 bytes at a time: what numba has no words for, said in LLVM's.

Text is given by its address, not as an array: an array that is handed on is counted in and out, which takes
longer than what is done here. Reading goes up to 64 bytes beyond the address: a buffer needs as much room
behind its end, and whoever hands out its address keeps it alive.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

__all__ = ["ROOM", "byte_at", "bytes_equal", "eight_bytes", "trailing_zeros"]

ROOM = 64
"""Bytes that may be read behind a position."""


def _generated(generate: Callable[..., Any]) -> Any:
    """The function that kernels call; how it is typed is numba's business."""
    return intrinsic(generate)


_BYTE = ir.IntType(8)
_VECTOR = ir.VectorType(_BYTE, ROOM)


@_generated
def bytes_equal(typing: Any, address: Any, value: Any) -> Any:
    """Which of the 64 bytes from `address` on are `value`: one bit each, the first the lowest."""
    del typing, address, value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        pointer = builder.inttoptr(arguments[0], _VECTOR.as_pointer())
        loaded = builder.load(pointer)
        loaded.align = 1
        one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), arguments[1], ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), ROOM), [0] * ROOM)
        wanted = builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), zeros)
        return builder.bitcast(builder.icmp_unsigned("==", loaded, wanted), ir.IntType(64))

    return types.uint64(types.int64, types.uint8), generate


@_generated
def byte_at(typing: Any, address: Any) -> Any:
    """The byte at `address`."""
    del typing, address

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.load(builder.inttoptr(arguments[0], _BYTE.as_pointer()))

    return types.uint8(types.int64), generate


@_generated
def eight_bytes(typing: Any, address: Any) -> Any:
    """The eight bytes from `address` on as one number, the first the lowest."""
    del typing, address

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        loaded = builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))
        loaded.align = 1
        return loaded

    return types.uint64(types.int64), generate


@_generated
def trailing_zeros(typing: Any, word: Any) -> Any:
    """Number of the lowest bit that is set; 64 if none is."""
    del typing, word

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), generate
