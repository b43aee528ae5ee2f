"""Weights fitted to official totals: the solver's optimality, what a fit says, and when it is refused."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards_values import MONDAY_MS, points_profile

from aster_operator.rewards.calibration import OfficialTotal, calibrate, load_official_totals
from aster_operator.rewards.epochs import WEEK_MS, Epoch
from aster_operator.rewards.errors import ProfileError, TooFewEpochs
from aster_operator.rewards.features import Features
from aster_operator.rewards.least_squares import independent_columns, solve_nnls
from aster_operator.rewards.records import Context

D = Decimal
PROFILE = points_profile("dawn-crystal")


# --- the solver -----------------------------------------------------------------------------------------


def decimals(*rows: list[int]) -> list[list[Decimal]]:
    return [[D(value) for value in row] for row in rows]


@pytest.mark.parametrize(
    ("rows", "totals", "weights"),
    [
        (decimals([1, 0], [0, 1]), [3, 4], [3, 4]),
        (decimals([1, 0], [0, 1]), [3, -4], [3, 0]),
        (decimals([2], [4]), [1, 3], ["0.7"]),
        (decimals([1, 1], [1, 2], [1, 3]), [1, 2, 3], [0, 1]),
        # The unbounded optimum has a negative weight; the best non-negative one is not it with the sign cut.
        (decimals([1, 1], [1, 2], [1, 4]), [3, 2, 1], [2, 0]),
        (decimals([0, 0], [0, 0]), [1, 2], [0, 0]),
        (decimals([1, 2], [2, 4]), [5, 10], [0, "2.5"]),
    ],
)
def test_small_problems(rows: list[list[Decimal]], totals: list[int], weights: list[object]) -> None:
    assert solve_nnls(rows, [D(total) for total in totals]) == tuple(D(str(weight)) for weight in weights)


entries = st.integers(-50, 50).map(Decimal)
problems = st.integers(1, 5).flatmap(
    lambda width: st.lists(
        st.tuples(st.lists(entries, min_size=width, max_size=width), entries), min_size=1, max_size=9
    )
)


@given(problems)
def test_the_answer_is_the_optimum(problem: list[tuple[list[Decimal], Decimal]]) -> None:
    """The conditions of Karush, Kuhn and Tucker, which for this convex problem only an optimum meets."""
    rows, totals = [row for row, _ in problem], [total for _, total in problem]
    weights = solve_nnls(rows, totals)
    residuals = [
        total - sum(value * weight for value, weight in zip(row, weights, strict=True))
        for row, total in problem
    ]
    for column, weight in enumerate(weights):
        slope = sum(row[column] * residual for row, residual in zip(rows, residuals, strict=True))
        assert weight >= 0
        assert slope <= D("1e-12")
        if weight > 0:
            assert abs(slope) <= D("1e-12")


@given(problems)
def test_a_total_made_of_weights_is_explained_without_rest(
    problem: list[tuple[list[Decimal], Decimal]],
) -> None:
    rows = [row for row, _ in problem]
    truth = [D(number) for number in range(len(rows[0]))]
    totals = [sum((v * w for v, w in zip(row, truth, strict=True)), D(0)) for row in rows]
    weights = solve_nnls(rows, totals)
    for row, total in zip(rows, totals, strict=True):
        assert abs(sum((v * w for v, w in zip(row, weights, strict=True)), D(0)) - total) < D("1e-12")
    if independent_columns(rows) == len(truth):
        assert [round(weight, 12) for weight in weights] == truth


@pytest.mark.parametrize(
    ("rows", "rank"),
    [(decimals([1, 2], [2, 4]), 1), (decimals([1, 2], [2, 5]), 2), (decimals([0, 0]), 0), ([], 0),
     (decimals([1, 1, 0], [0, 1, 1], [1, 2, 1]), 2)],
)  # fmt: skip
def test_independent_columns(rows: list[list[Decimal]], rank: int) -> None:
    assert independent_columns(rows) == rank


@pytest.mark.parametrize(
    ("rows", "totals"), [([], []), (decimals([1], [2]), [1]), ([[D(1)], [D(1), D(2)]], [1, 2])]
)
def test_a_malformed_problem_is_refused(rows: list[list[Decimal]], totals: list[int]) -> None:
    with pytest.raises(ValueError, match="equally long"):
        solve_nnls(rows, [D(total) for total in totals])


# --- the fit --------------------------------------------------------------------------------------------


def epoch(number: int) -> Epoch:
    return Epoch(MONDAY_MS + number * WEEK_MS, MONDAY_MS + (number + 1) * WEEK_MS)


def features(fees: int, maker: int, held: int, hedged: int = 0) -> Features:
    return Features(
        boosted_fees_usd=D(fees),
        boosted_maker_usd=D(maker * 1000),
        position_usd_hours=D(held * 1000),
        hedged_usd_hours=D(hedged * 1000),
    )


BOOKS = {
    epoch(0): features(42, 0, 79),
    epoch(1): features(6, 89, 79),
    epoch(2): features(0, 105, 40),
    epoch(3): features(20, 50, 400),
    epoch(4): features(10, 10, 10, hedged=8),
}


def official(number: int, points: Decimal, **more: Decimal) -> OfficialTotal:
    return OfficialTotal(first=epoch(number).first_day, points=points, **more)


def totals_under(fee: int, maker: int, position: str, context: Context) -> list[OfficialTotal]:
    found = []
    for number, (_, sums) in enumerate(BOOKS.items()):
        held = (sums.position_usd_hours - D("0.75") * sums.hedged_usd_hours) / 1000
        base = fee * sums.boosted_fees_usd + maker * sums.boosted_maker_usd / 1000 + D(position) * held
        found.append(official(number, context.team * base + context.referral_points))
    return found


def test_hidden_weights_are_found_again() -> None:
    context = Context(team=D("1.1"), referral_points=D(15))
    fit = calibrate(BOOKS, totals_under(120, 3, "0.25", context), PROFILE, context)
    assert {name: round(weight, 15) for name, weight in fit.weights.items()} == {
        "fee_per_usd": 120, "maker_liquidity_per_1k_usd": 3, "position_per_1k_usd_hour": D("0.25"),
    }  # fmt: skip
    assert round(fit.root_mean_square_residual, 15) == 0
    assert fit.is_unique
    assert fit.not_identified == (
        "asset_per_1k_usd_hour", "win_per_usd", "loss_per_usd", "liquidation_fee_per_usd",
    )  # fmt: skip
    assert fit.statement.startswith("3 weights fitted to 5 epochs")
    assert fit.statement.endswith("it promises nothing about the next.")


def test_an_epochs_own_team_and_referral_win() -> None:
    context = Context(team=D(1))
    plain = totals_under(100, 1, "0.5", context)
    changed = [official(0, plain[0].points * D("1.2") + 7, team=D("1.2"), referral=D(7)), *plain[1:]]
    fit = calibrate(BOOKS, changed, PROFILE, context)
    assert round(fit.weights["fee_per_usd"], 15) == 100
    assert [round(row.residual, 15) for row in fit.rows] == [0] * 5
    assert fit.rows[0].official == changed[0].points


def test_residuals_are_stated_and_weights_stay_non_negative() -> None:
    noisy = [official(number, D(points)) for number, points in enumerate((4300, 700, 10, 2400, 900))]
    fit = calibrate(BOOKS, noisy, PROFILE, Context())
    assert all(weight >= 0 for weight in fit.weights.values())
    worst = max(fit.rows, key=lambda row: abs(row.residual))
    assert f"{worst.epoch.first_day}, is off by {abs(worst.residual):,.1f} points" in fit.statement
    squares = sum(row.residual**2 for row in fit.rows) / 5
    assert fit.root_mean_square_residual**2 == pytest.approx(squares)
    assert fit.rows[0].residual == fit.rows[0].official - fit.rows[0].fitted


@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_fewer_than_four_epochs_are_refused(epochs: int) -> None:
    with pytest.raises(TooFewEpochs, match=rf"{epochs} epochs .* at least 4 are needed") as refused:
        calibrate(BOOKS, totals_under(1, 1, "1", Context())[:epochs], PROFILE, Context())
    assert "\n" not in str(refused.value)


def test_a_total_without_records_is_named_and_does_not_count() -> None:
    given_totals = [*totals_under(100, 1, "0.5", Context())[:3], official(9, D(5))]
    with pytest.raises(TooFewEpochs, match="3 epochs"):
        calibrate(BOOKS, given_totals, PROFILE, Context())
    fit = calibrate(BOOKS, [*totals_under(100, 1, "0.5", Context()), official(9, D(5))], PROFILE, Context())
    assert fit.without_records == (epoch(9),)
    assert len(fit.rows) == 5


def test_sums_that_move_together_are_not_told_apart() -> None:
    books = {epoch(number): features(number + 1, 0, 10 * (number + 1)) for number in range(4)}
    fit = calibrate(books, [official(n, D(100 * (n + 1))) for n in range(4)], PROFILE, Context())
    assert not fit.is_unique
    assert "other weights explain the totals as well" in fit.statement
    assert [row.residual for row in fit.rows] == [0] * 4


def test_as_many_weights_as_epochs_prove_nothing() -> None:
    books = {
        epoch(number): Features(
            boosted_fees_usd=D(number), boosted_maker_usd=D(number**2), won_usd=D(number**3), lost_usd=D(1)
        )
        for number in range(4)
    }
    fit = calibrate(books, [official(n, D(10 + n)) for n in range(4)], PROFILE, Context())
    assert "no more epochs than weights" in fit.statement


def test_a_profile_that_pays_nothing_has_nothing_to_fit() -> None:
    fit = calibrate(BOOKS, totals_under(1, 1, "1", Context()), points_profile("none"), Context())
    assert (fit.weights, fit.not_identified) == ({}, ())
    assert all(row.fitted == 0 for row in fit.rows)


# --- the file -------------------------------------------------------------------------------------------


def test_official_totals_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "official.yaml"
    path.write_text(
        "epochs:\n  - {first: 2026-02-02, points: 1234.5}\n"
        "  - {first: 2026-02-09, points: 10, team: 1.05, referral: 15}\n"
    )
    first, second = load_official_totals(path, PROFILE)
    assert (first.first, first.points, first.team, first.referral) == (
        date(2026, 2, 2),
        D("1234.5"),
        None,
        None,
    )
    assert (second.team, second.referral) == (D("1.05"), 15)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epochs: [{first: 2026-02-03, points: 1}]", "epochs[0].first: write 2026-02-02, a Monday"),
        ("epochs: [{first: 2026-02-02, points: 1}, {first: 2026-02-02, points: 2}]", "listed twice"),
        ("epochs: [{first: 2026-02-02}]", "epochs[0]: correct the file"),
        ("epochs: [{first: 2026-02-02, points: -1}]", "points must be a number of at least 0"),
        ("epochs: [{first: 2026-02-02, points: 1, team: 0.5}]", "team must be a number of at least 1"),
        ("epochs: [{first: 2026-02-02, points: 1, referral: -5}]", "referral must be a number of at least 0"),
        ("epochs: [{first: 2026-02-02, points: .inf}]", "points must be a number of at least 0"),
        ("epochs: [{first: 2026-02-02, points: 1, team: .nan}]", "team must be a number of at least 1"),
        ("epochs: [{first: 2026-02-02, points: 1, tem: 2}]", "unknown field `tem`"),
        ("epochs: [", "correct the file"),
        ("", "correct the file"),
    ],
)
def test_a_faulty_file_of_totals_is_refused_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "official.yaml"
    path.write_text(text)
    with pytest.raises(ProfileError) as refused:
        load_official_totals(path, PROFILE)
    assert words in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_of_totals(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="No such file"):
        load_official_totals(tmp_path / "official.yaml", PROFILE)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match="not a text file"):
        load_official_totals(tmp_path / "binary", PROFILE)
