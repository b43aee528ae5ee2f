"""Four decimal numbers at once from text: what numba has no words for, said in LLVM's.

Vectors of four words of 64 bits, one number a lane: no step asks how many digits stand where, and where a
machine has no such vectors, LLVM does the same with what it has. As in `bytes`, text is given by its address.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

__all__ = ["LANES", "four_numbers"]

LANES = 4
_WORD, _DOUBLE = ir.IntType(64), ir.DoubleType()
_WORDS, _DOUBLES = ir.VectorType(_WORD, LANES), ir.VectorType(_DOUBLE, LANES)
_SHORTS = ir.VectorType(ir.IntType(16), 4 * LANES)
_POWERS = [float(10**power) for power in range(16)]
_BOTH_UNITS = ir.Constant(_DOUBLES, [2.0**84 + 2.0**52] * LANES)
_ZEROS, _HIGH_BITS, _SEVENTY_SIX = 0x3030303030303030, 0x8080808080808080, 0x7676767676767676
_POINT = 0x2E ^ 0x30
_MINUS = 0x2D


def _all(value: int) -> Any:
    """A vector with `value` in every lane."""
    return ir.Constant(_WORDS, [value & (1 << 64) - 1] * LANES)


class _Lanes:
    """The steps, each an operation on four words."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def gathered(self, words: list[Any], kind: Any = _WORDS) -> Any:
        vector = ir.Constant(kind, ir.Undefined)
        for lane, word in enumerate(words):
            vector = self.builder.insert_element(vector, word, ir.IntType(32)(lane))
        return vector

    def no_digits(self, words: Any) -> Any:
        """The high bit of every byte that is no digit; of the bytes behind the first such one it may err."""
        build = self.builder
        return build.and_(build.or_(build.add(words, _all(_SEVENTY_SIX)), words), _all(_HIGH_BITS))

    def lowest(self, words: Any) -> Any:
        return self.builder.and_(words, self.negative(words))

    def negative(self, words: Any) -> Any:
        return self.builder.sub(_all(0), words)

    def bits_set(self, words: Any) -> Any:
        name = f"llvm.ctpop.v{LANES}i64"
        function = self.builder.module.globals.get(name)
        if function is None:
            function = ir.Function(self.builder.module, ir.FunctionType(_WORDS, [_WORDS]), name)
        return self.builder.call(function, [words])

    def is_zero(self, words: Any) -> Any:
        return self.builder.icmp_unsigned("==", words, _all(0))

    def eight_digits(self, words: Any) -> Any:
        """The numbers that eight bytes of digits (0 to 9, the first the lowest byte) write."""
        build = self.builder
        tenfold = build.add(build.shl(words, _all(3)), build.shl(words, _all(1)))
        pairs = build.and_(build.add(tenfold, build.lshr(words, _all(8))), _all(0x00FF00FF00FF00FF))
        hundredfold = build.mul(build.bitcast(pairs, _SHORTS), ir.Constant(_SHORTS, [100] * 4 * LANES))
        fours = build.add(build.bitcast(hundredfold, _WORDS), build.lshr(pairs, _all(16)))
        fours = build.and_(fours, _all(0x0000FFFF0000FFFF))
        first = build.mul(build.and_(fours, _all(0xFFFFFFFF)), _all(10_000))
        return build.add(first, build.lshr(fours, _all(32)))

    def is_point(self, words: Any, mark: Any) -> Any:
        """Whether the byte whose high bit is `mark` is a point; also where `mark` is 0."""
        build = self.builder
        low = build.lshr(mark, _all(7))
        byte = build.sub(build.shl(mark, _all(1)), low)
        point = build.sub(build.shl(low, _all(5)), build.shl(low, _all(1)))
        return build.icmp_unsigned("==", build.and_(words, byte), point)

    def to_double(self, words: Any) -> Any:
        """Exact below 2**53: the halves as mantissas of doubles whose units are 1 and 2**32."""
        build = self.builder
        high = build.bitcast(build.or_(build.lshr(words, _all(32)), _all(0x4530000000000000)), _DOUBLES)
        low = build.bitcast(
            build.or_(build.and_(words, _all(0xFFFFFFFF)), _all(0x4330000000000000)), _DOUBLES
        )
        return build.fadd(build.fsub(high, _BOTH_UNITS), low)

    def aligned(self, upper: Any, lower: Any, lengths: Any) -> tuple[Any, Any, Any, Any]:
        """The two words of each text with nothing before it and its point taken out; the digits behind the
        point; and which texts are not just digits with at most one point."""
        build = self.builder
        none = _all(0)
        of_lower = build.shl(_all(-1), build.and_(build.sub(none, build.shl(lengths, _all(3))), _all(63)))
        is_long = build.icmp_signed(">", lengths, _all(8))
        lower_mask = build.select(build.icmp_signed(">=", lengths, _all(8)), _all(-1), of_lower)
        upper_mask = build.select(is_long, of_lower, none)
        upper = build.and_(build.xor(upper, _all(_ZEROS)), upper_mask)
        lower = build.and_(build.xor(lower, _all(_ZEROS)), lower_mask)
        in_upper, in_lower = self.no_digits(upper), self.no_digits(lower)
        only_lower = self.is_zero(in_upper)
        is_whole = self.is_zero(build.or_(in_upper, in_lower))
        upper_mark = self.lowest(in_upper)
        lower_mark = build.select(only_lower, self.lowest(in_lower), none)
        wrong = build.not_(build.and_(self.is_point(upper, upper_mark), self.is_point(lower, lower_mark)))
        wrong = build.or_(wrong, build.icmp_unsigned(">=", build.sub(lengths, _all(1)), _all(16)))
        is_one = build.icmp_signed("==", lengths, _all(1))
        wrong = build.or_(wrong, build.and_(is_one, build.not_(is_whole)))
        # What stands before the point moves up by the byte that it took.
        before_upper = build.and_(upper, build.sub(build.lshr(upper_mark, _all(7)), _all(1)))
        before_lower = build.select(only_lower, build.sub(build.lshr(lower_mark, _all(7)), _all(1)), none)
        before_lower = build.and_(lower, before_lower)
        behind_upper = self.negative(build.shl(upper_mark, _all(1)))
        behind_lower = build.select(only_lower, self.negative(build.shl(lower_mark, _all(1))), _all(-1))
        moved_lower = build.or_(build.shl(before_lower, _all(8)), build.lshr(before_upper, _all(56)))
        moved_lower = build.or_(build.and_(lower, behind_lower), moved_lower)
        moved_upper = build.or_(build.and_(upper, behind_upper), build.shl(before_upper, _all(8)))
        bits = build.select(only_lower, behind_lower, behind_upper)
        digits = build.lshr(self.bits_set(bits), _all(3))
        digits = build.add(digits, build.select(only_lower, none, _all(8)))
        upper = build.select(is_whole, upper, moved_upper)
        lower = build.select(is_whole, lower, moved_lower)
        rest = build.or_(self.no_digits(upper), self.no_digits(lower))
        return upper, lower, digits, build.or_(wrong, build.not_(self.is_zero(rest)))


def _generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    del context, signature
    lanes = _Lanes(builder)
    starts, ends, (to, step) = arguments[0:8:2], arguments[1:8:2], arguments[8:]
    signs = [builder.zext(_is_minus(builder, start), _WORD) for start in starts]
    lengths = [
        builder.sub(builder.sub(end, start), sign)
        for start, end, sign in zip(starts, ends, signs, strict=True)
    ]
    upper, lower = (
        lanes.gathered([_loaded(builder, builder.sub(end, _WORD(back))) for end in ends]) for back in (16, 8)
    )
    upper, lower, digits, wrong = lanes.aligned(upper, lower, lanes.gathered(lengths))
    first = lanes.eight_digits(upper)
    mantissas = builder.add(builder.mul(first, _all(100_000_000)), lanes.eight_digits(lower))
    wrong = builder.or_(wrong, builder.icmp_unsigned(">=", mantissas, _all(1 << 53)))
    powers = lanes.gathered([_power(builder, digits, lane) for lane in range(LANES)], _DOUBLES)
    values = builder.fdiv(lanes.to_double(mantissas), powers)
    sign_bits = builder.shl(lanes.gathered(signs), _all(63))
    values = builder.bitcast(builder.xor(builder.bitcast(values, _WORDS), sign_bits), _DOUBLES)
    for lane in range(LANES):
        value = builder.extract_element(values, ir.IntType(32)(lane))
        builder.store(value, builder.inttoptr(to, _DOUBLE.as_pointer()))
        to = builder.add(to, step)
    return builder.zext(builder.bitcast(wrong, ir.IntType(LANES)), _WORD)


def _is_minus(builder: Any, address: Any) -> Any:
    byte = builder.load(builder.inttoptr(address, ir.IntType(8).as_pointer()))
    return builder.icmp_unsigned("==", byte, ir.IntType(8)(_MINUS))


def _loaded(builder: Any, address: Any) -> Any:
    word = builder.load(builder.inttoptr(address, _WORD.as_pointer()))
    word.align = 1
    return word


def _power(builder: Any, digits: Any, lane: int) -> Any:
    """The power of ten with as many zeros as `lane` has digits behind its point."""
    table = ir.Constant(ir.ArrayType(_DOUBLE, 16), [_DOUBLE(power) for power in _POWERS])
    name = "powers_of_ten"
    held = builder.module.globals.get(name)
    if held is None:
        held = ir.GlobalVariable(builder.module, table.type, name)
        held.initializer, held.global_constant, held.linkage = table, True, "internal"
    index = builder.and_(builder.extract_element(digits, ir.IntType(32)(lane)), _WORD(15))
    return builder.load(builder.gep(held, [_WORD(0), index]))


def _typed(
    typing: Any,
    start_0: Any,
    end_0: Any,
    start_1: Any,
    end_1: Any,
    start_2: Any,
    end_2: Any,
    start_3: Any,
    end_3: Any,
    to: Any,
    step: Any,
) -> Any:
    """The numbers in the bytes from each `start` to its `end`, written `step` bytes apart from `to` on.

    Up to 16 bytes behind a sign, digits and at most one point, below 2**53 without the point: each the
    nearest double. Returns a bit for each that is not like that, the first the lowest; what was written there
    means nothing. Reads the 16 bytes before each `end`, whatever they are.
    """
    del typing, start_0, end_0, start_1, end_1, start_2, end_2, start_3, end_3, to, step
    return types.int64(*[types.int64] * 10), _generate


four_numbers: Any = intrinsic(_typed)
