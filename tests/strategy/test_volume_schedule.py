"""The day's plan: which symbols make how many rounds, what can be reached, and which numbers would work."""

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from aster_operator.strategy.volume_schedule import Lane, PlanRequest, plan_day
from trading_values import NOW_MS


def lane(symbol: str = "BTCUSDT", leg_usd: int = 5_000, free_ms: int = NOW_MS) -> Lane:
    return Lane(symbol=symbol, leg_usd=Decimal(leg_usd), free_ms=free_ms)


def request(*lanes: Lane, **changes: Any) -> PlanRequest:
    """Midnight, rounds of 90 minutes with 3 of work between, nothing done yet, $20,000 to trade."""
    values: dict[str, Any] = {
        "now_ms": NOW_MS,
        "lanes": lanes or (lane(),),
        "planned_usd": Decimal(0),
        "target_usd": Decimal(20_000),
        "hold_ms": 90 * MINUTE_MS,
        "working_ms": 3 * MINUTE_MS,
        "week_end_ms": NOW_MS + 5 * DAY_MS,
    }
    return PlanRequest(**(values | changes))


@pytest.mark.parametrize(
    ("target", "planned", "rounds"),
    [
        (20_000, 0, [1, 0]),
        (20_001, 0, [2, 0]),
        (320_000, 0, [16, 0]),
        (320_001, 0, [16, 1]),
        (10, 10, [0, 0]),
    ],
)
def test_the_cheapest_symbol_makes_the_rounds_it_can(target: int, planned: int, rounds: list[int]) -> None:
    plan = plan_day(
        request(lane(), lane("ETHUSDT"), target_usd=Decimal(target), planned_usd=Decimal(planned))
    )
    assert list(plan.rounds.items()) == list(zip(("BTCUSDT", "ETHUSDT"), rounds, strict=True))
    assert plan.shortfall is None
    assert plan.reachable_usd == target


def test_a_round_starts_while_there_is_day_left_for_it() -> None:
    late = NOW_MS + DAY_MS - 2 * HOUR_MS
    asked = request(lane(free_ms=late), now_ms=late, target_usd=Decimal(10**6))
    assert plan_day(asked).rounds == {"BTCUSDT": 2}
    tomorrow = request(lane(free_ms=NOW_MS + DAY_MS), now_ms=late)
    assert plan_day(tomorrow).rounds == {"BTCUSDT": 0}


def test_the_latest_start_leaves_room_for_every_round() -> None:
    plan = plan_day(request(target_usd=Decimal(60_000)))
    assert plan.latest_ms["BTCUSDT"] == NOW_MS + DAY_MS - 3 * 93 * MINUTE_MS


def test_a_target_beyond_a_whole_day_names_the_numbers_that_work() -> None:
    asked = request(target_usd=Decimal(500_000))
    plan = plan_day(asked)
    assert plan.reachable_usd == 320_000
    assert plan.shortfall is not None
    target, hold, times = re.search(  # type: ignore[union-attr]
        r"DAILY_VOLUME_TARGET (\d+) or POSITION_HOLD_TIME_MIN (\d+) or legs ([\d.]+) times", plan.shortfall
    ).groups()
    assert plan_day(request(target_usd=Decimal(target))).shortfall is None
    assert plan_day(request(target_usd=Decimal(target) + 1)).shortfall is not None
    shorter = msgspec.structs.replace(asked, hold_ms=int(hold) * MINUTE_MS)
    assert plan_day(shorter).shortfall is None
    longer = msgspec.structs.replace(asked, hold_ms=(int(hold) + 1) * MINUTE_MS)
    assert plan_day(longer).shortfall is not None
    assert (
        plan_day(
            request(lane(leg_usd=int(5_000 * Decimal(times)) + 50), target_usd=asked.target_usd)
        ).shortfall
        is None
    )


def test_a_target_that_only_today_is_too_short_for_says_so() -> None:
    evening = NOW_MS + 20 * HOUR_MS
    plan = plan_day(request(lane(free_ms=evening), now_ms=evening, target_usd=Decimal(320_000)))
    assert plan.shortfall is not None
    assert "$60,000 of $320,000 can still be reached today" in plan.shortfall


@pytest.mark.parametrize(
    ("target", "held", "symbols", "short"),
    [
        (0, 0, set(), False),
        (1_000, 1_000, set(), False),
        (100_000, 0, {"BTCUSDT"}, False),
        (2_000_000, 0, {"BTCUSDT", "ETHUSDT"}, False),
        (10_000_000, 0, {"BTCUSDT", "ETHUSDT"}, True),
    ],
)
def test_a_weeks_hold_value_keeps_more_symbols_held(
    target: int, held: int, symbols: set[str], short: bool
) -> None:
    plan = plan_day(
        request(
            lane(),
            lane("ETHUSDT"),
            hold_target_usd_hours=Decimal(target),
            held_usd_hours=Decimal(held),
        )
    )
    assert plan.for_holding == symbols
    assert (plan.hold_shortfall is not None) is short
    if plan.hold_shortfall is not None:
        works = Decimal(re.search(r"WEEKLY_HOLD_TARGET_USD_HOURS (\d+)", plan.hold_shortfall)[1])  # type: ignore[index]
        again = plan_day(request(lane(), lane("ETHUSDT"), hold_target_usd_hours=works))
        assert again.hold_shortfall is None


@given(
    legs=st.lists(st.integers(0, 20_000), min_size=1, max_size=4),
    minute=st.integers(0, 1_439),
    target=st.integers(0, 2_000_000),
    planned=st.integers(0, 500_000),
    hold_min=st.integers(1, 600),
)
def test_a_plan_reaches_its_target_or_says_why_not(
    legs: list[int], minute: int, target: int, planned: int, hold_min: int
) -> None:
    now_ms = NOW_MS + minute * MINUTE_MS
    lanes = [lane(f"S{number}USDT", leg, now_ms) for number, leg in enumerate(legs)]
    plan = plan_day(
        request(
            *lanes,
            now_ms=now_ms,
            target_usd=Decimal(target),
            planned_usd=Decimal(planned),
            hold_ms=hold_min * MINUTE_MS,
        )
    )
    coming = sum(plan.rounds[each.symbol] * each.round_usd for each in lanes)
    if plan.shortfall is None:
        assert planned + coming >= target
    else:
        assert planned + coming == plan.reachable_usd < target
    for each in lanes:
        last_start = now_ms + (plan.rounds[each.symbol] - 1) * (hold_min + 3) * MINUTE_MS
        assert plan.rounds[each.symbol] == 0 or last_start < NOW_MS + DAY_MS
