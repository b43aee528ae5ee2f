"""Every fault that can be in recorded rows is found, and only those."""

from pathlib import Path
from typing import Any

import pytest
from market_rows import bar, book, frame_of, quote, trade

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.catalog.quality import check_catalog
from aster_operator.market_data.recorder.columns import GapRow


def late(message: Any) -> Any:
    message.received_ns += 10**12
    return message


def crossed_book() -> Any:
    message = book(2)
    message.bids, message.asks = message.asks, message.bids
    return message


CASES = {
    "good quotes": ("bookTicker", [quote(1), quote(2)], {}),
    "a quote twice": ("bookTicker", [quote(1), quote(2), quote(2)], {"duplicates": 1}),
    "a crossed quote": ("bookTicker", [quote(1), quote(2, bid=101.0)], {"crossed": 1}),
    "a crossed book": ("depth5", [book(1), crossed_book()], {"crossed": 1}),
    "a quote heard late": ("bookTicker", [late(quote(1)), quote(2)], {"out_of_order": 1}),
    "a number that cannot be": ("bookTicker", [quote(1, bid=-1.0)], {"impossible": 1}),
    "good trades": ("aggTrade", [trade(1), trade(2)], {}),
    "trades left out": ("aggTrade", [trade(1), trade(5)], {"missing": 3, "unexplained": 3}),
    "a trade twice": ("aggTrade", [trade(1), trade(1)], {"duplicates": 1}),
    "good bars": ("kline_1m", [bar(0, is_closed=False), bar(0), bar(1)], {}),
    "a bar left out": ("kline_1m", [bar(0), bar(2)], {"missing": 1, "unexplained": 1}),
    "a bar closed twice": ("kline_1m", [bar(0), bar(0)], {"duplicates": 1}),
    "a bar outside its range": ("kline_1m", [bar(0, close=500.0)], {"impossible": 1}),
}


@pytest.mark.parametrize(("stream", "messages", "faults"), CASES.values(), ids=CASES)
def test_faults_are_found(tmp_path: Path, stream: str, messages: list[Any], faults: dict[str, int]) -> None:
    add_rows(tmp_path, stream, frame_of(stream, messages), "seg-1.parquet")
    report = check_catalog(Catalog(tmp_path))
    day = report.days[0]
    kinds = ("duplicates", "crossed", "out_of_order", "impossible", "missing", "unexplained")
    assert {kind: getattr(day, kind) for kind in kinds} == dict.fromkeys(kinds, 0) | faults
    assert report.ok == (not faults)
    assert day.rows == len(messages)


def test_what_the_table_of_gaps_knows_is_explained(tmp_path: Path) -> None:
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", [trade(1), trade(5)]), "seg-1.parquet")
    start_ms, end_ms = trade(1).event_ms, trade(5).event_ms
    gap = GapRow("aggTrade", "BTCUSDT", start_ms, end_ms, "reconnect", 1, missed=3)
    add_rows(tmp_path, "gaps", frame_of("gaps", [gap]), "seg-1.parquet")
    report = check_catalog(Catalog(tmp_path))
    day = report.days[0]
    assert (report.ok, day.missing, day.unexplained) == (True, 3, 0)
    assert (day.gaps, day.unfilled, day.gap_ms) == (1, 1, 4)


def test_a_venue_that_counts_its_trades_anew_repeats_none_and_leaves_none_out(tmp_path: Path) -> None:
    anew = [trade(number) for number in (1, 2, 3)]
    for message in anew:
        message.event_ms += 900
        message.trade_ms += 900
        message.received_ns += 900_000_000
    rows = [trade(1), trade(2), trade(500), trade(501), *anew]
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", rows), "seg-1.parquet")
    gaps = [
        GapRow("aggTrade", "BTCUSDT", trade(2).event_ms, trade(500).event_ms, "lost", 1, missed=497),
        GapRow("aggTrade", "BTCUSDT", trade(501).event_ms, anew[0].event_ms, "reconnect", 2),
    ]
    add_rows(tmp_path, "gaps", frame_of("gaps", gaps), "seg-1.parquet")
    report = check_catalog(Catalog(tmp_path))
    day = report.days[0]
    assert (report.ok, day.duplicates, day.missing, day.unexplained) == (True, 0, 497, 0)


def test_a_broken_file_is_named_and_the_rest_is_checked(tmp_path: Path) -> None:
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", [trade(1)]), "seg-1.parquet")
    add_rows(tmp_path, "bookTicker", frame_of("bookTicker", [quote(1)]), "seg-1.parquet")
    broken = next((tmp_path / "stream=aggTrade").rglob("*.parquet"))
    broken.write_bytes(broken.read_bytes()[:-20])
    report = check_catalog(Catalog(tmp_path))
    assert not report.ok
    assert len(report.unreadable) == 1
    assert str(broken) in report.unreadable[0]
    assert [day.stream for day in report.days] == ["bookTicker"]
