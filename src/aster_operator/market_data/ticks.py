"""Recorded ticks: best prices, ten-level books and trades of one symbol, merged into one sequence.

Schemas. Trades: `symbol`, `time_ms`, `taker_side` (buy or sell), `price`, `qty`. Best prices: `symbol`,
`recv_ms`, `bid`, `ask`. Books: `symbol`, `recv_ms`, `bid_price_0` … `bid_qty_9`, `ask_price_0` … `ask_qty_9`.
Each may carry a `session` column that tells recordings apart. Times are UTC milliseconds, prices quote units,
quantities base units.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aster_operator.market_data.history import MINUTE_MS, HistoryError, read_checked, refuse_rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BookTick", "MarkTick", "MinuteTick", "TickHistory", "TradeTick", "load_ticks"]

_TRADE_COLUMNS = ("symbol", "time_ms", "taker_side", "price", "qty")
_TOP_COLUMNS = ("symbol", "recv_ms", "bid", "ask")
_LEVELS = 10

Levels = tuple[tuple[float, float], ...]
"""(price, quantity), best first."""


@dataclass(frozen=True, slots=True)
class BookTick:
    """A picture of the book. Levels of best prices carry quantity 0, which means unknown."""

    time_ms: int
    bids: Levels
    asks: Levels


@dataclass(frozen=True, slots=True)
class TradeTick:
    time_ms: int
    price: float
    quantity: float
    taker_buys: bool


@dataclass(frozen=True, slots=True)
class MarkTick:
    """What the venue said of mark, index and coming funding. The rate is a fraction per interval."""

    time_ms: int
    mark: float
    index: float
    funding_rate: float
    next_funding_ms: int


@dataclass(frozen=True, slots=True)
class MinuteTick:
    """A closed minute from before the first book, in the units of klines."""

    open_ms: int
    open: float
    high: float
    low: float
    close: float
    base_volume: float
    quote_volume: float | None
    trades: int | None
    taker_buy_base: float | None


@dataclass(frozen=True)
class TickHistory:
    """Ticks of one symbol by time; at one millisecond books come before trades.

    Where they were recorded too: `marks` in order of time, `minutes` that had closed before the first book,
    `funding` as ((settlement ms, fraction per interval), ...).
    """

    symbol: str
    ticks: Sequence[BookTick | TradeTick]
    marks: Sequence[MarkTick] = ()
    minutes: Sequence[MinuteTick] = ()
    funding: tuple[tuple[int, float], ...] = ()


def load_ticks(
    symbol: str,
    *,
    trades: Path | None = None,
    tops: Path | None = None,
    depth: Path | None = None,
    session: str | None = None,
) -> TickHistory:
    """Read the given captures of `symbol` (None: not captured). Raises HistoryError.

    Ten-level books say all that best prices do, with sizes: these fill only the times those do not cover.
    """
    both = depth is not None and tops is not None
    books: list[BookTick] = []
    if depth is not None:
        books += _depth_ticks(_rows(depth, _depth_columns(), "recv_ms", symbol, session, may_lack=both))
    if tops is not None:
        best = _top_ticks(_rows(tops, _TOP_COLUMNS, "recv_ms", symbol, session, may_lack=both))
        books += _uncovered(best, [tick.time_ms for tick in books])
    printed: list[TradeTick] = []
    if trades is not None:
        printed = _trade_ticks(_rows(trades, _TRADE_COLUMNS, "time_ms", symbol, session), trades)
    if not books:
        raise HistoryError(f"{symbol}: no book in the captures; give best prices or ten-level books")
    merged: list[BookTick | TradeTick] = [*books, *printed]
    merged.sort(key=lambda tick: (tick.time_ms, isinstance(tick, TradeTick)))
    return TickHistory(symbol, merged)


def _depth_columns() -> tuple[str, ...]:
    levels = [
        f"{side}_{what}_{level}"
        for side in ("bid", "ask")
        for level in range(_LEVELS)
        for what in ("price", "qty")
    ]
    return ("symbol", "recv_ms", *levels)


def _uncovered(ticks: list[BookTick], times_ms: Sequence[int]) -> list[BookTick]:
    """Those of `ticks` with none of `times_ms`, which are sorted, within a minute."""

    def is_covered(time_ms: int) -> bool:
        index = bisect_left(times_ms, time_ms - MINUTE_MS)
        return index < len(times_ms) and times_ms[index] <= time_ms + MINUTE_MS

    return [tick for tick in ticks if not is_covered(tick.time_ms)]


def _rows(
    file: Path,
    columns: Sequence[str],
    time_column: str,
    symbol: str,
    session: str | None,
    *,
    may_lack: bool = False,
) -> pl.DataFrame:
    """Sorted rows of the symbol in the session; none at all only if they `may_lack`."""
    import polars as pl

    frame = read_checked(file, columns).filter(pl.col("symbol") == symbol)
    if session is not None:
        frame = frame.filter(pl.col("session") == session)
    if frame.is_empty() and not may_lack:
        raise HistoryError(f"{file}: column symbol: no row of {symbol} in session {session or 'any'}")
    for column in columns:
        refuse_rows(frame, pl.col(column).is_null(), file, column, "is empty")
    numbers = [column for column in columns if column not in ("symbol", "taker_side", time_column)]
    for column in numbers:
        wrong = ~(pl.col(column).is_finite() & (pl.col(column) > 0))
        refuse_rows(frame, wrong, file, column, "must be a number above zero")
    return frame.sort(time_column, maintain_order=True)


def _top_ticks(frame: pl.DataFrame) -> list[BookTick]:
    return [
        BookTick(time_ms, ((bid, 0.0),), ((ask, 0.0),))
        for time_ms, bid, ask in frame.select("recv_ms", "bid", "ask").iter_rows()
        if bid < ask
    ]


def _depth_ticks(frame: pl.DataFrame) -> list[BookTick]:
    found: list[BookTick] = []
    for time_ms, *numbers in frame.select(_depth_columns()[1:]).iter_rows():
        pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        found.append(BookTick(time_ms, pairs[:_LEVELS], pairs[_LEVELS:]))
    return found


def _trade_ticks(frame: pl.DataFrame, file: Path) -> list[TradeTick]:
    import polars as pl

    known = pl.col("taker_side").is_in(["buy", "sell"])
    refuse_rows(frame, ~known, file, "taker_side", "must be buy or sell")
    return [
        TradeTick(time_ms, price, quantity, side == "buy")
        for time_ms, side, price, quantity in frame.select(_TRADE_COLUMNS[1:]).iter_rows()
    ]
