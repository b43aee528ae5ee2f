"""The statistics behind the verdict, against independent calculations and what is known to be true."""

import itertools
import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.validation.decay import decay_p_value
from aster_operator.backtest.validation.overfitting import distinct_columns, probability_of_overfitting
from aster_operator.backtest.validation.plateau import plateau_around
from aster_operator.backtest.validation.reality_check import draw_counts, reality_check
from aster_operator.backtest.validation.regimes import break_down, hour_of_day, terciles, weekday
from aster_operator.backtest.validation.sharpe import (
    deflated_sharpe_ratio,
    effective_trials,
    expected_best_sharpe,
    probabilistic_sharpe_ratio,
)
from aster_operator.backtest.validation.trade_order import study_trade_order
from aster_operator.backtest.validation.verdict import Evidence, Verdict, judge
from aster_operator.backtest.validation.windows import equal_blocks, walk_forward_windows


def noise(seed: int, periods: int, configurations: int) -> np.ndarray:
    """Returns of strategies that share much of their fate and have no skill."""
    generator = np.random.default_rng(seed)
    common = generator.normal(size=(periods, 4)) @ generator.normal(size=(4, configurations))
    return common + generator.normal(size=(periods, configurations))


# --- windows ----------------------------------------------------------------------------------------------


@given(
    bars=st.integers(200, 5_000),
    folds=st.integers(1, 8),
    anchored=st.booleans(),
    purge=st.integers(0, 5),
    embargo=st.integers(0, 5),
)
def test_walk_forward_never_trains_on_what_it_judges(
    bars: int, folds: int, anchored: bool, purge: int, embargo: int
) -> None:
    windows = walk_forward_windows(bars, folds, anchored=anchored, purge_bars=purge, embargo_bars=embargo)
    assert len(windows) == folds
    for window in windows:
        assert 0 <= window.train_first < window.train_last
        assert window.train_last + purge + embargo == window.test_first < window.test_last <= bars
        assert not anchored or window.train_first == 0
    for before, after in itertools.pairwise(windows):
        assert after.test_first == before.test_last + embargo


@pytest.mark.parametrize(("bars", "folds", "purge"), [(10, 0, 0), (10, 20, 0), (100, 4, 30), (100, 4, -1)])
def test_impossible_windows_are_refused(bars: int, folds: int, purge: int) -> None:
    with pytest.raises(BacktestProblem):
        walk_forward_windows(bars, folds, anchored=False, purge_bars=purge)


def test_blocks_cover_every_row_once() -> None:
    assert equal_blocks(10, 3) == ((0, 3), (3, 6), (6, 10))
    with pytest.raises(BacktestProblem, match="cannot be cut"):
        equal_blocks(2, 3)


# --- overfitting ------------------------------------------------------------------------------------------


def test_overfitting_agrees_with_a_plain_loop_over_the_splits() -> None:
    returns = noise(3, 37, 9)
    estimate = probability_of_overfitting(returns, blocks=6)
    blocks = equal_blocks(37, 6)
    logits = []
    for chosen in itertools.combinations(range(6), 3):
        rows_in = [row for block in chosen for row in range(*blocks[block])]
        rows_out = [row for row in range(37) if row not in rows_in]
        ratio_in = returns[rows_in].mean(axis=0) / returns[rows_in].std(axis=0)
        ratio_out = returns[rows_out].mean(axis=0) / returns[rows_out].std(axis=0)
        rank = 1 + np.sum(ratio_out < ratio_out[np.argmax(ratio_in)])
        relative = rank / 10
        logits.append(math.log(relative / (1 - relative)))
    assert estimate.splits == 20
    assert estimate.logits == pytest.approx(logits, rel=1e-9)
    assert estimate.probability == pytest.approx(np.mean(np.array(logits) <= 0))


def test_a_choice_among_noise_is_overfitted_and_one_with_skill_is_not() -> None:
    probabilities = [probability_of_overfitting(noise(seed, 120, 60)).probability for seed in range(12)]
    assert 0.25 < float(np.mean(probabilities)) < 0.75
    skilled = noise(99, 120, 60)
    skilled[:, 17] += 4.0
    estimate = probability_of_overfitting(skilled)
    assert estimate.probability < 0.05
    assert estimate.loss_probability < 0.05


def test_configurations_that_are_the_same_share_their_rank() -> None:
    column = noise(5, 60, 1)
    estimate = probability_of_overfitting(np.repeat(column, 8, axis=1))
    assert np.all(estimate.logits == 0.0)


def test_one_configuration_in_many_disguises_is_one() -> None:
    columns = noise(5, 60, 2)
    disguised = np.hstack([columns[:, :1], columns, columns[:, 1:], columns])
    assert np.array_equal(disguised[:, distinct_columns(disguised)], columns)


def test_overfitting_needs_a_choice_and_an_even_number_of_blocks() -> None:
    with pytest.raises(BacktestProblem, match="even"):
        probability_of_overfitting(noise(1, 60, 5), blocks=5)
    with pytest.raises(BacktestProblem, match="two configurations"):
        probability_of_overfitting(noise(1, 60, 1))


# --- Sharpe ratios ----------------------------------------------------------------------------------------


def test_the_published_example_of_the_deflated_ratio() -> None:
    """Bailey and López de Prado (2014), section "a numerical example": 100 trials with variance 1/2 a year,
    five years of daily returns, an annual ratio of 2.5 with skewness -3 and kurtosis 10 give about 0.90."""
    hurdle = expected_best_sharpe(math.sqrt(0.5 / 250), 100)
    assert hurdle == pytest.approx(0.1132, abs=2e-4)
    sharpe = 2.5 / math.sqrt(250)
    spread = 1 + 3 * sharpe + (10 - 1) / 4 * sharpe**2
    assert NormalDist().cdf((sharpe - hurdle) * math.sqrt(1249 / spread)) == pytest.approx(0.9004, abs=1e-3)


def test_the_ratio_of_normal_returns_is_judged_as_the_textbook_does() -> None:
    returns = np.random.default_rng(8).normal(0.1, 1.0, 400)
    sharpe = returns.mean() / returns.std(ddof=1)
    skewness = np.mean((returns - returns.mean()) ** 3) / returns.std() ** 3
    kurtosis = np.mean((returns - returns.mean()) ** 4) / returns.std() ** 4
    statistic = sharpe * math.sqrt(399) / math.sqrt(1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2)
    assert probabilistic_sharpe_ratio(returns) == pytest.approx(0.5 * math.erfc(-statistic / math.sqrt(2)))


def test_returns_that_never_move_have_no_ratio() -> None:
    assert math.isnan(probabilistic_sharpe_ratio(np.zeros(50)))
    with pytest.raises(BacktestProblem, match="nothing to judge"):
        deflated_sharpe_ratio(np.zeros((50, 3)))


def test_poor_trials_do_not_raise_the_hurdle_of_a_good_one() -> None:
    good = np.random.default_rng(5).normal(0.6, 1.0, (120, 1))
    others = np.random.default_rng(6).normal(0.0, 1.0, (120, 9))
    alike = deflated_sharpe_ratio(np.hstack([good, others]))
    poor = deflated_sharpe_ratio(np.hstack([good, others - np.linspace(0, 3, 9)]))
    assert alike.probability > 0.95
    assert poor.probability == pytest.approx(alike.probability)
    assert poor.hurdle == pytest.approx(alike.hurdle)


def test_the_chosen_one_is_judged_not_the_best() -> None:
    returns = noise(3, 120, 5)
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    assert deflated_sharpe_ratio(returns).sharpe == pytest.approx(sharpes.max())
    assert deflated_sharpe_ratio(returns, 2).sharpe == pytest.approx(sharpes[2])


@pytest.mark.parametrize("periods", [40, 400])
def test_trials_are_counted_by_what_they_have_in_common(periods: int) -> None:
    generator = np.random.default_rng(2)
    column = generator.normal(size=(periods, 1))
    assert effective_trials(np.repeat(column, 50, axis=1)) == pytest.approx(1.0)
    independent = generator.normal(size=(periods, 20))
    assert 12 < effective_trials(independent) <= 20.001


# --- reality check ----------------------------------------------------------------------------------------


def test_every_resample_has_as_many_periods_as_there_are() -> None:
    counts = draw_counts(30, 200, 4.0, np.random.default_rng(1))
    assert np.all(counts.sum(axis=1) == 30)
    assert counts.mean(axis=0) == pytest.approx(np.ones(30), abs=0.35)


@pytest.mark.parametrize("periods", [30, 120])
def test_the_reality_check_is_no_more_often_wrong_on_noise_than_it_says(periods: int) -> None:
    trials = 200
    checks = (reality_check(noise(seed, periods, 40), resamples=300, seed=seed) for seed in range(trials))
    false_alarms = sum(check is not None and check.p_value <= 0.05 for check in checks)
    # Two standard deviations of a binomial with the stated rate.
    assert false_alarms / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)


def test_the_reality_check_finds_what_is_there() -> None:
    found = 0
    for seed in range(20):
        returns = noise(seed, 240, 40)
        returns[:, 7] += 0.45 * returns[:, 7].std()
        check = reality_check(returns, resamples=300)
        found += check is not None and check.best == 7 and check.p_value <= 0.05
    assert found >= 16


def test_wild_configurations_do_not_hide_a_quiet_good_one() -> None:
    """On means as they are (White's) one that trades wildly decides alone; costs make most of them wild."""
    found = hidden = 0
    for seed in range(20):
        returns = noise(seed, 60, 20)
        returns[:, 3] += 0.65 * returns[:, 3].std()
        check = reality_check(np.hstack([returns, noise(99 + seed, 60, 20) * 50]), resamples=300)
        assert check is not None
        found += check.best == 3 and check.p_value <= 0.05
        hidden += check.white_p_value > 0.05
    assert found >= 16
    assert hidden >= 16


def test_many_small_gains_and_rare_large_losses_are_not_taken_for_skill() -> None:
    """Without any edge, on a history that happens to hold few of the losses, the ratio looks splendid."""
    false_alarms = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        losses = generator.random((60, 20)) < 0.1
        returns = np.where(losses, -9.0, 1.0) + generator.normal(0, 0.3, (60, 20))
        check = reality_check(returns, resamples=200, seed=seed)
        false_alarms += check is not None and check.p_value <= 0.05
    assert false_alarms <= 0.05 * 100 + 2 * math.sqrt(0.05 * 0.95 * 100)


def test_who_trades_in_few_periods_takes_no_part_in_the_reality_check() -> None:
    returns = noise(4, 60, 3)
    returns[7:, 0] = 0.0
    returns[:7, 0] = 50.0 + np.arange(7)
    check = reality_check(returns)
    assert check is not None
    assert check.best != 0
    assert reality_check(returns[:, :1]) is None


def test_the_same_seed_gives_the_same_check() -> None:
    returns = noise(1, 60, 10)
    one, two = (reality_check(returns, seed=3) for _ in range(2))
    assert one is not None
    assert two is not None
    assert (one.p_value, one.white_p_value) == (two.p_value, two.white_p_value)


# --- decay ------------------------------------------------------------------------------------------------


def test_what_has_faded_is_told_from_what_lasts_at_the_stated_rate() -> None:
    trials, alarms, found, better = 400, 0, 0, 0
    for seed in range(trials):
        returns = np.random.default_rng(seed).normal(0.3, 1.0, 90)
        half = np.where(np.arange(90) < 45, 1.0, 0.0)
        alarms += decay_p_value(returns) < 0.05
        found += decay_p_value(returns + 1.2 * half) < 0.05
        better += decay_p_value(returns + 1.2 * (1 - half)) < 0.05
    assert alarms / trials <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / trials)
    assert found / trials > 0.95
    assert better == 0


def test_what_never_varies_has_not_faded_measurably() -> None:
    assert math.isnan(decay_p_value(np.zeros(50)))
    assert math.isnan(decay_p_value(np.array([1.0, 2.0])))


# --- order of trades, plateau, regimes --------------------------------------------------------------------


@given(pnl=st.lists(st.floats(-100, 100), min_size=1, max_size=40))
@settings(max_examples=40)
def test_the_order_changes_the_fall_but_not_the_sum(pnl: list[float]) -> None:
    study = study_trade_order(np.array(pnl), draws=50)
    equity = list(itertools.accumulate(pnl, initial=0.0))
    deepest = max(max(equity[: end + 1]) - equity[end] for end in range(len(equity)))
    assert study.actual_drawdown == pytest.approx(deepest, abs=1e-9)
    worst = -sum(value for value in pnl if value < 0)
    assert np.all(study.drawdowns <= worst + 1e-9)
    assert study.drawdown_at(0.0) <= study.drawdown_at(1.0)


def grid_of(results: dict[tuple[float, float], float]) -> tuple[dict[str, list[float]], np.ndarray]:
    keys = list(results)
    return {"k": [key[0] for key in keys], "T": [key[1] for key in keys]}, np.array(list(results.values()))


def test_a_needle_and_a_plateau_are_told_apart() -> None:
    plain = {(k, t): 10.0 for k in (1, 2, 3) for t in (10, 30, 60)}
    parameters, results = grid_of(plain | {(2, 30): 11.0})
    centre = int(np.argmax(results))
    flat = plateau_around(parameters, results, centre)
    assert (flat.neighbours, flat.profitable_share) == (4, 1.0)
    assert flat.score == pytest.approx(10 / 11)
    parameters, results = grid_of(dict.fromkeys(plain, -1.0) | {(2, 30): 11.0})
    assert plateau_around(parameters, results, centre).score == 0.0


def test_a_grid_of_one_has_no_neighbours() -> None:
    plateau = plateau_around({"k": [1.0]}, np.array([5.0]), 0)
    assert plateau.neighbours == 0
    assert math.isnan(plateau.score)


def test_trades_are_broken_down_and_none_is_lost() -> None:
    labels = terciles(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, math.nan]))
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, -1]
    rows = break_down(np.array([1.0, -2.0, 3.0, 4.0, -5.0, 6.0, 7.0]), labels, ["calm", "normal", "wild"])
    assert [(row.trades, row.total_pnl, row.win_rate) for row in rows] == [
        (2, -1.0, 0.5),
        (2, 7.0, 1.0),
        (2, 1.0, 0.5),
    ]
    assert math.isnan(break_down(np.array([]), np.array([], dtype=np.int64), ["calm"])[0].mean_pnl)


def test_hours_and_weekdays_are_those_of_utc() -> None:
    # 2025-05-07 13:45 UTC was a Wednesday.
    times = np.array([1_746_625_500_000])
    assert (hour_of_day(times)[0], weekday(times)[0]) == (13, 2)


# --- the verdict ------------------------------------------------------------------------------------------

SOUND = Evidence(
    trades=200,
    alternatives=12,
    reality_check_p_value=0.01,
    overfitting_probability=0.1,
    loss_probability=0.1,
    deflated_sharpe_probability=0.97,
    walk_forward_pnl=40.0,
    decay_p_value=0.4,
    plateau_score=0.8,
    stressed_cost_pnl=20.0,
)

VERDICTS = {
    "sound": ({}, Verdict.ROBUST, "p-value 0.010"),
    "luck": ({"reality_check_p_value": 0.051}, Verdict.NOISE, "0.051 above 0.05"),
    "exactly at the error rate": ({"reality_check_p_value": 0.05}, Verdict.ROBUST, "p-value 0.050"),
    "not measurable": ({"reality_check_p_value": math.nan}, Verdict.NOISE, "could not be measured"),
    "never trades": ({"trades": 0}, Verdict.NOISE, "ever trades"),
    "few trades": ({"trades": 29}, Verdict.FRAGILE, "29 trades"),
    "overfitted": ({"overfitting_probability": 0.31}, Verdict.FRAGILE, "overfitting 0.31"),
    "overfitting unknown": ({"overfitting_probability": math.nan}, Verdict.FRAGILE, "not measurable"),
    "any choice is as good": (
        {"overfitting_probability": 0.6, "loss_probability": 0.05},
        Verdict.ROBUST,
        "overfitting 0.60",
    ),
    "nothing to choose": (
        {"alternatives": 1, "overfitting_probability": math.nan, "loss_probability": math.nan},
        Verdict.ROBUST,
        "overfitting not measurable",
    ),
    "faded": ({"decay_p_value": 0.049}, Verdict.FRAGILE, "no longer does (p-value 0.05)"),
    "fading unknown": ({"decay_p_value": math.nan}, Verdict.FRAGILE, "not measurable"),
    "deflated": ({"deflated_sharpe_probability": 0.89}, Verdict.FRAGILE, "deflated Sharpe"),
    "fails out of sample": ({"walk_forward_pnl": -1.0}, Verdict.FRAGILE, "walk-forward PnL -1.00"),
    "needle": ({"plateau_score": 0.4}, Verdict.FRAGILE, "plateau score 0.40"),
    "dies of costs": ({"stressed_cost_pnl": 0.0}, Verdict.FRAGILE, "1.5 times the costs"),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_verdicts(case: str) -> None:
    changes, verdict, words = VERDICTS[case]
    judgement = judge(replace(SOUND, **changes))  # type: ignore[arg-type]
    assert judgement.verdict is verdict
    assert words in judgement.line("BTCUSDT")
