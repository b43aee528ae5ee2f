"""Days that are safely in a store leave the catalog here; a day that is not there as it is here stays."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.durable import CatalogLock
from aster_operator.market_data.catalog.layout import Partition, finished_files
from aster_operator.market_data.catalog.maintenance import remove_day, settle_replacements
from aster_operator.market_data.catalog.segments import list_segments
from aster_operator.market_data.pipeline.day_files import (
    Choice,
    DayNote,
    chosen_days,
    object_name,
    read_notes,
    sources_of,
    write_day,
)
from aster_operator.market_data.pipeline.store import Store

__all__ = ["Pruned", "prune"]


class Pruned(NamedTuple):
    """What became of one day. `kept`: the store does not have it as it is here."""

    partition: Partition
    outcome: Literal["removed", "kept", "would remove"]
    rows: int
    bytes: int


def prune(catalog: Catalog, store: Store, choice: Choice, *, dry_run: bool = False) -> Iterator[Pruned]:
    """Delete the chosen days that the store has as they are here, oldest first; one result for each.

    Nobody may record meanwhile. A dry run only compares. Raises PipelineProblem, CatalogError.
    """
    with CatalogLock(catalog.root):
        settle_replacements(catalog.root)
        notes = read_notes(store, choice)
        there = frozenset(store.names(""))
        for partition in chosen_days(catalog, choice):
            note = notes.get(partition)
            if note is None or object_name(partition) not in there or not _is_same(catalog, partition, note):
                yield Pruned(partition, "kept", note.rows if note else 0, 0)
                continue
            if not dry_run:
                remove_day(catalog.root, partition)
            yield Pruned(partition, "would remove" if dry_run else "removed", note.rows, note.bytes)


def _is_same(catalog: Catalog, partition: Partition, note: DayNote) -> bool:
    """Whether all there is of the day is in finished files, and makes the very file that was sent."""
    if list_segments(catalog.root) or not finished_files(catalog.root, partition):
        return False
    if sources_of(catalog, partition) == note.sources:
        return True
    with tempfile.TemporaryDirectory(prefix="aster-prune-") as folder:
        return write_day(catalog, partition, Path(folder)).sha256 == note.sha256
