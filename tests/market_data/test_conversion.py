"""CSV logs, kline files and catalogs, into one another and back."""

from pathlib import Path

import polars as pl
import pytest
from market_rows import START_MS, bar, frame_of, trade
from test_csv_logs import MESSAGES

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.catalog.quality import check_catalog
from aster_operator.market_data.conversion.csv_in import csv_to_catalog
from aster_operator.market_data.conversion.csv_out import catalog_to_csv
from aster_operator.market_data.conversion.klines import catalog_to_klines, klines_to_catalog
from aster_operator.market_data.conversion.problems import ConversionError
from aster_operator.market_data.csv_logs import LOG_COLUMNS, CsvLogs
from aster_operator.market_data.history import HistoryError, load_history, sample_data_path


def written_logs(folder: Path) -> Path:
    logs = CsvLogs(folder, ["BTCUSDT"], START_MS)
    logs.take(MESSAGES)
    for second in range(1, 4):
        logs.tick(START_MS + second * 1000 + 5)
        logs.take({"aggTrade": [trade(second * 10)], "kline_1m": [bar(0)]})
    logs.close()
    return folder


def test_logs_survive_the_way_there_and_back(tmp_path: Path) -> None:
    logs = written_logs(tmp_path / "logs")
    rows = csv_to_catalog(logs, tmp_path / "catalog", "add-1-1.parquet")
    assert rows == {"kline_1m": 3, "bookTicker": 3, "markPrice": 3, "aggTrade_1s": 3, "depth5": 3}
    catalog_to_csv(Catalog(tmp_path / "catalog"), tmp_path / "again")
    for name in LOG_COLUMNS:
        assert (tmp_path / "again" / f"{name}.csv").read_bytes() == (logs / f"{name}.csv").read_bytes()


def test_samples_are_no_faults(tmp_path: Path) -> None:
    csv_to_catalog(written_logs(tmp_path / "logs"), tmp_path / "catalog", "add-1-1.parquet")
    assert check_catalog(Catalog(tmp_path / "catalog")).ok


@pytest.mark.parametrize(
    ("log", "find", "put", "complaint"),
    [
        ("markPrice", "100.4", "x", r"markPrice\.csv: row 1, column index_px: 'x' is not a finite number"),
        ("bookTicker", "101.0", "inf", r"column ask_px: 'inf' is not a finite number"),
        ("kline", "False", "maybe", r"column k1_closed: 'maybe' is not True or False"),
        ("kline", str(START_MS), "1.5", r"column k1_start_ms: '1\.5' is not a whole number"),
        ("depth5", "ts_unix_ms", "time", "is not the header"),
    ],
)
def test_a_bad_log_is_named_and_nothing_is_written(
    tmp_path: Path, log: str, find: str, put: str, complaint: str
) -> None:
    path = written_logs(tmp_path / "logs") / f"{log}.csv"
    path.write_text(path.read_text().replace(find, put, 1))
    with pytest.raises(ConversionError, match=complaint):
        csv_to_catalog(tmp_path / "logs", tmp_path / "catalog", "add-1-1.parquet")
    assert not (tmp_path / "catalog").exists()


def test_recorded_messages_become_rows_of_seconds(tmp_path: Path) -> None:
    add_rows(tmp_path, "aggTrade", frame_of("aggTrade", [trade(n) for n in (10, 900, 2500)]), "seg-1.parquet")
    catalog_to_csv(Catalog(tmp_path), tmp_path / "logs")
    rows = pl.read_csv(tmp_path / "logs" / "aggTrade_1s.csv")
    assert (rows["ts_unix_ms"] - START_MS).to_list() == [1000, 2000, 3000]
    assert rows["n_trades_1s"].to_list() == [2, 0, 1]
    assert rows["vwap_1s"].to_list() == [100.0, None, 100.0]


def test_minutes_survive_the_way_there_and_back(tmp_path: Path) -> None:
    before = load_history(sample_data_path())
    klines_to_catalog(sample_data_path(), tmp_path / "catalog", "add-1-1.parquet")
    assert check_catalog(Catalog(tmp_path / "catalog")).ok
    written = catalog_to_klines(Catalog(tmp_path / "catalog"), tmp_path / "minutes")
    after = load_history(tmp_path / "minutes")
    assert after == before
    assert load_history(tmp_path / "catalog") == before
    assert written["klines_1m"] == sum(len(found.close) for found in before.symbols.values())


def test_a_break_in_a_file_is_a_known_gap(tmp_path: Path) -> None:
    minutes = pl.DataFrame(
        {
            "symbol": ["BTCUSDT"] * 4,
            "open_time_ms": [START_MS + n * 60_000 for n in (0, 1, 5, 6)],
            **{name: [1.0] * 4 for name in ("open", "high", "low", "close", "base_volume")},
        }
    )
    minutes.write_parquet(tmp_path / "minutes.parquet")
    klines_to_catalog(tmp_path / "minutes.parquet", tmp_path / "catalog", "add-1-1.parquet")
    catalog = Catalog(tmp_path / "catalog")
    assert catalog.gaps().select("cause", "missed").rows() == [("not in the file", 3)]
    report = check_catalog(catalog)
    assert (report.ok, report.days[0].missing, report.days[0].unexplained) == (True, 3, 0)


@pytest.mark.parametrize(
    ("step_ms", "stream"), [(60_000, "kline_1m"), (300_000, "kline_5m"), (3_600_000, "kline_1h")]
)
def test_the_length_of_bars_is_seen(tmp_path: Path, step_ms: int, stream: str) -> None:
    bars = pl.DataFrame(
        {
            "symbol": ["BTCUSDT"] * 3,
            "open_time_ms": [START_MS + n * step_ms for n in range(3)],
            **{name: [1.0] * 3 for name in ("open", "high", "low", "close", "base_volume")},
        }
    )
    bars.write_parquet(tmp_path / "bars.parquet")
    assert klines_to_catalog(tmp_path / "bars.parquet", tmp_path / "catalog", "add-1-1.parquet") == {
        stream: 3
    }


def test_impossible_bars_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    bars = pl.DataFrame(
        {
            "symbol": ["BTCUSDT"],
            "open_time_ms": [START_MS],
            **{name: [1.0] for name in ("open", "low", "close", "base_volume")},
            "high": [0.5],
        }
    )
    bars.write_parquet(tmp_path / "bars.parquet")
    with pytest.raises(HistoryError, match="high"):
        klines_to_catalog(tmp_path / "bars.parquet", tmp_path / "catalog", "add-1-1.parquet")
    assert not (tmp_path / "catalog").exists()
