"""Threads that share the items of one piece of work after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

__all__ = ["Sharing", "available_cores"]

_PIECES_EACH = 2


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Sharing:
    """`workers` threads, to be entered as a context; several may hand them work at a time. With one worker
    everything is done by who asks."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def __enter__(self) -> Sharing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def share(self, items: int, work: Callable[[int, int], None], *, is_light: bool = False) -> None:
        """Do `work(first, last)` for all items, and raise what it raises.

        In as many pieces as keep the threads busy to the end; a light work is not worth more than one each.
        """
        each = 1 if is_light or self._pool is None else _PIECES_EACH
        pieces = list(_pieces(items, each * self.workers))
        if self._pool is None or len(pieces) <= 1:
            for first, last in pieces:
                work(first, last)
            return
        for future in [self._pool.submit(work, first, last) for first, last in pieces]:
            future.result()


def _pieces(items: int, pieces: int) -> Iterator[tuple[int, int]]:
    size = max(1, -(-items // pieces))
    for first in range(0, items, size):
        yield first, min(items, first + size)
