"""Records for tests of the rewards, and the weeks of the worked examples."""

from decimal import Decimal
from typing import Any

from aster_operator.domain.clock import HOUR_MS, MINUTE_MS
from aster_operator.domain.enums import PositionSide, Side
from aster_operator.rewards.epochs import WEEK_MS
from aster_operator.rewards.positions import position_history
from aster_operator.rewards.profile import PointsProfile, load_profile
from aster_operator.rewards.records import FillRecord, Records, hourly_pnl

MONDAY_MS = 1_771_200_000_000 - 1_771_200_000_000 % WEEK_MS + 4 * 24 * HOUR_MS
"""A Monday, 00:00 UTC: 2026-02-16."""

LEG_USD = Decimal("234.375")
"""Leg of the first source system's plan, resized to reach 15,000 USD a day with 16 rotations."""


def make_fill(**changes: Any) -> FillRecord:
    values: dict[str, Any] = {
        "account": "0xabc",
        "symbol": "BTCUSDT",
        "side": Side.BUY,
        "position_side": PositionSide.LONG,
        "price": Decimal(100),
        "quantity": Decimal(1),
        "is_maker": False,
        "commission": Decimal("0.04"),
        "commission_asset": "USDT",
        "fee_usd": Decimal("0.04"),
        "realized_pnl": Decimal(0),
        "time_ms": MONDAY_MS,
    }
    return FillRecord(**(values | changes))


def pair_fills(time_ms: int, *, opens: bool, quantity: Decimal, fee_usd: Decimal) -> list[FillRecord]:
    """Both legs of a same-symbol pair at 100 USD, opened or closed."""
    return [
        make_fill(
            side=side.opening_side if opens else side.closing_side,
            position_side=side,
            quantity=quantity,
            commission=fee_usd,
            fee_usd=fee_usd,
            time_ms=time_ms,
        )
        for side in (PositionSide.LONG, PositionSide.SHORT)
    ]


def resized_plan(fee_rate: Decimal = Decimal("0.0004")) -> Records:
    """A week of worked example 1: pairs held 90 minutes and reopened at once, all taker, ended in the last
    millisecond of the week."""
    quantity = LEG_USD / 100
    fee = LEG_USD * fee_rate
    fills = []
    for rotation in range(16 * 7):
        opened_ms = MONDAY_MS + rotation * 90 * MINUTE_MS
        closed_ms = min(opened_ms + 90 * MINUTE_MS, MONDAY_MS + WEEK_MS - 1)
        fills += pair_fills(opened_ms, opens=True, quantity=quantity, fee_usd=fee)
        fills += pair_fills(closed_ms, opens=False, quantity=quantity, fee_usd=fee)
    return records_of(fills, MONDAY_MS + WEEK_MS)


def records_of(fills: list[FillRecord], until_ms: int, **more: Any) -> Records:
    ordered = sorted(fills, key=lambda fill: fill.time_ms)
    return Records(
        fills=tuple(ordered),
        intervals=position_history(ordered, until_ms).intervals,
        hours=hourly_pnl(ordered),
        **more,
    )


def points_profile(name: str) -> PointsProfile:
    profile = load_profile(name)
    assert isinstance(profile, PointsProfile)
    return profile
