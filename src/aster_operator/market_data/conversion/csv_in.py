"""CSV logs into a catalog: samples of each second become rows with the source `csv`.

A log has one time, that of the sample: it stands for both times of the row. Seconds in which nothing was
known yet have no row. `aggTrade_1s` are sums of a second and stay such, as a stream of that name.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import polars as pl

from aster_operator.market_data.catalog.catalog import empty_frame
from aster_operator.market_data.catalog.durable import make_folder
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.catalog.schemas import BOOK_LEVELS, stream_schema
from aster_operator.market_data.conversion.problems import ConversionError
from aster_operator.market_data.csv_logs import LOG_COLUMNS, header_problem

__all__ = ["csv_log_files", "csv_to_catalog"]

_TEXT: Final = ("ts_dt_utc", "symbol")
_WHOLE: Final = (
    "ts_unix_ms",
    "k1_start_ms",
    "k1_close_ms",
    "k1_trades",
    "next_funding_time_ms",
    "n_trades_1s",
)
_FLAG: Final = ("k1_closed",)


def csv_log_files(folder: Path) -> dict[str, list[Path]]:
    """The logs in `folder` by name, those of single days too; empty when there is none."""
    found = {}
    for name in LOG_COLUMNS:
        files = [folder / f"{name}.csv", *sorted(folder.glob(f"{name}_" + "[0-9]" * 8 + ".csv"))]
        present = [file for file in files if file.is_file()]
        if present:
            found[name] = present
    return found


def csv_to_catalog(
    folder: Path, root: Path, name: str, symbols: Collection[str] | None = None
) -> dict[str, int]:
    """Add the logs of `folder` to the catalog at `root`, in files called `name`; rows by stream.

    All files are read and judged before the first is written. Raises ConversionError.
    """
    frames: dict[str, pl.DataFrame] = {}
    for log, files in csv_log_files(folder).items():
        stream, convert = _CONVERSIONS[log]
        rows = pl.concat([_read(file, log) for file in files])
        if symbols is not None:
            rows = rows.filter(pl.col("symbol").is_in(list(symbols)))
        frames[stream] = _columns_of(rows, stream, convert)
    if not frames:
        raise ConversionError(f"{folder}: holds none of {', '.join(f'{log}.csv' for log in LOG_COLUMNS)}")
    make_folder(root)
    return {stream: sum(add_rows(root, stream, frame, name).values()) for stream, frame in frames.items()}


def _read(file: Path, log: str) -> pl.DataFrame:
    columns = LOG_COLUMNS[log]
    problem = header_problem(file, columns)
    if problem is not None:
        raise ConversionError(f"{file}: {problem}")
    try:
        text = pl.read_csv(file, infer_schema=False, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ConversionError(f"{file}: not a readable CSV file ({str(error).splitlines()[0]})") from error
    typed = text.with_columns(_typed(name) for name in columns)
    for name in columns:
        wrong = typed[name].is_null() & text[name].is_not_null()
        if name in ("ts_unix_ms", "symbol"):
            wrong |= typed[name].is_null()
        if typed.schema[name] == pl.Float64:
            wrong |= ~typed[name].is_finite().fill_null(value=True)
        if wrong.any():
            place = int(wrong.arg_true()[0])
            raise ConversionError(
                f"{file}: row {place + 1}, column {name}: {text[name][place]!r} is not {_kind(name)}"
            )
    return typed


def _kind(name: str) -> str:
    if name in _FLAG:
        return "True or False"
    return "a whole number" if name in _WHOLE else "a name" if name in _TEXT else "a finite number"


def _typed(name: str) -> pl.Expr:
    column = pl.col(name)
    if name in _TEXT:
        return column
    if name in _FLAG:
        lower = column.str.to_lowercase()
        return (
            pl.when(lower == "true").then(True).when(lower == "false").then(False).otherwise(None).alias(name)
        )
    if name in _WHOLE:
        # Tools write whole numbers of a column with empty cells as 12.0.
        return column.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
    return column.cast(pl.Float64, strict=False)


def _columns_of(frame: pl.DataFrame, stream: str, convert: Callable[[], dict[str, pl.Expr]]) -> pl.DataFrame:
    schema = stream_schema(stream)
    given = {
        "event_ms": pl.col("ts_unix_ms"),
        "received_ns": pl.col("ts_unix_ms") * 1_000_000,
        "source": pl.lit("csv"),
        **convert(),
    }
    types = empty_frame(schema).schema
    rows = frame.select(
        "symbol",
        *(given.get(name, pl.lit(None)).cast(types[name]).alias(name) for name in schema.names),
    )
    needed = [name for name, _, nullable in schema.columns if not nullable]
    return rows.drop_nulls(needed)


def _bars() -> dict[str, pl.Expr]:
    return {
        "open_ms": pl.col("k1_start_ms"),
        "close_ms": pl.col("k1_close_ms"),
        **{name: pl.col(f"k1_{name}") for name in ("open", "high", "low", "close", "trades")},
        "base_volume": pl.col("k1_base_vol"),
        "quote_volume": pl.col("k1_quote_vol"),
        "is_closed": pl.col("k1_closed"),
    }


def _quotes() -> dict[str, pl.Expr]:
    return {
        "bid_price": pl.col("bid_px"),
        "bid_quantity": pl.col("bid_qty"),
        "ask_price": pl.col("ask_px"),
        "ask_quantity": pl.col("ask_qty"),
    }


def _marks() -> dict[str, pl.Expr]:
    return {
        "mark_price": pl.col("mark_px"),
        "index_price": pl.col("index_px"),
        "funding_rate": pl.col("funding_rate"),
        "next_funding_ms": pl.col("next_funding_time_ms"),
    }


def _sums() -> dict[str, pl.Expr]:
    return {name: pl.col(name) for name in LOG_COLUMNS["aggTrade_1s"][3:]}


def _books() -> dict[str, pl.Expr]:
    levels = {
        f"{side}{level}_{ours}": pl.col(f"{side}{level}_{theirs}")
        for side in ("bid", "ask")
        for level in range(1, BOOK_LEVELS + 1)
        for ours, theirs in (("price", "px"), ("quantity", "qty"))
    }
    # A log has no id; one that every picture shares says so. A second without a book has no picture.
    known = pl.any_horizontal(*(level.is_not_null() for level in levels.values()))
    return {"last_update_id": pl.when(known).then(0), **levels}


_CONVERSIONS: Final = {
    "kline": ("kline_1m", _bars),
    "bookTicker": ("bookTicker", _quotes),
    "markPrice": ("markPrice", _marks),
    "aggTrade_1s": ("aggTrade_1s", _sums),
    "depth5": ("depth5", _books),
}
