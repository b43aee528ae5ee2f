"""Writing the books: the one writer of a session."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from aster_operator.database import queries
from aster_operator.database.engine import BEGIN_MODE, describing_errors
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
from aster_operator.database.rows import (
    decision_row,
    income_row,
    lifecycle_row,
    naive_utc,
    order_row,
    position_row,
    state_name,
    trade_row,
)
from aster_operator.database.selection import LedgerKey, Selection
from aster_operator.domain.clock import DAY_MS, MINUTE_MS, utc_day_start_ms
from aster_operator.domain.closed_trades import ClosedTrade
from aster_operator.domain.commands import (
    RecordDecision,
    RecordPositionClosed,
    RecordPositionOpened,
    Remember,
)
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import NewOrder, OrderState

__all__ = ["OrderAlreadyJournalled", "TradeRecorder", "UnknownRecord"]

_GROWING = ("opened_at", "opened_ms", "entry_price", "quantity", "notional")


class OrderAlreadyJournalled(ValueError):
    """This client order id was journalled before: the order may have been sent and must not be sent again."""


class UnknownRecord(LookupError):
    """A change was reported for an order or a position that the books have never seen."""


class TradeRecorder:
    """Writes the books of one session. Every method has committed when it returns.

    A commit outlives the death of the process (`kill -9`) at once: in WAL mode it is in the operating
    system's hands before the call returns. `durable_intents` makes order intents outlive a power cut as
    well, with one flush to the disk each (about a millisecond or more): wanted wherever real money trades,
    since an order the books have forgotten would look foreign. Everything else can be read again from the
    venue. All methods raise DatabaseProblem when the books cannot be written.
    """

    def __init__(self, engine: Engine, book: LedgerKey, run_id: str, *, durable_intents: bool = True) -> None:
        self.book = book
        self.run_id = run_id
        self._engine = engine
        self._durable_intents = durable_intents and engine.dialect.name == "sqlite"
        self._owner = {
            "venue": book.venue,
            "instance": book.instance,
            "account": book.account,
            "run_id": run_id,
        }
        self._batch: Connection | None = None
        self._next_sequence: int | None = None

    # --- the session ----------------------------------------------------------------------------------

    def start_run(self, strategy: str, at_ms: int, *, seed: int | None, settings_fingerprint: str) -> None:
        """Enter the session into the books. Raises ValueError when its run id is taken."""
        row = self._owner | {
            "strategy": strategy,
            "started_ms": at_ms,
            "seed": seed,
            "settings_fingerprint": settings_fingerprint,
            "program_version": version("aster-operator"),
        }
        try:
            with self._writing() as connection:
                connection.execute(insert(SessionRun), row)
        except _Taken:
            raise ValueError(f"run {self.run_id} is in the books already") from None

    def finish_run(self, at_ms: int, outcome: str, report_json: str | None = None) -> None:
        """Note how the session ended. Raises UnknownRecord for a run that was never started."""
        statement = update(SessionRun).where(SessionRun.run_id == self.run_id)
        with self._writing() as connection:
            changed = connection.execute(
                statement.values(ended_ms=at_ms, outcome=outcome, report_json=report_json)
            ).rowcount
        if changed == 0:
            raise UnknownRecord(f"run {self.run_id} was never started")

    # --- orders ---------------------------------------------------------------------------------------

    def record_order_intent(self, order: NewOrder, at_ms: int) -> int:
        """Journal an order before it goes on the wire; return its sequence number in the run, from 0.

        Raises OrderAlreadyJournalled when the client order id is in the books: it must not be sent.
        """
        if self._batch is not None:
            raise RuntimeError("an order intent cannot wait for the end of a batch")
        try:
            with self._flushing_to_disk() as connection:
                if self._next_sequence is None:
                    self._next_sequence = self._first_free_sequence(connection)
                row = self._owner | order_row(order, self._next_sequence, at_ms)
                journal_id = connection.execute(
                    insert(OrderJournal).returning(OrderJournal.id), row
                ).scalar_one()
                connection.execute(
                    insert(OrderTransition),
                    {"journal_id": journal_id, "state": "pending", "at_ms": at_ms, "detail": ""},
                )
        except _Taken:
            raise OrderAlreadyJournalled(order.client_order_id) from None
        self._next_sequence += 1
        return self._next_sequence - 1

    def _first_free_sequence(self, connection: Connection) -> int:
        last = connection.execute(
            select(func.max(OrderJournal.sequence)).where(OrderJournal.run_id == self.run_id)
        ).scalar()
        return 0 if last is None else last + 1

    def record_order_state(self, client_order_id: str, state: OrderState) -> None:
        """Note the state of a journalled order. The same state at the same time again changes nothing.

        Raises UnknownRecord for an order that was never journalled.
        """
        name, detail = state_name(state), _state_detail(state)
        with self._writing() as connection:
            known = connection.execute(
                select(OrderJournal.id, OrderJournal.state, OrderJournal.state_ms).where(
                    OrderJournal.client_order_id == client_order_id, *self._own(OrderJournal)
                )
            ).one_or_none()
            if known is None:
                raise UnknownRecord(f"order {client_order_id} was never journalled")
            values = _state_values(state, name, detail)
            connection.execute(update(OrderJournal).where(OrderJournal.id == known.id).values(values))
            if (known.state, known.state_ms) != (name, state.since_ms):
                connection.execute(
                    insert(OrderTransition),
                    {"journal_id": known.id, "state": name, "at_ms": state.since_ms, "detail": detail},
                )

    # --- facts ----------------------------------------------------------------------------------------

    def record_fill(self, fill: Fill) -> bool:
        """Enter one fill; False when it was there before (by symbol and trade id)."""
        return self.record_fills([fill]) == 1

    def record_fills(self, fills: Sequence[Fill]) -> int:
        """Enter fills in one transaction; return how many were new."""
        return self._insert_new(Trade.__table__, [self._owner | trade_row(fill) for fill in fills])

    def record_income(self, row: IncomeRow) -> bool:
        """Enter one settled income row; False when it was there before (by the venue's transaction id)."""
        return self.record_income_rows([row]) == 1

    def record_income_rows(self, rows: Sequence[IncomeRow]) -> int:
        """Enter income rows in one transaction; return how many were new."""
        return self._insert_new(IncomeEntry.__table__, [self._owner | income_row(row) for row in rows])

    def record_position_opened(self, command: RecordPositionOpened) -> bool:
        """Enter a leg, or bring an open one up to what it has become; False when it was there before.

        A leg grows fill by fill: the books must know it from the first, so that a crash forgets none.
        """
        row = self._owner | position_row(command)
        if self._insert_new(Position.__table__, [row]) == 1:
            return True
        grown = {name: row[name] for name in _GROWING}
        with self._writing() as connection:
            connection.execute(
                update(Position)
                .where(
                    Position.position_ref == command.position_ref, Position.is_active, *self._own(Position)
                )
                .values(grown)
            )
        return False

    def record_position_closed(self, command: RecordPositionClosed) -> None:
        """Close a leg. Raises UnknownRecord when it was never entered."""
        with self._writing() as connection:
            opened_ms = connection.execute(
                select(Position.opened_ms).where(
                    Position.position_ref == command.position_ref, *self._own(Position)
                )
            ).scalar()
            if opened_ms is None:
                raise UnknownRecord(f"position {command.position_ref} was never recorded as opened")
            connection.execute(
                update(Position)
                .where(Position.position_ref == command.position_ref, *self._own(Position))
                .values(
                    closed_at=naive_utc(command.closed_ms),
                    closed_ms=command.closed_ms,
                    entry_price=command.entry_price,
                    exit_price=command.exit_price,
                    quantity=command.quantity,
                    notional=command.quantity * command.entry_price,
                    realized_pnl=command.realized_pnl,
                    hold_time_minutes=(command.closed_ms - opened_ms) // MINUTE_MS,
                    is_active=False,
                    close_reason=command.reason,
                    worst_imbalance=command.worst_imbalance,
                    longest_imbalance_ms=command.longest_imbalance_ms,
                )
            )

    def record_decision(self, command: RecordDecision) -> None:
        """Enter one decision with its reason and numbers."""
        with self._writing() as connection:
            connection.execute(insert(Decision), self._owner | decision_row(command))

    def record_closed_trade(self, trade: ClosedTrade) -> bool:
        """Enter a finished trade; False when it was there before (by its position)."""
        return self._insert_new(TradeLifecycle.__table__, [self._owner | lifecycle_row(trade)]) == 1

    def remember(self, command: Remember) -> None:
        """Keep or forget what a strategy must know after a restart; as durable as an order intent."""
        if self._batch is not None:
            raise RuntimeError("a memory cannot wait for the end of a batch")
        key = {name: value for name, value in self._owner.items() if name != "run_id"}
        key |= {"strategy": command.strategy, "key": command.key}
        with self._flushing_to_disk() as connection:
            if command.state is None:
                connection.execute(
                    delete(StrategyMemory).where(
                        StrategyMemory.strategy == command.strategy,
                        StrategyMemory.key == command.key,
                        *self._own(StrategyMemory),
                    )
                )
                return
            values = {"state_json": command.state, "updated_ms": command.at_ms, "run_id": self.run_id}
            statement = self._dialect_insert(StrategyMemory.__table__).on_conflict_do_update(
                index_elements=list(key), set_=values
            )
            connection.execute(statement, key | values)

    def update_daily_stats(self, time_ms: int) -> None:
        """Derive the row of the UTC day that contains `time_ms` anew from trades and income."""
        start_ms = utc_day_start_ms(time_ms)
        selection = Selection(book=self.book, since_ms=start_ms, until_ms=start_ms + DAY_MS)
        with self._writing() as connection:
            figures = queries.totals(connection, selection)
            funding = sum(queries.funding_by_day(connection, selection).values(), ZERO)
            other = {asset: plain_text(paid) for asset, paid in figures.other_fees.items()}
            values = {
                "total_volume": figures.volume,
                "num_trades": figures.trades,
                "realized_pnl": figures.realized_pnl,
                "fees_paid": figures.fees_usd,
                "other_fees": msgspec.json.encode(other).decode() if other else None,
                "funding_paid": -funding,
            }
            key = {name: value for name, value in self._owner.items() if name != "run_id"}
            day = datetime.fromtimestamp(start_ms / 1000, UTC).replace(tzinfo=None)
            statement = self._dialect_insert(DailyStats.__table__).on_conflict_do_update(
                index_elements=[*key, "date"], set_=values
            )
            connection.execute(statement, key | {"date": day} | values)

    def record_points_estimate(self, day: datetime, points: Decimal | None) -> None:
        """Note the points estimated for a day (its midnight, naive UTC) that has its row; None: not known."""
        with self._writing() as connection:
            connection.execute(
                update(DailyStats)
                .where(DailyStats.date == day, *self._own(DailyStats))
                .values(rh_points_estimated=points)
            )

    # --- how it is written ----------------------------------------------------------------------------

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Join the writes inside the block into one transaction, all or none; order intents refuse."""
        if self._batch is not None:
            raise RuntimeError("a batch is open already")
        with self._writing() as connection:
            self._batch = connection
            try:
                yield
            finally:
                self._batch = None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        if self._batch is not None:
            yield self._batch
            return
        with describing_errors(self._engine.url), self._engine.connect() as plain:
            connection = plain.execution_options(**{BEGIN_MODE: "IMMEDIATE"})
            try:
                with connection.begin():
                    yield connection
            except IntegrityError as error:
                raise _Taken from error

    @contextmanager
    def _flushing_to_disk(self) -> Iterator[Connection]:
        """A write whose commit waits for the disk, when the session wants durable intents."""
        if not self._durable_intents:
            with self._writing() as connection:
                yield connection
            return
        with describing_errors(self._engine.url), self._engine.connect() as plain:
            driver: Any = plain.connection.driver_connection
            driver.execute("PRAGMA synchronous=FULL")
            try:
                connection = plain.execution_options(**{BEGIN_MODE: "IMMEDIATE"})
                with connection.begin():
                    yield connection
            except IntegrityError as error:
                raise _Taken from error
            finally:
                driver.execute("PRAGMA synchronous=NORMAL")

    def _insert_new(self, table: Any, rows: list[dict[str, Any]]) -> int:
        if not rows:
            return 0
        with self._writing() as connection:
            statement = self._dialect_insert(table).on_conflict_do_nothing().returning(table.c.id)
            # The rows that came back are the new ones; drivers disagree about rowcount.
            return len(connection.execute(statement, rows).all())

    def _dialect_insert(self, table: Table | Any) -> Any:
        if self._engine.dialect.name == "postgresql":
            # Only here: it takes a tenth of what importing the books takes, and few have them there.
            from sqlalchemy.dialects import postgresql

            return postgresql.insert(table)
        return sqlite.insert(table)

    def _own(self, model: Any) -> tuple[Any, ...]:
        return (
            model.venue == self.book.venue,
            model.instance == self.book.instance,
            model.account == self.book.account,
        )


class _Taken(Exception):
    """A unique key is in use; the public methods turn it into their own errors."""


def _state_detail(state: OrderState) -> str:
    code, message, cause = (getattr(state, name, None) for name in ("code", "message", "cause"))
    if message is not None:
        return f"{code}: {message}"
    return cause if cause is not None else ""


def _state_values(state: OrderState, name: str, detail: str) -> dict[str, Any]:
    values: dict[str, Any] = {"state": name, "state_ms": state.since_ms, "detail": detail}
    order_id = getattr(state, "order_id", None)
    if order_id is not None:
        values["order_id"] = str(order_id)
    filled = getattr(state, "filled_quantity", None)
    if filled is not None:
        values["filled_quantity"] = filled
        values["average_price"] = state.average_price if filled else None  # type: ignore[union-attr]
    return values
