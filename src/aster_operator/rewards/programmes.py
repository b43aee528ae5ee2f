"""Programmes that pay no points: a yield for trading enough, a factor on staking power."""

from decimal import Decimal

import msgspec

from aster_operator.domain.money import ZERO
from aster_operator.rewards.profile import StakingBoostProfile, TradeAndEarnProfile
from aster_operator.rewards.weights import Scenario, Weight

__all__ = ["BoostOutcome", "EarnOutcome", "staking_boost_outcome", "trade_and_earn_outcome"]

_WEEKS_PER_YEAR = 52


class EarnOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A week of Trade & Earn. `missing_volume_usd` and `missing_days` are 0 when it qualified.

    `break_even_collateral_usd`: how much counted collateral makes the bonus of one week pay for the week's
    cost, None where no amount does: a week that did not qualify, or more than the programme counts.
    `reward_usd` is for the collateral given, None when none was.
    """

    qualified: bool
    missing_volume_usd: Decimal
    missing_days: int
    break_even_collateral_usd: Decimal | None
    reward_usd: Decimal | None


class BoostOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """A week of the staking boost: the multiplier reached, what is missing to the next (None: the top)."""

    multiplier: Decimal
    next_volume_usd: Decimal | None


def trade_and_earn_outcome(
    profile: TradeAndEarnProfile,
    *,
    volume_usd: Decimal,
    active_days: int,
    cost_usd: Decimal,
    collateral_usd: Decimal | None = None,
) -> EarnOutcome:
    """Judge one week by the profile's base values; rates are per year of 52 weeks."""
    missing_volume = max(_base(profile.min_volume_usd) - volume_usd, ZERO)
    missing_days = max(int(_base(profile.min_active_days)) - active_days, 0)
    qualified = missing_volume == 0 and missing_days == 0
    most = _base(profile.max_collateral_usd)
    bonus_rate = _weekly(profile.bonus_rate_pct)
    break_even = None
    if qualified and bonus_rate > 0:
        needed = max(cost_usd, ZERO) / bonus_rate
        break_even = needed if needed <= most else None
    reward = None
    if collateral_usd is not None:
        rate = bonus_rate + _weekly(profile.holding_rate_pct)
        reward = min(collateral_usd, most) * rate if qualified else ZERO
    return EarnOutcome(
        qualified=qualified,
        missing_volume_usd=missing_volume,
        missing_days=missing_days,
        break_even_collateral_usd=break_even,
        reward_usd=reward,
    )


def _base(weight: Weight) -> Decimal:
    value = weight.at(Scenario.BASE)
    if value is None:
        raise ValueError("the number is not known")
    return value


def _weekly(rate_pct: Weight) -> Decimal:
    """A yearly rate in percent as the fraction of one week."""
    return _base(rate_pct) / 100 / _WEEKS_PER_YEAR


def staking_boost_outcome(profile: StakingBoostProfile, volume_usd: Decimal) -> BoostOutcome:
    """The highest tier whose volume was exceeded; 1 below the first."""
    reached = [tier for tier in profile.tiers if volume_usd > tier.volume_above_usd]
    ahead = [tier for tier in profile.tiers if volume_usd <= tier.volume_above_usd]
    return BoostOutcome(
        multiplier=_base(reached[-1].multiplier) if reached else Decimal(1),
        next_volume_usd=ahead[0].volume_above_usd - volume_usd if ahead else None,
    )
