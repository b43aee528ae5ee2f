"""Invariants that hold whatever accounts and markets do."""

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aster_operator.domain.enums import (
    MarginType,
    OrderStatus,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from aster_operator.market_data.history import RecordedHistory
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.model import (
    BookEvent,
    ExecutionType,
    KlineEvent,
    OrderEvent,
    OrderRequest,
    VenueRefusal,
)

from .helpers import Bar, symbol_history

ACCOUNTS = ("alice", "bob", "carol")
# Odd fees, a rebate and an insurance fund too poor to take much over, so that rounding and ADL happen.
OPTIONS = ExchangeOptions(
    seed=5,
    substep_ms=15_000,
    maker_fee_e8=-5_003,
    taker_fee_e8=40_007,
    insurance_endowment=Decimal(500),
)


@st.composite
def bars(draw: st.DrawFn) -> list[Bar]:
    """Ten minutes of a wild market around 60,000."""
    price = 60_000.0
    found: list[Bar] = []
    for _ in range(10):
        open_price = max(20_000.0, price + draw(st.integers(-3_000, 3_000)) / 10)
        close = max(20_000.0, open_price + draw(st.integers(-40_000, 40_000)) / 10)
        high = max(open_price, close) + draw(st.integers(0, 5_000)) / 10
        low = min(open_price, close) - draw(st.integers(0, 5_000)) / 10
        volume = draw(st.sampled_from([0.0, 0.001, 0.004, 1.5, 80.0]))
        if volume == 0.0:
            high = low = close = open_price
        found.append((open_price, high, low, close, volume))
        price = close
    return found


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(ACCOUNTS),
        st.sampled_from(["order"] * 6 + ["advance"] * 2 + ["cancel", "modify", "leverage", "margin"]),
        st.sampled_from(list(Side)),
        st.sampled_from(list(OrderType)),
        st.sampled_from(list(TimeInForce)),
        st.integers(1, 4_000),  # lots
        st.integers(-300, 300),  # distance in ticks, times ten
        st.booleans(),
        st.sampled_from(list(SelfTradePrevention)),
    ),
    min_size=20,
    max_size=60,
)


def _exchange(market: list[Bar]) -> SimulatedExchange:
    funding = ((1_746_576_000_000 + 300_000, 0.001),)
    history = RecordedHistory({"BTCUSDT": symbol_history("BTCUSDT", market, funding=funding)})
    exchange = SimulatedExchange.from_history(history, OPTIONS)
    for name in ACCOUNTS:
        exchange.create_account(name, {"USDT": Decimal("30000.12345678")})
    exchange.set_hedge_mode("carol", True)
    exchange.set_margin_type("bob", "BTCUSDT", MarginType.ISOLATED)
    return exchange


def _act(exchange: SimulatedExchange, action: tuple) -> None:
    account, verb, _, _, _, lots, distance, _, _ = action
    if verb == "advance":
        exchange.advance_to(exchange.now_ms + lots * 10)
    elif verb == "leverage":
        exchange.set_leverage(account, "BTCUSDT", 1 + lots % 100)
    elif verb == "margin":
        amount = Decimal(distance or 1)
        exchange.change_position_margin(account, "BTCUSDT", PositionSide.BOTH, amount)
    elif verb == "order":
        exchange.place_order(account, _request(exchange, action))
    else:
        orders = exchange.open_orders(account, "BTCUSDT")
        if not orders:
            return
        order = orders[lots % len(orders)]
        if verb == "cancel":
            exchange.cancel_order(account, "BTCUSDT", order.order_id, None)
        else:
            price = order.spec.price_of(max(10, order.price_ticks + distance))
            exchange.modify_order(
                account, "BTCUSDT", order.order_id, None, order.spec.quantity_of(lots), price
            )


def _request(exchange: SimulatedExchange, action: tuple) -> OrderRequest:
    account, _, side, order_type, tif, lots, distance, flag, prevention = action
    spec = exchange.contracts()["BTCUSDT"]
    mark = exchange.mark("BTCUSDT").mark_e8 // spec.price_atoms_per_tick
    position_side = PositionSide.BOTH
    if account == "carol":
        position_side = PositionSide.LONG if flag else PositionSide.SHORT
    request = OrderRequest(
        "BTCUSDT",
        side,
        order_type,
        position_side,
        quantity=spec.quantity_of(lots),
        reduce_only=flag and account != "carol" and lots % 3 == 0,
        self_trade_prevention=prevention,
    )
    if order_type in (OrderType.LIMIT, OrderType.STOP, OrderType.TAKE_PROFIT):
        request.price = spec.price_of(mark + distance * 10)
        request.time_in_force = tif
    if order_type.is_conditional and order_type is not OrderType.TRAILING_STOP_MARKET:
        request.stop_price = spec.price_of(mark - distance * 10)
    if order_type is OrderType.TRAILING_STOP_MARKET:
        request.callback_rate_pct = Decimal("0.1")
    return request


def _run(market: list[Bar], actions: list[tuple], check: bool) -> tuple[SimulatedExchange, list[str]]:
    exchange = _exchange(market)
    log: list[str] = []
    exchange.subscribe(lambda event: log.append(repr(event)))
    for action in actions:
        try:
            _act(exchange, action)
        except VenueRefusal as refusal:
            log.append(f"refused {refusal}")
        if check:
            _check_instant(exchange)
    exchange.advance_to(exchange.end_ms or 0)
    return exchange, log


def _check_instant(exchange: SimulatedExchange) -> None:
    audit = exchange.audit()
    assert audit.balanced, audit
    view = exchange.book("BTCUSDT", 1000)
    assert all(lots > 0 for _, lots in view.bids + view.asks)
    if view.bids and view.asks:
        assert view.bids[0][0] < view.asks[0][0], "crossed book"
    for name in ACCOUNTS:
        for order in exchange.open_orders(name, None):
            assert 0 <= order.filled_lots < order.lots or order.close_position


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bars(), ACTIONS)
def test_money_lots_and_queues_are_conserved(market: list[Bar], actions: list[tuple]) -> None:
    exchange, _ = _run(market, actions, check=True)
    _check_instant(exchange)
    for name in ACCOUNTS:
        _check_account(exchange, name)


def _storm(seed: int) -> tuple[list[Bar], list[tuple]]:
    """A long, dense session drawn at random: leverage, liquidations, takeovers and deleveraging happen."""
    random = Random(seed)
    price, market = 60_000.0, []
    for _ in range(10):
        open_price = max(20_000.0, price + random.randint(-3_000, 3_000) / 10)
        price = max(20_000.0, open_price + random.randint(-40_000, 40_000) / 10)
        high = max(open_price, price) + random.randint(0, 5_000) / 10
        low = min(open_price, price) - random.randint(0, 5_000) / 10
        market.append((open_price, high, low, price, random.choice([0.001, 0.004, 1.5, 80.0])))
    verbs = ["order"] * 5 + ["advance"] * 2 + ["cancel", "modify", "leverage", "margin"]
    actions = [
        (
            random.choice(ACCOUNTS),
            random.choice(verbs),
            random.choice(list(Side)),
            random.choice(list(OrderType)),
            random.choice(list(TimeInForce)),
            random.randint(1, 4_000),
            random.randint(-300, 300),
            random.random() < 0.5,
            random.choice(list(SelfTradePrevention)),
        )
        for _ in range(100)
    ]
    return market, actions


@pytest.mark.parametrize("seed", range(40))
def test_a_storm_of_orders_leaves_the_books_balanced(seed: int) -> None:
    exchange, _ = _run(*_storm(seed), check=True)
    _check_instant(exchange)
    for name in ACCOUNTS:
        _check_account(exchange, name)


def test_the_storms_reach_every_corner() -> None:
    """If the storms stop liquidating or deleveraging, they stop testing it."""
    seen: set[str] = set()
    for seed in range(40):
        exchange = _exchange((storm := _storm(seed))[0])
        exchange.subscribe(
            lambda event: seen.add(str(event.order.status)) if isinstance(event, OrderEvent) else None
        )
        for action in storm[1]:
            with suppress(VenueRefusal):
                _act(exchange, action)
    assert set(OrderStatus) - {OrderStatus.REJECTED} <= seen


def _check_account(exchange: SimulatedExchange, name: str) -> None:
    """Wallet and positions follow from the trades and the income rows, and no order is overfilled."""
    wallet = sum(row.atoms for row in exchange.income(name))
    assert exchange.account(name).assets[0].wallet_atoms == wallet
    filled: dict[int, int] = defaultdict(int)
    lots: dict[PositionSide, int] = defaultdict(int)
    for trade in exchange.trades(name, None):
        assert trade.lots > 0
        filled[trade.order_id] += trade.lots
        lots[trade.position_side] += trade.side.sign * trade.lots
    for order in exchange.order_history(name, "BTCUSDT"):
        assert order.filled_lots == filled[order.order_id] <= order.lots
        if order.status is OrderStatus.FILLED:
            assert order.filled_lots == order.lots
        if order.time_in_force is TimeInForce.FOK and order.status.is_final:
            assert order.filled_lots in (0, order.lots), "fill or kill filled in part"
    for position in exchange.positions(name, None):
        assert position.lots == lots[position.position_side]
        if position.position_side is PositionSide.LONG:
            assert position.lots >= 0
        if position.position_side is PositionSide.SHORT:
            assert position.lots <= 0
    commissions = sum(trade.commission_atoms for trade in exchange.trades(name, None))
    realized = sum(trade.realized_atoms for trade in exchange.trades(name, None))
    rows = exchange.income(name)
    assert -commissions == sum(row.atoms for row in rows if row.income_type == "COMMISSION")
    assert realized == sum(row.atoms for row in rows if row.income_type == "REALIZED_PNL")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bars(), ACTIONS)
def test_the_same_calls_give_the_same_events(market: list[Bar], actions: list[tuple]) -> None:
    assert _run(market, actions, check=False)[1] == _run(market, actions, check=False)[1]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bars(), ACTIONS)
def test_events_tell_the_whole_story(market: list[Bar], actions: list[tuple]) -> None:
    """A listener that only applies events ends with the same book, orders and bars as the exchange."""
    exchange = _exchange(market)
    book: tuple[dict[int, int], dict[int, int]] = ({}, {})
    seen_ids: list[int] = []
    open_orders: dict[int, int] = {}
    closed_bars: list[int] = []

    def apply(event: object) -> None:
        if isinstance(event, BookEvent):
            seen_ids.append(event.update_id)
            for side, changes in zip(book, (event.bids, event.asks), strict=True):
                for tick, lots in changes:
                    if lots:
                        side[tick] = lots
                    else:
                        del side[tick]
        elif isinstance(event, OrderEvent):
            if event.execution is ExecutionType.NEW:
                open_orders[event.order.order_id] = event.order.lots
            if event.order.status.is_final:
                open_orders.pop(event.order.order_id, None)
        elif isinstance(event, KlineEvent) and event.is_closed:
            closed_bars.append(event.bar.open_ms)

    exchange.subscribe(apply)
    for action in actions:
        with suppress(VenueRefusal):
            _act(exchange, action)
    view = exchange.book("BTCUSDT", 10_000)
    assert dict(view.bids) == book[0]
    assert dict(view.asks) == book[1]
    expected = {order.order_id for name in ACCOUNTS for order in exchange.open_orders(name, None)}
    assert set(open_orders) == expected
    assert all(earlier < later for earlier, later in pairwise(seen_ids))
    exchange.advance_to(exchange.end_ms or 0)
    assert len(closed_bars) == len(set(closed_bars)) == len(market)
