"""Delta-neutral on the embedded exchange, in process: hours of real minutes, with and without faults."""

from collections import Counter
from decimal import Decimal

import pytest
from msgspec import structs

from aster_operator.domain.enums import OrderType, PositionSide, Side
from aster_operator.domain.events import Feed, FeedStatusChanged, OperatorAction
from aster_operator.domain.fills import settled_cash
from aster_operator.domain.money import ZERO
from aster_operator.domain.orders import NewOrder
from aster_operator.execution.policy import ExecutionStyle
from aster_operator.monitoring.ledger import compare_ledgers
from aster_operator.simulator.model import OrderRequest
from runtime.faulty_client import FaultyClient
from runtime.sessions import ACCOUNT, LIMITS, Bench, new_exchange, open_bench

SYMBOL = "BTCUSDT"


async def ledger_differences(bench: Bench) -> tuple[str, ...]:
    symbols = bench.core.settings.symbols
    venue_fills = [fill for symbol in symbols for fill in await bench.client.fills(symbol, 0)]
    venue_income = settled_cash(await bench.client.income_rows(bench.session.start_ms + 1))
    account = await bench.client.account_snapshot()
    return compare_ledgers(
        own_fills=list(bench.books.fills.values()),
        venue_fills=venue_fills,
        own_income=list(bench.books.income.values()),
        venue_income=venue_income,
        wallets=(Decimal(10_000), account.total_wallet_balance),
    ).differences


@pytest.mark.parametrize("style", list(ExecutionStyle))
@pytest.mark.parametrize("seed", [1, 2])
async def test_hours_rotate_hedged_and_the_books_match(style: ExecutionStyle, seed: int) -> None:
    bench = await open_bench(style=style, symbols=("BTCUSDT", "ETHUSDT"), hold_minutes=20, seed=seed)
    await bench.run_minutes(170)
    await bench.stop()

    finished = bench.core.state.pairs.finished
    assert len(finished) >= 8
    for pair in finished:
        assert pair.rotated, pair
        assert pair.hold_ms is not None
        assert pair.hold_ms >= 20 * 60_000
        assert pair.longest_imbalance_ms <= bench.core.settings.policy.imbalance_deadline_ms
    for symbol in ("BTCUSDT", "ETHUSDT"):
        long, short = bench.held(symbol)
        assert long == short
    assert bench.session.stopped is not None
    assert await ledger_differences(bench) == ()
    assert bench.exchange.audit().balanced


async def test_maker_first_costs_less_than_half_of_crossing() -> None:
    costs = {}
    for style in ExecutionStyle:
        bench = await open_bench(style=style, hold_minutes=30)
        await bench.run_minutes(150)
        await bench.stop(OperatorAction.FLATTEN)
        account = await bench.client.account_snapshot()
        lost = Decimal(10_000) - account.total_wallet_balance
        costs[style] = lost / bench.core.state.portfolio.volume
    assert costs[ExecutionStyle.MAKER_FIRST] < costs[ExecutionStyle.TAKER] / 2


async def test_flatten_closes_everything_and_stops() -> None:
    bench = await open_bench(hold_minutes=30)
    await bench.run_minutes(10)
    assert bench.held(SYMBOL)[0] > 0
    await bench.stop(OperatorAction.FLATTEN)
    assert bench.session.stopped is not None
    assert bench.session.stopped.open_positions == 0
    assert bench.held(SYMBOL) == (ZERO, ZERO)
    assert bench.exchange.open_orders(ACCOUNT, None) == []
    (pair,) = bench.core.state.pairs.finished
    assert (pair.rotated, pair.owner_closed) == (False, True), "its owner wished it, no limit did"


async def test_volume_stays_within_the_daily_target() -> None:
    bench = await open_bench(hold_minutes=10, daily_volume_usd=65_000)
    await bench.run_minutes(360)
    volume = bench.core.state.portfolio.volume_on_day(bench.stepper.now_ms)
    assert Decimal(40_000) < volume <= Decimal(65_000)


async def test_funding_is_booked_from_settled_rows() -> None:
    bench = await open_bench(exchange=new_exchange(skip_hours=31.5), hold_minutes=300)
    await bench.run_minutes(60)
    rows = list(bench.books.income.values())
    assert len(rows) == 2, "one row for each leg at the 08:00 stamp"
    assert sum((row.income for row in rows), ZERO) == 0
    assert await ledger_differences(bench) == ()


# --- faults ----------------------------------------------------------------------------------------------


def faulty(bench: Bench) -> FaultyClient:
    assert isinstance(bench.client, FaultyClient)
    return bench.client


@pytest.mark.parametrize("style", list(ExecutionStyle))
@pytest.mark.parametrize("kind", ["lost-after", "lost-before"])
async def test_an_unclear_outcome_is_resolved_and_never_sent_again(style: ExecutionStyle, kind: str) -> None:
    calls = Counter[str]()

    def fault(order: NewOrder) -> str | None:
        calls["orders"] += 1
        return kind if calls["orders"] in (1, 2, 5) else None

    bench = await open_bench(style=style, hold_minutes=20, wrap=lambda client: FaultyClient(client, fault))
    await bench.run_minutes(90)
    await bench.stop(OperatorAction.FLATTEN)
    client = faulty(bench)
    assert max(Counter(client.sent).values()) == 1, "an order id was sent twice"
    assert bench.held(SYMBOL) == (ZERO, ZERO)
    assert await ledger_differences(bench) == ()
    assert len(bench.core.state.pairs.finished) >= 2


async def test_an_order_that_a_lagging_query_hides_is_still_counted_once() -> None:
    seen = Counter[str]()

    def fault(order: NewOrder) -> str | None:
        seen["orders"] += 1
        return "lost-after" if seen["orders"] == 1 else None

    bench = await open_bench(wrap=lambda client: FaultyClient(client, fault, hidden_queries=2))
    await bench.run_minutes(10)
    long, short = bench.held(SYMBOL)
    assert long == short > 0
    assert long <= bench.core.settings.limits.leg_notional_usd / Decimal(90_000)


async def test_a_refused_hedge_unwinds_the_lead() -> None:
    def fault(order: NewOrder) -> str | None:
        # Every opening order of the SHORT leg is refused for want of margin.
        opens_short = order.position_side is PositionSide.SHORT and order.side is Side.SELL
        return "refuse" if opens_short else None

    bench = await open_bench(
        style=ExecutionStyle.TAKER, hold_minutes=20, wrap=lambda client: FaultyClient(client, fault)
    )
    await bench.run_minutes(60)
    assert bench.held(SYMBOL) == (ZERO, ZERO)
    assert not any(pair.rotated for pair in bench.core.state.pairs.finished)
    assert bench.core.state.pairs.finished, "the attempt was booked"
    assert all(pair.longest_imbalance_ms <= 60_000 for pair in bench.core.state.pairs.finished)
    assert len(bench.books.orders) < 30, "it does not hammer the venue"
    assert await ledger_differences(bench) == ()


@pytest.mark.parametrize("side", [PositionSide.LONG, PositionSide.SHORT])
async def test_a_leg_closed_on_the_website_takes_the_other_with_it(side: PositionSide) -> None:
    bench = await open_bench(hold_minutes=120)
    await bench.run_minutes(20)
    long, _ = bench.held(SYMBOL)
    assert long > 0
    bench.exchange.place_order(
        ACCOUNT,
        OrderRequest(
            symbol=SYMBOL,
            side=side.closing_side,
            order_type=OrderType.MARKET,
            position_side=side,
            quantity=long,
            client_order_id="web_click",
        ),
    )
    await bench.driver.settle()
    assert bench.held(SYMBOL) == (ZERO, ZERO), "the other leg was closed before time moved on"
    assert any("not our order" in notice.message for notice in bench.notices)


async def test_a_dead_user_stream_loses_nothing() -> None:
    bench = await open_bench(hold_minutes=20)
    await bench.run_minutes(5)
    assert bench.session.user_stream is not None
    await bench.session.user_stream.close()
    bench.session.post(
        FeedStatusChanged(
            event_ms=bench.stepper.now_ms, received_ns=0, feed=Feed.USER, healthy=False, detail="cut"
        )
    )
    before = len(bench.core.state.pairs.finished)
    await bench.run_minutes(60)
    long, short = bench.held(SYMBOL)
    assert long == short > 0, "hedged pairs are held on"
    assert len(bench.core.state.pairs.finished) == before, "nothing is opened or rotated blindly"
    await bench.stop(OperatorAction.FLATTEN)
    assert bench.held(SYMBOL) == (ZERO, ZERO)


async def test_trades_that_went_by_while_the_stream_was_down_are_read_back() -> None:
    bench = await open_bench(hold_minutes=20)
    await bench.run_minutes(5)
    assert bench.session.user_stream is not None
    await bench.session.user_stream.close()
    now_ms = bench.stepper.now_ms
    bench.session.post(
        FeedStatusChanged(event_ms=now_ms, received_ns=0, feed=Feed.USER, healthy=False, detail="cut")
    )
    await bench.run_minutes(1)
    for side in (PositionSide.LONG, PositionSide.SHORT):
        await bench.client.close_position(SYMBOL, side)
    await bench.run_minutes(1)

    bench.session.user_stream = await bench.client.open_user_stream(bench.driver._arrived.append)
    bench.session.post(
        FeedStatusChanged(
            event_ms=bench.stepper.now_ms, received_ns=0, feed=Feed.USER, healthy=True, detail=""
        )
    )
    await bench.run_minutes(30)
    assert await ledger_differences(bench) == ()
    long, short = bench.held(SYMBOL)
    assert long == short > 0, "and life goes on"


async def test_a_lone_leg_is_found_within_ten_seconds_without_a_user_stream() -> None:
    bench = await open_bench(hold_minutes=120, exchange=new_exchange(substep_ms=1_000))
    await bench.run_minutes(5)
    long, _ = bench.held(SYMBOL)
    assert long > 0
    assert bench.session.user_stream is not None
    await bench.session.user_stream.close()
    bench.session.post(
        FeedStatusChanged(
            event_ms=bench.stepper.now_ms, received_ns=0, feed=Feed.USER, healthy=False, detail="cut"
        )
    )
    await bench.run_minutes(0.5)
    await bench.client.close_position(SYMBOL, PositionSide.LONG)
    at_ms = bench.stepper.now_ms
    while bench.held(SYMBOL)[1] > 0:
        assert bench.stepper.now_ms - at_ms <= 10_000
        await bench.run_minutes(1 / 60)
    assert bench.held(SYMBOL) == (ZERO, ZERO)


async def test_a_flash_crash_trips_no_leg_of_a_hedged_pair() -> None:
    bench = await open_bench(hold_minutes=600)
    await bench.run_minutes(10)
    held = bench.held(SYMBOL)
    assert held[0] > 0
    mark_e8 = bench.exchange.mark(SYMBOL).mark_e8
    bench.exchange.control.set_mark_price(SYMBOL, Decimal(mark_e8) / 10**8 * Decimal("0.93"))
    await bench.run_minutes(30)
    assert bench.held(SYMBOL) == held


async def test_a_drawdown_closes_what_is_held_and_opens_nothing_more() -> None:
    limits = structs.replace(LIMITS, max_drawdown_pct=Decimal("0.01"), stop_loss_pct=Decimal(50))
    bench = await open_bench(style=ExecutionStyle.TAKER, hold_minutes=30, limits=limits)
    await bench.run_minutes(120)
    assert bench.held(SYMBOL) == (ZERO, ZERO)
    assert any("MAX_DRAWDOWN_PCT" in notice.message for notice in bench.notices)
    assert len(bench.core.state.pairs.finished) == 1
    assert not bench.core.state.pairs.finished[0].rotated
