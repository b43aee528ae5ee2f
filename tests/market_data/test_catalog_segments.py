"""Segments: whole or cut off cleanly, damage skipped, sealed once however often it is interrupted."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from market_rows import quotes_batch

from aster_operator.market_data.catalog import sealing
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.sealing import seal_segment
from aster_operator.market_data.catalog.segments import (
    SegmentWriter,
    list_segments,
    scan_segment,
    truncate_tail,
)

ROWS = 10


def segment(root: Path, blocks: int = 4, symbols: tuple[str, ...] = ("BTCUSDT",)) -> tuple[Path, list[int]]:
    """A segment of `blocks` blocks with ten rows of each symbol; its path and the size after each block."""
    writer = SegmentWriter(root, 1)
    sizes = [writer.size_bytes]
    for block in range(blocks):
        for symbol in symbols:
            writer.append("bookTicker", quotes_batch(range(block * ROWS, block * ROWS + ROWS), symbol))
        writer.sync()
        sizes.append(writer.size_bytes)
    writer.close()
    return writer.path, sizes


def ids(root: Path) -> list[int]:
    return Catalog(root).read("bookTicker")["update_id"].to_list()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_off_anywhere_all_whole_blocks_are_there(tmp_path: Path, data: st.DataObject) -> None:
    for path in list_segments(tmp_path):
        path.unlink()
    path, sizes = segment(tmp_path)
    cut = data.draw(st.integers(0, sizes[-1]))
    with path.open("r+b") as file:
        file.truncate(cut)
    whole = sum(size <= cut for size in sizes[1:])
    assert ids(tmp_path) == list(range(whole * ROWS))
    scan = scan_segment(path)
    truncate_tail(scan)
    again = scan_segment(path)
    assert (again.torn_bytes, len(again.blocks)) == (0, whole)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_damage_in_the_middle_costs_one_block(tmp_path: Path, block: int) -> None:
    path, sizes = segment(tmp_path)
    content = bytearray(path.read_bytes())
    content[(sizes[block] + sizes[block + 1]) // 2] ^= 0xFF
    path.write_bytes(content)
    left = [number for number in range(4 * ROWS) if number // ROWS != block]
    assert ids(tmp_path) == left
    scan = scan_segment(path)
    assert (scan.damaged_bytes > 0) == (block < 3)
    assert (scan.torn_bytes > 0) == (block == 3)
    sealed = seal_segment(tmp_path, path)
    assert sealed.rows == {"bookTicker": len(left)}
    assert ids(tmp_path) == left


def test_a_foreign_file_is_named(tmp_path: Path) -> None:
    path, _ = segment(tmp_path)
    path.write_bytes(b"something else altogether, longer than a magic line")
    with pytest.raises(CatalogError, match=r"1\.segment: is not a segment"):
        scan_segment(path)


@pytest.mark.parametrize("limit", [5, 15, 25, 1000])
def test_sealing_keeps_every_row_whatever_fits_in_memory(tmp_path: Path, limit: int) -> None:
    path, _ = segment(tmp_path, symbols=("BTCUSDT", "A/../USDT", "币USDT"))
    before = Catalog(tmp_path).read("bookTicker")
    sealed = seal_segment(tmp_path, path, rows_in_memory=limit)
    assert sealed.rows == {"bookTicker": 120}
    assert list_segments(tmp_path) == []
    assert Catalog(tmp_path).read("bookTicker").equals(before)
    assert Catalog(tmp_path).symbols("bookTicker") == ["A/../USDT", "BTCUSDT", "币USDT"]
    assert not [found for found in tmp_path.rglob("*") if ".." in found.relative_to(tmp_path).parts]


def test_a_seal_that_breaks_off_is_seen_once_and_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = segment(tmp_path, symbols=("AUSDT", "BUSDT", "CUSDT"))
    before = Catalog(tmp_path).read("bookTicker")
    written = []

    def write_two(*arguments: object) -> int:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(arguments)
        return write_part(*arguments)

    write_part = sealing.write_part
    monkeypatch.setattr(sealing, "write_part", write_two)
    with pytest.raises(OSError, match="No space"):
        seal_segment(tmp_path, path)
    # Two of three files are there, and the segment, which counts.
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    assert Catalog(tmp_path).read("bookTicker").equals(before)
    monkeypatch.undo()
    seal_segment(tmp_path, path)
    assert Catalog(tmp_path).read("bookTicker").equals(before)


def test_a_disk_that_refuses_for_a_while_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    writer = SegmentWriter(tmp_path, 1)
    write = os.write
    calls = []

    def refuse(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return write(descriptor, data[: len(data) // 2])
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    writer.append("bookTicker", quotes_batch(range(ROWS)))
    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(OSError, match="No space"):
        writer.sync()
    writer.append("bookTicker", quotes_batch(range(ROWS, 2 * ROWS)))
    writer.close()
    assert ids(tmp_path) == list(range(2 * ROWS))


def test_rows_of_two_days_go_into_two_partitions(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, 1)
    writer.append("bookTicker", quotes_batch([0, 86_399_999, 86_400_000]))
    writer.close()
    seal_segment(tmp_path, writer.path)
    days = sorted(path.parent.name for path in tmp_path.rglob("*.parquet"))
    assert days == ["date=2026-02-02", "date=2026-02-03"]
    plain = pl.read_parquet(next(tmp_path.rglob("date=2026-02-03/*.parquet")), hive_partitioning=False)
    assert plain["update_id"].to_list() == [86_400_000]
