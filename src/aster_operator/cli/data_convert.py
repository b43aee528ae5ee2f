"""What `data convert` and `data compact` do with the paths they are given."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aster_operator.market_data.catalog.maintenance import Compaction

__all__ = ["compact_catalog", "convert"]


def convert(
    source: Path,
    target: Path,
    to: str | None,
    symbols: tuple[str, ...] | None,
    start_ms: int | None,
    end_ms: int | None,
) -> dict[str, int]:
    """Convert what is at `source`, whatever it is; rows by name. Raises ConversionError, HistoryError."""
    from aster_operator.domain.clock import WallClock
    from aster_operator.market_data.catalog.catalog import Catalog
    from aster_operator.market_data.catalog.layout import added_name, is_catalog
    from aster_operator.market_data.conversion.csv_in import csv_log_files, csv_to_catalog
    from aster_operator.market_data.conversion.csv_out import catalog_to_csv
    from aster_operator.market_data.conversion.klines import (
        catalog_to_klines,
        kline_files,
        klines_to_catalog,
    )
    from aster_operator.market_data.conversion.problems import ConversionError

    if not source.exists():
        raise ConversionError(f"{source}: no such file or folder")
    if target.is_file():
        raise ConversionError(f"{target}: is a file: name a folder")
    if is_catalog(source):
        if to == "catalog":
            raise ConversionError(f"{source}: is a catalog already: pass --to csv or --to klines")
        write = catalog_to_klines if to == "klines" else catalog_to_csv
        return write(Catalog(source), target, symbols, start_ms=start_ms, end_ms=end_ms)
    if to not in (None, "catalog"):
        raise ConversionError(
            f"{source}: is no catalog: only a catalog becomes {to}, so make one of it first"
        )
    if start_ms is not None or end_ms is not None:
        raise ConversionError(f"{source}: --since and --until choose from a catalog; convert all of it first")
    clock = WallClock()
    name = added_name(clock.now_ns(), os.getpid())
    if source.is_dir() and csv_log_files(source):
        return csv_to_catalog(source, target, name, symbols)
    if kline_files(source):
        return klines_to_catalog(source, target, name, symbols)
    raise ConversionError(
        f"{source}: holds neither CSV logs (kline.csv, ...) nor kline Parquet files, and is no catalog"
    )


def compact_catalog(root: Path, retention_days: int | None) -> "tuple[Compaction, int]":
    """Compact all days but the newest, and delete old ones; (what was done, days deleted)."""
    from aster_operator.domain.clock import WallClock
    from aster_operator.market_data.catalog.durable import CatalogLock
    from aster_operator.market_data.catalog.maintenance import (
        Compaction,
        compact,
        expire,
        newest_day,
        settle_replacements,
    )
    from aster_operator.market_data.catalog.sealing import seal_segment
    from aster_operator.market_data.recorder.state import recover, save_state

    with CatalogLock(root):
        recovered = recover(root)
        save_state(root, recovered.marks, clean=recovered.was_clean)
        for segment in recovered.segments:
            seal_segment(root, segment)
        settle_replacements(root)
        clock = WallClock()
        newest = newest_day(root, clock.now_ms())
        expired = [] if retention_days is None else expire(root, retention_days, clock.now_ms())
        done = Compaction() if newest is None else compact(root, clock, before_day=newest)
    return done, len(expired)
