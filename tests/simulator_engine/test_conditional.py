"""Triggers: which price, which direction, what happens after."""

from decimal import Decimal

import pytest

from aster_operator.domain.enums import OrderStatus, OrderType, WorkingType
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.model import ExecutionType, OrderEvent, VenueRefusal

from .helpers import make_exchange, place, play_minutes, record, with_account

WIDE = [(60_000.0, 60_100.0, 59_900.0, 60_000.0, 50.0)] * 30


def gap_to(exchange: SimulatedExchange, price: str) -> None:
    """Move the market so that the index stands at `price`."""
    index = Decimal(exchange.mark("BTCUSDT").index_e8) / 10**8
    exchange.control.gap_book("BTCUSDT", (Decimal(price) / index - 1) * 100)


@pytest.mark.parametrize(
    ("side", "order_type", "stop", "stays", "fires"),
    [
        ("BUY", "STOP_MARKET", "60500", "60400", "60600"),
        ("SELL", "STOP_MARKET", "59500", "59600", "59400"),
        ("BUY", "TAKE_PROFIT_MARKET", "59500", "59600", "59400"),
        ("SELL", "TAKE_PROFIT_MARKET", "60500", "60400", "60600"),
    ],
)
def test_market_triggers(side: str, order_type: str, stop: str, stays: str, fires: str) -> None:
    exchange = with_account(make_exchange(WIDE))
    order = place(exchange, "alice", side, order_type, stop_price=stop, working_type=WorkingType.MARK_PRICE)
    gap_to(exchange, stays)
    assert order.status is OrderStatus.NEW
    assert order.order_id in {each.order_id for each in exchange.open_orders("alice", None)}
    gap_to(exchange, fires)
    assert order.status is OrderStatus.FILLED
    assert (order.order_type, order.original_type) == (OrderType.MARKET, OrderType(order_type))


@pytest.mark.parametrize(
    ("side", "order_type", "stop", "price"),
    [("BUY", "STOP", "60500", "60450"), ("SELL", "TAKE_PROFIT", "60500", "60900")],
)
def test_limit_triggers_go_on_as_a_limit_order(side: str, order_type: str, stop: str, price: str) -> None:
    exchange = with_account(make_exchange(WIDE))
    order = place(
        exchange, "alice", side, order_type, stop_price=stop, price=price, working_type=WorkingType.MARK_PRICE
    )
    margin_before = exchange.account("alice").assets[0].open_order_initial_atoms
    assert margin_before == 0
    gap_to(exchange, "60600")
    assert (order.status, order.order_type) == (OrderStatus.NEW, OrderType.LIMIT)
    assert exchange.account("alice").assets[0].open_order_initial_atoms > 0


def test_the_contract_price_triggers_on_trades_and_not_on_the_mark() -> None:
    exchange = with_account(make_exchange(WIDE))
    by_last = place(exchange, "alice", "BUY", "STOP_MARKET", "0.01", stop_price="60090")
    by_mark = place(
        exchange,
        "alice",
        "SELL",
        "STOP_MARKET",
        "0.01",
        stop_price="59000",
        working_type=WorkingType.MARK_PRICE,
    )
    exchange.control.set_mark_price("BTCUSDT", Decimal(61_000))
    assert by_last.status is OrderStatus.NEW
    exchange.control.set_mark_price("BTCUSDT", Decimal(58_990))
    assert by_mark.status is OrderStatus.FILLED
    exchange.control.set_mark_price("BTCUSDT", None)
    play_minutes(exchange, 5)
    assert by_last.status is OrderStatus.FILLED


def test_price_protect_holds_back_while_last_and_mark_disagree() -> None:
    exchange = with_account(make_exchange(WIDE))
    common = {"stop_price": "59000", "working_type": WorkingType.MARK_PRICE}
    protected = place(exchange, "alice", "SELL", "STOP_MARKET", "0.01", price_protect=True, **common)
    plain = place(exchange, "alice", "SELL", "STOP_MARKET", "0.01", **common)
    exchange.control.set_mark_price("BTCUSDT", Decimal(58_800))
    assert plain.status is OrderStatus.EXPIRED or plain.status is OrderStatus.FILLED
    assert protected.status is OrderStatus.NEW
    exchange.control.set_mark_price("BTCUSDT", Decimal(58_990))
    assert protected.status is not OrderStatus.NEW


@pytest.mark.parametrize(
    ("side", "activation", "path", "fires_at"),
    [
        ("SELL", None, ["60300", "60600", "60100"], "59900"),
        ("SELL", "60500", ["60400", "59700", "60600", "60100"], "59900"),
        ("BUY", None, ["59700", "59400", "59900"], "60100"),
        ("BUY", "59500", ["59600", "60300", "59400", "59900"], "60100"),
    ],
)
def test_trailing_stops(side: str, activation: str | None, path: list[str], fires_at: str) -> None:
    """1 % callback: fires 1 % off the extreme since placement, and only once activated."""
    exchange = with_account(make_exchange(WIDE))
    fields = {} if activation is None else {"activation_price": activation}
    order = place(
        exchange,
        "alice",
        side,
        "TRAILING_STOP_MARKET",
        "0.01",
        callback_rate_pct="1",
        working_type=WorkingType.MARK_PRICE,
        **fields,
    )
    for price in path:
        gap_to(exchange, price)
        assert order.status is OrderStatus.NEW, price
    gap_to(exchange, fires_at)
    assert order.status is OrderStatus.FILLED
    assert order.original_type is OrderType.TRAILING_STOP_MARKET


def test_close_position_closes_whatever_is_held_then() -> None:
    exchange = with_account(make_exchange(WIDE))
    place(exchange, "alice", "BUY", quantity="0.2")
    stop = place(
        exchange,
        "alice",
        "SELL",
        "STOP_MARKET",
        None,
        stop_price="59500",
        close_position=True,
        working_type=WorkingType.MARK_PRICE,
    )
    place(exchange, "alice", "BUY", quantity="0.1")
    gap_to(exchange, "59400")
    assert (stop.status, stop.filled_lots) == (OrderStatus.FILLED, 300)
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 0


def test_a_stop_without_a_position_to_close_expires() -> None:
    exchange = with_account(make_exchange(WIDE), hedge=True)
    stop = place(exchange, "alice", "SELL", "STOP_MARKET", stop_price="59500", position_side="LONG")
    events = record(exchange)
    gap_to(exchange, "59400")
    play_minutes(exchange, 1)
    assert stop.status is OrderStatus.EXPIRED
    executions = [event.execution for event in events if isinstance(event, OrderEvent)]
    assert executions == [ExecutionType.EXPIRED]


def test_a_fired_order_that_cannot_be_paid_expires() -> None:
    exchange = with_account(make_exchange(WIDE), usdt=1_000)
    stop = place(exchange, "alice", "BUY", "STOP_MARKET", "9", stop_price="60500")
    gap_to(exchange, "60600")
    play_minutes(exchange, 1)
    assert (stop.status, stop.filled_lots) == (OrderStatus.EXPIRED, 0)


def test_one_stop_may_set_off_the_next() -> None:
    """The first stop eats the asks up to the second one's trigger."""
    exchange = with_account(make_exchange(WIDE), usdt=50_000_000)
    exchange.set_leverage("alice", "BTCUSDT", 5)
    asks = exchange.book("BTCUSDT", 20).asks
    spec = exchange.contracts()["BTCUSDT"]
    near, far = spec.price_text(asks[1][0]), spec.price_text(asks[-1][0])
    depth = sum(lots for _, lots in asks)
    second = place(exchange, "alice", "BUY", "STOP_MARKET", "0.001", stop_price=far)
    first = place(exchange, "alice", "BUY", "STOP_MARKET", "10", stop_price=near)
    assert depth > 10
    exchange.control.set_filter("BTCUSDT", market_max_quantity=Decimal(1000))
    quantity = spec.quantity_of(depth - 1)
    place(exchange, "alice", "BUY", quantity=str(quantity))
    assert first.status.is_final
    assert second.status.is_final
    assert first.filled_lots + second.filled_lots > 0


def test_cancelling_a_conditional_order_frees_its_id() -> None:
    exchange = with_account(make_exchange(WIDE))
    order = place(
        exchange, "alice", "SELL", "TRAILING_STOP_MARKET", "0.1", callback_rate_pct="0.1", client_order_id="t"
    )
    exchange.cancel_order("alice", "BTCUSDT", None, "t")
    play_minutes(exchange, 10)
    assert order.status is OrderStatus.CANCELED
    with pytest.raises(VenueRefusal, match="-2011"):
        exchange.cancel_order("alice", "BTCUSDT", order.order_id, None)
