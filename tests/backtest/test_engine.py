"""The engine's results are those of a configuration alone: no thread, block or neighbour changes a bit."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.backtest import engine
from aster_operator.backtest.grid import ParamGrid, make_param_grid
from aster_operator.backtest.kernels.compiler import Floats, Integers, compiled
from aster_operator.backtest.kernels.rows import COLUMNS, plus_row, put_row, sums_of_row
from aster_operator.backtest.kernels.totals import TRADES
from aster_operator.backtest.sharing import Sharing
from aster_operator.backtest.sweep import SEMANTICS, run_grid_backtest

from .markets import random_bars, space

BARS = random_bars(3_000, 11)
GRID = make_param_grid(space(callback_bps=[2.0, 5.0, 9.0, 14.0], sl_bps=[12.0, 30.0, 800.0]))


def totals(semantics: str, grid: ParamGrid = GRID, workers: int = 1) -> Floats:
    return run_grid_backtest(BARS, grid, semantics=semantics, workers=workers).totals


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_neither_threads_nor_blocks_change_a_bit(semantics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = totals(semantics)
    assert expected[:, TRADES].min() > 0, "every configuration should trade"
    for workers in (2, 5):
        np.testing.assert_array_equal(totals(semantics, workers=workers), expected)
    for block_bars in (64, 640):
        monkeypatch.setattr(engine, "_BLOCK_BARS", block_bars)
        for workers in (1, 3):
            np.testing.assert_array_equal(totals(semantics, workers=workers), expected)


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_a_configuration_makes_alone_what_it_makes_among_others(semantics: str) -> None:
    among_others = totals(semantics)
    rng = np.random.default_rng(5)
    for size in (1, 2, 3, 4, 5, 7):  # four are walked side by side, the rest one by one
        chosen = np.sort(rng.choice(len(GRID), size, replace=False)).astype(np.int32)
        np.testing.assert_array_equal(totals(semantics, GRID.take(chosen)), among_others[chosen])


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_what_is_never_reached_makes_no_difference(semantics: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of configurations of a signal set that trade alike, some of them only for a while."""
    monkeypatch.setattr(engine, "_BLOCK_BARS", 640)
    signal = {"k": [1.0], "T": [10], "n": [1.0], "V": [10]}
    targets = [60.0, *np.linspace(900.0, 2_000.0, 300)]
    exits = {"tp_bps": targets, "sl_bps": [12.0, 40.0], "activation_bps": [25.0], "callback_bps": [14.0]}
    grid = make_param_grid(space(**signal, **exits))
    found = totals(semantics, grid)
    near = grid.column("tp_bps") == 60.0
    for stop in (12.0, 40.0):
        alike = found[~near & (grid.column("sl_bps") == stop)]
        assert len(alike) >= 300
        assert (alike == alike[0]).all()
    chosen = np.asarray([0, 1, 2, len(grid) // 2, len(grid) - 1], dtype=np.int32)
    np.testing.assert_array_equal(totals(semantics, grid.take(chosen)), found[chosen])


@compiled
def _sum_rows(rows: Floats, chosen: Integers, out: Floats) -> None:
    sums = sums_of_row(out, 1)
    for row in chosen:
        sums = plus_row(sums, rows, np.uint32(row))
    put_row(out, 1, sums)


@given(st.integers(COLUMNS, COLUMNS + 9), st.lists(st.integers(0, 29), max_size=40), st.integers(0, 99))
def test_rows_are_added_up_one_after_the_other(columns: int, chosen: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, out = rng.normal(size=(30, columns)), rng.normal(size=(3, columns))
    expected = out.copy()
    for row in chosen:
        expected[1, :COLUMNS] += rows[row, :COLUMNS]
    _sum_rows(rows, np.asarray(chosen, dtype=np.int32), out)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("is_light", [False, True])
@pytest.mark.parametrize("items", [0, 1, 2, 23])
def test_every_item_is_shared_out_once(workers: int, is_light: bool, items: int) -> None:
    done = np.zeros(items, dtype=int)

    def work(first: int, last: int) -> None:
        done[first:last] += 1

    with Sharing(workers) as sharing:
        sharing.share(items, work, is_light=is_light)
    assert done.tolist() == [1] * items


def test_what_a_piece_raises_reaches_who_asked_and_leaves_no_thread() -> None:
    def work(first: int, last: int) -> None:
        raise MemoryError(f"no room for {first} to {last}")

    before = set(threading.enumerate())
    with pytest.raises(MemoryError, match="no room for 0 to"), Sharing(3) as sharing:
        sharing.share(9, work)
    assert set(threading.enumerate()) <= before


def test_an_error_in_a_block_ends_the_sweep_and_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(engine, "_BLOCK_BARS", 64)
    before = set(threading.enumerate())
    for name in ("walk_block", "BlockMaker"):
        with monkeypatch.context() as broken:
            broken.setattr(engine, name, fail)
            with pytest.raises(MemoryError, match="no room"):
                totals("exchange", workers=2)
    assert set(threading.enumerate()) <= before
