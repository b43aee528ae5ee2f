"""Reading recorded minutes, and what is said about files that cannot be used."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aster_operator.market_data.history import HistoryError, load_history, sample_data_path

START_MS = 1_746_576_000_000


def frame(**changes: Any) -> pl.DataFrame:
    count = 4
    columns: dict[str, Any] = {
        "symbol": ["BTCUSDT"] * count,
        "open_time_ms": [START_MS + 60_000 * index for index in range(count)],
        "open": [100.0, 101.0, 102.0, 103.0],
        "high": [102.0, 103.0, 104.0, 105.0],
        "low": [99.0, 100.0, 101.0, 102.0],
        "close": [101.0, 102.0, 103.0, 104.0],
        "base_volume": [1.0, 2.0, 0.0, 4.0],
        "quote_volume": [None] * count,
        "trades": [None] * count,
    }
    return pl.DataFrame({**columns, **changes})


def test_the_bundled_sample() -> None:
    history = load_history()
    assert list(history.symbols) == ["BTCUSDT", "ETHUSDT"]
    for minutes in history.symbols.values():
        assert len(minutes) == 3 * 1440
        assert [window.minutes for window in minutes.windows()] == [3 * 1440]
        assert len(minutes.funding) == 10
        assert all(time_ms % 3_600_000 == 0 for time_ms, _ in minutes.funding)
    assert history.end_ms - history.start_ms == 3 * 86_400_000
    assert (sample_data_path() / "NOTICE.md").is_file()


def test_a_slice_of_chosen_symbols() -> None:
    start_ms = load_history().start_ms
    history = load_history(symbols=["ETHUSDT"], start_ms=start_ms + 60_000, end_ms=start_ms + 600_000)
    assert list(history.symbols) == ["ETHUSDT"]
    minutes = history.symbols["ETHUSDT"]
    assert (minutes.start_ms, minutes.end_ms, len(minutes)) == (start_ms + 60_000, start_ms + 600_000, 9)


def test_windows_with_breaks(tmp_path: Path) -> None:
    times = [START_MS, START_MS + 60_000, START_MS + 600_000, START_MS + 660_000]
    frame(open_time_ms=times).write_parquet(tmp_path / "k.parquet")
    windows = load_history(tmp_path / "k.parquet").symbols["BTCUSDT"].windows()
    assert [(window.start_ms, window.end_ms, window.minutes) for window in windows] == [
        (START_MS, START_MS + 120_000, 2),
        (START_MS + 600_000, START_MS + 720_000, 2),
    ]


def test_a_folder_with_a_file_per_symbol_and_funding_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "klines_1m"
    folder.mkdir()
    frame().write_parquet(folder / "BTCUSDT.parquet")
    frame(symbol=["ETHUSDT"] * 4).write_parquet(folder / "ETHUSDT.parquet")
    funding = {"symbol": ["BTCUSDT"] * 2, "funding_time_ms": [START_MS + 33, START_MS + 28_800_002]}
    pl.DataFrame({**funding, "funding_rate": [0.0001, -0.0002]}).write_parquet(tmp_path / "funding.parquet")
    for source in (tmp_path, folder):
        history = load_history(source)
        assert list(history.symbols) == ["BTCUSDT", "ETHUSDT"]
        expected = ((START_MS, 0.0001), (START_MS + 28_800_000, -0.0002))
        assert history.symbols["BTCUSDT"].funding == expected
        assert history.symbols["ETHUSDT"].funding == ()


def test_optional_columns_may_be_missing_or_empty(tmp_path: Path) -> None:
    data = frame().drop("quote_volume", "trades")
    data.write_parquet(tmp_path / "k.parquet")
    assert load_history(tmp_path).symbols["BTCUSDT"].taker_buy_base == [None] * 4
    data.with_columns(taker_buy_base=pl.Series([0.5, None, 0.0, 4.0])).write_parquet(tmp_path / "k.parquet")
    assert load_history(tmp_path).symbols["BTCUSDT"].taker_buy_base == [0.5, None, 0.0, 4.0]


TIMES = [START_MS + 60_000 * index for index in range(4)]
BROKEN: dict[str, tuple[Callable[[], pl.DataFrame], str]] = {
    "missing column": (lambda: frame().drop("high"), "column high is missing"),
    "text prices": (lambda: frame(open=["1", "2", "3", "4"]), "column open must be a number, was String"),
    "float times": (
        lambda: frame(open_time_ms=[float(time) for time in TIMES]),
        "open_time_ms must be an integer",
    ),
    "empty price": (lambda: frame(close=[101.0, None, 103.0, 104.0]), "row 2, column close: None is empty"),
    "not a number": (
        lambda: frame(close=[101.0, 102.0, float("nan"), 104.0]),
        "row 3, column close: nan is not a finite number",
    ),
    "infinite": (lambda: frame(high=[float("inf"), 103.0, 104.0, 105.0]), "row 1, column high: inf is not"),
    "zero price": (lambda: frame(low=[99.0, 0.0, 101.0, 102.0]), "row 2, column low: 0.0 must be above zero"),
    "negative price": (lambda: frame(open=[-1.0, 101.0, 102.0, 103.0]), "row 1, column open: -1.0 must be"),
    "negative volume": (lambda: frame(base_volume=[1.0, 2.0, 3.0, -4.0]), "row 4, column base_volume: -4.0"),
    "high below low": (
        lambda: frame(high=[102.0, 103.0, 100.5, 105.0]),
        "row 3, column high: 100.5 is below low",
    ),
    "high below close": (
        lambda: frame(close=[101.0, 102.0, 104.5, 104.0]),
        "row 3, column high: 104.0 is below",
    ),
    "low above open": (lambda: frame(open=[98.0, 101.0, 102.0, 103.0]), "row 1, column low: 99.0 is above"),
    "duplicate": (
        lambda: frame(open_time_ms=[TIMES[0], TIMES[1], TIMES[1], TIMES[3]]),
        f"row 3, column open_time_ms: {TIMES[1]} is a duplicate",
    ),
    "unsorted": (
        lambda: frame(open_time_ms=[TIMES[0], TIMES[2], TIMES[1], TIMES[3]]),
        f"row 3, column open_time_ms: {TIMES[1]} is earlier than the row before",
    ),
    "microseconds": (
        lambda: frame(open_time_ms=[time_ms * 1_000 for time_ms in TIMES]),
        f"row 1, column open_time_ms: {TIMES[0] * 1_000} is after the year 2100: times are milliseconds",
    ),
    "off the minute": (
        lambda: frame(open_time_ms=[TIMES[0], TIMES[1] + 1, TIMES[2], TIMES[3]]),
        "row 2, column open_time_ms",
    ),
    "taker above volume": (
        lambda: frame(taker_buy_base=[0.5, 2.5, 0.0, 0.0]),
        "row 2, column taker_buy_base: 2.5 is not between zero and base_volume",
    ),
    "no rows": (lambda: frame().clear(), "hold no minutes"),
}


@pytest.mark.parametrize(("make", "complaint"), BROKEN.values(), ids=BROKEN.keys())
def test_one_line_says_what_is_wrong_and_where(
    tmp_path: Path, make: Callable[[], pl.DataFrame], complaint: str
) -> None:
    file = tmp_path / "minutes.parquet"
    make().write_parquet(file)
    with pytest.raises(HistoryError) as caught:
        load_history(file)
    text = str(caught.value)
    assert complaint in text
    assert str(file) in text
    assert "\n" not in text


def test_an_unknown_symbol_and_what_there_is(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "k.parquet")
    with pytest.raises(HistoryError, match="DOGEUSDT is not in the data, which has"):
        load_history(tmp_path / "k.parquet", ["DOGEUSDT"])
    with pytest.raises(HistoryError, match="DOGEUSDT is not in the data, which has BTCUSDT, ETHUSDT"):
        load_history(symbols=["BTCUSDT", "DOGEUSDT"])


@pytest.mark.parametrize("content", [b"", b"not parquet at all", b"PAR1PAR1"])
def test_a_file_that_is_no_parquet(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "k.parquet"
    file.write_bytes(content)
    with pytest.raises(HistoryError, match="not a readable Parquet file") as caught:
        load_history(file)
    assert "\n" not in str(caught.value)


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no such file or folder"):
        load_history(tmp_path / "absent")
    with pytest.raises(HistoryError, match="holds no kline Parquet file"):
        load_history(tmp_path)
    with pytest.raises(HistoryError, match="has no minute between"):
        load_history(start_ms=1, end_ms=2)


def test_the_same_symbol_in_two_files_is_refused(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "a.parquet")
    frame().write_parquet(tmp_path / "b.parquet")
    with pytest.raises(HistoryError, match="BTCUSDT is also in"):
        load_history(tmp_path)


def test_broken_funding(tmp_path: Path) -> None:
    frame().write_parquet(tmp_path / "klines_1m.parquet")
    rows = {"symbol": ["BTCUSDT"], "funding_time_ms": [START_MS], "funding_rate": [float("nan")]}
    pl.DataFrame(rows).write_parquet(tmp_path / "funding.parquet")
    with pytest.raises(HistoryError, match="row 1, column funding_rate: nan"):
        load_history(tmp_path)


def test_importing_the_reader_does_not_import_polars() -> None:
    """Start-up is quick for those who read no recorded data."""
    code = "import sys, aster_operator.market_data.history; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
