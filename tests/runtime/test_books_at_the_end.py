"""What went by unheard is in the books when a session ends; where it cannot be, the report and the next start
say so and mend it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from aster_operator.cli.session_output import ledger_exit_code, session_report
from aster_operator.cli.venues import connect
from aster_operator.config.settings import load_settings
from aster_operator.database import queries
from aster_operator.database.selection import Selection
from aster_operator.domain.clock import ManualClock, WallClock
from aster_operator.domain.commands import Notify
from aster_operator.domain.enums import OrderType, PositionSide, Side
from aster_operator.domain.events import Feed, OperatorAction
from aster_operator.domain.fills import Fill
from aster_operator.domain.pairing import PairKind
from aster_operator.execution.core import TradingCore
from aster_operator.monitoring.ledger import compare_ledgers
from aster_operator.monitoring.session_report import SessionReport, render_report
from aster_operator.runtime.live_run import LiveResult, LiveRun
from aster_operator.runtime.lockstep import ExchangeStepper, LockstepDriver
from aster_operator.runtime.trading_session import (
    BothBooks,
    SessionIdentity,
    TradingSession,
    trading_session,
)
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.model import OrderRequest
from aster_operator.simulator.server.serve import ExchangeServer, ServerSettings
from aster_operator.strategy.intents import PairPhase
from runtime.sessions import ACCOUNT, SPOT_MONEY, Bench, new_exchange
from runtime.test_pair_faults import (
    DEADLINE_MS,
    Outage,
    close_by_hand,
    cut,
    failing,
    lopsided,
    opened,
    run_watching,
)

SETTINGS = {
    "CAPITAL_USDT": "10000",
    "LEVERAGE": "5",
    "MAX_POSITION_SIZE_PCT": "10",
    "TRADING_PAIRS": "BTCUSDT",
    "DAILY_VOLUME_TARGET": "1000000",
    "POSITION_HOLD_TIME_MIN": "600",
    "CYCLE_INTERVAL_S": "60",
    "EXECUTION": "taker",
}


async def compared(bench: Bench) -> tuple[str, ...]:
    """Differences of the books, the venue's being those that the end of the session has read."""
    venue_fills, venue_income = await bench.session.catch_up(bench.stepper.now_ms, bench.session.start_ms + 1)
    account = await bench.client.account_snapshot()
    spot = any(":" in symbol for symbol in bench.core.settings.symbols)
    return compare_ledgers(
        own_fills=list(bench.books.fills.values()),
        venue_fills=venue_fills,
        own_income=list(bench.books.income.values()),
        venue_income=venue_income,
        wallets=(Decimal(10_000) - (SPOT_MONEY if spot else 0), account.total_wallet_balance),
    ).differences


@pytest.mark.parametrize("kind", list(PairKind))
@pytest.mark.parametrize("action", [OperatorAction.FLATTEN, OperatorAction.STOP])
async def test_a_stop_right_after_everything_was_dead(kind: PairKind, action: OperatorAction) -> None:
    bench, outage = await opened(kind), Outage()
    failing(bench.client, outage)
    outage.is_on = True
    await cut(bench)
    await run_watching(bench, 30)
    await close_by_hand(bench)
    await run_watching(bench, 120)
    outage.is_on = False
    await run_watching(bench, 10)
    await bench.stop(action, minutes=10)
    assert bench.session.stopped is not None
    assert lopsided(bench) is None
    assert await compared(bench) == ()


async def test_a_dead_user_stream_is_made_up_for_by_reading_each_minute() -> None:
    bench = await opened(PairKind.SAME)
    await cut(bench)
    await run_watching(bench, 20)
    await close_by_hand(bench)
    await run_watching(bench, 80)
    venue = {fill.trade_id for fill in await bench.client.fills("BTCUSDT", 0)}
    assert len(venue) >= 4
    assert {trade_id for _, trade_id in bench.books.fills} == venue
    assert bench.session.complete_until_ms(bench.stepper.now_ms) >= bench.stepper.now_ms - DEADLINE_MS


# --- a venue that is away at the end ----------------------------------------------------------------------


@asynccontextmanager
async def lock_step(
    exchange: SimulatedExchange, outage: Outage, folder: Path, run: str, notices: list[Notify]
) -> AsyncIterator[tuple[TradingSession, LockstepDriver]]:
    """A session with books in the database of `folder`, driven step by step."""
    clock = ManualClock(exchange.now_ms)
    client = InProcessClient(exchange, ACCOUNT, clock)
    settings = load_settings(
        overrides=SETTINGS | {"DB_PATH": str(folder / "books.db"), "STATE_DIR": str(folder)}
    )
    stepper = ExchangeStepper(exchange)
    await stepper.step()
    identity = SessionIdentity(venue="sim", account=ACCOUNT, run_id=run, record_id=run)
    async with trading_session(
        settings, client, identity, clock=clock, now_ms=stepper.now_ms, on_notice=notices.append
    ) as trading:
        failing(client, outage)
        driver = LockstepDriver(trading.session, stepper)
        await driver.start()
        yield trading, driver


def sell_long_by_hand(exchange: SimulatedExchange, quantity: Decimal) -> None:
    exchange.place_order(
        ACCOUNT,
        OrderRequest(
            symbol="BTCUSDT",
            side=Side.SELL,
            order_type=OrderType.MARKET,
            position_side=PositionSide.LONG,
            quantity=quantity,
            client_order_id="web_click",
        ),
    )


def booked(trading: TradingSession) -> list[Fill]:
    with trading.engine.connect() as connection:
        return queries.fills(connection, Selection(book=trading.book))


def report_of(trading: TradingSession, books: BothBooks) -> SessionReport:
    return session_report(
        trading.core, books, market_minutes=1, seed=None, interrupted=True, whole_account=True
    )


async def test_books_that_could_not_be_read_say_since_when_and_are_mended_next_time(tmp_path: Path) -> None:
    exchange, outage, notices, pauses = new_exchange(), Outage(), list[Notify](), list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with lock_step(exchange, outage, tmp_path, "first", notices) as (trading, driver):
        await driver.run(exchange.now_ms + 60_000)
        (pair,) = trading.core.state.pairs.active()
        assert pair.phase is PairPhase.HOLDING
        outage.is_on = True
        assert trading.session.user_stream is not None
        await trading.session.user_stream.close()
        sell_long_by_hand(exchange, pair.long.held)
        trading.session.request(OperatorAction.STOP, "test", exchange.now_ms)
        await driver.settle()
        assert trading.session.stopped is not None
        books = await trading.close_books(exchange.now_ms, pause)
        trading.finish(books, exchange.now_ms, interrupted=True)
        report = report_of(trading, books)
        assert len(booked(trading)) == 2, "both legs, not what was sold by hand"
        assert len(pauses) > 2, "it was asked again before it was given up"

    assert books.incomplete is not None
    assert books.incomplete.since_ms <= exchange.now_ms
    assert report.ledger == "incomplete"
    assert "incomplete since 2025-" in report.ledger_differences[0]
    assert ledger_exit_code(report) == 1, "whatever ended it"
    assert render_report(report) is not None

    outage.is_on = False
    notices.clear()
    async with lock_step(exchange, outage, tmp_path, "second", notices) as (trading, driver):
        client = trading.session.client
        assert [fill.trade_id for fill in booked(trading)][:3] == [
            fill.trade_id for fill in await client.fills("BTCUSDT", 0)
        ][:3]
        assert any("1 trade," in notice.message for notice in notices), notices
        trading.session.request(OperatorAction.FLATTEN, "test", exchange.now_ms)
        await driver.settle()
        await driver.run(exchange.now_ms + 60_000)
        books = await trading.close_books(exchange.now_ms, pause)
        report = report_of(trading, books)
        assert report.ledger == "match", report.ledger_differences
        assert sum(fill.side.sign * fill.quantity for fill in booked(trading)) == 0, "all of it is booked"

    notices.clear()
    async with lock_step(exchange, outage, tmp_path, "third", notices):
        assert not any("incomplete" in notice.message for notice in notices), "once is enough"


async def test_books_of_a_session_that_was_killed_are_read_up(tmp_path: Path) -> None:
    exchange, outage, notices = new_exchange(), Outage(), list[Notify]()
    async with lock_step(exchange, outage, tmp_path, "first", notices) as (trading, driver):
        await driver.run(exchange.now_ms + 60_000)
        (pair,) = trading.core.state.pairs.active()
        assert trading.session.user_stream is not None
        await trading.session.user_stream.close()
        sell_long_by_hand(exchange, pair.long.held)
    async with lock_step(exchange, outage, tmp_path, "second", notices) as (trading, _):
        assert len(booked(trading)) == 3
    assert any("1 trade, 0 settled rows" in notice.message for notice in notices)


# --- over the wire ----------------------------------------------------------------------------------------


async def over_the_wire(folder: Path) -> LiveResult:
    """A live session whose venue is dead, REST and streams, while one leg is sold by hand; it is stopped in
    the moment the venue is back."""
    exchange, clock = new_exchange(), WallClock()
    async with ExchangeServer(ServerSettings(pace=30.0), exchange=exchange, clock=clock) as server:
        account = server.accounts[1]
        settings = load_settings(
            overrides=SETTINGS
            | {
                "DB_PATH": str(folder / "books.db"),
                "STATE_DIR": str(folder),
                "VENUE": "sim",
                "WALLET_ADDRESS": account.user,
                "ASTER_AGENT_PRIVATE_KEY": account.private_key,
            }
        )
        client = connect(settings, clock, "sim", base_url=server.rest_url, ws_url=server.ws_url)
        cores: list[TradingCore] = []
        stage = 0

        def tick() -> None:
            nonlocal stage
            state = cores[0].state
            if stage == 0 and any(pair.phase is PairPhase.HOLDING for pair in state.pairs.active()):
                server.control.call("POST", "/sim/maintenance", {"on": True})
                (view,) = [
                    each for each in exchange.positions(account.account_id, "BTCUSDT") if each.lots > 0
                ]
                exchange.place_order(
                    account.account_id,
                    OrderRequest(
                        symbol="BTCUSDT",
                        side=Side.SELL,
                        order_type=OrderType.MARKET,
                        position_side=PositionSide.LONG,
                        quantity=view.spec.quantity_of(view.lots),
                        client_order_id="web_click",
                    ),
                )
                stage = 1
            elif stage == 1 and {Feed.REST, Feed.USER} <= state.feeds_down.keys():
                server.control.call("POST", "/sim/maintenance", {"on": False})
                stage = 2
                run.interrupt()

        run = LiveRun(
            settings,
            client,
            venue="sim",
            account=client.account_label,
            clock=clock,
            flatten_on_stop=True,
            watch=lambda core, _start_ms, _end_ms: cores.append(core),
            tick=tick,
        )
        try:
            async with asyncio.timeout(60):
                return await run.run()
        finally:
            await client.close()


async def test_a_live_session_stopped_as_everything_comes_back(tmp_path: Path) -> None:
    result = await over_the_wire(tmp_path)
    report = session_report(
        result.core, result.books, market_minutes=1, seed=None, interrupted=True, whole_account=True
    )
    assert report.ledger == "match", report.ledger_differences
    assert report.wallet_compared
    assert report.open_positions == 0
    assert any(fill.client_order_id == "web_click" for fill in result.books.own_fills)
