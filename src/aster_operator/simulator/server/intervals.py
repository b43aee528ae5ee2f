"""Kline intervals of the venue and where their bars begin (section 4.1)."""

from datetime import UTC, datetime
from typing import Final

from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.market import INTERVAL_MS
from aster_operator.simulator.server import refusals

__all__ = ["MONTH", "bar_close_ms", "bar_open_ms", "interval_ms"]

MONTH: Final = "1M"
# The first day of 1970 was a Thursday; weeks begin on Monday.
_MONDAY_MS: Final = 4 * DAY_MS


def interval_ms(name: str) -> int:
    """Length of a fixed interval. Raises VenueRefusal(-1120) for an unknown one; months have no length."""
    length = INTERVAL_MS.get(name)
    if length is None:
        raise refusals.bad_interval()
    return length


def bar_open_ms(name: str, time_ms: int) -> int:
    """Start of the bar of interval `name` that contains `time_ms`."""
    if name == MONTH:
        moment = datetime.fromtimestamp(time_ms / 1000, UTC)
        return int(datetime(moment.year, moment.month, 1, tzinfo=UTC).timestamp()) * 1000
    length = interval_ms(name)
    origin = _MONDAY_MS if name == "1w" else 0
    return time_ms - (time_ms - origin) % length


def bar_close_ms(name: str, open_ms: int) -> int:
    """Last millisecond of the bar that begins at `open_ms`."""
    if name == MONTH:
        return bar_open_ms(MONTH, open_ms + 32 * DAY_MS) - 1
    return open_ms + interval_ms(name) - 1
