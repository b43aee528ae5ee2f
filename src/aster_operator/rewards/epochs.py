"""The calendar: weeks that reward programmes count in. All times are ms since 1970, UTC.

Rh epochs run from Monday 00:00 to Sunday 23:59, Trade & Earn weeks from Thursday to Wednesday (points and
costs, sections 1.1 and 5.3).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from enum import StrEnum

import msgspec

from aster_operator.domain.clock import DAY_MS

__all__ = ["WEEK_MS", "Epoch", "EpochWeek", "epoch_at", "epochs_between", "first_ms_of", "utc_day"]

WEEK_MS = 7 * DAY_MS


class EpochWeek(StrEnum):
    """The day that a week begins on."""

    MONDAY = "monday"
    THURSDAY = "thursday"

    @property
    def offset_ms(self) -> int:
        # 1 January 1970 was a Thursday.
        return 0 if self is EpochWeek.THURSDAY else 4 * DAY_MS


class Epoch(msgspec.Struct, frozen=True, order=True):
    """One week: `start_ms` included, `end_ms` not."""

    start_ms: int
    end_ms: int

    @property
    def first_day(self) -> date:
        return utc_day(self.start_ms)

    @property
    def last_day(self) -> date:
        return utc_day(self.end_ms - 1)


def utc_day(time_ms: int) -> date:
    """The UTC day that contains `time_ms`."""
    return datetime.fromtimestamp(time_ms // 1000, UTC).date()


def first_ms_of(day: date) -> int:
    """Midnight, UTC, at which `day` begins."""
    return (day - date(1970, 1, 1)).days * DAY_MS


def epoch_at(time_ms: int, week: EpochWeek) -> Epoch:
    """The epoch that contains `time_ms`."""
    start_ms = (time_ms - week.offset_ms) // WEEK_MS * WEEK_MS + week.offset_ms
    return Epoch(start_ms, start_ms + WEEK_MS)


def epochs_between(since_ms: int, until_ms: int, week: EpochWeek) -> Iterator[Epoch]:
    """Every epoch that has a part in [since_ms, until_ms), oldest first."""
    epoch = epoch_at(since_ms, week)
    while epoch.start_ms < until_ms:
        yield epoch
        epoch = Epoch(epoch.end_ms, epoch.end_ms + WEEK_MS)
