"""The points formula: sums of an epoch times weights, and the range that uncertain weights make of it.

    Points = A * (Team * (Trade + Position + Asset + PnL + Liquidation) + Referral)

(Points and costs, section 5.2. The structure is that of the venue's own worked example; its weights were
never published.)
"""

from decimal import Decimal

import msgspec

from aster_operator.domain.money import ZERO
from aster_operator.rewards.features import Features
from aster_operator.rewards.profile import PointsProfile
from aster_operator.rewards.records import Context
from aster_operator.rewards.weights import Scenario, Weights

__all__ = [
    "Components",
    "Estimate",
    "adjustment_of",
    "components_of",
    "counted_usd_hours",
    "estimate",
    "total_points",
]

_THOUSAND = Decimal(1000)
_ONE = Decimal(1)


class Components(msgspec.Struct, frozen=True, kw_only=True):
    """Points by where they come from, before team, referral and adjustment. `unknown` names those whose
    weight or input nobody knows; they are 0 here, and a total without them is too low."""

    trade: Decimal = ZERO
    position: Decimal = ZERO
    asset: Decimal = ZERO
    pnl: Decimal = ZERO
    liquidation: Decimal = ZERO
    unknown: tuple[str, ...] = ()

    @property
    def base(self) -> Decimal:
        return self.trade + self.position + self.asset + self.pnl + self.liquidation


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Points of an epoch. `base` None: the programme scores by rank, so that only bounds are known.

    `left_out` names the components that are not in the figures, because nobody knows their weight.
    """

    low: Decimal
    base: Decimal | None
    high: Decimal
    left_out: tuple[str, ...] = ()


def components_of(features: Features, weights: Weights) -> Components:
    """Weigh the sums of an epoch. A component with a weight that is not known counts 0 and is named."""
    terms: dict[str, list[tuple[Decimal | None, Decimal | None]]] = {
        "trade": [
            (weights.fee_per_usd, features.boosted_fees_usd),
            (weights.maker_liquidity_per_1k_usd, features.boosted_maker_usd / _THOUSAND),
            (weights.maker_volume_per_usd, features.boosted_maker_usd),
            (weights.taker_volume_per_usd, features.boosted_taker_usd),
        ],
        "position": [(weights.position_per_1k_usd_hour, counted_usd_hours(features, weights) / _THOUSAND)],
        "asset": [(weights.asset_per_1k_usd_hour, _per_thousand(features.asset_usd_hours))],
        "pnl": [(weights.win_per_usd, features.won_usd), (weights.loss_per_usd, features.lost_usd)],
        "liquidation": [(weights.liquidation_fee_per_usd, features.liquidation_fees_usd)],
    }
    sums = {name: sum((_product(*term) or ZERO for term in of), ZERO) for name, of in terms.items()}
    unknown = tuple(name for name, of in terms.items() if any(_product(*term) is None for term in of))
    caps = {"position": weights.position_cap_per_usd, "asset": weights.asset_cap_per_usd}
    for name, cap in caps.items():
        if cap is not None:
            sums[name] = min(sums[name], cap * features.volume_usd)
    return Components(**sums, unknown=unknown)


def counted_usd_hours(features: Features, weights: Weights) -> Decimal:
    """Position-hours after the discount on the part that offsets itself."""
    return features.position_usd_hours - weights.hedge_discount * features.hedged_usd_hours


def _per_thousand(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount / _THOUSAND


def _product(weight: Decimal | None, amount: Decimal | None) -> Decimal | None:
    """Points of one term; None when they are not known. Nothing times the unknown is nothing."""
    if weight == 0 or amount == 0:
        return ZERO
    return None if weight is None or amount is None else weight * amount


def total_points(components: Components, context: Context, adjustment: Decimal = _ONE) -> Decimal:
    """The team multiplies, referral points are added, the venue's adjustment applies to all of it."""
    return adjustment * (context.team * components.base + context.referral_points)


def adjustment_of(features: Features, hedge_adjustment: Decimal, scenario: Scenario) -> Decimal:
    """The venue's adjustment of an epoch (A): `hedge_adjustment` where everything held offset itself, 1 where
    nothing did, in proportion between. In the low scenario any offset puts the whole epoch under it, because
    the venue speaks of accounts, not of shares. The proportion is our own assumption."""
    share = features.hedged_share
    if scenario is Scenario.LOW and share > 0:
        share = _ONE
    return _ONE - share * (_ONE - hedge_adjustment)


def estimate(features: Features, profile: PointsProfile, context: Context) -> Estimate:
    """The range of points that `profile` gives for an epoch."""
    of: dict[Scenario, Decimal] = {}
    left_out: set[str] = set()
    for scenario in Scenario:
        weights = profile.weights.at(scenario)
        components = components_of(features, weights)
        if profile.ranked:
            components = _by_rank(components, features, profile, weights, scenario)
        adjustment = adjustment_of(features, weights.hedge_adjustment, scenario)
        of[scenario] = total_points(components, context, adjustment)
        left_out.update(components.unknown)
    return Estimate(
        low=of[Scenario.LOW],
        base=None if profile.ranked else of[Scenario.BASE],
        high=of[Scenario.HIGH],
        left_out=tuple(name for name in Components.__struct_fields__ if name in left_out),
    )


def _by_rank(
    components: Components,
    features: Features,
    profile: PointsProfile,
    weights: Weights,
    scenario: Scenario,
) -> Components:
    """Ranked components at their bounds: nothing at the low end, their cap at the high end. Without a cap
    there is no upper bound, and the component stays out."""
    held = counted_usd_hours(features, weights)
    share = held / features.position_usd_hours if features.position_usd_hours else ZERO
    bounds = {
        "position": _bound(weights.position_cap_per_usd, features.volume_usd, share),
        "asset": _bound(
            weights.asset_cap_per_usd, features.volume_usd, _ONE if features.asset_usd_hours else ZERO
        ),
        "pnl": ZERO if features.won_usd == features.lost_usd == 0 else None,
    }
    if features.asset_usd_hours is None:
        bounds["asset"] = None
    values = {name: bounds[name] for name in profile.ranked}
    unknown = (set(components.unknown) - set(values)) | {name for name in values if values[name] is None}
    points = {name: (value or ZERO) if scenario is Scenario.HIGH else ZERO for name, value in values.items()}
    return msgspec.structs.replace(components, **points, unknown=tuple(sorted(unknown)))


def _bound(cap_per_usd: Decimal | None, volume_usd: Decimal, share: Decimal) -> Decimal | None:
    if share == 0:
        return ZERO
    return None if cap_per_usd is None else cap_per_usd * volume_usd * share
