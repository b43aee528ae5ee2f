"""Points of each UTC day, estimated under the reward profile that is set, for the books' daily statistics."""

from datetime import UTC, datetime

import msgspec
from sqlalchemy import Engine

from aster_operator.database import queries
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.selection import Selection
from aster_operator.domain.clock import DAY_MS, MINUTE_MS, utc_day_start_ms
from aster_operator.domain.fills import Fill
from aster_operator.rewards.features import collect_features
from aster_operator.rewards.formula import estimate
from aster_operator.rewards.positions import position_history
from aster_operator.rewards.profile import NO_PROGRAMME, PointsProfile, Profile
from aster_operator.rewards.records import Context, FillRecord, Records, hourly_pnl

__all__ = ["DailyPoints", "daily_points"]

_EVERY_MS = 10 * MINUTE_MS
_LOOK_BACK_MS = 8 * DAY_MS
"""Positions that were opened longer ago than this before the day are not seen."""


def daily_points(engine: Engine, recorder: TradeRecorder, profile: Profile) -> "DailyPoints | None":
    """The estimator for `profile`; None for no programme, or one that pays no points."""
    if not isinstance(profile, PointsProfile) or profile.name == NO_PROGRAMME:
        return None
    return DailyPoints(engine, recorder, profile)


class DailyPoints:
    """Estimates the day again as it trades on, not with every fill: a day is read whole each time."""

    def __init__(self, engine: Engine, recorder: TradeRecorder, profile: PointsProfile) -> None:
        self._engine = engine
        self._recorder = recorder
        self._profile = profile
        self._estimated_ms: int | None = None
        self._last_ms: int | None = None

    def note(self, fill: Fill) -> None:
        """A fill entered the books."""
        before, self._last_ms = self._last_ms, fill.event_ms
        if before is not None and utc_day_start_ms(before) < utc_day_start_ms(fill.event_ms):
            self._estimate(utc_day_start_ms(fill.event_ms) - 1)  # yesterday, to its end
        if self._estimated_ms is None or fill.event_ms - self._estimated_ms >= _EVERY_MS:
            self._estimate(fill.event_ms)

    def finish(self, now_ms: int) -> None:
        """The session ends: bring the day up to now."""
        if self._last_ms is not None:
            self._estimate(max(now_ms, self._last_ms))

    def _estimate(self, until_ms: int) -> None:
        self._estimated_ms = until_ms
        day_ms = utc_day_start_ms(until_ms)
        selection = Selection(
            book=self._recorder.book, since_ms=day_ms - _LOOK_BACK_MS, until_ms=until_ms + 1
        )
        with self._engine.connect() as connection:
            records = [
                FillRecord.of(
                    fill,
                    self._recorder.book.account,
                    fill.commission
                    if fill.commission_asset in queries.USD_ASSETS or not fill.commission
                    else None,
                )
                for fill in queries.fills(connection, selection)
            ]
        intervals = tuple(
            msgspec.structs.replace(interval, start_ms=max(interval.start_ms, day_ms))
            for interval in position_history(records, until_ms + 1).intervals
            if interval.end_ms > day_ms
        )
        today = [record for record in records if record.time_ms >= day_ms]
        features = collect_features(
            Records(fills=tuple(today), intervals=intervals, hours=hourly_pnl(today)),
            markets=self._profile.markets,
            boosts=self._profile.symbol_boosts,
            pnl_window_hours=self._profile.pnl_window_hours,
        )
        day = datetime.fromtimestamp(day_ms / 1000, UTC).replace(tzinfo=None)
        self._recorder.record_points_estimate(day, estimate(features, self._profile, Context()).base)
