"""`aster-operator dashboard`: the web dashboard, JSON API and metrics of a running or past session."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.options import DatabaseUrl, EnvFile, settings_from

if TYPE_CHECKING:
    from aster_operator.domain.clock import Clock
    from aster_operator.monitoring.alerts.sender import AlertSender
    from aster_operator.monitoring.web.book_reader import BookReader
    from aster_operator.monitoring.web.hub import DashboardHub
    from aster_operator.monitoring.web.server import DashboardAddress, DashboardOptions
    from aster_operator.monitoring.web.telemetry import MetricsPusher

__all__ = ["register"]

_HELP = """Watch a session in the browser, and steer it: what it holds, decides, trades and costs.

Shows the session that runs in this directory (STATE_DIR), else the last one, from its journal: the session
itself is never asked, and never waits. Serves pages, a read-only JSON API (/api, described in
/api/openapi.json), Prometheus metrics (/metrics) and /healthz, until Ctrl-C.
Listens on this machine only. Elsewhere (--host) every request needs the token.

\b
Examples:
  aster-operator dashboard
  aster-operator dashboard --port 8080 --read-only
  aster-operator dashboard --journal runs/journals/testnet-1770000000000.journal
  aster-operator dashboard --port 0 --json
"""


def register(app: typer.Typer) -> None:
    app.command(name="dashboard", help=_HELP)(_dashboard)


def _dashboard(
    host: Annotated[
        str,
        typer.Option("--host", metavar="ADDRESS", help="Address to listen on; beyond loopback with a token."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="FILE", help="Show the session of this journal.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show only: no steering.")] = False,
    require_token: Annotated[
        bool, typer.Option("--require-token", help="Ask for the token on this machine too.")
    ] = False,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option("--allowed-host", metavar="NAME", help="A name it may be called by; may be repeated."),
    ] = None,
    results: Annotated[
        Path, typer.Option("--results", metavar="DIR", help="Where sweeps and their reports lie.")
    ] = Path("results"),
    profile: Annotated[
        str | None, typer.Option("--profile", help="Reward programme (default: REWARD_PROFILE).")
    ] = None,
    env_file: EnvFile = None,
    database_url: DatabaseUrl = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="Print the addresses and the token as one JSON line first.")
    ] = False,
    parent: Annotated[int, typer.Option("--parent", hidden=True)] = 0,
) -> int:
    import asyncio

    from aster_operator.cli.alert_parts import alert_sender
    from aster_operator.cli.dashboard_parts import dashboard_parts, telemetry
    from aster_operator.cli.service_mode import configure_view_logs
    from aster_operator.config.problems import UserProblem

    settings = settings_from(env_file, database_url)
    configure_view_logs(settings, beside_session=bool(parent))
    if journal is not None and not parent and not journal.is_file():
        raise UserProblem(f"{journal} is not there", "--journal", "name a file of runs/journals")
    hub, books, options, clock = dashboard_parts(
        settings,
        host=host,
        port=port,
        journal=journal,
        parent=parent,
        read_only=read_only,
        require_token=require_token,
        allowed_hosts=tuple(allowed_host or ()),
        results=results,
        profile_name=profile or settings.reward_profile,
    )
    # Beside a session it sends the alerts too; a page opened by hand would send them twice.
    sender = alert_sender(settings, hub, clock) if parent else None
    pusher = telemetry(settings, hub, options, clock)
    return asyncio.run(
        _serve(hub, books, options, clock, sender, pusher, json_output=json_output, parent=parent)
    )


async def _serve(
    hub: "DashboardHub",
    books: "BookReader",
    options: "DashboardOptions",
    clock: "Clock",
    sender: "AlertSender | None",
    pusher: "MetricsPusher | None",
    *,
    json_output: bool,
    parent: int,
) -> int:
    import asyncio

    from aster_operator.cli.child_life import until_orphaned
    from aster_operator.cli.live_screen import interrupts
    from aster_operator.monitoring.web.server import dashboard

    stop = asyncio.Event()
    async with dashboard(hub, books, options, clock, sender, pusher) as address:
        with interrupts(stop.set):
            _announce(address, options, json_output=json_output)
            if not parent:
                await stop.wait()
            elif await until_orphaned(stop):
                hub.finish(is_over=True)
    return 0


def _announce(address: "DashboardAddress", options: "DashboardOptions", *, json_output: bool) -> None:
    from aster_operator.cli.json_output import print_json

    if json_output:
        print_json(address)
        return
    from aster_operator.monitoring.web.security import is_loopback

    open_to_all = is_loopback(options.host) and not options.require_token
    link = address.url if open_to_all else f"{address.url}?token={address.token}"
    sys.stdout.write(f"dashboard: {link}   (Ctrl-C ends it)\n")
    sys.stdout.flush()
