"""How far earlier recordings went: kept in a file, completed from the segments that a crash left behind."""

import os
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import polars as pl

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.market_data.catalog.durable import TEMPORARY_SUFFIX, write_durably
from aster_operator.market_data.catalog.schemas import GAPS
from aster_operator.market_data.catalog.segments import (
    Block,
    list_segments,
    read_block,
    scan_segment,
    truncate_tail,
)
from aster_operator.market_data.recorder.continuity import Mark

__all__ = ["Recovered", "recover", "save_state"]

_FILE: Final = "recorder-state.json"
_NOT_HEARD: Final = (GAPS, "funding")

Marks = dict[tuple[str, str], Mark]


class _State(msgspec.Struct):
    clean: bool
    marks: dict[str, dict[str, Mark]]


class Recovered(NamedTuple):
    """What a start finds. `was_clean` is False when the recording before ended without a goodbye."""

    marks: Marks
    was_clean: bool
    segments: list[Path]
    """Left behind, repaired, oldest first: to be sealed."""
    torn_bytes: int
    damaged_bytes: int


def save_state(root: Path, marks: Marks, *, clean: bool) -> None:
    """Note durably how far each stream of each symbol was recorded."""
    nested: dict[str, dict[str, Mark]] = {}
    for (stream, symbol), mark in marks.items():
        nested.setdefault(stream, {})[symbol] = mark
    content = msgspec.json.encode(_State(clean, nested))
    write_durably(root / _FILE, lambda aside: aside.write_bytes(content))


def recover(root: Path) -> Recovered:
    """Repair what a crash left behind. The caller holds the catalog's lock. Raises CatalogError, OSError."""
    _remove_half_written(root)
    marks: Marks = {}
    was_clean = True
    try:
        state = msgspec.json.decode((root / _FILE).read_bytes(), type=_State)
        was_clean = state.clean
        marks = {
            (name, symbol): mark for name, found in state.marks.items() for symbol, mark in found.items()
        }
    except FileNotFoundError:
        pass
    except msgspec.DecodeError:
        was_clean = False  # The segments and what is heard next still tell the rest.
    segments = list_segments(root)
    torn = damaged = 0
    for path in segments:
        scan = scan_segment(path)
        truncate_tail(scan)
        torn += scan.torn_bytes
        damaged += scan.damaged_bytes
        descriptor = os.open(path, os.O_RDONLY)
        try:
            for block in scan.blocks:
                _advance(marks, descriptor, block)
        finally:
            os.close(descriptor)
    return Recovered(marks, was_clean and not segments, segments, torn, damaged)


def _advance(marks: Marks, descriptor: int, block: Block) -> None:
    if block.stream in _NOT_HEARD:
        return
    frame = pl.from_arrow(read_block(descriptor, block))
    number = pl.lit(None, pl.Int64)
    if block.stream == "aggTrade":
        number = pl.col("trade_id").max()
    elif block.stream == "kline_1m":
        number = pl.col("open_ms").filter(pl.col("is_closed")).max() // MINUTE_MS
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a batch gives a frame
    newest = frame.group_by("symbol").agg(pl.col("event_ms").max(), number.alias("number"))
    for symbol, event_ms, highest in newest.iter_rows():
        mark = marks.setdefault((block.stream, symbol), Mark(event_ms))
        mark.event_ms = max(mark.event_ms, event_ms)
        if highest is not None:
            mark.number = max(mark.number or 0, highest)


def _remove_half_written(root: Path) -> None:
    """Files that were being written when the program ended; those of other living programs stay."""
    for path in root.rglob(f".*{TEMPORARY_SUFFIX}"):
        owner = path.name.removesuffix(f".parquet{TEMPORARY_SUFFIX}").rpartition("-")[2]
        if path.name.startswith(".add-") and owner.isdecimal() and _lives(int(owner)):
            continue
        path.unlink(missing_ok=True)


def _lives(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
