"""Where features come from: CSV logs or a Parquet catalog, read piece by piece in order of time.

A piece is the next rows of one stream with the columns that are needed, in one order: for bars
`start_ms open high low close volume`; for quotes `bid ask`; for marks `mark funding_rate`. Rows that are not
known yet (empty values) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from aster_operator.backtest.ahead import worked_ahead
from aster_operator.backtest.kernels.compiler import Floats, Integers, LongIntegers
from aster_operator.backtest.log_files import Rooms, read_log
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.sharing import available_cores
from aster_operator.backtest.tables import is_sorted

__all__ = [
    "ALL_TIMES",
    "BARS",
    "MARKS",
    "QUOTES",
    "CatalogSource",
    "CsvLogSource",
    "FeatureSource",
    "Piece",
    "Stream",
    "TimeRange",
]


@dataclass(frozen=True)
class Stream:
    """One of the three streams: its log, its name in a catalog, and the columns of each, in one order."""

    log: str
    log_columns: tuple[str, ...]
    catalog: str
    catalog_columns: tuple[str, ...]


BARS = Stream(
    "kline",
    ("k1_start_ms", "k1_open", "k1_high", "k1_low", "k1_close", "k1_base_vol"),
    "kline_1m",
    ("open_ms", "open", "high", "low", "close", "base_volume"),
)
QUOTES = Stream("bookTicker", ("bid_px", "ask_px"), "bookTicker", ("bid_price", "ask_price"))
MARKS = Stream("markPrice", ("mark_px", "funding_rate"), "markPrice", ("mark_price", "funding_rate"))

_BAR_ORDER = ("open_ms", "is_closed", "event_ms")
"""Messages of a running bar come before the one that closes it; a bar asked for later is whole."""
_ARRIVAL = ("event_ms",)
_TIES = "received_ns"
"""Orders what is equal in these."""


class Piece(NamedTuple):
    """The next rows of a stream. `symbols` are all so far; `symbol_of` numbers them, -1 for none.

    The rows lie side by side in `file` from `first_row` on, which error messages count with. The arrays hold
    until the next piece is asked for.
    """

    symbols: tuple[str, ...]
    symbol_of: Integers
    time_ms: LongIntegers
    columns: Floats
    first_row: int
    file: Path


class TimeRange(NamedTuple):
    """From `start_ms` on and before `end_ms`, of the rows that are read."""

    start_ms: int = 0
    end_ms: int = 2**62


ALL_TIMES = TimeRange()


class FeatureSource(Protocol):
    def pieces(self, stream: Stream) -> Iterator[Piece]:
        """The rows of the chosen symbols, of each symbol in order of time. Raises BacktestProblem."""
        ...


class CsvLogSource:
    """A folder of CSV logs: `kline.csv`, `bookTicker.csv`, `markPrice.csv`, or one file a day of each."""

    def __init__(
        self, folder: Path, symbols: Sequence[str] | None = None, times: TimeRange = ALL_TIMES
    ) -> None:
        if not folder.is_dir():
            raise BacktestProblem("the folder is not there", str(folder), "check --log-dir")
        self.folder = folder
        self.symbols = symbols
        self.times = times
        self._rooms = Rooms()

    def pieces(self, stream: Stream) -> Iterator[Piece]:
        numbers: dict[str, int] = {}
        for file in self._files(stream):
            first_row = 1
            for rows in read_log(file, ("ts_unix_ms", "symbol", *stream.log_columns), self._rooms):
                for name in rows.symbols:
                    if name and (self.symbols is None or name in self.symbols):
                        numbers.setdefault(name, len(numbers))
                own = [numbers.get(name, -1) for name in rows.symbols]
                symbol_of = rows.symbol_of
                if own != list(range(len(own))):
                    # One more, for rows of symbol -1.
                    symbol_of = np.array([*own, -1], dtype=np.int32)[symbol_of]
                if self.times != ALL_TIMES:
                    outside = (rows.time_ms < self.times.start_ms) | (rows.time_ms >= self.times.end_ms)
                    symbol_of = np.where(outside, np.int32(-1), symbol_of)
                yield Piece(tuple(numbers), symbol_of, rows.time_ms, rows.values, first_row, file)
                first_row += len(rows.time_ms)

    def _files(self, stream: Stream) -> list[Path]:
        from aster_operator.market_data.conversion.csv_in import csv_log_files

        found = csv_log_files(self.folder).get(stream.log)
        if found is None:
            what = f"the log {stream.log}.csv is not there"
            raise BacktestProblem(what, str(self.folder), "record it with collect --update-logs true")
        return found


class CatalogSource:
    """A Parquet catalog, read a day at a time. Of a bar the last message counts, whenever it came."""

    def __init__(
        self, folder: Path, symbols: Sequence[str] | None = None, times: TimeRange = ALL_TIMES
    ) -> None:
        from aster_operator.market_data.catalog.catalog import Catalog
        from aster_operator.market_data.catalog.problems import CatalogError

        try:
            self._catalog = Catalog(folder)
        except CatalogError as error:
            raise BacktestProblem(str(error)) from None
        self.folder = folder
        self.symbols = symbols
        self.times = times

    def pieces(self, stream: Stream) -> Iterator[Piece]:
        from aster_operator.market_data.catalog.days import DayReader
        from aster_operator.market_data.catalog.layout import date_of

        recorded = self._catalog.symbols(stream.catalog)
        names = tuple(name for name in self.symbols or recorded if name in recorded)
        order, time = (_BAR_ORDER, "close_ms") if stream is BARS else (_ARRIVAL, "event_ms")
        first_day, last_day = (date_of(at) for at in (self.times.start_ms, self.times.end_ms - 1))
        needed = (*order, time, *stream.catalog_columns)
        tied: list[str] = []
        rooms: list[Floats] = []
        with DayReader(self._catalog.root, stream.catalog, (*needed, _TIES)) as reader:

            def days() -> Iterator[tuple[int, str]]:
                for number, symbol in enumerate(names):
                    yield from ((number, day) for day in reader.days(symbol) if first_day <= day <= last_day)

            def rows_of(symbol: str, day: str) -> dict[str, np.ndarray]:
                # What a recorder writes is in order already, and seeing that is quicker than sorting it.
                if not tied:
                    rows = reader.read(symbol, day, *self.times, needed)
                    if is_sorted([rows[name] for name in order], strictly=True):
                        return rows
                    tied.append(day)
                rows = reader.read(symbol, day, *self.times)
                if is_sorted([rows[name] for name in (*order, _TIES)]):
                    return rows
                places = np.lexsort([rows[name] for name in (_TIES, *reversed(order))])
                return {name: values[places] for name, values in rows.items()}

            def piece(of: tuple[int, str]) -> Piece:
                number, day = of
                rows = rows_of(names[number], day)
                room = rooms.pop() if rooms else np.empty((0, len(stream.catalog_columns)))
                if len(room) < len(rows[time]):
                    room = np.empty((len(rows[time]), len(stream.catalog_columns)))
                values = room[: len(rows[time])]
                for place, name in enumerate(stream.catalog_columns):
                    values[:, place] = rows[name]
                where = self.folder / f"stream={stream.catalog}" / f"symbol={names[number]}"
                symbol_of = np.full(len(values), number, dtype=np.int32)
                return Piece(names, symbol_of, np.array(rows[time]), values, 1, where)

            for done in worked_ahead(piece, days(), available_cores()):
                yield done
                rooms.append(done.columns)
