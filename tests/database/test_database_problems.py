"""Databases that cannot be used: one line that says what, where and what to do."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from books_values import BOOK, make_fill

from aster_operator.database.db import get_db
from aster_operator.database.engine import database_name
from aster_operator.database.models import Trade
from aster_operator.database.problems import DatabaseProblem
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books


def problem_of(url: str) -> str:
    with pytest.raises(DatabaseProblem) as caught:
        open_books(url)
    assert caught.value.exit_code == 2
    assert "\n" not in caught.value.line
    return caught.value.line


def test_a_missing_directory(tmp_path: Path) -> None:
    line = problem_of(f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}")
    assert "directory of the database does not exist" in line
    assert f"create {tmp_path / 'nowhere'}" in line


def test_a_directory_in_place_of_the_file(tmp_path: Path) -> None:
    assert "the database is a directory" in problem_of(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"these are not the bytes of a database" * 200)
    line = problem_of(f"sqlite:///{tmp_path / 'x.db'}")
    assert "not a database" in line
    assert "move it away" in line


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    engine = open_books(f"sqlite:///{path}")
    TradeRecorder(engine, BOOK, "r").record_fills([make_fill(number) for number in range(2000)])
    engine.dispose()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    line = problem_of(f"sqlite:///{path}")
    assert "damaged" in line


@pytest.mark.skipif(os.getuid() == 0 and not Path("/proc").is_dir(), reason="root may write anywhere here")
def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    place = Path("/proc") if os.getuid() == 0 else tmp_path / "locked"
    if os.getuid() != 0:
        place.mkdir(mode=0o500)
    line = problem_of(f"sqlite:///{place / 'x.db'}")
    assert "unable to open" in line
    assert "can be written" in line


def test_a_database_that_somebody_else_is_writing_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aster_operator.database.engine._BUSY_TIMEOUT_MS", 1)
    engine = open_books(f"sqlite:///{tmp_path / 'x.db'}")
    holder = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseProblem, match=r"locked.*another program is writing"):
        TradeRecorder(engine, BOOK, "r").record_fill(make_fill(1))
    holder.execute("ROLLBACK")
    holder.close()
    assert TradeRecorder(engine, BOOK, "r").record_fill(make_fill(1))
    engine.dispose()


def test_a_server_that_is_not_there_and_its_password(tmp_path: Path) -> None:
    line = problem_of(f"postgresql://operator:hunter22@/books?host={tmp_path}")
    assert "check DATABASE_URL" in line
    assert "hunter22" not in line


def test_a_database_the_server_does_not_have(postgres_server: str) -> None:
    line = problem_of(postgres_server.replace("/postgres?", "/nosuch?"))
    assert 'database "nosuch" does not exist' in line


def test_a_missing_driver_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pg8000", None)
    line = problem_of("postgresql://operator@localhost/books")
    assert "PostgreSQL driver" in line
    assert 'pip install "aster-operator[postgres]"' in line


@pytest.mark.parametrize("url", ["nonsense", "mysql://u:pw@h/x", "sqlite+nodriver:///x"])
def test_an_address_of_something_else(url: str) -> None:
    problem_of(url)


def test_a_problem_inside_a_session_is_a_problem_too(tmp_path: Path) -> None:
    with (
        pytest.raises(DatabaseProblem, match="no such table"),
        get_db(f"sqlite:///{tmp_path / 'x.db'}") as db,
    ):
        db.connection().exec_driver_sql("SELECT * FROM absent")


def test_an_error_of_the_caller_rolls_back_and_passes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    engine = open_books(url)
    TradeRecorder(engine, BOOK, "r").record_fill(make_fill(1))
    engine.dispose()

    def change_and_fail() -> None:
        with get_db(url) as db:
            db.query(Trade).delete()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    with get_db(url) as db:
        assert db.query(Trade).count() == 1


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:////var/x.db", "/var/x.db"),
        ("sqlite://", "memory"),
        ("postgresql://u:hunter22@host/books", "postgresql+pg8000://u:***@host/books"),
        ("::", "the given address"),
    ],
)
def test_the_name_of_a_database_hides_its_password(url: str, name: str) -> None:
    assert database_name(url) == name


def test_the_module_prepares_the_books_when_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "aster_operator.database.db"]
    environment = {"PATH": os.environ["PATH"], "DB_PATH": "mine.db"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Database ready: {tmp_path / 'mine.db'}\n"
    environment["DB_PATH"] = "no/such/place.db"
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("aster-operator: the directory of the database does not exist")
    assert done.stderr.count("\n") == 1
