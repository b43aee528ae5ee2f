"""What has been held for how long: notional of all legs times hours, in the UTC week that is running."""

from dataclasses import dataclass
from decimal import Decimal

from aster_operator.domain.clock import DAY_MS, HOUR_MS
from aster_operator.domain.money import ZERO

__all__ = ["HoldMeter", "utc_week_start_ms"]

_WEEK_MS = 7 * DAY_MS
_FIRST_MONDAY_MS = 4 * DAY_MS  # 1 January 1970 was a Thursday


def utc_week_start_ms(time_ms: int) -> int:
    """Monday 00:00 UTC of the week that contains `time_ms`."""
    return time_ms - (time_ms - _FIRST_MONDAY_MS) % _WEEK_MS


@dataclass(slots=True)
class HoldMeter:
    """Adds up between observations; what was counted before a restart is given back to it. Both figures are
    of the week that began at `week_ms`."""

    week_ms: int = 0
    usd_hours: Decimal = ZERO
    _last_ms: int | None = None
    _last_usd: Decimal = ZERO

    def observe(self, gross_usd: Decimal, now_ms: int) -> None:
        """Count what was held since the last observation; call whenever time has passed."""
        week_ms = utc_week_start_ms(now_ms)
        if week_ms != self.week_ms:
            self.week_ms, self.usd_hours = week_ms, ZERO
        if self._last_ms is not None:
            since_ms = max(self._last_ms, week_ms)
            self.usd_hours += self._last_usd * (now_ms - since_ms) / HOUR_MS
        self._last_ms, self._last_usd = now_ms, gross_usd

    @property
    def week_end_ms(self) -> int:
        return self.week_ms + _WEEK_MS
