"""The spot market beside each perpetual."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.enums import OrderStatus
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.model import ATOMS, OrderEvent, VenueRefusal
from aster_operator.simulator.spot import SpotExchange
from aster_operator.simulator.spot_books import SpotTradeRecord

from .helpers import make_exchange, place, play_minutes, request, with_account

WILD = [(60_000.0, 60_300.0, 59_700.0, 60_000.0, 50.0)] * 30


def both(usdt: int = 20_000) -> tuple[SimulatedExchange, SpotExchange]:
    """Alice has half of her money on each side."""
    exchange = with_account(make_exchange(WILD, with_spot=True), usdt=usdt)
    exchange.transfer("alice", "USDT", Decimal(usdt // 2), to_spot=True)
    assert exchange.spot is not None
    return exchange, exchange.spot


def free(spot: SpotExchange, asset: str) -> Decimal:
    return next(
        (Decimal(row.free_atoms) / ATOMS for row in spot.balances("alice") if row.asset == asset), Decimal(0)
    )


def locked(spot: SpotExchange, asset: str) -> Decimal:
    return next(
        (Decimal(row.locked_atoms) / ATOMS for row in spot.balances("alice") if row.asset == asset),
        Decimal(0),
    )


def best_spot(spot: SpotExchange) -> tuple[Decimal, Decimal]:
    view = spot.book("BTCUSDT", 1)
    return view.spec.price_of(view.bids[0][0]), view.spec.price_of(view.asks[0][0])


def test_buying_and_selling_exchanges_base_and_quote_and_takes_the_fee_from_what_arrives() -> None:
    exchange, spot = both()
    bought = spot.place_order("alice", request("BUY", "MARKET", "0.1"))
    assert bought.status is OrderStatus.FILLED
    fills = [trade for trade in spot.trades("alice", "BTCUSDT") if isinstance(trade, SpotTradeRecord)]
    fee = sum(trade.commission_atoms for trade in fills)
    assert {trade.commission_asset for trade in fills} == {"BTC"}
    assert (
        free(spot, "BTC") == Decimal("0.1") * (1 - Decimal("0.0004")) == Decimal("0.1") - Decimal(fee) / ATOMS
    )
    assert free(spot, "USDT") == 10_000 - Decimal(bought.cost_atoms) / ATOMS
    sold = spot.place_order("alice", request("SELL", "MARKET", "0.099"))
    assert sold.status is OrderStatus.FILLED
    assert free(spot, "BTC") == Decimal("0.00096")
    last = spot.trades("alice", None)[-1]
    assert isinstance(last, SpotTradeRecord)
    assert last.commission_asset == "USDT"
    assert exchange.audit().balanced


def test_a_long_spot_short_perpetual_pair_has_no_price_risk() -> None:
    exchange, spot = both(40_000)
    spot.place_order("alice", request("BUY", "MARKET", "0.2"))
    place(exchange, "alice", "SELL", quantity="0.2")

    def equity() -> Decimal:
        mark = Decimal(exchange.mark("BTCUSDT").mark_e8) / ATOMS
        futures = exchange.account("alice").assets[0]
        coins = sum(
            Decimal(row.free_atoms) / ATOMS * mark for row in spot.balances("alice") if row.asset == "BTC"
        )
        return Decimal(futures.margin_balance_atoms) / ATOMS + free(spot, "USDT") + coins

    before = equity()
    exchange.control.gap_book("BTCUSDT", Decimal(5))
    assert abs(equity() - before) < 5
    assert abs(spot.book("BTCUSDT", 1).asks[0][0] - exchange.book("BTCUSDT", 1).asks[0][0]) < 200
    assert exchange.audit().balanced


def test_resting_orders_lock_what_they_may_deliver() -> None:
    exchange, spot = both()
    order = spot.place_order("alice", request("BUY", "LIMIT", "0.1", price="59000"))
    assert (locked(spot, "USDT"), free(spot, "USDT")) == (5_900, 4_100)
    with pytest.raises(VenueRefusal, match="-2018"):
        spot.place_order("alice", request("BUY", "LIMIT", "0.1", price="59000"))
    with pytest.raises(VenueRefusal, match="-2018"):
        exchange.transfer("alice", "USDT", Decimal("4100.00000001"), to_spot=False)
    spot.cancel_order("alice", "BTCUSDT", order.order_id, None)
    assert (locked(spot, "USDT"), free(spot, "USDT")) == (0, 10_000)
    resting = spot.place_order("alice", request("BUY", "LIMIT", "0.1", price="59800", tif="GTX"))
    play_minutes(exchange, 10)
    assert resting.status is OrderStatus.FILLED
    assert resting.average_price == Decimal(59_800)
    maker = spot.trades("alice", None)[-1]
    assert maker.is_maker
    assert free(spot, "BTC") == Decimal("0.1") * (1 - Decimal("0.00005"))
    assert locked(spot, "USDT") == 0
    assert exchange.audit().balanced


def test_spending_an_amount_of_quote() -> None:
    _, spot = both()
    order = spot.place_order("alice", request("BUY", "MARKET", None), Decimal(1_000))
    spent = Decimal(order.cost_atoms) / ATOMS
    assert 1_000 - Decimal("60.1") < spent <= 1_000


REFUSED: list[tuple[dict[str, Any], int]] = [
    ({"order_type": "TRAILING_STOP_MARKET", "callback_rate_pct": Decimal(1)}, -1116),
    ({"order_type": "STOP_MARKET"}, -1102),
    ({"order_type": "STOP_MARKET", "stop_price": "50000"}, -2021),
    ({"order_type": "TAKE_PROFIT_MARKET", "stop_price": "61000"}, -2021),
    ({"order_type": "STOP_MARKET", "stop_price": "61000", "quantity": "1"}, -2018),
    ({"reduce_only": True}, -1106),
    ({"position_side": "LONG"}, -1106),
    ({"quantity": "1"}, -2018),
    ({"symbol": "NOPE"}, -1121),
    ({"quantity": "0.00000001"}, -1111),
]


@pytest.mark.parametrize(("fields", "code"), REFUSED)
def test_refusals(fields: dict[str, Any], code: int) -> None:
    _, spot = both()
    with pytest.raises(VenueRefusal) as caught:
        spot.place_order("alice", request("BUY", **fields))
    assert caught.value.code == code
    assert spot.order_history("alice", "BTCUSDT") == []


def test_selling_what_one_does_not_have() -> None:
    _, spot = both()
    with pytest.raises(VenueRefusal, match="-2018"):
        spot.place_order("alice", request("SELL", "MARKET", "0.001"))


def test_transfers_both_ways_and_their_limits() -> None:
    exchange, spot = both()
    exchange.transfer("alice", "USDT", Decimal(2_500), to_spot=False)
    assert free(spot, "USDT") == 7_500
    assert exchange.account("alice").assets[0].wallet_atoms == 12_500 * ATOMS
    for amount, to_spot, code in (
        (Decimal(0), True, -4055),
        (Decimal(-1), True, -4055),
        (Decimal("NaN"), True, -4055),
        (Decimal(13_000), True, -2018),
        (Decimal(8_000), False, -2018),
    ):
        with pytest.raises(VenueRefusal) as caught:
            exchange.transfer("alice", "USDT", amount, to_spot=to_spot)
        assert caught.value.code == code
    with pytest.raises(VenueRefusal, match="-1020"):
        with_account(make_exchange()).transfer("alice", "USDT", Decimal(1), to_spot=True)
    assert exchange.audit().balanced


def test_whoever_no_longer_listens_may_say_so_twice() -> None:
    exchange = make_exchange(with_spot=True)
    assert exchange.spot is not None
    for side in (exchange, exchange.spot):
        unsubscribe = side.subscribe([].append)
        unsubscribe()
        unsubscribe()


def test_spot_events_stay_on_the_spot_side() -> None:
    exchange, spot = both()
    futures_events: list[object] = []
    spot_events: list[object] = []
    exchange.subscribe(futures_events.append)
    unsubscribe = spot.subscribe(spot_events.append)
    spot.place_order("alice", request("BUY", "MARKET", "0.01"))
    assert [event for event in futures_events if isinstance(event, OrderEvent)] == []
    assert len([event for event in spot_events if isinstance(event, OrderEvent)]) == 2
    unsubscribe()
    count = len(spot_events)
    play_minutes(exchange, 1)
    assert len(spot_events) == count
    assert len(spot.klines("BTCUSDT", 60_000, None, None, 10)) >= 1


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["BUY", "SELL"]),
        st.sampled_from(["MARKET", "LIMIT", "cancel", "advance", "transfer"]),
        st.integers(1, 300),
        st.integers(-200, 200),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(ACTIONS)
def test_balances_are_conserved_and_never_negative(actions: list[tuple[str, str, int, int]]) -> None:
    exchange, spot = both()
    for side, verb, lots, distance in actions:
        try:
            if verb == "advance":
                exchange.advance_to(exchange.now_ms + lots * 100)
            elif verb == "transfer":
                exchange.transfer("alice", "USDT", Decimal(lots * 10), to_spot=side == "BUY")
            elif verb == "cancel":
                for order in spot.open_orders("alice", None)[:1]:
                    spot.cancel_order("alice", "BTCUSDT", order.order_id, None)
            else:
                price = {"price": str(60_000 + distance)} if verb == "LIMIT" else {}
                spot.place_order("alice", request(side, verb, f"0.{lots:03d}", **price))
        except VenueRefusal:
            pass
        assert exchange.audit().balanced
        for row in spot.balances("alice"):
            assert row.free_atoms >= 0
            assert row.locked_atoms >= 0
    for order in spot.open_orders("alice", None):
        spot.cancel_order("alice", "BTCUSDT", order.order_id, None)
    assert all(row.locked_atoms == 0 for row in spot.balances("alice"))


def test_a_stop_holds_its_coins_until_it_is_cancelled_or_sells_them() -> None:
    exchange, spot = both()
    spot.place_order("alice", request("BUY", "MARKET", "0.1"))
    bid = best_spot(spot)[0]
    stop = spot.place_order("alice", request("SELL", "STOP_MARKET", "0.05", stop_price=str(bid - 50)))
    assert (stop.status, locked(spot, "BTC")) == (OrderStatus.NEW, Decimal("0.05"))
    assert spot.open_orders("alice", None) == [stop]
    with pytest.raises(VenueRefusal, match="-2018"):
        spot.place_order("alice", request("SELL", "MARKET", "0.06"))
    spot.cancel_order("alice", "BTCUSDT", stop.order_id, None)
    assert (stop.status, locked(spot, "BTC")) == (OrderStatus.CANCELED, Decimal(0))
    stop = spot.place_order("alice", request("SELL", "STOP_MARKET", "0.05", stop_price=str(bid - 50)))
    exchange.control.gap_book("BTCUSDT", Decimal(-1))
    play_minutes(exchange, 1)
    assert (stop.status, stop.order_type.value) == (OrderStatus.FILLED, "MARKET")
    assert stop.average_price < bid - 50
    assert locked(spot, "BTC") == 0
    assert exchange.audit().balanced


def test_a_triggered_limit_rests_at_its_price_and_holds_its_money() -> None:
    exchange, spot = both()
    ask = best_spot(spot)[1]
    entry = spot.place_order(
        "alice", request("BUY", "TAKE_PROFIT", "0.05", stop_price=str(ask - 100), price=str(ask - 2000))
    )
    due = Decimal("0.05") * (ask - 2000)
    assert locked(spot, "USDT") == due
    exchange.control.gap_book("BTCUSDT", Decimal(-1))
    play_minutes(exchange, 1)
    assert (entry.status, entry.order_type.value, locked(spot, "USDT")) == (OrderStatus.NEW, "LIMIT", due)
    spot.cancel_order("alice", "BTCUSDT", entry.order_id, None)
    assert (locked(spot, "USDT"), free(spot, "USDT")) == (0, 10_000)


def test_a_triggered_buy_that_the_wallet_no_longer_covers_expires() -> None:
    exchange, spot = both()
    ask = best_spot(spot)[1]
    lots = Decimal(10_000) / (ask + 50)
    entry = spot.place_order(
        "alice",
        request("BUY", "STOP_MARKET", str(lots.quantize(Decimal("0.0001"))), stop_price=str(ask + 50)),
    )
    exchange.control.gap_book("BTCUSDT", Decimal(3))
    play_minutes(exchange, 1)
    assert (entry.status, locked(spot, "USDT"), free(spot, "USDT")) == (OrderStatus.EXPIRED, 0, 10_000)
    assert spot.open_orders("alice", None) == []
