"""Decimals keep every digit on both databases, and comparisons and sums treat them as numbers."""

from collections.abc import Iterator
from decimal import Decimal, localcontext
from pathlib import Path

import pytest
from books_values import BOOK, make_fill
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, Integer, MetaData, Table, func, insert, select
from sqlalchemy.exc import StatementError

from aster_operator.database.engine import open_engine
from aster_operator.database.models import Trade
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.types import ExactDecimal, compare_decimals

METADATA = MetaData()
NUMBERS = Table("numbers", METADATA, Column("id", Integer, primary_key=True), Column("value", ExactDecimal))

decimals = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**24), max_value=10**24, places=18
) | (st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e9", max_value="1e9"))
few = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def numbers(empty_url: str) -> Iterator[Engine]:
    engine = open_engine(empty_url)
    METADATA.create_all(engine)
    yield engine
    engine.dispose()


def fill_table(engine: Engine, values: list[Decimal]) -> None:
    with engine.begin() as connection:
        connection.execute(NUMBERS.delete())
        if values:
            connection.execute(insert(NUMBERS), [{"value": value} for value in values])


@few
@given(values=st.lists(decimals, min_size=1, max_size=8))
def test_what_is_read_is_what_was_written(numbers: Engine, values: list[Decimal]) -> None:
    fill_table(numbers, values)
    with numbers.connect() as connection:
        assert list(connection.execute(select(NUMBERS.c.value).order_by(NUMBERS.c.id)).scalars()) == values


@few
@given(values=st.lists(decimals, min_size=1, max_size=8))
def test_sums_inside_the_database_are_exact(numbers: Engine, values: list[Decimal]) -> None:
    fill_table(numbers, values)
    with numbers.connect() as connection:
        total = connection.execute(select(func.sum(NUMBERS.c.value))).scalar_one()
    with localcontext(prec=100):
        assert total == sum(values, Decimal(0))


@few
@given(values=st.lists(decimals, min_size=1, max_size=8), limit=decimals)
def test_order_and_comparison_are_numerical(numbers: Engine, values: list[Decimal], limit: Decimal) -> None:
    fill_table(numbers, values)
    value = NUMBERS.c.value
    with numbers.connect() as connection:
        assert list(connection.execute(select(value).order_by(value)).scalars()) == sorted(values)
        above = connection.execute(select(value).where(value > limit)).scalars()
        assert sorted(above) == sorted(number for number in values if number > limit)
        assert connection.execute(select(func.min(value))).scalar_one() == min(values)
        assert connection.execute(select(func.max(value))).scalar_one() == max(values)


def test_the_sum_of_nothing_is_null_and_nulls_do_not_count(numbers: Engine) -> None:
    with numbers.begin() as connection:
        assert connection.execute(select(func.sum(NUMBERS.c.value))).scalar() is None
        connection.execute(
            insert(NUMBERS), [{"value": None}, {"value": Decimal("0.1")}, {"value": Decimal("0.2")}]
        )
        assert connection.execute(select(func.sum(NUMBERS.c.value))).scalar() == Decimal("0.3")


def test_integer_sums_stay_integers(numbers: Engine) -> None:
    with numbers.begin() as connection:
        connection.execute(insert(NUMBERS), [{"value": Decimal(1)}, {"value": Decimal(2)}])
        assert connection.execute(select(func.sum(NUMBERS.c.id))).scalar() == 3


def test_running_sums_are_exact_too(numbers: Engine) -> None:
    fill_table(numbers, [Decimal("0.1")] * 4)
    running = func.sum(NUMBERS.c.value).over(order_by=NUMBERS.c.id, rows=(-1, 0))
    with numbers.connect() as connection:
        assert list(connection.execute(select(running)).scalars()) == [
            Decimal("0.1"),
            Decimal("0.2"),
            Decimal("0.2"),
            Decimal("0.2"),
        ]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(numbers: Engine, value: str) -> None:
    with numbers.begin() as connection, pytest.raises(StatementError, match="finite"):
        connection.execute(insert(NUMBERS), {"value": Decimal(value)})


def test_binary_arithmetic_of_sqlite_is_refused_instead_of_believed(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'x.db'}")
    METADATA.create_all(engine)
    fill_table(engine, [Decimal("0.1")])
    with engine.connect() as connection, pytest.raises(TypeError, match="binary floating point"):
        connection.execute(select(NUMBERS.c.value * NUMBERS.c.value)).scalar()
    engine.dispose()


@given(left=decimals, right=decimals)
def test_the_collation_agrees_with_arithmetic(left: Decimal, right: Decimal) -> None:
    assert compare_decimals(str(left), str(right)) == (left > right) - (left < right)


def test_a_trade_keeps_more_digits_than_a_float_has(books: Engine) -> None:
    price, quantity = Decimal("67890.123456789012"), Decimal("1234.567890123")
    TradeRecorder(books, BOOK, "r").record_fill(make_fill(1, price=price, quantity=quantity))
    with books.connect() as connection:
        row = connection.execute(select(Trade.price, Trade.quantity, Trade.notional)).one()
    assert (row.price, row.quantity, row.notional) == (price, quantity, price * quantity)
