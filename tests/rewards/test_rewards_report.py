"""Epochs in figures, the other programmes, and the words of the verdict."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from rewards_values import MONDAY_MS, make_fill, pair_fills, points_profile, records_of, resized_plan

from aster_operator.domain.clock import DAY_MS, HOUR_MS
from aster_operator.domain.enums import PositionSide, Side
from aster_operator.domain.money import ZERO
from aster_operator.rewards.epochs import WEEK_MS
from aster_operator.rewards.profile import Profile, StakingBoostProfile, TradeAndEarnProfile, load_profile
from aster_operator.rewards.programmes import staking_boost_outcome, trade_and_earn_outcome
from aster_operator.rewards.records import Context, FundingRecord, LiquidationRecord, Records
from aster_operator.rewards.report import EpochReport, report_epochs
from aster_operator.rewards.summary import epoch_notes, sum_up, verdict

D = Decimal
END_MS = MONDAY_MS + WEEK_MS
TODAY = date(2026, 11, 21)
TEAM = Context(team=D("1.05"))


def reports(
    records: Records, profile: Profile | str, context: Context = TEAM, **times: Any
) -> list[EpochReport]:
    loaded = load_profile(profile) if isinstance(profile, str) else profile
    given = {"since_ms": 0, "until_ms": MONDAY_MS + 52 * WEEK_MS, "known_until_ms": END_MS} | times
    return report_epochs(records, loaded, context, **given)


@pytest.fixture(scope="module")
def plan() -> Records:
    return resized_plan()


def test_the_week_of_example_one(plan: Records) -> None:
    (week,) = reports(plan, "dawn-crystal")
    assert (week.volume_usd, week.taker_volume_usd, week.maker_volume_usd) == (105_000, 105_000, 0)
    assert (week.trades, week.active_days) == (448, 7)
    assert (round(week.position_usd_hours, 1), week.hedged_share) == (D("78750.0"), 1)
    assert week.cost.total_usd == 42
    assert week.cost_per_100k_usd == 40
    assert week.points
    assert week.points.low == 0  # the venue may void what offsets itself
    # 4,200 for fees, a quarter of 39.4 for positions, half of it adjusted away
    assert round(week.points.base or ZERO) == round((4200 + D("39.375") / 4) * D("1.05") / 2)
    assert round(week.points.high) == round((42_000 + D("3281.25")) * D("1.05"))
    assert week.points_at_risk == week.points.high
    assert week.cost_per_1k_points_usd
    assert week.break_even_point_value_usd
    assert week.cost_per_1k_points_usd.worst is None
    assert week.cost_per_1k_points_usd.base == 42 * 1000 / (week.points.base or ZERO)
    assert week.break_even_point_value_usd.best == 42 / week.points.high


def test_no_programme_has_no_price_of_a_point(plan: Records) -> None:
    (week,) = reports(plan, "none")
    assert week.points
    assert (week.points.low, week.points.base, week.points.high) == (0, 0, 0)
    assert week.cost_per_1k_points_usd
    assert (week.cost_per_1k_points_usd.best, week.cost_per_1k_points_usd.worst) == (None, None)
    text = verdict([week], points_profile("none"), TODAY)
    assert "Trading $105,000 cost $42.00 ($40.00 per $100k)." in text
    assert "No programme that pays points for trading is known to run" in text
    assert "n/a" in text


def test_cost_is_everything_the_books_have() -> None:
    fills = [make_fill(realized_pnl=D("-3"), fee_usd=D("0.5"), commission=D("0.5"))]
    records = records_of(
        fills, END_MS,
        funding=tuple(FundingRecord("BTCUSDT", MONDAY_MS, D(amount)) for amount in ("-0.2", "0.7")),
        liquidations=(LiquidationRecord("BTCUSDT", MONDAY_MS, D(2)),),
    )  # fmt: skip
    (week,) = reports(records, "none")
    assert week.cost.total_usd == D("0.5") + D(3) - D("0.5") + D(2)
    assert week.cost_per_100k_usd == week.cost.total_usd * 1000


def test_the_result_of_what_is_open_stands_beside_the_cost() -> None:
    two = [
        *pair_fills(MONDAY_MS, opens=True, quantity=D(1), fee_usd=D("0.5")),
        *pair_fills(MONDAY_MS + WEEK_MS + HOUR_MS, opens=False, quantity=D(1), fee_usd=D(0)),
    ]
    worth = {MONDAY_MS: D(0), MONDAY_MS + WEEK_MS: D(-3), MONDAY_MS + 2 * WEEK_MS: D(0)}
    found = reports(
        records_of(two, MONDAY_MS + 2 * WEEK_MS),
        "none",
        known_until_ms=MONDAY_MS + 2 * WEEK_MS,
        open_pnl_at=worth.__getitem__,
    )
    assert [week.cost.open_pnl_usd for week in found] == [-3, 3]
    assert [week.cost.total_with_open_usd - week.cost.total_usd for week in found] == [3, -3]
    assert found[0].cost_per_100k_with_open_usd == 4 * 100_000 / found[0].volume_usd
    totals = sum_up(found)
    assert (totals.open_pnl_usd, totals.cost_with_open_usd) == (0, totals.cost_usd)


def test_what_earned_is_a_negative_cost() -> None:
    records = records_of([make_fill(realized_pnl=D(9), fee_usd=ZERO, commission=ZERO)], END_MS)
    found = reports(records, "dawn-crystal", Context())
    text = verdict(found, points_profile("dawn-crystal"), TODAY)
    assert "cost nothing: it earned $9.00" in text
    assert "come free" in text


def test_funding_alone_makes_an_epoch_without_volume() -> None:
    records = Records(funding=(FundingRecord("BTCUSDT", MONDAY_MS, D("-1")),))
    (week,) = reports(records, "none")
    assert (week.trades, week.cost_per_100k_usd, week.cost.total_usd) == (0, None, 1)


@pytest.mark.parametrize(
    ("times", "complete"),
    [
        ({}, True),
        ({"since_ms": MONDAY_MS}, True),
        ({"since_ms": MONDAY_MS + 1}, False),
        ({"until_ms": END_MS - 1}, False),
        ({"known_until_ms": END_MS - 1}, False),
    ],
)
def test_an_epoch_is_complete_when_the_records_cover_it(
    times: dict[str, int], complete: bool, plan: Records
) -> None:
    (week,) = reports(plan, "none", **times)
    assert week.is_complete is complete
    assert bool(epoch_notes([week])) is not complete


def test_epochs_outside_the_dates_are_what_if(plan: Records) -> None:
    (week,) = reports(plan, "dawn-crystal")
    assert not week.is_covered
    text = verdict([week], points_profile("dawn-crystal"), TODAY)
    assert "1 of 1 epochs lie outside the programme's dates (2025-10-06 to 2026-02-01)" in text
    assert "ended on 2026-02-01" in text
    (covered,) = reports(plan, "convergence")
    assert covered.is_covered


def test_the_verdict_names_the_value_a_point_must_have(plan: Records) -> None:
    found = reports(plan, "dawn-crystal")
    text = verdict(found, points_profile("dawn-crystal"), TODAY, D("0.02"))
    assert "1,000 points cost $19.00 (from $0.88 to n/a)" in text
    assert "a point must be worth $0.01900 (from $0.00088 to n/a)" in text
    assert "At $0.02000 a point they are worth $44.20 (from $0.00 to $950.91) against $42.00 of cost." in text


def test_a_ranked_stage_has_no_base_price(plan: Records) -> None:
    found = reports(plan, "genesis", Context())
    assert found[0].points
    assert found[0].points.base is None
    assert "Only bounds are known: 1,000 points cost from $0.10 to n/a" in verdict(
        found, points_profile("genesis"), TODAY
    )
    assert any("Not in the points: asset" in note for note in epoch_notes(found))


def test_epochs_add_up() -> None:
    two = [
        *pair_fills(MONDAY_MS, opens=True, quantity=D(1), fee_usd=D("0.04")),
        *pair_fills(MONDAY_MS + WEEK_MS + HOUR_MS, opens=False, quantity=D(1), fee_usd=D("0.04")),
    ]
    found = reports(
        records_of(two, MONDAY_MS + 2 * WEEK_MS), "dawn-crystal", known_until_ms=MONDAY_MS + 2 * WEEK_MS
    )
    totals = sum_up(found)
    assert (totals.epochs, totals.volume_usd, totals.cost_usd) == (2, 400, D("0.16"))
    assert totals.position_usd_hours == 200 * 169
    assert totals.hedged_share == 1
    assert totals.cost_per_100k_usd == 40
    assert totals.points
    assert totals.points.base == sum((week.points.base or ZERO for week in found if week.points), ZERO)
    assert totals.cost_per_1k_points_usd
    assert totals.cost_per_1k_points_usd.base == D("0.16") * 1000 / (totals.points.base or ZERO)


def test_nothing_adds_up_to_nothing() -> None:
    totals = sum_up([])
    assert (totals.volume_usd, totals.cost_per_100k_usd, totals.points) == (0, None, None)


# --- programmes without points --------------------------------------------------------------------------


def earn_profile() -> TradeAndEarnProfile:
    profile = load_profile("trade-and-earn")
    assert isinstance(profile, TradeAndEarnProfile)
    return profile


@pytest.mark.parametrize(
    ("volume", "days", "cost", "expected"),
    [
        # 50,000 a week: 20 USD as taker, 2.50 as maker, against 5.6 % a year
        (50_000, 2, "20", {"qualified": True, "break_even": 18_571}),
        (50_000, 2, "2.5", {"qualified": True, "break_even": 2_321}),
        (49_999, 2, "20", {"qualified": False, "missing": 1, "days": 0}),
        (80_000, 1, "20", {"qualified": False, "missing": 0, "days": 1}),
        (0, 0, "0", {"qualified": False, "missing": 50_000, "days": 2}),
        (900_000, 7, "360", {"qualified": True, "break_even": None}),
        (50_000, 2, "-4", {"qualified": True, "break_even": 0}),
    ],
)
def test_trade_and_earn_by_volume_and_days(
    volume: int, days: int, cost: str, expected: dict[str, Any]
) -> None:
    outcome = trade_and_earn_outcome(
        earn_profile(), volume_usd=D(volume), active_days=days, cost_usd=D(cost), collateral_usd=None
    )
    assert outcome.qualified is expected["qualified"]
    assert outcome.missing_volume_usd == expected.get("missing", 0)
    assert outcome.missing_days == expected.get("days", 0)
    wanted = expected.get("break_even")
    found = outcome.break_even_collateral_usd
    assert (None if found is None else round(found)) == wanted
    assert outcome.reward_usd is None


@pytest.mark.parametrize(
    ("collateral", "days", "reward"), [("16667", 2, "30.77"), ("250000", 2, "184.62"), ("16667", 1, "0")]
)
def test_trade_and_earn_of_example_three(collateral: str, days: int, reward: str) -> None:
    outcome = trade_and_earn_outcome(
        earn_profile(), volume_usd=D(200_000), active_days=days, cost_usd=D(-90), collateral_usd=D(collateral)
    )
    assert round(outcome.reward_usd or ZERO, 2) == D(reward)


def test_trade_and_earn_weeks_begin_on_thursday() -> None:
    days = [MONDAY_MS + number * DAY_MS for number in range(7)]
    fills = [make_fill(quantity=D(200), time_ms=time_ms) for time_ms in days]
    found = reports(records_of(fills, END_MS), "trade-and-earn")
    assert [week.epoch.first_day.strftime("%A") for week in found] == ["Thursday", "Thursday"]
    assert [(week.active_days, week.earn and week.earn.qualified) for week in found] == [(3, True), (4, True)]
    text = verdict(found, earn_profile(), TODAY)
    assert "2 of 2 weeks reached volume and trading days." in text
    assert "last looked up on 2026-11-21" in text


@pytest.mark.parametrize(
    ("volume", "multiplier", "missing"),
    [
        ("0", "1", "500000"),
        ("500000", "1", "0"),
        ("500000.01", "1.05", "49499999.99"),
        ("50000001", "1.15", "149999999"),
        ("200000001", "1.25", None),
    ],
)
def test_the_staking_boost_by_volume(volume: str, multiplier: str, missing: str | None) -> None:
    profile = load_profile("staking-boost")
    assert isinstance(profile, StakingBoostProfile)
    outcome = staking_boost_outcome(profile, D(volume))
    assert (outcome.multiplier, outcome.next_volume_usd) == (
        D(multiplier),
        None if missing is None else D(missing),
    )


def test_the_staking_boost_in_words() -> None:
    records = records_of(
        [make_fill(quantity=D(6000), side=Side.BUY, position_side=PositionSide.LONG)], END_MS
    )
    found = reports(records, "staking-boost")
    assert found[0].points is None
    assert found[0].points_at_risk is None
    assert "multiplier of staking power reached was 1.05" in verdict(
        found, load_profile("staking-boost"), TODAY
    )
