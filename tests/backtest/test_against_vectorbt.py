"""The `vectorbt` semantics against vectorbt itself: trade for trade, and every metric of the ranking."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import ParamGrid, make_param_grid
from aster_operator.backtest.metrics import ORIGINAL_METRICS, metric_columns
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import run_grid_backtest
from aster_operator.backtest.trades import trade_list

from .markets import random_bars, space

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from . import vectorbt_peer as peer

BARS = 1500


def both(bars: Bars, grid: ParamGrid, fee_bps: float, slippage_bps: float) -> tuple[Any, Any]:
    options = ExchangeOptions(fee_bps=fee_bps, slippage_bps=slippage_bps)
    ours = run_grid_backtest(bars, grid, semantics="vectorbt", options=options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ours, peer.portfolio(bars, grid, fee_bps=fee_bps, slippage_bps=slippage_bps)


def random_space(seed: int) -> dict[str, list[float]]:
    """A grid of 64 random configurations, from stops within a bar to some that are never reached."""
    rng = np.random.default_rng(seed)

    def two(low: float, high: float) -> list[float]:
        return sorted(float(value) for value in np.exp(rng.uniform(np.log(low), np.log(high), 2)))

    return space(
        k=two(0.1, 2.5),
        n=two(0.2, 2.0),
        T=[10],
        V=[30],
        tp_bps=two(2, 400),
        sl_bps=two(2, 200),
        activation_bps=two(1, 60),
        callback_bps=two(0.5, 60),
        activation_buffer_bps=[float(rng.uniform(0, 3))],
        min_tp_gap_bps=[float(rng.uniform(0, 8))],
        spread_max=[float(rng.uniform(0.3, 0.8))],
        funding_max=[float(rng.uniform(0.5, 3))],
    )


def compare(bars: Bars, grid: ParamGrid, fee_bps: float, slippage_bps: float) -> None:
    ours, theirs = both(bars, grid, fee_bps, slippage_bps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = peer.metrics(theirs)
        records = theirs.trades.records
    columns = metric_columns(ours)
    for name in ORIGINAL_METRICS:
        expected = table[name].to_numpy(dtype=float)
        np.testing.assert_allclose(columns[name], expected, rtol=1e-9, atol=1e-12, err_msg=name)
    assert columns["n_trades"].sum() > 0
    for number in range(0, len(grid), 7):
        trades = trade_list(ours, bars, ours.config_ids[number])
        own = records[records["col"] == number]
        assert trades.height == len(own)
        for ours_name, name in (("entry_bar", "entry_idx"), ("exit_bar", "exit_idx")):
            assert trades[ours_name].to_list() == own[name].to_list()
        for ours_name, name in (("entry_price", "entry_price"), ("exit_price", "exit_price")):
            np.testing.assert_allclose(trades[ours_name], own[name], rtol=1e-12)
        assert [side == "short" for side in trades["side"]] == (own["direction"] == 1).tolist()
        np.testing.assert_allclose(trades["pnl_usd"], own["pnl"], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(
            trades["fees_usd"], own["entry_fees"] + own["exit_fees"], rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("seed", range(6))
def test_random_grids_over_random_markets(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    bars = random_bars(
        BARS,
        seed,
        volatility_bps=float(rng.uniform(2, 40)),
        spread_bps=float(rng.uniform(0, 1)),
        drift_bps=float(rng.normal(0, 0.5)),
        price=float(np.exp(rng.uniform(-5, 12))),
    )
    compare(bars, make_param_grid(random_space(seed)), float(rng.uniform(0, 8)), float(rng.uniform(0, 3)))


def test_without_costs() -> None:
    bars = random_bars(BARS, 11, spread_bps=0.0)
    compare(bars, make_param_grid(space()), 0.0, 0.0)


def test_an_entry_on_the_first_and_on_the_last_bar() -> None:
    bars = random_bars(400, 12)
    first, last = 60, 300
    loud = bars.volume.copy()
    loud[[first, last]] *= 1000
    ret = bars.ret_bps.copy()
    ret[first], ret[last] = 400.0, -400.0
    bars = replace(bars, volume=loud, ret_bps=ret, funding_bps=np.zeros(len(bars)))
    grid = make_param_grid(space(spread_max=[5.0]))
    window = bars.window(first, last + 1)
    compare(window, grid, 4.0, 0.0)
    result = run_grid_backtest(window, grid, semantics="vectorbt")
    trades = trade_list(result, window, result.config_ids[0])
    assert trades["entry_bar"][0] == 0
    assert trades["entry_bar"][-1] == len(window) - 1
    assert trades["exit_reason"][-1] == "open"


def test_an_account_that_is_ruined_stays_at_nothing() -> None:
    """Prices that more than double within a bar take all from a short before any stop. vectorbt goes below
    zero and orders no more; here everything is lost, once, and nothing is ranked below it."""
    bars = random_bars(400, 5, volatility_bps=5000.0, spread_bps=1.0)
    bars = replace(bars, funding_bps=0 * bars.funding_bps, opening_loss_bps=0 * bars.opening_loss_bps)
    changes = {
        "k": [0.2], "n": [0.2], "sl_bps": [5000.0, 9900.0], "tp_bps": [5000.0, 9900.0],
        "activation_bps": [5000.0, 9000.0], "activation_buffer_bps": [0.0], "callback_bps": [500.0, 900.0],
        "min_tp_gap_bps": [0.0], "spread_max": [1000.0], "funding_max": [1000.0],
    }  # fmt: skip
    grid = make_param_grid(space(**changes))
    ours, theirs = both(bars, grid, 4.0, 0.0)
    ruined = np.asarray(theirs.value()).min(axis=0) <= 0
    assert 0 < ruined.sum() < len(grid)
    columns = metric_columns(ours)
    assert (columns["total_pnl"][ruined] == -100.0).all()
    assert (columns["total_return"][ruined] == -1.0).all()
    assert (columns["max_drawdown"][ruined] == -1.0).all()
    assert all(np.isfinite(column[ruined]).all() for column in columns.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = peer.metrics(theirs)
    # Up to there they are the same (it counts the reversal that ruins twice), and without a ruin throughout.
    assert np.isin(table["n_trades"].to_numpy()[ruined] - columns["n_trades"][ruined], (0, 1)).all()
    for name in ORIGINAL_METRICS:
        np.testing.assert_allclose(
            columns[name][~ruined], table[name].to_numpy(dtype=float)[~ruined], rtol=1e-9, atol=1e-12
        )


def test_no_entry_at_all() -> None:
    bars = random_bars(400, 13)
    grid = make_param_grid(space(k=[500.0]))
    ours, theirs = both(bars, grid, 4.0, 0.0)
    columns = metric_columns(ours)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = peer.metrics(theirs)
    for name in ORIGINAL_METRICS:
        np.testing.assert_array_equal(columns[name], table[name].to_numpy(dtype=float), err_msg=name)


def test_rows_with_an_unknown_value_are_left_out_as_the_original_does() -> None:
    bars = random_bars(600, 14)
    holes = bars.opening_loss_bps.copy()
    holes[:40] = np.nan
    holed = replace(bars, opening_loss_bps=holes)
    grid = make_param_grid(space())
    whole = run_grid_backtest(bars.window(40, len(bars)), grid, semantics="vectorbt")
    np.testing.assert_array_equal(run_grid_backtest(holed, grid, semantics="vectorbt").totals, whole.totals)


@pytest.mark.parametrize("semantics", ["exchange", "vectorbt"])
def test_results_do_not_depend_on_threads_or_blocks(semantics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = random_bars(3000, 15)
    grid = make_param_grid(space())
    expected = run_grid_backtest(bars, grid, semantics=semantics, workers=1)
    np.testing.assert_array_equal(
        run_grid_backtest(bars, grid, semantics=semantics, workers=3).totals, expected.totals
    )
    monkeypatch.setattr("aster_operator.backtest.engine._BLOCK_BARS", 128)
    blocks = run_grid_backtest(bars, grid, semantics=semantics, workers=2)
    for name, column in metric_columns(expected).items():
        np.testing.assert_allclose(metric_columns(blocks)[name], column, rtol=1e-10, atol=1e-12, err_msg=name)


def test_any_choice_of_configurations_gives_their_rows() -> None:
    bars = random_bars(1000, 16)
    grid = make_param_grid(space())
    rows = np.asarray([3, 200, 57], dtype=np.int32)
    whole = run_grid_backtest(bars, grid, semantics="vectorbt").totals
    part = run_grid_backtest(bars, grid.take(rows), semantics="vectorbt").totals
    np.testing.assert_array_equal(part, whole[rows])
