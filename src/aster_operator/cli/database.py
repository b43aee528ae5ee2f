"""`aster-operator db`: prepare, summarise and export the books."""

import sys
from typing import Annotated, Literal

import typer

from aster_operator.cli.options import DatabaseUrl, EnvFile, JsonOutput, settings_from

__all__ = ["register"]

_Venue = Annotated[
    Literal["sim", "paper", "testnet", "mainnet"] | None, typer.Option("--venue", help="Only this venue.")
]
_Symbol = Annotated[str | None, typer.Option("--symbol", help="Only this symbol.")]
_Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From this UTC day or time on (2026-02-20T08:00)."),
]
_Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this UTC day or time.")]


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
    since: _Since = None,
    until: _Until = None,
    json_output: JsonOutput = False,
) -> None:
    """Show volume, fees, funding and PnL by day and symbol.

    \b
    Example:
      aster-operator db stats --venue mainnet --since 2026-02-01 --json
    """
    from aster_operator.cli.book_stats import gather, print_json, print_tables
    from aster_operator.cli.times import selection
    from aster_operator.database.engine import describing_errors
    from aster_operator.database.schema import open_books

    chosen = selection(venue=venue, symbol=symbol, since=since, until=until)
    url = settings_from(env_file, database_url).database_url
    engine = open_books(url)
    with describing_errors(url), engine.connect() as connection:
        figures = gather(connection, chosen)
    if json_output:
        print_json(figures)
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
    since: _Since = None,
    until: _Until = None,
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
