"""Work of several threads handed over in order, a few results ahead of who takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["worked_ahead"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def worked_ahead(
    work: Callable[[_Item], _Result], items: Iterable[_Item], workers: int, *, ahead: int = 1
) -> Generator[_Result, None, None]:
    """`work` of each item in the order of `items`, by `workers` threads, at most `ahead` results more than
    these ahead: so that a stream of pieces need not fit into memory. Raises what `work` raises, in its
    turn."""
    coming = iter(items)
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            waiting.extend(pool.submit(work, item) for item in islice(coming, workers + ahead))
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(work, item) for item in islice(coming, 1))
                yield result
        finally:
            for future in waiting:
                future.cancel()
