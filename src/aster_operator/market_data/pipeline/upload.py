"""From a catalog to a store, day by day: what is there already is not sent, what is cut off is sent again."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from aster_operator.domain.clock import Clock
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.layout import Partition
from aster_operator.market_data.pipeline.day_files import (
    Choice,
    DayNote,
    chosen_days,
    note_name,
    object_name,
    read_notes,
    sources_of,
    write_day,
)
from aster_operator.market_data.pipeline.store import Store

__all__ = ["Sent", "upload"]


class Sent(NamedTuple):
    """What became of one day. `kept`: the store has more rows than the catalog, and keeps them."""

    partition: Partition
    outcome: Literal["sent", "replaced", "there", "kept", "would send", "would replace"]
    rows: int
    bytes: int


def upload(
    catalog: Catalog,
    store: Store,
    choice: Choice,
    clock: Clock,
    *,
    dry_run: bool = False,
    replace: bool = False,
) -> Iterator[Sent]:
    """Send the chosen days that the store does not have, oldest first; one result for each.

    A day that changed is sent again and takes the place of the old one in one step. A day of which the store
    has more rows is left alone unless `replace`: this catalog may have recorded only a part of it. A dry run
    reads and compares, and writes nothing. Raises PipelineProblem, CatalogError.
    """
    notes = read_notes(store, choice)
    with tempfile.TemporaryDirectory(prefix="aster-upload-") as folder:
        for partition in chosen_days(catalog, choice):
            yield _upload_day(
                catalog, store, partition, notes.get(partition), Path(folder), clock, dry_run, replace
            )


def _upload_day(
    catalog: Catalog,
    store: Store,
    partition: Partition,
    note: DayNote | None,
    folder: Path,
    clock: Clock,
    dry_run: bool,
    replace: bool,
) -> Sent:
    sources = sources_of(catalog, partition)
    if note is not None and sources and sources == note.sources:
        return Sent(partition, "there", note.rows, note.bytes)
    day = write_day(catalog, partition, folder)
    try:
        if note is not None and day.sha256 == note.sha256:
            return Sent(partition, "there", day.rows, day.bytes)
        if note is not None and day.rows < note.rows and not replace:
            return Sent(partition, "kept", note.rows, note.bytes)
        if dry_run:
            return Sent(partition, "would send" if note is None else "would replace", day.rows, day.bytes)
        store.put(object_name(partition), day.path)
        sent = DayNote(
            rows=day.rows,
            bytes=day.bytes,
            sha256=day.sha256,
            sources=sources,
            uploaded_ms=clock.now_ms(),
        )
        store.write(note_name(partition), msgspec.json.encode(sent))
        return Sent(partition, "sent" if note is None else "replaced", day.rows, day.bytes)
    finally:
        day.path.unlink(missing_ok=True)
