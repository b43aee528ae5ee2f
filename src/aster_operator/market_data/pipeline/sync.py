"""From a store to a catalog here: days that are missing are fetched, compared and put in place whole.

A fetched day is the file `sync-HASH.parquet` of its partition. What was recorded or downloaded here is never
touched unless its owner says so.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.durable import (
    CatalogLock,
    make_folder,
    remove_durably,
    write_durably,
)
from aster_operator.market_data.catalog.layout import (
    REPLACEMENT,
    Partition,
    Replacement,
    finished_files,
    is_catalog,
    partition_folder,
)
from aster_operator.market_data.catalog.maintenance import settle_replacements
from aster_operator.market_data.pipeline.day_files import (
    Choice,
    DayNote,
    object_name,
    read_notes,
    sources_of,
)
from aster_operator.market_data.pipeline.problems import PipelineProblem
from aster_operator.market_data.pipeline.store import Store, file_sha256

__all__ = ["Fetched", "sync"]

_SYNCED: Final = "sync-"


class Fetched(NamedTuple):
    """What became of one day. `kept`: this catalog has its own rows of it, and keeps them."""

    partition: Partition
    outcome: Literal["fetched", "replaced", "there", "kept", "would fetch", "would replace"]
    rows: int
    bytes: int


def sync(
    store: Store, root: Path, choice: Choice, *, dry_run: bool = False, replace: bool = False
) -> Iterator[Fetched]:
    """Bring the chosen days of the store into the catalog at `root`, which may be new; one result for each.

    Raises PipelineProblem, and CatalogError while something records into the catalog.
    """
    notes = read_notes(store, choice)
    ordered = sorted(notes.items(), key=lambda item: (item[0].date, *item[0]))
    if dry_run:
        for partition, note in ordered:
            yield _judge(root, partition, note, replace)
        return
    with CatalogLock(root):
        settle_replacements(root)
        for partition, note in ordered:
            verdict = _judge(root, partition, note, replace)
            if verdict.outcome in ("would fetch", "would replace"):
                _fetch(store, root, partition, note)
                outcome: Literal["fetched", "replaced"] = (
                    "fetched" if verdict.outcome == "would fetch" else "replaced"
                )
                verdict = verdict._replace(outcome=outcome)
            yield verdict


def _judge(root: Path, partition: Partition, note: DayNote, replace: bool) -> Fetched:
    """What a day needs, without doing it."""
    names = [file.path.name for file in finished_files(root, partition)]
    if names == [_synced_name(note)]:
        return Fetched(partition, "there", note.rows, note.bytes)
    if names and is_catalog(root) and sources_of(Catalog(root), partition) == note.sources:
        return Fetched(partition, "there", note.rows, note.bytes)
    if names and not replace and not all(name.startswith(_SYNCED) for name in names):
        return Fetched(partition, "kept", note.rows, note.bytes)
    return Fetched(partition, "would replace" if names else "would fetch", note.rows, note.bytes)


def _synced_name(note: DayNote) -> str:
    return f"{_SYNCED}{note.sha256[:16]}.parquet"


def _fetch(store: Store, root: Path, partition: Partition, note: DayNote) -> None:
    folder = partition_folder(root, partition)
    new = _synced_name(note)
    old = tuple(file.path.name for file in finished_files(root, partition) if file.path.name != new)
    make_folder(folder)
    if old:
        # As in a compaction: from the moment the new file is there, the old ones do not count.
        words = msgspec.json.encode(Replacement(new, old))
        write_durably(folder / REPLACEMENT, lambda aside: aside.write_bytes(words))
    write_durably(folder / new, lambda aside: _get_verified(store, partition, note, aside))
    for name in old:
        (folder / name).unlink(missing_ok=True)
    if old:
        remove_durably(folder / REPLACEMENT)


def _get_verified(store: Store, partition: Partition, note: DayNote, target: Path) -> None:
    store.get(object_name(partition), target)
    if target.stat().st_size != note.bytes or file_sha256(target) != note.sha256:
        raise PipelineProblem(
            f"{object_name(partition)} is not what its note says",
            store.url,
            "an upload is under way or was cut off: run data upload there again, then this",
        )
