"""A market that is seen less often while no order waits in it, and at every step when one does."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from aster_operator.domain.enums import OrderType, Side, TimeInForce
from aster_operator.market_data.history import load_history
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.model import KlineEvent, OrderRequest, SimulatedOrder

SYMBOL = "ETHUSDT"
MINUTE_MS = 60_000


def exchange(calm_substep_ms: int | None, *, with_spot: bool = False) -> SimulatedExchange:
    made = SimulatedExchange.from_history(
        load_history(None, (SYMBOL,)),
        ExchangeOptions(substep_ms=1_000, calm_substep_ms=calm_substep_ms, with_spot=with_spot),
    )
    made.create_account("me", {"USDT": Decimal(10_000)})
    return made


def steps(made: SimulatedExchange, until_ms: int) -> Iterator[int]:
    while (next_ms := made.next_step_ms()) is not None and next_ms < until_ms:
        made.advance_to(next_ms)
        yield next_ms


@pytest.mark.parametrize("calm_substep_ms", [5_000, 20_000])
def test_the_bars_are_the_recorded_ones_and_the_path_is_the_same(calm_substep_ms: int) -> None:
    found = []
    for calm in (None, calm_substep_ms):
        made = exchange(calm)
        bars: list[KlineEvent] = []
        made.subscribe(lambda event, bars=bars: bars.append(event) if isinstance(event, KlineEvent) else None)
        start_ms = made.now_ms
        marks = {}
        taken = 0
        for now_ms in steps(made, start_ms + 30 * MINUTE_MS):
            taken += 1
            if now_ms % 20_000 == 0:
                marks[now_ms] = made.book(SYMBOL, 5)
        closed = [event.bar for event in bars if event.is_closed]
        found.append(
            (
                taken,
                marks,
                [(b.open_ms, b.open_ticks, b.high_ticks, b.low_ticks, b.close_ticks, b.lots) for b in closed],
            )
        )
    (every, path, recorded), (fewer, same_path, same_bars) = found
    assert fewer < 0.4 * every
    assert same_bars == recorded
    assert [book.bids[0][0] for book in same_path.values()] == [book.bids[0][0] for book in path.values()]


def bid(made: SimulatedExchange, below_ticks: int, quantity: str = "1") -> SimulatedOrder:
    """A resting bid so many ticks below the best."""
    view = made.book(SYMBOL, 1)
    price = (view.bids[0][0] - below_ticks) * view.spec.instrument.tick_size
    return made.place_order(
        "me",
        OrderRequest(
            SYMBOL,
            Side.BUY,
            OrderType.LIMIT,
            time_in_force=TimeInForce.GTX,
            quantity=Decimal(quantity),
            price=price,
        ),
    )


def test_every_step_counts_from_the_moment_an_order_waits_until_it_is_gone() -> None:
    made = exchange(20_000)
    start_ms = made.now_ms
    made.advance_to(start_ms + 21_000)
    assert (made.next_step_ms() or 0) > start_ms + 22_000
    order = bid(made, 20_000)
    assert made.next_step_ms() == start_ms + 22_000
    assert [now_ms - start_ms for now_ms in steps(made, start_ms + 25_500)] == [
        22_000,
        23_000,
        24_000,
        25_000,
    ]
    made.cancel_order("me", SYMBOL, order.order_id, None)
    made.advance_to(start_ms + 26_000)
    assert (made.next_step_ms() or 0) > start_ms + 27_000


@pytest.mark.parametrize("below_ticks", [0, 5, 40])
def test_an_order_is_filled_in_the_same_second_however_the_market_was_seen_before(below_ticks: int) -> None:
    """What traded while nobody waited fills nobody who came later."""
    filled = []
    for calm in (None, 20_000):
        made = exchange(calm)
        start_ms = made.now_ms
        times = []
        for minute in range(12):
            made.advance_to(start_ms + minute * MINUTE_MS + 20_000)
            order = bid(made, below_ticks)
            for now_ms in steps(made, start_ms + (minute + 1) * MINUTE_MS):
                if order.filled_lots:
                    times.append(now_ms - start_ms)
                    break
            if order.order_id in {each.order_id for each in made.open_orders("me", SYMBOL)}:
                made.cancel_order("me", SYMBOL, order.order_id, None)
        filled.append(times)
    assert filled[0]
    assert filled[1] == filled[0]


def test_an_order_of_the_spot_market_counts_too() -> None:
    made = exchange(20_000, with_spot=True)
    spot = made.spot
    assert spot is not None
    spot.deposit("me", "USDT", Decimal(10_000))
    start_ms = made.now_ms
    made.advance_to(start_ms + 21_000)
    price = spot.book(SYMBOL, 1).bids[0][0] * spot.contracts()[SYMBOL].instrument.tick_size - 100
    request = OrderRequest(
        SYMBOL, Side.BUY, OrderType.LIMIT, time_in_force=TimeInForce.GTC, quantity=Decimal(1), price=price
    )
    spot.place_order("me", request)
    assert made.next_step_ms() == start_ms + 22_000


@pytest.mark.parametrize("calm_substep_ms", [0, 1_500, 7_000])
def test_calm_steps_must_fit(calm_substep_ms: int) -> None:
    with pytest.raises(ValueError, match="calm_substep_ms"):
        exchange(calm_substep_ms)
