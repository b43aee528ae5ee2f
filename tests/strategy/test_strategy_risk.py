"""The risk gate: sizes that fit, limits that hold exactly at their boundary, and no way around it."""

import ast
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import aster_operator
from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.enums import OrderType, PositionSide, Side, SymbolStatus, TimeInForce
from aster_operator.domain.instruments import LotFilter
from aster_operator.domain.orders import Approved, NewOrder, Refused
from aster_operator.strategy.intents import AccountStatus, PairPhase, PairStatus
from aster_operator.strategy.risk_manager import ExposureView, RiskManager
from aster_operator.strategy.sizing import LegTooSmall, SizeView
from trading_values import BTC, ETH, NOW_MS, instrument_of, leg_of, limits_of

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
MARK = Decimal(50_000)
RICH = Decimal(10_000)


def manager_of(*, instruments=None, equity: Decimal | None = RICH, **limits: Any) -> RiskManager:
    """A gate that has seen one account snapshot."""
    manager = RiskManager(limits_of(**limits), instruments or {"BTCUSDT": BTC, "ETHUSDT": ETH})
    if equity is not None:
        manager.observe_equity(equity, NOW_MS)
    return manager


def order_of(
    quantity: str | None,
    *,
    opens: bool = True,
    position_side: PositionSide = LONG,
    symbol: str = "BTCUSDT",
    price: str | None = None,
    **changes: Any,
) -> NewOrder:
    side = position_side.opening_side if opens else position_side.closing_side
    return NewOrder(
        client_order_id="any",
        symbol=symbol,
        side=side,
        position_side=position_side,
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        quantity=None if quantity is None else Decimal(quantity),
        price=None if price is None else Decimal(price),
        time_in_force=None if price is None else TimeInForce.IOC,
        **changes,
    )


def account_of(equity: Decimal | None, maintenance: Decimal | None = Decimal(0)) -> AccountStatus:
    return AccountStatus(now_ms=NOW_MS, equity_usd=equity, maintenance_margin_usd=maintenance)


def exposure_of(**changes: Any) -> ExposureView:
    values: dict[str, Any] = {
        "now_ms": NOW_MS,
        "marks": {"BTCUSDT": MARK, "ETHUSDT": Decimal(2_000)},
        "held": {},
        "pending_open": {},
        "pending_close": {},
        "account": account_of(RICH),
    }
    return ExposureView(**(values | changes))


def pair_of(**changes: Any) -> PairStatus:
    values: dict[str, Any] = {
        "pair_ref": "run-1",
        "long": leg_of(LONG),
        "short": leg_of(SHORT),
        "phase": PairPhase.HOLDING,
        "held_since_ms": NOW_MS,
        "pnl_usd": Decimal(0),
        "net_delta_usd": Decimal(0),
        "gross_usd": Decimal(100_000),
    }
    return PairStatus(**(values | changes))


def refusal(verdict: Approved[NewOrder] | Refused) -> str:
    assert isinstance(verdict, Refused), "the order should have been refused"
    assert verdict.reason
    return verdict.rule


# --- sizing ---------------------------------------------------------------------------------------------


def test_a_hundred_dollars_are_refused_with_the_capital_that_works() -> None:
    small = {"leverage": 15, "max_position_size_pct": Decimal("1.5")}
    manager = manager_of(capital_usd=Decimal(100), **small)
    with pytest.raises(
        LegTooSmall, match=r"a BTCUSDT leg of \$22\.50 is below .* 0\.001 BTC .* 426$"
    ) as refused:
        manager.calculate_position_size(Decimal(95_700))
    works = manager_of(capital_usd=refused.value.smallest_capital_usd, **small)
    assert works.calculate_position_size(Decimal(95_700)) == Decimal("0.001")
    still_too_small = manager_of(capital_usd=refused.value.smallest_capital_usd - 1, **small)
    with pytest.raises(LegTooSmall):
        still_too_small.calculate_position_size(Decimal(95_700))


@given(
    price=st.decimals(min_value=Decimal("0.5"), max_value=200_000, places=2),
    share_pct=st.decimals(min_value=Decimal("0.1"), max_value=100, places=2),
    leverage=st.integers(1, 125),
    capital=st.integers(1, 200),
    minimum=st.sampled_from(["0.001", "0.01", "0.005", "1"]),
    step=st.sampled_from(["0.001", "0.01", "1"]),
)
def test_the_smallest_capital_really_is_the_smallest_that_works(
    price: Decimal, share_pct: Decimal, leverage: int, capital: int, minimum: str, step: str
) -> None:
    lot = LotFilter(Decimal(minimum), Decimal(0), Decimal(step))
    instruments = {"BTCUSDT": instrument_of(lot=lot, market_lot=lot)}

    def size_with(capital_usd: Decimal) -> Decimal:
        settings = {"leverage": leverage, "max_position_size_pct": share_pct, "capital_usd": capital_usd}
        return manager_of(instruments=instruments, **settings).calculate_position_size(price)

    try:
        quantity = size_with(Decimal(capital))
    except LegTooSmall as refused:
        smallest = refused.smallest_capital_usd
        assert smallest > capital
        assert size_with(smallest) >= instruments["BTCUSDT"].smallest_quantity(price)
        if smallest > 1:
            with pytest.raises(LegTooSmall):
                size_with(smallest - 1)
        return
    assert (quantity - lot.min_quantity) % lot.step == 0
    assert quantity * price <= capital * share_pct / 100 * leverage
    assert quantity * price >= 5


def test_size_is_capital_times_share_times_leverage_cut_to_the_lot() -> None:
    manager = manager_of()
    assert manager.calculate_position_size(MARK) == Decimal("0.1")
    assert manager.calculate_position_size(Decimal(49_999)) == Decimal("0.100")
    assert manager.calculate_position_size(Decimal(50_001), "BTCUSDT") == Decimal("0.099")
    assert manager.calculate_position_size(2_000.0, "ETHUSDT") == Decimal("2.5")


def test_a_size_never_exceeds_what_the_venue_takes() -> None:
    tight = instrument_of(lot=LotFilter(Decimal("0.001"), Decimal("0.05"), Decimal("0.001")))
    assert manager_of(instruments={"BTCUSDT": tight}).calculate_position_size(MARK) == Decimal("0.05")


@pytest.mark.parametrize(
    ("total_usd", "gross_usd", "size"),
    [
        ("50000", "0", "0.1"),  # not the limit that binds
        ("10000", "0", "0.099"),  # both legs fit with room for the mark to move by 1 %
        ("10100", "0", "0.1"),
        ("10100", "5050", "0.05"),
        ("10100", "10000", None),
        ("10100", "20000", None),
    ],
)
def test_a_pair_is_cut_to_the_room_under_the_total_limit(
    total_usd: str, gross_usd: str, size: str | None
) -> None:
    manager = manager_of(max_total_notional_usd=Decimal(total_usd))
    found = manager.calculate_pair_size(MARK, "BTCUSDT", SizeView(gross_usd=Decimal(gross_usd)))
    if size is None:
        assert isinstance(found, Refused)
        assert found.rule == "MAX_TOTAL_NOTIONAL_USD"
    else:
        assert found == Decimal(size)


def test_a_pair_that_no_size_fits_is_refused_not_raised() -> None:
    found = manager_of(capital_usd=Decimal(100)).calculate_pair_size(Decimal(95_700), "BTCUSDT", SizeView())
    assert isinstance(found, Refused)
    assert "the smallest CAPITAL_USDT that works is" in found.reason


@given(
    share_pct=st.integers(1, 100),
    gross_usd=st.integers(0, 60_000),
    mark_move=st.decimals(min_value=Decimal("0.95"), max_value=Decimal("1.009"), places=4),
)
def test_a_pair_that_was_sized_can_be_hedged_when_the_mark_moves(
    share_pct: int, gross_usd: int, mark_move: Decimal
) -> None:
    """The lead must never use up what its hedge needs."""
    manager = manager_of(max_position_size_pct=Decimal(share_pct))
    size = manager.calculate_pair_size(MARK, "BTCUSDT", SizeView(gross_usd=Decimal(gross_usd)))
    assume(isinstance(size, Decimal))
    other = {("ETHUSDT", LONG): Decimal(gross_usd) / 2_000}
    marks = {"BTCUSDT": MARK * mark_move, "ETHUSDT": Decimal(2_000)}
    lead = exposure_of(held=other, marks=marks)
    assert isinstance(manager.approve(order_of(str(size)), lead), Approved)
    hedge = exposure_of(held=other | {("BTCUSDT", LONG): size}, marks=marks)
    verdict = manager.approve(order_of(str(size), position_side=SHORT), hedge, hedges=True)
    assert isinstance(verdict, Approved)


# --- standing judgements --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"pnl_usd": Decimal("-99.99")}, None),
        ({"pnl_usd": Decimal(-100)}, "STOP_LOSS_PCT"),
        ({"net_delta_usd": Decimal(800)}, None),
        ({"net_delta_usd": Decimal("800.01")}, "MAX_PNL_DRIFT_PCT"),
        ({"net_delta_usd": Decimal("-800.01")}, "MAX_PNL_DRIFT_PCT"),
        ({"pnl_usd": Decimal(800)}, None),
        ({"pnl_usd": Decimal("800.01")}, "MAX_PNL_DRIFT_PCT"),
        ({"gross_usd": Decimal(0), "net_delta_usd": Decimal(1)}, None),
    ],
)
def test_a_pair_is_closed_beyond_its_limits(changes: dict[str, Decimal], rule: str | None) -> None:
    breach = manager_of().should_close_position(pair_of(**changes))
    assert (None if breach is None else breach.rule) == rule


def test_a_loss_is_judged_by_drift_too() -> None:
    manager = manager_of(stop_loss_pct=Decimal(50))
    assert manager.should_close_position(pair_of(pnl_usd=Decimal(-800))) is None
    breach = manager.should_close_position(pair_of(pnl_usd=Decimal("-800.01")))
    assert breach is not None
    assert breach.rule == "MAX_PNL_DRIFT_PCT"


@pytest.mark.parametrize(
    ("start", "peak", "now", "rule"),
    [
        ("10000", "10000", "9700", None),
        ("10000", "10000", "9699.99", "MAX_DAILY_LOSS_PCT"),
        ("9900", "10000", "9603", None),
        ("9600", "10000", "9500", None),
        ("9600", "10000", "9499.99", "MAX_DRAWDOWN_PCT"),
    ],
)
def test_drawdown_and_daily_loss_stop_new_pairs(start: str, peak: str, now: str, rule: str | None) -> None:
    manager = manager_of(equity=Decimal(peak))
    manager.observe_equity(Decimal(start), NOW_MS + DAY_MS)
    refused = manager.can_open_new_position(account_of(Decimal(now)))
    assert (None if refused is None else refused.rule) == rule


def test_a_new_day_forgets_the_daily_loss_but_not_the_peak() -> None:
    manager = manager_of()
    manager.observe_equity(Decimal(9_600), NOW_MS + DAY_MS - 1)
    assert manager.can_open_new_position(account_of(Decimal(9_600))) is not None
    manager.observe_equity(Decimal(9_600), NOW_MS + DAY_MS)
    assert manager.can_open_new_position(account_of(Decimal(9_600))) is None
    refused = manager.can_open_new_position(account_of(Decimal(9_499)))
    assert refused is not None
    assert refused.rule == "MAX_DRAWDOWN_PCT"


@pytest.mark.parametrize(("observed", "now"), [(None, RICH), (RICH, None)])
def test_unknown_equity_stops_new_pairs(observed: Decimal | None, now: Decimal | None) -> None:
    refused = manager_of(equity=observed).can_open_new_position(account_of(now))
    assert refused is not None
    assert refused.rule == "account"


# --- the gate: opening ----------------------------------------------------------------------------------


def test_an_order_within_every_limit_passes_unchanged() -> None:
    order = order_of("0.1", price="50000")
    assert manager_of().approve(order, exposure_of()) == Approved(order)


@pytest.mark.parametrize(
    ("order", "rule"),
    [
        (order_of("0.1", symbol="DOGEUSDT"), "symbol"),
        (order_of("0.0005"), "lot"),
        (order_of("0"), "lot"),
        (order_of("-0.001"), "lot"),
        (order_of("120.001"), "lot"),
        (order_of(None), "quantity"),
        (order_of("0.001", symbol="ETHUSDT"), "min_notional"),
        (order_of("0.001", symbol="ETHUSDT", price="4999.9"), "min_notional"),
    ],
)
def test_orders_the_venue_would_refuse_are_refused_here(order: NewOrder, rule: str) -> None:
    assert refusal(manager_of().approve(order, exposure_of())) == rule


def test_the_minimum_value_is_enough() -> None:
    assert isinstance(manager_of().approve(order_of("0.001", price="5000"), exposure_of()), Approved)


def test_a_quantity_on_the_grid_but_below_the_minimum_is_off_the_lot() -> None:
    lot = LotFilter(Decimal("0.01"), Decimal(100), Decimal("0.001"))
    manager = manager_of(instruments={"BTCUSDT": instrument_of(lot=lot, market_lot=lot)})
    assert refusal(manager.approve(order_of("0.009"), exposure_of())) == "lot"
    assert refusal(manager.approve(order_of("0.009", price="50000"), exposure_of())) == "lot"
    assert isinstance(manager.approve(order_of("0.010"), exposure_of()), Approved)


def test_market_and_limit_orders_are_held_to_their_own_lot() -> None:
    market_lot = LotFilter(Decimal("0.01"), Decimal(1), Decimal("0.01"))
    manager = manager_of(instruments={"BTCUSDT": instrument_of(market_lot=market_lot)})
    assert refusal(manager.approve(order_of("0.015"), exposure_of())) == "lot"
    assert isinstance(manager.approve(order_of("0.015", price="50000"), exposure_of()), Approved)


@pytest.mark.parametrize("status", [status for status in SymbolStatus if status is not SymbolStatus.TRADING])
def test_a_symbol_that_is_not_trading_opens_nothing_but_closes(status: SymbolStatus) -> None:
    manager = manager_of(instruments={"BTCUSDT": instrument_of(status=status)})
    assert refusal(manager.approve(order_of("0.1"), exposure_of())) == "status"
    held = exposure_of(held={("BTCUSDT", LONG): Decimal("0.1")})
    assert isinstance(manager.approve(order_of("0.1", opens=False), held), Approved)


def test_an_unknown_mark_opens_nothing() -> None:
    assert refusal(manager_of().approve(order_of("0.1"), exposure_of(marks={}))) == "mark"


def test_exposure_that_nobody_can_value_opens_nothing() -> None:
    blind = exposure_of(marks={"BTCUSDT": MARK}, held={("ETHUSDT", LONG): Decimal(1)})
    assert refusal(manager_of().approve(order_of("0.1"), blind)) == "mark"
    others = exposure_of(marks={"BTCUSDT": MARK}, held={("DOGEUSDT", LONG): Decimal(1)})
    assert isinstance(manager_of().approve(order_of("0.1"), others), Approved)


@pytest.mark.parametrize(
    ("held", "pending", "quantity", "passes"),
    [
        # $5,000 a leg, 1 % and one lot of grace: $5,100.
        ("0", "0", "0.102", True),
        ("0", "0", "0.103", False),
        ("0.05", "0", "0.052", True),
        ("0.05", "0", "0.053", False),
        ("0.02", "0.03", "0.052", True),
        ("0.02", "0.03", "0.053", False),
    ],
)
@pytest.mark.parametrize("hedges", [False, True])
def test_a_leg_is_limited_with_pending_orders_counted(
    held: str, pending: str, quantity: str, passes: bool, hedges: bool
) -> None:
    key = ("BTCUSDT", LONG)
    view = exposure_of(held={key: Decimal(held)}, pending_open={key: Decimal(pending)})
    verdict = manager_of().approve(order_of(quantity), view, hedges=hedges)
    assert isinstance(verdict, Approved) if passes else refusal(verdict) == "MAX_POSITION_SIZE_PCT"


def test_the_other_side_has_a_limit_of_its_own() -> None:
    view = exposure_of(held={("BTCUSDT", SHORT): Decimal("0.1")})
    assert isinstance(manager_of().approve(order_of("0.1"), view), Approved)


@pytest.mark.parametrize(("quantity", "passes"), [("0.050", True), ("0.051", False)])
@pytest.mark.parametrize("hedges", [False, True])
def test_the_total_is_limited_with_pending_orders_counted(quantity: str, passes: bool, hedges: bool) -> None:
    manager = manager_of(max_total_notional_usd=Decimal(10_000))
    view = exposure_of(
        held={("BTCUSDT", SHORT): Decimal("0.05"), ("ETHUSDT", LONG): Decimal(1)},
        pending_open={("ETHUSDT", SHORT): Decimal("1.5")},
    )
    assert manager.get_current_exposure(view) == Decimal(7_500)
    verdict = manager.approve(order_of(quantity), view, hedges=hedges)
    assert isinstance(verdict, Approved) if passes else refusal(verdict) == "MAX_TOTAL_NOTIONAL_USD"


def test_leverage_bounds_the_total_whatever_is_set() -> None:
    assert limits_of(max_total_notional_usd=Decimal(10**9)).total_notional_limit_usd == Decimal(50_000)
    assert limits_of(max_total_notional_usd=Decimal(7)).total_notional_limit_usd == Decimal(7)
    assert limits_of().total_notional_limit_usd == Decimal(50_000)


def test_orders_per_minute_are_counted_in_a_sliding_minute() -> None:
    manager = manager_of(max_orders_per_minute=3)
    order = order_of("0.001")
    for offset_ms in (0, 1_000, 2_000):
        assert isinstance(manager.approve(order, exposure_of(now_ms=NOW_MS + offset_ms)), Approved)
    assert refusal(manager.approve(order, exposure_of(now_ms=NOW_MS + 59_999))) == "MAX_ORDERS_PER_MINUTE"
    assert isinstance(manager.approve(order, exposure_of(now_ms=NOW_MS + 60_000)), Approved)
    assert refusal(manager.approve(order, exposure_of(now_ms=NOW_MS + 60_999))) == "MAX_ORDERS_PER_MINUTE"


def test_refused_orders_do_not_count_and_closing_ones_do() -> None:
    manager = manager_of(max_orders_per_minute=1)
    held = exposure_of(held={("BTCUSDT", LONG): Decimal("0.01")})
    assert refusal(manager.approve(order_of("9"), held)) == "MAX_POSITION_SIZE_PCT"
    assert isinstance(manager.approve(order_of("0.01", opens=False), held), Approved)
    assert refusal(manager.approve(order_of("0.001"), held)) == "MAX_ORDERS_PER_MINUTE"
    assert isinstance(manager.approve(order_of("0.01", opens=False), held), Approved)


@pytest.mark.parametrize("equity", [Decimal(9_000), None])
def test_a_hedge_passes_what_blocks_new_risk(equity: Decimal | None) -> None:
    manager = manager_of(max_orders_per_minute=1)
    view = exposure_of(account=account_of(equity), held={("BTCUSDT", LONG): Decimal("0.1")})
    hedge = order_of("0.1", position_side=SHORT)
    assert refusal(manager.approve(hedge, view)) in ("MAX_DRAWDOWN_PCT", "account")
    for _ in range(3):
        assert isinstance(manager.approve(hedge, view, hedges=True), Approved)


# --- the gate: reducing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "pending", "quantity", "passes"),
    [
        ("0.1", "0", "0.1", True),
        ("0.1", "0", "0.101", False),
        ("0.1", "0.04", "0.06", True),
        ("0.1", "0.04", "0.061", False),
        ("0", "0", "0.001", False),
    ],
)
def test_no_more_is_closed_than_is_held_and_not_being_closed(
    held: str, pending: str, quantity: str, passes: bool
) -> None:
    key = ("BTCUSDT", SHORT)
    view = exposure_of(
        held={key: Decimal(held), ("BTCUSDT", LONG): Decimal(5)},
        pending_close={key: Decimal(pending)},
        account=account_of(None),
        marks={},
    )
    verdict = manager_of().approve(order_of(quantity, opens=False, position_side=SHORT), view)
    assert isinstance(verdict, Approved) if passes else refusal(verdict) == "reduce"


def test_what_closes_is_held_to_no_other_limit() -> None:
    view = exposure_of(held={("BTCUSDT", LONG): Decimal(100)}, account=account_of(Decimal(1)))
    assert isinstance(
        manager_of(max_orders_per_minute=1).approve(order_of("100", opens=False), view), Approved
    )


def test_a_close_position_order_needs_no_quantity() -> None:
    order = order_of(None, opens=False, close_position=True)
    assert isinstance(manager_of().approve(order, exposure_of()), Approved)


def test_a_one_way_order_opens_unless_it_only_reduces() -> None:
    opening = NewOrder(
        client_order_id="any",
        symbol="BTCUSDT",
        side=Side.SELL,
        position_side=PositionSide.BOTH,
        order_type=OrderType.MARKET,
        quantity=Decimal(9),
    )
    assert refusal(manager_of().approve(opening, exposure_of())) == "MAX_POSITION_SIZE_PCT"
    reducing = NewOrder(
        client_order_id="any",
        symbol="BTCUSDT",
        side=Side.SELL,
        position_side=PositionSide.BOTH,
        order_type=OrderType.MARKET,
        quantity=Decimal(9),
        reduce_only=True,
    )
    assert refusal(manager_of().approve(reducing, exposure_of())) == "reduce"


# --- the property behind all of it ----------------------------------------------------------------------


@given(
    held=st.integers(0, 200),
    pending=st.integers(0, 200),
    quantity=st.integers(1, 300),
    hedges=st.booleans(),
)
def test_no_approved_order_can_carry_a_leg_past_its_limit(
    held: int, pending: int, quantity: int, hedges: bool
) -> None:
    lot = Decimal("0.001")
    key = ("BTCUSDT", LONG)
    view = exposure_of(held={key: held * lot}, pending_open={key: pending * lot})
    verdict = manager_of().approve(order_of(str(quantity * lot)), view, hedges=hedges)
    if isinstance(verdict, Approved):
        assert (held + pending + quantity) * lot * MARK <= Decimal(5_000) * Decimal("1.01") + lot * MARK


def test_only_the_risk_manager_makes_approvals() -> None:
    package = Path(aster_operator.__file__).parent
    makers = set()
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "Approved" in text else ():
            called = node.func if isinstance(node, ast.Call) else None
            # Approved(...), orders.Approved(...), and Approved[NewOrder](...) all make one.
            while isinstance(called, ast.Subscript):
                called = called.value
            name = getattr(called, "id", None) or getattr(called, "attr", None)
            if name == "Approved":
                makers.add(path.relative_to(package).as_posix())
    assert makers == {"strategy/risk_manager.py"}
