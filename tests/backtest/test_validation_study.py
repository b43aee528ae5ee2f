"""The study of a sweep: noise is called noise as often as it should be, and an edge that is there is seen."""

import math
from collections import Counter

import numpy as np
import pytest

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, ParamGrid, make_param_grid
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import SweepResult, run_grid_backtest
from aster_operator.backtest.trades import trade_list
from aster_operator.backtest.validation.study import StudyOptions, study_sweep
from aster_operator.backtest.validation.verdict import Verdict
from slow_tests import deeper, slow

from .markets import planted, random_bars

FREE = ExchangeOptions(fee_bps=0.0, cooldown_bars=0)
"""Costs would make every noise a loss and the verdict too easy."""


def small_grid() -> ParamGrid:
    return make_param_grid(
        {
            "k": [0.6, 1.0],
            "T": [10, 30],
            "n": [0.8, 1.2],
            "V": [10],
            "tp_bps": [40.0, 60.0],
            "sl_bps": [30.0, 50.0],
            "activation_bps": [30.0],
            "activation_buffer_bps": [1.0],
            "callback_bps": [15.0],
            "min_tp_gap_bps": [2.0],
            "spread_max": [100.0],
            "funding_max": [100.0],
        }
    )


def swept(bars: Bars, options: ExchangeOptions = FREE) -> SweepResult:
    return run_grid_backtest(bars, small_grid(), options=options, workers=1)


@pytest.mark.timeout(600)
def test_pure_noise_is_called_noise_at_the_stated_rate() -> None:
    markets, options = deeper(200, 400), StudyOptions(resamples=200)
    mistaken = 0
    for seed in range(markets):
        bars = random_bars(2_400, seed, spread_bps=0.01, steps=6)
        study = study_sweep(swept(bars), bars, options, workers=1)
        mistaken += study.judgement.verdict is not Verdict.NOISE
    # Two standard deviations of a binomial with the stated rate.
    assert mistaken / markets <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / markets)


def verdicts_on(
    push_bps: float, days: int, markets: int, *, faded: bool = False, fee_bps: float = 4.0
) -> Counter[Verdict]:
    """How markets with a planted edge are judged, at the venue's usual costs."""
    found: Counter[Verdict] = Counter()
    for seed in range(markets):
        bars = random_bars(days * 1_440, 1_000 + seed, steps=6)
        half = np.arange(len(bars)) < len(bars) // 2
        bars = planted(bars, push_bps, where=half if faded else None)
        result = swept(bars, ExchangeOptions(fee_bps=fee_bps))
        study = study_sweep(result, bars, StudyOptions(resamples=300), workers=1)
        found[study.judgement.verdict] += 1
    return found


@pytest.mark.timeout(600)
def test_an_edge_well_above_its_costs_is_called_robust() -> None:
    """Net Sharpe ratio about 36 a year, 1,750 trades in 30 days; 8.4 bps of costs for each."""
    markets = deeper(6, 40)
    found = verdicts_on(40.0, 30, markets)
    assert found[Verdict.NOISE] == 0
    # Of what lasts, one in twenty is taken for faded.
    assert found[Verdict.ROBUST] >= 0.8 * markets


@pytest.mark.timeout(600)
def test_an_edge_below_its_costs_is_none() -> None:
    markets = deeper(4, 40)
    assert verdicts_on(8.0, 30, markets)[Verdict.ROBUST] == 0


@pytest.mark.timeout(600)
def test_an_edge_that_has_gone_is_not_robust() -> None:
    """Strong enough that over the whole history it still earns, and the reality check passes."""
    markets = deeper(4, 30)
    found = verdicts_on(60.0, 60, markets, faded=True, fee_bps=1.0)
    assert found[Verdict.FRAGILE] >= 0.5 * markets
    assert found[Verdict.ROBUST] <= 0.1 * markets


@slow
@pytest.mark.timeout(3_600)
def test_power_grows_with_the_edge_and_with_the_history() -> None:
    """The table of docs/explanation/backtesting-honestly.md, with some room."""
    markets = 30
    shares = {
        (push_bps, days): verdicts_on(push_bps, days, markets)
        for push_bps in (16.0, 24.0, 40.0)
        for days in (30, 90)
    }
    seen = {cell: 1 - found[Verdict.NOISE] / markets for cell, found in shares.items()}
    robust = {cell: found[Verdict.ROBUST] / markets for cell, found in shares.items()}
    assert seen[16.0, 30] <= 0.3 < seen[16.0, 90]
    assert robust[16.0, 90] <= 0.1
    assert 0.25 <= robust[24.0, 30] < robust[24.0, 90]
    assert seen[24.0, 30] >= 0.85
    assert min(robust[40.0, 30], robust[40.0, 90]) >= 0.8


def test_a_single_configuration_can_be_robust() -> None:
    """Nothing was chosen, so choosing was not overfitted; its neighbours are found by moving it a little."""
    bars = planted(random_bars(30 * 1_440, 1_003, steps=6), 40.0)
    grid = small_grid().take(np.asarray([len(small_grid()) - 1], dtype=np.int32))
    result = run_grid_backtest(bars, grid, options=ExchangeOptions(), workers=1)
    study = study_sweep(result, bars, StudyOptions(resamples=200), workers=1)
    assert study.evidence.alternatives == 1
    assert study.overfitting is None
    assert study.plateau.neighbours == 12
    assert study.judgement.verdict is Verdict.ROBUST, study.judgement.line("X")


def test_what_the_biased_semantics_earns_on_noise_is_called_noise() -> None:
    bars = random_bars(14 * 1_440, 3, spread_bps=0.01, steps=6)
    result = run_grid_backtest(
        bars, small_grid(), semantics="vectorbt", options=ExchangeOptions(fee_bps=0.0), workers=1
    )
    study = study_sweep(result, bars, StudyOptions(resamples=200), workers=1)
    # Booked out of nothing, and by every other question sound.
    assert study.evidence.reality_check_p_value <= 0.05
    assert study.judgement.verdict is Verdict.NOISE
    assert "biased" in study.judgement.line("BTCUSDT")


def test_configurations_that_are_one_in_disguise_are_judged_as_one() -> None:
    """Limits that never bind make two of each: no choice between them can be overfitted."""
    bars = planted(random_bars(30 * 1_440, 1_003, steps=6), 40.0)
    row = small_grid().values[-1]
    twice = np.repeat(row[None, :], 2, axis=0)
    twice[1, PARAMETERS.index("funding_max")] = 200.0
    result = run_grid_backtest(bars, ParamGrid.of_rows(twice), options=ExchangeOptions(), workers=1)
    study = study_sweep(result, bars, StudyOptions(resamples=200), workers=1)
    assert study.evidence.alternatives == 1
    assert study.judgement.verdict is Verdict.ROBUST, study.judgement.line("X")


def test_the_study_is_the_same_with_any_number_of_workers_and_another_with_another_seed() -> None:
    bars = random_bars(3_000, 7, steps=8)
    result = swept(bars)
    one, two = study_sweep(result, bars, workers=1), study_sweep(result, bars, workers=2)
    assert np.array_equal(one.period_pnl, two.period_pnl)
    assert (one.judgement, one.evidence, one.walk_forward) == (two.judgement, two.evidence, two.walk_forward)
    other = study_sweep(result, bars, StudyOptions(seed=2), workers=1)
    assert one.check is not None
    assert other.check is not None
    assert not np.array_equal(one.check.best_outcomes, other.check.best_outcomes)


def test_periods_add_up_to_the_whole_but_for_what_is_cut_at_their_ends() -> None:
    bars = random_bars(6_000, 3, spread_bps=0.01, steps=8)
    result = swept(bars)
    study = study_sweep(result, bars, StudyOptions(periods=2, resamples=50), workers=1)
    trades = trade_list(result, bars, study.best)
    whole = float(trades.get_column("pnl_usd").sum())
    column = result.config_ids.index(study.best)
    largest = float(trades.get_column("pnl_usd").abs().max())
    assert study.period_pnl.shape == (2, 32)
    assert study.period_pnl[:, column].sum() == pytest.approx(whole, abs=4 * largest)
    # Two periods are too few for most studies; what was not measured speaks against the result.
    assert study.check is None
    assert study.walk_forward == ()
    assert study.judgement.verdict is Verdict.NOISE


def test_costs_are_stressed_and_trades_are_broken_down() -> None:
    bars = random_bars(4_000, 5, steps=8)
    result = swept(bars, ExchangeOptions(fee_bps=4.0, slippage_bps=0.5))
    study = study_sweep(result, bars, workers=1)
    profits = [row.total_pnl for row in study.costs]
    assert [row.factor for row in study.costs] == [0.5, 1.0, 1.5, 2.0, 3.0]
    assert profits == sorted(profits, reverse=True)
    ranked_first = float(trade_list(result, bars, study.best).get_column("pnl_usd").sum())
    assert profits[1] == pytest.approx(ranked_first, rel=1e-9)
    for rows in study.regimes.values():
        assert sum(row.trades for row in rows) <= study.evidence.trades
    assert sum(row.trades for row in study.regimes["hour (UTC)"]) == study.evidence.trades


def test_a_grid_that_never_trades_is_noise() -> None:
    bars = random_bars(2_400, 1, steps=8)
    grid = make_param_grid(
        {name: [small_grid().column(name)[0]] for name in ("T", "V")}
        | {"k": [50.0, 60.0], "n": [50.0]}
        | {
            name: [10.0]
            for name in (
                "tp_bps",
                "sl_bps",
                "activation_bps",
                "activation_buffer_bps",
                "callback_bps",
                "min_tp_gap_bps",
                "spread_max",
                "funding_max",
            )
        }
    )
    study = study_sweep(run_grid_backtest(bars, grid, options=FREE, workers=1), bars, workers=1)
    assert study.judgement.line("BTCUSDT") == "BTCUSDT: noise (no configuration ever trades)"


def test_more_periods_than_bars_are_refused() -> None:
    bars = random_bars(400, 1, steps=8)
    with pytest.raises(BacktestProblem, match="cannot be cut"):
        study_sweep(swept(bars), bars, StudyOptions(periods=1_000), workers=1)
