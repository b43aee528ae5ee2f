"""Pairs of two symbols on the embedded exchange: hours of real minutes, restarts, coins of the owner."""

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey
from aster_operator.domain.events import OperatorAction
from aster_operator.domain.fills import settled_cash
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import PairKind
from aster_operator.domain.spot_wallets import SpotWallets
from aster_operator.execution.policy import ExecutionPolicy, ExecutionStyle
from aster_operator.monitoring.ledger import compare_ledgers
from aster_operator.runtime.session_books import DatabaseBooks
from aster_operator.runtime.session_memory import remember
from aster_operator.runtime.spot_money import coins_of
from aster_operator.runtime.spot_start import catch_up_spot
from aster_operator.simulator.exchange import SimulatedExchange
from runtime.sessions import ACCOUNT, SPOT_MONEY, Bench, new_exchange, open_bench

SYMBOLS = {PairKind.CROSS: ("BTCUSDT", "ETHUSDT"), PairKind.CARRY: ("BTCUSDT",)}
BOOK = LedgerKey(venue="sim", account=ACCOUNT)
kinds = pytest.mark.parametrize("kind", list(SYMBOLS))


async def differences(bench: Bench, spot_at_start: dict[str, Decimal]) -> tuple[str, ...]:
    symbols = bench.core.settings.symbols
    account = await bench.client.account_snapshot()
    coins = coins_of(bench.core.settings.instruments)
    spot = None
    if coins:
        wallet = {each.asset: each.total for each in await bench.client.spot_balances()}  # type: ignore[attr-defined]
        spot = SpotWallets(opening=spot_at_start, closing=wallet, coins=coins)
    return compare_ledgers(
        own_fills=list(bench.books.fills.values()),
        venue_fills=[fill for symbol in symbols for fill in await bench.client.fills(symbol, 0)],
        own_income=list(bench.books.income.values()),
        venue_income=settled_cash(await bench.client.income_rows(bench.session.start_ms + 1)),
        wallets=(10_000 - sum(spot_at_start.values(), ZERO), account.total_wallet_balance),
        spot_wallets=spot,
    ).differences


@kinds
@pytest.mark.parametrize("style", list(ExecutionStyle))
async def test_hours_rotate_hedged_and_the_books_match(kind: PairKind, style: ExecutionStyle) -> None:
    bench = await open_bench(kind=kind, symbols=SYMBOLS[kind], style=style, hold_minutes=25)
    await bench.run_minutes(165)
    await bench.stop(OperatorAction.FLATTEN)

    finished = bench.core.state.pairs.finished
    rotated = [pair for pair in finished if pair.rotated]
    assert len(rotated) >= 5
    for pair in finished:
        assert pair.longest_imbalance_ms <= bench.core.settings.policy.imbalance_deadline_ms
    assert all(pair.hold_ms is not None and pair.hold_ms >= 25 * 60_000 for pair in rotated)
    assert bench.held("BTCUSDT") == (ZERO, ZERO)
    spot = {"USDT": SPOT_MONEY} if kind is PairKind.CARRY else {}
    assert await differences(bench, spot) == ()
    assert bench.exchange.audit().balanced


async def test_a_cross_pair_is_hedged_in_its_ratio_and_opened_at_once() -> None:
    bench = await open_bench(kind=PairKind.CROSS, symbols=SYMBOLS[PairKind.CROSS], hold_minutes=45)
    await bench.run_minutes(3)
    (pair,) = bench.core.state.pairs.active()
    assert pair.name == "BTCUSDT/ETHUSDT"
    marks = {leg.symbol: bench.core.state.market.mark_of(leg.symbol) or ZERO for leg in pair.legs}
    long, short = (leg.held * marks[leg.symbol] * leg.hedge.beta for leg in pair.legs)
    assert abs(long - short) < Decimal("0.02") * long
    assert pair.long.held * marks[pair.long.symbol] != pair.short.held * marks[pair.short.symbol]
    opened = next(each for each in bench.books.decisions if each.action == "open")
    assert int(opened.numbers["hedge_minutes"]) >= 60, "the minutes before the start were read"


async def test_coins_of_the_owner_are_left_alone() -> None:
    exchange = new_exchange(with_spot=True)
    assert exchange.spot is not None
    exchange.spot.deposit(ACCOUNT, "BTC", Decimal("0.5"))
    bench = await open_bench(kind=PairKind.CARRY, symbols=("BTCUSDT",), exchange=exchange, hold_minutes=30)
    await bench.run_minutes(100)
    assert len(bench.core.state.pairs.finished) >= 2
    await bench.stop(OperatorAction.FLATTEN)
    assert bench.held("BTCUSDT") == (ZERO, ZERO)
    assert Decimal("0.5") <= bench.coins("BTC") < Decimal("0.5002")


# --- restarts -------------------------------------------------------------------------------------------


@pytest.fixture
def books(tmp_path: Path) -> Engine:
    return open_books(f"sqlite:///{tmp_path / 'books.db'}")


async def session(
    kind: PairKind, exchange: SimulatedExchange, books: Engine, run_id: str, *, earlier: Bench | None = None
) -> Bench:
    recorder = TradeRecorder(books, BOOK, run_id)
    recorder.start_run("delta-neutral", exchange.now_ms, seed=1, settings_fingerprint="test")
    if earlier is not None:
        spot = tuple(coins_of(earlier.core.settings.instruments))
        await catch_up_spot(earlier.client, recorder, spot, exchange.now_ms)
    with books.connect() as connection:
        remembered = remember(connection, BOOK, exchange.now_ms).pairs
    return await open_bench(
        kind=kind,
        symbols=SYMBOLS[kind],
        exchange=exchange,
        hold_minutes=60,
        run_id=run_id,
        remembered=remembered,
        policy=ExecutionPolicy(lead_deadline_ms=60_000),
        keep_in=lambda core: DatabaseBooks(recorder, core.state.tracker),
    )


def held_by(bench: Bench, kind: PairKind) -> tuple[Decimal, ...]:
    if kind is PairKind.CARRY:
        return bench.coins("BTC"), bench.held("BTCUSDT")[1]
    return (*bench.held("BTCUSDT"), *bench.held("ETHUSDT"))


@kinds
async def test_a_held_pair_is_resumed_with_its_age_and_ratio(kind: PairKind, books: Engine) -> None:
    exchange = new_exchange(with_spot=kind is PairKind.CARRY)
    first = await session(kind, exchange, books, "first")
    await first.run_minutes(20)
    (before,) = first.core.state.pairs.active()
    held = held_by(first, kind)
    await first.session.disconnect()

    second = await session(kind, exchange, books, "second", earlier=first)
    (pair,) = second.core.state.pairs.active()
    assert (pair.name, pair.held_since_ms) == (before.name, before.held_since_ms)
    assert [leg.held for leg in pair.legs] == [leg.held for leg in before.legs]
    assert [leg.hedge for leg in pair.legs] == [leg.hedge for leg in before.legs]
    await second.run_minutes(5)
    assert held_by(second, kind) == held, "nothing is opened on top, nothing is closed"
    await second.run_minutes(50)
    (rotated, *_) = second.core.state.pairs.finished
    assert rotated.hold_ms is not None
    assert 60 * 60_000 <= rotated.hold_ms <= 66 * 60_000, "the age counts from before the restart"


@kinds
async def test_a_crash_with_one_leg_filled_leaves_no_lone_leg(kind: PairKind, books: Engine) -> None:
    exchange = new_exchange(substep_ms=1_000, with_spot=kind is PairKind.CARRY)
    first = await session(kind, exchange, books, "first")
    for _ in range(600):
        await first.run_minutes(1 / 60)
        pairs = list(first.core.state.pairs.active())
        if pairs and not pairs[0].is_balanced:
            break
    else:
        pytest.fail("no leg was ever alone")
    await first.session.disconnect()

    second = await session(kind, exchange, books, "second", earlier=first)
    await second.run_minutes(2)
    assert all(pair.is_balanced for pair in second.core.state.pairs.active())
    live = {tracked.client_order_id for tracked in second.core.state.tracker.live()}
    strays = [order.client_order_id for order in exchange.open_orders(ACCOUNT, None)]
    if exchange.spot is not None:
        strays += [order.client_order_id for order in exchange.spot.open_orders(ACCOUNT, None)]
    assert set(strays) <= live, "the dead session's orders are gone"
    await second.stop(OperatorAction.FLATTEN)
    assert second.session.stopped is not None
    assert all(held < Decimal("0.0002") for held in held_by(second, kind))


async def test_coins_bought_after_the_books_ended_are_found(books: Engine) -> None:
    """The order of a killed session fills while nobody runs; the next one knows them as its own."""
    exchange = new_exchange(substep_ms=1_000, with_spot=True)
    assert exchange.spot is not None
    first = await session(PairKind.CARRY, exchange, books, "first")
    for _ in range(300):
        await first.run_minutes(1 / 60)
        if exchange.spot.open_orders(ACCOUNT, "BTCUSDT"):
            break
    await first.session.disconnect()
    for _ in range(3_600):
        exchange.advance_to(exchange.now_ms + 1_000)
        if not exchange.spot.open_orders(ACCOUNT, "BTCUSDT"):
            break
    assert first.coins("BTC") > Decimal("0.01"), "it filled while nobody was there"

    second = await session(PairKind.CARRY, exchange, books, "second", earlier=first)
    await second.run_minutes(2)
    assert all(pair.is_balanced for pair in second.core.state.pairs.active())
    await second.stop(OperatorAction.FLATTEN)
    assert second.coins("BTC") < Decimal("0.0002"), "the coins were sold again"
    assert second.held("BTCUSDT") == (ZERO, ZERO)
