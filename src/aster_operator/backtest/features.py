"""Features: minute bars with the market at their close, from one-second logs or from the catalog.

The last snapshot of each minute becomes the bar; it need not be marked as closed. To each bar belong the
last quote and mark known at its close, the quote weighted by time over the minute, and indicators over
windows of bars. Nothing later than a bar's close enters its row, and every row depends on the past alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aster_operator.backtest.feature_sources import (
    BARS,
    MARKS,
    QUOTES,
    FeatureSource,
    Piece,
    Stream,
    TimeRange,
)
from aster_operator.backtest.inputs import volatility_column, volume_column
from aster_operator.backtest.kernels.compiler import Floats, Integers, LongIntegers
from aster_operator.backtest.kernels.minutes import (
    bars_to_minutes,
    close_quote_minute,
    marks_to_minutes,
    quotes_to_minutes,
    rogers_satchell_variance,
    rolling_mean,
    rolling_volatility_bps,
)
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.tables import replace_files, table_kind
from aster_operator.domain.clock import MINUTE_MS

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "MAX_WINDOW",
    "FeatureTable",
    "bars_within",
    "build_features",
    "times_to_read",
    "write_features",
]

MAX_WINDOW = 10_080
"""Longest window in bars: a week of minutes."""


@dataclass(frozen=True)
class FeatureTable:
    """The features of all symbols, sorted by symbol and time; `gaps` counts the breaks between minutes."""

    table: pl.DataFrame
    symbols: tuple[str, ...]
    gaps: int


@dataclass(frozen=True)
class _Minutes:
    """What was known in each minute of one symbol and stream: numbers of minutes, and their values."""

    minutes: LongIntegers
    values: Floats


def build_features(
    source: FeatureSource,
    windows: Sequence[int],
    *,
    progress: Callable[[str], None] | None = None,
) -> FeatureTable:
    """The feature table of everything in `source`.

    `windows` are lengths in bars. `progress` is called with the name of each stream before it is read.
    Raises BacktestProblem for a stream that is missing or cannot be used.
    """
    import polars as pl

    found: dict[str, dict[str, _Minutes]] = {}
    for stream in (BARS, QUOTES, MARKS):
        if progress is not None:
            progress(stream.log)
        found[stream.log] = _read(source, stream)
    symbols = tuple(sorted(found[BARS.log]))
    if not symbols:
        raise BacktestProblem("there are no bars of the chosen symbols", "", "check symbols and days")
    tables = []
    gaps = 0
    for symbol in symbols:
        for stream in (QUOTES, MARKS):
            if symbol not in found[stream.log]:
                raise BacktestProblem(f"{symbol} has no rows", f"stream {stream.log}", "record it too")
        bars, quotes, marks = (found[stream.log][symbol] for stream in (BARS, QUOTES, MARKS))
        columns = _symbol_columns(bars, quotes, marks, windows)
        gaps += int((np.diff(columns["bar_ts_ms"]) != MINUTE_MS).sum())
        tables.append(_table(symbol, columns))
    return FeatureTable(pl.concat(tables), symbols, gaps)


def times_to_read(bars_within: TimeRange, windows: Sequence[int]) -> TimeRange:
    """What to read so that bars closing within a range have full windows and their own last snapshot."""
    warm_up = (max(windows, default=0) + 2) * MINUTE_MS
    return TimeRange(max(0, bars_within.start_ms - warm_up), bars_within.end_ms + MINUTE_MS)


def bars_within(features: FeatureTable, times: TimeRange) -> FeatureTable:
    """The bars that close within a range. Raises BacktestProblem when there are none."""
    import polars as pl

    table = features.table.filter(pl.col("bar_ts_ms").is_between(times.start_ms, times.end_ms, closed="left"))
    if table.is_empty():
        raise BacktestProblem(
            "there are no bars of the chosen days",
            ", ".join(features.symbols),
            "choose days that were recorded",
        )
    own = table.partition_by("symbol", maintain_order=True)
    gaps = sum(int((np.diff(rows["bar_ts_ms"].to_numpy()) != MINUTE_MS).sum()) for rows in own)
    return FeatureTable(table, tuple(str(rows["symbol"][0]) for rows in own), gaps)


def write_features(features: FeatureTable, *paths: Path) -> None:
    """Write the table to every path, CSV (also .gz) or Parquet by its name. Raises BacktestProblem."""
    replace_files({path: partial(_write, features.table, table_kind(path), path) for path in paths})


def _write(table: pl.DataFrame, kind: str, final: Path, path: Path) -> None:
    if kind == "parquet":
        table.write_parquet(path, compression="zstd")
        return
    # What a data frame of the original prints: 2026-02-01 00:00:59.999+00:00.
    text_format = "%Y-%m-%d %H:%M:%S%.3f+00:00"
    if final.name.lower().endswith(".gz"):
        table.lazy().sink_csv(path, datetime_format=text_format, compression="gzip", check_extension=False)
    else:
        table.write_csv(path, datetime_format=text_format)


_KERNELS = {BARS: bars_to_minutes, QUOTES: quotes_to_minutes, MARKS: marks_to_minutes}
_STATE_COLUMNS = 6
_OUT_COLUMNS = {BARS: 6, QUOTES: 4, MARKS: 4}


def _read(source: FeatureSource, stream: Stream) -> dict[str, _Minutes]:
    """The minutes of every symbol of the stream."""
    state_ms, state = np.empty((0, 3), dtype=np.int64), np.empty((0, _STATE_COLUMNS))
    names: tuple[str, ...] = ()
    parts = []
    for piece in source.pieces(stream):
        if len(piece.symbols) > len(names):
            new = len(piece.symbols) - len(names)
            names = piece.symbols
            state_ms = np.concatenate([state_ms, np.full((new, 3), -1, dtype=np.int64)])
            state = np.concatenate([state, np.zeros((new, _STATE_COLUMNS))])
        out = _room(len(piece.time_ms), stream)
        done = _KERNELS[stream](piece.symbol_of, piece.time_ms, piece.columns, state_ms, state, *out)
        _refuse(done, piece, stream, state_ms)
        parts.append([column[:done].copy() for column in out])
    parts.append(_last_minutes(stream, state_ms, state))
    symbols, minutes, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return {
        name: _Minutes(minutes[symbols == number], values[symbols == number])
        for number, name in enumerate(names)
        if state_ms[number, 0] >= 0
    }


def _room(rows: int, stream: Stream) -> tuple[Integers, LongIntegers, Floats]:
    return np.empty(rows, np.int32), np.empty(rows, np.int64), np.empty((rows, _OUT_COLUMNS[stream]))


def _last_minutes(stream: Stream, state_ms: LongIntegers, state: Floats) -> list[np.ndarray]:
    """The minutes that have not ended when the stream ends."""
    known = np.flatnonzero(state_ms[:, 0] >= 0)
    symbols, minutes, values = _room(len(known), stream)
    for row, number in enumerate(known):
        if stream is QUOTES:
            close_quote_minute(int(number), state_ms, state, symbols, minutes, values, row)
        else:
            symbols[row], minutes[row] = number, state_ms[number, 0] // MINUTE_MS
            values[row] = state[number, : values.shape[1]]
    return [symbols, minutes, values]


def _refuse(done: int, piece: Piece, stream: Stream, state_ms: LongIntegers) -> None:
    """Raise BacktestProblem for the row at which a kernel stopped."""
    if done >= 0:
        return
    at = -1 - done
    where = f"{piece.file}, row {piece.first_row + at}"
    if piece.time_ms[at] < state_ms[piece.symbol_of[at], 0]:
        what = f"{piece.time_ms[at]} is earlier than the row before it"
        raise BacktestProblem(what, f"{where}, column ts_unix_ms", "sort the file")
    values = dict(zip(stream.log_columns, piece.columns[at], strict=True))
    for name, value in values.items():
        if not np.isfinite(value):
            raise BacktestProblem(f"{value} is not finite", f"{where}, column {name}", "correct it")
        if value < 0 and name != "funding_rate":
            raise BacktestProblem(f"{value:g} is below 0", f"{where}, column {name}", "correct it")
        if value == 0 and name not in ("funding_rate", "k1_base_vol", "k1_start_ms"):
            raise BacktestProblem("0 is no price", f"{where}, column {name}", "correct it")
    if stream is QUOTES:
        what = f"{values['bid_px']:g} is above ask_px {values['ask_px']:g}: the book is crossed"
        raise BacktestProblem(what, f"{where}, column bid_px", "correct it")
    what = "high or low do not enclose open and close"
    raise BacktestProblem(what, f"{where}, column k1_high", "correct it")


def _symbol_columns(
    bars: _Minutes, quotes: _Minutes, marks: _Minutes, windows: Sequence[int]
) -> dict[str, Floats | LongIntegers]:
    starts = bars.values[:, 0].astype(np.int64)
    # While nothing trades, a snapshot may still show the bar before: of a bar the last snapshot counts.
    keep = np.append(starts[1:] > starts[:-1], True)
    open_, high, low, close, volume = (np.ascontiguousarray(column) for column in bars.values[keep, 1:].T)
    close_ms = starts[keep] + MINUTE_MS - 1
    minute = close_ms // MINUTE_MS
    bid, ask, tw_bid, tw_ask = _known_at(minute, quotes).T
    stale = ~np.isin(minute, quotes.minutes)
    tw_bid, tw_ask = np.where(stale, bid, tw_bid), np.where(stale, ask, tw_ask)
    mark, rate, mark_high, mark_low = _known_at(minute, marks).T
    unheard = ~np.isin(minute, marks.minutes)
    mark_high, mark_low = np.where(unheard, mark, mark_high), np.where(unheard, mark, mark_low)
    ret_bps = np.full(len(close), np.nan)
    ret_bps[1:] = 1e4 * (close[1:] / close[:-1] - 1.0)
    mid = 0.5 * (bid + ask)
    buy, sell = 1e4 * (ask / mark - 1.0), 1e4 * (mark / bid - 1.0)
    variance = rogers_satchell_variance(open_, high, low, close)
    columns: dict[str, Floats | LongIntegers] = {
        "bar_ts_ms": close_ms,
        "open": open_,
        "high": high,
        "low": low,
        "close": close,
        "vol1m": volume,
        "ret_bps": ret_bps,
        "bid_px": bid,
        "ask_px": ask,
        "mid": mid,
        "spread_bps": 1e4 * (ask - bid) / mid,
        "mark_px": mark,
        "funding_rate": rate,
        "funding_bps": 1e4 * rate,
        "opening_loss_buy_bps": buy,
        "opening_loss_sell_bps": sell,
        "opening_loss_bps": np.where(ret_bps >= 0, buy, sell),
        "tw_bid_px": tw_bid,
        "tw_ask_px": tw_ask,
        "rs_var_1m": variance,
    }
    for window in windows:
        columns[volatility_column(window)] = rolling_volatility_bps(variance, window)
        columns[volume_column(window)] = rolling_mean(volume, window)
    return columns | {"mark_high": mark_high, "mark_low": mark_low}


def _known_at(minute: LongIntegers, heard: _Minutes) -> Floats:
    """For each bar's minute the newest values of that minute or an earlier one; NaN before the first."""
    place = np.searchsorted(heard.minutes, minute, side="right") - 1
    found = np.asarray(heard.values[np.maximum(place, 0)])
    found[place < 0] = np.nan
    return found


def _table(symbol: str, columns: dict[str, Floats | LongIntegers]) -> pl.DataFrame:
    import polars as pl

    table = pl.DataFrame(columns).fill_nan(None)
    times = pl.from_epoch("bar_ts_ms", time_unit="ms").dt.replace_time_zone("UTC").alias("timestamp")
    return table.select(times, pl.lit(symbol).alias("symbol"), pl.all())
