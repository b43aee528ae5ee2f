"""Kernels where nothing can be kept on the disk, and the word while they are compiled."""

import numpy as np
import pytest
from numba.core import caching

from aster_operator.backtest import warm_up
from aster_operator.backtest.kernels.compiler import compiled
from aster_operator.cli import backtest_kernels


def twice(value: float) -> float:
    return 2 * value


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


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_word_is_said_only_when_kernels_must_be_compiled(
    is_slow: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Now:
        """A timer that is due at once when compiling is slow, and never when it is not."""

        daemon = False

        def __init__(self, _: float, call, args: tuple[str], kwargs: dict[str, bool]) -> None:  # type: ignore[no-untyped-def]
            self.start = (lambda: call(*args, **kwargs)) if is_slow else (lambda: None)

        def cancel(self) -> None: ...

    monkeypatch.setattr(backtest_kernels, "Timer", Now)
    monkeypatch.setattr(warm_up, "warm_up", lambda _: None)
    backtest_kernels.load_kernels("exchange")
    assert ("compiling the kernels" in capfd.readouterr().err) is is_slow
