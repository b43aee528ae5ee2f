"""Where features come from: CSV logs or a Parquet catalog, read piece by piece in order of time.

A piece is a symbol's next rows of one stream with the columns that are needed, under one set of names:
`time_ms` and, for bars, `start_ms open high low close volume`; for quotes `bid ask`; for marks
`mark funding_rate`. Rows that are not known yet (empty values) are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, LongIntegers
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.domain.clock import DAY_MS

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BARS", "MARKS", "QUOTES", "CatalogSource", "CsvLogSource", "FeatureSource", "Piece", "Stream"]

_CHUNK_ROWS = 1_000_000


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


class Piece(NamedTuple):
    """The next rows of one symbol; `rows` are their numbers in `file`, for error messages."""

    symbol: str
    time_ms: LongIntegers
    columns: Floats
    rows: LongIntegers
    file: Path


class FeatureSource(Protocol):
    def pieces(self, stream: Stream) -> Iterator[Piece]:
        """The rows of the chosen symbols, of each symbol in order of time. Raises BacktestProblem."""
        ...


class CsvLogSource:
    """A folder of CSV logs: `kline.csv`, `bookTicker.csv`, `markPrice.csv`, or one file a day of each."""

    def __init__(self, folder: Path, symbols: Sequence[str] | None = None) -> None:
        if not folder.is_dir():
            raise BacktestProblem("the folder is not there", str(folder), "check --log-dir")
        self.folder = folder
        self.symbols = symbols

    def pieces(self, stream: Stream) -> Iterator[Piece]:
        for file in self._files(stream):
            yield from self._pieces_of(file, stream)

    def _files(self, stream: Stream) -> list[Path]:
        from aster_operator.market_data.conversion.csv_in import csv_log_files

        found = csv_log_files(self.folder).get(stream.log)
        if found is None:
            what = f"the log {stream.log}.csv is not there"
            raise BacktestProblem(what, str(self.folder), "record it with collect --update-logs true")
        return found

    def _pieces_of(self, file: Path, stream: Stream) -> Iterator[Piece]:
        import polars as pl

        names = ["symbol", "ts_unix_ms", *stream.log_columns]
        try:
            header = pl.read_csv(file, n_rows=0).columns
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(file, error) from None
        for name in names:
            if name not in header:
                raise BacktestProblem("the column is missing", f"{file}, column {name}", "check the log")
        types = dict.fromkeys(stream.log_columns, pl.Float64) | {"symbol": pl.String, "ts_unix_ms": pl.Int64}
        scanned = (
            pl.scan_csv(file, schema_overrides=types, null_values=["", "NaN", "nan", "None"])
            .select(names)
            .with_row_index("row", offset=1)
        )
        try:
            for batch in scanned.collect_batches(chunk_size=_CHUNK_ROWS, maintain_order=True):
                yield from self._by_symbol(batch, stream, file)
        except pl.exceptions.PolarsError as error:
            raise _unreadable(file, error) from None

    def _by_symbol(self, batch: pl.DataFrame, stream: Stream, file: Path) -> Iterator[Piece]:
        import polars as pl

        values = list(stream.log_columns)
        known = batch.drop_nulls(["symbol", "ts_unix_ms", *values])
        if self.symbols is not None:
            known = known.filter(pl.col("symbol").is_in(list(self.symbols)))
        for (symbol,), rows in sorted(known.partition_by("symbol", as_dict=True).items(), key=str):
            yield Piece(
                str(symbol),
                _times(rows.get_column("ts_unix_ms")),
                _values(rows.select(values)),
                rows.get_column("row").to_numpy().astype(np.int64),
                file,
            )


class CatalogSource:
    """A Parquet catalog, read a day at a time. Of a bar the last message counts, whenever it came."""

    def __init__(self, folder: Path, symbols: Sequence[str] | None = None) -> None:
        from aster_operator.market_data.catalog.catalog import Catalog
        from aster_operator.market_data.catalog.problems import CatalogError

        try:
            self._catalog = Catalog(folder)
        except CatalogError as error:
            raise BacktestProblem(str(error)) from None
        self.folder = folder
        self.symbols = symbols

    def pieces(self, stream: Stream) -> Iterator[Piece]:
        import polars as pl

        time_column = "open_ms" if stream is BARS else "event_ms"
        recorded = self._catalog.symbols(stream.catalog)
        for symbol in recorded if self.symbols is None else self.symbols:
            if symbol not in recorded:
                continue
            everything = self._catalog.scan(stream.catalog, [symbol])
            first, last = (
                everything.select(
                    pl.col(time_column).min().alias("first"), pl.col(time_column).max().alias("last")
                )
                .collect()
                .row(0)
            )
            if first is None:
                continue
            for day_ms in range(first - first % DAY_MS, last + 1, DAY_MS):
                rows = self._catalog.scan(stream.catalog, [symbol], start_ms=day_ms, end_ms=day_ms + DAY_MS)
                yield self._piece(rows, stream, symbol)

    def _piece(self, rows: pl.LazyFrame, stream: Stream, symbol: str) -> Piece:
        import polars as pl

        if stream is BARS:
            # Messages of a running bar come before the one that closes it; a bar asked for later is whole.
            rows = rows.sort("open_ms", "is_closed", "event_ms", "received_ns").unique(
                "open_ms", keep="last", maintain_order=True
            )
            time = pl.col("close_ms").alias("time_ms")
        else:
            rows = rows.sort("event_ms", "received_ns")
            time = pl.col("event_ms").alias("time_ms")
        frame = rows.select(time, *stream.catalog_columns).drop_nulls().collect()
        return Piece(
            symbol,
            _times(frame.get_column("time_ms")),
            _values(frame.select(stream.catalog_columns)),
            np.arange(1, frame.height + 1, dtype=np.int64),
            self.folder / f"stream={stream.catalog}" / f"symbol={symbol}",
        )


def _times(column: pl.Series) -> LongIntegers:
    # A copy of our own: kernels would be compiled once more for columns that cannot be written to.
    return np.array(column.to_numpy(), dtype=np.int64)


def _values(columns: pl.DataFrame) -> Floats:
    return np.array(columns.to_numpy(), dtype=np.float64, order="C")


def _unreadable(file: Path, error: Exception) -> BacktestProblem:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BacktestProblem(f"not a readable CSV log ({reason})", str(file), "check the file")
