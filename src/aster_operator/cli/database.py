"""`aster-operator db`: prepare, summarise and export the books."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from aster_operator.cli.options import DatabaseUrl, EnvFile, JsonOutput, Since, Until, settings_from

__all__ = ["register"]

_Venue = Annotated[
    Literal["sim", "paper", "testnet", "mainnet"] | None, typer.Option("--venue", help="Only this venue.")
]
_Symbol = Annotated[str | None, typer.Option("--symbol", help="Only this symbol.")]


def register(app: typer.Typer) -> None:
    """Add the `db` commands to `app`."""
    group = typer.Typer(
        help=_GROUP_HELP,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        short_help=_SUMMARY,
    )
    group.command("init")(_init)
    group.command("stats")(_stats)
    group.command("export")(_export)
    group.command("backup")(_backup)
    group.command("restore")(_restore)
    group.command("copy")(_copy)
    app.add_typer(group, name="db")


_SUMMARY = "Prepare, summarise and export the books."
_GROUP_HELP = f"""{_SUMMARY}

\b
Example:
  aster-operator db stats --since 2026-02-01
"""


def _init(env_file: EnvFile = None, database_url: DatabaseUrl = None) -> None:
    """Create the books, or bring older ones up to date.

    \b
    Example:
      aster-operator db init --database-url sqlite:///trades.db
    """
    from aster_operator.database.engine import database_name
    from aster_operator.database.schema import HEAD_REVISION, init_database

    url = settings_from(env_file, database_url).database_url
    init_database(url)
    print(f"Database ready: {database_name(url)} (schema {HEAD_REVISION})")


def _stats(
    env_file: EnvFile = None,
    database_url: DatabaseUrl = None,
    venue: _Venue = None,
    symbol: _Symbol = None,
    since: Since = None,
    until: Until = None,
    json_output: JsonOutput = False,
) -> None:
    """Show volume, fees, funding and PnL by day and symbol.

    \b
    Example:
      aster-operator db stats --venue mainnet --since 2026-02-01 --json
    """
    from aster_operator.cli.book_stats import print_tables
    from aster_operator.cli.json_output import print_json
    from aster_operator.cli.times import selection
    from aster_operator.database.engine import describing_errors
    from aster_operator.database.schema import open_books
    from aster_operator.monitoring.pictures.books import books_picture, gather_figures

    chosen = selection(venue=venue, symbol=symbol, since=since, until=until)
    url = settings_from(env_file, database_url).database_url
    engine = open_books(url)
    with describing_errors(url), engine.connect() as connection:
        figures = gather_figures(connection, chosen)
    if json_output:
        print_json(books_picture(figures))
    else:
        print_tables(figures)


def _export(
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="File to write; - for standard output.")],
    file_format: Annotated[
        Literal["csv", "parquet", "json"], typer.Option("--format", help="Form of the file.")
    ] = "csv",
    table: Annotated[
        Literal["trades", "positions", "funding", "orders"], typer.Option("--table", help="What to write.")
    ] = "trades",
    env_file: EnvFile = None,
    database_url: DatabaseUrl = None,
    venue: _Venue = None,
    symbol: _Symbol = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Write a table of the books to a file, every digit kept.

    \b
    Example:
      aster-operator db export --table trades --format csv --out trades.csv --since 2026-02-01
    """
    from aster_operator.cli.book_export import write_table
    from aster_operator.cli.times import selection
    from aster_operator.database.engine import describing_errors
    from aster_operator.database.schema import open_books

    chosen = selection(venue=venue, symbol=symbol, since=since, until=until)
    url = settings_from(env_file, database_url).database_url
    engine = open_books(url)
    with describing_errors(url), engine.connect() as connection:
        rows = write_table(connection, table, chosen, file_format, out)
    print(f"{rows} rows of {table} written to {out}", file=sys.stderr)


def _backup(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="New file; never overwritten.")],
    env_file: EnvFile = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Copy the books to a file while others may go on writing: complete, or not at all.

    \b
    Example:
      aster-operator db backup --out books.backup
    """
    from aster_operator.database.backup import back_up

    size = back_up(settings_from(env_file, database_url).database_url, out)
    print(f"{size} bytes written to {out}")


def _restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="File that db backup wrote.")],
    env_file: EnvFile = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Put a backup in the place of the books. A SQLite file that is there is moved aside, not deleted.

    Stop the session first. A PostgreSQL database must be empty.

    \b
    Example:
      aster-operator db restore books.backup --database-url sqlite:///restored.db
    """
    from aster_operator.database.backup import restore
    from aster_operator.database.engine import database_name

    url = settings_from(env_file, database_url).database_url
    revision = restore(backup, url)
    print(f"Restored: {database_name(url)} (schema {revision})")


def _copy(
    to: Annotated[
        str,
        typer.Option("--to", metavar="URL", help="Empty database; credential:NAME and the like work too."),
    ],
    env_file: EnvFile = None,
    database_url: DatabaseUrl = None,
    json_output: JsonOutput = False,
) -> None:
    """Copy all books to another database and compare every row; nothing is kept unless all are equal.

    \b
    Example:
      aster-operator db copy --to sqlite:///copy.db
      aster-operator db copy --to postgresql://127.0.0.1/aster
    """
    from aster_operator.cli.json_output import print_json
    from aster_operator.config.settings import load_settings
    from aster_operator.database.copying import copy_books
    from aster_operator.database.engine import database_name

    # An address may hold a password: it is read, checked and masked as DATABASE_URL is.
    target = load_settings("/dev/null", overrides={"DATABASE_URL": to}).database_url
    counts = copy_books(settings_from(env_file, database_url).database_url, target)
    if json_output:
        print_json({"database": database_name(target), "rows": counts})
        return
    for table, rows in counts.items():
        print(f"{table:<20} {rows:>10} rows, all equal")
