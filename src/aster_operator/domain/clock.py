"""Time as a dependency: the only module that reads a clock.

The deciding core never holds a clock; it receives `now_ms` inside events. Drivers hold one of these.
"""

import time
from typing import Protocol

__all__ = ["DAY_MS", "HOUR_MS", "MINUTE_MS", "Clock", "ManualClock", "WallClock", "utc_day_start_ms"]

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def utc_day_start_ms(time_ms: int) -> int:
    """Start of the UTC day that contains `time_ms` (ms since 1970)."""
    return time_ms - time_ms % DAY_MS


class Clock(Protocol):
    """A source of now. Wall time in integer units since 1970 UTC, monotonic time for intervals."""

    def now_ms(self) -> int: ...

    def now_us(self) -> int: ...

    def now_ns(self) -> int: ...

    def monotonic_ns(self) -> int: ...


class WallClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000  # noqa: TID251

    def now_us(self) -> int:
        return time.time_ns() // 1_000  # noqa: TID251

    def now_ns(self) -> int:
        return time.time_ns()  # noqa: TID251

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """A clock that moves only when told: for tests and virtual time. Never goes backwards."""

    def __init__(self, start_ms: int = 0) -> None:
        self._now_ns = start_ms * 1_000_000

    def now_ms(self) -> int:
        return self._now_ns // 1_000_000

    def now_us(self) -> int:
        return self._now_ns // 1_000

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._now_ns

    def advance_ms(self, delta_ms: int) -> None:
        if delta_ms < 0:
            raise ValueError(f"time cannot go back, delta_ms was {delta_ms}")
        self._now_ns += delta_ms * 1_000_000

    def set_ms(self, time_ms: int) -> None:
        self.advance_ms(time_ms - self.now_ms())
