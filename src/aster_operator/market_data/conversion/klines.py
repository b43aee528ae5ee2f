"""Kline files ⇄ catalog: closed bars with the columns that `load_history` and research read.

A kline file holds `symbol, open_time_ms, open, high, low, close, base_volume` and the nullable
`quote_volume, trades, taker_buy_base, taker_buy_quote`; bars of one length, sorted, none twice.
"""

from collections.abc import Collection, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl

from aster_operator.domain.clock import DAY_MS, MINUTE_MS
from aster_operator.domain.market import INTERVAL_MS
from aster_operator.market_data.catalog.broken import collected
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.durable import make_folder, write_durably
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.catalog.quality import interval_ms_of
from aster_operator.market_data.catalog.schemas import GAPS, kline_stream, stream_schema
from aster_operator.market_data.conversion.problems import ConversionError
from aster_operator.market_data.history import (
    KLINE_COLUMNS,
    HistoryError,
    RecordedHistory,
    check_klines,
    load_history,
    read_checked,
)

__all__ = [
    "KLINE_FILE_COLUMNS",
    "catalog_history",
    "catalog_to_klines",
    "closed_bars",
    "kline_files",
    "klines_to_catalog",
]

_EXTRAS: Final = {
    "quote_volume": pl.Float64(),
    "trades": pl.Int64(),
    "taker_buy_base": pl.Float64(),
    "taker_buy_quote": pl.Float64(),
}
KLINE_FILE_COLUMNS: Final = (*KLINE_COLUMNS, *_EXTRAS)
_INTERVALS: Final = {name: length for name, length in INTERVAL_MS.items() if length <= DAY_MS}


def kline_files(source: Path) -> list[Path]:
    """The kline files at `source`: itself, or those in the folder and its `klines_*` sub-folders."""
    if source.is_file():
        return [source]
    inside = [*source.glob("*.parquet"), *source.glob("klines_*/*.parquet")]
    return sorted(path for path in inside if not path.name.startswith("funding"))


def klines_to_catalog(
    source: Path, root: Path, name: str, symbols: Collection[str] | None = None
) -> dict[str, int]:
    """Add kline files, and `funding*.parquet` beside them, to the catalog at `root`; rows by stream.

    Everything is read and judged before the first file is written. Raises ConversionError, HistoryError.
    """
    frames: dict[str, list[pl.DataFrame]] = {}
    for file in kline_files(source):
        frame = read_checked(file, KLINE_COLUMNS)
        if symbols is not None:
            frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
        if frame.is_empty():
            continue
        interval = _interval_of(frame, file)
        check_klines(frame, file, step_ms=_INTERVALS[interval])
        frames.setdefault(kline_stream(interval), []).append(_rows_of(frame, interval))
        frames.setdefault(GAPS, []).append(_breaks(frame, interval, file))
    folder = source.parent if source.is_file() else source
    funding = [_funding_rows(file, symbols) for file in sorted(folder.glob("funding*.parquet"))]
    if funding:
        frames["funding"] = funding
    if not frames:
        raise ConversionError(f"{source}: holds no kline file, or none of the symbols")
    make_folder(root)
    joined = {stream: pl.concat(found) for stream, found in frames.items()}
    return {
        stream: sum(add_rows(root, stream, rows, name).values())
        for stream, rows in joined.items()
        if rows.height
    }


def _interval_of(frame: pl.DataFrame, file: Path) -> str:
    """The length of the bars: the smallest distance between two of a symbol."""
    steps = frame.select(pl.col("open_time_ms").diff().over("symbol"))["open_time_ms"].drop_nulls()
    positive = steps.filter(steps > 0)
    smallest = int(positive.sort()[0]) if positive.len() else MINUTE_MS
    for interval, length in _INTERVALS.items():
        if length == smallest:
            return interval
    raise ConversionError(
        f"{file}: column open_time_ms: bars are {smallest} ms apart, which is no interval of the venue"
    )


def _rows_of(frame: pl.DataFrame, interval: str) -> pl.DataFrame:
    length = _INTERVALS[interval]
    end = pl.col("open_time_ms").cast(pl.Int64) + length
    renamed = {
        "open_ms": pl.col("open_time_ms").cast(pl.Int64),
        "close_ms": end - 1,
        "event_ms": end,
        "received_ns": end * 1_000_000,
        "source": pl.lit("file"),
        "is_closed": pl.lit(True),
        "taker_buy_base_volume": _extra(frame, "taker_buy_base"),
        "taker_buy_quote_volume": _extra(frame, "taker_buy_quote"),
        "quote_volume": _extra(frame, "quote_volume"),
        "trades": _extra(frame, "trades"),
        "first_trade_id": pl.lit(None, pl.Int64),
        "last_trade_id": pl.lit(None, pl.Int64),
    }
    prices = {name: pl.col(name).cast(pl.Float64) for name in ("open", "high", "low", "close", "base_volume")}
    columns = renamed | prices
    names = stream_schema(kline_stream(interval)).names
    return frame.select("symbol", *(columns[name].alias(name) for name in names))


def _breaks(frame: pl.DataFrame, interval: str, file: Path) -> pl.DataFrame:
    """Rows for the table of gaps: where the file leaves bars out."""
    length = _INTERVALS[interval]
    time = pl.col("open_time_ms").cast(pl.Int64)
    start = (time.shift(1).over("symbol") + length).alias("start_ms")
    jumps = frame.select("symbol", start, time.alias("end_ms")).filter(pl.col("end_ms") > pl.col("start_ms"))
    return jumps.select(
        "symbol",
        pl.col("end_ms").alias("event_ms"),
        (pl.col("end_ms") * 1_000_000).alias("received_ns"),
        pl.lit("file").alias("source"),
        pl.lit(kline_stream(interval)).alias("affected_stream"),
        "start_ms",
        "end_ms",
        pl.lit("not in the file").alias("cause"),
        pl.lit(file.name).alias("detail"),
        ((pl.col("end_ms") - pl.col("start_ms")) // length).alias("missed"),
        pl.lit(False).alias("is_filled"),
    )


def _extra(frame: pl.DataFrame, name: str) -> pl.Expr:
    kind = _EXTRAS[name]
    return pl.col(name).cast(kind) if name in frame.columns else pl.lit(None, kind)


def _funding_rows(file: Path, symbols: Collection[str] | None) -> pl.DataFrame:
    frame = read_checked(file, ("symbol", "funding_time_ms", "funding_rate")).drop_nulls()
    if symbols is not None:
        frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
    time = pl.col("funding_time_ms").cast(pl.Int64)
    return frame.select(
        "symbol",
        time.alias("event_ms"),
        (time * 1_000_000).alias("received_ns"),
        pl.lit("file").alias("source"),
        time.alias("funding_ms"),
        pl.col("funding_rate").cast(pl.Float64),
    )


def closed_bars(
    catalog: Catalog,
    interval: str,
    symbols: Collection[str] | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> pl.DataFrame:
    """Closed bars in the columns of a kline file, each once, by symbol and time.

    A bar that was heard live is preferred to the same bar from elsewhere.
    """
    rows = catalog.scan(kline_stream(interval), symbols, start_ms=start_ms, end_ms=end_ms)
    live_first = pl.col("source").replace_strict({"stream": 0, "rest": 1}, default=2, return_dtype=pl.Int8)
    bars = (
        rows.filter(pl.col("is_closed"))
        .sort("symbol", "open_ms", live_first)
        .unique(["symbol", "open_ms"], keep="first", maintain_order=True)
        .rename(
            {
                "open_ms": "open_time_ms",
                "taker_buy_base_volume": "taker_buy_base",
                "taker_buy_quote_volume": "taker_buy_quote",
            }
        )
        .select(KLINE_FILE_COLUMNS)
    )
    return collected(bars, catalog.root, kline_stream(interval))


def catalog_history(
    root: Path, symbols: Sequence[str] | None, *, start_ms: int | None = None, end_ms: int | None = None
) -> RecordedHistory:
    """The closed minutes and settled funding of a catalog, judged as files are. Raises HistoryError."""
    catalog = Catalog(root)
    with TemporaryDirectory(prefix="aster-minutes-") as folder:
        catalog_to_klines(catalog, Path(folder), symbols, start_ms=start_ms, end_ms=end_ms, intervals=("1m",))
        try:
            return load_history(Path(folder), symbols)
        except HistoryError as error:
            problem = str(error).removeprefix(f"{folder}").lstrip("/")
            raise HistoryError(f"{root}: {problem}") from error


def catalog_to_klines(
    catalog: Catalog,
    folder: Path,
    symbols: Collection[str] | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    intervals: Collection[str] | None = None,
) -> dict[str, int]:
    """Write `klines_<interval>/<SYMBOL>.parquet` of all lengths, and `funding.parquet`; rows by name."""
    written: dict[str, int] = {}
    for stream in catalog.streams():
        if interval_ms_of(stream) is None:
            continue
        interval = stream.removeprefix("kline_")
        if intervals is not None and interval not in intervals:
            continue
        for symbol in catalog.symbols(stream):
            if symbols is not None and symbol not in symbols:
                continue
            bars = closed_bars(catalog, interval, [symbol], start_ms=start_ms, end_ms=end_ms)
            if bars.is_empty():
                continue
            target = folder / f"klines_{interval}"
            make_folder(target)
            _write(bars, target / f"{symbol}.parquet")
            written[f"klines_{interval}"] = written.get(f"klines_{interval}", 0) + bars.height
    if "funding" in catalog.streams():
        rates = _rates(catalog, symbols, start_ms, end_ms)
        if rates.height:
            make_folder(folder)
            _write(rates, folder / "funding.parquet")
            written["funding"] = rates.height
    return written


def _rates(
    catalog: Catalog, symbols: Collection[str] | None, start_ms: int | None, end_ms: int | None
) -> pl.DataFrame:
    rows = catalog.scan("funding", symbols, start_ms=start_ms, end_ms=end_ms)
    once: Sequence[str] = ("symbol", "funding_ms")
    rates = (
        rows.sort(*once, "received_ns")
        .unique(once, keep="first", maintain_order=True)
        .select("symbol", pl.col("funding_ms").alias("funding_time_ms"), "funding_rate")
    )
    return collected(rates, catalog.root, "funding")


def _write(frame: pl.DataFrame, path: Path) -> None:
    write_durably(path, lambda aside: frame.write_parquet(aside, compression="zstd"))
