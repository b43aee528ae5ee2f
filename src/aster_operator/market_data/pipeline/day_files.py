"""One symbol's day of one stream as one file: what is sent, and the note that tells what was sent.

In the store a day is the object `stream=…/symbol=…/date=…/day.parquet`. It always has that name, so a new
version takes the place of the old one in one step, and whoever reads the folder sees each row once. A note
under `_manifest/` is written after the object was verified; what has no note has not arrived.
"""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import msgspec
import polars as pl

from aster_operator.domain.clock import DAY_MS
from aster_operator.market_data.catalog.broken import collected
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.coverage import days_of
from aster_operator.market_data.catalog.layout import (
    Partition,
    day_start_ms,
    finished_files,
    partition_folder,
    partitions,
)
from aster_operator.market_data.catalog.parts import sorted_rows, write_part
from aster_operator.market_data.catalog.schemas import GAPS, stream_schema
from aster_operator.market_data.catalog.segments import list_segments
from aster_operator.market_data.pipeline.problems import PipelineProblem
from aster_operator.market_data.pipeline.store import Store, file_sha256

__all__ = [
    "MANIFEST",
    "Choice",
    "DayFile",
    "DayNote",
    "chosen_days",
    "day_rows",
    "note_name",
    "object_name",
    "read_notes",
    "sources_of",
    "write_day",
]

MANIFEST: Final = "_manifest"
_DAY_FILE: Final = "day.parquet"


class Choice(NamedTuple):
    """Which days: of these streams and symbols (None: all), `first_day` to `last_day`, both included."""

    streams: Collection[str] | None = None
    symbols: Collection[str] | None = None
    first_day: str = ""
    last_day: str = "9999-99-99"

    def has(self, partition: Partition) -> bool:
        return (
            (self.streams is None or partition.stream in self.streams)
            and (self.symbols is None or partition.symbol in self.symbols)
            and self.first_day <= partition.date <= self.last_day
        )


class DayNote(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent. `sources` tells whether what it was made from is still the same; empty: unknown."""

    rows: int
    bytes: int
    sha256: str
    sources: str
    uploaded_ms: int
    version: int = 1


class DayFile(NamedTuple):
    """A day made ready to be sent."""

    partition: Partition
    path: Path
    rows: int
    bytes: int
    sha256: str


def object_name(partition: Partition) -> str:
    return f"{_folder_name(partition)}/{_DAY_FILE}"


def note_name(partition: Partition) -> str:
    return f"{MANIFEST}/{_folder_name(partition)}.json"


def _folder_name(partition: Partition) -> str:
    symbol = quote(partition.symbol, safe="")
    return f"stream={partition.stream}/symbol={symbol}/date={partition.date}"


def read_notes(store: Store, choice: Choice) -> dict[Partition, DayNote]:
    """The days that have arrived in the store, by partition. Raises PipelineProblem."""
    names = {
        name: partition
        for name in store.names(MANIFEST)
        if (partition := _partition_of(name)) is not None and choice.has(partition)
    }
    notes = {}
    for name, content in store.read_all(list(names)).items():
        try:
            notes[names[name]] = msgspec.json.decode(content, type=DayNote)
        except msgspec.DecodeError:
            raise PipelineProblem(
                f"{name} is no note of an upload", store.url, "delete that object, then upload the day again"
            ) from None
    return notes


def _partition_of(name: str) -> Partition | None:
    parts = name.removesuffix(".json").split("/")[1:]
    values = dict(part.split("=", 1) for part in parts if "=" in part)
    if list(values) != ["stream", "symbol", "date"]:
        return None
    return Partition(values["stream"], unquote(values["symbol"]), values["date"])


# --- what the catalog has --------------------------------------------------------------------------------


def chosen_days(catalog: Catalog, choice: Choice) -> Iterator[Partition]:
    """The chosen days that have rows, in finished files or in segments, oldest day first."""
    found: set[Partition] = set()
    in_segments = bool(list_segments(catalog.root))
    for stream in catalog.streams() if choice.streams is None else choice.streams:
        found.update(partitions(catalog.root, stream))
        if in_segments:
            for symbol in catalog.symbols(stream):
                found.update(Partition(stream, symbol, day) for day in days_of(catalog, stream, symbol))
    yield from sorted(filter(choice.has, found), key=lambda partition: (partition.date, *partition))


def sources_of(catalog: Catalog, partition: Partition) -> str:
    """A hash over the files that hold a day; empty while a segment may hold some of it."""
    if list_segments(catalog.root):
        return ""
    digest = hashlib.sha256()
    for file in finished_files(catalog.root, partition):
        digest.update(file_sha256(file.path).encode())
    return digest.hexdigest()


def day_rows(catalog: Catalog, partition: Partition) -> pl.DataFrame:
    """The rows of a day in the order of the files, exact repetitions once; with `symbol`."""
    schema = stream_schema(partition.stream)
    start_ms = day_start_ms(partition.date)
    rows = catalog.scan(partition.stream, [partition.symbol], start_ms=start_ms, end_ms=start_ms + DAY_MS)
    ordered = sorted_rows(collected(rows, catalog.root, partition.stream), schema)
    return ordered.unique(
        ["symbol", *schema.keys], keep="last" if partition.stream == GAPS else "first", maintain_order=True
    )


def write_day(catalog: Catalog, partition: Partition, folder: Path) -> DayFile:
    """Write a day as one file below `folder`; equal rows give an equal file."""
    rows = day_rows(catalog, partition)
    size = write_part(folder, partition, rows, _DAY_FILE)
    path = partition_folder(folder, partition) / _DAY_FILE
    return DayFile(partition, path, rows.height, size, file_sha256(path))
