"""Recorded minutes: read Parquet klines and funding, check them, hand them out as plain columns.

Schema of a kline file: `symbol` text, `open_time_ms` integer, `open high low close base_volume` floats and
the nullable extras `quote_volume trades taker_buy_base taker_buy_quote`. Schema of a funding file: `symbol`,
`funding_time_ms`, `funding_rate` (fraction per interval). Times are UTC milliseconds. A file may hold
several windows with breaks between them.

Recorded data are untrusted input: everything wrong with a file is one `HistoryError` line that names the
file, the row (first data row is 1) and the column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "KLINE_COLUMNS",
    "MINUTE_MS",
    "HistoryError",
    "RecordedHistory",
    "SymbolHistory",
    "Window",
    "check_klines",
    "load_history",
    "read_checked",
    "recorded_symbols",
    "refuse_rows",
    "sample_data_path",
]

MINUTE_MS = 60_000
_HOUR_MS = 3_600_000
KLINE_COLUMNS = ("symbol", "open_time_ms", "open", "high", "low", "close", "base_volume")
_PRICES = ("open", "high", "low", "close")
_YEAR_2100_MS = 4_102_444_800_000
_FUNDING_REQUIRED = ("symbol", "funding_time_ms", "funding_rate")


class HistoryError(ValueError):
    """A recorded file cannot be used; the text is one line: what, where, what to do."""


@dataclass(frozen=True, slots=True)
class Window:
    """Contiguous minutes: `start_ms` of the first, `end_ms` just after the last, `minutes` of them."""

    start_ms: int
    end_ms: int
    minutes: int


@dataclass(frozen=True)
class SymbolHistory:
    """The minutes of one symbol in columns of equal length, sorted by time.

    Prices in quote units, volumes in base units. `taker_buy_base` holds None where it was not recorded.
    `funding` is ((settlement time rounded to the hour, fraction per interval), ...), sorted.
    """

    symbol: str
    open_time_ms: Sequence[int]
    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    base_volume: Sequence[float]
    taker_buy_base: Sequence[float | None]
    funding: tuple[tuple[int, float], ...] = ()

    def __len__(self) -> int:
        return len(self.open_time_ms)

    @property
    def start_ms(self) -> int:
        return self.open_time_ms[0]

    @property
    def end_ms(self) -> int:
        """Just after the last minute."""
        return self.open_time_ms[-1] + MINUTE_MS

    def windows(self) -> tuple[Window, ...]:
        """Contiguous stretches, oldest first."""
        found: list[Window] = []
        start = previous = self.open_time_ms[0]
        for time_ms in self.open_time_ms[1:]:
            if time_ms != previous + MINUTE_MS:
                found.append(_window(start, previous))
                start = time_ms
            previous = time_ms
        found.append(_window(start, previous))
        return tuple(found)


@dataclass(frozen=True)
class RecordedHistory:
    """Minutes of several symbols, in the order they were asked for or found."""

    symbols: dict[str, SymbolHistory]

    @property
    def start_ms(self) -> int:
        """First minute at which every symbol has begun."""
        return max(history.start_ms for history in self.symbols.values())

    @property
    def end_ms(self) -> int:
        """Just after the last minute of any symbol."""
        return max(history.end_ms for history in self.symbols.values())


def sample_data_path() -> Path:
    """Folder with the bundled sample: three days of BTCUSDT and ETHUSDT minutes with funding."""
    return Path(str(resources.files("aster_operator.market_data"))) / "sample"


def load_history(
    path: Path | None = None,
    symbols: Sequence[str] | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> RecordedHistory:
    """Read and check recorded minutes.

    `path` is a Parquet file, a folder of them, or None for the bundled sample. A folder is read from its
    `klines_1m*.parquet` files or its `klines_1m` sub-folder where it has them, else from every Parquet file
    that is not named `funding*`; `funding*.parquet` beside them is joined. A catalog gives its closed
    minutes and settled funding. `symbols` None means all.
    `start_ms` is inclusive, `end_ms` exclusive. Raises HistoryError.
    """
    source = sample_data_path() if path is None else path
    if _is_catalog(source):
        from aster_operator.market_data.conversion.klines import catalog_history

        return catalog_history(source, symbols, start_ms=start_ms, end_ms=end_ms)
    kline_files, funding_files = _find_files(source)
    frame, known = _read_klines(kline_files, symbols)
    wanted = list(symbols) if symbols is not None else list(known)
    _refuse_unknown_symbols(known, wanted, source)
    funding = _read_funding(funding_files, wanted)
    found = {
        symbol: _symbol_history(frame, symbol, funding.get(symbol, ()), start_ms, end_ms, source)
        for symbol in wanted
    }
    return RecordedHistory(found)


def recorded_symbols(path: Path | None = None) -> list[str]:
    """The symbols of recorded minutes, sorted; `path` as for `load_history`. Raises HistoryError."""
    source = sample_data_path() if path is None else path
    if _is_catalog(source):
        from aster_operator.market_data.catalog.catalog import Catalog

        return Catalog(source).symbols("kline_1m")
    kline_files, _ = _find_files(source)
    found: set[str] = set()
    for file in kline_files:
        found.update(read_checked(file, ("symbol",))["symbol"].drop_nulls().unique().to_list())
    if not found:
        raise HistoryError(f"{kline_files[0]}: column symbol: is empty")
    return sorted(found)


def _is_catalog(source: Path) -> bool:
    from aster_operator.market_data.catalog.layout import is_catalog

    return is_catalog(source)


def _window(start_ms: int, last_ms: int) -> Window:
    return Window(start_ms, last_ms + MINUTE_MS, (last_ms - start_ms) // MINUTE_MS + 1)


def _find_files(source: Path) -> tuple[list[Path], list[Path]]:
    if source.is_file():
        return [source], sorted(source.parent.glob("funding*.parquet"))
    if not source.is_dir():
        raise HistoryError(f"{source}: no such file or folder; give a Parquet file or a folder of them")
    funding = sorted(source.glob("funding*.parquet"))
    if source.name == "klines_1m" and not funding:
        funding = sorted(source.parent.glob("funding*.parquet"))
    candidates = sorted(source.glob("klines_1m*.parquet")) or sorted(source.glob("klines_1m/*.parquet"))
    if not candidates:
        candidates = [file for file in sorted(source.glob("*.parquet")) if file not in funding]
    if not candidates:
        raise HistoryError(f"{source}: the folder holds no kline Parquet file")
    return candidates, funding


def read_checked(file: Path, required: Sequence[str]) -> pl.DataFrame:
    """Read a Parquet file that has the `required` columns in fitting types; adds `row`, counted from 1.

    Columns named `symbol` or ending in `_side` are text, those ending in `_ms` integers, all others numbers.
    Raises HistoryError.
    """
    import polars as pl

    try:
        frame = pl.read_parquet(file, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise HistoryError(f"{file}: not a readable Parquet file ({reason})") from error
    missing = [column for column in required if column not in frame.columns]
    if missing:
        raise HistoryError(f"{file}: column {missing[0]} is missing; required are {', '.join(required)}")
    _refuse_wrong_types(frame, required, file)
    return frame.with_row_index("row", offset=1)


def _refuse_wrong_types(frame: pl.DataFrame, required: Sequence[str], file: Path) -> None:
    for column in required:
        data_type = frame.schema[column]
        if column == "symbol" or column.endswith("_side"):
            fits, expected = data_type.to_python() is str, "text"
        elif column.endswith("_ms"):
            fits, expected = data_type.is_integer(), "an integer"
        else:
            fits, expected = data_type.is_numeric(), "a number"
        if not fits:
            raise HistoryError(f"{file}: column {column} must be {expected}, was {data_type}")


def _read_klines(
    files: Sequence[Path], symbols: Sequence[str] | None
) -> tuple[pl.DataFrame, dict[str, Path]]:
    """All rows of the wanted symbols, and the file of every symbol that was seen."""
    import polars as pl

    frames: list[pl.DataFrame] = []
    seen: dict[str, Path] = {}
    for file in files:
        if symbols is not None and len(files) > 1 and file.stem.isupper() and file.stem not in symbols:
            seen[file.stem] = file
            continue
        frame = read_checked(file, KLINE_COLUMNS)
        refuse_rows(frame, pl.col("symbol").is_null(), file, "symbol", "is empty")
        for symbol in frame["symbol"].unique(maintain_order=True).to_list():
            if symbol in seen:
                raise HistoryError(f"{file}: column symbol: {symbol} is also in {seen[symbol]}; keep one")
            seen[symbol] = file
        if symbols is not None:
            frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
        check_klines(frame, file)
        if "taker_buy_base" not in frame.columns:
            frame = frame.with_columns(pl.lit(None, dtype=pl.Float64).alias("taker_buy_base"))
        kept = frame.select(
            "symbol",
            pl.col("open_time_ms").cast(pl.Int64),
            *(pl.col(name).cast(pl.Float64) for name in (*_PRICES, "base_volume", "taker_buy_base")),
        )
        frames.append(kept)
    return (pl.concat(frames) if frames else pl.DataFrame()), seen


def check_klines(frame: pl.DataFrame, file: Path, *, step_ms: int = MINUTE_MS) -> None:
    """Refuse bars that cannot be. `frame` is from `read_checked`, bars last `step_ms`."""
    import polars as pl

    for column in KLINE_COLUMNS:
        refuse_rows(frame, pl.col(column).is_null(), file, column, "is empty")
    for column in (*_PRICES, "base_volume"):
        refuse_rows(
            frame, ~pl.col(column).cast(pl.Float64).is_finite(), file, column, "is not a finite number"
        )
    for column in _PRICES:
        refuse_rows(frame, pl.col(column) <= 0, file, column, "must be above zero")
    refuse_rows(frame, pl.col("base_volume") < 0, file, "base_volume", "must not be negative")
    refuse_rows(frame, pl.col("high") < pl.col("low"), file, "high", "is below low")
    refuse_rows(
        frame, pl.col("high") < pl.max_horizontal("open", "close"), file, "high", "is below open or close"
    )
    refuse_rows(
        frame, pl.col("low") > pl.min_horizontal("open", "close"), file, "low", "is above open or close"
    )
    if "taker_buy_base" in frame.columns and frame.schema["taker_buy_base"].is_numeric():
        taker = pl.col("taker_buy_base")
        wrong = taker.is_not_null() & ~((taker >= 0) & (taker <= pl.col("base_volume") * (1 + 1e-9)))
        refuse_rows(frame, wrong, file, "taker_buy_base", "is not between zero and base_volume")
    time = pl.col("open_time_ms")
    refuse_rows(
        frame,
        time >= _YEAR_2100_MS,
        file,
        "open_time_ms",
        "is after the year 2100: times are milliseconds since 1970",
    )
    refuse_rows(
        frame,
        time % step_ms != 0,
        file,
        "open_time_ms",
        "is not the start of a " + ("minute" if step_ms == MINUTE_MS else "bar"),
    )
    previous = time.shift(1).over("symbol")
    refuse_rows(frame, time == previous, file, "open_time_ms", "is a duplicate of the row before")
    refuse_rows(frame, time < previous, file, "open_time_ms", "is earlier than the row before; sort the file")


def refuse_rows(frame: pl.DataFrame, wrong: pl.Expr, file: Path, column: str, complaint: str) -> None:
    """Raise HistoryError for the first row of `frame` (which has a `row` column) where `wrong` holds."""
    bad = frame.lazy().filter(wrong).select("row", column).head(1).collect()
    if bad.height:
        row, value = bad.row(0)
        raise HistoryError(f"{file}: row {row}, column {column}: {value} {complaint}")


def _refuse_unknown_symbols(known: Iterable[str], wanted: Iterable[str], source: Path) -> None:
    listed = sorted(known)
    if not listed:
        raise HistoryError(f"{source}: the data hold no minutes")
    for symbol in wanted:
        if symbol not in listed:
            raise HistoryError(
                f"{source}: column symbol: {symbol} is not in the data, which has {', '.join(listed)}"
            )


def _read_funding(files: Sequence[Path], symbols: Sequence[str]) -> dict[str, tuple[tuple[int, float], ...]]:
    import polars as pl

    rates: dict[str, dict[int, float]] = {}
    for file in files:
        frame = read_checked(file, _FUNDING_REQUIRED).filter(pl.col("symbol").is_in(list(symbols)))
        for column in _FUNDING_REQUIRED:
            refuse_rows(frame, pl.col(column).is_null(), file, column, "is empty")
        refuse_rows(
            frame, ~pl.col("funding_rate").is_finite(), file, "funding_rate", "is not a finite number"
        )
        refuse_rows(frame, pl.col("funding_rate").abs() > 1, file, "funding_rate", "is above 100 %")
        for symbol, time_ms, rate in frame.select(_FUNDING_REQUIRED).iter_rows():
            # The exchange stamps settlements some milliseconds late; the schedule itself is on the hour.
            hour_ms = (time_ms + _HOUR_MS // 2) // _HOUR_MS * _HOUR_MS
            rates.setdefault(symbol, {})[hour_ms] = float(rate)
    return {symbol: tuple(sorted(found.items())) for symbol, found in rates.items()}


def _symbol_history(
    frame: pl.DataFrame,
    symbol: str,
    funding: tuple[tuple[int, float], ...],
    start_ms: int | None,
    end_ms: int | None,
    source: Path,
) -> SymbolHistory:
    import polars as pl

    rows = frame.filter(pl.col("symbol") == symbol)
    if start_ms is not None:
        rows = rows.filter(pl.col("open_time_ms") >= start_ms)
    if end_ms is not None:
        rows = rows.filter(pl.col("open_time_ms") < end_ms)
    if rows.is_empty():
        raise HistoryError(f"{source}: {symbol} has no minute between {start_ms} and {end_ms} (milliseconds)")
    columns = {name: rows[name].to_list() for name in rows.columns if name != "symbol"}
    return SymbolHistory(symbol=symbol, funding=funding, **columns)
