"""Features: against the original's way in pandas, cut at every bar, in pieces, from bad logs."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aster_operator.backtest import feature_sources, log_files
from aster_operator.backtest.feature_sources import CsvLogSource
from aster_operator.backtest.features import build_features, write_features
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.tables import read_table
from aster_operator.domain.market import Bar
from aster_operator.market_data.catalog.layout import added_name
from aster_operator.market_data.conversion.csv_in import csv_to_catalog
from aster_operator.strategy.midfreq.indicators import mean_volume, rogers_satchell_volatility_bps

from .logs import MINUTE_MS, START_MS, write_logs
from .pandas_peer import the_pandas_way

WINDOWS = (3, 10)


def features(folder: Path, windows: tuple[int, ...] = WINDOWS) -> pl.DataFrame:
    return build_features(CsvLogSource(folder), windows).table


def test_equal_to_the_pandas_way(tmp_path: Path) -> None:
    write_logs(tmp_path, 40, 1)
    expected = the_pandas_way(tmp_path, WINDOWS)
    found = features(tmp_path)
    assert found["symbol"].to_list() == expected["symbol"].to_list()
    assert found["bar_ts_ms"].to_list() == expected["bar_ts_ms"].to_list()
    for name in expected.columns.drop(["symbol", "bar_ts_ms"]):
        # A running sum, as pandas has it, loses some digits of small values.
        np.testing.assert_allclose(
            found[name].to_numpy(), expected[name].to_numpy(), rtol=1e-9, atol=1e-10, err_msg=name
        )


@pytest.mark.parametrize("offset_ms", [0, 413])
def test_nothing_later_than_a_bar_enters_its_row(tmp_path: Path, offset_ms: int) -> None:
    minutes = 24
    write_logs(tmp_path / "all", minutes, 2, offset_ms=offset_ms)
    whole = features(tmp_path / "all")
    for bars in range(1, minutes):
        cut = tmp_path / "cut"
        cut.mkdir(exist_ok=True)
        for log in ("kline", "bookTicker", "markPrice"):
            rows = pl.read_csv(tmp_path / "all" / f"{log}.csv", infer_schema_length=None)
            rows.filter(pl.col("ts_unix_ms") < START_MS + bars * MINUTE_MS).write_csv(cut / f"{log}.csv")
        expected = whole.filter(pl.col("bar_ts_ms") < START_MS + bars * MINUTE_MS)
        assert features(cut).equals(expected)


def test_pieces_of_any_size_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_logs(tmp_path, 20, 3, offset_ms=250)
    whole = features(tmp_path)
    monkeypatch.setattr(log_files, "_CHUNK_BYTES", 997)
    assert features(tmp_path).equals(whole)


def test_logs_of_single_days_are_one_stream(tmp_path: Path) -> None:
    write_logs(tmp_path / "one", 20, 4)
    (tmp_path / "days").mkdir()
    for log in ("kline", "bookTicker", "markPrice"):
        rows = pl.read_csv(tmp_path / "one" / f"{log}.csv", infer_schema_length=None)
        early = pl.col("ts_unix_ms") < START_MS + 10 * MINUTE_MS + 30_000
        rows.filter(early).write_csv(tmp_path / "days" / f"{log}_20260101.csv")
        rows.filter(~early).write_csv(tmp_path / "days" / f"{log}_20260102.csv")
    assert features(tmp_path / "days").equals(features(tmp_path / "one"))


def test_the_catalog_gives_what_the_logs_give(tmp_path: Path) -> None:
    write_logs(tmp_path / "logs", 30, 5)
    csv_to_catalog(tmp_path / "logs", tmp_path / "catalog", added_name(1, 1))
    found = build_features(feature_sources.CatalogSource(tmp_path / "catalog"), WINDOWS).table
    assert found.equals(features(tmp_path / "logs"))


@pytest.mark.parametrize(("step_ms", "shuffled"), [(1, True), (4000, True), (4000, False)])
def test_a_catalog_in_any_order_and_in_any_files_gives_the_same(
    tmp_path: Path, step_ms: int, shuffled: bool
) -> None:
    write_logs(tmp_path / "logs", 20, 11, offset_ms=250)
    csv_to_catalog(tmp_path / "logs", tmp_path / "catalog", added_name(1, 1))
    files = list((tmp_path / "catalog").rglob("*.parquet"))
    # Of rows of one time the one that was received last counts.
    time = pl.col("event_ms") // step_ms * step_ms
    rows_of = {file: pl.read_parquet(file, hive_partitioning=False).with_columns(time) for file in files}
    for file, rows in rows_of.items():
        rows.write_parquet(file)
    whole = build_features(feature_sources.CatalogSource(tmp_path / "catalog"), WINDOWS).table
    for file, rows in rows_of.items():
        mixed = rows.sort("event_ms", "received_ns", descending=[False, True])
        if shuffled:
            mixed = rows.sample(fraction=1.0, shuffle=True, seed=1)
        mixed[:400].write_parquet(file)
        mixed[400:].write_parquet(file.with_name(added_name(2, 1)))
    assert build_features(feature_sources.CatalogSource(tmp_path / "catalog"), WINDOWS).table.equals(whole)


def test_indicators_are_those_of_the_live_strategy(tmp_path: Path) -> None:
    write_logs(tmp_path, 30, 6, symbols=("BTCUSDT",))
    found = features(tmp_path)
    bars = [_bar(row) for row in found.iter_rows(named=True)]
    for window in WINDOWS:
        for end in range(window, len(bars) + 1):
            last = bars[end - window : end]
            volatility = rogers_satchell_volatility_bps(last)
            assert found[f"rs_vol_{window}m_bps"][end - 1] == pytest.approx(volatility, rel=1e-12)
            assert found[f"avg_vol_{window}m"][end - 1] == pytest.approx(mean_volume(last), rel=1e-12)
        assert found[f"rs_vol_{window}m_bps"][: window - 1].null_count() == window - 1


def _bar(row: dict[str, float]) -> Bar:
    from decimal import Decimal

    prices = {name: Decimal(repr(row[name])) for name in ("open", "high", "low", "close")}
    none = Decimal(0)
    return Bar(
        symbol="BTCUSDT",
        interval="1m",
        open_ms=int(row["bar_ts_ms"]) - MINUTE_MS + 1,
        close_ms=int(row["bar_ts_ms"]),
        base_volume=Decimal(repr(row["vol1m"])),
        quote_volume=none,
        trades=0,
        taker_buy_base_volume=none,
        taker_buy_quote_volume=none,
        is_closed=True,
        **prices,
    )


def test_a_silent_minute_keeps_the_last_quote(tmp_path: Path) -> None:
    write_logs(tmp_path, 6, 7, symbols=("BTCUSDT",))
    book = pl.read_csv(tmp_path / "bookTicker.csv", infer_schema_length=None)
    silent = (pl.col("ts_unix_ms") - START_MS).is_between(3 * MINUTE_MS, 4 * MINUTE_MS - 1)
    book.filter(~silent).write_csv(tmp_path / "bookTicker.csv")
    found = features(tmp_path)
    for name in ("bid_px", "tw_bid_px"):
        assert found[name][3] == found["bid_px"][2]
    assert found["ask_px"][3] == found["ask_px"][2]


def test_files_read_back_as_they_were(tmp_path: Path) -> None:
    write_logs(tmp_path, 15, 8)
    found = build_features(CsvLogSource(tmp_path, ["ETHUSDT"]), WINDOWS)
    paths = [tmp_path / name for name in ("f.csv", "f.csv.gz", "f.parquet")]
    write_features(found, *paths)
    assert found.symbols == ("ETHUSDT",)
    numbers = found.table.drop("timestamp", "symbol")
    for path in paths:
        assert read_table(path).select(numbers.columns).equals(numbers)
    assert read_table(paths[0])["timestamp"][0] == "2026-01-01 00:00:59.999+00:00"


def spoil(folder: Path, log: str, row: int, column: str, value: str) -> None:
    lines = (folder / f"{log}.csv").read_text().splitlines()
    cells = lines[row].split(",")
    cells[lines[0].split(",").index(column)] = value
    lines[row] = ",".join(cells)
    (folder / f"{log}.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("log", "column", "value", "complaint"),
    [
        ("kline", "k1_close", "-1", "-1 is below 0"),
        ("kline", "k1_low", "0", "0 is no price"),
        ("kline", "k1_high", "1", "high or low do not enclose open and close"),
        ("kline", "ts_unix_ms", "1000", "1000 is earlier than the row before it"),
        ("bookTicker", "ask_px", "2", "is above ask_px 2: the book is crossed"),
        ("bookTicker", "bid_px", "inf", "inf is not finite"),
        ("markPrice", "mark_px", "0", "0 is no price"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, log: str, column: str, value: str, complaint: str) -> None:
    write_logs(tmp_path, 3, 9, symbols=("BTCUSDT",))
    spoil(tmp_path, log, 100, column, value)
    with pytest.raises(
        BacktestProblem, match=f"row 100, column {column if column != 'ask_px' else 'bid_px'}"
    ) as caught:
        features(tmp_path)
    assert complaint in str(caught.value)
    assert f"{log}.csv" in str(caught.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(BacktestProblem, match="the folder is not there"):
        CsvLogSource(tmp_path / "none")
    write_logs(tmp_path, 3, 10, symbols=("BTCUSDT",))
    spoil(tmp_path, "kline", 50, "k1_open", "abc")
    with pytest.raises(BacktestProblem, match=r"kline\.csv"):
        features(tmp_path)
    (tmp_path / "markPrice.csv").unlink()
    write_logs(tmp_path / "more", 3, 10, symbols=("BTCUSDT",))
    (tmp_path / "more" / "markPrice.csv").unlink()
    with pytest.raises(BacktestProblem, match=r"the log markPrice\.csv is not there"):
        features(tmp_path / "more")
    write_logs(tmp_path / "other", 3, 10)
    with pytest.raises(BacktestProblem, match="no bars of the chosen symbols"):
        build_features(CsvLogSource(tmp_path / "other", ["XRPUSDT"]), WINDOWS)
