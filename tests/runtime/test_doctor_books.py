"""What the doctor reads in the books, and how it tells an own position from one that nobody owns."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from aster_operator.database.engine import open_engine
from aster_operator.database.models import Position
from aster_operator.database.problems import DatabaseProblem
from aster_operator.database.schema import init_database
from aster_operator.database.selection import LedgerKey
from aster_operator.domain.enums import MarginType, PositionSide
from aster_operator.domain.positions import PositionReport
from aster_operator.runtime.doctor_account import _is_owned
from aster_operator.runtime.session_memory import open_quantities

BOOK = LedgerKey(venue="sim", account="0xabc", instance="one")
D = Decimal


def _report(side: PositionSide, quantity: str) -> PositionReport:
    return PositionReport(
        symbol="BTCUSDT", position_side=side, quantity=D(quantity), entry_price=D(1), mark_price=D(1),
        unrealized_pnl=D(0), liquidation_price=D(0), leverage=5, margin_type=MarginType.CROSSED,
        isolated_margin=D(0), max_notional=D(0), update_ms=0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("side", "quantity", "owned", "expected"),
    [
        (PositionSide.LONG, "0.01", {("BTCUSDT", "LONG"): "0.01"}, True),
        (PositionSide.LONG, "0.02", {("BTCUSDT", "LONG"): "0.01"}, False),
        (PositionSide.SHORT, "-0.01", {("BTCUSDT", "SHORT"): "0.01"}, True),
        (PositionSide.SHORT, "-0.01", {("BTCUSDT", "LONG"): "0.01"}, False),
        (PositionSide.LONG, "0.01", {("ETHUSDT", "LONG"): "1"}, False),
        (PositionSide.LONG, "0.01", {}, False),
        (PositionSide.BOTH, "-0.01", {("BTCUSDT", "SHORT"): "0.01"}, True),
        (PositionSide.BOTH, "0.01", {("BTCUSDT", "SHORT"): "0.01"}, False),
        (PositionSide.BOTH, "0.01", {("BTCUSDT", "BOTH"): "0.01"}, True),
    ],
)
def test_a_position_is_owned_when_the_books_hold_as_much_on_its_side(
    side: PositionSide, quantity: str, owned: dict[tuple[str, str], str], expected: bool
) -> None:
    held = {key: D(value) for key, value in owned.items()}
    assert _is_owned(_report(side, quantity), held) is expected


def _leg(reference: str, **changes: object) -> Position:
    values = {
        "venue": "sim", "account": "0xabc", "instance": "one", "position_ref": reference,
        "pair_ref": reference, "opened_at": datetime(2026, 1, 1, tzinfo=UTC), "opened_ms": 1,
        "symbol": "BTCUSDT", "position_side": "LONG", "entry_price": D(1), "quantity": D("0.01"),
        "leverage": 5, "notional": D(1), "is_active": True,
    }  # fmt: skip
    return Position(**(values | changes))


def test_open_quantities_are_those_of_this_book_and_looking_changes_nothing(tmp_path: Path) -> None:
    from aster_operator.database.db import session_on

    path = tmp_path / "books.db"
    url = f"sqlite:///{path}"
    assert open_quantities(url, BOOK) == {}
    assert not path.exists()
    path.touch()
    assert open_quantities(url, BOOK) == {}
    path.unlink()
    init_database(url)
    engine = open_engine(url)
    with session_on(engine) as session:
        session.add_all(
            [
                _leg("a"),
                _leg("b", quantity=D("0.02")),
                _leg("c", position_side="SHORT"),
                _leg("d", is_active=False),
                _leg("e", account="somebody else"),
                _leg("f", instance="two"),
            ]
        )
    engine.dispose()
    assert open_quantities(url, BOOK) == {("BTCUSDT", "LONG"): D("0.03"), ("BTCUSDT", "SHORT"): D("0.01")}


def test_books_that_are_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    path.write_text("this is no database, however long it is" * 100)
    with pytest.raises(DatabaseProblem, match=r"books\.db"):
        open_quantities(f"sqlite:///{path}", BOOK)
