"""The schema: created, migrated, compared with the models, and refused when it is not ours."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, inspect, text

from aster_operator.database.engine import open_engine
from aster_operator.database.models import Base
from aster_operator.database.problems import DatabaseProblem
from aster_operator.database.schema import (
    HEAD_REVISION,
    init_database,
    migrate,
    migration_config,
    open_books,
    stored_revision,
)

TABLES = {
    "trades",
    "positions",
    "daily_stats",
    "income",
    "order_journal",
    "order_transitions",
    "decisions",
    "session_runs",
    "strategy_memory",
    "trade_lifecycles",
}


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


def ddl_of(engine: Engine) -> dict[str, object]:
    """Columns, keys and indexes of every table, as the database reports them."""
    found = inspect(engine)
    return {
        name: (
            {column["name"]: (str(column["type"]), column["nullable"]) for column in found.get_columns(name)},
            found.get_pk_constraint(name)["constrained_columns"],
            sorted(str(sorted(key["column_names"])) for key in found.get_unique_constraints(name)),
            sorted(str(index["column_names"]) for index in found.get_indexes(name) if not index["unique"]),
            sorted(str(key["constrained_columns"]) for key in found.get_foreign_keys(name)),
        )
        for name in found.get_table_names()
        if name != "alembic_version"
    }


def test_migrations_from_nothing_make_exactly_the_models(empty_url: str) -> None:
    engine = open_engine(empty_url)
    with engine.begin() as connection:
        migrate(connection, "head")
    assert differences(engine) == []
    assert set(inspect(engine).get_table_names()) == TABLES | {"alembic_version"}
    engine.dispose()


def test_the_fast_way_and_the_migrations_make_the_same(empty_url: str, tmp_path: Path) -> None:
    engine = open_books(empty_url)
    assert differences(engine) == []
    created = ddl_of(engine)
    with engine.begin() as connection:
        assert stored_revision(connection) == HEAD_REVISION
        migrate(connection, "base")
        migrate(connection, "head")
    assert ddl_of(engine) == created
    engine.dispose()


def test_downgrading_leaves_nothing_behind(empty_url: str) -> None:
    engine = open_books(empty_url)
    with engine.begin() as connection:
        migrate(connection, "base")
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    engine.dispose()


def test_the_program_knows_the_newest_revision(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.connect() as connection:
        assert ScriptDirectory.from_config(migration_config(connection)).get_heads() == [HEAD_REVISION]
    engine.dispose()


def test_preparing_again_changes_nothing(empty_url: str) -> None:
    for _ in range(2):
        init_database(empty_url)
    engine = open_engine(empty_url)
    assert differences(engine) == []
    engine.dispose()


def test_books_that_were_downgraded_to_nothing_are_made_anew(empty_url: str) -> None:
    engine = open_books(empty_url)
    with engine.begin() as connection:
        migrate(connection, "base")
    engine.dispose()
    engine = open_books(empty_url)
    assert differences(engine) == []
    engine.dispose()


def test_books_of_a_newer_program_are_refused(empty_url: str) -> None:
    engine = open_books(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseProblem, match="schema 9999, newer than this program's") as caught:
        open_books(empty_url)
    assert "update aster-operator" in caught.value.line


def test_a_table_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "aster-operator.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE trades (id INTEGER PRIMARY KEY, price FLOAT)")
        connection.execute("INSERT INTO trades VALUES (1, 0.5)")
    connection.close()
    with pytest.raises(DatabaseProblem, match="'trades' that another program made"):
        open_books(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT * FROM trades").fetchall() == [(1, 0.5)]
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    connection.close()


def test_a_migration_that_fails_halfway_leaves_the_old_schema(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")

    def migrate_and_fail() -> None:
        with engine.begin() as connection:
            migrate(connection, "head")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        migrate_and_fail()
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_programs_that_start_at_the_same_time_prepare_once(empty_url: str) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def prepare() -> None:
        together.wait(timeout=30)
        try:
            init_database(empty_url)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    engine = open_engine(empty_url)
    assert differences(engine) == []
    engine.dispose()


def test_a_fresh_start_does_not_need_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; from aster_operator.database.schema import init_database;"
        f"init_database('sqlite:///{tmp_path / 'x.db'}'); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_sqlite_keeps_a_write_ahead_log(tmp_path: Path) -> None:
    engine = open_books(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a database without a write-ahead log, in the middle of a write."""
    holder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    holder.execute("CREATE TABLE other (id INTEGER)")
    holder.execute("BEGIN IMMEDIATE")
    yield holder
    holder.close()


def test_the_switch_to_the_log_waits_for_a_writer(tmp_path: Path, held: sqlite3.Connection) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    statements: list[str] = []

    def watch(connection: sqlite3.Connection, record: object) -> None:
        def note(statement: str) -> None:
            statements.append(statement)
            if statement == "BEGIN EXCLUSIVE":
                held.execute("COMMIT")

        connection.set_trace_callback(note)

    event.listen(engine, "connect", watch, insert=True)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
    engine.dispose()
    assert statements.count("PRAGMA journal_mode=WAL") == 2


def test_a_writer_that_never_ends_is_told_of(
    tmp_path: Path, held: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aster_operator.database.engine._BUSY_TIMEOUT_MS", 1)
    with pytest.raises(DatabaseProblem, match=r"locked.*another program is writing"):
        open_books(f"sqlite:///{tmp_path / 'x.db'}")
