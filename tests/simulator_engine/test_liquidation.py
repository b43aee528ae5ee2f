"""Liquidation, insurance and deleveraging."""

from decimal import Decimal

import pytest

from aster_operator.domain.enums import MarginType, OrderStatus, Side
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.model import (
    ATOMS,
    ExecutionType,
    ForceOrderEvent,
    MarginCallEvent,
    OrderEvent,
)

from .helpers import make_exchange, place, record, with_account

CALM = [(60_000.0, 60_001.0, 59_999.0, 60_000.0, 500.0)] * 30


def leveraged(margin_type: MarginType, *, usdt: int = 2_000, **options: object) -> SimulatedExchange:
    """Alice is long 0.5 BTC at 50x with hardly more than the margin for it."""
    exchange = with_account(make_exchange(CALM, **options), usdt=usdt)
    exchange.set_leverage("alice", "BTCUSDT", 50)
    if margin_type is MarginType.ISOLATED:
        exchange.set_margin_type("alice", "BTCUSDT", MarginType.ISOLATED)
    place(exchange, "alice", "BUY", quantity="0.5")
    return exchange


@pytest.mark.parametrize("margin_type", list(MarginType))
def test_a_position_is_liquidated_at_its_liquidation_price_and_not_before(margin_type: MarginType) -> None:
    exchange = leveraged(margin_type)
    resting = place(exchange, "alice", "BUY", "LIMIT", "0.001", price="59500")
    row = exchange.positions("alice", "BTCUSDT")[0]
    price = row.liquidation_price
    assert 50_000 < price < 60_000
    events = record(exchange)
    exchange.control.set_mark_price("BTCUSDT", price + Decimal("0.01"))
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 500
    exchange.control.set_mark_price("BTCUSDT", price - Decimal("0.01"))
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 0
    assert resting.status is OrderStatus.CANCELED
    forced = [event.order for event in events if isinstance(event, ForceOrderEvent)]
    assert len(forced) == 1
    assert forced[0].client_order_id.startswith("autoclose-")
    assert (forced[0].status, forced[0].side) == (OrderStatus.FILLED, Side.SELL)
    assert exchange.audit().balanced


def test_the_liquidation_fee_goes_to_the_insurance_fund() -> None:
    exchange = leveraged(MarginType.ISOLATED)
    before = exchange.account("alice").assets[0].wallet_atoms
    fund = exchange.audit().detail["wallet:insurance-fund:USDT"]
    isolated = exchange.positions("alice", "BTCUSDT")[0].isolated_wallet_atoms
    exchange.control.set_mark_price("BTCUSDT", Decimal(59_000))
    rows = [row for row in exchange.income("alice") if row.income_type == "INSURANCE_CLEAR"]
    assert len(rows) == 1
    assert rows[0].atoms < 0
    assert exchange.audit().detail["wallet:insurance-fund:USDT"] == fund - rows[0].atoms
    # Isolated: the rest of the wallet is out of reach.
    assert exchange.account("alice").assets[0].wallet_atoms >= before - isolated


def test_what_the_book_does_not_take_goes_to_the_insurance_fund_at_bankruptcy_price() -> None:
    exchange = leveraged(MarginType.ISOLATED)
    events = record(exchange)
    exchange.control.gap_book("BTCUSDT", Decimal(-5))
    statuses = [
        event.order.client_order_id.split("-")[0]
        for event in events
        if isinstance(event, OrderEvent) and event.execution is ExecutionType.CALCULATED
    ]
    assert statuses == ["autoclose"]
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 0
    wallet = exchange.account("alice").assets[0].wallet_atoms
    assert 0 <= wallet < 2_000 * ATOMS
    assert exchange.audit().balanced
    exchange.advance_to(exchange.now_ms + 60_000)
    # The fund has sold what it took over.
    assert not [key for key in exchange.audit().detail if key.startswith("unrealized:insurance-fund")]


def test_a_fund_that_cannot_carry_it_makes_the_winners_deleverage() -> None:
    exchange = leveraged(MarginType.ISOLATED, insurance_endowment=Decimal(0))
    exchange.create_account("bob", {"USDT": Decimal(100_000)})
    exchange.create_account("carol", {"USDT": Decimal(100_000)})
    exchange.set_leverage("bob", "BTCUSDT", 50)
    place(exchange, "bob", "SELL", quantity="0.2")
    place(exchange, "carol", "SELL", quantity="0.2")
    events = record(exchange)
    exchange.control.gap_book("BTCUSDT", Decimal(-10))
    forced = [event.order for event in events if isinstance(event, ForceOrderEvent)]
    victims = [(order.account_id, order.filled_lots) for order in forced]
    # Bob earns the same on more leverage, so he goes first.
    assert victims == [("bob", 200), ("carol", 200), ("alice", 500)]
    assert all(order.client_order_id == "adl_autoclose" for order in forced[:2])
    assert exchange.account("bob").assets[0].wallet_atoms > 100_000 * ATOMS
    assert exchange.account("alice").assets[0].wallet_atoms >= 0
    assert exchange.audit().balanced


def test_a_cross_account_never_ends_below_zero() -> None:
    exchange = leveraged(MarginType.CROSSED, usdt=700)
    exchange.control.gap_book("BTCUSDT", Decimal(-30))
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 0
    assert exchange.account("alice").assets[0].wallet_atoms == 0
    assert exchange.audit().balanced


def test_a_hedged_pair_is_not_liquidated_by_a_move() -> None:
    exchange = with_account(make_exchange(CALM), usdt=2_000, hedge=True)
    exchange.set_leverage("alice", "BTCUSDT", 50)
    place(exchange, "alice", "BUY", quantity="0.4", position_side="LONG")
    place(exchange, "alice", "SELL", quantity="0.4", position_side="SHORT")
    exchange.control.gap_book("BTCUSDT", Decimal(-10))
    exchange.control.gap_book("BTCUSDT", Decimal(15))
    assert [row.lots for row in exchange.positions("alice", "BTCUSDT")] == [400, -400]


def test_a_margin_call_comes_once_before_the_liquidation() -> None:
    exchange = leveraged(MarginType.ISOLATED)
    price = exchange.positions("alice", "BTCUSDT")[0].liquidation_price
    events = record(exchange)
    for distance in (60, 50, 40, 20):
        exchange.control.set_mark_price("BTCUSDT", price + distance)
    calls = [event for event in events if isinstance(event, MarginCallEvent)]
    assert len(calls) == 1
    view, _, maintenance = calls[0].positions[0]
    assert (view.lots, calls[0].cross_wallet_atoms) == (500, None)
    assert maintenance > 0


def test_forced_verbs() -> None:
    exchange = with_account(make_exchange(CALM))
    place(exchange, "alice", "BUY", quantity="0.5")
    exchange.control.force_liquidation("alice", "BTCUSDT")
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 0
    place(exchange, "alice", "SELL", quantity="0.5")
    events = record(exchange)
    exchange.control.force_adl("alice", "BTCUSDT")
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 0
    forced = [event.order for event in events if isinstance(event, ForceOrderEvent)]
    assert [order.client_order_id for order in forced] == ["adl_autoclose"]
    assert exchange.audit().balanced


@pytest.mark.parametrize("margin_type", list(MarginType))
def test_a_large_position_loses_only_what_its_bracket_asks_too_much_for(margin_type: MarginType) -> None:
    """Six million dollars stand in the fifth bracket, five in the fourth, which asks half the ratio."""
    exchange = with_account(make_exchange(CALM), usdt=700_000)
    exchange.control.set_filter("BTCUSDT", market_max_quantity=Decimal(1000))
    exchange.set_leverage("alice", "BTCUSDT", 10)
    if margin_type is MarginType.ISOLATED:
        exchange.set_margin_type("alice", "BTCUSDT", MarginType.ISOLATED)
    for _ in range(25):
        place(exchange, "alice", "BUY", quantity="4")
        exchange.advance_to(exchange.now_ms + 15_000)
    held = exchange.positions("alice", "BTCUSDT")[0]
    assert held.lots == 100_000
    events = record(exchange)
    exchange.control.set_mark_price("BTCUSDT", held.liquidation_price - Decimal("0.1"))
    left = exchange.positions("alice", "BTCUSDT")[0]
    assert 0 < left.lots < held.lots
    forced = [event.order for event in events if isinstance(event, ForceOrderEvent)]
    assert [order.client_order_id[:10] for order in forced] == ["autoclose-"] * len(forced)
    assert sum(order.filled_lots for order in forced) == held.lots - left.lots
    # What is left is covered again, and its own liquidation price is further away.
    assert left.liquidation_price < held.liquidation_price
    assert exchange.audit().balanced
    exchange.control.set_mark_price("BTCUSDT", Decimal(30_000))
    assert exchange.positions("alice", "BTCUSDT")[0].lots < left.lots
    assert exchange.account("alice").assets[0].wallet_atoms >= 0
    assert exchange.audit().balanced
