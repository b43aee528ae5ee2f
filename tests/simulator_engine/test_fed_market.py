"""Markets fed from outside, and latency in market time."""

from decimal import Decimal

import pytest

from aster_operator.domain.enums import OrderStatus, Side
from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.fed_market import FedMarket
from aster_operator.simulator.latency import DelayedGateway, FixedLatency, JitteredLatency
from aster_operator.simulator.model import SimulatedOrder, VenueRefusal

from .helpers import START_MS, make_exchange, place, request, with_account

SPEC = contract_for_prices("BTCUSDT", [])


def fed() -> tuple[SimulatedExchange, FedMarket]:
    market = FedMarket(SPEC, 600_000)
    exchange = SimulatedExchange([market], ExchangeOptions(start_ms=START_MS))
    return with_account(exchange), market


def test_pushed_steps_happen_when_time_reaches_them() -> None:
    exchange, market = fed()
    assert exchange.next_step_ms() is None
    market.push_book(START_MS + 100, {600_000: 50}, {600_001: 40, 600_002: 10})
    market.push_trade(START_MS + 200, Side.BUY, 15, 600_001)
    assert exchange.next_step_ms() == START_MS + 100
    exchange.advance_to(START_MS + 100)
    assert exchange.book("BTCUSDT", 5).asks == ((600_001, 40), (600_002, 10))
    exchange.advance_to(START_MS + 300)
    assert exchange.book("BTCUSDT", 5).asks == ((600_001, 25), (600_002, 10))
    assert [trade.lots for trade in exchange.recent_trades("BTCUSDT", 5)] == [15]
    # Late news is taken now, and the market wakes up again after having run dry.
    market.push_book(START_MS + 50, {599_990: 5}, {599_991: 5})
    exchange.advance_to(START_MS + 300)
    assert exchange.book("BTCUSDT", 5).bids == ((599_990, 5),)
    assert exchange.audit().balanced


def test_a_dictated_mark_and_funding_are_taken_over() -> None:
    exchange, market = fed()
    market.push_book(START_MS, {600_000: 500}, {600_001: 500})
    exchange.advance_to(START_MS)
    place(exchange, "alice", "BUY", quantity="0.1")
    due_ms = START_MS + 3_600_000
    market.push_mark(START_MS + 10, 6_010_000_000_000, 6_009_000_000_000, 25_000, due_ms)
    exchange.advance_to(START_MS + 10)
    mark = exchange.mark("BTCUSDT")
    assert (mark.mark_e8, mark.funding_rate_e8, mark.next_funding_ms) == (6_010_000_000_000, 25_000, due_ms)
    market.push_book(due_ms, {600_000: 500}, {600_001: 500})
    exchange.advance_to(due_ms)
    row = exchange.income("alice")[-1]
    assert (row.income_type, row.atoms) == ("FUNDING_FEE", -150_250_000)


def test_nonsense_is_refused_at_the_door() -> None:
    _, market = fed()
    with pytest.raises(ValueError, match="crossed book"):
        market.push_book(START_MS, {600_001: 1}, {600_001: 1})
    with pytest.raises(ValueError, match="best first"):
        market.push_book(START_MS, {599_999: 1, 600_000: 1}, {600_001: 1})
    with pytest.raises(ValueError, match="needs a market"):
        SimulatedExchange([FedMarket(SPEC, 1)])


def test_a_delayed_order_meets_the_market_of_its_arrival() -> None:
    exchange = with_account(make_exchange())
    gateway = DelayedGateway(exchange, FixedLatency(250))
    answers: list[SimulatedOrder | VenueRefusal] = []
    sent_ms = exchange.now_ms
    arrival = gateway.place_order("alice", request("BUY"), answers.append)
    refused = gateway.place_order("alice", request("BUY", "MARKET", "99"), answers.append)
    assert (arrival, refused) == (sent_ms + 250, sent_ms + 250)
    exchange.advance_to(sent_ms + 249)
    assert answers == []
    exchange.advance_to(sent_ms + 250)
    filled, refusal = answers
    assert isinstance(filled, SimulatedOrder)
    assert (filled.status, filled.created_ms) == (OrderStatus.FILLED, sent_ms + 250)
    assert isinstance(refusal, VenueRefusal)
    assert refusal.code == -4005


def test_jitter_is_seeded_bounded_and_keeps_the_order() -> None:
    def arrivals(seed: int) -> list[int]:
        exchange = with_account(make_exchange())
        gateway = DelayedGateway(exchange, JitteredLatency(20, 30.0, 200, seed))
        found = []
        for _ in range(50):
            found.append(gateway.place_order("alice", request("BUY", "MARKET", "0.001"), lambda _: None))
            exchange.advance_to(exchange.now_ms + 7)
        return found

    first = arrivals(1)
    assert first == arrivals(1) != arrivals(2)
    assert first == sorted(first)
    for model in (lambda: FixedLatency(-1), lambda: JitteredLatency(5, 1.0, 4, 1)):
        with pytest.raises(ValueError, match=r"latency|negative"):
            model()


def test_cancels_are_delayed_too() -> None:
    exchange = with_account(make_exchange())
    order = place(exchange, "alice", "BUY", "LIMIT", price="59000")
    gateway = DelayedGateway(exchange, FixedLatency(100))
    gateway.cancel_order("alice", "BTCUSDT", order.order_id, None, lambda _: None)
    exchange.advance_to(exchange.now_ms + 99)
    assert order.status is OrderStatus.NEW
    exchange.advance_to(exchange.now_ms + 1)
    assert order.status is OrderStatus.CANCELED
    assert exchange.account("alice").assets[0].open_order_initial_atoms == Decimal(0)
