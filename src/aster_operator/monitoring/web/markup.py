"""Small pieces of HTML: numbers aligned and with units, times, tables, states. Everything is escaped."""

from collections.abc import Sequence
from decimal import Decimal
from html import escape

from aster_operator.domain.money import plain_text
from aster_operator.monitoring.time_text import utc_text

__all__ = [
    "age",
    "bar",
    "bps",
    "chip",
    "count",
    "note",
    "pct",
    "price",
    "quantity",
    "side",
    "signed_usd",
    "table",
    "text",
    "tile",
    "tiles",
    "time",
    "usd",
]

_UNKNOWN = '<span class="unknown" title="not known">–</span>'
_MINUTE_MS = 60_000
_SAID = " said"


def text(words: object) -> str:
    """Words as they are."""
    return escape(str(words))


def _number(shown: str, unit: str = "") -> str:
    suffix = f'<span class="unit">{escape(unit)}</span>' if unit else ""
    return f'<span class="num">{escape(shown)}{suffix}</span>'


def usd(amount: Decimal | None, places: int = 2) -> str:
    """An amount of money; a dash where it is not known."""
    if amount is None:
        return _UNKNOWN
    return _number(f"{'-' if amount < 0 else ''}${abs(amount):,.{places}f}")


def signed_usd(amount: Decimal | None, places: int = 2) -> str:
    """A gain or loss: sign, arrow and colour say the same."""
    if amount is None:
        return _UNKNOWN
    tone, arrow = ("up", "▲") if amount > 0 else ("down", "▼") if amount < 0 else ("flat", "·")
    sign = "+" if amount > 0 else "-" if amount < 0 else ""
    return (
        f'<span class="num {tone}"><i aria-hidden="true">{arrow}</i>{sign}${abs(amount):,.{places}f}</span>'
    )


def quantity(amount: Decimal | None, unit: str = "", places: int | None = None) -> str:
    """As many decimals as it has, or `places` where numbers stand below each other."""
    if amount is None:
        return _UNKNOWN
    return _number(plain_text(amount) if places is None else f"{amount:.{places}f}", unit)


def price(amount: Decimal | None) -> str:
    """A price, with the digits that its size deserves."""
    if amount is None:
        return _UNKNOWN
    places = 2 if abs(amount) >= 100 else 4 if abs(amount) >= 1 else 6
    return _number(f"{amount:,.{places}f}")


def pct(share: Decimal | float | None, places: int = 1) -> str:
    return _UNKNOWN if share is None else _number(f"{share:,.{places}f}", "%")


def bps(share: Decimal | None, places: int = 2) -> str:
    return _UNKNOWN if share is None else _number(f"{share:,.{places}f}", "bps")


def count(number: int | None, unit: str = "") -> str:
    return _UNKNOWN if number is None else _number(f"{number:,}", unit)


def age(milliseconds: int | None) -> str:
    """A duration: seconds below two minutes, then minutes, then hours."""
    if milliseconds is None:
        return _UNKNOWN
    if milliseconds < 2 * _MINUTE_MS:
        return _number(f"{milliseconds / 1000:.1f}", "s")
    if milliseconds < 120 * _MINUTE_MS:
        return _number(f"{milliseconds / _MINUTE_MS:.0f}", "min")
    return _number(f"{milliseconds / (60 * _MINUTE_MS):.1f}", "h")


def time(time_ms: int | None, *, day: bool = False) -> str:
    """An instant in UTC; the page's script shows it in local time where the viewer wants that."""
    if time_ms is None:
        return _UNKNOWN
    shown = utc_text(time_ms)
    return (
        f'<time class="num" data-ms="{time_ms}" data-day="{int(day)}">{shown if day else shown[11:]}</time>'
    )


def side(name: str) -> str:
    """Long or short (buy or sell): arrow, word and a colour that everybody can tell apart."""
    rising = name.upper() in ("LONG", "BUY")
    tone, arrow = ("long", "▲") if rising else ("short", "▼")
    return f'<span class="side {tone}"><i aria-hidden="true">{arrow}</i> {escape(name)}</span>'


def chip(words: str, tone: str = "quiet", title: str = "") -> str:
    """A state in a word; `tone` is good, warn, bad or quiet."""
    sign = {"good": "✓", "warn": "!", "bad": "✕"}.get(tone, "")
    mark = f'<i aria-hidden="true">{sign}</i>' if sign else ""
    return f'<span class="chip {tone}" title="{escape(title)}">{mark}{escape(words)}</span>'


def bar(share_pct: Decimal | float | None, tone: str = "quiet", label: str = "") -> str:
    """A bar of 0 to 100 %."""
    if share_pct is None:
        return _UNKNOWN
    width = min(100.0, max(0.0, float(share_pct)))
    return (
        f'<span class="bar {tone}" role="meter" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{width:.0f}" aria-label="{escape(label)}">'
        f'<span style="width:{width:.1f}%"></span></span>'
    )


def note(words: str, kind: str = "empty") -> str:
    """What a panel says when there is nothing to show: `kind` is empty, loading or error. Empty is read like
    anything else: a table that empties and fills all the time would not let a screen reader's user alone."""
    role = {"error": ' role="alert"', "loading": ' role="status"'}.get(kind, "")
    return f'<p class="note {kind}"{role}>{escape(words)}</p>'


def table(
    heads: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[str]],
    *,
    empty: str,
    label: str = "",
    keys: Sequence[object] = (),
    compact: bool = False,
) -> str:
    """A table of ready cells. Each head is its words and `l` or `r`, which way the column is aligned; with
    ` said` behind it is there for those who hear the page only. `keys` name the rows, one each: a row that is
    known by its key stays the same element wherever it moves. `compact`: few and narrow columns, a table on a
    phone too."""
    if not rows:
        return note(empty)
    head = "".join(_head(words, way) for words, way in heads)
    shown = [("" if way.endswith(_SAID) else words, way.removesuffix(_SAID)) for words, way in heads]
    names = [f' data-key="{escape(str(key))}"' for key in keys] or [""] * len(rows)
    body = "".join(
        f"<tr{name}>"
        + "".join(
            f'<td class="{way}" data-label="{escape(words)}">{cell}</td>'
            for (words, way), cell in zip(shown, row, strict=True)
        )
        + "</tr>"
        for name, row in zip(names, rows, strict=True)
    )
    return (
        f'<div class="scroll{" compact" if compact else ""}" '
        f'tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _head(words: str, way: str) -> str:
    shown = f'<span class="said">{escape(words)}</span>' if way.endswith(_SAID) else escape(words)
    return f'<th scope="col" class="{way.removesuffix(_SAID)}">{shown}</th>'


def tile(label: str, value: str, below: str = "") -> str:
    """One figure with its name, and what there is to say about it."""
    small = f'<div class="below">{below}</div>' if below else ""
    name = f'<div class="label">{escape(label)}</div>'
    return f'<div class="tile">{name}<div class="value">{value}</div>{small}</div>'


def tiles(*each: str) -> str:
    return f'<div class="tiles">{"".join(each)}</div>'
