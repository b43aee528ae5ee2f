"""A catalog as CSV logs: what the recorder would have written, one row a second and symbol.

Each second shows what had been received by then. Rows that came from logs are written back at their own
times, so that logs survive the way into a catalog and out again.
"""

import csv
from collections.abc import Collection, Iterator, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Final

import polars as pl

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.coverage import bounds_of, days_of
from aster_operator.market_data.catalog.durable import write_durably
from aster_operator.market_data.catalog.schemas import BOOK_LEVELS
from aster_operator.market_data.csv_logs import LOG_COLUMNS, time_text

__all__ = ["catalog_to_csv"]

_SECOND_MS: Final = 1000
_STREAMS: Final = {
    "kline": ("kline_1m",),
    "bookTicker": ("bookTicker",),
    "markPrice": ("markPrice",),
    "aggTrade_1s": ("aggTrade", "aggTrade_1s"),
    "depth5": ("depth5",),
}


def catalog_to_csv(
    catalog: Catalog,
    folder: Path,
    symbols: Collection[str] | None = None,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> dict[str, int]:
    """Write the five logs into `folder`, whole; rows by log. Logs without rows are not written.

    One day of one symbol is in memory at a time; rows are sorted by day, time and symbol.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, int] = {}
    for log, streams in _STREAMS.items():
        if any(stream in catalog.streams() for stream in streams):
            days = _days(catalog, log, streams, symbols, start_ms, end_ms)
            written[log] = _write_log(folder, log, days)
    return written


def _write_log(folder: Path, log: str, days: Iterator[pl.DataFrame]) -> int:
    count = 0

    def write(path: Path) -> None:
        nonlocal count
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(LOG_COLUMNS[log])
            for rows in days:
                out.writerows(rows.iter_rows())
                count += rows.height

    write_durably(folder / f"{log}.csv", write)
    return count


def _days(
    catalog: Catalog,
    log: str,
    streams: Sequence[str],
    symbols: Collection[str] | None,
    start_ms: int | None,
    end_ms: int | None,
) -> Iterator[pl.DataFrame]:
    present = [stream for stream in streams if stream in catalog.streams()]
    wanted = sorted({symbol for stream in present for symbol in catalog.symbols(stream)})
    chosen = [symbol for symbol in wanted if symbols is None or symbol in symbols]
    days = sorted(
        {
            day
            for stream in present
            for symbol in chosen
            for day in days_of(catalog, stream, symbol, start_ms, end_ms)
        }
    )
    for day in days:
        low, high = bounds_of(day)
        low, high = max(low, start_ms or low), min(high, end_ms or high)
        found = []
        for stream in present:
            for symbol in chosen:
                rows = catalog.read(stream, [symbol], start_ms=low, end_ms=high)
                if rows.height:
                    found.append(_log_rows(log, stream, symbol, rows))
        if found:
            yield pl.concat(found).sort("ts_unix_ms", "symbol", maintain_order=True).select(LOG_COLUMNS[log])


def _log_rows(log: str, stream: str, symbol: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of a log for one symbol and day."""
    timed = rows.with_columns((pl.col("received_ns") // 1_000_000).alias("_ms")).sort(
        "received_ns", maintain_order=True
    )
    taken = timed.filter(pl.col("source") == "csv")
    heard = timed.filter(pl.col("source") != "csv")
    parts = []
    if taken.height:
        parts.append(taken.with_columns(pl.col("_ms").alias("ts_unix_ms")))
    if heard.height:
        parts.append(_sums_of_seconds(heard) if stream == "aggTrade" else _each_second(heard))
    columns = _EXPRESSIONS["aggTrade_1s" if log == "aggTrade_1s" else log]()
    shown = [
        part.select(
            pl.col("ts_unix_ms").cast(pl.Int64),
            pl.col("ts_unix_ms").map_elements(time_text, return_dtype=pl.String).alias("ts_dt_utc"),
            pl.lit(symbol).alias("symbol"),
            *(expression.alias(name) for name, expression in columns.items()),
        )
        for part in parts
    ]
    return pl.concat(shown)


def _seconds(rows: pl.DataFrame) -> pl.DataFrame:
    """Every second from the first row on to the last, at its beginning."""
    first, last = rows["_ms"][0], rows["_ms"][-1]
    start = -(-first // _SECOND_MS) * _SECOND_MS
    end = -(-last // _SECOND_MS) * _SECOND_MS
    return pl.DataFrame({"ts_unix_ms": pl.int_range(start, end + 1, _SECOND_MS, eager=True)})


def _each_second(rows: pl.DataFrame) -> pl.DataFrame:
    return _seconds(rows).join_asof(rows, left_on="ts_unix_ms", right_on="_ms", strategy="backward")


def _sums_of_seconds(rows: pl.DataFrame) -> pl.DataFrame:
    second = (-(-pl.col("_ms") // _SECOND_MS) * _SECOND_MS).alias("ts_unix_ms")
    buys = ~pl.col("is_buyer_maker")
    quantity, value = pl.col("quantity"), pl.col("price") * pl.col("quantity")
    sums = rows.group_by(second).agg(
        pl.len().cast(pl.Int64).alias("n_trades_1s"),
        quantity.sum().alias("sum_qty_1s"),
        quantity.filter(buys).sum().alias("buy_qty_1s"),
        quantity.filter(~buys).sum().alias("sell_qty_1s"),
        value.filter(buys).sum().alias("buy_notional_1s"),
        value.filter(~buys).sum().alias("sell_notional_1s"),
    )
    zeros = pl.exclude("ts_unix_ms").fill_null(0)
    filled = _seconds(rows).join(sums, on="ts_unix_ms", how="left").with_columns(zeros)
    total = pl.col("buy_notional_1s") + pl.col("sell_notional_1s")
    average = pl.when(pl.col("sum_qty_1s") > 0).then(total / pl.col("sum_qty_1s"))
    return filled.with_columns(average.alias("vwap_1s"))


def _balance(bids: pl.Expr, asks: pl.Expr) -> pl.Expr:
    return pl.when(bids + asks > 0).then((bids - asks) / (bids + asks))


def _bars() -> dict[str, pl.Expr]:
    names = ("open", "high", "low", "close")
    return {
        "k1_start_ms": pl.col("open_ms"),
        "k1_close_ms": pl.col("close_ms"),
        **{f"k1_{name}": pl.col(name) for name in names},
        "k1_base_vol": pl.col("base_volume"),
        "k1_quote_vol": pl.col("quote_volume"),
        "k1_trades": pl.col("trades"),
        "k1_closed": pl.when(pl.col("is_closed")).then(pl.lit("True")).otherwise(pl.lit("False")),
    }


def _quotes() -> dict[str, pl.Expr]:
    bid, bids, ask, asks = (
        pl.col(name) for name in ("bid_price", "bid_quantity", "ask_price", "ask_quantity")
    )
    return {
        "bid_px": bid,
        "bid_qty": bids,
        "ask_px": ask,
        "ask_qty": asks,
        "spread": ask - bid,
        "mid": (bid + ask) / 2,
        "imbalance": _balance(bids, asks),
        "weighted_mid": pl.when(bids + asks > 0).then((bids * ask + asks * bid) / (bids + asks)),
    }


def _marks() -> dict[str, pl.Expr]:
    mark, index = pl.col("mark_price"), pl.col("index_price")
    return {
        "mark_px": mark,
        "index_px": index,
        "funding_rate": pl.col("funding_rate"),
        "next_funding_time_ms": pl.col("next_funding_ms"),
        "mark_index_bps": pl.when(index > 0).then((mark / index - 1.0) * 1e4),
    }


def _sums() -> dict[str, pl.Expr]:
    return {name: pl.col(name) for name in LOG_COLUMNS["aggTrade_1s"][3:]}


def _books() -> dict[str, pl.Expr]:
    levels = range(1, BOOK_LEVELS + 1)
    cells = {
        f"{side}{level}_{theirs}": pl.col(f"{side}{level}_{ours}")
        for side in ("bid", "ask")
        for ours, theirs in (("price", "px"), ("quantity", "qty"))
        for level in levels
    }
    # Added from the best level on, as the recorder does: another order has other last digits.
    bids, asks = (
        reduce(add, (pl.col(f"{side}{level}_quantity").fill_null(0.0) for level in levels))
        for side in ("bid", "ask")
    )
    return {**cells, "obi5": _balance(bids, asks)}


_EXPRESSIONS: Final = {
    "kline": _bars,
    "bookTicker": _quotes,
    "markPrice": _marks,
    "aggTrade_1s": _sums,
    "depth5": _books,
}
