"""`aster-operator alerts`: messages about a session, sent from beside it, and a test of where they go."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.options import EnvFile, JsonOutput, settings_from

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings

__all__ = ["register"]

_HELP = """Send messages about what a session does, and test where they go.

They go to chat services and mail (NOTIFY_URLS), from beside the session, which is never asked and never
waits; `run` starts that by itself where there are targets. Which rules are on, how many an hour, when it is
quiet: ALERT_RULES, ALERT_MAX_PER_HOUR, ALERT_QUIET_UTC.

\b
Examples:
  aster-operator alerts test
  aster-operator alerts watch
"""

_TEST_HELP = """Send one message to every target and say what became of it.

Exit code 1 when one did not take it.

\b
Examples:
  aster-operator alerts test
  aster-operator alerts test --json
"""

_WATCH_HELP = """Watch the session that runs here and send its alerts, until Ctrl-C.

\b
Examples:
  aster-operator alerts watch
  aster-operator alerts watch --journal runs/journals/delta-neutral.journal
"""


def register(app: typer.Typer) -> None:
    alerts = typer.Typer(rich_markup_mode=None, no_args_is_help=True)
    alerts.command(name="test", help=_TEST_HELP)(_test)
    alerts.command(name="watch", help=_WATCH_HELP)(_watch)
    app.add_typer(alerts, name="alerts", help=_HELP)


def _test(env_file: EnvFile = None, json_output: JsonOutput = False) -> int:
    import sys

    from aster_operator.cli.json_output import print_json
    from aster_operator.config.problems import UserProblem
    from aster_operator.monitoring.notifications import Message, notifier_from

    notifier = notifier_from(settings_from(env_file), "alerts")
    if not notifier.targets:
        raise UserProblem("there is nobody to tell", "NOTIFY_URLS", "set it to one or more addresses")
    deliveries = notifier.send(
        Message(title="Aster Operator: test", text="This is what an alert looks like. Nothing has happened.")
    )
    if json_output:
        print_json({"deliveries": deliveries})
    else:
        for each in deliveries:
            sys.stdout.write(f"{each.target}: {'sent' if each.sent else f'NOT sent, {each.reason}'}\n")
    return 0 if all(each.sent for each in deliveries) else 1


def _watch(
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="FILE", help="Watch the session of this journal.")
    ] = None,
    env_file: EnvFile = None,
    parent: Annotated[int, typer.Option("--parent", hidden=True)] = 0,
) -> int:
    import asyncio

    from aster_operator.cli.service_mode import configure_view_logs

    settings = settings_from(env_file)
    configure_view_logs(settings, beside_session=bool(parent))
    return asyncio.run(_follow(settings, journal, parent))


async def _follow(settings: "Settings", journal: Path | None, parent: int) -> int:
    """Follow the session and send, until told to stop or the session that started us has ended."""
    import asyncio
    from contextlib import suppress

    from aster_operator.cli.alert_parts import alert_sender
    from aster_operator.cli.child_life import until_orphaned
    from aster_operator.cli.live_screen import interrupts
    from aster_operator.cli.session_source import JournalSource
    from aster_operator.config.problems import UserProblem
    from aster_operator.domain.clock import WallClock
    from aster_operator.monitoring.web.hub import DashboardHub

    clock = WallClock()
    hub = DashboardHub(JournalSource(Path(settings.state_dir), journal=journal, pid=parent or None), clock)
    sender = alert_sender(settings, hub, clock)
    if sender is None:
        raise UserProblem("there is nobody to tell", "NOTIFY_URLS", "set it to one or more addresses")
    stop = asyncio.Event()
    tasks = [asyncio.create_task(hub.run()), asyncio.create_task(sender.run())]
    with interrupts(stop.set):
        is_over = await until_orphaned(stop) if parent else not await stop.wait()
    hub.finish(is_over=is_over)
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await sender.end()
    return 0
