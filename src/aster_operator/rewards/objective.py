"""What an execution costs, for each dollar traded or for each point: the objective a planner follows.

The two rank executions differently wherever fees themselves earn points (points and costs, section 5.6).
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.money import BPS, ZERO
from aster_operator.rewards.features import Features
from aster_operator.rewards.formula import adjustment_of, components_of, total_points
from aster_operator.rewards.records import Context
from aster_operator.rewards.weights import Scenario, Weights

__all__ = ["ExecutionMix", "MixFigures", "Objective", "Ranking", "TradingPlan", "evaluate", "rank"]


class Objective(StrEnum):
    """What is to be least: cost for each dollar of volume, or for each point."""

    COST_PER_DOLLAR = "cost-per-dollar"
    COST_PER_POINT = "cost-per-point"


class ExecutionMix(msgspec.Struct, frozen=True, kw_only=True):
    """How volume is executed. `maker_share`, 0 to 1, of the notional rests, the rest crosses.

    Rates are fractions of notional (0.0004 = 4 bps; negative is a rebate). Crossing pays `half_spread_bps`,
    resting loses `adverse_selection_bps` on average to prices that move against it.
    """

    name: str
    maker_share: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    half_spread_bps: Decimal
    adverse_selection_bps: Decimal

    def __post_init__(self) -> None:
        if not 0 <= self.maker_share <= 1:
            raise ValueError(f"maker_share must be between 0 and 1, was {self.maker_share}")


class TradingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be traded and held in an epoch. `hedged_share`: the part of the position-hours that legs of
    one symbol offset. `funding_usd` is expected to be received (negative: paid)."""

    volume_usd: Decimal
    position_usd_hours: Decimal = ZERO
    hedged_share: Decimal = ZERO
    funding_usd: Decimal = ZERO


class MixFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of a plan. `cost_per_1k_points_usd` None: no points, hence no price of one;
    `cost_per_100k_usd` None: nothing to trade. `unknown` names components without a known weight."""

    mix: ExecutionMix
    fees_usd: Decimal
    cost_usd: Decimal
    points: Decimal
    cost_per_100k_usd: Decimal | None
    cost_per_1k_points_usd: Decimal | None
    unknown: tuple[str, ...] = ()


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """Executions, the best first, and by which objective: where no execution earns a point, cost per point
    has no meaning and cost per dollar decides; `reason` says so."""

    followed: Objective
    reason: str
    figures: tuple[MixFigures, ...]

    @property
    def best(self) -> MixFigures:
        return self.figures[0]


def evaluate(
    mix: ExecutionMix,
    plan: TradingPlan,
    weights: Weights,
    context: Context,
    scenario: Scenario = Scenario.BASE,
) -> MixFigures:
    """Cost and points of executing `plan` with `mix`. `scenario`: the one `weights` were taken from."""
    maker = plan.volume_usd * mix.maker_share
    taker = plan.volume_usd - maker
    fees = maker * mix.maker_fee + taker * mix.taker_fee
    lost = (taker * mix.half_spread_bps + maker * mix.adverse_selection_bps) * BPS
    cost = fees + lost - plan.funding_usd
    features = Features(
        volume_usd=plan.volume_usd,
        boosted_fees_usd=maker * max(mix.maker_fee, ZERO) + taker * max(mix.taker_fee, ZERO),
        boosted_maker_usd=maker,
        boosted_taker_usd=taker,
        position_usd_hours=plan.position_usd_hours,
        hedged_usd_hours=plan.position_usd_hours * plan.hedged_share,
        asset_usd_hours=ZERO,
    )
    components = components_of(features, weights)
    points = total_points(components, context, adjustment_of(features, weights.hedge_adjustment, scenario))
    return MixFigures(
        mix=mix,
        fees_usd=fees,
        cost_usd=cost,
        points=points,
        cost_per_100k_usd=cost * 100_000 / plan.volume_usd if plan.volume_usd else None,
        cost_per_1k_points_usd=cost * 1000 / points if points > 0 else None,
        unknown=components.unknown,
    )


def rank(
    objective: Objective,
    mixes: Sequence[ExecutionMix],
    plan: TradingPlan,
    weights: Weights,
    context: Context,
    scenario: Scenario = Scenario.BASE,
) -> Ranking:
    """Executions of `plan` from the best to the worst; equals stay in the order given. By points, those that
    cost nothing come first, the one that earns most before all: a price of a point says nothing about them.

    Raises ValueError when there are none, or nothing to trade.
    """
    if not mixes or plan.volume_usd <= 0:
        raise ValueError("a ranking needs at least one execution and a volume above 0")
    figures = [evaluate(mix, plan, weights, context, scenario) for mix in mixes]
    by_point = [of for of in figures if of.cost_per_1k_points_usd is not None]
    if objective is Objective.COST_PER_POINT and by_point:
        without = [of for of in figures if of.cost_per_1k_points_usd is None]
        ordered = sorted(by_point, key=_price_of_points) + without
        return Ranking(followed=objective, reason="least cost for each point", figures=tuple(ordered))
    reason = "least cost for each dollar traded"
    if objective is Objective.COST_PER_POINT:
        reason = "no execution earns a point under this profile, so the cost of each dollar decides"
    ordered = sorted(figures, key=lambda of: of.cost_usd)
    return Ranking(followed=Objective.COST_PER_DOLLAR, reason=reason, figures=tuple(ordered))


def _price_of_points(figures: MixFigures) -> tuple[bool, Decimal]:
    if figures.cost_usd <= 0 or figures.cost_per_1k_points_usd is None:
        return False, figures.cost_usd
    return True, figures.cost_per_1k_points_usd
