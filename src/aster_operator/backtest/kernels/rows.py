"""Eight columns of a row added up at once: what numba has no words for, said in LLVM's.

A vector of eight doubles stays in two registers where eight single sums take more than there are. Each sum is
added in the order of the rows, as if it stood alone. Where a machine has no such vectors, LLVM does the same
with what it has.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic, models, register_model

__all__ = ["COLUMNS", "plus_row", "put_row", "sums_of_row"]

COLUMNS = 8
_BYTE, _WORD, _DOUBLE = ir.IntType(8), ir.IntType(64), ir.DoubleType()
_DOUBLES = ir.VectorType(_DOUBLE, COLUMNS)


class _EightDoubles(types.Type):
    """Numba's name for the vector."""

    def __init__(self) -> None:
        super().__init__(name="EightDoubles")


@register_model(_EightDoubles)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _DOUBLES)  # type: ignore[no-untyped-call]


_EIGHT = _EightDoubles()


def _pointer(context: Any, builder: Any, kind: Any, rows: Any, row: Any) -> Any:
    """Where the row `row` of `rows` begins; `rows` lies in one piece, `row` is not negative."""
    array = context.make_array(kind)(context, builder, rows)
    stride = builder.extract_value(array.strides, 0)
    number = builder.zext(row, _WORD) if row.type.width < _WORD.width else row
    start = builder.gep(builder.bitcast(array.data, _BYTE.as_pointer()), [builder.mul(number, stride)])
    return builder.bitcast(start, _DOUBLES.as_pointer())


def _load(context: Any, builder: Any, kind: Any, rows: Any, row: Any) -> Any:
    loaded = builder.load(_pointer(context, builder, kind, rows, row))
    loaded.align = 8
    return loaded


def _sums_of_row(typing: Any, rows: Any, row: Any) -> Any:
    """The first eight columns of `rows[row]`."""
    del typing

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _load(context, builder, signature.args[0], *arguments)

    return _EIGHT(rows, row), generate


def _plus_row(typing: Any, sums: Any, rows: Any, row: Any) -> Any:
    """`sums` and the first eight columns of `rows[row]`."""
    del typing

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, rows, row = arguments
        return builder.fadd(sums, _load(context, builder, signature.args[1], rows, row))

    return _EIGHT(sums, rows, row), generate


def _put_row(typing: Any, rows: Any, row: Any, sums: Any) -> Any:
    """Write `sums` into the first eight columns of `rows[row]`."""
    del typing

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, row, sums = arguments
        stored = builder.store(sums, _pointer(context, builder, signature.args[0], rows, row))
        stored.align = 8
        return context.get_dummy_value()

    return types.void(rows, row, sums), generate


sums_of_row: Any = intrinsic(_sums_of_row)
plus_row: Any = intrinsic(_plus_row)
put_row: Any = intrinsic(_put_row)
