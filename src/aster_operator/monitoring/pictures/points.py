"""What `points --json` prints and /api/points answers: rewards and costs of the books as plain values.

Money of records is exact; figures derived from it have eight places; null is what nobody knows.
"""

from datetime import date
from decimal import Decimal
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from aster_operator.monitoring.points_answer import Fit, PointsAnswer, book_notes
from aster_operator.monitoring.points_books import BookReports
from aster_operator.rewards.formula import Estimate
from aster_operator.rewards.profile import Liveness, Profile, StatedView
from aster_operator.rewards.programmes import BoostOutcome, EarnOutcome
from aster_operator.rewards.report import CostPerPoints, EpochReport
from aster_operator.rewards.summary import Totals, sum_up

__all__ = [
    "FittedEpoch",
    "FittedWeights",
    "Points",
    "PointsBook",
    "PointsEpoch",
    "PointsTotal",
    "ProfileState",
    "points_picture",
    "profile_state",
]

_EIGHT_PLACES = Decimal("0.00000001")
_Figures = TypeVar("_Figures", bound=msgspec.Struct)


class ProfileState(msgspec.Struct, frozen=True, kw_only=True):
    """A reward programme and what its dates say about today. `first` and `last` are UTC days."""

    name: str
    version: int
    kind: str
    title: str
    first: date | None
    last: date | None
    checked: date
    state: Liveness
    is_live: bool


class PointsEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """One week of one venue, `first` and `last` included. Fields as in `EpochReport`; costs are positive
    when paid, funding and realised PnL when received. `instance` tells lives of an embedded exchange apart.
    """

    venue: str
    instance: str
    first: date
    last: date
    is_complete: bool
    is_within_programme: bool
    trades: int
    active_days: int
    volume_usd: Decimal
    maker_volume_usd: Decimal
    taker_volume_usd: Decimal
    position_usd_hours: Decimal
    hedged_usd_hours: Decimal
    hedged_share: Decimal
    fees_usd: Decimal
    other_fees: dict[str, Decimal]
    liquidation_fees_usd: Decimal
    funding_usd: Decimal
    realized_pnl_usd: Decimal
    cost_usd: Decimal
    cost_per_100k_usd: Decimal | None
    open_pnl_usd: Decimal
    cost_with_open_usd: Decimal
    cost_per_100k_with_open_usd: Decimal | None
    points: Estimate | None
    points_at_risk: Decimal | None
    cost_per_1k_points_usd: CostPerPoints | None
    break_even_point_value_usd: CostPerPoints | None
    trade_and_earn: EarnOutcome | None
    staking_boost: BoostOutcome | None


class PointsTotal(msgspec.Struct, frozen=True, kw_only=True):
    """The epochs of one venue added up."""

    epochs: int
    volume_usd: Decimal
    position_usd_hours: Decimal
    hedged_share: Decimal
    cost_usd: Decimal
    cost_per_100k_usd: Decimal | None
    open_pnl_usd: Decimal
    cost_with_open_usd: Decimal
    cost_per_100k_with_open_usd: Decimal | None
    points: Estimate | None
    cost_per_1k_points_usd: CostPerPoints | None
    break_even_point_value_usd: CostPerPoints | None


class PointsBook(msgspec.Struct, frozen=True, kw_only=True):
    """One venue: its sums, what they come to in words, and what the figures do not hold."""

    venue: str
    instance: str
    accounts: int
    total: PointsTotal
    verdict: str
    notes: list[str]


class FittedEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """Points of one week: what the venue showed, what the fitted weights give, and the difference."""

    first: date
    official: Decimal
    fitted: Decimal
    residual: Decimal


class FittedWeights(msgspec.Struct, frozen=True, kw_only=True):
    """Weights fitted to official totals, or only `refused`: why there are none. Fields as in `Calibration`;
    `without_records` are first days."""

    weights: dict[str, Decimal] | UnsetType = UNSET
    not_identified: tuple[str, ...] | UnsetType = UNSET
    is_unique: bool | UnsetType = UNSET
    root_mean_square_residual: Decimal | UnsetType = UNSET
    epochs: list[FittedEpoch] | UnsetType = UNSET
    without_records: list[date] | UnsetType = UNSET
    statement: str | UnsetType = UNSET
    refused: str | UnsetType | None = UNSET


class Points(msgspec.Struct, frozen=True, kw_only=True):
    """`calibration` is null where no official totals were given."""

    profile: ProfileState
    team: Decimal
    referral_points: Decimal
    epochs: list[PointsEpoch]
    books: list[PointsBook]
    stated_views: tuple[StatedView, ...]
    calibration: FittedWeights | None


def points_picture(answer: PointsAnswer) -> Points:
    """Everything `points` says, as one object."""
    return Points(
        profile=profile_state(answer.profile, answer.today),
        team=answer.context.team,
        referral_points=answer.context.referral_points,
        epochs=[_epoch(book, report) for book in answer.books for report in book.epochs],
        books=[
            PointsBook(
                venue=book.venue,
                instance=book.instance,
                accounts=len(book.accounts),
                total=_total(sum_up(book.epochs)),
                verdict=answer.verdict_of(book),
                notes=book_notes(book),
            )
            for book in answer.books
        ],
        stated_views=answer.profile.stated_views,
        calibration=None if answer.fit is None else _fit(answer.fit),
    )


def profile_state(profile: Profile, today: date) -> ProfileState:
    state = profile.liveness(today)
    return ProfileState(
        name=profile.name,
        version=profile.version,
        kind=str(profile.__struct_config__.tag),
        title=profile.title,
        first=profile.first,
        last=profile.last,
        checked=profile.checked,
        state=state,
        is_live=state is Liveness.WITHIN_DATES,
    )


def _epoch(book: BookReports, report: EpochReport) -> PointsEpoch:
    cost = report.cost
    return PointsEpoch(
        venue=book.venue,
        instance=book.instance,
        first=report.epoch.first_day,
        last=report.epoch.last_day,
        is_complete=report.is_complete,
        is_within_programme=report.is_covered,
        trades=report.trades,
        active_days=report.active_days,
        volume_usd=report.volume_usd,
        maker_volume_usd=report.maker_volume_usd,
        taker_volume_usd=report.taker_volume_usd,
        position_usd_hours=_rounded(report.position_usd_hours),
        hedged_usd_hours=_rounded(report.hedged_usd_hours),
        hedged_share=_rounded(report.hedged_share),
        fees_usd=cost.fees_usd,
        other_fees=cost.other_fees,
        liquidation_fees_usd=cost.liquidation_fees_usd,
        funding_usd=cost.funding_usd,
        realized_pnl_usd=cost.realized_pnl_usd,
        cost_usd=cost.total_usd,
        cost_per_100k_usd=_rounded_or_none(report.cost_per_100k_usd),
        open_pnl_usd=_rounded(cost.open_pnl_usd),
        cost_with_open_usd=_rounded(cost.total_with_open_usd),
        cost_per_100k_with_open_usd=_rounded_or_none(report.cost_per_100k_with_open_usd),
        points=_rounded_all(report.points),
        points_at_risk=_rounded_or_none(report.points_at_risk),
        cost_per_1k_points_usd=_rounded_all(report.cost_per_1k_points_usd),
        break_even_point_value_usd=_rounded_all(report.break_even_point_value_usd),
        trade_and_earn=_rounded_all(report.earn),
        staking_boost=_rounded_all(report.boost),
    )


def _total(totals: Totals) -> PointsTotal:
    return PointsTotal(
        epochs=totals.epochs,
        volume_usd=totals.volume_usd,
        position_usd_hours=_rounded(totals.position_usd_hours),
        hedged_share=_rounded(totals.hedged_share),
        cost_usd=totals.cost_usd,
        cost_per_100k_usd=_rounded_or_none(totals.cost_per_100k_usd),
        open_pnl_usd=_rounded(totals.open_pnl_usd),
        cost_with_open_usd=_rounded(totals.cost_with_open_usd),
        cost_per_100k_with_open_usd=_rounded_or_none(totals.cost_per_100k_with_open_usd),
        points=_rounded_all(totals.points),
        cost_per_1k_points_usd=_rounded_all(totals.cost_per_1k_points_usd),
        break_even_point_value_usd=_rounded_all(totals.break_even_point_value_usd),
    )


def _fit(fit: Fit) -> FittedWeights:
    calibration = fit.calibration
    if calibration is None:
        return FittedWeights(refused=fit.refusal)
    return FittedWeights(
        weights={name: _rounded(weight) for name, weight in calibration.weights.items()},
        not_identified=calibration.not_identified,
        is_unique=calibration.is_unique,
        root_mean_square_residual=_rounded(calibration.root_mean_square_residual),
        epochs=[
            FittedEpoch(
                first=row.epoch.first_day,
                official=row.official,
                fitted=_rounded(row.fitted),
                residual=_rounded(row.residual),
            )
            for row in calibration.rows
        ],
        without_records=[epoch.first_day for epoch in calibration.without_records],
        statement=calibration.statement,
    )


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_EIGHT_PLACES)


def _rounded_or_none(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else _rounded(amount)


def _rounded_all(figures: _Figures | None) -> _Figures | None:
    if figures is None:
        return None
    amounts = {
        name: _rounded(value)
        for name, value in msgspec.structs.asdict(figures).items()
        if isinstance(value, Decimal)
    }
    return msgspec.structs.replace(figures, **amounts)
