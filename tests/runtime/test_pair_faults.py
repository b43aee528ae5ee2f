"""What can befall a pair, for every kind of pair: its delta is back at zero within the deadline.

The exchange's own books say what is held; the session's are not asked.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from aster_operator.domain.enums import OrderType, PositionSide, Side
from aster_operator.domain.events import Feed, FeedStatusChanged, OperatorAction
from aster_operator.domain.fills import settled_cash
from aster_operator.domain.money import ZERO, round_down
from aster_operator.domain.orders import NewOrder
from aster_operator.domain.pairing import Market, PairKind, market_of, venue_symbol
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.exchange.errors import TransportFailed
from aster_operator.execution.policy import ExecutionPolicy, ExecutionStyle
from aster_operator.monitoring.ledger import compare_ledgers
from aster_operator.simulator.model import OrderRequest
from aster_operator.strategy.parameters import RiskLimits
from runtime.faulty_client import Fault, FaultyClient, FaultySpot
from runtime.sessions import ACCOUNT, SPOT_MONEY, Bench, new_exchange, open_bench

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
SYMBOLS = {
    PairKind.SAME: ("BTCUSDT",),
    PairKind.CROSS: ("BTCUSDT", "ETHUSDT"),
    PairKind.CARRY: ("BTCUSDT",),
}
DEADLINE_MS = 60_000
HEARD_MS, POLLED_MS = 1_000, 10_000
"""A lone leg is found this soon with the user stream, and without it."""
LIMITS = RiskLimits(
    capital_usd=Decimal(10_000), leverage=5, max_position_size_pct=Decimal(10), max_pnl_drift_pct=Decimal(3)
)
kinds = pytest.mark.parametrize("kind", list(PairKind))


async def session(
    kind: PairKind, fault: Fault = lambda _order: None, style: ExecutionStyle = ExecutionStyle.TAKER
) -> Bench:
    return await open_bench(
        kind=kind,
        symbols=SYMBOLS[kind],
        hold_minutes=600,
        limits=LIMITS,
        exchange=new_exchange(substep_ms=1_000, with_spot=kind is PairKind.CARRY),
        policy=ExecutionPolicy(
            style=style, lead_deadline_ms=60_000, imbalance_deadline_ms=DEADLINE_MS, retry_ms=1_000
        ),
        wrap=lambda client: FaultyClient(client, fault),
        wrap_spot=lambda spot: FaultySpot(spot, fault),
    )


def holds(bench: Bench, symbol: str, side: PositionSide) -> Decimal:
    if market_of(symbol) is Market.SPOT:
        return bench.coins(venue_symbol(symbol).removesuffix("USDT"))
    return bench.held(symbol)[0 if side is LONG else 1]


def lopsided(bench: Bench) -> str | None:
    """What the account holds beyond a hedge, by the exchange's books; None when it is hedged or flat."""
    symbols = bench.core.settings.symbols
    everything = {
        (symbol, side): holds(bench, symbol, side)
        for symbol in symbols
        for side in ((LONG,) if market_of(symbol) is Market.SPOT else (LONG, SHORT))
    }
    for pair in bench.core.state.pairs.active():
        long, short = (everything.pop((leg.symbol, leg.position_side)) for leg in pair.legs)
        weights = [leg.hedge.weight for leg in pair.legs]
        excess = abs(long * weights[0] - short * weights[1])
        grain = max(leg.grain * leg.hedge.weight for leg in pair.legs)
        if ((long == 0) != (short == 0) and excess >= grain) or excess > grain:
            return f"{long} long against {short} short"
    rest = {
        key: held
        for key, held in everything.items()
        if held * Decimal(100_000 if key[0].startswith("BTC") else 2_000) > 10
    }
    return f"nobody's {rest}" if rest else None


async def run_watching(bench: Bench, seconds: int) -> int:
    """Run, and return for how long (ms) the account was lopsided at a stretch, at most."""
    since_ms, longest_ms = None, 0
    for _ in range(seconds):
        await bench.run_minutes(1 / 60)
        now_ms = bench.stepper.now_ms
        if lopsided(bench) is None:
            since_ms = None
        else:
            since_ms = now_ms if since_ms is None else since_ms
            longest_ms = max(longest_ms, now_ms - since_ms)
    return longest_ms


async def opened(kind: PairKind) -> Bench:
    bench = await session(kind)
    await run_watching(bench, 90)
    assert lopsided(bench) is None
    (pair,) = bench.core.state.pairs.active()
    assert all(leg.held > 0 for leg in pair.legs)
    return bench


async def differences(bench: Bench) -> tuple[str, ...]:
    symbols = bench.core.settings.symbols
    account = await bench.client.account_snapshot()
    opening = Decimal(10_000) - (SPOT_MONEY if any(":" in symbol for symbol in symbols) else 0)
    return compare_ledgers(
        own_fills=list(bench.books.fills.values()),
        venue_fills=[fill for symbol in symbols for fill in await bench.client.fills(symbol, 0)],
        own_income=list(bench.books.income.values()),
        venue_income=settled_cash(await bench.client.income_rows(bench.session.start_ms + 1)),
        wallets=(opening, account.total_wallet_balance),
    ).differences


async def ends_flat(bench: Bench) -> None:
    await bench.stop(OperatorAction.FLATTEN, minutes=10)
    assert bench.session.stopped is not None
    assert lopsided(bench) is None
    for symbol in bench.core.settings.symbols:
        if market_of(symbol) is Market.PERP:
            assert bench.held(symbol) == (ZERO, ZERO)
    assert await differences(bench) == ()


@kinds
async def test_an_answer_lost_after_the_first_leg(kind: PairKind) -> None:
    sent: list[str] = []

    def fault(order: NewOrder) -> str | None:
        sent.append(order.client_order_id)
        return "lost-after" if len(sent) == 1 else None

    bench = await session(kind, fault)
    assert await run_watching(bench, 120) <= DEADLINE_MS
    assert len(set(sent)) == len(sent), "an order was sent twice"
    (pair,) = bench.core.state.pairs.active()
    assert all(leg.held > 0 for leg in pair.legs)
    await ends_flat(bench)


@kinds
async def test_a_refused_second_leg(kind: PairKind) -> None:
    first: list[PositionSide] = []

    def fault(order: NewOrder) -> str | None:
        if not order.opens_position:
            return None
        first.append(order.position_side)
        return "refuse" if order.position_side is not first[0] else None

    bench = await session(kind, fault)
    assert await run_watching(bench, 150) <= DEADLINE_MS
    assert not any(pair.rotated for pair in bench.core.state.pairs.finished)
    assert bench.core.state.pairs.finished, "the attempt was given up"
    assert len(first) < 12, "it does not hammer the venue"
    await ends_flat(bench)


async def liquidate(bench: Bench) -> None:
    """The exchange takes a perpetual leg away; of two on one symbol the one it chooses."""
    (pair,) = bench.core.state.pairs.active()
    perpetual = next(leg.symbol for leg in pair.legs if market_of(leg.symbol) is Market.PERP)
    bench.exchange.control.force_liquidation(ACCOUNT, perpetual)


async def close_by_hand(bench: Bench) -> None:
    """The long leg is sold on the website."""
    (pair,) = bench.core.state.pairs.active()
    leg = pair.long
    request = OrderRequest(
        symbol=venue_symbol(leg.symbol),
        side=Side.SELL,
        order_type=OrderType.MARKET,
        position_side=PositionSide.BOTH if leg.is_spot else LONG,
        quantity=round_down(leg.held, Decimal("0.000001")) if leg.is_spot else leg.held,
        client_order_id="web_click",
    )
    if leg.is_spot:
        assert bench.exchange.spot is not None
        bench.exchange.spot.place_order(ACCOUNT, request)
    else:
        bench.exchange.place_order(ACCOUNT, request)


@kinds
@pytest.mark.parametrize("befalls", [liquidate, close_by_hand], ids=["liquidation", "by hand"])
async def test_a_leg_that_goes_takes_the_other_with_it(
    kind: PairKind, befalls: Callable[[Bench], Awaitable[None]]
) -> None:
    bench = await opened(kind)
    await befalls(bench)
    await bench.driver.settle()
    assert await run_watching(bench, 20) <= HEARD_MS
    assert not any(pair.rotated or pair.owner_closed for pair in bench.core.state.pairs.finished)
    assert bench.core.state.pairs.finished, "what was left of the pair was closed"
    await ends_flat(bench)
    fees = bench.core.state.portfolio.other_income
    assert (fees < 0) == (befalls is liquidate), "the exchange takes a fee for liquidating"


class Outage:
    """REST of the own client fails while `is_on`, in the way that `may_have_arrived` says; the exchange and
    its streams go on."""

    def __init__(self) -> None:
        self.is_on = False
        self.may_have_arrived = False

    def strike(self, call: str) -> None:
        if self.is_on:
            raise TransportFailed(call, "the venue does not answer", may_have_arrived=self.may_have_arrived)


OUT = ("place_order", "cancel_order", "query_order", "open_orders", "get_position_risk", "account_snapshot",
       "fills", "income_rows", "bars", "spot_balances")  # fmt: skip


def failing(client: ExchangeClient, outage: Outage) -> None:
    """Let the calls of `client` fail by the outage."""
    for name in OUT:
        inner = getattr(client, name, None)
        if inner is None:
            continue

        async def call(*args: Any, _inner: Any = inner, _name: str = name, **more: Any) -> Any:
            outage.strike(_name)
            return await _inner(*args, **more)

        setattr(client, name, call)


@kinds
@pytest.mark.parametrize("user_stream_lives", [True, False], ids=["stream alive", "both dead"])
@pytest.mark.parametrize("may_have_arrived", [True, False], ids=["unclear", "refused"])
async def test_twenty_minutes_without_rest_while_a_leg_goes(
    kind: PairKind, user_stream_lives: bool, may_have_arrived: bool
) -> None:
    bench, outage = await opened(kind), Outage()
    failing(bench.client, outage)
    outage.may_have_arrived = may_have_arrived
    outage.is_on = True
    if not user_stream_lives:
        await cut(bench)
    await run_watching(bench, 60)
    await close_by_hand(bench)
    await run_watching(bench, 20 * 60)
    assert lopsided(bench) is not None, "nothing could be done about it yet"
    assert Feed.REST in bench.core.state.feeds_down

    outage.is_on = False
    assert await run_watching(bench, 90) <= DEADLINE_MS
    assert lopsided(bench) is None
    assert bench.core.state.pairs.finished, "what was left of the pair was closed, once"
    assert Feed.REST not in bench.core.state.feeds_down
    if not user_stream_lives:
        tell(bench, Feed.USER, healthy=True)
    await ends_flat(bench)


async def cut(bench: Bench) -> None:
    assert bench.session.user_stream is not None
    await bench.session.user_stream.close()
    tell(bench, Feed.USER, healthy=False)


def tell(bench: Bench, feed: Feed, *, healthy: bool) -> None:
    bench.session.post(
        FeedStatusChanged(
            event_ms=bench.stepper.now_ms, received_ns=0, feed=feed, healthy=healthy, detail="cut"
        )
    )


@kinds
async def test_a_leg_that_goes_while_the_user_stream_is_dead(kind: PairKind) -> None:
    bench = await opened(kind)
    await cut(bench)
    await run_watching(bench, 20)
    await close_by_hand(bench)
    assert await run_watching(bench, 30) <= POLLED_MS
    assert bench.core.state.pairs.finished
    await bench.stop(OperatorAction.FLATTEN, minutes=10)
    assert lopsided(bench) is None


@kinds
@pytest.mark.parametrize("loses_a_leg", [False, True])
async def test_twenty_minutes_without_the_venue(kind: PairKind, loses_a_leg: bool) -> None:
    bench = await opened(kind)
    await cut(bench)
    assert bench.session.market_stream is not None
    await bench.session.market_stream.close()
    if loses_a_leg:
        await close_by_hand(bench)
    bench.exchange.advance_to(bench.exchange.now_ms + 20 * 60_000)

    await bench.session.connect(bench.driver._arrived.append)
    tell(bench, Feed.USER, healthy=True)
    assert await run_watching(bench, 30) <= POLLED_MS
    closed = bool(bench.core.state.pairs.finished)
    assert closed == loses_a_leg, "a pair that is still hedged is held on"
    await ends_flat(bench)
