"""Sessions on the books: `get_db()` for queries, `python -m aster_operator.database.db` to prepare them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from sqlalchemy import URL, Engine
from sqlalchemy.orm import Session

from aster_operator.config.problems import UserProblem
from aster_operator.config.settings import load_settings
from aster_operator.database.engine import database_name, describing_errors, normalised_url
from aster_operator.database.schema import init_database, open_books

__all__ = ["get_db", "init_database", "init_db", "session_on"]


@lru_cache(maxsize=8)
def _books(url: URL) -> Engine:
    return open_books(url)


@contextmanager
def get_db(url: str | None = None) -> Iterator[Session]:
    """A session on the books, committed at the end of the block and rolled back when the block raises.

    `url` None takes DATABASE_URL or DB_PATH from the settings. The books are created or migrated on first
    use. Raises DatabaseProblem, and SettingsProblem for faulty settings.

        with get_db() as db:
            trades = db.query(Trade).filter(Trade.symbol == "BTCUSDT").all()
    """
    books = _books(normalised_url(url if url is not None else load_settings().database_url))
    with session_on(books) as session:
        yield session


@contextmanager
def session_on(engine: Engine) -> Iterator[Session]:
    """A session on `engine` with the same ending as `get_db`. Rows stay readable after the block."""
    with describing_errors(engine.url), Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


def init_db() -> str:
    """Create or migrate the books that the settings name; return the name of the database."""
    url = load_settings().database_url
    init_database(url)
    return database_name(url)


def _main() -> int:
    try:
        name = init_db()
    except UserProblem as problem:
        for line in problem.lines():
            print(f"aster-operator: {line}", file=sys.stderr)
        return problem.exit_code
    print(f"Database ready: {name}")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
