"""Days of a catalog reach a store whole, once, and come back equal, on three kinds of stores."""

from collections import Counter
from pathlib import Path

import pytest
from days import DAYS, SYMBOLS, record, rows_of
from google_cloud import GoogleCloud

from aster_operator.domain.clock import ManualClock
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.durable import CatalogLock
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.pipeline.day_files import Choice
from aster_operator.market_data.pipeline.problems import PipelineProblem
from aster_operator.market_data.pipeline.store import Store, open_store
from aster_operator.market_data.pipeline.sync import sync
from aster_operator.market_data.pipeline.upload import upload

ALL = Choice()


def send(
    catalog: Catalog, store: Store, choice: Choice = ALL, *, dry_run: bool = False, replace: bool = False
) -> dict[str, int]:
    clock = ManualClock(1_770_000_000_000)
    results = upload(catalog, store, choice, clock, dry_run=dry_run, replace=replace)
    return dict(Counter(day.outcome for day in results))


def fetch(store: Store, root: Path, *, dry_run: bool = False, replace: bool = False) -> dict[str, int]:
    return dict(Counter(day.outcome for day in sync(store, root, ALL, dry_run=dry_run, replace=replace)))


def data_objects(store: Store) -> list[str]:
    return [name for name in store.names("") if name.endswith(".parquet")]


def test_a_laptop_gets_what_a_machine_recorded(store_url: str, tmp_path: Path) -> None:
    machine = record(tmp_path / "machine")
    record(tmp_path / "machine", "add-2.parquet", rows=7)  # a second file of each day, five rows repeated
    store = open_store(store_url)
    assert send(machine, store, dry_run=True) == {"would send": 4}
    assert store.names("") == []
    assert send(machine, store) == {"sent": 4}
    assert send(machine, store) == {"there": 4}
    expected = [f"stream=funding/symbol={name}/date={day}/day.parquet" for name in SYMBOLS for day in DAYS]
    assert sorted(data_objects(store)) == sorted(f"/{name}".removeprefix("/") for name in expected)
    laptop = tmp_path / "laptop"
    assert fetch(store, laptop, dry_run=True) == {"would fetch": 4}
    assert not laptop.exists()
    assert fetch(store, laptop) == {"fetched": 4}
    assert fetch(store, laptop) == {"there": 4}
    assert len(rows_of(laptop)) == 2 * 2 * 7
    assert (
        rows_of(laptop)
        == Catalog(tmp_path / "machine")
        .read("funding")
        .unique(["symbol", "funding_ms"], maintain_order=True)
        .to_dicts()
    )
    # What came from the store goes back unchanged.
    assert send(Catalog(laptop), store) == {"there": 4}


def test_a_day_that_grew_takes_the_place_of_the_old_one(store_url: str, tmp_path: Path) -> None:
    store, laptop = open_store(store_url), tmp_path / "laptop"
    send(record(tmp_path / "machine", rows=3), store)
    fetch(store, laptop)
    machine = record(tmp_path / "machine", "add-2.parquet", rows=9)
    assert send(machine, store) == {"replaced": 4}
    assert len(data_objects(store)) == 4
    assert fetch(store, laptop) == {"replaced": 4}
    assert len(rows_of(laptop)) == 2 * 2 * 9


def test_a_catalog_with_less_does_not_take_anything_away(store_url: str, tmp_path: Path) -> None:
    store = open_store(store_url)
    send(record(tmp_path / "all", rows=9), store)
    part = record(tmp_path / "part", rows=2)
    assert send(part, store) == {"kept": 4}
    assert send(part, store, Choice(symbols=["BTCUSDT"]), replace=True) == {"replaced": 2}


def test_what_was_recorded_here_stays_unless_its_owner_says_so(store_url: str, tmp_path: Path) -> None:
    store = open_store(store_url)
    send(record(tmp_path / "machine", rows=9), store)
    own = record(tmp_path / "own", rows=2, rate=0.5, days=DAYS[:1])
    assert fetch(store, own.root) == {"kept": 2, "fetched": 2}
    assert {row["funding_rate"] for row in rows_of(own.root)} == {0.5, 0.0001}
    assert fetch(store, own.root, replace=True) == {"replaced": 2, "there": 2}
    assert {row["funding_rate"] for row in rows_of(own.root)} == {0.0001}


def test_days_and_symbols_can_be_chosen(store_url: str, tmp_path: Path) -> None:
    store = open_store(store_url)
    choice = Choice(streams=["funding"], symbols=["ETHUSDT"], first_day=DAYS[1], last_day=DAYS[1])
    assert send(record(tmp_path / "machine"), store, choice) == {"sent": 1}
    assert data_objects(store) == [f"stream=funding/symbol=ETHUSDT/date={DAYS[1]}/day.parquet"]


# --- a bad day ------------------------------------------------------------------------------------


def test_an_upload_that_is_cut_off_goes_on_where_it_stopped(google: GoogleCloud, tmp_path: Path) -> None:
    machine, store = record(tmp_path / "machine"), open_store("gs://bucket/catalog")
    days = upload(machine, store, ALL, ManualClock(1))
    assert next(days).outcome == "sent"
    google.refuse["/upload/"] = 99
    with pytest.raises(PipelineProblem) as caught:
        next(days)
    assert "gs://bucket/catalog" in caught.value.line
    assert "run it again" in caught.value.line
    google.refuse.clear()
    google.writes.clear()
    assert send(machine, store) == {"there": 1, "sent": 3}
    assert len([name for name in google.writes if name.endswith(".parquet")]) == 3


def test_a_day_without_its_note_has_not_arrived(google: GoogleCloud, tmp_path: Path) -> None:
    machine, store = record(tmp_path / "machine"), open_store("gs://bucket/catalog")
    send(machine, store)
    note = next(name for name in google.objects if name.endswith(".json"))
    del google.objects[note]
    assert fetch(store, tmp_path / "laptop") == {"fetched": 3}
    assert send(machine, store) == {"there": 3, "sent": 1}


def test_half_an_object_is_noticed_and_never_fetched(google: GoogleCloud, tmp_path: Path) -> None:
    machine, store = record(tmp_path / "machine"), open_store("gs://bucket/catalog")
    google.truncate_next_object = True
    with pytest.raises(PipelineProblem, match="arrived changed"):
        send(machine, store)
    assert not any(name.endswith(".json") for name in google.objects)
    assert send(machine, store) == {"sent": 4}


def test_an_object_that_is_not_what_its_note_says_is_refused(store_url: str, tmp_path: Path) -> None:
    store, laptop = open_store(store_url), tmp_path / "laptop"
    send(record(tmp_path / "machine"), store)
    name = data_objects(store)[0]
    store.write(name, b"something else")
    with pytest.raises(PipelineProblem, match="is not what its note says"):
        fetch(store, laptop)
    assert [path.name for path in laptop.rglob("*") if path.is_file()] == ["recorder.lock"]


def test_a_catalog_that_is_being_recorded_into_is_left_alone(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    send(record(tmp_path / "machine"), store)
    with CatalogLock(tmp_path / "laptop"), pytest.raises(CatalogError, match="recorded into"):
        fetch(store, tmp_path / "laptop")


def test_a_bucket_that_is_not_there_is_one_line(google: GoogleCloud, s3: str, tmp_path: Path) -> None:
    for url in ("gs://elsewhere/catalog", "s3://elsewhere/catalog"):
        with pytest.raises(PipelineProblem) as caught:
            send(record(tmp_path / "machine"), open_store(url))
        assert url in caught.value.line
        assert "\n" not in caught.value.line


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://host/folder", "ftp:// is no store"),
        ("s3:///folder", "names no bucket"),
        ("s3://key:secret@bucket/folder", "holds credentials"),
    ],
)
def test_an_address_that_is_none_is_refused(url: str, words: str) -> None:
    with pytest.raises(PipelineProblem, match=words) as caught:
        open_store(url)
    assert "secret" not in caught.value.line
