"""The displayed lots of account orders, which the book counts once and keeps, against counting them anew."""

from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.enums import Side
from aster_operator.simulator.exchange import SimulatedExchange

from .helpers import make_exchange, place, with_account

_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("rest", "cancel", "shrink", "grow", "hit", "hide")),
        st.integers(0, 3),
        st.integers(1, 5),
    ),
    min_size=1,
    max_size=30,
)


def _shown_and_counted(exchange: SimulatedExchange) -> tuple[dict[int, int], dict[int, int]]:
    side = exchange._state.market("BTCUSDT").book.side(Side.BUY)
    counted = dict(side.synthetic)
    for resting in side.resting_orders():
        if not resting.hidden:
            tick = resting.order.price_ticks
            counted[tick] = counted.get(tick, 0) + resting.order.remaining_lots
    return dict(side.displayed()), counted


@given(_STEPS)
def test_displayed_lots_are_those_of_the_orders(steps: list[tuple[str, int, int]]) -> None:
    exchange = with_account(with_account(make_exchange()), "bob")
    view = exchange.book("BTCUSDT", 1)
    best = view.bids[0][0]
    for kind, offset, size in steps:
        quantity = view.spec.quantity_of(size * 10)
        price = view.spec.price_of(best + 1 - offset)
        mine = [order for order in exchange.open_orders("alice", "BTCUSDT") if order.remaining_lots]
        if kind in ("rest", "hide"):
            tif = "GTC" if kind == "rest" else "HIDDEN"
            place(exchange, "alice", "BUY", "LIMIT", str(quantity), price=str(price), tif=tif)
        elif kind == "hit":
            place(exchange, "bob", "SELL", quantity=str(quantity))
        elif mine:
            order = mine[offset % len(mine)]
            if kind == "cancel":
                exchange.cancel_order("alice", "BTCUSDT", order.order_id, None)
            else:
                lots = max(10, order.lots - size) if kind == "shrink" else order.lots + size
                own_price = view.spec.price_of(order.price_ticks)
                exchange.modify_order(
                    "alice", "BTCUSDT", order.order_id, None, view.spec.quantity_of(lots), own_price
                )
        shown, counted = _shown_and_counted(exchange)
        assert shown == counted
