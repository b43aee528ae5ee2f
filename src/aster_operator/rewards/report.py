"""One epoch in figures: what was traded and held, what it cost, what a programme may give for it."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.money import ZERO
from aster_operator.rewards.epochs import Epoch
from aster_operator.rewards.features import Features, collect_features, split_by_epoch
from aster_operator.rewards.formula import Estimate, estimate
from aster_operator.rewards.profile import PointsProfile, Profile, StakingBoostProfile, TradeAndEarnProfile
from aster_operator.rewards.programmes import (
    BoostOutcome,
    EarnOutcome,
    staking_boost_outcome,
    trade_and_earn_outcome,
)
from aster_operator.rewards.records import Context, FillRecord, Records

__all__ = ["CostPerPoints", "EpochCost", "EpochReport", "cost_of", "cost_per", "report_epochs"]

_HUNDRED_THOUSAND = Decimal(100_000)


class EpochCost(msgspec.Struct, frozen=True, kw_only=True):
    """What an epoch cost, as the books have it. Positive is paid.

    `funding_usd` and `realized_pnl_usd` are results: positive is received. `realized_pnl_usd` holds the price
    effects (spread, slippage, prices that moved while a leg was missing) of what was closed; what is still
    open is not in it: `open_pnl_usd` is what that came to, more or less than at the start. `other_fees` were
    paid in assets without a known price and are in no sum.
    """

    fees_usd: Decimal = ZERO
    other_fees: dict[str, Decimal] = {}
    funding_usd: Decimal = ZERO
    realized_pnl_usd: Decimal = ZERO
    liquidation_fees_usd: Decimal = ZERO
    open_pnl_usd: Decimal = ZERO

    @property
    def total_with_open_usd(self) -> Decimal:
        """The cost if what is open had been closed at the prices it is valued at, without a fee."""
        return self.total_usd - self.open_pnl_usd

    @property
    def total_usd(self) -> Decimal:
        return self.fees_usd + self.liquidation_fees_usd - self.funding_usd - self.realized_pnl_usd


class CostPerPoints(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of some number of points in USD. `best` goes with the high estimate, `worst` with the low one;
    None: no points there, so that no price can be named (never a cost of nothing)."""

    best: Decimal | None
    base: Decimal | None
    worst: Decimal | None


class EpochReport(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one epoch. Volumes are USD of notional, `position_usd_hours` USD times hours, both legs.

    `points` is None for programmes that pay no points; `earn` and `boost` belong to those.
    `cost_per_100k_usd` None: nothing traded. `break_even_point_value_usd`: what a point must be worth for the
    epoch to have cost nothing. `hedged_share`: the part of the position-hours that offset each other on one
    symbol. `is_complete`: the records cover the epoch to its end. `is_covered`: it lies within the
    programme's dates; figures outside are "what if".
    """

    epoch: Epoch
    is_complete: bool
    is_covered: bool
    trades: int
    active_days: int
    volume_usd: Decimal
    maker_volume_usd: Decimal
    taker_volume_usd: Decimal
    position_usd_hours: Decimal
    hedged_usd_hours: Decimal
    hedged_share: Decimal
    cost: EpochCost
    cost_per_100k_usd: Decimal | None
    cost_per_100k_with_open_usd: Decimal | None
    features: Features
    points: Estimate | None = None
    cost_per_1k_points_usd: CostPerPoints | None = None
    break_even_point_value_usd: CostPerPoints | None = None
    earn: EarnOutcome | None = None
    boost: BoostOutcome | None = None

    @property
    def points_at_risk(self) -> Decimal | None:
        """Points of the high estimate that come with positions offsetting each other on one symbol: those
        that the venue says it adjusts or voids. None for programmes that pay no points."""
        return None if self.points is None else self.points.high * self.hedged_share


def report_epochs(
    records: Records,
    profile: Profile,
    context: Context,
    *,
    since_ms: int,
    until_ms: int,
    known_until_ms: int,
    open_pnl_at: Callable[[int], Decimal] = lambda _time_ms: ZERO,
) -> list[EpochReport]:
    """Figures of every epoch with something in it, from `since_ms` to before `until_ms`.

    `known_until_ms` is where the records end, `context` what only the owner knows, `open_pnl_at` the
    unrealised PnL (USD) at a moment.
    """
    parts = split_by_epoch(records, since_ms, until_ms, profile.week)
    complete_until_ms = min(until_ms, known_until_ms)
    return [
        _report(
            epoch,
            part,
            profile,
            context,
            is_complete=since_ms <= epoch.start_ms and epoch.end_ms <= complete_until_ms,
            open_pnl_usd=open_pnl_at(min(epoch.end_ms, until_ms))
            - open_pnl_at(max(epoch.start_ms, since_ms)),
        )
        for epoch, part in parts
    ]


def _report(
    epoch: Epoch,
    records: Records,
    profile: Profile,
    context: Context,
    *,
    is_complete: bool,
    open_pnl_usd: Decimal,
) -> EpochReport:
    features = _features(records, profile)
    cost = msgspec.structs.replace(cost_of(records), open_pnl_usd=open_pnl_usd)
    maker = sum((fill.notional for fill in records.fills if fill.is_maker), ZERO)
    volume = sum((fill.notional for fill in records.fills), ZERO)
    report = EpochReport(
        epoch=epoch,
        is_complete=is_complete,
        is_covered=profile.covers(epoch),
        trades=len(records.fills),
        active_days=_active_days(records.fills),
        volume_usd=volume,
        maker_volume_usd=maker,
        taker_volume_usd=volume - maker,
        position_usd_hours=features.position_usd_hours,
        hedged_usd_hours=features.hedged_usd_hours,
        hedged_share=features.hedged_share,
        cost=cost,
        cost_per_100k_usd=cost.total_usd * _HUNDRED_THOUSAND / volume if volume else None,
        cost_per_100k_with_open_usd=cost.total_with_open_usd * _HUNDRED_THOUSAND / volume if volume else None,
        features=features,
    )
    return _with_reward(report, profile, context)


def _features(records: Records, profile: Profile) -> Features:
    if isinstance(profile, PointsProfile):
        return collect_features(
            records,
            markets=profile.markets,
            boosts=profile.symbol_boosts,
            pnl_window_hours=profile.pnl_window_hours,
        )
    return collect_features(records)


def _with_reward(report: EpochReport, profile: Profile, context: Context) -> EpochReport:
    cost_usd = report.cost.total_usd
    match profile:
        case PointsProfile():
            points = estimate(report.features, profile, context)
            return msgspec.structs.replace(
                report,
                points=points,
                cost_per_1k_points_usd=cost_per(Decimal(1000), cost_usd, points),
                break_even_point_value_usd=cost_per(Decimal(1), cost_usd, points),
            )
        case TradeAndEarnProfile():
            earn = trade_and_earn_outcome(
                profile,
                volume_usd=report.volume_usd,
                active_days=report.active_days,
                cost_usd=cost_usd,
            )
            return msgspec.structs.replace(report, earn=earn)
        case StakingBoostProfile():
            return msgspec.structs.replace(report, boost=staking_boost_outcome(profile, report.volume_usd))


def cost_of(records: Records) -> EpochCost:
    """What the records of an epoch cost."""
    other: dict[str, Decimal] = {}
    for fill in records.fills:
        if fill.fee_usd is None:
            other[fill.commission_asset] = other.get(fill.commission_asset, ZERO) + fill.commission
    return EpochCost(
        fees_usd=sum((fill.fee_usd or ZERO for fill in records.fills), ZERO),
        other_fees=other,
        funding_usd=sum((payment.amount_usd for payment in records.funding), ZERO),
        realized_pnl_usd=sum((fill.realized_pnl for fill in records.fills), ZERO),
        liquidation_fees_usd=sum((event.fee_usd for event in records.liquidations), ZERO),
    )


def cost_per(number: Decimal, cost_usd: Decimal, points: Estimate) -> CostPerPoints:
    """USD for `number` points at each end of the estimate."""

    def price(of: Decimal | None) -> Decimal | None:
        return None if of is None or of <= 0 else cost_usd * number / of

    return CostPerPoints(best=price(points.high), base=price(points.base), worst=price(points.low))


def _active_days(fills: Sequence[FillRecord]) -> int:
    return len({fill.time_ms // DAY_MS for fill in fills})
