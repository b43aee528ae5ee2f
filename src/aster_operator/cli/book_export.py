"""Tables of the books as CSV, JSON or Parquet files."""

import json
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import Connection, Select, select

from aster_operator.config.problems import UserProblem
from aster_operator.database.models import IncomeEntry, OrderJournal, Position, Trade
from aster_operator.database.queries import FUNDING_TYPE
from aster_operator.database.selection import Selection
from aster_operator.database.types import ExactDecimal
from aster_operator.domain.money import plain_text
from aster_operator.market_data.catalog.durable import write_durably

__all__ = ["write_table"]

_PARQUET_DECIMAL = pl.Decimal(38, 18)
_TABLES: dict[str, tuple[Any, Any]] = {
    "trades": (Trade, Trade.timestamp_ms),
    "positions": (Position, Position.opened_ms),
    "funding": (IncomeEntry, IncomeEntry.time_ms),
    "orders": (OrderJournal, OrderJournal.intended_ms),
}


def write_table(connection: Connection, table: str, selection: Selection, file_format: str, out: str) -> int:
    """Write the selected rows of `table` to the file `out` (`-`: standard output); return their number.

    CSV and JSON hold amounts as plain decimal text, Parquet as DECIMAL(38, 18). A file is whole or
    not there. Raises UserProblem when Parquet is asked for on standard output or an amount does not fit its
    decimals.
    """
    statement = _statement(table, selection)
    names = [column.name for column in statement.selected_columns]
    rows = [tuple(row) for row in connection.execute(statement)]
    if file_format == "parquet":
        _write_parquet(statement, names, rows, out)
    else:
        text = _json_text(names, rows) if file_format == "json" else _csv_text(names, rows)
        _write_text(text, out)
    return len(rows)


def _statement(table: str, selection: Selection) -> Select[*tuple[Any, ...]]:
    model, time_column = _TABLES[table]
    statement = select(*model.__table__.columns).order_by(time_column, model.id)
    if table == "funding":
        statement = statement.where(IncomeEntry.income_type == FUNDING_TYPE)
    return selection.narrow(statement, model, time_column)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain_text(value)
    return value.isoformat() if isinstance(value, datetime) else value


def _json_text(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    records = [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
    return json.dumps(records, indent=1) + "\n"


def _csv_text(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    import csv
    import io

    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_plain(value) for value in row] for row in rows)
    return buffer.getvalue()


def _write_text(text: str, out: str) -> None:
    if out == "-":
        sys.stdout.write(text)
    else:
        write_durably(Path(out), lambda aside: aside.write_text(text, encoding="utf-8"))


def _write_parquet(statement: Select[Any], names: list[str], rows: list[tuple[Any, ...]], out: str) -> None:
    if out == "-":
        raise UserProblem("Parquet cannot go to standard output", "--out", "name a file")
    schema = {column.name: _polars_type(column) for column in statement.selected_columns}
    for column, kind in schema.items():
        if kind == _PARQUET_DECIMAL:
            _check_fits(column, [row[names.index(column)] for row in rows])
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    write_durably(Path(out), frame.write_parquet)


def _polars_type(column: Any) -> Any:
    if isinstance(column.type, ExactDecimal):
        return _PARQUET_DECIMAL
    return {int: pl.Int64, bool: pl.Boolean, datetime: pl.Datetime("ms")}.get(
        column.type.python_type, pl.String
    )


def _check_fits(column: str, values: list[Decimal | None]) -> None:
    for value in values:
        if value is None:
            continue
        exponent = value.normalize().as_tuple().exponent
        if (isinstance(exponent, int) and exponent < -18) or abs(value) >= Decimal(10) ** 20:
            raise UserProblem(
                f"{plain_text(value)} does not fit a Parquet decimal",
                f"column {column}",
                "use --format csv or json",
            )
