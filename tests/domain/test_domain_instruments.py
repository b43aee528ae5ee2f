"""The venue's filters: rounding prices and quantities so that the venue takes them."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aster_operator.domain.enums import Side, SymbolStatus
from aster_operator.domain.instruments import Instrument, LotFilter
from aster_operator.domain.market import Quote

BTC = Instrument(
    symbol="BTCUSDT",
    base_asset="BTC",
    quote_asset="USDT",
    margin_asset="USDT",
    status=SymbolStatus.TRADING,
    price_precision=1,
    quantity_precision=3,
    tick_size=Decimal("0.1"),
    min_price=Decimal("556.8"),
    max_price=Decimal(4_529_764),
    lot=LotFilter(Decimal("0.001"), Decimal(1000), Decimal("0.001")),
    market_lot=LotFilter(Decimal("0.001"), Decimal(120), Decimal("0.001")),
    min_notional=Decimal(5),
    percent_price_up=Decimal("1.05"),
    percent_price_down=Decimal("0.95"),
    market_take_bound=Decimal("0.05"),
    trigger_protect=Decimal("0.05"),
    liquidation_fee=Decimal("0.0125"),
    max_num_orders=200,
    max_num_algo_orders=10,
)


def lot_of(minimum: str, maximum: str, step: str) -> LotFilter:
    return LotFilter(Decimal(minimum), Decimal(maximum), Decimal(step))


def passes(quantity: Decimal, lot: LotFilter) -> bool:
    """The venue's own rule (protocol reference, section 5.2)."""
    within = quantity >= lot.min_quantity and (lot.max_quantity == 0 or quantity <= lot.max_quantity)
    return quantity > 0 and within and (quantity - lot.min_quantity) % lot.step == 0


units = st.integers(1, 5000)


@st.composite
def lots(draw: st.DrawFn) -> LotFilter:
    step = Decimal(draw(st.sampled_from([1, 2, 3, 5, 10]))).scaleb(-3)
    minimum = Decimal(draw(st.integers(1, 40))).scaleb(-3)
    maximum = draw(st.just(Decimal(0)) | units.map(lambda n: minimum + Decimal(n).scaleb(-3)))
    return LotFilter(minimum, maximum, step)


# --- lots -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lot", "quantity", "floor", "ceiling"),
    [
        (lot_of("0.001", "100", "0.001"), "0.0019", "0.001", "0.002"),
        (lot_of("0.001", "100", "0.001"), "0.0009", "0", "0.001"),
        (lot_of("0.005", "100", "0.01"), "0.012", "0.005", "0.015"),  # counted from the minimum
        (lot_of("0.005", "100", "0.01"), "0.015", "0.015", "0.015"),
        (lot_of("0.001", "0", "0.001"), "123456.7891", "123456.789", "123456.790"),  # no maximum
    ],
)
def test_lots_floor_and_ceiling(lot: LotFilter, quantity: str, floor: str, ceiling: str) -> None:
    assert lot.floor(Decimal(quantity)) == Decimal(floor)
    assert lot.ceiling(Decimal(quantity)) == Decimal(ceiling)


def test_floor_stops_at_a_maximum_that_is_off_the_grid() -> None:
    assert lot_of("0.005", "0.03", "0.01").floor(Decimal(7)) == Decimal("0.025")


def test_ceiling_above_the_maximum_is_refused() -> None:
    with pytest.raises(ValueError, match=r"above the maximum 0\.03"):
        lot_of("0.005", "0.03", "0.01").ceiling(Decimal("0.026"))


@given(lots(), st.decimals(min_value=0, max_value=20, places=5))
def test_floor_is_the_largest_allowed_quantity_not_above(lot: LotFilter, quantity: Decimal) -> None:
    floored = lot.floor(quantity)
    if floored == 0:
        assert quantity < lot.min_quantity
        return
    assert passes(floored, lot)
    assert floored <= quantity
    assert floored + lot.step > quantity or not passes(floored + lot.step, lot)


@given(lots(), st.decimals(min_value=0, max_value=20, places=5))
def test_ceiling_is_the_smallest_allowed_quantity_not_below(lot: LotFilter, quantity: Decimal) -> None:
    try:
        raised = lot.ceiling(quantity)
    except ValueError:
        assert lot.max_quantity > 0
        assert not passes(lot.floor(lot.max_quantity), lot) or lot.floor(lot.max_quantity) < quantity
        return
    assert passes(raised, lot)
    assert raised >= quantity
    assert raised - lot.step < max(quantity, lot.min_quantity)


# --- prices ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "passive", "aggressive"), [(Side.BUY, "95000.1", "95000.2"), (Side.SELL, "95000.2", "95000.1")]
)
def test_prices_round_away_from_or_towards_the_market(side: Side, passive: str, aggressive: str) -> None:
    price = Decimal("95000.15")
    assert BTC.round_price_passive(price, side) == Decimal(passive)
    assert BTC.round_price_aggressive(price, side) == Decimal(aggressive)


def test_ticks_are_counted_from_the_minimum_price() -> None:
    odd = msgspec.structs.replace(BTC, min_price=Decimal("0.05"))
    assert odd.round_price_nearest(Decimal("100.09")) == Decimal("100.05")
    assert odd.round_price_passive(Decimal(100), Side.BUY) == Decimal("99.95")


@given(
    st.decimals(min_value=1, max_value=10**6, places=6),
    st.sampled_from(list(Side)),
    st.sampled_from(["0.1", "0.05", "0.01", "3"]),
    st.sampled_from(["0", "0.07", "556.8"]),
)
def test_rounded_prices_are_on_the_grid_and_on_the_right_side(
    price: Decimal, side: Side, tick: str, minimum: str
) -> None:
    instrument = msgspec.structs.replace(BTC, tick_size=Decimal(tick), min_price=Decimal(minimum))
    passive = instrument.round_price_passive(price, side)
    aggressive = instrument.round_price_aggressive(price, side)
    for rounded in (passive, aggressive, instrument.round_price_nearest(price)):
        assert (rounded - instrument.min_price) % instrument.tick_size == 0
    assert side.sign * (price - passive) >= 0
    assert side.sign * (aggressive - price) >= 0


# --- the smallest order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "smallest"),
    [("95700", "0.001"), ("3000", "0.002"), ("5000", "0.001"), ("4999.9", "0.002"), ("1", "5")],
)
def test_smallest_order_of_a_plain_contract(price: str, smallest: str) -> None:
    assert BTC.smallest_quantity(Decimal(price)) == Decimal(smallest)


@pytest.mark.parametrize(
    ("lot", "market_lot", "smallest"),
    [
        # 5 USD at 4 are 1.25 units; the limit grid is 0.5, 1.5, 2.5.
        (lot_of("0.5", "1000", "1"), lot_of("0.5", "1000", "1"), "1.5"),
        # Only 2.5, 12.5, 22.5 are on both grids.
        (lot_of("0.5", "1000", "1"), lot_of("2.5", "1000", "10"), "2.5"),
        (lot_of("0.3", "1000", "0.3"), lot_of("0.2", "1000", "0.2"), "1.8"),
        (lot_of("0.001", "1000", "0.001"), lot_of("2", "1000", "0.01"), "2"),
    ],
)
def test_smallest_order_where_the_two_lot_filters_differ(
    lot: LotFilter, market_lot: LotFilter, smallest: str
) -> None:
    instrument = msgspec.structs.replace(BTC, lot=lot, market_lot=market_lot)
    assert instrument.smallest_quantity(Decimal(4)) == Decimal(smallest)


def test_grids_that_never_meet_are_said_to_be_so() -> None:
    instrument = msgspec.structs.replace(
        BTC, lot=lot_of("0.1", "0", "0.2"), market_lot=lot_of("0.2", "0", "0.2")
    )
    with pytest.raises(ValueError, match="no quantity of BTCUSDT passes both lot filters"):
        instrument.smallest_quantity(Decimal(100))


def test_a_smallest_order_above_the_largest_is_said_to_be_so() -> None:
    with pytest.raises(ValueError, match="above the maximum 1000"):
        BTC.smallest_quantity(Decimal("0.001"))


@given(
    lots(),
    lots(),
    st.decimals(min_value=Decimal("0.01"), max_value=10**5, places=3),
    st.sampled_from([Decimal(0), Decimal(1), Decimal(5), Decimal(20)]),
)
def test_smallest_order_passes_every_filter_and_nothing_smaller_does(
    lot: LotFilter, market_lot: LotFilter, price: Decimal, min_notional: Decimal
) -> None:
    instrument = msgspec.structs.replace(BTC, lot=lot, market_lot=market_lot, min_notional=min_notional)

    def fits(quantity: Decimal) -> bool:
        return passes(quantity, lot) and passes(quantity, market_lot) and quantity * price >= min_notional

    try:
        smallest = instrument.smallest_quantity(price)
    except ValueError:
        assume(lot.max_quantity > 0 and market_lot.max_quantity > 0)
        top = min(lot.max_quantity, market_lot.max_quantity)
        count = int((top - lot.min_quantity) / lot.step)
        assert not any(fits(lot.min_quantity + n * lot.step) for n in range(max(0, count - 300), count + 1))
        return
    assert fits(smallest)
    below = int((smallest - lot.min_quantity) / lot.step)
    assert not any(fits(lot.min_quantity + n * lot.step) for n in range(max(0, below - 300), below))


def test_a_quote_has_a_middle_a_width_and_two_touches() -> None:
    quote = Quote(
        symbol="BTCUSDT",
        bid=Decimal("99.5"),
        bid_quantity=Decimal(1),
        ask=Decimal("100.5"),
        ask_quantity=Decimal(2),
        event_ms=0,
        received_ns=0,
    )
    assert (quote.mid, quote.spread_bps) == (100, 100)
    assert quote.touch(Side.BUY, passive=True) == quote.touch(Side.SELL, passive=False) == Decimal("99.5")
    assert quote.touch(Side.SELL, passive=True) == quote.touch(Side.BUY, passive=False) == Decimal("100.5")


def test_only_a_trading_symbol_trades() -> None:
    assert BTC.is_trading
    assert not msgspec.structs.replace(BTC, status=SymbolStatus.SETTLING).is_trading
