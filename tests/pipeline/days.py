"""Small catalogs for sending."""

from pathlib import Path

import polars as pl

from aster_operator.domain.clock import DAY_MS
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.layout import day_start_ms
from aster_operator.market_data.catalog.parts import add_rows

DAYS = ("2026-02-01", "2026-02-02")
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def record(
    root: Path,
    name: str = "add-1.parquet",
    *,
    rows: int = 5,
    rate: float = 0.0001,
    days: tuple[str, ...] = DAYS,
) -> Catalog:
    """Funding of `rows` times a day for both symbols."""
    times = [day_start_ms(day) + number * (DAY_MS // 24) for day in days for number in range(rows)]
    for symbol in SYMBOLS:
        frame = pl.DataFrame(
            {
                "symbol": [symbol] * len(times),
                "event_ms": times,
                "received_ns": [time * 1_000_000 for time in times],
                "source": ["rest"] * len(times),
                "funding_ms": times,
                "funding_rate": [rate] * len(times),
            }
        )
        add_rows(root, "funding", frame, f"{name.removesuffix('.parquet')}-{symbol}.parquet")
    return Catalog(root)


def rows_of(root: Path) -> list[dict[str, object]]:
    return Catalog(root).read("funding").to_dicts()
