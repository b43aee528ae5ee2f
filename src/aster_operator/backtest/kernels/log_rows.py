"""Rows of a CSV log to numbers: the fields that are needed, the rest stepped over 64 bytes at a time.

A number of up to 19 digits is converted here, to the nearest double as Python's `float` does. What is not
such a number (nothing, a word, something in quotes, more digits) is left to the caller with its place.
"""

from typing import Any

import numpy as np

from aster_operator.backtest.kernels.bytes import byte_at, bytes_equal, eight_bytes, trailing_zeros
from aster_operator.backtest.kernels.compiler import Floats, Integers, LongIntegers, Words, compiled, inlined

__all__ = ["SYMBOL_SLOT", "TIME_SLOT", "scan_rows"]

TIME_SLOT, SYMBOL_SLOT = 0, 1
"""Slots of the columns every log has; further slots are values in the order of the output's columns."""

_LONGEST_NUMBER = 19
_COMMA, _NEWLINE, _RETURN, _MINUS, _POINT = 44, 10, 13, 45, 46
_EXPONENTS = (69, 101)
_POWERS = 10.0 ** np.arange(23)
_WHOLE_POWERS = np.array([10**power for power in range(9)], dtype=np.uint64)
_ZERO_DIGIT = 48
_LARGEST = np.uint64(1) << np.uint64(63)
_EXACT = np.uint64(1) << np.uint64(53)
_SPLIT = 134217729.0
_MASKS = np.array(
    [[(1 << 8 * min(length, 8)) - 1, (1 << 8 * max(length - 8, 0)) - 1] for length in range(17)],
    dtype=np.uint64,
)
_LAST = np.array(
    [
        [
            -1 << 8 * (16 - max(length, 8)) & (1 << 64) - 1 if length > 8 else 0,
            -1 << 8 * (8 - min(length, 8)) & (1 << 64) - 1,
        ]
        for length in range(17)
    ],
    dtype=np.uint64,
)
"""By length of a text that ends with 16 bytes: which of their two words' bits belong to it."""
_SHORT = 16
_ZEROS = np.uint64(0x3030303030303030)
_POINT_BYTE = np.uint64(_POINT ^ _ZERO_DIGIT)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_HASH = np.uint64(0x100000001B3)


@inlined
def _divided(mantissa: np.uint64, power: float) -> float:
    """`mantissa` / `power` to the nearest double, or NaN where this arithmetic cannot tell which it is.

    Twice the digits of a double: the quotient, and what the quotient leaves over (Dekker 1971).
    """
    high = float(np.float64(mantissa))
    low = np.float64(np.int64(mantissa - np.uint64(high)))
    first = high / power
    carried = _SPLIT * first
    first_high = carried - (carried - first)
    first_low = first - first_high
    carried = _SPLIT * power
    power_high = carried - (carried - power)
    power_low = power - power_high
    product = first * power
    lost = ((first_high * power_high - product) + first_high * power_low + first_low * power_high) + (
        first_low * power_low
    )
    second = (high - product - lost + low) / power
    rounded = first + second
    rest = (first - rounded) + second
    # Exactly between two doubles, or so near that the last bits decide.
    half = 0.5 * (np.nextafter(rounded, np.inf) - rounded)
    if abs(abs(rest) - half) < 1e-12 * half or abs(abs(rest) - 0.5 * half) < 1e-12 * half:
        return np.nan
    return rounded


@inlined
def _eight_digits(word: np.uint64) -> np.uint64:
    """The number that eight bytes of digits (0 to 9, the first the lowest byte) write."""
    word = (word * np.uint64(10) + (word >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    word = (word * np.uint64(100) + (word >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return (word * np.uint64(10000) + (word >> np.uint64(32))) & np.uint64(0xFFFFFFFF)


@inlined
def _no_digits(word: np.uint64) -> np.uint64:
    """The high bit of every byte that is no digit; of the bytes behind the first such one it may err."""
    return ((word + np.uint64(0x7676767676767676)) | word) & np.uint64(0x8080808080808080)


@inlined
def _without_byte(word: np.uint64, place: int, first: np.uint64) -> np.uint64:
    """`word` with the byte at `place` taken out: those before it move up, and `first` comes in."""
    before = (_ONE << np.uint64(8 * place)) - _ONE
    behind = ~(before << np.uint64(8) | np.uint64(0xFF))
    return word & behind | (word & before) << np.uint64(8) | first


@inlined
def _number(start: int, end: int) -> float:
    """The number in the bytes from `start` to `end`; NaN if it is for the caller to find out.

    Nearly all numbers have up to 16 bytes: read from behind as two words they need no loop and no branch
    that depends on how many digits stand where.
    """
    negative = byte_at(start) == _MINUS
    length = end - start - int(negative)
    if length > _SHORT or length < 1:
        return _long_number(start, end)
    upper = (eight_bytes(end - 16) ^ _ZEROS) & _LAST[length, 0]
    lower = (eight_bytes(end - 8) ^ _ZEROS) & _LAST[length, 1]
    upper_others, lower_others = _no_digits(upper), _no_digits(lower)
    scale = 0
    if upper_others | lower_others:
        others = lower_others if lower_others else upper_others
        place = trailing_zeros(others) >> 3
        word = lower if lower_others else upper
        is_point = (word >> np.uint64(8 * place)) & np.uint64(0xFF) == _POINT_BYTE
        if (
            not is_point
            or length == 1
            or others & (others - _ONE)
            or (lower_others != _ZERO and upper_others != _ZERO)
        ):
            return _long_number(start, end)
        scale = 7 - place
        if lower_others:
            lower = _without_byte(lower, place, upper >> np.uint64(56))
            upper <<= np.uint64(8)
        else:
            scale += 8
            upper = _without_byte(upper, place, _ZERO)
    mantissa = _eight_digits(upper) * np.uint64(100_000_000) + _eight_digits(lower)
    if mantissa >= _EXACT:
        return _long_number(start, end)
    value: float = np.float64(mantissa) / _POWERS[scale]
    return -value if negative else value


@inlined
def _digits(at: int, mantissa: np.uint64) -> tuple[np.uint64, int]:
    """`mantissa` continued by the digits from `at` on, and the place behind them; eight at a time."""
    while True:
        word = eight_bytes(at) ^ _ZEROS
        found = trailing_zeros(_no_digits(word)) >> 3
        if found == 0:
            return mantissa, at
        word <<= np.uint64(8 * (8 - found))
        mantissa = mantissa * _WHOLE_POWERS[found] + _eight_digits(word)
        at += found
        if found < 8:
            return mantissa, at


@compiled
def _long_number(start: int, end: int) -> float:
    """The number in the bytes from `start` to `end`; NaN if it is for the caller to find out."""
    at = start
    negative = byte_at(at) == _MINUS
    at += int(negative)
    first = at
    mantissa, at = _digits(at, _ZERO)
    digits = at - first
    scale = 0
    if byte_at(at) == _POINT and at < end:
        mantissa, after = _digits(at + 1, mantissa)
        scale = after - at - 1
        digits += scale
        at = after
    if digits == 0 or mantissa >= _LARGEST or (digits > _LONGEST_NUMBER and not _few_digits(first, at)):
        return np.nan
    if at < end:
        exponent = _exponent(at, end)
        scale -= exponent
        if exponent == 0 or scale < 0:
            return np.nan
    if scale > 22:
        return np.nan
    value = np.float64(mantissa) / _POWERS[scale] if mantissa < _EXACT else _divided(mantissa, _POWERS[scale])
    return -value if negative else value


@compiled
def _few_digits(start: int, end: int) -> bool:
    """Whether at most 19 digits are left when leading zeros do not count."""
    at = start
    while at < end and (byte_at(at) == _ZERO_DIGIT or byte_at(at) == _POINT):
        at += 1
    return end - at <= _LONGEST_NUMBER


@compiled
def _exponent(at: int, end: int) -> int:
    """The exponent written from `at` on, -99 to -1; 0 for anything else."""
    if byte_at(at) not in _EXPONENTS or end - at < 3 or end - at > 4 or byte_at(at + 1) != _MINUS:
        return 0
    found = 0
    for place in range(at + 2, end):
        digit = byte_at(place) - np.uint8(48)
        if digit > 9:
            return 0
        found = 10 * found + int(np.int64(digit))
    return -found


@inlined
def _text(start: int, end: int) -> tuple[np.uint64, np.uint64]:
    """Two numbers that stand for the text from `start` to `end`; up to 16 bytes they are the text."""
    length = min(end - start, 16)
    first = eight_bytes(start) & _MASKS[length, 0]
    second = eight_bytes(start + 8) & _MASKS[length, 1]
    for place in range(start + 16, end):
        second = (second ^ np.uint64(byte_at(place))) * _HASH
    return first, second


@compiled
def _symbol_number(
    first: np.uint64, second: np.uint64, known: int, keys: Words, places: LongIntegers, start: int, end: int
) -> int:
    """Number of the symbol among the `known` ones, `known` after adding it."""
    for number in range(known):
        if keys[number, 0] == first and keys[number, 1] == second:
            return number
    keys[known, 0], keys[known, 1] = first, second
    places[known, 0], places[known, 1] = start, end
    return known


@inlined
def _commas_and_newlines(base: int) -> Any:
    return bytes_equal(base, np.uint8(_COMMA)) | bytes_equal(base, np.uint8(_NEWLINE))


@inlined
def _after_newline(at: int) -> Any:
    """The place behind the next newline from `at` on."""
    found = bytes_equal(at, np.uint8(_NEWLINE))
    while found == _ZERO:
        at += 64
        found = bytes_equal(at, np.uint8(_NEWLINE))
    return at + trailing_zeros(found) + 1


@compiled
def _note(odd: LongIntegers, known: int, row: int, slot: int, start: int, end: int) -> int:
    odd[known, 0], odd[known, 1], odd[known, 2], odd[known, 3] = row, slot, start, end
    return known + 1


@compiled
def scan_rows(
    start: int,
    stop: int,
    slots: Integers,
    keys: Words,
    symbol_places: LongIntegers,
    symbols: Integers,
    times: LongIntegers,
    values: Floats,
    odd: LongIntegers,
) -> tuple[int, int, int, int]:
    """The rows that begin at the address `start` or later and before `stop`; each must end in a newline.

    `slots` says for each column which slot it fills, -1 for none; columns behind its end are stepped over.
    `symbols` gets numbers of symbols, new ones are added to `keys` and `symbol_places` (start, end). `odd`
    gets (row, slot, start, end) of what could not be converted, and slot -1 for a row with too few columns.
    Empty lines are no rows. Returns where it stopped (at `stop`, or before a row for which there is no room),
    and the numbers of rows, symbols and odd fields.
    """
    rows = known = strange = 0
    number, at = -1, start
    width = values.shape[1] + 2
    seen = np.zeros((keys.shape[0] * width, 2), dtype=np.uint64)
    seen_values = np.empty(keys.shape[0] * width)
    columns = slots.shape[0]
    while at < stop and rows < times.shape[0] and strange + columns < odd.shape[0] and known < keys.shape[0]:
        if byte_at(at) == _NEWLINE or (byte_at(at) == _RETURN and byte_at(at + 1) == _NEWLINE):
            at = _after_newline(at)
            continue
        line = base = at
        ends = _commas_and_newlines(base)
        newline, column = False, 0
        while column < columns and not newline:
            while ends == _ZERO:
                base += 64
                ends = _commas_and_newlines(base)
            end = base + trailing_zeros(ends)
            ends &= ends - _ONE
            newline = byte_at(end) == _NEWLINE
            slot = slots[column]
            column += 1
            last = end - int(newline and byte_at(end - 1) == _RETURN)
            if slot == SYMBOL_SLOT:
                first, second = _text(at, last)
                # Symbols tend to take turns.
                number = number + 1 if number + 1 < known else 0
                if not (known and keys[number, 0] == first and keys[number, 1] == second):
                    number = _symbol_number(first, second, known, keys, symbol_places, at, last)
                    known = max(known, number + 1)
                symbols[rows] = number
            elif slot >= 0:
                first, second = _text(at, last)
                # Rows of one second share their time, rows of one symbol much of the rest.
                place = TIME_SLOT if slot == TIME_SLOT else max(number, 0) * width + slot
                if seen[place, 0] != first or seen[place, 1] != second or last == at:
                    seen[place, 0], seen[place, 1] = first, second
                    seen_values[place] = _number(at, last) if last > at else np.nan
                value = seen_values[place]
                if value != value:
                    strange = _note(odd, strange, rows, slot, at, last)
                if slot == TIME_SLOT:
                    times[rows] = np.int64(value) if value == value else -1
                else:
                    values[rows, slot - 2] = value
            at = end + 1
        if column < columns:
            strange = _note(odd, strange, rows, -1, line, at - 1)
        at = at if newline else _after_newline(at)
        rows += 1
    return at, rows, known, strange
