"""Fitting a programme's weights to official totals that a person typed in.

The venue shows totals and hides weights. Once four epochs are known, non-negative least squares of the totals
(referral points taken off, the team's multiplier divided out) on the epochs' sums gives weights that explain
them. They hold the venue's adjustments, too: what it takes off cannot be told from a lower weight.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec

from aster_operator.domain.money import ZERO
from aster_operator.rewards.epochs import Epoch, epoch_at, first_ms_of
from aster_operator.rewards.errors import ProfileError, TooFewEpochs
from aster_operator.rewards.features import Features
from aster_operator.rewards.formula import counted_usd_hours
from aster_operator.rewards.least_squares import independent_columns, solve_nnls
from aster_operator.rewards.profile import PointsProfile, decode_yaml
from aster_operator.rewards.records import Context, require_amount
from aster_operator.rewards.weights import Scenario

__all__ = [
    "MIN_EPOCHS",
    "Calibration",
    "CalibrationRow",
    "OfficialTotal",
    "calibrate",
    "load_official_totals",
]

MIN_EPOCHS = 4
_THOUSAND = Decimal(1000)


class OfficialTotal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the venue shows for one epoch. `first` is its first day; `team` and `referral` may be left out
    when they are the same in all epochs and given to the command."""

    first: date
    points: Decimal
    team: Decimal | None = None
    referral: Decimal | None = None

    def __post_init__(self) -> None:
        require_amount("points", self.points)
        require_amount("team", self.team, least=1)
        require_amount("referral", self.referral)


class _OfficialFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    epochs: tuple[OfficialTotal, ...]


class CalibrationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One epoch: what the venue showed, what the fitted weights give, and the difference."""

    epoch: Epoch
    official: Decimal
    fitted: Decimal

    @property
    def residual(self) -> Decimal:
        return self.official - self.fitted


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The fit. `weights` by name, units as in the profile. `not_identified`: weights the records say nothing
    about. `is_unique` False: other weights explain the totals just as well. `without_records`: epochs with a
    total but no complete records. `statement` says in words how far it can be trusted."""

    weights: dict[str, Decimal]
    rows: tuple[CalibrationRow, ...]
    not_identified: tuple[str, ...]
    is_unique: bool
    without_records: tuple[Epoch, ...]
    statement: str

    @property
    def root_mean_square_residual(self) -> Decimal:
        squares = sum((row.residual**2 for row in self.rows), ZERO)
        return (squares / len(self.rows)).sqrt()


def load_official_totals(path: Path, profile: PointsProfile) -> tuple[OfficialTotal, ...]:
    """Totals from a YAML file `epochs: [{first: 2026-02-02, points: 1234}, ...]`.

    Raises ProfileError, one line with file and key.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ProfileError(f"not a text file, {path}: give a YAML file") from None
    except OSError as error:
        raise ProfileError(f"no file of official totals {path} ({error.strerror}): check the path") from error
    totals: tuple[OfficialTotal, ...] = decode_yaml(text, _OfficialFile, path).epochs
    seen: set[date] = set()
    for number, total in enumerate(totals):
        where = f"{path}, epochs[{number}].first"
        epoch = epoch_at(first_ms_of(total.first), profile.week)
        if epoch.first_day != total.first:
            raise ProfileError(
                f"{total.first} begins no epoch, {where}: write {epoch.first_day}, "
                f"a {profile.week.capitalize()}"
            )
        if total.first in seen:
            raise ProfileError(f"{total.first} is listed twice, {where}: keep one of them")
        seen.add(total.first)
    return totals


def calibrate(
    features: Mapping[Epoch, Features],
    totals: Sequence[OfficialTotal],
    profile: PointsProfile,
    context: Context,
) -> Calibration:
    """Fit the weights that the profile does not hold for zero. Raises TooFewEpochs."""
    officials = {epoch_at(first_ms_of(total.first), profile.week): total for total in totals}
    known = [epoch for epoch in sorted(officials) if epoch in features]
    if len(known) < MIN_EPOCHS:
        raise TooFewEpochs(
            f"{len(known)} epochs have both an official total and records in the books, at least "
            f"{MIN_EPOCHS} are needed to fit weights: add totals as they come"
        )
    columns = {epoch: _columns(features[epoch], profile) for epoch in known}
    names = [name for name in columns[known[0]] if any(columns[epoch][name] for epoch in known)]
    rows = [[columns[epoch][name] for name in names] for epoch in known]
    contexts = {epoch: _context_of(officials[epoch], context) for epoch in known}
    goals = [
        (officials[epoch].points - contexts[epoch].referral_points) / contexts[epoch].team for epoch in known
    ]
    weights = dict(zip(names, solve_nnls(rows, goals), strict=True)) if names else {}
    fitted = tuple(
        CalibrationRow(
            epoch=epoch,
            official=officials[epoch].points,
            fitted=contexts[epoch].referral_points
            + contexts[epoch].team
            * sum((weights[name] * value for name, value in zip(names, row, strict=True)), ZERO),
        )
        for epoch, row in zip(known, rows, strict=True)
    )
    is_unique = independent_columns(rows) == len(names)
    return Calibration(
        weights=weights,
        rows=fitted,
        not_identified=tuple(name for name in columns[known[0]] if name not in weights),
        is_unique=is_unique,
        without_records=tuple(epoch for epoch in sorted(officials) if epoch not in features),
        statement=_statement(fitted, len(names), is_unique),
    )


def _context_of(total: OfficialTotal, context: Context) -> Context:
    return Context(
        team=context.team if total.team is None else total.team,
        referral_points=context.referral_points if total.referral is None else total.referral,
    )


def _columns(features: Features, profile: PointsProfile) -> dict[str, Decimal]:
    """The sums of an epoch by the weight they belong to, without those that the programme does not pay."""
    discounted = counted_usd_hours(features, profile.weights.at(Scenario.BASE))
    sums = {
        "fee_per_usd": features.boosted_fees_usd,
        "maker_liquidity_per_1k_usd": features.boosted_maker_usd / _THOUSAND,
        "maker_volume_per_usd": features.boosted_maker_usd,
        "taker_volume_per_usd": features.boosted_taker_usd,
        "position_per_1k_usd_hour": discounted / _THOUSAND,
        "asset_per_1k_usd_hour": (features.asset_usd_hours or ZERO) / _THOUSAND,
        "win_per_usd": features.won_usd,
        "loss_per_usd": features.lost_usd,
        "liquidation_fee_per_usd": features.liquidation_fees_usd,
    }
    weights = profile.weights.items()
    return {name: total for name, total in sums.items() if (of := weights[name]) is None or not of.is_zero}


def _statement(rows: Sequence[CalibrationRow], fitted_weights: int, is_unique: bool) -> str:
    """How good the fit is, and what it is not."""
    spare = len(rows) - fitted_weights
    worst = max(rows, key=lambda row: abs(row.residual))
    share = f" ({abs(worst.residual) / worst.official:.1%})" if worst.official else ""
    text = (
        f"{fitted_weights} weights fitted to {len(rows)} epochs; the worst epoch, {worst.epoch.first_day}, "
        f"is off by {abs(worst.residual):,.1f} points{share}."
    )
    if not is_unique:
        text += " Some sums moved together in every epoch: other weights explain the totals as well as these."
    if spare <= 0:
        text += " There are no more epochs than weights: a small error proves nothing."
    return text + " A fit describes the past epochs; it promises nothing about the next."
