"""Parts of the position desk with plain values: exits, trailing, sizing, guards, what the market did."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.clock import DAY_MS, MINUTE_MS
from aster_operator.domain.closed_trades import ExitReason
from aster_operator.domain.enums import MarginType, OrderType, PositionSide, Side
from aster_operator.domain.orders import NewOrder, Refused
from aster_operator.domain.positions import AccountSnapshot
from aster_operator.execution.positions.guards import Guards
from aster_operator.execution.positions.meanwhile import MarketWatch, TradedVolume
from aster_operator.execution.positions.position import ExitKind, ManagedPosition
from aster_operator.execution.positions.protection import exit_order, trails_itself
from aster_operator.execution.positions.risk_setup import ensure_risk_setup
from aster_operator.execution.positions.settings import (
    PositionDeskSettings,
    PositionGuards,
    PositionSizing,
)
from aster_operator.execution.positions.sizing import entry_quantity
from aster_operator.execution.positions.trailing import Trail
from aster_operator.strategy.base import ExitPlan
from trading_values import BTC, NOW_MS, instrument_of


def held(
    side: Side = Side.BUY, entry: str = "50000", position_side: str = "BOTH", **plan: Any
) -> ManagedPosition:
    values = {"stop_loss_bps": Decimal(12), "take_profit_bps": Decimal(20)} | plan
    order = NewOrder(
        client_order_id="entry",
        symbol="BTCUSDT",
        side=side,
        position_side=PositionSide(position_side),
        order_type=OrderType.LIMIT,
        quantity=Decimal("0.01"),
    )
    return ManagedPosition(
        position_ref="run-midfreq-1",
        strategy="midfreq",
        symbol="BTCUSDT",
        side=side,
        position_side=PositionSide(position_side),
        plan=ExitPlan(**values),
        decided_ms=NOW_MS,
        entry=order,
        bid=None,
        ask=None,
        mark_at_entry=None,
        held=Decimal("0.01"),
        reported_entry_price=Decimal(entry),
    )


# --- exits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "entry", "kind", "price"),
    [
        (Side.BUY, "50000", ExitKind.STOP, "49940"),
        (Side.SELL, "50000", ExitKind.STOP, "50060"),
        (Side.BUY, "50000", ExitKind.TAKE_PROFIT, "50100"),
        (Side.SELL, "50000", ExitKind.TAKE_PROFIT, "49900"),
        (Side.BUY, "50000.3", ExitKind.STOP, "49940.3"),
        (Side.SELL, "50000.3", ExitKind.STOP, "50060.3"),
        (Side.BUY, "50000.3", ExitKind.TAKE_PROFIT, "50100.4"),
        (Side.SELL, "50000.3", ExitKind.TAKE_PROFIT, "49900.2"),
    ],
)
def test_triggers_lie_on_the_tick_never_nearer_than_the_target_nor_beyond_the_stop(
    side: Side, entry: str, kind: ExitKind, price: str
) -> None:
    order = exit_order(held(side, entry), kind, Decimal("0.01"), BTC, "exit")
    assert order.stop_price == Decimal(price)
    assert order.side is side.opposite


@pytest.mark.parametrize(("position_side", "reduce_only"), [("BOTH", True), ("LONG", False)])
def test_one_way_says_reduce_only_and_hedge_mode_its_side(position_side: str, reduce_only: bool) -> None:
    for kind in (ExitKind.STOP, ExitKind.TAKE_PROFIT, ExitKind.CLOSE):
        order = exit_order(held(position_side=position_side), kind, Decimal("0.01"), BTC, "exit")
        assert order.reduce_only is reduce_only
        assert order.position_side == position_side
        assert not order.opens_position


@pytest.mark.parametrize(
    ("callback_bps", "here"), [("9.99", True), ("10", False), ("500", False), ("501", True), (None, False)]
)
def test_the_operator_trails_what_the_venue_does_not_take(callback_bps: str | None, here: bool) -> None:
    values = (
        {}
        if callback_bps is None
        else {"trailing_activation_bps": Decimal(8), "trailing_callback_bps": Decimal(callback_bps)}
    )
    settings = PositionDeskSettings(strategy="midfreq", symbols=("BTCUSDT",))
    assert trails_itself(held(**values), settings) is here


# --- trailing -----------------------------------------------------------------------------------------


def long_trail(**changes: Any) -> Trail:
    values: dict[str, Any] = {
        "side": Side.BUY, "activation_price": Decimal(110), "callback_bps": Decimal(100), "best": Decimal(100)
    }  # fmt: skip
    return Trail(**(values | changes))


def test_it_arms_at_its_price_and_fires_its_callback_off_the_best() -> None:
    trail = long_trail()
    assert [trail.follow(Decimal(mark)) for mark in ("105", "90", "109.99")] == [False] * 3
    assert not trail.armed
    assert [trail.follow(Decimal(mark)) for mark in ("110", "120", "118.81", "118.8")] == [
        False, False, False, True,
    ]  # fmt: skip
    short = Trail(Side.SELL, Decimal(90), Decimal(100), Decimal(100))
    assert [short.follow(Decimal(mark)) for mark in ("90", "80", "80.7", "80.8")] == [
        False,
        False,
        False,
        True,
    ]


@given(st.lists(st.integers(80, 140), min_size=1, max_size=60), st.integers(0, 59))
def test_a_restart_in_between_changes_nothing(marks: list[int], at: int) -> None:
    whole, first = long_trail(), long_trail()
    fired = [whole.follow(Decimal(mark)) for mark in marks]
    before = [first.follow(Decimal(mark)) for mark in marks[:at]]
    second = long_trail()
    second.resume(first.memory())
    assert before + [second.follow(Decimal(mark)) for mark in marks[at:]] == fired


# --- sizing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notional", "price", "quantity"),
    [("5", "2500", "0.002"), ("5", "2400", "0.003"), ("1", "50000", "0.001"), ("100.01", "50000", "0.003")],
)
def test_a_notional_is_rounded_up_to_the_lot(notional: str, price: str, quantity: str) -> None:
    sizing = PositionSizing(order_notional_usd=Decimal(notional))
    assert entry_quantity(sizing, BTC, Decimal(price), None) == Decimal(quantity)


def test_risk_based_sizes_never_exceed_their_target() -> None:
    sizing = PositionSizing(risk_pct=Decimal(1), leverage=25)
    assert entry_quantity(sizing, BTC, Decimal(50_000), Decimal(10_000)) == Decimal("0.05")
    assert entry_quantity(sizing, BTC, Decimal(50_001), Decimal(10_000)) == Decimal("0.049")
    for balance in (None, Decimal(100)):
        assert isinstance(entry_quantity(sizing, BTC, Decimal(50_000), balance), Refused)
    huge = PositionSizing(order_notional_usd=Decimal(10**9))
    assert isinstance(entry_quantity(huge, BTC, Decimal(50_000), None), Refused)
    assert isinstance(entry_quantity(huge, instrument_of(), Decimal("0.1"), None), Refused)


# --- guards -------------------------------------------------------------------------------------------


def blocked(guards: Guards, now_ms: int, symbol: str = "BTCUSDT", open_positions: int = 0) -> set[str]:
    verdicts = guards.entry_verdicts(symbol, open_positions, now_ms)
    return {verdict.name for verdict in verdicts if not verdict.passed}


def test_the_cooldown_ends_to_the_millisecond_and_concerns_one_symbol() -> None:
    guards = Guards(PositionGuards(cooldown_ms=1_000))
    guards.take_trade("BTCUSDT", Decimal(1), NOW_MS)
    assert blocked(guards, NOW_MS + 999) == {"cooldown"}
    assert blocked(guards, NOW_MS + 1_000) == blocked(guards, NOW_MS, "ETHUSDT") == set()


def test_the_day_ends_with_its_drawdown_from_the_peak_and_begins_anew() -> None:
    guards = Guards(PositionGuards(daily_drawdown_pct=Decimal(5)))
    for equity in ("100", "200", "190.01"):
        guards.take_equity(Decimal(equity), NOW_MS)
    assert (blocked(guards, NOW_MS), guards.must_close(None, NOW_MS)) == (set(), None)
    guards.take_equity(Decimal(190), NOW_MS)
    forced = guards.must_close(None, NOW_MS)
    assert forced is not None
    assert forced[0] is ExitReason.DAILY_DRAWDOWN
    assert blocked(guards, NOW_MS) == {"daily_drawdown"}
    again = Guards(PositionGuards(), guards.memory)
    assert blocked(again, NOW_MS) == {"daily_drawdown"}
    assert blocked(again, NOW_MS + DAY_MS) == set()


def test_the_times_of_the_day() -> None:
    guards = Guards(PositionGuards(entry_halt_minute=60, force_exit_minute=120))
    at = [blocked(guards, NOW_MS + minute * MINUTE_MS) for minute in (59, 60, 120)]
    assert at == [set(), {"schedule"}, {"schedule"}]
    assert guards.must_close(None, NOW_MS + 119 * MINUTE_MS) is None
    forced = guards.must_close(None, NOW_MS + 120 * MINUTE_MS)
    assert forced is not None
    assert forced[0] is ExitReason.DAILY_CUTOFF


@pytest.mark.parametrize(
    ("equity", "closes"), [("120.01", False), ("120", True), ("50", True), ("0", True), (None, True)]
)
def test_the_margin_kill_switch_at_its_limit(equity: str | None, closes: bool) -> None:
    guards = Guards(PositionGuards())
    guards.take_account(
        AccountSnapshot(
            balances=(),
            total_wallet_balance=Decimal(110),
            total_unrealized_pnl=Decimal(0),
            total_margin_balance=Decimal(110),
            total_initial_margin=Decimal(100),
            total_maintenance_margin=Decimal(100),
            available_balance=Decimal(0),
            can_trade=True,
            can_withdraw=False,
            update_ms=NOW_MS,
        )
    )
    forced = guards.must_close(None if equity is None else Decimal(equity), NOW_MS)
    assert (forced is not None and forced[0] is ExitReason.MARGIN) is closes


def test_losses_in_a_row_end_the_day_and_a_gain_breaks_the_row() -> None:
    guards = Guards(PositionGuards(max_consecutive_losses=2, cooldown_ms=0))
    for net in ("-1", "1", "-1"):
        guards.take_trade("BTCUSDT", Decimal(net), NOW_MS)
    assert blocked(guards, NOW_MS) == set()
    guards.take_trade("ETHUSDT", Decimal(-1), NOW_MS)
    assert blocked(guards, NOW_MS) == {"consecutive_losses"}
    assert blocked(guards, NOW_MS + DAY_MS) == set()


def test_no_more_positions_than_allowed() -> None:
    guards = Guards(PositionGuards(max_open_positions=2))
    assert blocked(guards, NOW_MS, open_positions=1) == set()
    assert blocked(guards, NOW_MS, open_positions=2) == {"open_positions"}


# --- what the market did ------------------------------------------------------------------------------


def test_how_far_it_went_and_what_the_prices_cost() -> None:
    watch = MarketWatch(Side.SELL, Decimal(100), TradedVolume(), NOW_MS)
    for mark in ("101", "98", "99"):
        watch.take_mark(Decimal(mark))
    summary = watch.summary(
        bid=Decimal(101), ask=Decimal(102), mark_at_entry=Decimal(100), exit_price=Decimal(99)
    )
    assert (summary.mae_bps, summary.mfe_bps) == (100, 200)
    assert summary.entry_slippage_touch_bps == Decimal("99.009901")
    assert summary.exit_slippage_touch_bps is None


async def test_the_account_is_set_up_symbol_by_symbol() -> None:
    told: list[tuple[str, object]] = []

    class Venue:
        async def set_margin_type(self, symbol: str, margin_type: MarginType) -> None:
            told.append((symbol, margin_type))

        async def set_leverage(self, symbol: str, leverage: int) -> int:
            told.append((symbol, leverage))
            return leverage

    done = await ensure_risk_setup(Venue(), ["BTCUSDT", "ETHUSDT"])
    assert told == [
        ("BTCUSDT", MarginType.ISOLATED), ("BTCUSDT", 10), ("ETHUSDT", MarginType.ISOLATED), ("ETHUSDT", 10),
    ]  # fmt: skip
    assert done["ETHUSDT"].leverage == 10
    with pytest.raises(ValueError, match="NONE"):
        await ensure_risk_setup(Venue(), ["BTCUSDT"], margin_type="NONE")
