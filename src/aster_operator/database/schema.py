"""Bringing the books to the schema of this program: created when empty, migrated when older, refused when
newer or foreign."""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, inspect, text

from aster_operator.database.engine import BEGIN_MODE, database_name, describing_errors, open_engine
from aster_operator.database.models import Base
from aster_operator.database.problems import DatabaseProblem

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["HEAD_REVISION", "init_database", "migrate", "migration_config", "open_books", "stored_revision"]

HEAD_REVISION = "0004"
"""Revision this program works with: the newest in `migrations/versions` (a test compares them)."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = """
CREATE TABLE IF NOT EXISTS alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""
_LOCK_NUMBER = 0x41535445  # any fixed number: PostgreSQL locks on it while one process prepares the schema


def open_books(url: str | URL) -> Engine:
    """Engine of the books at `url`, created or migrated first where needed. Raises DatabaseProblem."""
    engine = open_engine(url)
    try:
        with describing_errors(url):
            _prepare(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def init_database(url: str | URL) -> None:
    """Create or migrate the books at `url`; nothing changes when they are up to date."""
    open_books(url).dispose()


def _prepare(engine: Engine) -> None:
    with engine.connect() as connection:
        if stored_revision(connection) == HEAD_REVISION:
            return
    with engine.connect().execution_options(**{BEGIN_MODE: "IMMEDIATE"}) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
        revision = stored_revision(connection)  # again: another process may have been faster
        if revision == HEAD_REVISION:
            return
        if revision is None:
            _create(connection, engine)
        else:
            _upgrade(connection, engine, revision)


def stored_revision(connection: Connection) -> str | None:
    """Schema revision of the database, None when it has none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _create(connection: Connection, engine: Engine) -> None:
    """Make all tables at once and stamp them: what the migrations make (a test compares), without alembic."""
    foreign = set(inspect(connection).get_table_names()) & set(Base.metadata.tables)
    if foreign:
        raise DatabaseProblem(
            f"the database has a table {min(foreign)!r} that another program made",
            database_name(engine.url),
            "move it away, or change DB_PATH",
        )
    Base.metadata.create_all(connection)
    connection.execute(text(_VERSION_TABLE))
    connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": HEAD_REVISION})


def _upgrade(connection: Connection, engine: Engine, revision: str) -> None:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    try:
        ScriptDirectory.from_config(migration_config(connection)).get_revision(revision)
    except CommandError:
        raise DatabaseProblem(
            f"the books have schema {revision}, newer than this program's {HEAD_REVISION}",
            database_name(engine.url),
            "update aster-operator, or change DB_PATH",
        ) from None
    migrate(connection, "head")


def migration_config(connection: Connection) -> "Config":
    """Alembic's configuration for `connection`, made here so that no ini file is needed."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def migrate(connection: Connection, revision: str) -> None:
    """Run the migrations to `revision` (`head`, `base` or a number) inside the caller's transaction."""
    from alembic import command

    config = migration_config(connection)
    if revision == "base":
        command.downgrade(config, "base")
    else:
        command.upgrade(config, revision)
