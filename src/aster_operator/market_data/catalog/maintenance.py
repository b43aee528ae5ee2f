"""Keeping a catalog small: days that are over become one file each, days that are too old go.

Whoever calls holds the catalog's lock. A compaction that is interrupted at any moment leaves every row
readable once: a note says which files the new one replaces, and counts from the moment that file exists.
"""

import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec
import polars as pl

from aster_operator.domain.clock import DAY_MS, Clock
from aster_operator.market_data.catalog.broken import fault_of
from aster_operator.market_data.catalog.durable import remove_durably, sync_folder, write_durably
from aster_operator.market_data.catalog.layout import (
    REPLACEMENT,
    Partition,
    Replacement,
    compacted_name,
    date_of,
    day_start_ms,
    finished_files,
    partition_folder,
    partitions,
    read_replacement,
    streams_in,
)
from aster_operator.market_data.catalog.parts import sorted_rows, write_part
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.schemas import GAPS, StreamSchema, stream_schema
from aster_operator.market_data.catalog.segments import list_segments

__all__ = ["Compaction", "compact", "expire", "newest_day", "remove_day", "settle_replacements"]

_COMPACTED: Final = "day-"


class Compaction(NamedTuple):
    """What a compaction did: days written anew, files they replaced, bytes before and after, and rows that
    were there twice and now are there once."""

    days: int = 0
    files: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    duplicates: int = 0

    def plus(self, other: "Compaction") -> "Compaction":
        return Compaction(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def _all_partitions(root: Path) -> Iterator[Partition]:
    for stream in streams_in(root):
        yield from partitions(root, stream)


def newest_day(root: Path, now_ms: int) -> str | None:
    """The newest day with finished files, in market time; None for an empty catalog.

    A day beyond tomorrow counts only when the days from there on are in the catalog one after the other, as
    those of an exchange whose time runs faster are: one message with an impossible time, and everything would
    be too old to be kept.
    """
    days = sorted({partition.date for partition in _all_partitions(root)})
    tomorrow = date_of(now_ms + DAY_MS)
    believed = [day for day in days if day <= tomorrow] or days[:1]
    for day in days[len(believed) :]:
        if day_start_ms(day) != day_start_ms(believed[-1]) + DAY_MS:
            break
        believed.append(day)
    return believed[-1] if believed else None


def settle_replacements(root: Path) -> None:
    """Bring compactions that were interrupted to their end, or undo them."""
    for partition in _all_partitions(root):
        _settle(partition_folder(root, partition))


def _settle(folder: Path) -> None:
    note = folder / REPLACEMENT
    if not note.exists():
        return
    replacement = read_replacement(folder)
    if replacement is not None and (folder / replacement.into).exists():
        for name in replacement.files:
            (folder / name).unlink(missing_ok=True)
        sync_folder(folder)
    remove_durably(note)


def compact(
    root: Path, clock: Clock, *, before_day: str, go_on: Callable[[], bool] = lambda: True
) -> Compaction:
    """Make one file of each day before `before_day` (2026-02-01); `go_on` is asked before each.

    Days with rows in a segment that is not finished are left for later. Exact repetitions, equal in all the
    stream counts as its keys, are kept once. Raises CatalogError for files that cannot be read, when all
    other days are done.
    """
    total = Compaction()
    unfinished = {segment.stem for segment in list_segments(root)}
    unreadable: list[str] = []
    for partition in _all_partitions(root):
        if partition.date >= before_day:
            continue
        if not go_on():
            break
        try:
            total = total.plus(_compact_day(root, partition, unfinished, clock))
        except CatalogError as problem:
            unreadable.append(str(problem))
    if unreadable:
        more = f" (and {len(unreadable) - 1} more days)" if len(unreadable) > 1 else ""
        raise CatalogError(f"{unreadable[0]}{more}: move it out of the catalog; the other days are compacted")
    return total


def _compact_day(root: Path, partition: Partition, unfinished: set[str], clock: Clock) -> Compaction:
    folder = partition_folder(root, partition)
    _settle(folder)
    files = [file.path for file in finished_files(root, partition)]
    if not files or (len(files) == 1 and files[0].name.startswith(_COMPACTED)):
        return Compaction()
    if any(file.stem.removeprefix("seg-") in unfinished for file in files):
        return Compaction()
    schema = stream_schema(partition.stream)
    rows = pl.concat([_rows_of(file, schema) for file in files])
    ordered = sorted_rows(rows, schema)
    # Of a gap what was said last counts, of all else what was heard first.
    keep: Literal["first", "last"] = "last" if partition.stream == GAPS else "first"
    once = ordered.unique(schema.keys, keep=keep, maintain_order=True)
    before = sum(file.stat().st_size for file in files)
    name = compacted_name(clock.now_ns())
    note = msgspec.json.encode(Replacement(name, tuple(file.name for file in files)))
    write_durably(folder / REPLACEMENT, lambda aside: aside.write_bytes(note))
    after = write_part(root, partition, once, name)
    _settle(folder)
    return Compaction(1, len(files), before, after, ordered.height - once.height)


def _rows_of(file: Path, schema: StreamSchema) -> pl.DataFrame:
    # Looked at first: what a damaged file gives would stand in a new one as if it had been heard.
    fault = fault_of(file, schema.name)
    if fault is not None:
        raise CatalogError(f"{file}: {fault}")
    return pl.read_parquet(file, glob=False).select(schema.names)


def expire(root: Path, keep_days: int, now_ms: int) -> list[Partition]:
    """Delete all days but the newest `keep_days` the catalog knows, in market time; returns what went."""
    newest = newest_day(root, now_ms)
    if newest is None:
        return []
    first_kept = (date.fromisoformat(newest) - timedelta(days=keep_days - 1)).isoformat()
    gone = [partition for partition in _all_partitions(root) if partition.date < first_kept]
    for partition in gone:
        remove_day(root, partition)
    return gone


def remove_day(root: Path, partition: Partition) -> None:
    """Delete the finished files of a day, all at once for whoever reads."""
    folder = partition_folder(root, partition)
    # Renamed first, so that a reader never sees half a day.
    aside = folder.with_name(f".{folder.name}.expired")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    sync_folder(folder.parent)
    shutil.rmtree(aside)
