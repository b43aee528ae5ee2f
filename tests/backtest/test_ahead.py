"""Threads that work ahead: in order, not too far, errors in their turn."""

import threading
from itertools import count

import pytest

from aster_operator.backtest.ahead import worked_ahead


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert list(worked_ahead(lambda item: item * item, range(50), workers)) == [item**2 for item in range(50)]


@pytest.mark.parametrize(("workers", "ahead"), [(2, 1), (1, 0), (3, 4)])
def test_it_runs_no_further_ahead_than_it_says_even_of_an_endless_stream(workers: int, ahead: int) -> None:
    started: list[int] = []
    results = worked_ahead(lambda item: started.append(item) or item, count(), workers, ahead=ahead)
    for taken in range(1, 20):
        assert next(results) == taken - 1
        assert max(started, default=0) < taken + workers + ahead
    results.close()
    assert not [thread for thread in threading.enumerate() if "ThreadPoolExecutor" in thread.name]


def test_an_error_comes_in_its_turn() -> None:
    results = worked_ahead(lambda item: 1 // (3 - item), range(9), 2)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
