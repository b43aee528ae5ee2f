"""The verbs a script has over the venue."""

from decimal import Decimal

import pytest

from aster_operator.domain.enums import OrderStatus, Side, SymbolStatus
from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.simulator.market_player import recorded_market
from aster_operator.simulator.model import ATOMS, MarkEvent, TradeEvent, VenueRefusal

from .helpers import best, flat_bars, make_exchange, place, play_minutes, record, symbol_history, with_account


def test_pinning_the_mark_holds_until_it_is_released() -> None:
    exchange = make_exchange()
    exchange.control.set_mark_price("BTCUSDT", Decimal("61234.56789"))
    play_minutes(exchange, 2)
    assert exchange.mark("BTCUSDT").mark_e8 == 6_123_456_789_000
    exchange.control.set_mark_price("BTCUSDT", None)
    play_minutes(exchange, 1)
    assert abs(exchange.mark("BTCUSDT").mark_e8 - 60_000 * ATOMS) < 50 * ATOMS
    for price in (Decimal(0), Decimal(-1), Decimal("NaN")):
        with pytest.raises(ValueError, match="must be positive"):
            exchange.control.set_mark_price("BTCUSDT", price)


@pytest.mark.parametrize("move_pct", ["5", "-5"])
def test_a_gap_moves_everything_for_good_and_fills_what_it_jumps_over(move_pct: str) -> None:
    exchange = with_account(make_exchange())
    jumped = place(exchange, "alice", "SELL" if move_pct == "5" else "BUY", "LIMIT", "0.1",
                   price="60500" if move_pct == "5" else "59500")  # fmt: skip
    events = record(exchange)
    exchange.control.gap_book("BTCUSDT", Decimal(move_pct))
    assert jumped.status is OrderStatus.FILLED
    assert jumped.average_price == jumped.spec.price_of(jumped.price_ticks)
    target = 60_000 * (1 + Decimal(move_pct) / 100)
    bid, ask = best(exchange)
    assert abs(bid - target) < 2
    assert bid < ask
    play_minutes(exchange, 3)
    trades = [event.ticks for event in events if isinstance(event, TradeEvent)][-10:]
    assert all(abs(Decimal(ticks) / 10 - target) < 10 for ticks in trades)
    marks = [event.mark_e8 for event in events if isinstance(event, MarkEvent)][-1]
    assert abs(Decimal(marks) / ATOMS - target) < 10
    assert exchange.audit().balanced


def test_an_emptied_side_stays_empty_until_restored() -> None:
    exchange = with_account(make_exchange())
    exchange.control.empty_side("BTCUSDT", Side.BUY)
    play_minutes(exchange, 1)
    assert exchange.book("BTCUSDT", 5).bids == ()
    with pytest.raises(VenueRefusal, match="-1112"):
        place(exchange, "alice", "SELL")
    exchange.control.restore_side("BTCUSDT", Side.BUY)
    play_minutes(exchange, 0.2)
    assert len(exchange.book("BTCUSDT", 5).bids) == 5


def test_capped_fills_are_partial() -> None:
    exchange = with_account(make_exchange())
    _, ask = best(exchange)
    exchange.control.cap_fills("BTCUSDT", Decimal("0.003"))
    market = place(exchange, "alice", "BUY", quantity="0.01")
    assert (market.status, market.filled_lots) == (OrderStatus.EXPIRED, 3)
    limit = place(exchange, "alice", "BUY", "LIMIT", "0.01", price=str(ask + 1))
    assert (limit.status, limit.filled_lots) == (OrderStatus.PARTIALLY_FILLED, 3)
    bid, ask = best(exchange)
    assert bid == limit.spec.price_of(limit.price_ticks) < ask
    exchange.control.cap_fills("BTCUSDT", None)
    assert place(exchange, "alice", "BUY", quantity="0.01").status is OrderStatus.FILLED
    with pytest.raises(ValueError, match="at least one lot"):
        exchange.control.cap_fills("BTCUSDT", Decimal(0))


def test_fees_by_symbol_and_by_account() -> None:
    exchange = with_account(with_account(make_exchange()), "bob")
    exchange.control.set_fees(10_000, 35_000)
    exchange.control.set_fees(-5_000, 20_000, account_id="bob")
    assert exchange.fee_rates_e8("alice", "BTCUSDT") == (10_000, 35_000)
    assert exchange.fee_rates_e8("bob", "BTCUSDT") == (-5_000, 20_000)
    for name, rate in (("alice", 35_000), ("bob", 20_000)):
        order = place(exchange, name, "BUY", quantity="0.01")
        paid = sum(trade.commission_atoms for trade in exchange.trades(name, None))
        assert abs(paid - order.cost_atoms * rate // ATOMS) <= 1
    exchange.control.empty_side("BTCUSDT", Side.SELL)
    maker = place(exchange, "bob", "SELL", "LIMIT", "0.01", price="60010", tif="GTX")
    place(exchange, "alice", "BUY", "LIMIT", "0.01", price="60010")
    assert maker.status is OrderStatus.FILLED
    assert exchange.trades("bob", None)[-1].commission_atoms == -maker.cost_atoms * 5_000 // ATOMS
    assert exchange.audit().balanced


def test_listing_and_delisting() -> None:
    exchange = with_account(make_exchange())
    with pytest.raises(VenueRefusal, match="-1121"):
        exchange.mark("SOLUSDT")
    minutes = symbol_history("SOLUSDT", flat_bars(150.0, 60, reach=0.5, volume=2000.0))
    spec = contract_for_prices("SOLUSDT", minutes.close)
    exchange.control.list_symbol(recorded_market(spec, minutes, seed=1, substep_ms=5000))
    with pytest.raises(ValueError, match="listed twice"):
        exchange.control.list_symbol(recorded_market(spec, minutes, seed=1, substep_ms=5000))
    play_minutes(exchange, 1)
    place(exchange, "alice", "BUY", quantity="5", symbol="SOLUSDT")
    resting = place(exchange, "alice", "BUY", "LIMIT", "5", symbol="SOLUSDT", price="149")
    exchange.control.delist_symbol("SOLUSDT")
    assert resting.status is OrderStatus.CANCELED
    assert exchange.positions("alice", "SOLUSDT")[0].lots == 0
    assert exchange.contracts()["SOLUSDT"].instrument.status is SymbolStatus.CLOSE
    with pytest.raises(VenueRefusal, match="-4141"):
        place(exchange, "alice", "BUY", quantity="5", symbol="SOLUSDT")
    play_minutes(exchange, 2)
    assert exchange.audit().balanced


def test_filters_take_effect_at_once_and_senseless_ones_are_refused() -> None:
    exchange = with_account(make_exchange())
    exchange.control.set_filter(
        "BTCUSDT", market_max_quantity=Decimal("0.05"), percent_price_up=Decimal("1.001")
    )
    with pytest.raises(VenueRefusal, match="-4005"):
        place(exchange, "alice", "BUY", quantity="0.06")
    with pytest.raises(VenueRefusal, match="-4016"):
        place(exchange, "alice", "BUY", "LIMIT", price="60100")
    for name in ("tick_size", "symbol", "lot", "nonsense"):
        with pytest.raises(ValueError, match="cannot be changed"):
            exchange.control.set_filter("BTCUSDT", **{name: Decimal(1)})


def test_deposits_withdrawals_and_transfers_are_booked() -> None:
    exchange = with_account(make_exchange(), usdt=1_000)
    exchange.deposit("alice", "USDT", Decimal("0.00000001"))
    exchange.deposit("alice", "USDT", Decimal(-400))
    place(exchange, "alice", "BUY", quantity="0.1")
    free = Decimal(exchange.account("alice").assets[0].max_withdraw_atoms) / ATOMS
    with pytest.raises(VenueRefusal, match="-2018"):
        exchange.deposit("alice", "USDT", -free - Decimal("0.00000001"))
    exchange.deposit("alice", "USDT", -free)
    rows = [row.atoms for row in exchange.income("alice") if row.income_type == "TRANSFER"]
    assert rows == [1_000 * ATOMS, 1, -400 * ATOMS, -int(free * ATOMS)]
    assert exchange.audit().balanced


def test_pooled_assets_carry_each_other() -> None:
    exchange = make_exchange()
    exchange.create_account("alice", {"USDT": Decimal(10), "USDF": Decimal(10_000)})
    with pytest.raises(VenueRefusal, match="-2019"):
        place(exchange, "alice", "BUY", quantity="0.5")
    exchange.set_multi_assets("alice", True)
    assert place(exchange, "alice", "BUY", quantity="0.5").status is OrderStatus.FILLED
    assert exchange.account("alice").multi_assets
    assert exchange.audit().balanced
