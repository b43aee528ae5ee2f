"""`aster-operator replay`: play a session's journal again and see whether it decides the same."""

from pathlib import Path
from typing import Annotated

import typer

from aster_operator.cli.options import JsonOutput

__all__ = ["register"]

_HELP = """Replay a session's journal through a fresh core and compare every command.

Exit code 0 when all of them were reproduced, 1 when one was not.

\b
Examples:
  aster-operator replay --verify runs/journals/sim-1795255283921.journal
"""


def register(app: typer.Typer) -> None:
    app.command(name="replay", help=_HELP)(_replay)


def _replay(
    journal: Annotated[Path, typer.Argument(metavar="JOURNAL", help="Journal file of a session.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the commands (the default, and all it does).")
    ] = True,
    json_output: JsonOutput = False,
) -> int:
    from aster_operator.cli.json_output import print_json
    from aster_operator.config.problems import UserProblem
    from aster_operator.runtime.replay import verify_journal

    if not verify:
        raise typer.BadParameter("there is nothing to do but --verify", param_hint="--verify")
    try:
        result = verify_journal(journal)
    except ValueError as error:
        raise UserProblem(str(error), "replay", "name a file written by aster-operator run") from error
    if json_output:
        print_json(
            {
                "reproduced": result.reproduced,
                "events": result.events,
                "commands": result.commands,
                "difference": result.difference,
            }
        )
    elif result.reproduced:
        print(f"reproduced: {result.events} events gave the same {result.commands} commands")
    else:
        print(f"NOT reproduced: {result.difference}")
    return 0 if result.reproduced else 1
