"""Exact decimal arithmetic for prices, quantities and money.

Nothing here touches binary floating point: a float is converted through its shortest text form, which
is what a person who typed it meant.
"""

from decimal import Decimal, InvalidOperation

__all__ = [
    "BPS",
    "ZERO",
    "bps_of",
    "exact",
    "plain_text",
    "round_down",
    "round_nearest",
    "round_up",
    "usd_text",
]

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


def _whole_steps(value: Decimal, step: Decimal, origin: Decimal) -> tuple[Decimal, Decimal]:
    """Steps from `origin` down to `value` and the rest above them, 0 <= rest < step.

    Integer division is exact where a quotient would be rounded onto the next step.
    """
    if step <= 0:
        raise ValueError(f"step must be positive, was {step}")
    steps, rest = divmod(value - origin, step)
    return (steps - 1, rest + step) if rest < 0 else (steps, rest)


def round_down(value: Decimal, step: Decimal, origin: Decimal = ZERO) -> Decimal:
    """Largest `origin + n*step` not above `value` (towards minus infinity)."""
    steps, _ = _whole_steps(value, step, origin)
    return origin + steps * step


def round_up(value: Decimal, step: Decimal, origin: Decimal = ZERO) -> Decimal:
    """Smallest `origin + n*step` not below `value`."""
    steps, rest = _whole_steps(value, step, origin)
    return origin + (steps + 1 if rest else steps) * step


def round_nearest(value: Decimal, step: Decimal, origin: Decimal = ZERO) -> Decimal:
    """`origin + n*step` nearest to `value`; ties go to even n."""
    steps, rest = _whole_steps(value, step, origin)
    beyond_half = 2 * rest - step
    is_up = beyond_half > 0 or (beyond_half == 0 and steps % 2 != 0)
    return origin + (steps + 1 if is_up else steps) * step


def bps_of(value: Decimal, bps: Decimal) -> Decimal:
    """`bps` basis points of `value`."""
    return value * bps * BPS


def plain_text(value: Decimal) -> str:
    """Decimal text as the wire wants it: no exponent, no trailing zeros after the point.

    `1E-5` becomes `0.00001`, `1.2300` becomes `1.23`, `100` stays `100`.
    """
    text = str(value)
    if "E" in text or "e" in text:
        # Formatting costs three times as much as plain text, and few numbers need it.
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def usd_text(amount: Decimal, places: int = 2, *, signed: bool = False) -> str:
    """Money as people read it: `-$1,234.50`; `signed` puts a plus before gains."""
    sign = "-" if amount < 0 else "+" if signed and amount > 0 else ""
    return f"{sign}${abs(amount):,.{places}f}"
