"""Queue positions and price-time priority."""

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.enums import Side
from aster_operator.simulator.book import OrderBook, proportional_queue
from aster_operator.simulator.model import SimulatedOrder, TradeRecord

from .helpers import best, make_exchange, place, with_account


def resting(price_ticks: int, lots: int = 10) -> SimulatedOrder:
    exchange = with_account(make_exchange())
    order = place(exchange, "alice", "BUY", "LIMIT", "0.01", price="59000")
    order.price_ticks, order.lots = price_ticks, lots
    return order


def test_lots_that_come_later_stand_behind_and_lots_that_leave_stood_behind() -> None:
    side = OrderBook().bids
    side.rewrite({100: 50, 99: 70})
    order = resting(100)
    side.rest(order, hidden=False)
    assert side.lots_ahead(order) == 50
    side.rewrite({100: 500, 99: 70})
    assert side.lots_ahead(order) == 50
    side.rewrite({100: 20, 99: 70})
    assert side.lots_ahead(order) == 20
    side.take_synthetic(100, 15)
    assert (side.lots_ahead(order), side.front(100)) == (5, (None, 5))
    side.take_synthetic(100, 5)
    assert side.front(100)[0] is not None


def test_the_proportional_model_moves_the_queue_up_when_lots_leave() -> None:
    side = OrderBook(proportional_queue).bids
    side.rewrite({100: 80, 99: 1})
    order = resting(100)
    side.rest(order, hidden=False)
    side.rewrite({100: 160, 99: 1})
    assert side.lots_ahead(order) == 80
    side.rewrite({100: 80, 99: 1})
    assert side.lots_ahead(order) == 40
    assert proportional_queue(10, 0, 5) == 5


def test_a_level_that_leaves_the_window_keeps_its_queue() -> None:
    side = OrderBook().bids
    side.rewrite({100: 50, 99: 70})
    order = resting(99)
    side.rest(order, hidden=False)
    side.rewrite({110: 5, 109: 5})
    assert side.lots_ahead(order) == 70
    assert side.displayed()[99] == 80
    side.rewrite({101: 5, 98: 5})
    # Inside the window and not quoted: nobody is left before us.
    assert side.lots_ahead(order) == 0


def test_changes_are_absolute_lots_and_zero_for_gone() -> None:
    book = OrderBook()
    book.bids.rewrite({100: 5, 99: 6})
    book.asks.rewrite({101: 7})
    assert book.take_changes() == (((100, 5), (99, 6)), ((101, 7),))
    book.bids.rewrite({100: 5, 98: 1})
    assert book.take_changes() == (((98, 1), (99, 0)), ())
    assert book.take_changes() == ((), ())


ORDERS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 50), st.sampled_from(["alice", "bob", "carol"])),
    min_size=1,
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(ORDERS, st.integers(1, 600))
def test_price_then_time_decides_who_trades(orders: list[tuple[int, int, str]], taken: int) -> None:
    exchange = make_exchange()
    exchange.control.empty_side("BTCUSDT", Side.SELL)
    for name in ("alice", "bob", "carol", "taker"):
        with_account(exchange, name, 10_000_000)
    view = exchange.book("BTCUSDT", 1)
    base = view.spec.price_of(view.bids[0][0] + 1)
    placed = [
        place(exchange, name, "SELL", "LIMIT", f"0.{lots:03d}", price=str(base + Decimal(offset) / 10))
        for offset, lots, name in orders
    ]
    place(exchange, "taker", "BUY", quantity=f"0.{taken:03d}")
    expected: list[tuple[int, int]] = []
    left = taken
    for order in sorted(placed, key=lambda order: (order.price_ticks, order.order_id)):
        lots = min(left, order.lots)
        if lots:
            expected.append((order.order_id, lots))
        left -= lots
    makers: list[TradeRecord] = sorted(
        (trade for name in ("alice", "bob", "carol") for trade in exchange.trades(name, None)),
        key=lambda trade: trade.trade_id,
    )
    assert [(trade.order_id, trade.lots) for trade in makers] == expected
    assert all(trade.is_maker for trade in makers)


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_an_order_inside_the_spread_is_the_new_best_price(side: str) -> None:
    wide = [(60_000.0, 60_400.0, 59_600.0, 60_000.0, 50.0)] * 3
    exchange = with_account(make_exchange(wide))
    bid, ask = best(exchange)
    assert ask - bid > Decimal("0.2")
    price = bid + Decimal("0.1") if side == "BUY" else ask - Decimal("0.1")
    place(exchange, "alice", side, "LIMIT", "0.01", price=str(price), tif="GTX")
    assert best(exchange)[0 if side == "BUY" else 1] == price


def test_changes_told_one_by_one_add_up_to_the_displayed_book() -> None:
    """However orders and the market's own lots come and go, nobody who follows the changes goes astray."""
    random, book = Random(5), OrderBook()
    told: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
    placed: list[SimulatedOrder] = []
    pattern, quiet = resting(100), 0
    for _ in range(3_000):
        side = random.choice((Side.BUY, Side.SELL))
        ladder = book.side(side)
        tick = 100 + random.randint(0, 12) * (-1 if side is Side.BUY else 1)
        for _ in range(random.choice((0, 1, 1, 1, 2))):
            what = random.random()
            if what < 0.5:
                order = replace(pattern, price_ticks=tick, lots=random.randint(1, 9), side=side)
                ladder.rest(order, hidden=random.random() < 0.2)
                placed.append(order)
            elif what < 0.8 and placed:
                order = placed.pop(random.randrange(len(placed)))
                assert book.side(order.side).remove(order)
            elif what < 0.9 and ladder.synthetic:
                taken = random.choice(list(ladder.synthetic))
                ladder.take_synthetic(taken, random.randint(1, ladder.synthetic[taken]))
            elif what < 0.95:
                step = -1 if side is Side.BUY else 1
                ladder.rewrite({100 + step * each: random.randint(1, 9) for each in range(1, 8)})
            else:
                ladder.top_up(next(iter(ladder.synthetic), 100), 5)
        bids, asks = book.take_changes()
        quiet += not bids and not asks
        for changed, changes in ((Side.BUY, bids), (Side.SELL, asks)):
            for at, lots in changes:
                assert told[changed].get(at, 0) != lots
                told[changed][at] = lots
            shown = {at: lots for at, lots in told[changed].items() if lots}
            assert shown == book.side(changed).displayed()
        if bids or asks:
            for ladder, published in zip((book.bids, book.asks), book.published_best, strict=True):
                assert (None if published is None else published[0]) == ladder.best()
    assert 100 < quiet < 1_500
