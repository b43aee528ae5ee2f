"""A day of a stream at a time: the rows that a scan gives, and the same complaints."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_rows import DAY_MS, START_MS, bar, frame_of, mark, quote

from aster_operator.market_data.catalog import snapshot
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.days import DayReader
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.sealing import seal_segment
from aster_operator.market_data.catalog.segments import SegmentWriter, list_segments
from aster_operator.market_data.recorder.columns import batch_of

ALWAYS = (0, 2**62)
QUOTE_COLUMNS = ("event_ms", "received_ns", "bid_price", "ask_price")
Rows = list[tuple[float, ...]]


def by_day(root: Path, stream: str, columns: Sequence[str], times: tuple[int, int] = ALWAYS) -> Rows:
    found: Rows = []
    with DayReader(root, stream, columns) as reader:
        for day in reader.days("BTCUSDT"):
            rows = reader.read("BTCUSDT", day, *times)
            found += zip(*(rows[name].tolist() for name in columns), strict=True)
    return sorted(found)


def scanned(root: Path, stream: str, columns: Sequence[str], times: tuple[int, int] = ALWAYS) -> Rows:
    rows = Catalog(root).scan(stream, ["BTCUSDT"], start_ms=times[0], end_ms=times[1])
    return sorted(rows.select(columns).drop_nulls().collect().rows())


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 3 * DAY_MS), min_size=1, max_size=30),
    st.lists(st.integers(0, 3 * DAY_MS), max_size=30),
    st.lists(st.integers(DAY_MS, 4 * DAY_MS), max_size=30),
    st.tuples(st.integers(0, 4 * DAY_MS), st.integers(0, 4 * DAY_MS)),
)
def test_the_rows_are_those_of_a_scan(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[int],
    second: list[int],
    recorded: list[int],
    span: tuple[int, int],
) -> None:
    root = tmp_path_factory.mktemp("catalog")
    for number, times in enumerate((first, second)):
        both = [quote(time, symbol) for time in times for symbol in ("BTCUSDT", "ETHUSDT")]
        if both:
            add_rows(root, "bookTicker", frame_of("bookTicker", both), f"add-{number}-1.parquet")
    if recorded:
        writer = SegmentWriter(root, 5)
        for part in (recorded[::2], recorded[1::2]):
            if part:
                writer.append("bookTicker", batch_of("bookTicker", [quote(time) for time in part], "stream"))
        writer.close()
    for bounds in (ALWAYS, (START_MS + span[0], START_MS + span[1])):
        expected = scanned(root, "bookTicker", QUOTE_COLUMNS, bounds)
        assert by_day(root, "bookTicker", QUOTE_COLUMNS, bounds) == expected


def test_a_row_of_another_day_than_its_folder_says_is_no_row(tmp_path: Path) -> None:
    add_rows(tmp_path, "kline_1m", frame_of("kline_1m", [bar(1), bar(2)]), "add-1-1.parquet")
    path = next(tmp_path.rglob("*.parquet"))
    rows = pl.read_parquet(path, hive_partitioning=False)
    rows.with_columns(open_ms=pl.Series([START_MS - 60_000, START_MS + 120_000])).write_parquet(path)
    assert by_day(tmp_path, "kline_1m", ("open_ms", "close")) == [(START_MS + 120_000, 101.0)]


def test_rows_with_an_unknown_value_are_left_out(tmp_path: Path) -> None:
    columns = ("event_ms", "mark_price", "estimated_settle_price")
    add_rows(tmp_path, "markPrice", frame_of("markPrice", [mark(0), mark(1)]), "add-1-1.parquet")
    path = next(tmp_path.rglob("*.parquet"))
    rows = pl.read_parquet(path, hive_partitioning=False)
    rows.with_columns(mark_price=pl.Series([None, 7.0])).write_parquet(path)
    assert by_day(tmp_path, "markPrice", columns) == [(START_MS + 1000, 7.0, 100.45)]
    rows.drop("estimated_settle_price").write_parquet(path)
    assert by_day(tmp_path, "markPrice", columns) == scanned(tmp_path, "markPrice", columns) == []
    assert len(by_day(tmp_path, "markPrice", columns[:2])) == 2


def test_a_segment_that_is_sealed_meanwhile_counts_once(tmp_path: Path) -> None:
    add_rows(tmp_path, "bookTicker", frame_of("bookTicker", [quote(1)]), "add-1-1.parquet")
    writer = SegmentWriter(tmp_path, 5)
    writer.append("bookTicker", batch_of("bookTicker", [quote(2), quote(DAY_MS)], "stream"))
    writer.close()
    with DayReader(tmp_path, "bookTicker", ("bid_price",)) as reader:
        days = reader.days("BTCUSDT")
        seal_segment(tmp_path, list_segments(tmp_path)[0])
        assert [len(reader.read("BTCUSDT", day, *ALWAYS)["event_ms"]) for day in days] == [2, 1]


def test_a_file_that_was_compacted_meanwhile_is_looked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_rows(tmp_path, "bookTicker", frame_of("bookTicker", [quote(1)]), "add-1-1.parquet")
    listed = snapshot.finished_files
    gone = []

    def late(*arguments: object) -> object:
        found = listed(*arguments)  # type: ignore[arg-type]
        if not gone:
            gone.append(found[0].path.rename(found[0].path.with_name("day-2.parquet")))
        return found

    monkeypatch.setattr(snapshot, "finished_files", late)
    assert len(by_day(tmp_path, "bookTicker", QUOTE_COLUMNS)) == 1
    assert gone


@pytest.mark.parametrize("damage", ["cut", "flipped", "type"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, damage: str) -> None:
    quotes = frame_of("bookTicker", [quote(number) for number in range(500)])
    add_rows(tmp_path, "bookTicker", quotes, "add-1-1.parquet")
    path = next(tmp_path.rglob("*.parquet"))
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[:-20])
    elif damage == "flipped":
        data[100] ^= 1
        path.write_bytes(data)
    else:
        rows = pl.read_parquet(path, hive_partitioning=False)
        rows.with_columns(pl.col("bid_price").cast(pl.String)).write_parquet(path)
    with pytest.raises(CatalogError, match=r"add-1-1\.parquet: .*: move it out of the catalog"):
        by_day(tmp_path, "bookTicker", ("event_ms", "received_ns", "bid_price"))
