"""`aster-operator report`: what a day or the last session brought, shown, written or sent."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from aster_operator.cli.options import DatabaseUrl, EnvFile, JsonOutput, settings_from
from aster_operator.cli.report_parts import build_report, deliver, last_run_period
from aster_operator.config.problems import UserProblem

__all__ = ["register"]

_NOT_TAKEN = 1


def register(app: typer.Typer) -> None:
    """Add `report` to `app`."""
    app.command("report", short_help="Say what a day or a session brought, and send it by mail or chat.")(
        _report
    )


_SessionLog = Annotated[
    str | None,
    typer.Option(
        "--session-log", metavar="FILE", help="JSON log lines to take warnings from; - for standard input."
    ),
]
_Sweeps = Annotated[
    Path | None, typer.Option("--sweeps", metavar="DIR", help="Folder of backtest sweep results.")
]
_CatalogDir = Annotated[
    Path | None, typer.Option("--catalog", metavar="DIR", help="Catalog (default: CATALOG_DIR).")
]


def _report(
    day: Annotated[
        str | None, typer.Option("--day", metavar="DATE", help="UTC day, 2026-02-01 (default: yesterday).")
    ] = None,
    last_run: Annotated[bool, typer.Option("--last-run", help="The last session instead of a day.")] = False,
    send: Annotated[
        bool, typer.Option("--send", help="Send it to NOTIFY_REPORT_URLS, NOTIFY_URLS and ASTER_EMAIL_*.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --send: say to whom it would go, and send nothing.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Also write it as an HTML page.")
    ] = None,
    session_log: _SessionLog = None,
    sweeps: _Sweeps = None,
    catalog: _CatalogDir = None,
    env_file: EnvFile = None,
    database_url: DatabaseUrl = None,
    json_output: JsonOutput = False,
) -> int:
    """Say what a day or a session brought, and send it by mail or chat.

    Trades, PnL after fees and funding, cost per $100k, risk events, warnings, gaps in the data, the best
    configurations of the last sweep and its verdicts. Exit code 1 when a target did not take it.

    \b
    Examples:
      aster-operator report --day 2026-02-01
      aster-operator report --last-run --json
      aster-operator report --send --dry-run
    """
    from aster_operator.cli.json_output import print_json
    from aster_operator.database.engine import describing_errors
    from aster_operator.database.schema import open_books
    from aster_operator.market_data.catalog.durable import write_durably
    from aster_operator.monitoring.daily_report_text import report_html, report_text
    from aster_operator.monitoring.notifications import notifier_from
    from aster_operator.monitoring.report_periods import day_period

    settings = settings_from(env_file, database_url)
    if last_run and day is not None:
        raise typer.BadParameter("--last-run and --day exclude each other")
    notifier = notifier_from(settings, "reports") if send or dry_run else None
    if notifier is not None and not notifier.targets:
        raise UserProblem(
            "no target is set", "report --send", "set NOTIFY_URLS, or ASTER_EMAIL_PROD_ENABLE and its server"
        )
    engine = open_books(settings.database_url)
    with describing_errors(settings.database_url), engine.connect() as connection:
        period = last_run_period(connection) if last_run else day_period(_day_ms(day))
        report = build_report(
            connection,
            period,
            session_log,
            catalog or Path(settings.catalog_dir),
            sweeps,
            Path(settings.log_dir),
        )
    if html is not None:
        page = report_html(report).encode()
        write_durably(html, lambda aside: aside.write_bytes(page))
    deliveries = [] if notifier is None else deliver(notifier, report, dry_run)
    if json_output:
        print_json({"report": report, "deliveries": deliveries, "dry_run": dry_run})
    else:
        sys.stdout.write(report_text(report))
        for one in deliveries:
            words = "would be sent" if dry_run else "sent" if one["sent"] else f"not sent, {one['reason']}"
            print(f"{one['target']}: {words}")
    return _NOT_TAKEN if any(not one["sent"] for one in deliveries) and not dry_run else 0


def _day_ms(text: str | None) -> int:
    """A time on the day that is wanted. Raises UserProblem."""
    from aster_operator.cli.times import parse_time_ms
    from aster_operator.domain.clock import WallClock
    from aster_operator.monitoring.report_periods import yesterday_ms

    return yesterday_ms(WallClock().now_ms()) if text is None else parse_time_ms(text, "--day")
