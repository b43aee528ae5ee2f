"""Exact decimal arithmetic for prices, quantities and money.

Nothing here touches binary floating point: a float is converted through its shortest text form, which
is what a person who typed it meant.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation

__all__ = ["BPS", "ZERO", "bps_of", "exact", "plain_text", "round_down", "round_nearest", "round_up"]

ZERO = Decimal(0)
BPS = Decimal("0.0001")
"""One basis point as a fraction."""


def exact(value: str | int | float | Decimal) -> Decimal:
    """Return `value` as a finite Decimal.

    Raises ValueError for text that is no number, and for NaN and infinities.
    """
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a number") from error
    if not number.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    return number


def _to_step(value: Decimal, step: Decimal, origin: Decimal, rounding: str) -> Decimal:
    if step <= 0:
        raise ValueError(f"step must be positive, was {step}")
    steps = ((value - origin) / step).to_integral_value(rounding=rounding)
    return origin + steps * step


def round_down(value: Decimal, step: Decimal, origin: Decimal = ZERO) -> Decimal:
    """Largest `origin + n*step` not above `value` (towards minus infinity)."""
    return _to_step(value, step, origin, ROUND_FLOOR)


def round_up(value: Decimal, step: Decimal, origin: Decimal = ZERO) -> Decimal:
    """Smallest `origin + n*step` not below `value`."""
    return _to_step(value, step, origin, ROUND_CEILING)


def round_nearest(value: Decimal, step: Decimal, origin: Decimal = ZERO) -> Decimal:
    """`origin + n*step` nearest to `value`; ties go to even n."""
    return _to_step(value, step, origin, ROUND_HALF_EVEN)


def bps_of(value: Decimal, bps: Decimal) -> Decimal:
    """`bps` basis points of `value`."""
    return value * bps * BPS


def plain_text(value: Decimal) -> str:
    """Decimal text as the wire wants it: no exponent, no trailing zeros after the point.

    `1E-5` becomes `0.00001`, `1.2300` becomes `1.23`, `100` stays `100`.
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
