"""Days in BigQuery: the right tables, each day once, whatever is cut off in between."""

from pathlib import Path

import polars as pl
import pytest
from days import DAYS, record
from google_cloud import PROJECT, GoogleCloud

from aster_operator.domain.clock import ManualClock
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.parts import add_rows
from aster_operator.market_data.pipeline.day_files import Choice
from aster_operator.market_data.pipeline.problems import PipelineProblem
from aster_operator.market_data.pipeline.warehouse import Warehouse, table_name

TABLE = f"{PROJECT}.aster.funding"


def load(catalog: Catalog, choice: Choice | None = None, *, dry_run: bool = False) -> list[str]:
    warehouse = Warehouse(None, "aster", "EU")
    results = warehouse.load(catalog, choice or Choice(), ManualClock(7), dry_run=dry_run)
    return [day.outcome for day in results]


def counts(google: GoogleCloud) -> list[tuple[object, ...]]:
    sql = f"SELECT date, symbol, COUNT(*), COUNT(DISTINCT hour) FROM `{TABLE}` GROUP BY 1, 2 ORDER BY 1, 2"  # noqa: S608
    return google.rows(sql)


def test_each_day_is_there_once_in_a_partitioned_and_clustered_table(
    google: GoogleCloud, tmp_path: Path
) -> None:
    catalog = record(tmp_path / "catalog")
    assert load(catalog, dry_run=True) == ["would load", "would load"]
    assert google.tables == {}
    assert load(catalog) == ["loaded", "loaded"]
    assert load(catalog) == ["there", "there"]
    assert google.datasets["aster"]["location"] == "EU"
    assert google.tables[TABLE]["timePartitioning"] == {"type": "DAY", "field": "date"}
    assert google.tables[TABLE]["clustering"]["fields"] == ["symbol", "hour"]
    assert counts(google) == [(day, symbol, 5, 5) for day in DAYS for symbol in ("BTCUSDT", "ETHUSDT")]
    assert not [name for name in google.tables if "staging" in name]
    assert len(google.rows(f"SELECT * FROM `{PROJECT}.aster.loads`")) == 2  # noqa: S608


def test_a_day_that_grew_is_deleted_and_inserted(google: GoogleCloud, tmp_path: Path) -> None:
    load(record(tmp_path / "catalog", rows=3))
    assert load(record(tmp_path / "catalog", "add-2.parquet", rows=8, days=DAYS[:1])) == ["loaded", "there"]
    assert [row[2] for row in counts(google)] == [8, 8, 3, 3]


def test_other_symbols_of_a_day_stay(google: GoogleCloud, tmp_path: Path) -> None:
    load(record(tmp_path / "catalog", rows=3))
    other = record(tmp_path / "other", rows=6)
    load(other, Choice(symbols=["ETHUSDT"]))
    assert [row[2] for row in counts(google)] == [3, 6, 3, 6]


@pytest.mark.parametrize("place", ["/upload/", "/jobs"])
def test_a_load_that_is_cut_off_is_done_again(google: GoogleCloud, tmp_path: Path, place: str) -> None:
    catalog = record(tmp_path / "catalog")
    warehouse = Warehouse(None, "aster", "US")
    days = warehouse.load(catalog, Choice(), ManualClock(7))
    assert next(days).outcome == "loaded"
    google.refuse[place] = 99
    with pytest.raises(PipelineProblem, match="what was loaded stays"):
        next(days)
    google.refuse.clear()
    assert load(catalog) == ["there", "loaded"]
    assert [row[2] for row in counts(google)] == [5, 5, 5, 5]


def test_lists_of_levels_arrive(google: GoogleCloud, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "symbol": ["BTCUSDT"],
            "event_ms": [1_770_000_000_000],
            "received_ns": [1],
            "source": ["stream"],
            "transaction_ms": [1],
            "first_update_id": [1],
            "last_update_id": [2],
            "previous_update_id": [None],
            **{
                name: [[1.0, 2.0]]
                for name in ("bid_prices", "bid_quantities", "ask_prices", "ask_quantities")
            },
        },
        schema_overrides={"previous_update_id": pl.Int64},
    )
    add_rows(tmp_path / "catalog", "depth", frame, "add-1.parquet")
    assert load(Catalog(tmp_path / "catalog")) == ["loaded"]
    assert google.rows(f"SELECT bid_prices, hour FROM `{PROJECT}.aster.depth`") == [("[1.0, 2.0]", 2)]  # noqa: S608


@pytest.mark.parametrize(
    ("project", "dataset", "words"),
    [("My Project", "aster", "is no project id"), ("aster-desk", "aster-logs", "is no dataset")],
)
def test_wrong_names_are_refused_before_anything_is_asked(project: str, dataset: str, words: str) -> None:
    with pytest.raises(PipelineProblem, match=words):
        Warehouse(project, dataset, "US")


def test_another_project_than_ours_is_one_line(google: GoogleCloud, tmp_path: Path) -> None:
    with pytest.raises(PipelineProblem, match="Not found: Project"):
        list(Warehouse("some-other-desk", "aster", "US").load(
            record(tmp_path / "catalog"), Choice(), ManualClock(7)
        ))  # fmt: skip


def test_tables_have_names_of_words() -> None:
    names = ("kline_1m", "bookTicker", "aggTrade", "aggTrade_1s", "markPrice", "forceOrder", "depth5", "gaps")
    assert [table_name(name) for name in names] == [
        "kline_1m", "book_ticker", "agg_trade", "agg_trade_1s", "mark_price", "force_order", "depth5", "gaps",
    ]  # fmt: skip
