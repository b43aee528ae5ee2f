"""CSV logs as `collect` writes them, made up: one row a second and symbol."""

from pathlib import Path

import numpy as np
import polars as pl

START_MS = 1_767_225_600_000  # 2026-01-01 00:00 UTC
MINUTE_MS = 60_000


def write_logs(
    folder: Path,
    minutes: int,
    seed: int,
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"),
    offset_ms: int = 0,
) -> None:
    """Logs of the first `minutes` minutes; `offset_ms` moves the rows within their second."""
    frames = [_symbol(symbol, minutes, seed + number, offset_ms) for number, symbol in enumerate(symbols)]
    folder.mkdir(parents=True, exist_ok=True)
    for log in ("kline", "bookTicker", "markPrice"):
        pl.concat([frame[log] for frame in frames]).sort("ts_unix_ms", "symbol").write_csv(
            folder / f"{log}.csv"
        )


def _symbol(symbol: str, minutes: int, seed: int, offset_ms: int) -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    seconds = 60 * minutes
    times = START_MS + 1000 * np.arange(seconds) + offset_ms
    price = np.round(40_000 * np.exp(np.cumsum(rng.normal(0, 1e-4, seconds))), 1)
    by_minute = price.reshape(minutes, 60)
    # Quantities and rates have as many decimals as the venue gives them.
    volume = np.round(rng.exponential(1.0, (minutes, 60)), 3)
    spread = 0.1 * rng.integers(1, 4, seconds)
    bid = np.round(price - 0.1 * rng.integers(0, 2, seconds), 1)
    mark = np.round(price + rng.normal(0, 0.5, seconds), 4)
    moments = pl.from_epoch(pl.Series(times), time_unit="ms").dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    base = {"ts_unix_ms": times, "ts_dt_utc": moments, "symbol": [symbol] * seconds}
    start = times - times % MINUTE_MS
    kline = pl.DataFrame(
        base
        | {
            "k1_start_ms": start,
            "k1_close_ms": start + MINUTE_MS - 1,
            "k1_open": np.repeat(by_minute[:, 0], 60),
            "k1_high": np.maximum.accumulate(by_minute, axis=1).ravel(),
            "k1_low": np.minimum.accumulate(by_minute, axis=1).ravel(),
            "k1_close": price,
            "k1_base_vol": np.round(np.cumsum(volume, axis=1), 3).ravel(),
            "k1_quote_vol": np.cumsum(volume, axis=1).ravel() * price,
            "k1_trades": np.arange(seconds),
            "k1_closed": np.zeros(seconds, dtype=bool),
        }
    )
    book = pl.DataFrame(
        base
        | {
            "bid_px": bid,
            "bid_qty": np.ones(seconds),
            "ask_px": np.round(bid + spread, 1),
            "ask_qty": np.ones(seconds),
            "spread": spread,
            "mid": bid + spread / 2,
            "imbalance": np.zeros(seconds),
            "weighted_mid": bid + spread / 2,
        }
    )
    marks = pl.DataFrame(
        base
        | {
            "mark_px": mark,
            "index_px": mark,
            "funding_rate": np.repeat(np.round(rng.normal(1e-4, 5e-5, minutes), 8), 60),
            "next_funding_time_ms": np.full(seconds, START_MS + 8 * 60 * MINUTE_MS),
            "mark_index_bps": np.zeros(seconds),
        }
    )
    # Values that are not known yet are empty.
    book = book.with_columns(
        pl.when(pl.int_range(pl.len()) < 5).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("bid_px", "ask_px")
    )
    return {"kline": kline, "bookTicker": book, "markPrice": marks}
