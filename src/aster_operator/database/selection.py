"""Which rows of the books a question is about."""

from typing import Any, TypeVar

import msgspec
from sqlalchemy import Select

__all__ = ["ALL_BOOKS", "LedgerKey", "Selection"]


_Statement = TypeVar("_Statement", bound=Select[*tuple[Any, ...]])


class LedgerKey(msgspec.Struct, frozen=True, kw_only=True):
    """Whose books: `account` (main wallet or key label) at `venue`.

    `instance` names one life of an embedded exchange, whose trade numbers begin anew; empty elsewhere.
    """

    venue: str
    account: str
    instance: str = ""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that match every value given. Times are market time in ms, `since_ms` included, `until_ms` not."""

    book: LedgerKey | None = None
    venue: str | None = None
    symbol: str | None = None
    run_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def narrow(self, statement: _Statement, table: Any, time_column: Any) -> _Statement:
        """`statement` with the conditions for `table`, whose time is `time_column`."""
        equal = {"symbol": self.symbol, "run_id": self.run_id, "venue": self.venue}
        if self.book is not None:
            equal |= {"venue": self.book.venue, "account": self.book.account, "instance": self.book.instance}
        for name, value in equal.items():
            if value is not None:
                statement = statement.where(getattr(table, name) == value)
        if self.since_ms is not None:
            statement = statement.where(time_column >= self.since_ms)
        if self.until_ms is not None:
            statement = statement.where(time_column < self.until_ms)
        return statement


ALL_BOOKS = Selection()
