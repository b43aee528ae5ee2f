"""Catalogs of made-up ticks: no two at one moment, no trade larger than what is displayed."""

from pathlib import Path

import numpy as np
import polars as pl

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.market_data.catalog.catalog import empty_frame
from aster_operator.market_data.catalog.layout import added_name
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.catalog.schemas import stream_schema

START_MS = 1_767_225_600_000
FUNDING_MS = 8 * 60 * MINUTE_MS


def write_ticks(root: Path, minutes: int, seed: int, symbol: str = "BTCUSDT") -> None:
    """About five ticks a second from ten minutes before a settlement on."""
    rng = np.random.default_rng(seed)
    begin = START_MS + FUNDING_MS - 10 * MINUTE_MS + 1
    span = np.arange(begin, begin + minutes * MINUTE_MS - 10)
    # The mark is told every second, on the second.
    times = np.union1d(
        rng.choice(span[span % 1000 > 0], minutes * 240, replace=False), span[span % 1000 == 0]
    )
    size = len(times)
    volatility = np.where((times // (7 * MINUTE_MS)) % 2, 2.5, 1.0) * 0.9
    last = np.round(60_000 + np.cumsum(rng.normal(0, 1, size) * volatility * 2), 1)
    kind = np.where(times % 1000 == 0, 2, rng.choice([0, 0, 1], size))
    kind[0] = kind[-1] = 0
    quotes, trades, marks = (kind == number for number in range(3))
    shown = last.copy()
    # A trade prints at the price that was shown before it: nothing is swept.
    seen = np.maximum.accumulate(np.where(quotes, np.arange(size), -1))
    side = rng.choice([-1, 1], size)
    price = np.round(shown[seen] + 0.1 * side, 1)
    depth = np.round(rng.uniform(20, 60, (size, 2)), 3)
    busy = np.where((times // MINUTE_MS) % 5 == 0, 4.0, 1.0)
    quantity = np.round(rng.uniform(0.001, 0.05, size) * busy, 3)
    put(root, "bookTicker", symbol, times[quotes], {
        "bid_price": np.round(shown - 0.1, 1)[quotes], "bid_quantity": depth[quotes, 0],
        "ask_price": np.round(shown + 0.1, 1)[quotes], "ask_quantity": depth[quotes, 1],
    })  # fmt: skip
    put(root, "aggTrade", symbol, times[trades], {
        "trade_id": np.arange(trades.sum()), "trade_ms": times[trades], "price": price[trades],
        "quantity": quantity[trades], "is_buyer_maker": side[trades] < 0,
    })  # fmt: skip
    mark = np.round(shown[seen] + rng.normal(0, 2, size), 1)
    put(root, "markPrice", symbol, times[marks], {
        "mark_price": mark[marks], "index_price": mark[marks], "funding_rate": np.full(marks.sum(), 4e-5),
        "next_funding_ms": (times[marks] // FUNDING_MS + 1) * FUNDING_MS,
    })  # fmt: skip


def write_bars(root: Path, symbol: str = "BTCUSDT") -> None:
    """The minute bars of the trades that `write_ticks` left, beside them."""
    files = sorted((root / "stream=aggTrade").glob(f"symbol={symbol}/**/*.parquet"))
    price, quantity = pl.col("price").cast(pl.Float64), pl.col("quantity").cast(pl.Float64)
    bars = (
        pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])
        .sort("trade_ms")
        .group_by((pl.col("trade_ms") // MINUTE_MS * MINUTE_MS).alias("open_ms"), maintain_order=True)
        .agg(
            price.first().alias("open"),
            price.max().alias("high"),
            price.min().alias("low"),
            price.last().alias("close"),
            quantity.sum().alias("base_volume"),
        )
        .with_columns((pl.col("open_ms") + MINUTE_MS - 1).alias("close_ms"), pl.lit(True).alias("is_closed"))
    )
    columns = {name: bars.get_column(name).to_numpy() for name in bars.columns}
    put(root, "kline_1m", symbol, columns["close_ms"] + 1, columns)


def put(root: Path, stream: str, symbol: str, times: np.ndarray, columns: dict[str, np.ndarray]) -> None:
    """Add rows to a stream; what `columns` do not name is not known."""
    schema = stream_schema(stream)
    types = empty_frame(schema).schema
    given = {"event_ms": times, "received_ns": times * 1_000_000, "source": ["stream"] * len(times)} | columns
    frame = pl.DataFrame(given).select(
        pl.lit(symbol).alias("symbol"),
        *(
            (pl.col(name) if name in given else pl.lit(None)).cast(types[name]).alias(name)
            for name in schema.names
        ),
    )
    root.mkdir(parents=True, exist_ok=True)
    add_rows(root, stream, frame, added_name(1, 1))
