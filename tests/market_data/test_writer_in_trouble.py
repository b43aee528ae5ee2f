"""A disk that refuses for a while: nothing that was taken in is lost, and logs hold nothing back."""

import os
from pathlib import Path
from typing import Any

import pytest
from market_rows import START_MS, quote, trade

from aster_operator.domain.clock import ManualClock
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.segments import list_segments
from aster_operator.market_data.csv_logs import CsvLogs
from aster_operator.market_data.recorder.continuity import Continuity
from aster_operator.market_data.recorder.intake import Batch, Closing
from aster_operator.market_data.recorder.writer import Writer

FULL = "No space left on device"


class Disk:
    """`os.write` refuses while `is_full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        write = os.write

        def maybe(descriptor: int, data: bytes) -> int:
            if self.is_full:
                raise OSError(28, FULL)
            return write(descriptor, data)

        monkeypatch.setattr(os, "write", maybe)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def batch(stream: str, messages: list[Any]) -> Batch:
    found = Batch()
    found.messages = {stream: messages}
    found.rows = len(messages)
    return found


def writer(root: Path, logs: CsvLogs | None = None, clock: ManualClock | None = None) -> Writer:
    return Writer(root / "catalog", clock or ManualClock(START_MS), Continuity({}, "restart", ""), logs)


def kept(root: Path, stream: str, column: str) -> list[int]:
    return Catalog(root / "catalog").read(stream)[column].to_list()


def test_what_came_before_a_segment_could_be_opened_is_written_when_it_can(
    tmp_path: Path, disk: Disk
) -> None:
    at_work = writer(tmp_path)
    disk.is_full = True
    for number in (1, 2):
        with pytest.raises(OSError, match=FULL):
            at_work.write([batch("bookTicker", [quote(number)]), batch("aggTrade", [trade(number)])])
    assert list_segments(tmp_path / "catalog") == []
    disk.is_full = False
    acknowledged, holes = at_work.write([batch("aggTrade", [trade(3), trade(6)])])
    assert acknowledged.rows == {"bookTicker": 2, "aggTrade": 4, "gaps": 1}
    assert [(hole.first_id, hole.last_id) for hole in holes] == [(4, 5)]
    assert kept(tmp_path, "bookTicker", "update_id") == [1, 2]
    assert kept(tmp_path, "aggTrade", "trade_id") == [1, 2, 3, 6]


def test_a_full_disk_in_the_middle_of_a_segment_loses_nothing(tmp_path: Path, disk: Disk) -> None:
    at_work = writer(tmp_path)
    at_work.write([batch("aggTrade", [trade(1)])])
    disk.is_full = True
    with pytest.raises(OSError, match=FULL):
        at_work.write([batch("aggTrade", [trade(2)])])
    with pytest.raises(OSError, match=FULL):
        at_work.roll()
    disk.is_full = False
    acknowledged, _ = at_work.write([])
    assert acknowledged.rows == {"aggTrade": 2}
    assert at_work.roll() is not None
    assert kept(tmp_path, "aggTrade", "trade_id") == [1, 2]


def test_nothing_to_keep_makes_no_segment_and_the_end_of_a_symbol_makes_one(tmp_path: Path) -> None:
    clock = ManualClock(START_MS)
    at_work = writer(tmp_path, clock=clock)
    at_work.write([Batch()])
    assert list_segments(tmp_path / "catalog") == []
    closed = Batch()
    closed.closings = [Closing("aggTrade", "BTCUSDT", 1, 2)]
    at_work.write([closed])
    at_work.write([batch("aggTrade", [trade(1)])])
    at_work.roll()
    clock.set_ms(START_MS + 1)
    at_work.end_pairs([("aggTrade", "BTCUSDT"), ("depth5", "BTCUSDT")], "symbol delisted", "")
    acknowledged, _ = at_work.write([])
    assert acknowledged.rows["gaps"] == 1
    assert kept(tmp_path, "gaps", "end_ms") == [None]


def test_logs_that_cannot_be_written_do_not_hold_the_catalog_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = CsvLogs(tmp_path / "logs", ["BTCUSDT"], START_MS - 1_000)
    at_work = writer(tmp_path, logs)

    def refuse(_now_ms: int) -> None:
        raise OSError(28, FULL)

    with monkeypatch.context() as full:
        full.setattr(logs, "tick", refuse)
        acknowledged, _ = at_work.write([batch("aggTrade", [trade(1)])])
    assert acknowledged.rows == {"aggTrade": 1}
    assert FULL in at_work.log_trouble
    at_work.write([])
    assert at_work.log_trouble == ""
    assert logs.rows["aggTrade_1s"] == 1
