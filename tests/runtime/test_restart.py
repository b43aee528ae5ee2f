"""A session that dies is taken up by the next one: no double entry, no lone leg, no age forgotten."""

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey
from aster_operator.domain.enums import OrderType, PositionSide, Side
from aster_operator.domain.events import OperatorAction
from aster_operator.domain.fills import IncomeRow
from aster_operator.domain.money import ZERO
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.execution.reconciliation import RememberedPair
from aster_operator.runtime.account_recall import recall_account
from aster_operator.runtime.session_books import DatabaseBooks
from aster_operator.runtime.session_memory import SessionMemory, remember
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.model import OrderRequest
from aster_operator.strategy.intents import AccountStatus
from aster_operator.strategy.risk_manager import RiskManager
from runtime.sessions import ACCOUNT, Bench, new_exchange, open_bench

SYMBOL = "BTCUSDT"
BOOK = LedgerKey(venue="sim", account=ACCOUNT)


@pytest.fixture
def books(tmp_path: Path) -> Engine:
    return open_books(f"sqlite:///{tmp_path / 'books.db'}")


async def session(
    exchange: SimulatedExchange,
    books: Engine,
    run_id: str,
    remembered: tuple[RememberedPair, ...] = (),
    hold_minutes: int = 60,
) -> Bench:
    recorder = TradeRecorder(books, BOOK, run_id)
    recorder.start_run("delta-neutral", exchange.now_ms, seed=1, settings_fingerprint="test")
    return await open_bench(
        exchange=exchange,
        hold_minutes=hold_minutes,
        run_id=run_id,
        remembered=remembered,
        keep_in=lambda core: DatabaseBooks(recorder, core.state.tracker),
    )


def memory(books: Engine, now_ms: int) -> SessionMemory:
    with books.connect() as connection:
        return remember(connection, BOOK, now_ms)


async def abandon(bench: Bench) -> None:
    """The process is gone: streams end, nothing is closed, nothing is written any more."""
    await bench.session.disconnect()


async def test_a_held_pair_is_resumed_with_its_age(books: Engine) -> None:
    exchange = new_exchange()
    first = await session(exchange, books, "first")
    await first.run_minutes(20)
    held = first.held(SYMBOL)
    assert held[0] == held[1] > 0
    opened_ms = next(first.core.state.pairs.active()).held_since_ms
    await abandon(first)

    known = memory(books, exchange.now_ms)
    second = await session(exchange, books, "second", known.pairs)
    (pair,) = second.core.state.pairs.active()
    assert pair.held_since_ms == opened_ms
    await second.run_minutes(5)
    assert second.held(SYMBOL) == held, "nothing is opened on top"
    await second.run_minutes(50)
    (rotated, *_) = second.core.state.pairs.finished
    assert rotated.hold_ms is not None
    assert 60 * 60_000 <= rotated.hold_ms <= 66 * 60_000, "the age counts from before the restart"


async def test_volume_traded_before_the_restart_counts_against_the_budget(books: Engine) -> None:
    exchange = new_exchange()
    first = await session(exchange, books, "first")
    await first.run_minutes(20)
    traded = first.core.state.portfolio.volume
    await abandon(first)
    assert sum(memory(books, exchange.now_ms).volume_by_day.values()) == traded > 0


async def test_a_crash_with_one_leg_filled_leaves_no_lone_leg(books: Engine) -> None:
    exchange = new_exchange()
    first = await session(exchange, books, "first")
    for _ in range(500):
        await first.run_minutes(5 / 60)
        if first.held(SYMBOL)[0] != first.held(SYMBOL)[1]:
            break
    lopsided = first.held(SYMBOL)
    assert lopsided[0] != lopsided[1]
    await abandon(first)

    second = await session(exchange, books, "second", memory(books, exchange.now_ms).pairs)
    await second.run_minutes(1)
    long, short = second.held(SYMBOL)
    assert long == short, "the lone leg was closed within a minute of the restart"
    strays = [order for order in exchange.open_orders(ACCOUNT, SYMBOL) if order.client_order_id]
    live = {tracked.client_order_id for tracked in second.core.state.tracker.live()}
    assert {order.client_order_id for order in strays} <= live, "the dead session's orders are gone"


async def test_a_foreign_position_is_left_alone_and_blocks_its_symbol(books: Engine) -> None:
    exchange = new_exchange()
    first = await session(exchange, books, "first")
    await abandon(first)
    exchange.place_order(
        ACCOUNT,
        OrderRequest(
            symbol=SYMBOL,
            side=Side.BUY,
            order_type=OrderType.MARKET,
            position_side=PositionSide.LONG,
            quantity=Decimal("0.02"),
            client_order_id="by_hand",
        ),
    )
    second = await session(exchange, books, "second")
    await second.run_minutes(30)
    assert second.held(SYMBOL) == (Decimal("0.02"), ZERO)
    assert any("not ours" in notice.message for notice in second.notices)
    await second.stop(OperatorAction.FLATTEN)
    assert second.held(SYMBOL) == (Decimal("0.02"), ZERO), "even flatten touches only what is ours"


async def test_a_pair_closed_while_we_were_away_is_forgotten(books: Engine) -> None:
    exchange = new_exchange()
    first = await session(exchange, books, "first")
    await first.run_minutes(20)
    known = first.held(SYMBOL)
    for side in (PositionSide.LONG, PositionSide.SHORT):
        await abandon(first)
        await first.client.close_position(SYMBOL, side)
    assert known[0] > 0

    second = await session(exchange, books, "second", memory(books, exchange.now_ms).pairs)
    assert any("no longer held" in notice.message for notice in second.notices)
    await second.run_minutes(20)
    long, short = second.held(SYMBOL)
    assert long == short > 0, "a new pair was opened"
    assert len(memory(books, exchange.now_ms).pairs) == 1, "the vanished one is closed in the books too"


# --- what losses are measured from ------------------------------------------------------------------------


async def test_a_restart_forgives_no_loss_and_forgets_no_hold_value(books: Engine) -> None:
    exchange = new_exchange()
    first = await session(exchange, books, "first")
    await first.run_minutes(30)
    marks, held = first.core.state.risk_manager.marks, first.core.state.hold_meter.usd_hours
    assert marks is not None
    assert held > 0
    await abandon(first)

    known = memory(books, exchange.now_ms)
    recalled = await recall_account(first.client, known.strategies, exchange.now_ms)
    assert recalled.marks == marks, "peak and first equity of the day"
    assert held * Decimal("0.9") < recalled.held_usd_hours <= held, "at most a minute is lost"
    again = RiskManager(first.core.settings.limits, first.core.settings.instruments, marks=recalled.marks)
    lost = AccountStatus(
        now_ms=exchange.now_ms,
        equity_usd=marks.peak_usd * Decimal("0.94"),
        maintenance_margin_usd=ZERO,
    )
    refused = again.breached_account_limit(lost)
    assert refused is not None
    assert refused.rule == "MAX_DRAWDOWN_PCT"


async def test_money_taken_out_between_sessions_is_no_loss(books: Engine) -> None:
    exchange = new_exchange()
    first = await session(exchange, books, "first")
    await first.run_minutes(10)
    marks = first.core.state.risk_manager.marks
    assert marks is not None
    await abandon(first)
    client = TransferringClient(first.client, Decimal(-4_000), exchange.now_ms)
    known = memory(books, exchange.now_ms)
    recalled = await recall_account(client, known.strategies, exchange.now_ms + 60_000)
    assert recalled.marks is not None
    assert recalled.marks.peak_usd == marks.peak_usd - 4_000
    assert recalled.marks.day_first_usd == marks.day_first_usd - 4_000


class TransferringClient(InProcessClient):
    """Remembers a transfer besides what the exchange does."""

    def __init__(self, client: ExchangeClient, amount: Decimal, at_ms: int) -> None:
        assert isinstance(client, InProcessClient)
        super().__init__(client._exchange, client._account_id, client._clock)
        self._row = IncomeRow(
            transaction_id="moved",
            symbol="",
            income_type="TRANSFER",
            income=amount,
            asset="USDT",
            time_ms=at_ms + 30_000,
            trade_id="",
        )

    async def income_rows(
        self, start_ms: int, end_ms: int | None = None, income_type: str | None = None
    ) -> list[IncomeRow]:
        within = start_ms <= self._row.time_ms and (end_ms is None or self._row.time_ms <= end_ms)
        own = [self._row] if within and income_type in (None, "TRANSFER") else []
        return own + await super().income_rows(start_ms, end_ms, income_type)
