"""Copies of the books: a consistent backup while they are written to, and its way back.

SQLite is copied with its own online backup, PostgreSQL with its own programs (`pg_dump`, `pg_restore`). A
backup or a restored database is there complete or not at all: the work is done beside the target, checked,
and then moved into its place.
"""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL

from aster_operator.config.problems import one_line
from aster_operator.database.engine import database_name, describing_errors, normalised_url, open_engine
from aster_operator.database.problems import DatabaseProblem
from aster_operator.database.schema import HEAD_REVISION, stored_revision
from aster_operator.database.types import register_exact_functions

__all__ = ["back_up", "restore"]

_SQLITE_HEADER = b"SQLite format 3\x00"
_POSTGRES_HEADER = b"PGDMP"
_PROGRAM_TIMEOUT_S = 3_600


def back_up(url: str | URL, target: Path) -> int:
    """Write a backup of the books at `url` to the new file `target`; its size in bytes.

    Other programs may go on writing meanwhile: the backup is one moment of the books. Raises
    DatabaseProblem, also when `target` exists: backups are never overwritten.
    """
    source = normalised_url(url)
    if target.exists():
        raise DatabaseProblem(
            "there is a file already", str(target), "backups are not overwritten: name another"
        )
    if not target.parent.is_dir():
        raise DatabaseProblem("the directory does not exist", str(target), f"create {target.parent}")
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        if source.get_backend_name() == "sqlite":
            _copy_sqlite(_existing_file(source), unfinished)
        else:
            _check_reachable(source)
            _run_postgres("pg_dump", source, "--format=custom", "--no-owner", f"--file={unfinished}")
        _sync(unfinished)
        size = unfinished.stat().st_size
        unfinished.rename(target)
    except OSError as error:
        raise DatabaseProblem(
            f"the backup cannot be written ({error.strerror})",
            str(target),
            "free some space, or name another place",
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)
    return size


def restore(backup: Path, url: str | URL) -> str:
    """Put `backup` in the place of the books at `url`; the schema revision it has.

    Books that are there stay: a SQLite file is moved to a name with `.before-restore` behind it, a PostgreSQL
    database must be empty. Raises DatabaseProblem.
    """
    target = normalised_url(url)
    try:
        with backup.open("rb") as file:
            head = file.read(len(_SQLITE_HEADER))
    except OSError as error:
        raise DatabaseProblem(
            f"the backup cannot be read ({error.strerror})", str(backup), "check the path"
        ) from None
    is_sqlite = target.get_backend_name() == "sqlite"
    wanted = _SQLITE_HEADER if is_sqlite else _POSTGRES_HEADER
    if not head.startswith(wanted):
        kind = "SQLite" if is_sqlite else "PostgreSQL"
        raise DatabaseProblem(
            f"the file is no backup of {kind} books",
            str(backup),
            "name the backup, and the database it is for",
        )
    if is_sqlite:
        return _restore_sqlite(backup, Path(str(target.database)))
    return _restore_postgres(backup, target)


# --- SQLite ---------------------------------------------------------------------------------------------


def _existing_file(url: URL) -> Path:
    path = Path(str(url.database))
    if not path.is_file():
        raise DatabaseProblem("there are no books", str(path), "check DB_PATH")
    return path


def _copy_sqlite(source: Path, target: Path, *, at_rest: bool = False) -> None:
    """SQLite's online backup, checked page by page; raises DatabaseProblem.

    The copy is one file: it needs no log beside it, and reading it writes none. `at_rest`: nobody writes to
    the source, which may then lie where nothing can be written.
    """
    options = "mode=ro&immutable=1" if at_rest and not _has_log(source) else "mode=ro"
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?{options}", uri=True)) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode=DELETE")
            register_exact_functions(writing)
            (verdict,) = writing.execute("PRAGMA quick_check").fetchone()
    except sqlite3.Error as error:
        text = one_line(str(error))
        if "full" in text:  # only the copy grows
            remedy = "free some space on the disk, or name another place"
            raise DatabaseProblem(text, str(target.absolute().parent), remedy) from None
        raise DatabaseProblem(text, str(source), "the file may be damaged or something else") from None
    if verdict != "ok":
        raise DatabaseProblem(
            f"the books are damaged ({one_line(str(verdict))})", str(source), "restore an earlier backup"
        )


def _restore_sqlite(backup: Path, target: Path) -> str:
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        _copy_sqlite(backup, unfinished, at_rest=True)
        revision = _revision_of(normalised_url(f"sqlite:///{unfinished}"), backup)
        for name in (unfinished, *_companions(unfinished)):
            if name.exists():
                _sync(name)
        _refuse_when_in_use(target)
        for path in (target, *_companions(target)):
            if path.exists():
                path.rename(_free_name(path))
        unfinished.rename(target)
    except OSError as error:
        raise DatabaseProblem(
            f"the books cannot be restored ({error.strerror})",
            str(target),
            "nothing was changed: mend that first",
        ) from None
    finally:
        for path in (unfinished, *_companions(unfinished)):
            path.unlink(missing_ok=True)
    return revision


def _companions(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _has_log(path: Path) -> bool:
    """Whether the newest changes lie in a log beside the file, as where files of live books were copied."""
    log, _ = _companions(path)
    return log.exists() and log.stat().st_size > 0


def _refuse_when_in_use(path: Path) -> None:
    """A session that writes to a file which is moved away would go on writing to it."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise DatabaseProblem(
                "another program is using the books", str(path), "stop the session first, then restore"
            ) from None


def _free_name(path: Path) -> Path:
    number = 1
    while (candidate := path.with_name(f"{path.name}.before-restore-{number}")).exists():
        number += 1
    return candidate


# --- PostgreSQL -----------------------------------------------------------------------------------------


def _restore_postgres(backup: Path, target: URL) -> str:
    engine = open_engine(target)
    try:
        with describing_errors(target), engine.connect() as connection:
            if stored_revision(connection) is not None:
                raise DatabaseProblem(
                    "the database holds books already",
                    database_name(target),
                    "restore into an empty database, then point DATABASE_URL to it",
                )
    finally:
        engine.dispose()
    _run_postgres(
        "pg_restore",
        target,
        "--exit-on-error",
        "--single-transaction",
        "--no-owner",
        str(backup),
        database=True,
    )
    return _revision_of(target, backup)


def _check_reachable(url: URL) -> None:
    engine = open_engine(url)
    try:
        with describing_errors(url), engine.connect() as connection:
            if stored_revision(connection) is None:
                raise DatabaseProblem("there are no books", database_name(url), "check DATABASE_URL")
    finally:
        engine.dispose()


def _run_postgres(program: str, url: URL, *arguments: str, database: bool = False) -> None:
    """One of PostgreSQL's programs. The password goes by the environment: arguments are in `ps`."""
    path = shutil.which(program) or _newest_program(program)
    if path is None:
        raise DatabaseProblem(
            f"{program} is not installed", database_name(url), "install PostgreSQL's client programs"
        )
    environment = dict(os.environ) | {"PGAPPNAME": "aster-operator", "PGCONNECT_TIMEOUT": "10"}
    options = {"PGHOST": url.host or url.query.get("host"), "PGPORT": url.port and str(url.port)}
    options |= {"PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database}
    options |= {"PGSSLMODE": url.query.get("sslmode"), "PGSSLROOTCERT": url.query.get("sslrootcert")}
    environment |= {name: str(value) for name, value in options.items() if value}
    named = [f"--dbname={url.database}"] if database else []
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL's with arguments of ours
        [path, *named, "--no-password", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PROGRAM_TIMEOUT_S,
    )
    if done.returncode != 0:
        said = one_line(done.stderr)[:300] or f"{program} ended with {done.returncode}"
        raise DatabaseProblem(said, database_name(url), "check server, rights and the space on the disk")


def _newest_program(program: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    return str(found[-1]) if found else None


# --- both -----------------------------------------------------------------------------------------------


def _revision_of(url: URL, backup: Path) -> str:
    """The schema of restored books; raises DatabaseProblem when they are none of ours, or newer than us."""
    engine = open_engine(url)
    try:
        with describing_errors(url), engine.connect() as connection:
            revision = stored_revision(connection)
    finally:
        engine.dispose()
    if revision is None:
        raise DatabaseProblem("the backup holds no books", str(backup), "name another")
    if revision > HEAD_REVISION:
        raise DatabaseProblem(
            f"the backup has schema {revision}, newer than this program's {HEAD_REVISION}",
            str(backup),
            "update aster-operator first",
        )
    return revision


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
