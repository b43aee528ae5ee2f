"""Worked example 2: the same volume executed differently, ranked by dollar and by point."""

from decimal import Decimal

import msgspec
import pytest
from rewards_values import points_profile

from aster_operator.domain.money import ZERO
from aster_operator.rewards.objective import ExecutionMix, Objective, TradingPlan, evaluate, rank
from aster_operator.rewards.records import Context
from aster_operator.rewards.weights import Scenario, Weights

D = Decimal
TEAM = Context(team=D("1.05"))
PLAN = TradingPlan(volume_usd=D(105_000), position_usd_hours=D(78_750))


def mix(name: str, maker_share: str, taker_fee: str = "0.0004") -> ExecutionMix:
    return ExecutionMix(
        name=name, maker_share=D(maker_share), maker_fee=ZERO, taker_fee=D(taker_fee),
        half_spread_bps=D("0.006"), adverse_selection_bps=D("0.5"),
    )  # fmt: skip


TAKER, MAKER_FIRST, MAKER = mix("taker", "0"), mix("maker-first", "0.85"), mix("maker", "1")
USD1 = mix("taker on USD1", "0", "0.00005")
MIXES = [TAKER, MAKER_FIRST, MAKER, USD1]


def guessed(**changes: Decimal) -> Weights:
    """The third party's weights, gross positions counted and nothing adjusted."""
    base = points_profile("dawn-crystal").weights.at(Scenario.BASE)
    return msgspec.structs.replace(base, hedge_discount=ZERO, **changes)


@pytest.mark.parametrize(
    ("execution", "points", "cost", "per_100k", "per_1k_points", "per_1k_at_high_position_weight"),
    [
        (TAKER, 4451, "42.06", "40.06", "9.45", "5.35"),
        (MAKER_FIRST, 797, "10.77", "10.26", "13.52", "2.56"),
        (MAKER, 152, "5.25", "5.00", "34.63", "1.48"),
        (USD1, 593, "5.31", "5.06", "8.97", "1.33"),
    ],
    ids=lambda value: value.name if isinstance(value, ExecutionMix) else "",
)
def test_the_figures_of_the_example(
    execution: ExecutionMix, points: int, cost: str, per_100k: str, per_1k_points: str,
    per_1k_at_high_position_weight: str,
) -> None:  # fmt: skip
    figures = evaluate(execution, PLAN, guessed(), TEAM)
    assert round(figures.points) == points
    assert round(figures.cost_usd, 2) == D(cost)
    assert round(figures.cost_per_100k_usd or ZERO, 2) == D(per_100k)
    assert abs((figures.cost_per_1k_points_usd or ZERO) - D(per_1k_points)) <= D("0.01")
    high = points_profile("dawn-crystal").weights.position_per_1k_usd_hour.high or ZERO
    heavy = evaluate(execution, PLAN, guessed(position_per_1k_usd_hour=high), TEAM)
    assert round(heavy.cost_per_1k_points_usd or ZERO, 2) == D(per_1k_at_high_position_weight)


def test_an_unknown_weight_flips_the_ranking() -> None:
    def order(weights: Weights) -> list[str]:
        found = rank(Objective.COST_PER_POINT, [TAKER, MAKER_FIRST, MAKER], PLAN, weights, TEAM)
        assert found.followed is Objective.COST_PER_POINT
        return [of.mix.name for of in found.figures]

    assert order(guessed()) == ["taker", "maker-first", "maker"]
    assert order(guessed(position_per_1k_usd_hour=D(1000) / 24)) == ["maker", "maker-first", "taker"]


def test_but_only_if_offset_legs_count() -> None:
    hedged = msgspec.structs.replace(PLAN, hedged_share=D(1))
    weights = msgspec.structs.replace(guessed(position_per_1k_usd_hour=D(1000) / 24), hedge_discount=D(1))
    assert rank(Objective.COST_PER_POINT, MIXES[:2], hedged, weights, TEAM).best.mix is TAKER


def test_maker_first_needs_five_points_for_a_thousand_resting_dollars() -> None:
    for weight, best in (("4.9", TAKER), ("5.1", MAKER_FIRST)):
        weights = guessed(maker_liquidity_per_1k_usd=D(weight), position_per_1k_usd_hour=ZERO)
        assert rank(Objective.COST_PER_POINT, [TAKER, MAKER_FIRST], PLAN, weights, TEAM).best.mix is best


def test_by_dollar_the_weights_do_not_matter() -> None:
    for weights in (guessed(), Weights()):
        found = rank(Objective.COST_PER_DOLLAR, MIXES, PLAN, weights, TEAM)
        assert [of.mix for of in found.figures] == [MAKER, USD1, MAKER_FIRST, TAKER]


def test_without_a_programme_the_dollar_decides_and_says_so() -> None:
    weights = points_profile("none").weights.at(Scenario.BASE)
    found = rank(Objective.COST_PER_POINT, MIXES, PLAN, weights, Context())
    assert found.followed is Objective.COST_PER_DOLLAR
    assert found.reason.startswith("no execution earns a point")
    assert found.best.mix is MAKER
    assert found.best.cost_per_1k_points_usd is None
    assert found.best.points == 0


def test_what_costs_nothing_comes_before_any_price() -> None:
    earning = TradingPlan(volume_usd=D(200_000), position_usd_hours=D(8_400_000), funding_usd=D(105))
    found = rank(Objective.COST_PER_POINT, [TAKER, MAKER_FIRST, MAKER], earning, guessed(), TEAM)
    assert [of.mix for of in found.figures] == [MAKER, MAKER_FIRST, TAKER]
    assert found.best.cost_usd == -95


def test_an_adjustment_to_nothing_leaves_no_price() -> None:
    hedged = msgspec.structs.replace(PLAN, hedged_share=D(1))
    weights = points_profile("convergence").weights.at(Scenario.BASE)
    assert evaluate(TAKER, hedged, weights, TEAM).cost_per_1k_points_usd is None


def test_a_rebate_lowers_the_cost_and_scores_nothing() -> None:
    rebate = msgspec.structs.replace(MAKER, maker_fee=D("-0.00005"))
    figures = evaluate(rebate, TradingPlan(volume_usd=D(100_000)), Weights(fee_per_usd=D(100)), Context())
    assert (figures.fees_usd, figures.cost_usd, figures.points) == (-5, 0, 0)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="maker_share must be between 0 and 1"):
        mix("half", "1.5")
    with pytest.raises(ValueError, match="at least one execution"):
        rank(Objective.COST_PER_DOLLAR, [], PLAN, Weights(), TEAM)
    with pytest.raises(ValueError, match="a volume above 0"):
        rank(Objective.COST_PER_DOLLAR, MIXES, TradingPlan(volume_usd=ZERO), Weights(), TEAM)
