"""Reading: one view over finished files and segments, merged in time, within bounds."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_rows import DAY_MS, START_MS, bar, book, frame_of, mark, quote, trade

from aster_operator.market_data.catalog.catalog import Catalog, CatalogEvent
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.catalog.replay_sources import catalog_ticks
from aster_operator.market_data.catalog.segments import SegmentWriter
from aster_operator.market_data.history import load_history, recorded_symbols
from aster_operator.market_data.recorder.columns import batch_of
from aster_operator.market_data.ticks import BookTick, TradeTick
from aster_operator.simulator.options import ExchangeOptions, captured_sources


def filled(root: Path) -> Catalog:
    """Trades and bars in finished files, quotes in a segment."""
    add_rows(root, "aggTrade", frame_of("aggTrade", [trade(n) for n in (1, 5, 9)]), "add-1-1.parquet")
    add_rows(root, "kline_1m", frame_of("kline_1m", [bar(n) for n in range(3)]), "add-1-1.parquet")
    writer = SegmentWriter(root, 5)
    writer.append("bookTicker", batch_of("bookTicker", [quote(n) for n in (0, 5, 6)], "stream"))
    writer.append("bookTicker", batch_of("bookTicker", [quote(n, "ETHUSDT") for n in (5, 7)], "stream"))
    writer.close()
    return Catalog(root)


def test_what_is_no_catalog_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CatalogError, match="is no catalog"):
            Catalog(path)
    with pytest.raises(CatalogError, match="is no stream"):
        filled(tmp_path).scan("nonsense")


def test_streams_and_symbols_are_listed_wherever_they_lie(tmp_path: Path) -> None:
    catalog = filled(tmp_path)
    assert catalog.streams() == ["aggTrade", "bookTicker", "kline_1m"]
    assert catalog.symbols("bookTicker") == ["BTCUSDT", "ETHUSDT"]
    assert catalog.symbols("aggTrade") == ["BTCUSDT"]
    assert catalog.read("depth5").is_empty()


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(None, None, [1, 5, 9]), (1, 9, [1, 5]), (2, None, [5, 9]), (None, 1, []), (9, 10, [9]), (10, None, [])],
)
def test_ranges_include_their_start_and_not_their_end(
    tmp_path: Path, start: int | None, end: int | None, expected: list[int]
) -> None:
    rows = filled(tmp_path).read(
        "aggTrade",
        start_ms=None if start is None else START_MS + start,
        end_ms=None if end is None else START_MS + end,
    )
    assert rows["trade_id"].to_list() == expected


def test_both_times_and_the_source_stand_on_every_row(tmp_path: Path) -> None:
    catalog = filled(tmp_path)
    for stream in catalog.streams():
        rows = catalog.read(stream)
        assert rows.select("event_ms", "received_ns", "source").null_count().sum_horizontal().item() == 0
        assert (rows["received_ns"] // 1_000_000 >= rows["event_ms"]).all()


def test_events_merge_by_time_books_before_trades_before_bars(tmp_path: Path) -> None:
    catalog = filled(tmp_path)
    events = list(catalog.events(["kline_1m", "aggTrade", "bookTicker"], slice_ms=3))
    told = [(event.event_ms - START_MS, event.stream, event.symbol) for event in events]
    assert told == [
        (0, "bookTicker", "BTCUSDT"),
        (1, "aggTrade", "BTCUSDT"),
        (5, "bookTicker", "BTCUSDT"),
        (5, "bookTicker", "ETHUSDT"),
        (5, "aggTrade", "BTCUSDT"),
        (6, "bookTicker", "BTCUSDT"),
        (7, "bookTicker", "ETHUSDT"),
        (9, "aggTrade", "BTCUSDT"),
        (60_000, "kline_1m", "BTCUSDT"),
        (120_000, "kline_1m", "BTCUSDT"),
        (180_000, "kline_1m", "BTCUSDT"),
    ]
    assert events[1].values["price"] == 100.0


def test_a_bar_of_yesterday_is_an_event_of_today(tmp_path: Path) -> None:
    add_rows(tmp_path, "kline_1m", frame_of("kline_1m", [bar(1439)]), "add-1-1.parquet")
    events = list(Catalog(tmp_path).events(["kline_1m"], start_ms=START_MS + DAY_MS))
    assert [event.event_ms for event in events] == [START_MS + DAY_MS]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 50_000), min_size=1, max_size=40), st.integers(500, 20_000))
def test_slices_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], slice_ms: int
) -> None:
    root = tmp_path_factory.mktemp("catalog")
    add_rows(root, "bookTicker", frame_of("bookTicker", [quote(time) for time in times]), "add-1-1.parquet")
    found: list[CatalogEvent] = list(Catalog(root).events(["bookTicker"], slice_ms=slice_ms))
    assert [event.event_ms - START_MS for event in found] == sorted(times)


def test_reading_goes_on_while_a_segment_is_sealed(tmp_path: Path) -> None:
    from aster_operator.market_data.catalog.sealing import seal_segment
    from aster_operator.market_data.catalog.segments import list_segments

    catalog = filled(tmp_path)
    events = catalog.events(["bookTicker"], slice_ms=2)
    first = next(events)
    seal_segment(tmp_path, list_segments(tmp_path)[0])
    assert [event.event_ms - START_MS for event in [first, *events]] == [0, 5, 5, 6, 7]
    assert catalog.read("bookTicker").height == 5


def test_a_column_added_since_is_null_in_older_files(tmp_path: Path) -> None:
    add_rows(tmp_path, "markPrice", frame_of("markPrice", [mark(0)]), "add-1-1.parquet")
    path = next(tmp_path.rglob("*.parquet"))
    pl.read_parquet(path, hive_partitioning=False).drop("estimated_settle_price").write_parquet(path)
    assert Catalog(tmp_path).read("markPrice")["estimated_settle_price"].to_list() == [None]


# --- for the exchange and for backtests ---------------------------------------------------------------------


def test_ticks_of_a_catalog_are_books_and_trades(tmp_path: Path) -> None:
    add_rows(tmp_path, "depth5", frame_of("depth5", [book(3), book(8, levels=2)]), "add-1-1.parquet")
    twice = [trade(2), trade(5, sells=True), trade(5, sells=True)]
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", twice), "add-1-1.parquet")
    ticks = catalog_ticks(tmp_path, "BTCUSDT").ticks
    assert [type(tick) for tick in ticks] == [BookTick, TradeTick, BookTick]
    assert isinstance(ticks[0], BookTick)
    assert (ticks[0].bids[0], len(ticks[0].asks)) == ((100.0, 1.0), 5)
    assert isinstance(ticks[2], BookTick)
    assert len(ticks[2].bids) == 2
    assert ticks[1] == TradeTick(START_MS + 5, 100.0, 0.5, taker_buys=False)


def test_the_exchange_plays_a_catalog(tmp_path: Path) -> None:
    sources = captured_sources(filled(tmp_path).root, ["BTCUSDT"], ExchangeOptions())
    assert sources[0].next_ms() == START_MS
    assert sources[0].end_ms == START_MS + 9


def test_minutes_are_loaded_from_a_catalog(tmp_path: Path) -> None:
    running = frame_of("kline_1m", [bar(3, is_closed=False)])
    catalog = filled(tmp_path)
    add_rows(tmp_path, "kline_1m", running, "add-2-1.parquet")
    history = load_history(catalog.root, ["BTCUSDT"])
    assert list(history.symbols["BTCUSDT"].open_time_ms) == [START_MS + n * 60_000 for n in range(3)]
    assert recorded_symbols(catalog.root) == ["BTCUSDT"]
