"""How large a leg may be: what cuts it, and the options that make it smaller, off by default."""

from decimal import Decimal
from typing import Any

import pytest

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.orders import Refused
from aster_operator.strategy.parameters import HoursFactor, SizeScaling
from aster_operator.strategy.risk_manager import RiskManager
from aster_operator.strategy.sizing import SizeView
from trading_values import BTC, NOW_MS, limits_of

MARK = Decimal(50_000)


def size(view: SizeView, *, caps: dict[str, Decimal] | None = None, **limits: Any) -> Decimal | Refused:
    manager = RiskManager(limits_of(**limits), {"BTCUSDT": BTC}, notional_caps=caps)
    return manager.calculate_pair_size(MARK, "BTCUSDT", view)


# Capital 10,000 x 10 % x 5 is a leg of 5,000, which is 0.1 BTC.
@pytest.mark.parametrize(
    ("view", "settings", "expected"),
    [
        ({}, {}, "0.1"),
        ({"free_margin_usd": Decimal(10_000)}, {}, "0.1"),
        # 1,000 of margin less 2 % carries 4,900 in two legs at 5x.
        ({"free_margin_usd": Decimal(1_000)}, {}, "0.049"),
        ({"gross_usd": Decimal(45_000)}, {}, "0.049"),
        ({"symbol_gross_usd": Decimal(1_000)}, {"max_symbol_notional_usd": Decimal(6_050)}, "0.05"),
        ({"equity_usd": Decimal(5_000)}, {}, "0.1"),
        ({"volatility_bps_hour": Decimal(500)}, {}, "0.1"),
    ],
)
def test_a_leg_is_cut_by_what_is_left(view: dict[str, Any], settings: dict[str, Any], expected: str) -> None:
    assert size(SizeView(**view), **settings) == Decimal(expected)


def test_a_leg_is_cut_to_its_bracket() -> None:
    assert size(SizeView(), caps={"BTCUSDT": Decimal(2_525)}) == Decimal("0.05")
    assert size(SizeView(), caps={"ETHUSDT": Decimal(10)}) == Decimal("0.1")


@pytest.mark.parametrize(
    ("view", "settings", "rule"),
    [
        ({"free_margin_usd": Decimal(5)}, {}, "free margin"),
        ({"free_margin_usd": Decimal(-5)}, {}, "free margin"),
        ({"symbol_gross_usd": Decimal(990)}, {"max_symbol_notional_usd": Decimal(1_000)}, "MAX_SYMBOL"),
    ],
)
def test_what_leaves_no_smallest_order_is_named(
    view: dict[str, Any], settings: dict[str, Any], rule: str
) -> None:
    refused = size(SizeView(**view), **settings)
    assert isinstance(refused, Refused)
    assert refused.rule.startswith(rule)


NIGHT = HoursFactor(22 * 60, 2 * 60, Decimal("0.5"))
CLOSED = HoursFactor(13 * 60, 14 * 60, Decimal(0))


@pytest.mark.parametrize(
    ("scaling", "view", "expected"),
    [
        (SizeScaling(by_balance=True), {"equity_usd": Decimal(5_000)}, "0.05"),
        (SizeScaling(by_balance=True), {"equity_usd": Decimal(20_000)}, "0.1"),
        (SizeScaling(volatility_target_bps_hour=Decimal(50)), {"volatility_bps_hour": Decimal(50)}, "0.1"),
        (SizeScaling(volatility_target_bps_hour=Decimal(50)), {"volatility_bps_hour": Decimal(200)}, "0.025"),
        (SizeScaling(hours=(NIGHT,)), {"now_ms": NOW_MS + 23 * HOUR_MS}, "0.05"),
        (SizeScaling(hours=(NIGHT,)), {"now_ms": NOW_MS + HOUR_MS}, "0.05"),
        (SizeScaling(hours=(NIGHT,)), {"now_ms": NOW_MS + 2 * HOUR_MS}, "0.1"),
        (SizeScaling(hours=(NIGHT, CLOSED)), {"now_ms": NOW_MS + 14 * HOUR_MS}, "0.1"),
    ],
)
def test_an_option_makes_legs_smaller_never_larger(
    scaling: SizeScaling, view: dict[str, Any], expected: str
) -> None:
    assert size(SizeView(**view), scaling=scaling) == Decimal(expected)


@pytest.mark.parametrize(
    ("scaling", "rule"),
    [
        (SizeScaling(by_balance=True), "SIZE_BY_BALANCE"),
        (SizeScaling(volatility_target_bps_hour=Decimal(50)), "SIZE_VOLATILITY_TARGET_BPS"),
        (SizeScaling(hours=(CLOSED,)), "size scaling"),
    ],
)
def test_an_option_that_cannot_be_applied_opens_nothing(scaling: SizeScaling, rule: str) -> None:
    refused = size(SizeView(now_ms=NOW_MS + 13 * HOUR_MS), scaling=scaling)
    assert isinstance(refused, Refused)
    assert refused.rule == rule
