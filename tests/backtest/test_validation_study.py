"""The study of a sweep: noise is called noise as often as it should be, and an edge that is there is seen."""

import math
from dataclasses import replace

import numpy as np
import pytest

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import ParamGrid, make_param_grid
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import SweepResult, run_grid_backtest
from aster_operator.backtest.trades import trade_list
from aster_operator.backtest.validation.study import StudyOptions, study_sweep
from aster_operator.backtest.validation.verdict import Verdict
from slow_tests import deeper

from .markets import random_bars

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


def trending(bars: Bars) -> Bars:
    """The same market, but for five minutes after a loud bar the price goes on in its direction."""
    loud = np.abs(bars.ret_bps) > 1.2 * bars.volatility_bps[30]
    push = np.zeros(len(bars))
    for minute in range(1, 6):
        push[minute:] += 2.5e-4 * np.where(loud, np.sign(bars.ret_bps), 0.0)[:-minute]
    factor = np.exp(np.cumsum(push))
    before = np.concatenate([[1.0], factor[:-1]])
    top, bottom = np.maximum(factor, before), np.minimum(factor, before)
    return replace(
        bars,
        open=bars.open * before,
        high=bars.high * top,
        low=bars.low * bottom,
        close=bars.close * factor,
        bid=bars.bid * factor,
        ask=bars.ask * factor,
        mark=bars.mark * factor,
        mark_high=bars.mark_high * top,
        mark_low=bars.mark_low * bottom,
        ret_bps=bars.ret_bps,
    )


def swept(bars: Bars, options: ExchangeOptions = FREE) -> SweepResult:
    return run_grid_backtest(bars, small_grid(), options=options, workers=1)


@pytest.mark.timeout(600)
def test_pure_noise_is_called_noise_at_the_stated_rate() -> None:
    markets, options = deeper(100, 400), StudyOptions(resamples=200)
    mistaken = 0
    for seed in range(markets):
        bars = random_bars(2_400, seed, spread_bps=0.01, steps=6)
        study = study_sweep(swept(bars), bars, options, workers=1)
        mistaken += study.judgement.verdict is not Verdict.NOISE
    # Two standard deviations of a binomial with the stated rate.
    assert mistaken / markets <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / markets)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_edge_that_is_there_is_not_called_noise(seed: int) -> None:
    bars = trending(random_bars(12_000, seed, spread_bps=0.01, steps=8))
    study = study_sweep(swept(bars), bars, workers=1)
    assert study.judgement.verdict is not Verdict.NOISE, study.judgement.line("X")
    assert study.evidence.walk_forward_pnl > 0
    assert study.evidence.reality_check_p_value <= 0.05


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
