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

__all__ = [
    "AT_ONCE",
    "ROOM",
    "bits_set",
    "byte_at",
    "bytes_equal",
    "eight_bytes",
    "integer_at",
    "put_integer",
    "put_places",
    "trailing_zeros",
]

ROOM = 64
"""Bytes that may be read behind a position."""
AT_ONCE = 8
"""Integers that `put_places` writes."""


def _generated(generate: Callable[..., Any]) -> Any:
    """The function that kernels call; how it is typed is numba's business."""
    return intrinsic(generate)


_BYTE, _INTEGER, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
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
        return builder.bitcast(builder.icmp_unsigned("==", loaded, wanted), _WORD)

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
        loaded = builder.load(builder.inttoptr(arguments[0], _WORD.as_pointer()))
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


@_generated
def bits_set(typing: Any, word: Any) -> Any:
    """How many bits are set."""
    del typing, word

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@_generated
def integer_at(typing: Any, address: Any, index: Any) -> Any:
    """The integer of 32 bits number `index` from `address` on."""
    del typing, address, index

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        first = builder.inttoptr(arguments[0], _INTEGER.as_pointer())
        return builder.sext(builder.load(builder.gep(first, [arguments[1]])), _WORD)

    return types.int64(types.int64, types.int64), generate


@_generated
def put_integer(typing: Any, address: Any, index: Any, value: Any) -> Any:
    """Write `value` as the integer of 32 bits number `index` from `address` on."""
    del typing, address, index, value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del signature
        first = builder.inttoptr(arguments[0], _INTEGER.as_pointer())
        builder.store(builder.trunc(arguments[2], _INTEGER), builder.gep(first, [arguments[1]]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@_generated
def put_places(typing: Any, address: Any, index: Any, base: Any, word: Any) -> Any:
    """Write `base` + the number of each of the lowest `AT_ONCE` bits that are set, from integer `index` on.

    Where fewer are set the rest is written over with what means nothing. Returns `word` without these bits.
    """
    del typing, address, index, base, word

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        del context, signature
        address, index, base, word = arguments
        first = builder.gep(builder.inttoptr(address, _INTEGER.as_pointer()), [index])
        for number in range(AT_ONCE):
            place = builder.add(base, builder.cttz(word, ir.Constant(ir.IntType(1), 0)))
            builder.store(builder.trunc(place, _INTEGER), builder.gep(first, [_INTEGER(number)]))
            word = builder.and_(word, builder.sub(word, _WORD(1)))
        return word

    return types.uint64(types.int64, types.int64, types.int64, types.uint64), generate
