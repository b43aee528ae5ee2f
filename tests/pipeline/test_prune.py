"""Days leave the catalog only when a store has them as they are here."""

import json
from collections import Counter
from pathlib import Path

import pytest
from days import DAYS, SYMBOLS, record, rows_of

from aster_operator.cli.entry import main
from aster_operator.domain.clock import ManualClock
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.durable import CatalogLock
from aster_operator.market_data.catalog.layout import Partition
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.pipeline.day_files import Choice, object_name
from aster_operator.market_data.pipeline.prune import prune
from aster_operator.market_data.pipeline.store import Store, open_store
from aster_operator.market_data.pipeline.sync import sync
from aster_operator.market_data.pipeline.upload import upload

FIRST = Choice(last_day=DAYS[0])


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return record(tmp_path / "machine")


@pytest.fixture
def store(store_url: str, catalog: Catalog) -> Store:
    """A store that has all of the catalog."""
    store = open_store(store_url)
    assert len(list(upload(catalog, store, Choice(), ManualClock(7)))) == 4
    return store


def outcomes(
    catalog: Catalog, store: Store, choice: Choice = FIRST, *, dry_run: bool = False
) -> dict[str, int]:
    return dict(Counter(day.outcome for day in prune(catalog, store, choice, dry_run=dry_run)))


def test_old_days_that_are_in_the_store_go_and_can_be_brought_back(
    catalog: Catalog, store: Store, tmp_path: Path
) -> None:
    before = rows_of(catalog.root)
    assert outcomes(catalog, store, dry_run=True) == {"would remove": 2}
    assert rows_of(catalog.root) == before
    assert outcomes(catalog, store) == {"removed": 2}
    assert len(rows_of(catalog.root)) == len(before) / 2
    assert outcomes(catalog, store) == {}
    list(sync(store, catalog.root, Choice()))
    assert rows_of(catalog.root) == before


def test_a_day_that_grew_since_it_was_sent_stays(catalog: Catalog, store: Store) -> None:
    record(catalog.root, "add-2.parquet", rows=8, days=DAYS[:1])
    assert outcomes(catalog, store) == {"kept": 2}
    list(upload(catalog, store, Choice(), ManualClock(8)))
    assert outcomes(catalog, store) == {"removed": 2}


def test_a_day_whose_object_is_gone_from_the_store_stays(catalog: Catalog, tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    list(upload(catalog, store, Choice(), ManualClock(7)))
    (tmp_path / "store" / object_name(Partition("funding", SYMBOLS[0], DAYS[0]))).unlink()
    assert outcomes(catalog, store) == {"kept": 1, "removed": 1}


def test_not_while_somebody_records(catalog: Catalog, tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    with CatalogLock(catalog.root), pytest.raises(CatalogError, match="is being recorded into"):
        outcomes(catalog, store)


def test_the_command_says_what_stayed(
    catalog: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "prune", "--older-than-days", "1", "--catalog", str(catalog.root), "--json"]
    assert main(command) == 2
    assert "no store is named, data prune" in capsys.readouterr().err
    assert main([*command, "--store", str(tmp_path / "empty")]) == 1
    assert json.loads(capsys.readouterr().out)["outcomes"] == {"kept": 4}
    assert main(["data", "upload", "--catalog", str(catalog.root), "--to", str(tmp_path / "store")]) == 0
    capsys.readouterr()
    assert main([*command, "--store", str(tmp_path / "store")]) == 0
    assert json.loads(capsys.readouterr().out)["outcomes"] == {"removed": 4}
