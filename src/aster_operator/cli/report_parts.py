"""A report put together and handed to people: on demand, or when a session ends."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aster_operator.config.problems import UserProblem

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from aster_operator.config.settings import Settings
    from aster_operator.monitoring.daily_report import DailyReport, Period
    from aster_operator.monitoring.notifications import Notifier

__all__ = ["build_report", "completion_notifier", "deliver", "last_run_period", "send_completion"]


def build_report(
    connection: "Connection",
    period: "Period",
    session_log: str | None,
    catalog: Path,
    sweeps: Path | None,
    crashes: Path,
) -> "DailyReport":
    """The report of a period from books, catalog, log lines, sweeps and crash files."""
    from aster_operator.monitoring.daily_report import build_daily_report

    lines = None
    if session_log == "-":
        lines = sys.stdin.read().splitlines()
    elif session_log is not None:
        lines = Path(session_log).read_text(encoding="utf-8", errors="replace").splitlines()
    return build_daily_report(
        connection,
        period,
        catalog_root=catalog,
        log_lines=lines,
        sweep_folder=sweeps,
        crash_folder=crashes,
    )


def deliver(notifier: "Notifier", report: "DailyReport", dry_run: bool) -> list[dict[str, Any]]:
    """Send it to every target; what became of each."""
    import msgspec

    from aster_operator.monitoring.daily_report_text import report_message

    if dry_run:
        return [{"target": target.name, "sent": False, "reason": "dry run"} for target in notifier.targets]
    return [msgspec.to_builtins(delivery) for delivery in notifier.send(report_message(report))]


def last_run_period(connection: "Connection") -> "Period":
    """The last session in the books. Raises UserProblem when there is none."""
    from aster_operator.domain.clock import WallClock
    from aster_operator.monitoring.report_periods import last_session_period

    period = last_session_period(connection, WallClock().now_ms())
    if period is None:
        raise UserProblem("the books hold no session", "report --last-run", "run one first")
    return period


def completion_notifier(settings: "Settings") -> "Notifier | None":
    """Who hears of a session's end (REPORT_ON_COMPLETION); None when nobody is to.

    Raises UserProblem where it is switched on and no target is set: before the session, not after it.
    """
    if not settings.report_on_completion:
        return None
    from aster_operator.monitoring.notifications import notifier_from

    notifier = notifier_from(settings, "reports")
    if not notifier.targets:
        raise UserProblem(
            "no target is set",
            "REPORT_ON_COMPLETION",
            "set NOTIFY_URLS, or ASTER_EMAIL_PROD_ENABLE and its server",
        )
    return notifier


def send_completion(settings: "Settings", notifier: "Notifier | None") -> None:
    """Send the report of the session that has just ended; a line of warning for each target without it."""
    if notifier is None:
        return
    from aster_operator.cli.errors import print_warnings
    from aster_operator.database.engine import describing_errors
    from aster_operator.database.schema import open_books

    with describing_errors(settings.database_url), open_books(settings.database_url).connect() as connection:
        report = build_report(
            connection,
            last_run_period(connection),
            None,
            Path(settings.catalog_dir),
            None,
            Path(settings.log_dir),
        )
    failed = [one for one in deliver(notifier, report, dry_run=False) if not one["sent"]]
    print_warnings(tuple(f"the report did not reach {one['target']}: {one['reason']}" for one in failed))
