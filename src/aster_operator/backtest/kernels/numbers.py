"""One decimal number from text, to the nearest double as Python's `float` does: up to 19 digits.

As in `bytes`, text is given by its address, and up to 16 bytes before its end are read, whatever they are.
What is no such number (nothing, a word, something in quotes, more digits) is NaN, for the caller to find out.
"""

import numpy as np

from aster_operator.backtest.kernels.bytes import byte_at, eight_bytes, trailing_zeros
from aster_operator.backtest.kernels.compiler import compiled, inlined

__all__ = ["SHORT", "number_in", "time_in"]

SHORT = 16
"""Bytes that are read as two words."""
_LONGEST_NUMBER = 19
_MINUS, _POINT = 45, 46
_EXPONENTS = (69, 101)
_POWERS = 10.0 ** np.arange(23)
_WHOLE_POWERS = np.array([10**power for power in range(9)], dtype=np.uint64)
_ZERO_DIGIT = 48
_LARGEST = np.uint64(1) << np.uint64(63)
_EXACT = np.uint64(1) << np.uint64(53)
_SPLIT = 134217729.0
_ZEROS = np.uint64(0x3030303030303030)
_ZERO = np.uint64(0)


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
def time_in(start: int, end: int) -> float:
    """As `number_in`, and quicker if there are nine to 16 digits, as times have."""
    length = end - start
    if length <= 8 or length > SHORT:
        return number_in(start, end)
    upper = (eight_bytes(start) ^ _ZEROS) << np.uint64(8 * (SHORT - length))
    lower = eight_bytes(end - 8) ^ _ZEROS
    value = _eight_digits(upper) * np.uint64(100_000_000) + _eight_digits(lower)
    if _no_digits(upper) | _no_digits(lower) or value >= _EXACT:
        return number_in(start, end)
    return np.float64(np.int64(value))


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
def number_in(start: int, end: int) -> float:
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
