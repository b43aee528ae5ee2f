"""`aster-operator top`: what a session holds and how it stands, in the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from aster_operator.cli.options import EnvFile, JsonOutput, settings_from

__all__ = ["register"]

_HELP = """Watch a session in the terminal, over ssh too: pairs, positions, protection, limits, messages.

Keys: p pauses entries, r resumes, c closes what is selected, f flattens all, l reads the parameter files
again, d dark or light, q quits. Each wish asks once, is journalled with who and when, and passes the same
risk gate as the strategy.

\b
Examples:
  aster-operator top
  aster-operator top --json
"""


def register(app: typer.Typer) -> None:
    app.command(name="top", help=_HELP)(_top)


def _top(
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="FILE", help="Show the session of this journal.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Show only: no steering.")] = False,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    from aster_operator.cli.session_source import JournalSource
    from aster_operator.config.problems import UserProblem
    from aster_operator.domain.clock import WallClock
    from aster_operator.monitoring.web.hub import DashboardHub

    settings = settings_from(env_file)
    if journal is not None and not journal.is_file():
        raise UserProblem(f"{journal} is not there", "--journal", "name a file of runs/journals")
    source = JournalSource(Path(settings.state_dir), journal=journal)
    hub = DashboardHub(source, WallClock(), read_only=read_only)
    if json_output:
        return _print_now(hub)
    from aster_operator.monitoring.logs import configure_logs
    from aster_operator.monitoring.terminal.top import TopApp

    configure_logs("error")  # what is wrong with the journal is shown on the screen
    TopApp(hub).run()
    hub.close()
    return 0


def _print_now(hub: "object") -> int:
    """The Now picture as one JSON object, as /api/now gives it."""
    from aster_operator.cli.json_output import print_json
    from aster_operator.config.problems import UserProblem
    from aster_operator.monitoring.pictures.now import now_picture
    from aster_operator.monitoring.web.hub import DashboardHub

    assert isinstance(hub, DashboardHub)  # noqa: S101 (narrows the type)
    while hub.advance():
        pass
    hub.close()
    if hub.replica is None:
        raise UserProblem(hub.problem or "no session has been found", "top", "start one: aster-operator run")
    print_json(now_picture(hub.replica))
    return 0
