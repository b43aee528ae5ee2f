"""What is refused, with which code, and what each time in force does."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.enums import (
    MarginType,
    OrderStatus,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    SymbolStatus,
    TimeInForce,
)
from aster_operator.simulator.model import ExecutionType, OrderEvent, OrderRequest, VenueRefusal
from aster_operator.simulator.strategy_model import ChaseRequest

from .helpers import best, flat_bars, make_exchange, place, play_minutes, record, request, with_account

LIMIT = {"order_type": "LIMIT", "price": "60000"}
REFUSALS: list[tuple[str, int, str, dict[str, Any]]] = [
    ("unknown symbol", -1121, "Invalid symbol.", {"symbol": "NOPEUSDT"}),
    ("limit without price", -1102, "'price'", {"order_type": "LIMIT"}),
    ("limit without quantity", -1102, "'quantity'", {**LIMIT, "quantity": None}),
    ("limit without time in force", -1102, "'timeInForce'", {**LIMIT, "time_in_force": None}),
    ("market with price", -1106, "'price'", {"price": "60000"}),
    ("market with time in force", -1114, "TimeInForce", {"time_in_force": "GTC"}),
    ("stop price on a limit", -1106, "'stopPrice'", {**LIMIT, "stop_price": "61000"}),
    ("stop without stop price", -1102, "'stopPrice'", {"order_type": "STOP_MARKET"}),
    ("trailing without rate", -1102, "'callbackRate'", {"order_type": "TRAILING_STOP_MARKET"}),
    (
        "trailing rate below 0.1 %",
        -1130,
        "'callbackRate'",
        {"order_type": "TRAILING_STOP_MARKET", "callback_rate_pct": "0.09"},
    ),
    (
        "trailing rate above 5 %",
        -1130,
        "'callbackRate'",
        {"order_type": "TRAILING_STOP_MARKET", "callback_rate_pct": "5.01"},
    ),
    ("quantity zero", -4003, "Quantity less than zero.", {"quantity": "0"}),
    ("quantity negative", -4003, "Quantity less than zero.", {"quantity": "-1"}),
    ("quantity not a number", -1130, "'quantity'", {"quantity": "NaN"}),
    ("quantity infinite", -1130, "'quantity'", {"quantity": "Infinity"}),
    ("quantity astronomically large", -4005, "greater than max", {"quantity": "1E+900000"}),
    ("quantity astronomically fine", -1111, "Precision", {"quantity": "1E-900000"}),
    ("quantity too precise", -1111, "Precision", {"quantity": "0.0011"}),
    ("market quantity over its own maximum", -4005, "greater than max", {"quantity": "10.001"}),
    ("price zero", -4001, "Price less than 0.", {**LIMIT, "price": "0"}),
    ("price not a number", -1130, "'price'", {**LIMIT, "price": "sNaN"}),
    ("price too precise", -1111, "Precision", {**LIMIT, "price": "60000.01"}),
    ("price above maximum", -4002, "greater than max", {**LIMIT, "price": "1000000.1"}),
    ("price below minimum", -4013, "less than min", {**LIMIT, "price": "0.9"}),
    ("stop price negative", -4006, "Stop price", {"order_type": "STOP_MARKET", "stop_price": "-1"}),
    ("stop price above maximum", -4007, "Stop price", {"order_type": "STOP_MARKET", "stop_price": "1000001"}),
    ("buy far above the mark", -4016, "multiplier cap", {**LIMIT, "price": "61300"}),
    ("sell far below the mark", -4024, "multiplier floor", {**LIMIT, "side": "SELL", "price": "58700"}),
    (
        "stop-limit far above its stop",
        -4183,
        "stop price multiplier cap",
        {"order_type": "STOP", "stop_price": "60500", "price": "62000"},
    ),
    (
        "stop-limit far below its stop",
        -4184,
        "stop price multiplier floor",
        {"side": "SELL", "order_type": "STOP", "stop_price": "59500", "price": "58000"},
    ),
    (
        "stop that has already been passed",
        -2021,
        "immediately",
        {"order_type": "STOP_MARKET", "stop_price": "59000"},
    ),
    (
        "take-profit that has already been passed",
        -2021,
        "immediately",
        {"order_type": "TAKE_PROFIT_MARKET", "stop_price": "61000"},
    ),
    (
        "trailing activated on the wrong side",
        -2021,
        "immediately",
        {"order_type": "TRAILING_STOP_MARKET", "callback_rate_pct": "1", "activation_price": "60500"},
    ),
    (
        "below the minimum notional",
        -4164,
        "no smaller than 5.0",
        {**LIMIT, "price": "59000", "min_notional": True},
    ),
    ("hedge side in one-way mode", -4061, "position side", {"position_side": "LONG"}),
    ("reduce-only without position", -2022, "ReduceOnly", {"reduce_only": True}),
    (
        "close position on a limit",
        -1106,
        "'closePosition'",
        {**LIMIT, "quantity": None, "close_position": True},
    ),
    (
        "close position with quantity",
        -4137,
        "Quantity must be zero",
        {"order_type": "STOP_MARKET", "stop_price": "61000", "close_position": True},
    ),
    ("bad client id", -4015, "Client order id", {"client_order_id": "no spaces"}),
    ("long client id", -4015, "Client order id", {"client_order_id": "x" * 37}),
    ("more than the account can carry", -2019, "Margin is insufficient.", {"quantity": "10"}),
]


@pytest.mark.parametrize(
    ("code", "text", "fields"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS]
)
def test_refusals(code: int, text: str, fields: dict[str, Any]) -> None:
    exchange = with_account(make_exchange(), usdt=10_000)
    values = dict(fields)
    if values.pop("min_notional", False):
        # 0.001 BTC is above 5 USDT at any price the band allows, so raise the floor instead.
        exchange.control.set_filter("BTCUSDT", min_notional=Decimal(60))
        values["quantity"] = "0.001"
        text = text.replace("5.0", "60.0")
    made = request(values.pop("side", "BUY"), **{k: v for k, v in values.items() if k not in OVERRIDDEN})
    for name in OVERRIDDEN & values.keys():
        setattr(made, name, values[name])
    before = exchange.account("alice")
    with pytest.raises(VenueRefusal) as caught:
        exchange.place_order("alice", made)
    assert (caught.value.code, text in caught.value.message) == (code, True), caught.value
    assert exchange.account("alice") == before
    assert exchange.order_history("alice", "BTCUSDT") == []


OVERRIDDEN = {"symbol", "time_in_force"}


def test_a_price_within_the_precision_may_still_be_off_the_tick() -> None:
    exchange = with_account(make_exchange(flat_bars(2.0, 3, reach=0.01, volume=5000), symbol="ASTERUSDT"))
    with pytest.raises(VenueRefusal, match=r"-4014: Price not increased by tick size."):
        place(exchange, "alice", "BUY", "LIMIT", "10", symbol="ASTERUSDT", price="1.99995")


def test_a_quantity_off_the_step_is_refused_where_the_precision_allows_it() -> None:
    exchange = with_account(make_exchange())
    exchange.control.set_filter("BTCUSDT", quantity_precision=4)
    with pytest.raises(VenueRefusal, match=r"-4023: Qty not increased by step size."):
        place(exchange, "alice", "BUY", quantity="0.0015")
    with pytest.raises(ValueError, match="tick_size cannot be changed"):
        exchange.control.set_filter("BTCUSDT", tick_size=Decimal("0.5"))


def test_a_client_id_is_unique_among_open_orders_only() -> None:
    exchange = with_account(make_exchange())
    first = place(exchange, "alice", "BUY", "LIMIT", price="59900", client_order_id="mine")
    with pytest.raises(VenueRefusal, match="-4015"):
        place(exchange, "alice", "BUY", "LIMIT", price="59900", client_order_id="mine")
    exchange.cancel_order("alice", "BTCUSDT", None, "mine")
    second = place(exchange, "alice", "BUY", "LIMIT", price="59900", client_order_id="mine")
    assert exchange.order("alice", "BTCUSDT", None, "mine") is second
    assert exchange.order("alice", "BTCUSDT", first.order_id, None) is first


def test_unknown_orders() -> None:
    exchange = with_account(make_exchange())
    with pytest.raises(VenueRefusal, match=r"-2013: Order does not exist."):
        exchange.order("alice", "BTCUSDT", 1, None)
    with pytest.raises(VenueRefusal, match=r"-2011: Unknown order sent."):
        exchange.cancel_order("alice", "BTCUSDT", None, "ghost")
    with pytest.raises(VenueRefusal, match="-1102"):
        exchange.cancel_order("alice", "BTCUSDT", None, None)


def test_order_count_limits() -> None:
    exchange = with_account(make_exchange())
    exchange.control.set_filter("BTCUSDT", max_num_orders=3, max_num_algo_orders=1)
    place(exchange, "alice", "BUY", "STOP_MARKET", stop_price="61000")
    with pytest.raises(VenueRefusal, match="-4045"):
        place(exchange, "alice", "BUY", "STOP_MARKET", stop_price="61000")
    for _ in range(2):
        place(exchange, "alice", "BUY", "LIMIT", "0.001", price="59000")
    with pytest.raises(VenueRefusal, match="-2025"):
        place(exchange, "alice", "BUY", "LIMIT", "0.001", price="59000")


@pytest.mark.parametrize(
    ("tif", "crosses", "statuses"),
    [
        ("GTC", False, ["NEW"]),
        ("GTC", True, ["NEW", "FILLED"]),
        ("IOC", False, ["NEW", "EXPIRED"]),
        ("IOC", True, ["NEW", "FILLED"]),
        ("FOK", False, ["NEW", "EXPIRED"]),
        ("FOK", True, ["NEW", "FILLED"]),
        ("GTX", False, ["NEW"]),
        ("GTX", True, ["NEW", "EXPIRED"]),
        ("HIDDEN", False, ["NEW"]),
        ("HIDDEN", True, ["NEW", "FILLED"]),
    ],
)
def test_time_in_force(tif: str, crosses: bool, statuses: list[str]) -> None:
    exchange = with_account(make_exchange())
    bid, ask = best(exchange)
    seen: list[str] = []
    exchange.subscribe(
        lambda event: seen.append(str(event.order.status)) if isinstance(event, OrderEvent) else None
    )
    order = place(exchange, "alice", "BUY", "LIMIT", "0.001", price=str(ask if crosses else bid), tif=tif)
    # The order object is live, so a fill seen at NEW already reads as its later status.
    assert str(order.status) == statuses[-1]
    assert len(seen) == len(statuses)


def test_ioc_and_market_leave_no_remainder_and_fok_all_or_nothing() -> None:
    exchange = with_account(make_exchange(), usdt=10_000_000)
    exchange.control.empty_side("BTCUSDT", Side.SELL)
    exchange.create_account("bob", {"USDT": Decimal(1_000_000)})
    _, price = Decimal(0), "60010"
    place(exchange, "bob", "SELL", "LIMIT", "0.5", price=price)
    assert place(exchange, "alice", "BUY", "LIMIT", "0.6", price=price, tif="FOK").filled_lots == 0
    partly = place(exchange, "alice", "BUY", "LIMIT", "0.2", price=price, tif="FOK")
    assert partly.status is OrderStatus.FILLED
    remainder = place(exchange, "alice", "BUY", "LIMIT", "0.2", price=price, tif="IOC")
    assert remainder.status is OrderStatus.FILLED
    too_much = place(exchange, "alice", "BUY", quantity="5")
    assert (too_much.status, too_much.filled_lots) == (OrderStatus.EXPIRED, 100)
    with pytest.raises(VenueRefusal, match="-1112"):
        place(exchange, "alice", "BUY")


def test_a_hidden_order_is_not_shown_and_trades_after_the_shown_ones() -> None:
    exchange = with_account(make_exchange())
    exchange.create_account("bob", {"USDT": Decimal(100_000)})
    exchange.create_account("carol", {"USDT": Decimal(100_000)})
    exchange.control.empty_side("BTCUSDT", Side.SELL)
    hidden = place(exchange, "alice", "SELL", "LIMIT", "0.1", price="60005", tif="HIDDEN")
    assert exchange.book("BTCUSDT", 5).asks == ()
    shown = place(exchange, "bob", "SELL", "LIMIT", "0.1", price="60005")
    taker = place(exchange, "carol", "BUY", "LIMIT", "0.15", price="60005", tif="IOC")
    assert (shown.filled_lots, hidden.filled_lots, taker.filled_lots) == (100, 50, 150)


@pytest.mark.parametrize(
    ("mode", "taker", "maker"),
    [
        (SelfTradePrevention.EXPIRE_TAKER, "EXPIRED", "NEW"),
        (SelfTradePrevention.EXPIRE_MAKER, "NEW", "EXPIRED"),
        (SelfTradePrevention.EXPIRE_BOTH, "EXPIRED", "EXPIRED"),
    ],
)
def test_self_trade_prevention(mode: SelfTradePrevention, taker: str, maker: str) -> None:
    exchange = with_account(make_exchange())
    exchange.control.empty_side("BTCUSDT", Side.SELL)
    resting = place(exchange, "alice", "SELL", "LIMIT", price="60005")
    exchange.set_self_trade_prevention("alice", mode)
    incoming = place(exchange, "alice", "BUY", "LIMIT", price="60005")
    assert (str(incoming.status), str(resting.status)) == (taker, maker)
    assert exchange.trades("alice", None) == []


def test_an_order_overrides_the_account_in_self_trade_prevention() -> None:
    exchange = with_account(make_exchange())
    exchange.control.empty_side("BTCUSDT", Side.SELL)
    resting = place(exchange, "alice", "SELL", "LIMIT", price="60005")
    incoming = place(
        exchange,
        "alice",
        "BUY",
        "LIMIT",
        price="60005",
        self_trade_prevention=SelfTradePrevention.EXPIRE_MAKER,
    )
    assert (str(incoming.status), str(resting.status)) == ("NEW", "EXPIRED")


def test_hedge_mode_rules() -> None:
    exchange = with_account(make_exchange(), hedge=True)
    with pytest.raises(VenueRefusal, match="-4061"):
        place(exchange, "alice", "BUY")
    with pytest.raises(VenueRefusal, match=r"-1106.*reduceOnly"):
        place(exchange, "alice", "BUY", position_side="SHORT", reduce_only=True)
    with pytest.raises(VenueRefusal, match="-2022"):
        place(exchange, "alice", "SELL", position_side="LONG")
    place(exchange, "alice", "BUY", position_side="LONG")
    with pytest.raises(VenueRefusal, match="-2022"):
        place(exchange, "alice", "SELL", quantity="0.101", position_side="LONG")
    place(exchange, "alice", "SELL", quantity="0.2", position_side="SHORT")
    place(exchange, "alice", "SELL", position_side="LONG")
    lots = {row.position_side: row.lots for row in exchange.positions("alice", "BTCUSDT")}
    assert lots == {PositionSide.LONG: 0, PositionSide.SHORT: -200}


def test_reduce_only_never_flips_and_stranded_orders_expire() -> None:
    exchange = with_account(make_exchange())
    place(exchange, "alice", "BUY")
    with pytest.raises(VenueRefusal, match="-2022"):
        place(exchange, "alice", "BUY", reduce_only=True)
    resting = place(exchange, "alice", "SELL", "LIMIT", price="60900", reduce_only=True)
    oversized = place(exchange, "alice", "SELL", quantity="0.3", reduce_only=True)
    assert (oversized.filled_lots, oversized.status) == (100, OrderStatus.EXPIRED)
    assert resting.status is OrderStatus.EXPIRED
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 0


def test_one_way_orders_may_flip_the_position() -> None:
    exchange = with_account(make_exchange())
    place(exchange, "alice", "BUY", quantity="0.1")
    place(exchange, "alice", "SELL", quantity="0.3")
    row = exchange.positions("alice", "BTCUSDT")[0]
    sold = exchange.trades("alice", None)[-1]
    assert row.lots == -200
    assert row.entry_price > 0
    assert sold.realized_atoms != 0 or exchange.mark("BTCUSDT").mark_e8 > 0


def test_modify_keeps_or_loses_the_place_in_the_queue() -> None:
    exchange = with_account(make_exchange())
    exchange.create_account("bob", {"USDT": Decimal(100_000)})
    exchange.control.empty_side("BTCUSDT", Side.SELL)
    first = place(exchange, "alice", "SELL", "LIMIT", "0.2", price="60005")
    second = place(exchange, "bob", "SELL", "LIMIT", "0.2", price="60005")
    events = record(exchange)
    exchange.modify_order("alice", "BTCUSDT", first.order_id, None, Decimal("0.1"), Decimal("60005"))
    assert exchange.queue_position("alice", "BTCUSDT", first.order_id) == 0
    amended = [event for event in events if isinstance(event, OrderEvent)]
    assert [event.execution for event in amended] == [ExecutionType.AMENDMENT]
    exchange.modify_order("alice", "BTCUSDT", first.order_id, None, Decimal("0.3"), Decimal("60005"))
    assert exchange.queue_position("alice", "BTCUSDT", first.order_id) == 200
    assert exchange.queue_position("bob", "BTCUSDT", second.order_id) == 0


def test_a_refused_modification_changes_nothing() -> None:
    exchange = with_account(make_exchange(), usdt=1_000)
    order = place(exchange, "alice", "BUY", "LIMIT", "0.1", price="59900")
    before = exchange.account("alice")
    for quantity, price, code in (("0.1", "62000", -4016), ("9", "59900", -2019), ("0.1", "59900.05", -1111)):
        with pytest.raises(VenueRefusal) as caught:
            exchange.modify_order("alice", "BTCUSDT", order.order_id, None, Decimal(quantity), Decimal(price))
        assert caught.value.code == code
    assert exchange.account("alice") == before
    assert (order.lots, order.price_ticks) == (100, 599_000)


def test_a_modification_that_crosses_trades_at_once() -> None:
    exchange = with_account(make_exchange())
    _, ask = best(exchange)
    order = place(exchange, "alice", "BUY", "LIMIT", "0.001", price="59900")
    exchange.modify_order("alice", "BTCUSDT", None, order.client_order_id, Decimal("0.001"), ask)
    assert order.status is OrderStatus.FILLED


def test_leverage_and_margin_type_rules() -> None:
    exchange = with_account(make_exchange(), usdt=10_000)
    for leverage in (0, 126, -1):
        with pytest.raises(VenueRefusal, match="-4028"):
            exchange.set_leverage("alice", "BTCUSDT", leverage)
    assert exchange.set_leverage("alice", "BTCUSDT", 100) == 250_000
    place(exchange, "alice", "BUY", quantity="2")
    with pytest.raises(VenueRefusal, match="-2027"):
        exchange.set_leverage("alice", "BTCUSDT", 125)
    with pytest.raises(VenueRefusal, match="-2028"):
        exchange.set_leverage("alice", "BTCUSDT", 5)
    with pytest.raises(VenueRefusal, match="-2027"):
        place(exchange, "alice", "BUY", quantity="3")
    with pytest.raises(VenueRefusal, match="-4046"):
        exchange.set_margin_type("alice", "BTCUSDT", MarginType.CROSSED)
    with pytest.raises(VenueRefusal, match="-4048"):
        exchange.set_margin_type("alice", "BTCUSDT", MarginType.ISOLATED)
    with pytest.raises(VenueRefusal, match="-4068"):
        exchange.set_hedge_mode("alice", True)
    place(exchange, "alice", "SELL", quantity="2")
    order = place(exchange, "alice", "BUY", "LIMIT", "0.01", price="59900")
    with pytest.raises(VenueRefusal, match="-4047"):
        exchange.set_margin_type("alice", "BTCUSDT", MarginType.ISOLATED)
    with pytest.raises(VenueRefusal, match="-4067"):
        exchange.set_hedge_mode("alice", True)
    with pytest.raises(VenueRefusal, match="-4059"):
        exchange.set_hedge_mode("alice", False)
    exchange.cancel_order("alice", "BTCUSDT", order.order_id, None)
    exchange.set_margin_type("alice", "BTCUSDT", MarginType.ISOLATED)
    place(exchange, "alice", "BUY", quantity="0.1")
    with pytest.raises(VenueRefusal, match="-4161"):
        exchange.set_leverage("alice", "BTCUSDT", 50)
    with pytest.raises(VenueRefusal, match="-4168"):
        exchange.set_multi_assets("alice", True)


def test_a_halted_or_closed_symbol() -> None:
    exchange = with_account(make_exchange())
    place(exchange, "alice", "BUY")
    exchange.control.set_status("BTCUSDT", SymbolStatus.SETTLING)
    with pytest.raises(VenueRefusal, match="-4140"):
        place(exchange, "alice", "BUY")
    assert place(exchange, "alice", "SELL", reduce_only=True).status is OrderStatus.FILLED
    exchange.control.set_status("BTCUSDT", SymbolStatus.CLOSE)
    with pytest.raises(VenueRefusal, match="-4141"):
        place(exchange, "alice", "BUY")
    exchange.control.set_status("BTCUSDT", SymbolStatus.TRADING)
    exchange.control.halt("BTCUSDT", True)
    trades_before = len(exchange.recent_trades("BTCUSDT", 1000))
    play_minutes(exchange, 2)
    assert len(exchange.recent_trades("BTCUSDT", 1000)) == trades_before
    with pytest.raises(VenueRefusal, match="-4140"):
        place(exchange, "alice", "BUY")


def test_countdown_cancels_all_orders_of_its_symbol_unless_renewed() -> None:
    exchange = with_account(make_exchange())
    order = place(exchange, "alice", "BUY", "LIMIT", price="59000")
    exchange.set_countdown("alice", "BTCUSDT", 10_000)
    exchange.advance_to(exchange.now_ms + 9_999)
    exchange.set_countdown("alice", "BTCUSDT", 10_000)
    exchange.advance_to(exchange.now_ms + 9_999)
    assert order.status is OrderStatus.NEW
    exchange.advance_to(exchange.now_ms + 1)
    assert order.status is OrderStatus.CANCELED
    later = place(exchange, "alice", "BUY", "LIMIT", price="59000")
    exchange.set_countdown("alice", "BTCUSDT", 1_000)
    exchange.set_countdown("alice", "BTCUSDT", 0)
    play_minutes(exchange, 1)
    assert later.status is OrderStatus.NEW


NUMBERS = st.decimals(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [
        Decimal(text)
        for text in ("1E+999999", "-1E+999999", "1E-999999", "0.1", "60000", "59999.9", "sNaN", "-0")
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(list(OrderType)),
    st.none() | NUMBERS,
    st.none() | NUMBERS,
    st.none() | NUMBERS,
    st.none() | NUMBERS,
    st.none() | NUMBERS,
    st.none() | st.text(max_size=40),
)
def test_no_number_whatever_does_more_than_be_refused(
    order_type: OrderType,
    quantity: Decimal | None,
    price: Decimal | None,
    stop: Decimal | None,
    activation: Decimal | None,
    rate: Decimal | None,
    client_id: str | None,
) -> None:
    exchange = with_account(make_exchange(flat_bars(60_000.0, 2)))
    wild = OrderRequest(
        "BTCUSDT",
        Side.BUY,
        order_type,
        time_in_force=TimeInForce.GTC if order_type is not OrderType.MARKET else None,
        quantity=quantity,
        price=price,
        stop_price=stop,
        activation_price=activation,
        callback_rate_pct=rate,
        client_order_id=client_id,
    )
    with suppress(VenueRefusal):
        exchange.place_order("alice", wild)
    number = quantity if quantity is not None else Decimal(1)
    for call in (
        lambda: exchange.deposit("alice", "USDT", number),
        lambda: exchange.change_position_margin("alice", "BTCUSDT", PositionSide.BOTH, number),
        lambda: exchange.place_chase_order(
            "alice", ChaseRequest("BTCUSDT", Side.BUY, number, chase_offset=number)
        ),
    ):
        with suppress(VenueRefusal):
            call()
    assert exchange.audit().balanced


def test_a_client_id_with_a_line_break_is_refused() -> None:
    exchange = with_account(make_exchange())
    with pytest.raises(VenueRefusal, match="-4015"):
        place(exchange, "alice", "BUY", client_order_id="abc\n")


def test_orders_that_ended_unfilled_are_forgotten_after_a_week() -> None:
    bars = flat_bars(60_000.0, 2)
    exchange = with_account(make_exchange(bars))
    order = place(exchange, "alice", "BUY", "LIMIT", price="59000", client_order_id="old")
    filled = place(exchange, "alice", "BUY", quantity="0.001")
    exchange.cancel_order("alice", "BTCUSDT", order.order_id, None)
    exchange.advance_to(exchange.now_ms + 7 * 86_400_000)
    place(exchange, "alice", "BUY", "LIMIT", "0.001", price="59000")
    assert exchange.order("alice", "BTCUSDT", None, "old") is order
    exchange.advance_to(exchange.now_ms + 1)
    place(exchange, "alice", "BUY", "LIMIT", "0.001", price="59000")
    with pytest.raises(VenueRefusal, match="-2013"):
        exchange.order("alice", "BTCUSDT", order.order_id, None)
    with pytest.raises(VenueRefusal, match="-2013"):
        exchange.order("alice", "BTCUSDT", None, "old")
    assert exchange.order("alice", "BTCUSDT", filled.order_id, None) is filled
