"""Results of a run in BigQuery: each run date once, whatever is cut off; new columns are added."""

import math

import polars as pl
import pytest
from google_cloud import PROJECT, GoogleCloud

from aster_operator.domain.clock import ManualClock
from aster_operator.market_data.pipeline.problems import PipelineProblem
from aster_operator.market_data.pipeline.warehouse import LoadedResults, Warehouse

TABLE = f"{PROJECT}.aster.backtest_ranked"
DAY, NEXT_DAY = "2026-02-01", "2026-02-08"


def ranked(symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"), **more: object) -> pl.DataFrame:
    rows = {
        "config_id": [f"cfg_{number:04d}" for number in range(len(symbols))],
        "symbol": list(symbols),
        "total_pnl": [1.5] * len(symbols),
        "sharpe": [math.inf] * len(symbols),
        "n_trades": [3] * len(symbols),
    }
    return pl.DataFrame(rows | {name: [value] * len(symbols) for name, value in more.items()})


def load(rows: pl.DataFrame, run_date: str = DAY, *, dry_run: bool = False) -> LoadedResults:
    warehouse = Warehouse(None, "aster", "EU")
    return warehouse.load_results("backtest_ranked", rows, run_date, ManualClock(7), dry_run=dry_run)


def counts(google: GoogleCloud) -> list[tuple[object, ...]]:
    return google.rows(f"SELECT run_date, symbol, COUNT(*) FROM `{TABLE}` GROUP BY 1, 2 ORDER BY 1, 2")  # noqa: S608


def test_a_run_is_there_once_in_a_table_partitioned_by_its_date(google: GoogleCloud) -> None:
    assert load(ranked(), dry_run=True).outcome == "would load"
    assert google.tables == {}
    assert load(ranked()) == LoadedResults("backtest_ranked", DAY, "loaded", 2)
    assert load(ranked()).outcome == "there"
    assert google.tables[TABLE]["timePartitioning"] == {"type": "DAY", "field": "run_date"}
    assert google.tables[TABLE]["clustering"]["fields"] == ["symbol"]
    assert counts(google) == [(DAY, "BTCUSDT", 1), (DAY, "ETHUSDT", 1)]
    assert google.rows(f"SELECT sharpe, n_trades FROM `{TABLE}`")[0] == (math.inf, 3)  # noqa: S608
    assert not [name for name in google.tables if "staging" in name]


def test_a_second_run_of_a_day_replaces_all_of_it_and_no_other_day(google: GoogleCloud) -> None:
    load(ranked())
    load(ranked(), NEXT_DAY)
    assert load(ranked(("BTCUSDT",))).outcome == "loaded"
    assert counts(google) == [(DAY, "BTCUSDT", 1), (NEXT_DAY, "BTCUSDT", 1), (NEXT_DAY, "ETHUSDT", 1)]


def test_columns_that_are_new_are_added_and_rows_without_them_stay(google: GoogleCloud) -> None:
    load(ranked())
    assert load(ranked(rs_vol_10m_bps=2.5, timestamp=None), NEXT_DAY).outcome == "loaded"
    assert load(ranked(), DAY).outcome == "there"
    found = google.rows(f"SELECT run_date, rs_vol_10m_bps FROM `{TABLE}` WHERE symbol = 'BTCUSDT' ORDER BY 1")  # noqa: S608
    assert found == [(DAY, None), (NEXT_DAY, 2.5)]


@pytest.mark.parametrize("place", ["/upload/", "/jobs"])
def test_what_is_cut_off_leaves_the_day_as_it_was(google: GoogleCloud, place: str) -> None:
    load(ranked())
    google.refuse[place] = 99
    with pytest.raises(PipelineProblem, match="what was loaded stays"):
        load(ranked(("BTCUSDT",)))
    google.refuse.clear()
    assert len(counts(google)) == 2
    assert load(ranked(("BTCUSDT",))).outcome == "loaded"
    assert counts(google) == [(DAY, "BTCUSDT", 1)]


def test_it_is_known_which_days_were_loaded(google: GoogleCloud) -> None:
    assert Warehouse(None, "aster", "EU").loaded_days("backtest_ranked") == frozenset()
    load(ranked())
    load(ranked(), NEXT_DAY)
    assert Warehouse(None, "aster", "EU").loaded_days("backtest_ranked") == {DAY, NEXT_DAY}
    assert Warehouse(None, "aster", "EU").loaded_days("backtest_inputs") == frozenset()
