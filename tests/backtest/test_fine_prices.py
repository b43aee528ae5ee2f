"""Exits resolved on ticks: against a plain walk tick by tick, and bars where only ticks tell the ending."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.fine_prices import FinePrices, fine_prices, log_prices
from aster_operator.backtest.grid import PARAMETERS, make_param_grid
from aster_operator.backtest.kernels.totals import AMBIGUOUS
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import run_grid_backtest
from aster_operator.backtest.trades import trade_list

from . import plain_exchange
from .logs import write_logs
from .markets import MINUTE_MS, random_bars, space

Event = tuple[int, bool, float]
"""Time in ms, whether it is a mark, price."""


def ticks_within(bars: Bars, seed: int, covered: float = 1.0) -> list[list[Event]]:
    """Events of each bar that make its extremes, in some order; a share of the bars has none."""
    rng = np.random.default_rng(seed)
    events: list[list[Event]] = []
    for bar in range(len(bars)):
        opened = int(bars.close_ms[bar]) + 1 - MINUTE_MS
        own: list[Event] = []
        if rng.random() < covered:
            for is_mark, first, high, low, last in (
                (False, bars.open[bar], bars.high[bar], bars.low[bar], bars.close[bar]),
                (True, bars.mark[bar], bars.mark_high[bar], bars.mark_low[bar], bars.mark[bar]),
            ):
                middle = [high, low, *rng.uniform(low, high, 6)]
                rng.shuffle(middle)
                prices = [*middle, last] if is_mark else [first, *middle, last]
                # No two at one moment.
                times = opened + 100 * np.sort(rng.choice(598, len(prices), replace=False)) + 7 + 50 * is_mark
                if not is_mark:
                    times[0] = opened
                own += [(int(time), is_mark, float(price)) for time, price in zip(times, prices, strict=True)]
        events.append(sorted(own, key=lambda event: (event[0], not event[1])))
    return events


def with_ticks(bars: Bars, events: list[list[Event]]) -> Bars:
    columns: list[np.ndarray] = []
    for wanted in (False, True):
        own = [(time, price) for within in events for time, is_mark, price in within if is_mark is wanted]
        columns.append(np.array([time for time, _ in own], dtype=np.int64))
        columns.append(np.array([price for _, price in own], dtype=np.float64))
    return replace(bars, fine=fine_prices(bars, *columns))


def leave_on_ticks(events: list[list[Event]]) -> Callable[..., tuple[float, bool] | None]:
    """Event by event: the first that reaches a level ends the position at the last price."""

    def leave(
        bars: Bars, bar: int, held: plain_exchange.Position, mark_far: float
    ) -> tuple[float, bool] | None:
        if not events[bar]:
            return plain_exchange.leave(bars, bar, held, mark_far)
        side, last = held.side, None
        for _, is_mark, price in events[bar]:
            last = last if is_mark else price
            if last is None:
                continue  # a mark before the first trade
            if is_mark and side * (price - held.stop) <= 0:
                return last, False
            if is_mark == held.trails_on_mark:
                # As in a bar: for a short everything upside down.
                turned = side * price
                if held.peak is None:
                    held.peak = turned if turned >= side * held.activation else None
                elif turned <= held.peak * (1 - side * held.callback):
                    return last, False
                else:
                    held.peak = max(held.peak, turned)
            if not is_mark and side * (price - held.target) >= 0:
                return price, False
        return None

    return leave


@pytest.mark.parametrize(
    ("seed", "covered", "options", "changes"),
    [
        (1, 1.0, ExchangeOptions(), {}),
        (2, 1.0, ExchangeOptions(tick_size=2.0, lot_size=0.001, cooldown_bars=0), {}),
        (3, 0.5, ExchangeOptions(slippage_bps=0.4), {}),
        (4, 1.0, ExchangeOptions(cooldown_bars=0), {"tp_bps": [3.0, 900.0], "sl_bps": [4.0, 800.0]}),
        (5, 0.8, ExchangeOptions(), {"callback_bps": [0.3, 200.0], "activation_bps": [0.5, 40.0]}),
    ],
)
def test_equal_to_a_plain_walk_tick_by_tick(
    seed: int, covered: float, options: ExchangeOptions, changes: dict[str, list[float]]
) -> None:
    bars = random_bars(1500, seed, volatility_bps=4.0 + 3 * seed)
    events = ticks_within(bars, seed, covered)
    fine = with_ticks(bars, events)
    grid = make_param_grid(space(**changes))
    result = run_grid_backtest(fine, grid, options=options)
    traded = 0
    for number in range(0, len(grid), 37):
        values = dict(zip(PARAMETERS, grid.values[number], strict=True))
        account = plain_exchange.run(bars, values, options, leave_on_ticks(events))
        trades = trade_list(result, fine, result.config_ids[number])
        traded += len(account.trades)
        assert trades["exit_bar"].to_list() == [trade[1] for trade in account.trades]
        np.testing.assert_allclose(trades["exit_price"], [trade[3] for trade in account.trades], rtol=1e-12)
        np.testing.assert_allclose(trades["pnl_usd"], [trade[4] for trade in account.trades], atol=1e-9)
        assert (trades["exit_reason"] == "ambiguous").sum() == account.ambiguous
        assert covered < 1 or account.ambiguous == 0
    assert traded > 50


def test_ticks_leave_nothing_ambiguous_that_bars_did() -> None:
    bars = random_bars(3000, 8, volatility_bps=12.0)
    grid = make_param_grid(space(callback_bps=[3.0]))
    coarse = run_grid_backtest(bars, grid)
    fine = run_grid_backtest(with_ticks(bars, ticks_within(bars, 8)), grid)
    ambiguous = [result.totals[:, AMBIGUOUS].sum() for result in (coarse, fine)]
    assert ambiguous[0] > 100
    assert ambiguous[1] == 0


def test_windows_keep_their_ticks() -> None:
    bars = random_bars(400, 9, volatility_bps=12.0)
    fine = with_ticks(bars, ticks_within(bars, 9))
    part = fine.window(100, 300)
    assert part.fine is not None
    assert part.fine.bars_covered == 200
    grid = make_param_grid(space())
    again = replace(bars.window(100, 300), fine=None)
    events = ticks_within(bars, 9)[100:300]
    expected = run_grid_backtest(with_ticks(again, events), grid)
    np.testing.assert_array_equal(run_grid_backtest(part, grid).totals, expected.totals)


def test_what_lies_in_no_bar_is_left_out() -> None:
    bars = random_bars(11, 1)
    assert len(bars) == 10
    first = int(bars.close_ms[0]) + 1 - MINUTE_MS
    times = np.array([first - 1, first, first + 9 * MINUTE_MS, first + 10 * MINUTE_MS], dtype=np.int64)
    found = fine_prices(bars, times, np.full(4, 5.0), times[:0], np.empty(0))
    assert len(found) == 2
    assert np.diff(found.offsets).tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert len(FinePrices.none(3)) == 0


@pytest.mark.parametrize(
    ("times", "prices", "complaint"),
    [
        ([2, 1], [1.0, 1.0], "not in order"),
        ([1, 2], [1.0, 0.0], "not above 0"),
        ([1], [np.nan], "not above 0"),
    ],
)
def test_bad_ticks_are_refused(times: list[int], prices: list[float], complaint: str) -> None:
    bars = random_bars(10, 1)
    with pytest.raises(ValueError, match=complaint):
        fine_prices(bars, np.array(times), np.array(prices), np.empty(0, dtype=np.int64), np.empty(0))


def test_one_second_logs_beside_other_bars_are_refused(tmp_path: Path) -> None:
    write_logs(tmp_path, 5, 1, symbols=("X",))
    bars = replace(random_bars(10, 1), symbol="X")
    with pytest.raises(BacktestProblem, match="no finer prices within the bars"):
        log_prices(tmp_path, replace(bars, close_ms=bars.close_ms + 10**12))
