"""The recorder: what it writes, what it refuses, and that writing twice changes nothing."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from books_values import (
    BOOK,
    DAY_ONE_MS,
    make_closed,
    make_closed_trade,
    make_decision,
    make_fill,
    make_income,
    make_opened,
    make_order,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, event, select

from aster_operator.database import queries
from aster_operator.database.db import session_on
from aster_operator.database.models import (
    DailyStats,
    Decision,
    IncomeEntry,
    OrderJournal,
    OrderTransition,
    Position,
    SessionRun,
    StrategyMemory,
    Trade,
    TradeLifecycle,
)
from aster_operator.database.recorder import OrderAlreadyJournalled, TradeRecorder, UnknownRecord
from aster_operator.database.schema import open_books
from aster_operator.database.selection import ALL_BOOKS, LedgerKey, Selection
from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.commands import Remember
from aster_operator.domain.orders import (
    Cancelled,
    Expired,
    Filled,
    NewOrder,
    OrderState,
    PartlyFilled,
    Rejected,
    Unknown,
    Working,
)


@pytest.fixture
def recorder(books: Engine) -> TradeRecorder:
    return TradeRecorder(books, BOOK, "run-1")


def naive(*parts: int) -> datetime:
    """A moment as the timestamp columns hold it: UTC without saying so."""
    return datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


def rows(books: Engine, model: Any) -> list[Any]:
    with session_on(books) as session:
        return list(session.scalars(select(model).order_by(model.id)))


# --- orders ---------------------------------------------------------------------------------------------


def test_an_intent_is_in_the_books_when_the_call_returns(recorder: TradeRecorder, books: Engine) -> None:
    order = make_order()
    assert recorder.record_order_intent(order, DAY_ONE_MS) == 0
    assert recorder.record_order_intent(make_order(1), DAY_ONE_MS + 5) == 1
    first, second = rows(books, OrderJournal)
    assert msgspec.json.decode(first.order_json, type=NewOrder) == order
    assert (first.run_id, first.sequence, first.state, first.state_ms) == ("run-1", 0, "pending", DAY_ONE_MS)
    assert (first.quantity, first.price, first.reason) == (order.quantity, order.price, "open leg one")
    assert second.sequence == 1


def test_the_same_intent_again_is_refused_so_that_it_cannot_be_sent_twice(
    recorder: TradeRecorder, books: Engine
) -> None:
    recorder.record_order_intent(make_order(), DAY_ONE_MS)
    with pytest.raises(OrderAlreadyJournalled, match="ao12345678-BTCUSDT-BL-0"):
        recorder.record_order_intent(make_order(), DAY_ONE_MS + 1)
    assert recorder.record_order_intent(make_order(1), DAY_ONE_MS + 2) == 1
    assert len(rows(books, OrderJournal)) == 2


def test_a_restarted_session_continues_the_sequence(recorder: TradeRecorder, books: Engine) -> None:
    recorder.record_order_intent(make_order(), DAY_ONE_MS)
    again = TradeRecorder(books, BOOK, "run-1")
    assert again.record_order_intent(make_order(1), DAY_ONE_MS) == 1
    assert TradeRecorder(books, BOOK, "run-2").record_order_intent(make_order(2), DAY_ONE_MS) == 0


STATES: list[tuple[OrderState, str, dict[str, Any]]] = [
    (Working(since_ms=2, order_id=7), "working", {"order_id": "7", "filled_quantity": Decimal(0)}),
    (
        PartlyFilled(since_ms=2, order_id=7, filled_quantity=Decimal("0.001"), average_price=Decimal("9.5")),
        "partly_filled",
        {"filled_quantity": Decimal("0.001"), "average_price": Decimal("9.5")},
    ),
    (
        Filled(since_ms=2, order_id=7, filled_quantity=Decimal("0.003"), average_price=Decimal("9.5")),
        "filled",
        {"order_id": "7", "filled_quantity": Decimal("0.003"), "average_price": Decimal("9.5")},
    ),
    (
        Cancelled(since_ms=2, order_id=7, filled_quantity=Decimal(0), average_price=Decimal(0)),
        "cancelled",
        {"filled_quantity": Decimal(0), "average_price": None},
    ),
    (
        Expired(since_ms=2, order_id=7, filled_quantity=Decimal(0), average_price=Decimal(0)),
        "expired",
        {"order_id": "7", "average_price": None},
    ),
    (
        Rejected(since_ms=2, code=-2019, message="Margin is insufficient."),
        "rejected",
        {"order_id": None, "detail": "-2019: Margin is insufficient."},
    ),
    (Unknown(since_ms=2, nonce_us=None, cause="timeout"), "unknown", {"order_id": None, "detail": "timeout"}),
]


@pytest.mark.parametrize(("state", "name", "columns"), STATES)
def test_each_state_lands_in_the_journal_with_its_own_fields(
    state: OrderState, name: str, columns: dict[str, Any], recorder: TradeRecorder, books: Engine
) -> None:
    recorder.record_order_intent(make_order(), 1)
    recorder.record_order_state("ao12345678-BTCUSDT-BL-0", state)
    recorder.record_order_state("ao12345678-BTCUSDT-BL-0", state)
    (row,) = rows(books, OrderJournal)
    assert (row.state, row.state_ms) == (name, 2)
    assert {column: getattr(row, column) for column in columns} == columns
    assert [(change.state, change.at_ms) for change in rows(books, OrderTransition)] == [
        ("pending", 1),
        (name, 2),
    ]


def test_a_state_of_an_order_nobody_journalled_is_an_error(recorder: TradeRecorder) -> None:
    with pytest.raises(UnknownRecord, match="never journalled"):
        recorder.record_order_state("foreign", Working(since_ms=2, order_id=7))


def test_orders_that_may_be_alive_are_found_after_a_restart(recorder: TradeRecorder, books: Engine) -> None:
    for number, (state, _, _) in enumerate(STATES):
        recorder.record_order_intent(make_order(number), 1)
        recorder.record_order_state(f"ao12345678-BTCUSDT-BL-{number}", state)
    recorder.record_order_intent(make_order(99), 1)
    with books.connect() as connection:
        alive = queries.live_client_order_ids(connection, Selection(book=BOOK))
    assert [client_id.rsplit("-", 1)[1] for _, client_id in alive] == ["0", "1", "6", "99"]


def test_an_intent_survives_kill_minus_nine(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'books.db'}"
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from books_values import BOOK, make_order
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
recorder = TradeRecorder(open_books({url!r}), BOOK, "run-1")
for number in range(3):
    recorder.record_order_intent(make_order(number), number)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60)
    assert done.returncode == -9
    engine = open_books(url)
    assert [row.sequence for row in rows(engine, OrderJournal)] == [0, 1, 2]
    engine.dispose()


def test_a_durable_intent_waits_for_the_disk_and_nothing_else_does(tmp_path: Path) -> None:
    engine = open_books(f"sqlite:///{tmp_path / 'books.db'}")

    def level_during_commit(durable: bool, number: int) -> list[int]:
        levels: list[int] = []

        def note(connection: Any) -> None:
            levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())

        event.listen(engine, "commit", note)
        TradeRecorder(engine, BOOK, "run-1", durable_intents=durable).record_order_intent(
            make_order(number), 1
        )
        TradeRecorder(engine, BOOK, "run-1", durable_intents=durable).record_fill(make_fill(number))
        event.remove(engine, "commit", note)
        return levels

    normal, full = 1, 2
    assert level_during_commit(True, 1) == [full, normal]
    assert level_during_commit(False, 2) == [normal, normal]
    engine.dispose()


# --- facts ----------------------------------------------------------------------------------------------


def test_a_fill_is_entered_once_however_often_it_is_seen(recorder: TradeRecorder, books: Engine) -> None:
    fill = make_fill(1)
    assert recorder.record_fill(fill) is True
    assert recorder.record_fill(fill) is False
    assert TradeRecorder(books, BOOK, "run-2").record_fill(fill) is False
    (trade,) = rows(books, Trade)
    assert trade.timestamp == naive(2026, 2, 20, 0, 0, 0, 1000)
    assert (trade.timestamp_ms, trade.run_id) == (DAY_ONE_MS + 1, "run-1")
    assert trade.notional == Decimal("203.6703")
    assert trade.order_id == "10001"
    assert not trade.is_maker
    with books.connect() as connection:
        assert queries.fills(connection, Selection(run_id="run-1")) == [fill]


@pytest.mark.parametrize(
    "other",
    [
        {"venue": "mainnet"},
        {"account": "0xdef"},
        {"instance": "life-2"},
    ],
)
def test_equal_trade_numbers_of_different_books_do_not_meet(
    other: dict[str, str], recorder: TradeRecorder, books: Engine
) -> None:
    elsewhere = LedgerKey(**(msgspec.structs.asdict(BOOK) | other))
    assert recorder.record_fill(make_fill(1))
    assert recorder.record_fill(make_fill(1, symbol="ETHUSDT"))
    assert TradeRecorder(books, elsewhere, "run-2").record_fill(make_fill(1))
    with books.connect() as connection:
        assert queries.totals(connection, Selection(book=elsewhere)).trades == 1
        assert queries.totals(connection, ALL_BOOKS).trades == 3


def test_income_is_entered_once_by_its_transaction_number(recorder: TradeRecorder, books: Engine) -> None:
    assert recorder.record_income(make_income(1)) is True
    assert recorder.record_income(make_income(1)) is False
    # The venue repeats a transaction number across types: a trade's PnL and its commission share one.
    assert recorder.record_income(make_income(1, income_type="COMMISSION")) is True
    assert recorder.record_income_rows([make_income(number) for number in range(4)]) == 3
    assert len(rows(books, IncomeEntry)) == 5
    with books.connect() as connection:
        assert queries.income_rows(connection, ALL_BOOKS, "COMMISSION") == [
            make_income(1, income_type="COMMISSION")
        ]


def test_a_position_is_opened_once_and_closed(recorder: TradeRecorder, books: Engine) -> None:
    assert recorder.record_position_opened(make_opened()) is True
    assert recorder.record_position_opened(make_opened()) is False
    (position,) = rows(books, Position)
    assert position.is_active
    assert (position.exit_price, position.realized_pnl, position.hold_time_minutes) == (None, None, 0)
    recorder.record_position_closed(make_closed())
    (position,) = rows(books, Position)
    assert not position.is_active
    assert position.hold_time_minutes == 95
    assert (position.exit_price, position.realized_pnl) == (Decimal("67990.1"), Decimal("0.3"))
    assert position.closed_at == naive(2026, 2, 20, 1, 35, 0, 500_000)
    assert position.close_reason == "held long enough"


def test_closing_what_was_never_opened_is_an_error(recorder: TradeRecorder) -> None:
    with pytest.raises(UnknownRecord, match="never recorded as opened"):
        recorder.record_position_closed(make_closed())


def test_a_decision_keeps_its_reason_and_numbers(recorder: TradeRecorder, books: Engine) -> None:
    recorder.record_decision(make_decision())
    (row,) = rows(books, Decision)
    assert (row.action, row.reason) == ("hold", "pair is 12 of 90 minutes old")
    assert msgspec.json.decode(row.numbers_json) == {"age_min": "12"}


def test_a_run_is_started_once_and_finished(recorder: TradeRecorder, books: Engine) -> None:
    recorder.start_run("delta-neutral", DAY_ONE_MS, seed=7, settings_fingerprint="ab")
    with pytest.raises(ValueError, match="in the books already"):
        recorder.start_run("delta-neutral", DAY_ONE_MS, seed=7, settings_fingerprint="ab")
    recorder.finish_run(DAY_ONE_MS + 1, "target reached", '{"ledger": "match"}')
    (run,) = rows(books, SessionRun)
    assert (run.started_ms, run.ended_ms, run.outcome, run.seed) == (
        DAY_ONE_MS,
        DAY_ONE_MS + 1,
        "target reached",
        7,
    )
    assert run.report_json == '{"ledger": "match"}'
    with pytest.raises(UnknownRecord, match="never started"):
        TradeRecorder(books, BOOK, "run-9").finish_run(1, "?")


# --- sums -----------------------------------------------------------------------------------------------


def test_daily_stats_are_the_sums_of_their_utc_day(recorder: TradeRecorder, books: Engine) -> None:
    recorder.record_fills(
        [
            make_fill(0, event_ms=DAY_ONE_MS - 1),
            make_fill(1, event_ms=DAY_ONE_MS),
            make_fill(2, event_ms=DAY_ONE_MS + DAY_MS - 1, commission=Decimal("-0.01")),
            make_fill(3, event_ms=DAY_ONE_MS + DAY_MS),
            make_fill(4, commission=Decimal("0.5"), commission_asset="ASTER"),
        ]
    )
    recorder.record_income_rows(
        [make_income(1), make_income(2, income="0.01"), make_income(3, income_type="X")]
    )
    for _ in range(2):
        recorder.update_daily_stats(DAY_ONE_MS + 12_345)
    (day,) = rows(books, DailyStats)
    assert day.date == naive(2026, 2, 20)
    assert day.num_trades == 3
    assert day.total_volume == 3 * Decimal("203.6703")
    assert day.realized_pnl == Decimal("-0.3")
    assert day.fees_paid == Decimal("0.07146812")
    assert msgspec.json.decode(day.other_fees) == {"ASTER": "0.5"}
    assert day.funding_paid == Decimal("0.01036703")
    assert day.rh_points_estimated is None


def test_a_day_without_trades_is_a_day_of_zeros(recorder: TradeRecorder, books: Engine) -> None:
    recorder.update_daily_stats(DAY_ONE_MS)
    (day,) = rows(books, DailyStats)
    assert (day.total_volume, day.num_trades, day.fees_paid, day.other_fees) == (0, 0, 0, None)


def test_figures_by_day_and_symbol_add_up(recorder: TradeRecorder, books: Engine) -> None:
    recorder.record_fills(
        [make_fill(number, event_ms=DAY_ONE_MS + number * DAY_MS // 2) for number in range(4)]
    )
    recorder.record_fill(make_fill(9, symbol="ETHUSDT", commission_asset="ASTER"))
    with books.connect() as connection:
        days = queries.figures_by_day(connection, ALL_BOOKS)
        symbols = queries.figures_by_symbol(connection, ALL_BOOKS)
        total = queries.totals(connection, ALL_BOOKS)
    assert [(day.isoformat(), figures.trades) for day, figures in days.items()] == [
        ("2026-02-20", 3),
        ("2026-02-21", 2),
    ]
    assert {symbol: figures.trades for symbol, figures in symbols.items()} == {"BTCUSDT": 4, "ETHUSDT": 1}
    assert sum(figures.volume for figures in days.values()) == total.volume
    assert total.fees == {"ASTER": Decimal("0.08146812"), "USDT": Decimal("0.32587248")}
    assert total.other_fees == {"ASTER": Decimal("0.08146812")}
    assert total.fees_usd == Decimal("0.32587248")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.integers(0, 12), max_size=40))
def test_sums_do_not_depend_on_order_or_repetition_of_fills(
    recorder: TradeRecorder, books: Engine, numbers: list[int]
) -> None:
    with books.begin() as connection:
        connection.execute(delete(Trade))
    new = sum(recorder.record_fill(make_fill(number, quantity=Decimal(number + 1))) for number in numbers)
    assert new == len(set(numbers))
    with books.connect() as connection:
        total = queries.totals(connection, ALL_BOOKS)
    assert total.trades == len(set(numbers))
    assert total.volume == sum(Decimal("67890.1") * (number + 1) for number in set(numbers))


# --- transactions ---------------------------------------------------------------------------------------


def test_a_batch_is_all_or_nothing(recorder: TradeRecorder, books: Engine) -> None:
    def enter_and_fail() -> None:
        with recorder.batch():
            recorder.record_fill(make_fill(1))
            recorder.record_decision(make_decision())
            raise RuntimeError("the session died here")

    with pytest.raises(RuntimeError, match="died"):
        enter_and_fail()
    assert rows(books, Trade) == []
    with recorder.batch():
        recorder.record_fill(make_fill(1))
        recorder.update_daily_stats(DAY_ONE_MS)
    assert (len(rows(books, Trade)), rows(books, DailyStats)[0].num_trades) == (1, 1)


def test_an_intent_never_waits_for_a_batch(recorder: TradeRecorder) -> None:
    with recorder.batch(), pytest.raises(RuntimeError, match="cannot wait"):
        recorder.record_order_intent(make_order(), 1)


def test_readers_see_the_books_while_a_batch_is_open(recorder: TradeRecorder, books: Engine) -> None:
    recorder.record_fill(make_fill(1))
    with recorder.batch():
        recorder.record_fill(make_fill(2))
        assert len(rows(books, Trade)) == 1
    assert len(rows(books, Trade)) == 2


@pytest.fixture
def other_books(tmp_path: Path) -> Iterator[Engine]:
    engine = open_books(f"sqlite:///{tmp_path / 'other.db'}")
    yield engine
    engine.dispose()


def test_bulk_writing_takes_one_transaction(other_books: Engine) -> None:
    commits: list[object] = []
    event.listen(other_books, "commit", commits.append)
    assert TradeRecorder(other_books, BOOK, "r").record_fills([make_fill(n) for n in range(3000)]) == 3000
    assert len(commits) == 1


def test_a_finished_trade_is_entered_once_with_everything_about_it(
    recorder: TradeRecorder, books: Engine
) -> None:
    trade = make_closed_trade()
    assert recorder.record_closed_trade(trade)
    assert not recorder.record_closed_trade(trade)
    with books.connect() as connection:
        row = connection.execute(select(TradeLifecycle.__table__)).one()
    stored = row._asdict()
    for name, value in (msgspec.structs.asdict(trade) | msgspec.structs.asdict(trade.market)).items():
        if name != "market":
            expected = str(value) if name.endswith("order_id") and value is not None else value
            assert stored[name] == expected, name


def test_a_memory_is_kept_replaced_and_forgotten(recorder: TradeRecorder, books: Engine) -> None:
    def stored() -> list[tuple[str, str]]:
        with books.connect() as connection:
            rows = connection.execute(select(StrategyMemory.key, StrategyMemory.state_json))
            return sorted((row.key, row.state_json) for row in rows)

    for key, state in [("a-1", "{}"), ("guards", "1"), ("a-1", "{2}")]:
        recorder.remember(Remember(at_ms=DAY_ONE_MS, strategy="midfreq", key=key, state=state))
    assert stored() == [("a-1", "{2}"), ("guards", "1")]
    recorder.remember(Remember(at_ms=DAY_ONE_MS, strategy="midfreq", key="a-1", state=None))
    recorder.remember(Remember(at_ms=DAY_ONE_MS, strategy="other", key="guards", state=None))
    assert stored() == [("guards", "1")]
    with recorder.batch(), pytest.raises(RuntimeError, match="batch"):
        recorder.remember(Remember(at_ms=DAY_ONE_MS, strategy="midfreq", key="guards", state=None))
