"""Backups and copies of the books: complete and equal, or not there at all."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from books_values import BOOK, make_decision, make_fill, make_income, make_opened, make_order
from sqlalchemy import Engine, func, select, text

from aster_operator.database import copying
from aster_operator.database.backup import back_up, restore
from aster_operator.database.copying import copy_books
from aster_operator.database.engine import open_engine
from aster_operator.database.models import Base, Trade
from aster_operator.database.problems import DatabaseProblem
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books

FILLS = 1_205  # more than one batch


def fill_books(engine: Engine, fills: int = FILLS) -> None:
    recorder = TradeRecorder(engine, BOOK, "run-1")
    recorder.start_run("delta-neutral", 1, seed=None, settings_fingerprint="f")
    recorder.record_order_intent(make_order(1), 1)
    recorder.record_fills([make_fill(number) for number in range(fills)])
    recorder.record_income(make_income(1))
    recorder.record_position_opened(make_opened())
    recorder.record_decision(make_decision())


def contents(url: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    engine = open_books(url)
    try:
        with engine.connect() as connection:
            return {
                table.name: [
                    tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))
                ]
                for table in Base.metadata.sorted_tables
            }
    finally:
        engine.dispose()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books with something in every kind of table."""
    path = tmp_path_factory.mktemp("made") / "books.db"
    engine = open_books(f"sqlite:///{path}")
    fill_books(engine)
    engine.dispose()
    return path


@pytest.fixture
def source(made: Path, tmp_path: Path) -> str:
    """A copy of them for this test."""
    shutil.copy(made, tmp_path / "source.db")
    return f"sqlite:///{tmp_path / 'source.db'}"


@pytest.fixture
def in_use(source: str) -> Iterator[Engine]:
    """The books, open in a session that has written and not yet checkpointed."""
    engine = open_books(source)
    TradeRecorder(engine, BOOK, "run-1").record_fill(make_fill(FILLS + 1))
    yield engine
    engine.dispose()


# --- backup and restore ---------------------------------------------------------------------------------


def test_a_backup_of_books_in_use_is_restored_whole(in_use: Engine, source: str, tmp_path: Path) -> None:
    size = back_up(source, tmp_path / "books.backup")
    assert size == (tmp_path / "books.backup").stat().st_size
    assert (tmp_path / "books.backup").stat().st_mode & 0o777 == 0o600
    restored = f"sqlite:///{tmp_path / 'restored.db'}"
    restore(tmp_path / "books.backup", restored)
    assert contents(restored) == contents(source)
    assert len(contents(restored)["trades"]) == FILLS + 1


def test_a_backup_is_one_file_and_reading_it_writes_nothing_beside_it(source: str, tmp_path: Path) -> None:
    place = tmp_path / "kept"
    place.mkdir()
    backup = place / "books.backup"
    back_up(source, backup)
    restore(backup, f"sqlite:///{tmp_path}/first.db")
    assert list(place.iterdir()) == [backup]
    assert backup.read_bytes()[18:20] == bytes((1, 1))  # a rollback journal, no write-ahead log
    # As older versions made them, with a log that is not there; and live books as they lie on the disk.
    with closing(sqlite3.connect(backup)) as older:
        assert older.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    restore(backup, f"sqlite:///{tmp_path}/second.db")
    assert list(place.iterdir()) == [backup]
    assert contents(f"sqlite:///{tmp_path}/second.db") == contents(source)


def test_changes_that_still_lie_in_a_log_are_restored_too(source: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(source.removeprefix("sqlite:///"), isolation_level=None)) as live:
        live.execute("PRAGMA wal_autocheckpoint=0")
        live.execute("UPDATE trades SET status = 'CHANGED'")
        for path in Path(source.removeprefix("sqlite:///")).parent.glob("*.db*"):
            (tmp_path / f"raw{path.suffix}").write_bytes(path.read_bytes())
        assert (tmp_path / "raw.db-wal").stat().st_size > 0
        restore(tmp_path / "raw.db", f"sqlite:///{tmp_path}/restored.db")
        assert contents(f"sqlite:///{tmp_path}/restored.db") == contents(source)


def test_restoring_moves_what_is_there_aside(source: str, tmp_path: Path) -> None:
    back_up(source, tmp_path / "books.backup")
    engine = open_books(source)
    TradeRecorder(engine, BOOK, "run-1").record_fill(make_fill(FILLS + 7))
    engine.dispose()
    restore(tmp_path / "books.backup", source)
    assert len(contents(source)["trades"]) == FILLS
    (aside,) = tmp_path.glob("source.db.before-restore-*")
    assert len(contents(f"sqlite:///{aside}")["trades"]) == FILLS + 1


def test_books_in_use_are_not_replaced(in_use: Engine, source: str, tmp_path: Path) -> None:
    back_up(source, tmp_path / "books.backup")
    with in_use.connect() as connection, connection.begin():
        connection.execute(text("UPDATE trades SET status = 'X'"))
        with pytest.raises(DatabaseProblem, match="another program is using the books"):
            restore(tmp_path / "books.backup", source)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "is no backup of SQLite books"),
        (b"PGDMP" + bytes(100), "is no backup of SQLite books"),
        (b"SQLite format 3\x00" + bytes(4000), "."),
    ],
)
def test_what_is_no_backup_changes_nothing(
    source: str, tmp_path: Path, content: bytes | None, words: str
) -> None:
    before = contents(source)
    backup = tmp_path / "books.backup"
    if content is not None:
        backup.write_bytes(content)
    with pytest.raises(DatabaseProblem, match=words):
        restore(backup, source)
    assert contents(source) == before
    assert list(tmp_path.glob("*before-restore*")) + list(tmp_path.glob(".*unfinished*")) == []


def test_a_backup_of_a_newer_schema_is_refused(source: str, tmp_path: Path) -> None:
    back_up(source, tmp_path / "books.backup")
    with closing(sqlite3.connect(tmp_path / "books.backup")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(DatabaseProblem, match="newer than this program's"):
        restore(tmp_path / "books.backup", source)
    assert len(contents(source)["trades"]) == FILLS


def test_another_program_s_database_is_no_backup(source: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection, connection:
        connection.execute("CREATE TABLE songs (id INTEGER)")
    with pytest.raises(DatabaseProblem, match="holds no books"):
        restore(tmp_path / "other.db", source)
    assert len(contents(source)["trades"]) == FILLS


def test_a_backup_is_never_overwritten(source: str, tmp_path: Path) -> None:
    (tmp_path / "books.backup").write_text("mine")
    with pytest.raises(DatabaseProblem, match="not overwritten"):
        back_up(source, tmp_path / "books.backup")
    assert (tmp_path / "books.backup").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "words"), [("absent.db", "there are no books"), ("nowhere/b.db", "no books")]
)
def test_books_that_are_not_there_are_not_made_by_a_backup(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(DatabaseProblem, match=words):
        back_up(f"sqlite:///{tmp_path / name}", tmp_path / "books.backup")
    assert list(tmp_path.iterdir()) == []


def run_with_full_disk(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command line in a process that may write 64 KiB to a file and no more, as on a full disk."""
    source = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); "
        "from aster_operator.cli.entry import main; sys.exit(main())"
    )
    return subprocess.run(
        [sys.executable, "-B", "-c", source, *arguments],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "ASTER_OPERATOR_ENV_FILE": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "arguments",
    [["db", "backup", "--out", "books.backup"], ["db", "copy", "--to", "sqlite:///books.backup"]],
    ids=["backup", "copy"],
)
def test_a_full_disk_ends_with_one_line_and_nothing_half_written(
    source: str, tmp_path: Path, arguments: list[str]
) -> None:
    before = contents(source)
    done = run_with_full_disk(tmp_path, *arguments, "--database-url", source)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.glob(".*unfinished*")) == []
    if (tmp_path / "books.backup").exists():  # the copy's target: prepared, and without a row
        assert {
            name: rows for name, rows in contents(f"sqlite:///{tmp_path}/books.backup").items() if rows
        } == {}
    assert contents(source) == before


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("unshare") is None, reason="a small disk of its own needs root"
)
def test_of_two_disks_the_full_one_is_named(source: str, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    command = [sys.executable, "-m", "aster_operator.cli.entry", "db", "backup", "--database-url", source]
    mounted = f'mount -t tmpfs -o size=40k tmpfs {small} && "$@"; code=$?; ls -A {small}; exit $code'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted, "sh", *command, "--out", str(small / "books.backup")],
        env=dict(os.environ) | {"ASTER_OPERATOR_ENV_FILE": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"aster-operator: database or disk is full, {small}: free some space on the disk")


# --- PostgreSQL -----------------------------------------------------------------------------------------


def test_books_move_to_postgresql_and_back_without_a_digit_lost(
    source: str, postgres_url: str, tmp_path: Path
) -> None:
    counts = copy_books(source, postgres_url)
    assert counts["trades"] == FILLS
    assert contents(postgres_url) == contents(source)
    back = f"sqlite:///{tmp_path / 'back.db'}"
    assert copy_books(postgres_url, back) == counts
    assert contents(back) == contents(source)


def test_rows_that_come_after_a_copy_get_new_numbers(source: str, postgres_url: str) -> None:
    copy_books(source, postgres_url)
    engine = open_books(postgres_url)
    TradeRecorder(engine, BOOK, "run-1").record_fill(make_fill(FILLS + 1))
    with engine.connect() as connection:
        assert connection.execute(select(func.max(Trade.id))).scalar() == FILLS + 1
    engine.dispose()


def test_a_backup_of_postgresql_is_restored_into_an_empty_database(
    source: str, postgres_url: str, tmp_path: Path
) -> None:
    if not (shutil.which("pg_dump") or list(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"))):
        pytest.skip("pg_dump is not installed")
    copy_books(source, postgres_url)
    before = contents(postgres_url)
    back_up(postgres_url, tmp_path / "books.backup")
    with pytest.raises(DatabaseProblem, match="holds books already"):
        restore(tmp_path / "books.backup", postgres_url)
    engine = open_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    restore(tmp_path / "books.backup", postgres_url)
    assert contents(postgres_url) == before


# --- copies ---------------------------------------------------------------------------------------------


def test_a_copy_goes_into_an_empty_database_only(source: str, made: Path) -> None:
    with pytest.raises(DatabaseProblem, match="holds rows in"):
        copy_books(source, f"sqlite:///{made}")


def test_a_database_is_not_copied_onto_itself(source: str) -> None:
    with pytest.raises(DatabaseProblem, match="one database"):
        copy_books(source, source)


def test_a_copy_that_differs_in_one_digit_is_not_kept(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = copying._advance_numbers

    def spoil(connection: object, table: object) -> None:
        advance(connection, table)  # type: ignore[arg-type]
        if getattr(table, "name", "") == "trades":
            connection.execute(text("UPDATE trades SET price = '67890.2' WHERE id = 700"))  # type: ignore[attr-defined]

    monkeypatch.setattr(copying, "_advance_numbers", spoil)
    target = f"sqlite:///{tmp_path / 'target.db'}"
    with pytest.raises(DatabaseProblem, match="row 700 of trades did not arrive as it was"):
        copy_books(source, target)
    assert {name for name, rows in contents(target).items() if rows} == set()
