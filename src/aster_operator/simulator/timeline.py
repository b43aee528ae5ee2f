"""Agenda of market time: what happens next, in an order that never depends on who asked."""

from collections.abc import Callable
from heapq import heappop, heappush

__all__ = ["TIMER_RANK", "Timeline"]

TIMER_RANK = -1
"""Timers (countdowns, amendments) run before the markets' steps of the same millisecond."""


class Timeline:
    """A heap of (time, rank, sequence, action). Ties go by rank, then by who was scheduled first."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, Callable[[], None]]] = []
        self._sequence = 0

    def schedule(self, time_ms: int, rank: int, action: Callable[[], None]) -> None:
        self._sequence += 1
        heappush(self._heap, (time_ms, rank, self._sequence, action))

    def next_ms(self) -> int | None:
        return self._heap[0][0] if self._heap else None

    def pop(self) -> tuple[int, Callable[[], None]]:
        """Remove and return the next (time, action). Raises IndexError when empty."""
        time_ms, _, _, action = heappop(self._heap)
        return time_ms, action
