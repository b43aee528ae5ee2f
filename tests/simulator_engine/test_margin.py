"""Margin arithmetic against the reference's own numbers."""

from decimal import Decimal

import pytest

from aster_operator.domain.enums import MarginType, PositionSide
from aster_operator.simulator.contracts import contract_for_prices, make_brackets
from aster_operator.simulator.margin import (
    Leg,
    initial_margin_atoms,
    liquidation_price,
    maintenance_margin_atoms,
    max_notional_usd,
)
from aster_operator.simulator.model import ATOMS, VenueRefusal

from .helpers import make_exchange, place, with_account


@pytest.mark.parametrize(
    ("wallet", "legs", "expected"),
    [
        ("13200.70726908", [("20", "6563.665", "0.005", "50")], "5930.7836"),
        ("6570.42511771", [("-10", "6563.86", "0.005", "50")], "7189.9527"),
        ("5000", [("0.5", "60000", "0.004", "0")], "50200.8032"),
        ("5000", [("0.5", "60000", "0.004", "0"), ("-0.2", "61000", "0.004", "0")], "43068.6406"),
        ("100000", [("0.5", "60000", "0.004", "0")], "0"),
    ],
    ids=["isolated long", "isolated short", "cross long", "cross hedge", "out of reach"],
)
def test_liquidation_price_vectors(wallet: str, legs: list[tuple[str, ...]], expected: str) -> None:
    """Protocol reference, section 9.2."""
    rows = [Leg(*(Decimal(text) for text in leg)) for leg in legs]
    price = liquidation_price(Decimal(wallet), rows, Decimal(0), Decimal(0))
    assert price.quantize(Decimal("0.0001")) == Decimal(expected)


def test_other_cross_positions_shift_the_liquidation_price() -> None:
    leg = Leg(Decimal("0.5"), Decimal(60_000), Decimal("0.004"), Decimal(0))
    alone = liquidation_price(Decimal(5000), [leg], Decimal(0), Decimal(0))
    burdened = liquidation_price(Decimal(5000), [leg], Decimal(100), Decimal(-400))
    richer = liquidation_price(Decimal(4500), [leg], Decimal(0), Decimal(0))
    assert burdened == richer > alone


def test_cumulative_maintenance_of_a_live_bracket() -> None:
    brackets = make_brackets([(75, 5_000, "0.01"), (50, 25_000, "0.025")])
    assert [bracket.cumulative for bracket in brackets] == [0, 75]


def test_maintenance_margin_is_continuous_across_brackets() -> None:
    spec = contract_for_prices("BTCUSDT", [])
    for bracket in spec.brackets[:-1]:
        cap = bracket.notional_cap * ATOMS
        below, above = maintenance_margin_atoms(spec, cap), maintenance_margin_atoms(spec, cap + ATOMS)
        assert 0 <= above - below <= ATOMS
    assert maintenance_margin_atoms(spec, 40_000 * ATOMS) == 160 * ATOMS
    assert maintenance_margin_atoms(spec, -60_000 * ATOMS) == 250 * ATOMS


@pytest.mark.parametrize(
    ("leverage", "cap"), [(125, 50_000), (101, 50_000), (100, 250_000), (1, 500_000_000), (126, 0)]
)
def test_max_notional_by_leverage(leverage: int, cap: int) -> None:
    assert max_notional_usd(contract_for_prices("BTCUSDT", []), leverage) == cap


def test_initial_margin_rounds_against_the_account() -> None:
    assert initial_margin_atoms(10, 3) == initial_margin_atoms(-10, 3) == 4


def test_open_orders_take_margin_in_one_way_mode_by_the_larger_side() -> None:
    exchange = with_account(make_exchange(), usdt=10_000)
    exchange.set_leverage("alice", "BTCUSDT", 10)

    def open_margin() -> Decimal:
        return Decimal(exchange.account("alice").assets[0].open_order_initial_atoms) / ATOMS

    place(exchange, "alice", "BUY", "LIMIT", "0.1", price="59900")
    assert open_margin() == Decimal("599")
    place(exchange, "alice", "SELL", "LIMIT", "0.05", price="60100")
    assert open_margin() == Decimal("599")
    place(exchange, "alice", "SELL", "LIMIT", "0.15", price="60100")
    assert open_margin() == Decimal("1202")
    exchange.cancel_all("alice", "BTCUSDT")
    assert open_margin() == 0


def test_open_orders_take_margin_in_hedge_mode_per_side_and_closing_ones_none() -> None:
    exchange = with_account(make_exchange(), usdt=10_000, hedge=True)
    exchange.set_leverage("alice", "BTCUSDT", 10)
    place(exchange, "alice", "BUY", "LIMIT", "0.1", price="59900", position_side="LONG")
    place(exchange, "alice", "SELL", "LIMIT", "0.1", price="60100", position_side="SHORT")
    rows = {row.position_side: row for row in exchange.positions("alice", "BTCUSDT")}
    assert rows[PositionSide.LONG].open_order_initial_atoms == 599 * ATOMS
    assert rows[PositionSide.SHORT].open_order_initial_atoms == 601 * ATOMS
    place(exchange, "alice", "BUY", quantity="0.1", position_side="LONG")
    before = exchange.account("alice").assets[0].open_order_initial_atoms
    place(exchange, "alice", "SELL", "LIMIT", "0.1", price="60500", position_side="LONG")
    assert exchange.account("alice").assets[0].open_order_initial_atoms == before


def test_available_balance_follows_section_9_1() -> None:
    exchange = with_account(make_exchange(), usdt=10_000)
    place(exchange, "alice", "BUY", quantity="0.5")
    place(exchange, "alice", "BUY", "LIMIT", "0.1", price="59000")
    exchange.control.set_mark_price("BTCUSDT", Decimal(59_500))
    asset = exchange.account("alice").assets[0]
    assert asset.unrealized_atoms < 0
    assert asset.available_atoms == (
        asset.cross_wallet_atoms
        + asset.cross_unrealized_atoms
        - asset.position_initial_atoms
        - asset.open_order_initial_atoms
    )
    assert asset.margin_balance_atoms == asset.wallet_atoms + asset.unrealized_atoms


def test_isolated_positions_carry_their_own_wallet() -> None:
    exchange = with_account(make_exchange(), usdt=10_000)
    exchange.set_leverage("alice", "BTCUSDT", 10)
    exchange.set_margin_type("alice", "BTCUSDT", MarginType.ISOLATED)
    order = place(exchange, "alice", "BUY", quantity="0.4")
    row = exchange.positions("alice", "BTCUSDT")[0]
    assert row.isolated_wallet_atoms == order.cost_atoms // 10
    asset = exchange.account("alice").assets[0]
    assert asset.cross_wallet_atoms == asset.wallet_atoms - row.isolated_wallet_atoms
    exchange.change_position_margin("alice", "BTCUSDT", PositionSide.BOTH, Decimal(100))
    assert (
        exchange.positions("alice", "BTCUSDT")[0].isolated_wallet_atoms
        == row.isolated_wallet_atoms + 100 * ATOMS
    )
    richer = exchange.positions("alice", "BTCUSDT")[0].liquidation_price
    assert richer < row.liquidation_price
    place(exchange, "alice", "SELL", quantity="0.1")
    held = exchange.positions("alice", "BTCUSDT")[0].isolated_wallet_atoms
    assert held == (row.isolated_wallet_atoms + 100 * ATOMS) * 3 // 4
    place(exchange, "alice", "SELL", quantity="0.3")
    assert exchange.positions("alice", "BTCUSDT")[0].isolated_wallet_atoms == 0
    assert exchange.audit().balanced


@pytest.mark.parametrize("margin_type", list(MarginType))
def test_opening_with_everything_leaves_room_for_the_fee(margin_type: MarginType) -> None:
    exchange = with_account(make_exchange(), usdt=300)
    if margin_type is MarginType.ISOLATED:
        exchange.set_margin_type("alice", "BTCUSDT", margin_type)
    with pytest.raises(VenueRefusal, match="-2019"):
        place(exchange, "alice", "BUY", quantity="0.1")
    place(exchange, "alice", "BUY", quantity="0.099")
    asset = exchange.account("alice").assets[0]
    assert asset.available_atoms >= 0
    assert asset.cross_wallet_atoms >= asset.position_initial_atoms - asset.cross_unrealized_atoms or (
        margin_type is MarginType.ISOLATED and asset.cross_wallet_atoms >= 0
    )
