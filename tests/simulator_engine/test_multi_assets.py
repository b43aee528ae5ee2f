"""Multi-assets mode: what other coins are worth as margin, and how debts are covered out of them."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.enums import OrderStatus
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.model import ATOMS, AccountEvent, VenueRefusal

from .helpers import make_exchange, place, play_minutes, record

CALM = [(60_000.0, 60_001.0, 59_999.0, 60_000.0, 500.0)] * 30


def pooled(**deposits: str) -> SimulatedExchange:
    exchange = make_exchange(CALM)
    exchange.create_account("alice", {asset: Decimal(amount) for asset, amount in deposits.items()})
    exchange.set_multi_assets("alice", True)
    return exchange


def wallet(exchange: SimulatedExchange, asset: str) -> Decimal:
    rows = {row.asset: row for row in exchange.account("alice").assets}
    return Decimal(rows[asset].wallet_atoms) / ATOMS


@pytest.mark.parametrize(
    ("deposits", "margin"),
    [
        ({"USDT": "10000"}, "9999"),
        ({"USDF": "10000"}, "9999"),
        ({"BTC": "1"}, "57000"),
        ({"USDT": "1000", "BTC": "0.1"}, "6699.9"),
        ({"NOBODYKNOWS": "1000"}, "0"),
    ],
)
def test_collateral_counts_after_its_haircut(deposits: dict[str, str], margin: str) -> None:
    exchange = pooled(**deposits)
    totals = exchange.account("alice").totals
    assert abs(Decimal(totals.available_atoms) / ATOMS - Decimal(margin)) <= 1
    # In single-asset mode only the margin asset itself counts.
    exchange.set_multi_assets("alice", False)
    available = exchange.account("alice").totals.available_atoms
    assert available == int(Decimal(deposits.get("USDT", "0")) * ATOMS)


def test_available_is_told_in_units_of_the_asset_and_the_total_counts_the_pool_once() -> None:
    exchange = pooled(USDT="1000", BTC="1")
    rows = {row.asset: row for row in exchange.account("alice").assets}
    assert rows["BTC"].max_withdraw_atoms == ATOMS
    assert rows["USDT"].max_withdraw_atoms == 1000 * ATOMS
    assert rows["BTC"].available_atoms > ATOMS
    totals = exchange.account("alice").totals
    assert totals.wallet_atoms == pytest.approx(61_000 * ATOMS, rel=1e-4)
    assert totals.available_atoms == pytest.approx(58_000 * ATOMS, rel=1e-3)
    place(exchange, "alice", "BUY", quantity="2")
    rows = {row.asset: row for row in exchange.account("alice").assets}
    # 58,000 less the 6,000 that carry the position, in bitcoin at 57,000.
    assert rows["BTC"].max_withdraw_atoms == pytest.approx(0.912 * ATOMS, rel=1e-2)
    with pytest.raises(VenueRefusal, match="-2018"):
        exchange.deposit("alice", "BTC", Decimal("-1.1"))
    exchange.deposit("alice", "BTC", Decimal("-0.5"))
    assert exchange.audit().balanced


def test_the_haircut_limits_what_can_be_opened() -> None:
    exchange = pooled(BTC="0.01")
    exchange.set_leverage("alice", "BTCUSDT", 5)
    # 0.01 BTC count 570 USD, which carry 2,850 USD: not the 3,000 USD of the full price.
    with pytest.raises(VenueRefusal, match="-2019"):
        place(exchange, "alice", "BUY", quantity="0.049")
    assert place(exchange, "alice", "BUY", quantity="0.045").status is OrderStatus.FILLED
    assert wallet(exchange, "USDT") < 0
    assert exchange.audit().balanced


def test_a_debt_beyond_the_threshold_is_covered_out_of_the_other_assets() -> None:
    exchange = pooled(USDT="100", BTC="2", USDF="5000")
    events = record(exchange)
    exchange.set_leverage("alice", "BTCUSDT", 5)
    place(exchange, "alice", "BUY", quantity="3")
    exchange.control.gap_book("BTCUSDT", Decimal(-4))
    place(exchange, "alice", "SELL", quantity="3", reduce_only=True)
    assert wallet(exchange, "USDT") < 0
    for _ in range(2):
        play_minutes(exchange, 1)
        exchange.control.gap_book("BTCUSDT", Decimal(-1))
    assert wallet(exchange, "USDT") > -10_000
    place(exchange, "alice", "BUY", quantity="3")
    exchange.control.gap_book("BTCUSDT", Decimal(-4))
    place(exchange, "alice", "SELL", quantity="3", reduce_only=True)
    before = {asset: wallet(exchange, asset) for asset in ("USDT", "BTC", "USDF")}
    assert before["USDT"] < -10_000
    assert (before["BTC"], before["USDF"]) == (2, 5000)
    play_minutes(exchange, 1)
    after = {asset: wallet(exchange, asset) for asset in before}
    assert after["USDT"] == 0
    # Both gave the same part, at their collateral value: the venue pays less than the market.
    parts = [1 - after[asset] / before[asset] for asset in ("BTC", "USDF")]
    assert abs(parts[0] - parts[1]) < Decimal("1e-6")
    assert parts[0] > 0
    rows = [row for row in exchange.income("alice") if row.income_type == "AUTO_EXCHANGE"]
    assert sum(row.atoms for row in rows if row.asset == "USDT") == -int(before["USDT"] * ATOMS)
    assert {row.asset for row in rows} == {"USDT", "BTC", "USDF"}
    assert any(isinstance(event, AccountEvent) and event.reason == "AUTO_EXCHANGE" for event in events)
    assert exchange.audit().balanced


def test_a_pooled_account_is_liquidated_by_its_pool_and_pays_out_of_it() -> None:
    exchange = pooled(BTC="0.1")
    exchange.set_leverage("alice", "BTCUSDT", 20)
    place(exchange, "alice", "BUY", quantity="1")
    exchange.control.gap_book("BTCUSDT", Decimal(-3))
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 1000
    price = exchange.positions("alice", "BTCUSDT")[0].liquidation_price
    assert 50_000 < price < 58_200
    exchange.control.gap_book("BTCUSDT", Decimal(-9))
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 0
    assert wallet(exchange, "USDT") >= 0
    assert 0 <= wallet(exchange, "BTC") < Decimal("0.1")
    assert exchange.audit().balanced


def test_pooling_ends_with_debts_paid_or_not_at_all() -> None:
    exchange = pooled(USDT="10", BTC="1")
    place(exchange, "alice", "BUY", quantity="1")
    with pytest.raises(VenueRefusal, match="-2019"):
        exchange.set_multi_assets("alice", False)
    assert exchange.account("alice").multi_assets
    place(exchange, "alice", "SELL", quantity="1")
    exchange.set_multi_assets("alice", False)
    assert wallet(exchange, "USDT") >= 0
    assert exchange.audit().balanced


@settings(max_examples=40, deadline=None)
@given(
    usdt=st.integers(0, 5_000),
    btc=st.integers(0, 200),
    usdf=st.integers(0, 5_000),
    lots=st.integers(1, 900),
    moves=st.lists(st.integers(-9, 9), max_size=6),
)
def test_a_pool_never_loses_or_makes_money(
    usdt: int, btc: int, usdf: int, lots: int, moves: list[int]
) -> None:
    exchange = pooled(USDT=str(usdt), BTC=str(Decimal(btc) / 1000), USDF=str(usdf))
    try:
        place(exchange, "alice", "BUY" if lots % 2 else "SELL", quantity=str(Decimal(lots) / 1000))
    except VenueRefusal:
        return
    for move in moves:
        exchange.control.gap_book("BTCUSDT", Decimal(move))
        assert exchange.audit().balanced
    for row in exchange.account("alice").assets:
        assert row.asset == "USDT" or row.wallet_atoms >= 0
