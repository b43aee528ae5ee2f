"""All epochs together, and what they come to in words."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import msgspec

from aster_operator.domain.money import ZERO, usd_text
from aster_operator.rewards.formula import Estimate
from aster_operator.rewards.profile import NO_PROGRAMME, Liveness, PointsProfile, Profile, StakingBoostProfile
from aster_operator.rewards.report import CostPerPoints, EpochReport, cost_per

__all__ = ["Totals", "epoch_notes", "sum_up", "verdict"]


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over epochs; None where `EpochReport` would say None."""

    epochs: int
    volume_usd: Decimal
    position_usd_hours: Decimal
    hedged_usd_hours: Decimal
    cost_usd: Decimal
    cost_per_100k_usd: Decimal | None
    open_pnl_usd: Decimal
    cost_with_open_usd: Decimal
    cost_per_100k_with_open_usd: Decimal | None
    points: Estimate | None
    cost_per_1k_points_usd: CostPerPoints | None
    break_even_point_value_usd: CostPerPoints | None

    @property
    def hedged_share(self) -> Decimal:
        return self.hedged_usd_hours / self.position_usd_hours if self.position_usd_hours else ZERO


def sum_up(reports: Sequence[EpochReport]) -> Totals:
    """The epochs of one profile added up."""
    volume = sum((report.volume_usd for report in reports), ZERO)
    cost = sum((report.cost.total_usd for report in reports), ZERO)
    open_pnl = sum((report.cost.open_pnl_usd for report in reports), ZERO)
    points = _sum_of_points([report.points for report in reports if report.points is not None])
    return Totals(
        epochs=len(reports),
        volume_usd=volume,
        position_usd_hours=sum((report.position_usd_hours for report in reports), ZERO),
        hedged_usd_hours=sum((report.hedged_usd_hours for report in reports), ZERO),
        cost_usd=cost,
        cost_per_100k_usd=cost * 100_000 / volume if volume else None,
        open_pnl_usd=open_pnl,
        cost_with_open_usd=cost - open_pnl,
        cost_per_100k_with_open_usd=(cost - open_pnl) * 100_000 / volume if volume else None,
        points=points,
        cost_per_1k_points_usd=None if points is None else cost_per(Decimal(1000), cost, points),
        break_even_point_value_usd=None if points is None else cost_per(Decimal(1), cost, points),
    )


def _sum_of_points(estimates: Sequence[Estimate]) -> Estimate | None:
    if not estimates:
        return None
    bases = [estimate.base for estimate in estimates if estimate.base is not None]
    return Estimate(
        low=sum((estimate.low for estimate in estimates), ZERO),
        base=sum(bases, ZERO) if len(bases) == len(estimates) else None,
        high=sum((estimate.high for estimate in estimates), ZERO),
        left_out=tuple(dict.fromkeys(name for estimate in estimates for name in estimate.left_out)),
    )


def verdict(
    reports: Sequence[EpochReport], profile: Profile, today: date, point_value_usd: Decimal | None = None
) -> str:
    """What the epochs come to, in a few sentences. `point_value_usd`: what a point is worth to its owner,
    the profile's own value when None."""
    totals = sum_up(reports)
    sentences = [_cost_sentence(totals)]
    match profile:
        case PointsProfile():
            value = profile.point_value_usd if point_value_usd is None else point_value_usd
            sentences += _points_sentences(totals, profile, value)
        case StakingBoostProfile():
            best = max((report.boost.multiplier for report in reports if report.boost), default=Decimal(1))
            sentences.append(f"The highest multiplier of staking power reached was {best}.")
        case _:
            weeks = sum(1 for report in reports if report.earn and report.earn.qualified)
            sentences.append(f"{weeks} of {totals.epochs} weeks reached volume and trading days.")
    return " ".join([*sentences, *_date_sentences(reports, profile, today)])


def _cost_sentence(totals: Totals) -> str:
    if totals.cost_usd <= 0:
        text = (
            f"Trading {usd_text(totals.volume_usd, 0)} cost nothing: it earned {usd_text(-totals.cost_usd)}"
        )
    else:
        text = f"Trading {usd_text(totals.volume_usd, 0)} cost {usd_text(totals.cost_usd)}"
    per = "" if totals.cost_per_100k_usd is None else f" ({usd_text(totals.cost_per_100k_usd)} per $100k)"
    return f"{text}{per}."


def _points_sentences(totals: Totals, profile: PointsProfile, point_value_usd: Decimal) -> list[str]:
    points, prices, values = (
        totals.points,
        totals.cost_per_1k_points_usd,
        totals.break_even_point_value_usd,
    )
    if profile.name == NO_PROGRAMME:
        return [
            "No programme that pays points for trading is known to run: a point counts as worth nothing, and "
            "its cost is n/a."
        ]
    if points is None or prices is None or values is None or points.high <= 0:
        return ["The profile gives no points for it, so a point has no price (n/a)."]
    if totals.cost_usd <= 0:
        return ["Whatever points come of it come free."]
    found = [_price_sentence(prices, values)]
    if point_value_usd > 0:
        worth = [
            None if of is None else of * point_value_usd for of in (points.low, points.base, points.high)
        ]
        low, base, high = (_price(of, 2) for of in worth)
        found.append(
            f"At {_price(point_value_usd, 5)} a point they are worth {base} (from {low} to {high}) against "
            f"{usd_text(totals.cost_usd)} of cost."
        )
    return found


def _price_sentence(prices: CostPerPoints, values: CostPerPoints) -> str:
    """What points cost and must be worth. A price is n/a where the estimate is of no points."""
    span = f"from {_price(prices.best, 2)} to {_price(prices.worst, 2)}"
    worth = f"from {_price(values.best, 5)} to {_price(values.worst, 5)}"
    if prices.base is None:
        return (
            f"Only bounds are known: 1,000 points cost {span}, so a point must be worth {worth} for the "
            "trading to have paid."
        )
    return (
        f"1,000 points cost {_price(prices.base, 2)} ({span}), so a point must be worth "
        f"{_price(values.base, 5)} ({worth}) for the trading to have paid."
    )


def _price(amount: Decimal | None, places: int) -> str:
    return "n/a" if amount is None else usd_text(amount, places)


def _date_sentences(reports: Sequence[EpochReport], profile: Profile, today: date) -> list[str]:
    outside = sum(1 for report in reports if not report.is_covered)
    found = []
    if outside:
        dates = f"{profile.first or 'unknown'} to {profile.last or 'open'}"
        found.append(
            f"{outside} of {len(reports)} epochs lie outside the programme's dates ({dates}): for them the "
            "figures say what it would have given."
        )
    state = profile.liveness(today)
    if state is Liveness.ENDED:
        found.append(f"The programme ended on {profile.last}; nothing is earned under it any more.")
    if state is Liveness.UNCONFIRMED:
        found.append(f"That it still runs was last looked up on {profile.checked}: read the venue's page.")
    return found


def epoch_notes(reports: Sequence[EpochReport]) -> list[str]:
    """What the figures do not hold, one sentence each."""
    found = []
    left_out = dict.fromkeys(name for report in reports if report.points for name in report.points.left_out)
    if left_out:
        found.append(
            f"Not in the points: {', '.join(left_out)}; the weight is not published, or the books do not "
            "hold what it is computed from."
        )
    assets = sorted({asset for report in reports for asset in report.cost.other_fees})
    if assets:
        found.append(f"Fees paid in {', '.join(assets)} are in neither cost nor points: no price is known.")
    running = [str(report.epoch.first_day) for report in reports if not report.is_complete]
    if running:
        found.append(f"* Incomplete: {', '.join(running)}; the records do not cover the whole epoch.")
    return found
