"""Opening the books: engines with the right pragmas, and database errors as one-line problems."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from aster_operator.config.problems import one_line
from aster_operator.database.problems import DatabaseProblem
from aster_operator.database.types import register_exact_functions

__all__ = ["BEGIN_MODE", "database_name", "describing_errors", "normalised_url", "open_engine"]

BEGIN_MODE = "sqlite_begin_mode"
"""Execution option: `IMMEDIATE` takes SQLite's write lock when the transaction begins."""

_BUSY_TIMEOUT_MS = 10_000
_WAL_ATTEMPTS = 100
_POSTGRES_DRIVER = "pg8000"


def database_name(url: str | URL) -> str:
    """The database as it may be shown: a file's path, or an address without its password."""
    try:
        parsed = normalised_url(url)
    except DatabaseProblem:
        return "the given address"
    if parsed.get_backend_name() == "sqlite":
        return parsed.database or "memory"
    # What follows the `?` may hold a password too.
    return parsed.set(query={}).render_as_string(hide_password=True)


def open_engine(url: str | URL) -> Engine:
    """An engine for the books at `url` (`sqlite:///FILE`, `postgresql://...`). Connects to nothing yet.

    SQLite runs in WAL mode with synchronous NORMAL: a commit survives the death of the process at once, and
    of the machine after the next checkpoint; where that is not enough (an order intent at a real venue) the
    recorder raises one transaction to FULL. Raises DatabaseProblem.
    """
    parsed = normalised_url(url)
    try:
        if parsed.get_backend_name() == "sqlite":
            _check_directory(parsed)
            engine = create_engine(parsed, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000})
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        engine = create_engine(parsed, pool_pre_ping=True)
        if engine.driver == _POSTGRES_DRIVER:
            from aster_operator.database.postgres import listen_for_connects

            listen_for_connects(engine)
        return engine
    except ModuleNotFoundError as error:
        raise DatabaseProblem(
            f"the PostgreSQL driver {error.name} is not installed",
            database_name(parsed),
            'run pip install "aster-operator[postgres]", or use SQLite',
        ) from None
    except (NoSuchModuleError, ArgumentError) as error:
        raise DatabaseProblem(
            one_line(str(error)), database_name(parsed), "use sqlite or postgresql"
        ) from None


def normalised_url(url: str | URL) -> URL:
    """`url` with the driver named and a SQLite file's path made absolute. Raises DatabaseProblem."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseProblem(
            "the database address cannot be understood",
            "DATABASE_URL",
            "write sqlite:///FILE or postgresql://user:password@host/name",
        ) from None
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername=f"postgresql+{_POSTGRES_DRIVER}")
    if parsed.get_backend_name() == "sqlite" and not _in_memory(parsed):
        return parsed.set(database=str(Path(str(parsed.database)).expanduser().absolute()))
    return parsed


def _in_memory(url: URL) -> bool:
    return url.database in (None, "", ":memory:")


def _check_directory(url: URL) -> None:
    if _in_memory(url):
        return
    path = Path(str(url.database))
    if path.is_dir():
        raise DatabaseProblem("the database is a directory", str(path), "name a file in it")
    if not path.parent.is_dir():
        raise DatabaseProblem(
            "the directory of the database does not exist",
            str(path),
            f"create {path.parent}, or change DB_PATH",
        )


def _prepare_sqlite(connection: Any, record: object) -> None:  # noqa: ARG001 - signature of the event
    # Transactions are begun by `_begin_sqlite`, so that migrations are transactional too.
    connection.isolation_level = None
    register_exact_functions(connection)
    cursor = connection.cursor()
    try:
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
        _switch_to_wal(cursor)
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
    finally:
        cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Make the journal a write-ahead log, however many programs do so at the same time.

    SQLite takes a read lock for the switch and then upgrades it; an upgrade never waits for the busy timeout,
    since two of them would wait for each other. An exclusive transaction does wait: when one has come and
    gone the way was free, and the switch is tried again.
    """
    for _ in range(_WAL_ATTEMPTS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
        else:
            return
        cursor.execute("BEGIN EXCLUSIVE")
        cursor.execute("ROLLBACK")
    cursor.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get(BEGIN_MODE, "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")


@contextmanager
def describing_errors(url: str | URL) -> Iterator[None]:
    """Turn database errors inside the block into DatabaseProblem with one line; programming errors pass."""
    try:
        yield
    except DBAPIError as error:
        text = one_line(_message(error.orig))
        raise DatabaseProblem(text, database_name(url), _remedy(text)) from error
    except SQLAlchemyError:
        raise


def _message(error: BaseException | None) -> str:
    """What a driver's error says. PostgreSQL's answers come as fields: M is the message, D its detail."""
    fields = error.args[0] if error is not None and error.args else None
    if isinstance(fields, dict):
        return ": ".join(fields[name] for name in ("M", "D") if name in fields)
    cause = error.__cause__ if error is not None else None
    if isinstance(cause, OSError):
        return f"no connection to the server: {cause.strerror or cause}"
    return "the server closed the connection" if str(error) == "network error" else str(error)


_REMEDIES = (
    ("not a database", "the file is something else or damaged: move it away, or change DB_PATH"),
    ("malformed", "the file is damaged: restore a copy, or change DB_PATH"),
    ("unable to open", "check that its directory exists and can be written, or change DB_PATH"),
    ("readonly", "check the permissions of the file and of its directory"),
    ("read-only", "check the permissions of the file and of its directory"),
    ("locked", "another program is writing to it: close that, then try again"),
    ("disk is full", "free some space on the disk"),
    ("no such table", "run aster-operator db init"),
    ("does not exist", "check DATABASE_URL, then run aster-operator db init"),
    ("ssl", "check sslmode and sslrootcert in DATABASE_URL"),
    ("password", "check user and password in DATABASE_URL"),
    ("connection", "check DATABASE_URL and that the server runs"),
)


def _remedy(text: str) -> str:
    lowered = text.lower()
    for mark, remedy in _REMEDIES:
        if mark in lowered:
            return remedy
    return "check the database"
