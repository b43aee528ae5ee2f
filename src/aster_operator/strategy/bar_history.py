"""Closed bars of one symbol, each minute once and in order, whatever the streams deliver."""

from bisect import bisect_left
from collections import deque
from enum import StrEnum

from aster_operator.domain.market import Bar

__all__ = ["Arrival", "BarHistory"]


class Arrival(StrEnum):
    """What became of a bar. Only NEW ones are decided on."""

    NEW = "new"
    RUNNING = "running"
    """Not closed yet: it tells nothing that stays true."""
    REPEATED = "repeated"
    """This minute is known already; the first closed word on it stands."""
    LATE = "late"
    """Older than the newest known: decisions rest on it no more, and it comes too late to fill its gap."""
    EARLIER = "earlier"
    """From before all that was known: it fills windows that have grown."""
    INVALID = "invalid"
    """A price that is not positive, or a negative volume: as if it had never come."""


class BarHistory:
    """The last `capacity` closed bars, oldest first. Missing minutes leave no trace and reset nothing."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, was {capacity}")
        self._bars: deque[Bar] = deque(maxlen=capacity)
        self._room = capacity
        self._known_from_ms = 0

    @property
    def bars(self) -> tuple[Bar, ...]:
        return tuple(self._bars)

    @property
    def last(self) -> Bar | None:
        return self._bars[-1] if self._bars else None

    def add(self, bar: Bar) -> Arrival:
        if not bar.is_closed:
            return Arrival.RUNNING
        if min(bar.open, bar.high, bar.low, bar.close) <= 0 or bar.base_volume < 0:
            return Arrival.INVALID
        last = self.last
        if bar.open_ms < self._known_from_ms:
            return self._add_earlier(bar)
        if last is not None and bar.open_ms <= last.open_ms:
            return Arrival.REPEATED if bar.open_ms == last.open_ms else Arrival.LATE
        self._bars.append(bar)
        return Arrival.NEW

    def _add_earlier(self, bar: Bar) -> Arrival:
        place = bisect_left(self._bars, bar.open_ms, key=lambda known: known.open_ms)
        if place < len(self._bars) and self._bars[place].open_ms == bar.open_ms:
            return Arrival.REPEATED
        if len(self._bars) == self._room:
            return Arrival.LATE
        self._bars.insert(place, bar)
        return Arrival.EARLIER

    def resized(self, capacity: int) -> "BarHistory":
        """The same bars with room for `capacity`: new parameters may look further back. What is older than
        the oldest of them may still be added."""
        other = BarHistory(capacity)
        other._bars.extend(self._bars)
        other._known_from_ms = self._bars[0].open_ms if self._bars else 0
        return other
