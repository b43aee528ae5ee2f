"""The five CSV logs: once a second one row for each symbol, sampled from what was heard last.

The files, their columns and the form of their values are those people's tools already read: `kline.csv`,
`bookTicker.csv`, `markPrice.csv`, `aggTrade_1s.csv`, `depth5.csv`. The header stands once at the top, what is
not known yet is empty, and each file gets all rows of a second in one write.
"""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from aster_operator.exchange.wire.market_floats import (
    AggregateTradeTick,
    BookTick,
    DepthTick,
    KlineTickPayload,
    MarkPriceTick,
)

__all__ = ["LOG_COLUMNS", "CsvLogError", "CsvLogs", "header_problem", "imbalance", "time_text"]

_HEAD: Final = ("ts_unix_ms", "ts_dt_utc", "symbol")
_LEVELS: Final = range(1, 6)

LOG_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "kline": (
        *_HEAD,
        *("k1_start_ms", "k1_close_ms", "k1_open", "k1_high", "k1_low", "k1_close"),
        *("k1_base_vol", "k1_quote_vol", "k1_trades", "k1_closed"),
    ),
    "bookTicker": (
        *_HEAD,
        *("bid_px", "bid_qty", "ask_px", "ask_qty", "spread", "mid", "imbalance", "weighted_mid"),
    ),
    "markPrice": (
        *_HEAD,
        *("mark_px", "index_px", "funding_rate", "next_funding_time_ms", "mark_index_bps"),
    ),
    "aggTrade_1s": (
        *_HEAD,
        *("n_trades_1s", "sum_qty_1s", "vwap_1s", "buy_qty_1s", "sell_qty_1s"),
        *("buy_notional_1s", "sell_notional_1s"),
    ),
    "depth5": (
        *_HEAD,
        *(f"{side}{level}_{what}" for side in ("bid", "ask") for what in ("px", "qty") for level in _LEVELS),
        "obi5",
    ),
}
"""File name without `.csv` and its columns."""

Row = Sequence[Any]


class CsvLogError(Exception):
    """One line: a log cannot be written, and what to do."""


def time_text(time_ms: int) -> str:
    """UTC time as the logs write it: 2026-02-17 19:00:30.654000."""
    moment = datetime.fromtimestamp(time_ms // 1000, tz=UTC).replace(microsecond=time_ms % 1000 * 1000)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def imbalance(bids: float, asks: float) -> float | None:
    """(bids - asks) / (bids + asks), from -1 to 1; None for an empty book."""
    return (bids - asks) / (bids + asks) if bids + asks > 0 else None


def _bar_row(bar: KlineTickPayload | None) -> Row:
    if bar is None:
        return (None,) * 10
    return (
        bar.open_ms,
        bar.close_ms,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.base_volume,
        bar.quote_volume,
        bar.trades,
        bar.is_closed,
    )


def _quote_row(quote: BookTick | None) -> Row:
    if quote is None:
        return (None,) * 8
    bid, ask, bids, asks = quote.bid, quote.ask, quote.bid_quantity, quote.ask_quantity
    both = bids + asks
    weighted = (bids * ask + asks * bid) / both if both > 0 else None
    return bid, bids, ask, asks, ask - bid, (bid + ask) / 2, imbalance(bids, asks), weighted


def _mark_row(mark: MarkPriceTick | None) -> Row:
    if mark is None:
        return (None,) * 5
    basis = (mark.mark / mark.index - 1.0) * 1e4 if mark.index > 0 else None
    return mark.mark, mark.index, mark.funding_rate, mark.next_funding_ms, basis


def _trades_row(trades: Iterable[AggregateTradeTick]) -> Row:
    count, bought, sold, bought_for, sold_for = 0, 0.0, 0.0, 0.0, 0.0
    for trade in trades:
        count += 1
        if trade.is_buyer_maker:
            sold += trade.quantity
            sold_for += trade.price * trade.quantity
        else:
            bought += trade.quantity
            bought_for += trade.price * trade.quantity
    quantity = bought + sold
    average = (bought_for + sold_for) / quantity if quantity > 0 else None
    return count, quantity, average, bought, sold, bought_for, sold_for


def _book_row(book: DepthTick | None) -> Row:
    if book is None:
        return (None,) * 21
    cells: list[float | None] = []
    totals = []
    for side in (book.bids, book.asks):
        levels = side[: len(_LEVELS)]
        missing = (None,) * (len(_LEVELS) - len(levels))
        cells += (*(price for price, _ in levels), *missing)
        cells += (*(quantity for _, quantity in levels), *missing)
        totals.append(sum(quantity for _, quantity in levels))
    return *cells, imbalance(*totals)


def header_problem(path: Path, columns: Sequence[str]) -> str | None:
    """What is wrong with the first line of a log that exists; None when nothing is."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        first = file.readline().strip("\r\n").split(",")
    if first == list(columns):
        return None
    return f"its first line is not the header {','.join(columns[:4])}…"


class _LogFile:
    """One of the files, appended to."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._columns = LOG_COLUMNS[name]
        self._day: str | None = None
        self._descriptor = -1
        self.rows = 0
        self.size_bytes = 0

    def open(self, day: str | None) -> None:
        """Go on in the file of `day` (`20260201`), or in the one file when None. Raises CsvLogError."""
        self.close()
        path = self._folder / (f"{self._name}.csv" if day is None else f"{self._name}_{day}.csv")
        head = b""
        if path.exists() and path.stat().st_size > 0:
            _cut_torn_line(path)
        if not path.exists() or path.stat().st_size == 0:
            head = (",".join(self._columns) + "\r\n").encode()
        elif (problem := header_problem(path, self._columns)) is not None:
            raise CsvLogError(f"{path}: {problem}: move it away, or pass --delete-logs")
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._write(head)
        self._day = day

    def append(self, rows: list[Row], day: str | None) -> None:
        if day != self._day:
            self.open(day)
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        self._write(text.getvalue().encode())
        self.rows += len(rows)

    def _write(self, data: bytes) -> None:
        """All of it or, when the disk refuses, none: half a line would spoil the next."""
        written = 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, data[written:])
        except OSError:
            if written:
                os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
            raise
        self.size_bytes += written

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _cut_torn_line(path: Path) -> None:
    """Remove a last line that was not written whole."""
    with path.open("r+b") as file:
        content = file.seek(0, os.SEEK_END)
        position = content
        while position > 0:
            step = min(position, 65_536)
            file.seek(position - step)
            found = file.read(step).rfind(b"\n")
            if found >= 0:
                position = position - step + found + 1
                break
            position -= step
        if position < content:
            file.truncate(position)


class CsvLogs:
    """Writes the five logs of `symbols` into `folder`.

    `roll_daily` begins files `name_YYYYMMDD.csv` each UTC day; `delete` removes the logs of earlier runs
    first. Raises CsvLogError when a file of that name is something else, OSError.
    """

    def __init__(
        self,
        folder: Path,
        symbols: Sequence[str],
        now_ms: int,
        *,
        roll_daily: bool = False,
        delete: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.symbols = list(symbols)
        self._roll_daily = roll_daily
        self._last_second = now_ms // 1000
        self._bars: dict[str, KlineTickPayload] = {}
        self._quotes: dict[str, BookTick] = {}
        self._marks: dict[str, MarkPriceTick] = {}
        self._books: dict[str, DepthTick] = {}
        self._trades: dict[str, list[AggregateTradeTick]] = {}
        if delete:
            delete_logs(folder)
        self._files = {name: _LogFile(folder, name) for name in LOG_COLUMNS}
        for file in self._files.values():
            file.open(self._day(now_ms))

    @property
    def rows(self) -> dict[str, int]:
        """Rows written, by file."""
        return {name: file.rows for name, file in self._files.items()}

    @property
    def size_bytes(self) -> int:
        """Bytes written to all files."""
        return sum(file.size_bytes for file in self._files.values())

    def take(self, messages: dict[str, list[Any]]) -> None:
        """Hear messages by stream, oldest first."""
        self._bars.update((tick.symbol, tick.kline) for tick in messages.get("kline_1m", ()))
        self._quotes.update((tick.symbol, tick) for tick in messages.get("bookTicker", ()))
        self._marks.update((tick.symbol, tick) for tick in messages.get("markPrice", ()))
        self._books.update((tick.symbol, tick) for tick in messages.get("depth5", ()))
        for trade in messages.get("aggTrade", ()):
            self._trades.setdefault(trade.symbol, []).append(trade)

    def seed(self, messages: dict[str, list[Any]]) -> None:
        """Take answers of REST for what has not been heard yet."""
        for tick in messages.get("kline_1m", ()):
            held = self._bars.get(tick.symbol)
            if held is None or held.open_ms < tick.kline.open_ms:
                self._bars[tick.symbol] = tick.kline
        for name, known in (
            ("bookTicker", self._quotes),
            ("markPrice", self._marks),
            ("depth5", self._books),
        ):
            for tick in messages.get(name, ()):
                known.setdefault(tick.symbol, tick)

    def tick(self, now_ms: int) -> None:
        """Write the rows of a second that has begun since the last call; at most one row each.

        Raises OSError and CsvLogError for the first file that could not be written; the rows of a file that
        could not are left out, whole.
        """
        if now_ms // 1000 <= self._last_second:
            return
        self._last_second = now_ms // 1000
        text, day = time_text(now_ms), self._day(now_ms)
        rows: dict[str, list[Row]] = {name: [] for name in LOG_COLUMNS}
        for symbol in self.symbols:
            head = (now_ms, text, symbol)
            rows["kline"].append((*head, *_bar_row(self._bars.get(symbol))))
            rows["bookTicker"].append((*head, *_quote_row(self._quotes.get(symbol))))
            rows["markPrice"].append((*head, *_mark_row(self._marks.get(symbol))))
            rows["aggTrade_1s"].append((*head, *_trades_row(self._trades.get(symbol, ()))))
            rows["depth5"].append((*head, *_book_row(self._books.get(symbol))))
        self._trades.clear()
        problems: list[OSError | CsvLogError] = []
        for name, file in self._files.items():
            try:
                file.append(rows[name], day)
            except (OSError, CsvLogError) as problem:
                problems.append(problem)  # The others still get their rows.
        if problems:
            raise problems[0]

    def _day(self, now_ms: int) -> str | None:
        return time_text(now_ms)[:10].replace("-", "") if self._roll_daily else None

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def delete_logs(folder: Path) -> None:
    """Remove the five logs and their daily files from `folder`; nothing else."""
    for name in LOG_COLUMNS:
        (folder / f"{name}.csv").unlink(missing_ok=True)
        for path in folder.glob(f"{name}_" + "[0-9]" * 8 + ".csv"):
            path.unlink()
