"""Names of market streams (section 6.2)."""

import re
from dataclasses import dataclass

from aster_operator.simulator.server.intervals import INTERVALS, MONTH

__all__ = ["StreamName", "parse_stream"]

_DEPTH = re.compile(r"depth(5|10|20)?(?:@(100|250|500)ms)?")
_MARK = re.compile(r"markPrice(@1s)?")
_ALL_MARKS = re.compile(r"!markPrice@arr(@1s)?")
_REAL_TIME = 0
_PERIODS = {"aggTrade": 100, "miniTicker": 500, "ticker": 500, "bookTicker": _REAL_TIME, "forceOrder": 1000}
_ALL_PERIODS = {
    "!miniTicker@arr": 1000,
    "!ticker@arr": 1000,
    "!bookTicker": _REAL_TIME,
    "!forceOrder@arr": 1000,
}
KLINE_PERIOD_MS = 250


@dataclass(frozen=True, slots=True)
class StreamName:
    """A parsed name. `symbol` is None for streams of all symbols, `period_ms` 0 for real time.

    `detail` is the interval of klines and the number of levels of partial depth.
    """

    text: str
    kind: str
    symbol: str | None
    period_ms: int
    detail: str = ""


def parse_stream(text: str) -> StreamName | None:
    """None for what is no market stream, a listen key for instance."""
    if text.startswith("!"):
        marks = _ALL_MARKS.fullmatch(text)
        if marks:
            return StreamName(text, "markPrice", None, 1000 if marks[1] else 3000)
        period_ms = _ALL_PERIODS.get(text)
        if period_ms is None:
            return None
        return StreamName(text, text[1:].removesuffix("@arr"), None, period_ms)
    lower, _, rest = text.partition("@")
    if not rest or not lower or lower != lower.lower():
        return None
    symbol = lower.upper()
    if rest in _PERIODS:
        return StreamName(text, rest, symbol, _PERIODS[rest])
    if rest.startswith("kline_"):
        interval = rest.removeprefix("kline_")
        known = interval in INTERVALS or interval == MONTH
        return StreamName(text, "kline", symbol, KLINE_PERIOD_MS, interval) if known else None
    depth = _DEPTH.fullmatch(rest)
    if depth:
        return StreamName(text, "depth", symbol, int(depth[2] or 250), depth[1] or "")
    mark = _MARK.fullmatch(rest)
    if mark:
        return StreamName(text, "markPrice", symbol, 1000 if mark[1] else 3000)
    return None
