"""Rewards and costs as one JSON object for programs: null is what nobody knows, money is exact."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec

from aster_operator.cli.json_output import print_json
from aster_operator.cli.points_answer import Fit, PointsAnswer, book_notes
from aster_operator.rewards.profile import Liveness, Profile
from aster_operator.rewards.report import EpochReport
from aster_operator.rewards.summary import Totals, sum_up

__all__ = ["print_answer_json", "print_profiles_json"]

_EIGHT_PLACES = Decimal("0.00000001")


def print_answer_json(answer: PointsAnswer) -> None:
    """Print one JSON object. Figures nobody knows are null; derived figures have eight places."""
    print_json(
        {
            "profile": _profile_json(answer.profile, answer.today),
            "team": answer.context.team,
            "referral_points": answer.context.referral_points,
            "epochs": [
                {"venue": book.venue, "instance": book.instance, **_epoch_json(report)}
                for book in answer.books
                for report in book.epochs
            ],
            "books": [
                {
                    "venue": book.venue,
                    "instance": book.instance,
                    "accounts": len(book.accounts),
                    "total": _totals_json(sum_up(book.epochs)),
                    "verdict": answer.verdict_of(book),
                    "notes": book_notes(book),
                }
                for book in answer.books
            ],
            "stated_views": [msgspec.structs.asdict(view) for view in answer.profile.stated_views],
            "calibration": None if answer.fit is None else _fit_json(answer.fit),
        }
    )


def _profile_json(profile: Profile, today: date) -> dict[str, Any]:
    return {
        "name": profile.name,
        "version": profile.version,
        "kind": profile.__struct_config__.tag,
        "title": profile.title,
        "first": profile.first,
        "last": profile.last,
        "checked": profile.checked,
        "state": profile.liveness(today),
        "is_live": profile.liveness(today) is Liveness.WITHIN_DATES,
    }


def _epoch_json(report: EpochReport) -> dict[str, Any]:
    cost = report.cost
    return {
        "first": report.epoch.first_day,
        "last": report.epoch.last_day,
        "is_complete": report.is_complete,
        "is_within_programme": report.is_covered,
        "trades": report.trades,
        "active_days": report.active_days,
        "volume_usd": report.volume_usd,
        "maker_volume_usd": report.maker_volume_usd,
        "taker_volume_usd": report.taker_volume_usd,
        "position_usd_hours": _rounded(report.position_usd_hours),
        "hedged_usd_hours": _rounded(report.hedged_usd_hours),
        "hedged_share": _rounded(report.hedged_share),
        "fees_usd": cost.fees_usd,
        "other_fees": cost.other_fees,
        "liquidation_fees_usd": cost.liquidation_fees_usd,
        "funding_usd": cost.funding_usd,
        "realized_pnl_usd": cost.realized_pnl_usd,
        "cost_usd": cost.total_usd,
        "cost_per_100k_usd": _rounded(report.cost_per_100k_usd),
        "open_pnl_usd": _rounded(cost.open_pnl_usd),
        "cost_with_open_usd": _rounded(cost.total_with_open_usd),
        "cost_per_100k_with_open_usd": _rounded(report.cost_per_100k_with_open_usd),
        "points": _rounded_all(report.points),
        "points_at_risk": _rounded(report.points_at_risk),
        "cost_per_1k_points_usd": _rounded_all(report.cost_per_1k_points_usd),
        "break_even_point_value_usd": _rounded_all(report.break_even_point_value_usd),
        "trade_and_earn": _rounded_all(report.earn),
        "staking_boost": _rounded_all(report.boost),
    }


def _totals_json(totals: Totals) -> dict[str, Any]:
    return {
        "epochs": totals.epochs,
        "volume_usd": totals.volume_usd,
        "position_usd_hours": _rounded(totals.position_usd_hours),
        "hedged_share": _rounded(totals.hedged_share),
        "cost_usd": totals.cost_usd,
        "cost_per_100k_usd": _rounded(totals.cost_per_100k_usd),
        "open_pnl_usd": _rounded(totals.open_pnl_usd),
        "cost_with_open_usd": _rounded(totals.cost_with_open_usd),
        "cost_per_100k_with_open_usd": _rounded(totals.cost_per_100k_with_open_usd),
        "points": _rounded_all(totals.points),
        "cost_per_1k_points_usd": _rounded_all(totals.cost_per_1k_points_usd),
        "break_even_point_value_usd": _rounded_all(totals.break_even_point_value_usd),
    }


def _fit_json(fit: Fit) -> dict[str, Any]:
    if fit.calibration is None:
        return {"refused": fit.refusal}
    calibration = fit.calibration
    return {
        "weights": {name: _rounded(weight) for name, weight in calibration.weights.items()},
        "not_identified": calibration.not_identified,
        "is_unique": calibration.is_unique,
        "root_mean_square_residual": _rounded(calibration.root_mean_square_residual),
        "epochs": [
            {
                "first": row.epoch.first_day,
                "official": row.official,
                "fitted": _rounded(row.fitted),
                "residual": _rounded(row.residual),
            }
            for row in calibration.rows
        ],
        "without_records": [epoch.first_day for epoch in calibration.without_records],
        "statement": calibration.statement,
    }


def _rounded(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else amount.quantize(_EIGHT_PLACES)


def _rounded_all(values: msgspec.Struct | None) -> dict[str, Any] | None:
    if values is None:
        return None
    return {
        name: _rounded(value) if isinstance(value, Decimal) else value
        for name, value in msgspec.structs.asdict(values).items()
    }


def print_profiles_json(profiles: Sequence[Profile], today: date) -> None:
    """Print the profiles with their dates and what these say about `today`."""
    print_json({"profiles": [_profile_json(profile, today) for profile in profiles]})
