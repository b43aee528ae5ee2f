"""Moving the books to another database, row by row, and proving that every row arrived as it was.

The target must hold no rows yet. Everything is written, read back and compared in one transaction: a copy
that is cut short, or that differs in one digit, leaves the target as it was.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from sqlalchemy import URL, Connection, Row, Table, func, select, text

from aster_operator.database.engine import database_name, describing_errors, normalised_url
from aster_operator.database.models import Base
from aster_operator.database.problems import DatabaseProblem
from aster_operator.database.schema import open_books

__all__ = ["copy_books"]

_BATCH_ROWS = 1_000


def copy_books(source_url: str | URL, target_url: str | URL) -> dict[str, int]:
    """Copy all books; the number of rows of each table. Raises DatabaseProblem.

    Both databases are brought to this program's schema first.
    """
    if normalised_url(source_url) == normalised_url(target_url):
        raise DatabaseProblem(
            "source and target are one database", database_name(target_url), "name another --to"
        )
    source, target = open_books(source_url), open_books(target_url)
    try:
        with (
            describing_errors(source_url),
            source.connect() as reading,
            reading.begin(),
            describing_errors(target_url),
            target.connect() as writing,
            writing.begin(),
        ):
            if reading.dialect.name == "postgresql":
                reading.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            _demand_empty(writing, target_url)
            return {table.name: _copy_table(reading, writing, table, target_url) for table in _tables()}
    finally:
        source.dispose()
        target.dispose()


def _tables() -> Sequence[Table]:
    """Every table, those that others refer to first."""
    return Base.metadata.sorted_tables


def _demand_empty(connection: Connection, url: str | URL) -> None:
    for table in _tables():
        if connection.execute(select(table).limit(1)).first() is not None:
            raise DatabaseProblem(
                f"the target holds rows in {table.name} already", database_name(url), "name an empty database"
            )


def _rows(connection: Connection, table: Table) -> Iterator[Row[Any]]:
    ordered = select(table).order_by(*table.primary_key.columns)
    yield from connection.execute(ordered.execution_options(yield_per=_BATCH_ROWS))


def _copy_table(reading: Connection, writing: Connection, table: Table, url: str | URL) -> int:
    batch: list[dict[str, Any]] = []
    for row in _rows(reading, table):
        batch.append(dict(row._mapping))
        if len(batch) == _BATCH_ROWS:
            writing.execute(table.insert(), batch)
            batch = []
    if batch:
        writing.execute(table.insert(), batch)
    _advance_numbers(writing, table)
    return _compare(reading, writing, table, url)


def _compare(reading: Connection, writing: Connection, table: Table, url: str | URL) -> int:
    """The number of rows, all equal. Raises DatabaseProblem at the first that differs."""
    count = 0
    for ours, theirs in zip_longest(_rows(reading, table), _rows(writing, table)):
        if ours is None or theirs is None or tuple(ours) != tuple(theirs):
            raise DatabaseProblem(
                f"row {count + 1} of {table.name} did not arrive as it was",
                database_name(url),
                "nothing was kept: report this with the versions of both databases",
            )
        count += 1
    return count


def _advance_numbers(connection: Connection, table: Table) -> None:
    """Rows that come later must not get numbers that were copied."""
    column = table.autoincrement_column
    if column is None or connection.dialect.name != "postgresql":
        return  # SQLite takes the largest number in use
    newest = connection.execute(select(func.max(column))).scalar()
    if newest is not None:
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        connection.execute(select(func.setval(sequence, newest)))
