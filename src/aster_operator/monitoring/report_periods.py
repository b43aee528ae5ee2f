"""What a report can be about: a UTC day, or the last session in the books."""

from sqlalchemy import Connection, select

from aster_operator.database.models import SessionRun
from aster_operator.domain.clock import DAY_MS, utc_day_start_ms
from aster_operator.monitoring.daily_report import Period
from aster_operator.rewards.epochs import utc_day

__all__ = ["day_period", "last_session_period", "yesterday_ms"]


def yesterday_ms(now_ms: int) -> int:
    """Where the UTC day before the one of `now_ms` begins."""
    return utc_day_start_ms(now_ms) - DAY_MS


def day_period(time_ms: int) -> Period:
    """The UTC day that contains `time_ms`."""
    since_ms = utc_day_start_ms(time_ms)
    return Period(name=utc_day(since_ms).isoformat(), since_ms=since_ms, until_ms=since_ms + DAY_MS)


def last_session_period(connection: Connection, now_ms: int) -> Period | None:
    """The last session in the books, up to `now_ms` if it has no end; None when they hold none."""
    run = connection.execute(select(SessionRun).order_by(SessionRun.id.desc()).limit(1)).first()
    if run is None:
        return None
    until_ms = now_ms if run.ended_ms is None else run.ended_ms
    return Period(
        name=f"session {run.run_id} of {run.strategy} at {run.venue}",
        since_ms=run.started_ms,
        until_ms=until_ms + 1,
        run_id=run.run_id,
    )
