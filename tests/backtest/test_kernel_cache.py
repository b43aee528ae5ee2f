"""Kernels where nothing can be kept on the disk, and the word while they are compiled."""

import numpy as np
import pytest
from numba.core import caching

from aster_operator.backtest import warm_up
from aster_operator.backtest.kernels.compiler import compiled
from aster_operator.cli import backtest_kernels


def twice(value: float) -> float:
    return 2 * value


def thrice(value: float) -> float:
    return 3 * value


def test_a_kernel_works_where_no_cache_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object) -> None:
        raise RuntimeError("cannot cache function 'twice': no locator available")

    monkeypatch.setattr(caching.FunctionCache, "__init__", nowhere)
    assert compiled(twice)(np.float64(2.5)) == 5.0


def test_another_fault_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("something else")

    monkeypatch.setattr(caching.FunctionCache, "__init__", broken)
    with pytest.raises(RuntimeError, match="something else"):
        compiled(twice)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_word_is_said_once_and_only_when_kernels_are_compiled(
    is_there: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    kernels = [compiled(function) for function in (twice, thrice)]
    if is_there:
        for kernel in kernels:
            kernel(np.float64(1.0))
    monkeypatch.setattr(caching.FunctionCache, "load_overload", lambda *_: None)
    monkeypatch.setattr(warm_up, "warm_up", lambda _: [kernel(np.float64(2.0)) for kernel in kernels])
    backtest_kernels.load_kernels("exchange")
    assert capfd.readouterr().err.count("compiling the kernels") == (0 if is_there else 1)


def test_nothing_is_said_of_kernels_that_come_from_the_disk(capfd: pytest.CaptureFixture[str]) -> None:
    compiled(twice)(np.float64(2.5))
    again = compiled(twice)
    with backtest_kernels.compiling_told():
        again(np.float64(2.5))
    assert again.stats.cache_hits
    assert capfd.readouterr().err == ""
