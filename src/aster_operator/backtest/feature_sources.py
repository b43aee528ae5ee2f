"""Where features come from: CSV logs or a Parquet catalog, read piece by piece in order of time.

A piece is the next rows of one stream with the columns that are needed, in one order: for bars
`start_ms open high low close volume`; for quotes `bid ask`; for marks `mark funding_rate`. Rows that are not
known yet (empty values) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from aster_operator.backtest.ahead import worked_ahead
from aster_operator.backtest.engine import available_cores
from aster_operator.backtest.kernels.compiler import Floats, Integers, LongIntegers
from aster_operator.backtest.log_files import read_log
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.tables import is_sorted
from aster_operator.domain.clock import DAY_MS

if TYPE_CHECKING:
    import polars as pl

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
_ARRIVAL = ("event_ms", "received_ns")
MARKS = Stream("markPrice", ("mark_px", "funding_rate"), "markPrice", ("mark_price", "funding_rate"))


class Piece(NamedTuple):
    """The next rows of a stream. `symbols` are all so far; `symbol_of` numbers them, -1 for none.

    The rows lie side by side in `file` from `first_row` on, which error messages count with.
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

    def pieces(self, stream: Stream) -> Iterator[Piece]:
        numbers: dict[str, int] = {}
        for file in self._files(stream):
            first_row = 1
            for rows in read_log(file, ("ts_unix_ms", "symbol", *stream.log_columns)):
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
        import polars as pl

        from aster_operator.market_data.catalog.broken import collected

        time_column = "open_ms" if stream is BARS else "event_ms"
        recorded = self._catalog.symbols(stream.catalog)
        names = tuple(name for name in self.symbols or recorded if name in recorded)

        def days() -> Iterator[tuple[int, int]]:
            for number, symbol in enumerate(names):
                times = self._catalog.scan(stream.catalog, [symbol]).select(
                    pl.col(time_column).min().alias("first"), pl.col(time_column).max().alias("last")
                )
                first, last = collected(times, self._catalog.root, stream.catalog).row(0)
                if first is not None:
                    first, last = max(first, self.times.start_ms), min(last, self.times.end_ms - 1)
                    yield from ((number, day) for day in range(first - first % DAY_MS, last + 1, DAY_MS))

        def piece(of: tuple[int, int]) -> Piece:
            number, day_ms = of
            rows = self._catalog.scan(
                stream.catalog,
                [names[number]],
                start_ms=max(day_ms, self.times.start_ms),
                end_ms=min(day_ms + DAY_MS, self.times.end_ms),
            )
            return self._piece(rows, stream, names, number)

        yield from worked_ahead(piece, days(), available_cores())

    def _piece(self, rows: pl.LazyFrame, stream: Stream, names: tuple[str, ...], number: int) -> Piece:
        from aster_operator.market_data.catalog.broken import collected

        # Messages of a running bar come before the one that closes it; a bar asked for later is whole.
        order = ("open_ms", "is_closed", "event_ms", "received_ns") if stream is BARS else _ARRIVAL
        time = "close_ms" if stream is BARS else "event_ms"
        wanted = rows.select(*dict.fromkeys((*order, time, *stream.catalog_columns))).drop_nulls()
        frame = collected(wanted, self._catalog.root, stream.catalog)
        # What a recorder writes is in order already, and seeing that is quicker than sorting it.
        if not is_sorted(frame, order):
            frame = frame.sort(order, maintain_order=True)
        return Piece(
            names,
            np.full(frame.height, number, dtype=np.int32),
            _times(frame.get_column(time)),
            _values(frame.select(stream.catalog_columns)),
            1,
            self.folder / f"stream={stream.catalog}" / f"symbol={names[number]}",
        )


def _times(column: pl.Series) -> LongIntegers:
    # A copy of our own: kernels would be compiled once more for columns that cannot be written to.
    return np.array(column.to_numpy(), dtype=np.int64)


def _values(columns: pl.DataFrame) -> Floats:
    return np.array(columns.to_numpy(), dtype=np.float64, order="C")
