"""Books to test on: SQLite files, and a PostgreSQL server of our own where its programs are installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from aster_operator.database.engine import open_engine
from aster_operator.database.schema import open_books


def _postgres_programs() -> Path | None:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return versions[-1].parent if versions else None


def _unprivileged_user() -> str | None:
    """The server refuses to run as root: somebody else runs it then."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a PostgreSQL server that lives as long as the test session, on a Unix socket."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (no initdb): the books were tested on SQLite only")
    user = _unprivileged_user()
    # Not below the session's temporary directory, which only its owner may enter; and socket paths are short.
    home = Path(tempfile.mkdtemp(prefix="books-pg-"))
    if user is not None:
        shutil.chown(home, user)
    data = home / "data"

    def run(*command: str) -> None:
        done = subprocess.run(
            command,
            check=False,
            user=user,
            cwd=home,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "Europe/Moscow"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    try:
        run(
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            "operator",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
        )
        rules = data / "pg_hba.conf"
        guarded = "local all guarded scram-sha-256\n"  # the first rule that fits counts
        rules.write_text(guarded + rules.read_text(encoding="utf-8"), encoding="utf-8")
        options = f"-k {home} -c listen_addresses='' -c fsync=off -c max_connections=50"
        log = str(home / "log")
        run(str(programs / "pg_ctl"), "-D", str(data), "-l", log, "-w", "-o", options, "start")
        try:
            yield f"postgresql://operator@/postgres?host={home}"
        finally:
            run(str(programs / "pg_ctl"), "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def run_on_server(url: str, statement: str) -> None:
    """Run a statement that refuses to be part of a transaction."""
    engine = open_engine(url)
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


@pytest.fixture
def postgres_url(postgres_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database on the server."""
    name = f"t{abs(hash(request.node.nodeid))}"
    run_on_server(postgres_server, f"CREATE DATABASE {name}")
    yield postgres_server.replace("/postgres?", f"/{name}?")
    run_on_server(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a database with nothing in it, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'books.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def books(empty_url: str) -> Iterator[Engine]:
    """Prepared books of each kind."""
    engine = open_books(empty_url)
    yield engine
    engine.dispose()
