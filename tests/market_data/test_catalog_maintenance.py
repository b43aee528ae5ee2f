"""Compaction and retention: rows survive every interruption, old days go, nothing is there twice."""

import os
from pathlib import Path

import polars as pl
import pytest
from market_rows import DAY_MS, START_MS, frame_of, quote, trade

from aster_operator.domain.clock import ManualClock
from aster_operator.market_data.catalog import maintenance
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.durable import CatalogLock
from aster_operator.market_data.catalog.maintenance import compact, expire, newest_day, settle_replacements
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.catalog.problems import CatalogError

TODAY = "2026-02-03"
NOW_MS = START_MS + DAY_MS
"""Of the clock on the wall: on that day."""


def scattered(root: Path) -> pl.DataFrame:
    """One day in three files, and one row of the next day; what a reader sees."""
    for part, first in enumerate((0, 10, 20)):
        rows = [quote(number) for number in range(first, first + 10)]
        add_rows(root, "bookTicker", frame_of("bookTicker", rows), f"seg-{part}.parquet")
    add_rows(root, "bookTicker", frame_of("bookTicker", [quote(DAY_MS)]), "seg-3.parquet")
    return Catalog(root).read("bookTicker")


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("date=2026-02-02/*"))


def test_a_day_that_is_over_becomes_one_file(tmp_path: Path) -> None:
    before = scattered(tmp_path)
    done = compact(tmp_path, ManualClock(5), before_day=TODAY)
    assert (done.days, done.files, done.duplicates) == (1, 3, 0)
    assert files(tmp_path) == ["day-00000000000005000000.parquet"]
    assert Catalog(tmp_path).read("bookTicker").equals(before)
    assert compact(tmp_path, ManualClock(6), before_day=TODAY).days == 0
    assert newest_day(tmp_path, NOW_MS) == TODAY


@pytest.mark.parametrize("step", range(6))
def test_an_interrupted_compaction_shows_every_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    before = scattered(tmp_path)
    count = [0]

    class Died(BaseException):
        """As a kill would: nothing is cleaned up after it."""

    def dying(function):
        def call(*arguments: object, **named: object) -> object:
            count[0] += 1
            if count[0] == step + 1:
                raise Died
            return function(*arguments, **named)

        return call

    monkeypatch.setattr(maintenance, "write_durably", dying(maintenance.write_durably))
    monkeypatch.setattr(maintenance, "write_part", dying(maintenance.write_part))
    monkeypatch.setattr(Path, "unlink", dying(Path.unlink))
    monkeypatch.setattr(maintenance, "remove_durably", dying(maintenance.remove_durably))
    with pytest.raises(Died):
        compact(tmp_path, ManualClock(5), before_day=TODAY)
    monkeypatch.undo()
    assert Catalog(tmp_path).read("bookTicker").equals(before)
    settle_replacements(tmp_path)
    assert Catalog(tmp_path).read("bookTicker").equals(before)
    compact(tmp_path, ManualClock(7), before_day=TODAY)
    assert Catalog(tmp_path).read("bookTicker").equals(before)
    assert len(files(tmp_path)) == 1


def test_repetitions_go_when_a_day_is_compacted(tmp_path: Path) -> None:
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", [trade(1), trade(2)]), "seg-1.parquet")
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", [trade(2), trade(3)], "rest"), "add-1-1.parquet")
    done = compact(tmp_path, ManualClock(5), before_day=TODAY)
    assert done.duplicates == 1
    rows = Catalog(tmp_path).read("aggTrade")
    assert rows["trade_id"].to_list() == [1, 2, 3]


def test_only_the_newest_days_are_kept(tmp_path: Path) -> None:
    for day in range(5):
        add_rows(tmp_path, "aggTrade", frame_of("aggTrade", [trade(day * DAY_MS)]), "seg-1.parquet")
    gone = [partition.date for partition in expire(tmp_path, 2, NOW_MS)]
    assert gone == ["2026-02-02", "2026-02-03", "2026-02-04"]
    assert Catalog(tmp_path).read("aggTrade").height == 2
    assert expire(tmp_path, 2, NOW_MS) == []


def test_one_message_from_the_far_future_makes_nothing_old(tmp_path: Path) -> None:
    rows = [trade(0), trade(DAY_MS), trade(4_000 * DAY_MS)]
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", rows), "seg-1.parquet")
    assert newest_day(tmp_path, NOW_MS) == TODAY
    assert expire(tmp_path, 2, NOW_MS) == []
    assert compact(tmp_path, ManualClock(5), before_day=TODAY).days == 1
    assert Catalog(tmp_path).read("aggTrade").height == 3


def test_the_days_of_a_faster_exchange_count_beyond_the_wall_clock(tmp_path: Path) -> None:
    rows = [trade(day * DAY_MS) for day in range(6)]
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", rows), "seg-1.parquet")
    assert newest_day(tmp_path, NOW_MS) == "2026-02-07"
    assert newest_day(tmp_path, NOW_MS - 400 * DAY_MS) == "2026-02-07"


def test_a_file_that_cannot_be_read_is_named_and_the_other_days_are_compacted(tmp_path: Path) -> None:
    scattered(tmp_path)
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", [trade(1)]), "seg-1.parquet")
    broken = next(tmp_path.rglob("stream=aggTrade/**/seg-1.parquet"))
    broken.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(CatalogError, match=r"seg-1\.parquet: .*: move it out of the catalog"):
        compact(tmp_path, ManualClock(5), before_day=TODAY)
    assert files(tmp_path)[-1].startswith("seg-")
    assert [path.name for path in tmp_path.rglob("stream=bookTicker/**/date=2026-02-02/*")] == [
        "day-00000000000005000000.parquet"
    ]
    assert broken.exists()


def test_one_recorder_at_a_time(tmp_path: Path) -> None:
    with CatalogLock(tmp_path), pytest.raises(CatalogError, match=f"by process {os.getpid()}: stop it first"):
        CatalogLock(tmp_path).acquire()
    CatalogLock(tmp_path).acquire()
