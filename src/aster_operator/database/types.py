"""Column types of the books: exact decimals on every database."""

from decimal import Context, Decimal
from typing import Any

from sqlalchemy import Dialect, Numeric, Text
from sqlalchemy.types import TypeDecorator, TypeEngine

from aster_operator.domain.money import exact, plain_text

__all__ = ["DECIMAL_COLLATION", "ExactDecimal", "compare_decimals", "register_exact_functions"]

DECIMAL_COLLATION = "EXACT_DECIMAL"

# Sums keep up to 100 digits, which is every digit of any money; the default context would round at 28.
_WIDE = Context(prec=100)


class ExactDecimal(TypeDecorator[Decimal]):
    """A Decimal stored without any loss: NUMERIC on PostgreSQL, canonical text on SQLite.

    SQLite has no exact number with a fraction; its columns carry a collation that compares the texts as
    numbers, so that `<`, `ORDER BY`, `MIN` and `MAX` are right, and `SUM` on our connections is exact
    (`register_exact_functions`). Other arithmetic inside SQLite is binary and is refused on reading with
    TypeError; `AVG` gives a plain float. Raises ValueError for NaN, infinities and text that is no number.
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text(collation=DECIMAL_COLLATION))
        return dialect.type_descriptor(Numeric(asdecimal=True))

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        if value is None:
            return None
        number = exact(value)
        return plain_text(number) if dialect.name == "sqlite" else number

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        if value is None:
            return None
        if isinstance(value, float):
            raise TypeError(
                "the database computed this in binary floating point; read the columns, compute in Python"
            )
        return value if isinstance(value, Decimal) else Decimal(value)


def compare_decimals(left: str, right: str) -> int:
    """-1, 0 or 1 as `left` is below, equal to or above `right`; other text sorts as text."""
    try:
        a, b = exact(left), exact(right)
    except ValueError:
        return (left > right) - (left < right)
    return (a > b) - (a < b)


class _ExactSum:
    """SUM over exact texts and integers; NULL for no rows, as SQL has it."""

    def __init__(self) -> None:
        self.total = Decimal(0)
        self.count = 0
        self.all_integers = True

    def step(self, value: str | int | float | None) -> None:
        self._add(value, 1)

    def inverse(self, value: str | int | float | None) -> None:
        self._add(value, -1)

    def _add(self, value: str | int | float | None, sign: int) -> None:
        if value is None:
            return
        self.all_integers = self.all_integers and isinstance(value, int)
        self.total = _WIDE.add(self.total, _WIDE.multiply(Decimal(sign), exact(value)))
        self.count += sign

    def value(self) -> str | int | None:
        if self.count == 0:
            return None
        return int(self.total) if self.all_integers else plain_text(self.total)

    def finalize(self) -> str | int | None:
        return self.value()


def register_exact_functions(connection: Any) -> None:
    """Teach a raw SQLite connection the decimal collation and exact SUM."""
    connection.create_collation(DECIMAL_COLLATION, compare_decimals)
    connection.create_window_function("sum", 1, _ExactSum)
