"""Numbers and small pictures for a terminal: everything as plain text."""

from collections.abc import Sequence
from decimal import Decimal

__all__ = ["age_text", "amount_text", "equity_line", "gauge_text", "signed_text"]

_STEPS = "▁▂▃▄▅▆▇█"
_GAUGE = 12
_UNKNOWN = "–"


def amount_text(amount: Decimal | None) -> str:
    """`$1,234.50`; a dash where it is not known."""
    return _UNKNOWN if amount is None else f"{'-' if amount < 0 else ''}${abs(amount):,.2f}"


def signed_text(amount: Decimal | None) -> str:
    """As `amount_text`, with a sign in front of gains too."""
    if amount is None:
        return _UNKNOWN
    return f"{'+' if amount > 0 else ''}{amount_text(amount)}"


def age_text(milliseconds: int | None) -> str:
    """Seconds below two minutes, then minutes."""
    if milliseconds is None:
        return _UNKNOWN
    return f"{milliseconds / 1000:.0f} s" if milliseconds < 120_000 else f"{milliseconds / 60_000:.0f} min"


def gauge_text(share_pct: Decimal | None) -> str:
    """A bar of twelve cells and the percentage."""
    if share_pct is None:
        return f"{'·' * _GAUGE}    – "
    filled = max(0, min(_GAUGE, round(float(share_pct) / 100 * _GAUGE)))
    return f"{'█' * filled}{'░' * (_GAUGE - filled)} {share_pct:4.0f} %"


def equity_line(values: Sequence[Decimal | None]) -> str:
    """A line of small bars from the lowest to the highest value; empty without any."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    return "".join(_STEPS[int((value - low) / span * 7)] if span else _STEPS[0] for value in known)
