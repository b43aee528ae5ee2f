"""The `exchange` semantics: against a plain walk bar by bar, at single bars, and on noise."""

from dataclasses import replace

import numpy as np
import pytest

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, make_param_grid
from aster_operator.backtest.metrics import build_ranked_metrics, metric_columns
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import run_grid_backtest
from aster_operator.backtest.trades import trade_list

from . import plain_exchange
from .markets import MINUTE_MS, random_bars, space

FREE = ExchangeOptions(fee_bps=0.0, cooldown_bars=0)


@pytest.mark.parametrize(
    ("seed", "options", "changes"),
    [
        (1, ExchangeOptions(), {}),
        (2, ExchangeOptions(fee_bps=2.0, slippage_bps=0.7, cooldown_bars=0), {}),
        (3, ExchangeOptions(tick_size=2.0, lot_size=0.001, order_notional_usd=250.0), {}),
        (4, ExchangeOptions(tick_size=5.0, lot_size=0.01, cooldown_bars=3), {}),
        (5, ExchangeOptions(cooldown_bars=0), {"tp_bps": [3.0, 900.0], "sl_bps": [4.0, 800.0]}),
        (6, FREE, {"callback_bps": [0.3, 200.0], "activation_bps": [0.5, 40.0]}),
    ],
)
def test_equal_to_a_plain_walk(seed: int, options: ExchangeOptions, changes: dict[str, list[float]]) -> None:
    bars = random_bars(2500, seed, volatility_bps=4.0 + 3 * seed)
    grid = make_param_grid(space(**changes))
    result = run_grid_backtest(bars, grid, options=options)
    columns = metric_columns(result)
    for number in range(0, len(grid), 23):
        values = dict(zip(PARAMETERS, grid.values[number], strict=True))
        account = plain_exchange.run(bars, values, options)
        for name, expected in plain_exchange.metrics(account, options.order_notional_usd).items():
            assert columns[name][number] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True), name
        trades = trade_list(result, bars, result.config_ids[number])
        assert trades["entry_bar"].to_list() == [trade[0] for trade in account.trades]
        assert trades["exit_bar"].to_list() == [trade[1] for trade in account.trades]
        np.testing.assert_allclose(trades["entry_price"], [trade[2] for trade in account.trades], rtol=1e-12)
        np.testing.assert_allclose(trades["exit_price"], [trade[3] for trade in account.trades], rtol=1e-12)
        np.testing.assert_allclose(trades["pnl_usd"], [trade[4] for trade in account.trades], atol=1e-9)


def scene(*later: tuple[float, float, float, float], basis: float = 1.0) -> Bars:
    """A quiet minute, a signal to buy at 100 without a spread, and then bars of open, high, low, close."""
    rows = np.asarray([(100.0,) * 4, (100.0,) * 4, *later])
    size = len(rows)
    ones = np.ones(size)
    loud = np.where(np.arange(size) == 1, 10.0, 1.0)
    opened, high, low, close = (np.ascontiguousarray(column) for column in rows.T)
    return Bars(
        symbol="X",
        close_ms=MINUTE_MS * np.arange(1, size + 1, dtype=np.int64) - 1,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=loud,
        ret_bps=np.where(loud > 1, 50.0, 0.0),
        bid=close.copy(),
        ask=close.copy(),
        tw_bid=close.copy(),
        tw_ask=close.copy(),
        spread_bps=0 * ones,
        mark=close * np.where(np.arange(size) < 2, 1.0, basis),
        mark_high=high * np.where(np.arange(size) < 2, 1.0, basis),
        mark_low=low * np.where(np.arange(size) < 2, 1.0, basis),
        funding_bps=0 * ones,
        opening_loss_bps=0 * ones,
        volatility_bps={1: 10 * ones},
        average_volume={1: 2 * ones},
    )


def one(**changes: float) -> dict[str, list[float]]:
    values = {"k": 1.0, "T": 1, "n": 1.0, "V": 1, "tp_bps": 100.0, "sl_bps": 50.0, "activation_bps": 80.0}
    values |= {"activation_buffer_bps": 0.0, "callback_bps": 30.0, "min_tp_gap_bps": 0.0}
    return {name: [value] for name, value in (values | {"spread_max": 1, "funding_max": 1} | changes).items()}


# The signal buys at 100: target 101, stop 99.5, trailing stop armed at 100.8, 30 bps from its peak.
@pytest.mark.parametrize(
    ("later", "price", "reason"),
    [
        ([(100, 100.5, 99.8, 100), (100, 101.2, 100, 101)], 100.4976, "ambiguous"),
        ([(100, 100.5, 99.8, 100), (101.5, 101.6, 101.4, 101.5)], 101.5, "exit"),
        ([(100, 100.1, 99.4, 99.6)], 99.5, "exit"),
        ([(99.0, 99.2, 98.9, 99.1)], 99.0, "exit"),
        ([(100, 101.3, 99.2, 100.5)], 99.5, "ambiguous"),
        (
            [(100, 100.6, 99.9, 100.5), (100.7, 100.9, 100.65, 100.85), (100.85, 100.9, 100.5, 100.6)],
            100.5973,
            "exit",
        ),
        (
            [(100, 100.6, 99.9, 100.5), (100.7, 100.9, 100.65, 100.85), (100.3, 100.4, 100.2, 100.3)],
            100.3,
            "exit",
        ),
        ([(100.85, 100.95, 100.84, 100.9), (100.9, 100.98, 100.7, 100.9)], 100.9, "open"),
        ([(100, 100.3, 99.8, 100)], 100.0, "open"),
    ],
    ids=[
        "target in the bar that may have armed and hit the trailing stop",
        "opens beyond the target",
        "stop",
        "opens beyond the stop",
        "stop and target in one bar",
        "trailing stop",
        "opens beyond the trailing stop",
        "trailing stop armed at the open, not reached",
        "nothing",
    ],
)
def test_single_endings(later: list[tuple[float, float, float, float]], price: float, reason: str) -> None:
    bars = scene(*later)
    result = run_grid_backtest(bars, make_param_grid(one()), options=FREE)
    trades = trade_list(result, bars, "cfg_0000")
    assert trades["entry_bar"].to_list() == [1]
    assert trades["entry_price"].to_list() == [100.0]
    assert trades["exit_price"][0] == pytest.approx(price)
    assert trades["exit_reason"][0] == reason
    assert build_ranked_metrics(result)["ambiguous_bars"][0] == (reason == "ambiguous")


def test_the_stop_looks_at_the_mark_and_the_target_at_the_last_price() -> None:
    grid = make_param_grid(one(activation_bps=95.0))
    above = scene((100, 100.2, 99.45, 100), (100, 100.2, 99.9, 100), basis=1.01)
    assert (
        trade_list(run_grid_backtest(above, grid, options=FREE), above, "cfg_0000")["exit_reason"][0]
        == "open"
    )
    below = scene((100, 100.2, 99.8, 100), basis=0.995)
    assert trade_list(run_grid_backtest(below, grid, options=FREE), below, "cfg_0000")["exit_bar"][0] == 2


def test_the_notional_is_rounded_up_by_lot_to_at_least_the_target() -> None:
    bars = scene((100, 101.2, 100, 101))
    for notional, lot, quantity in ((100.0, 0.3, 1.2), (90.0, 0.3, 0.9), (5.0, 0.3, 0.3)):
        options = replace(FREE, order_notional_usd=notional, lot_size=lot, fee_bps=10.0)
        result = run_grid_backtest(bars, make_param_grid(one(activation_bps=95.0)), options=options)
        trades = trade_list(result, bars, "cfg_0000")
        assert trades["fees_usd"][0] == pytest.approx(1e-3 * quantity * (100 + trades["exit_price"][0]))


def test_no_entry_after_missing_minutes() -> None:
    bars = scene((100, 100.3, 99.8, 100))
    shifted = bars.close_ms + np.where(np.arange(len(bars)) >= 1, 2 * MINUTE_MS, 0)
    result = run_grid_backtest(replace(bars, close_ms=shifted), make_param_grid(one()), options=FREE)
    assert build_ranked_metrics(result)["n_trades"][0] == 0


# --- noise ----------------------------------------------------------------------------------------------


def booked_bps(semantics: str, callback_bps: float) -> tuple[float, float]:
    """Mean result of an entry before fees on prices without drift, in bps, and its standard error."""
    wide = space(tp_bps=[150.0], sl_bps=[75.0], activation_bps=[75.0], callback_bps=[callback_bps])
    grid = make_param_grid(wide | {"k": [1.0], "n": [1.0], "T": [10], "V": [10], "spread_max": [5.0]})
    means = []
    for seed in range(40):
        bars = random_bars(6000, 500 + seed, volatility_bps=5.0, spread_bps=0.0, steps=60)
        bars = replace(bars, funding_bps=np.zeros(len(bars)))
        options = ExchangeOptions(fee_bps=0.0, cooldown_bars=0)
        result = run_grid_backtest(bars, grid, semantics=semantics, options=options)
        trades = trade_list(result, bars, "cfg_0000")
        side = np.where(trades["side"] == "long", 1.0, -1.0)
        moved = side * (trades["exit_price"].to_numpy() / trades["entry_price"].to_numpy() - 1)
        means.append(1e4 * moved.mean())
    return float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(len(means)))


def test_on_noise_vectorbt_books_profits_out_of_nothing_and_exchange_books_none() -> None:
    biased, error = booked_bps("vectorbt", 30.0)
    assert biased > 4.0
    assert biased > 8 * error
    honest, error = booked_bps("exchange", 30.0)
    assert honest < 2.5 * error
    assert honest > -3.0
