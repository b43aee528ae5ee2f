"""Names of market streams (section 6.2)."""

import re
from dataclasses import dataclass

from aster_operator.domain.market import INTERVAL_MS
from aster_operator.simulator.server.intervals import MONTH

__all__ = ["StreamName", "parse_spot_stream", "parse_stream"]

_DEPTH = re.compile(r"depth(5|10|20)?(?:@(100|250|500)ms)?")
_MARK = re.compile(r"markPrice(@1s)?")
_ALL_MARKS = re.compile(r"!markPrice@arr(@1s)?")
_REAL_TIME = 0
_PERIODS = {
    "aggTrade": 100,
    "miniTicker": 500,
    "ticker": 500,
    "bookTicker": _REAL_TIME,
    "forceOrder": 1000,
    "tradepro": _REAL_TIME,
}
_ALL_PERIODS = {
    "!miniTicker@arr": 1000,
    "!ticker@arr": 1000,
    "!bookTicker": _REAL_TIME,
    "!forceOrder@arr": 1000,
}
KLINE_PERIOD_MS = 250
_SPOT_DEPTH = re.compile(r"depth(5|10|20)?(?:@(100|1000)ms)?")
_SPOT_PERIODS = {
    "trade": _REAL_TIME,
    "miniTicker": 1000,
    "ticker": 1000,
    "bookTicker": _REAL_TIME,
    "tradepro": _REAL_TIME,
}
_SPOT_ALL_PERIODS = {"!miniTicker@arr": 1000, "!ticker@arr": 1000, "!bookTicker": _REAL_TIME}
SPOT_KLINE_PERIOD_MS = 2000


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


def _split(text: str) -> tuple[str, str] | None:
    """(symbol, kind of stream) of the name of one symbol's stream; the symbol part must be lower-case."""
    lower, _, rest = text.partition("@")
    return (lower.upper(), rest) if rest and lower and lower == lower.lower() else None


def _of_all(text: str, periods: dict[str, int]) -> StreamName | None:
    period_ms = periods.get(text)
    if period_ms is None:
        return None
    return StreamName(text, text[1:].removesuffix("@arr"), None, period_ms)


def _kline(text: str, symbol: str, rest: str, period_ms: int) -> StreamName | None:
    interval = rest.removeprefix("kline_")
    known = interval in INTERVAL_MS or interval == MONTH
    return StreamName(text, "kline", symbol, period_ms, interval) if known else None


def parse_stream(text: str) -> StreamName | None:
    """None for what is no market stream of the perpetuals, a listen key for instance."""
    if text.startswith("!"):
        marks = _ALL_MARKS.fullmatch(text)
        if marks:
            return StreamName(text, "markPrice", None, 1000 if marks[1] else 3000)
        return _of_all(text, _ALL_PERIODS)
    parts = _split(text)
    if parts is None:
        return None
    symbol, rest = parts
    if rest in _PERIODS:
        return StreamName(text, rest, symbol, _PERIODS[rest])
    if rest.startswith("kline_"):
        return _kline(text, symbol, rest, KLINE_PERIOD_MS)
    depth = _DEPTH.fullmatch(rest)
    if depth:
        return StreamName(text, "depth", symbol, int(depth[2] or 250), depth[1] or "")
    mark = _MARK.fullmatch(rest)
    if mark:
        return StreamName(text, "markPrice", symbol, 1000 if mark[1] else 3000)
    return None


def parse_spot_stream(text: str) -> StreamName | None:
    """None for what is no market stream of the spot markets; their speeds are their own (section 6.3)."""
    if text.startswith("!"):
        return _of_all(text, _SPOT_ALL_PERIODS)
    parts = _split(text)
    if parts is None:
        return None
    symbol, rest = parts
    if rest == "aggTrade":
        return StreamName(text, "spotAggTrade", symbol, _REAL_TIME)
    if rest in _SPOT_PERIODS:
        return StreamName(text, rest, symbol, _SPOT_PERIODS[rest])
    if rest.startswith("kline_"):
        return _kline(text, symbol, rest, SPOT_KLINE_PERIOD_MS)
    depth = _SPOT_DEPTH.fullmatch(rest)
    return StreamName(text, "depth", symbol, int(depth[2] or 1000), depth[1] or "") if depth else None
