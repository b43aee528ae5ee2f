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
from aster_operator.domain.money import ZERO
from aster_operator.execution.reconciliation import RememberedPair
from aster_operator.runtime.session_books import DatabaseBooks
from aster_operator.runtime.session_memory import SessionMemory, remember
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.model import OrderRequest
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
