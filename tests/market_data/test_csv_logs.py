"""The five CSV logs: columns, values, one header, one row a second, nothing of others deleted."""

import csv
import os
from pathlib import Path

import pandas as pd
import pytest
from market_rows import START_MS, bar, book, mark, quote, trade

from aster_operator.market_data.csv_logs import LOG_COLUMNS, CsvLogError, CsvLogs

MESSAGES = {
    "kline_1m": [bar(0, is_closed=False)],
    "bookTicker": [quote(1), quote(2, bid=100.5)],
    "markPrice": [mark(1)],
    "aggTrade": [trade(1), trade(2, sells=True), trade(3)],
    "depth5": [book(4, levels=4)],
}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_columns_are_those_of_the_source_system() -> None:
    assert {name: ",".join(columns) for name, columns in LOG_COLUMNS.items()} == {
        "kline": "ts_unix_ms,ts_dt_utc,symbol,k1_start_ms,k1_close_ms,k1_open,k1_high,k1_low,k1_close,"
        "k1_base_vol,k1_quote_vol,k1_trades,k1_closed",
        "bookTicker": "ts_unix_ms,ts_dt_utc,symbol,bid_px,bid_qty,ask_px,ask_qty,"
        "spread,mid,imbalance,weighted_mid",
        "markPrice": "ts_unix_ms,ts_dt_utc,symbol,mark_px,index_px,funding_rate,"
        "next_funding_time_ms,mark_index_bps",
        "aggTrade_1s": "ts_unix_ms,ts_dt_utc,symbol,n_trades_1s,sum_qty_1s,vwap_1s,buy_qty_1s,sell_qty_1s,"
        "buy_notional_1s,sell_notional_1s",
        "depth5": "ts_unix_ms,ts_dt_utc,symbol,"
        "bid1_px,bid2_px,bid3_px,bid4_px,bid5_px,bid1_qty,bid2_qty,bid3_qty,bid4_qty,bid5_qty,"
        "ask1_px,ask2_px,ask3_px,ask4_px,ask5_px,ask1_qty,ask2_qty,ask3_qty,ask4_qty,ask5_qty,obi5",
    }


def test_a_row_a_second_of_what_was_heard_last(tmp_path: Path) -> None:
    logs = CsvLogs(tmp_path, ["BTCUSDT"], START_MS)
    logs.take(MESSAGES)
    logs.tick(START_MS + 999)
    logs.tick(START_MS + 1_004)
    logs.tick(START_MS + 1_600)
    logs.tick(START_MS + 2_001)
    logs.close()
    quotes = rows_of(tmp_path / "bookTicker.csv")
    assert [row["ts_unix_ms"] for row in quotes] == [str(START_MS + 1_004), str(START_MS + 2_001)]
    assert quotes[0]["ts_dt_utc"] == "2026-02-02 00:00:01.004000"
    values = {name: float(quotes[0][name]) for name in LOG_COLUMNS["bookTicker"][3:]}
    assert values == {
        "bid_px": 100.5,
        "bid_qty": 1.5,
        "ask_px": 101.0,
        "ask_qty": 2.5,
        "spread": 0.5,
        "mid": 100.75,
        "imbalance": -0.25,
        "weighted_mid": (1.5 * 101.0 + 2.5 * 100.5) / 4.0,
    }
    first, second = rows_of(tmp_path / "aggTrade_1s.csv")
    sums = [float(first[name]) for name in LOG_COLUMNS["aggTrade_1s"][3:]]
    assert sums == [3, 1.5, 100.0, 1.0, 0.5, 100.0, 50.0]
    assert [second[name] for name in LOG_COLUMNS["aggTrade_1s"][3:]] == [
        "0",
        "0.0",
        "",
        "0.0",
        "0.0",
        "0.0",
        "0.0",
    ]
    mark_row = rows_of(tmp_path / "markPrice.csv")[0]
    assert float(mark_row["mark_index_bps"]) == (100.5 / 100.4 - 1) * 1e4
    depth = rows_of(tmp_path / "depth5.csv")[0]
    assert (depth["bid1_px"], depth["bid4_qty"], depth["bid5_px"], depth["ask5_qty"]) == (
        "100.0",
        "4.0",
        "",
        "",
    )
    assert float(depth["obi5"]) == (10.0 - 14.0) / 24.0
    kline = rows_of(tmp_path / "kline.csv")[0]
    assert (kline["k1_start_ms"], kline["k1_trades"], kline["k1_closed"]) == (str(START_MS), "5", "False")


def test_what_is_not_known_is_empty_and_every_symbol_has_its_row(tmp_path: Path) -> None:
    logs = CsvLogs(tmp_path, ["BTCUSDT", "ETHUSDT"], START_MS)
    logs.take(MESSAGES)
    logs.tick(START_MS + 1_000)
    logs.close()
    for name, columns in LOG_COLUMNS.items():
        rows = rows_of(tmp_path / f"{name}.csv")
        assert [row["symbol"] for row in rows] == ["BTCUSDT", "ETHUSDT"]
        assert set(rows[1]) == set(columns)
        if name != "aggTrade_1s":
            assert {rows[1][column] for column in columns[3:]} == {""}


def test_the_header_stands_once_over_restarts(tmp_path: Path) -> None:
    for second in range(3):
        logs = CsvLogs(tmp_path, ["BTCUSDT"], START_MS + second * 1000)
        logs.tick(START_MS + second * 1000 + 1000)
        logs.close()
    text = (tmp_path / "kline.csv").read_text()
    assert text.count("ts_unix_ms") == 1
    assert len(pd.read_csv(tmp_path / "kline.csv")) == 3


def test_a_line_a_crash_left_half_written_goes(tmp_path: Path) -> None:
    logs = CsvLogs(tmp_path, ["BTCUSDT"], START_MS)
    logs.tick(START_MS + 1000)
    logs.close()
    with (tmp_path / "depth5.csv").open("a") as file:
        file.write("17713548306")
    logs = CsvLogs(tmp_path, ["BTCUSDT"], START_MS + 1000)
    logs.tick(START_MS + 2000)
    logs.close()
    assert [row["ts_unix_ms"] for row in rows_of(tmp_path / "depth5.csv")] == [
        str(START_MS + 1000),
        str(START_MS + 2000),
    ]


def test_a_file_that_is_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "kline.csv").write_text("time,price\n1,2\n")
    with pytest.raises(CsvLogError, match=r"kline\.csv: its first line is not the header"):
        CsvLogs(tmp_path, ["BTCUSDT"], START_MS)
    assert (tmp_path / "kline.csv").read_text() == "time,price\n1,2\n"


def test_a_new_day_begins_new_files(tmp_path: Path) -> None:
    logs = CsvLogs(tmp_path, ["BTCUSDT"], START_MS, roll_daily=True)
    logs.tick(START_MS + 86_399_500)
    logs.tick(START_MS + 86_400_500)
    logs.close()
    assert sorted(path.name for path in tmp_path.glob("kline*")) == [
        "kline_20260202.csv",
        "kline_20260203.csv",
    ]
    for path in tmp_path.glob("kline*"):
        assert len(rows_of(path)) == 1


def test_only_our_own_logs_are_deleted(tmp_path: Path) -> None:
    ours = ["kline.csv", "depth5_20260201.csv", "aggTrade_1s.csv"]
    others = ["orders_20260201.csv", "kline_backup.csv", "notes.txt", "kline_2026.csv"]
    for name in (*ours, *others):
        (tmp_path / name).write_text("something else\n")
    CsvLogs(tmp_path, ["BTCUSDT"], START_MS, delete=True).close()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == set(others) | {f"{name}.csv" for name in LOG_COLUMNS}


def refuse_after(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """From the `count`th write on the disk takes ten bytes, then nothing."""
    write, calls = os.write, []

    def refuse(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) < count:
            return write(descriptor, data)
        if len(calls) == count:
            return write(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)


@pytest.mark.parametrize("count", range(1, 6))
def test_a_disk_that_refuses_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    logs = CsvLogs(tmp_path, ["BTCUSDT"], START_MS)
    logs.tick(START_MS + 1_000)
    with monkeypatch.context() as full:
        refuse_after(full, count)
        with pytest.raises(OSError, match="No space"):
            logs.tick(START_MS + 2_000)
    logs.tick(START_MS + 3_000)
    logs.close()
    for place, name in enumerate(LOG_COLUMNS, start=1):
        seconds = [(int(row["ts_unix_ms"]) - START_MS) // 1000 for row in rows_of(tmp_path / f"{name}.csv")]
        assert seconds == ([1, 2, 3] if place < count else [1, 3])


@pytest.mark.parametrize("count", range(1, 6))
def test_a_new_day_on_a_full_disk_begins_with_its_header_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    logs = CsvLogs(tmp_path, ["BTCUSDT"], START_MS, roll_daily=True)
    with monkeypatch.context() as full:
        refuse_after(full, count)
        with pytest.raises(OSError, match="No space"):
            logs.tick(START_MS + 86_400_500)
    logs.tick(START_MS + 86_401_500)
    logs.close()
    for name, columns in LOG_COLUMNS.items():
        rows = rows_of(tmp_path / f"{name}_20260203.csv")
        assert list(rows[0]) == list(columns)
        assert int(rows[-1]["ts_unix_ms"]) == START_MS + 86_401_500
