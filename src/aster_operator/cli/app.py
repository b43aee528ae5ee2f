"""The command tree. Commands live one to a module and are imported only when they are asked for.

A command module exposes `register(app)`, which adds its commands to the Typer app it is given, and imports
heavy rooms inside its functions. It is named once in `COMMANDS`, with the line that `--help` shows; a test
compares that line with the command's own help.
"""

import difflib
import importlib
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

__all__ = ["COMMANDS", "CommandSource", "build_app", "run_app"]


class CommandSource(NamedTuple):
    """Where a command is defined, and its line in the list of commands."""

    module: str
    summary: str


COMMANDS: dict[str, CommandSource] = {
    "demo": CommandSource(
        "aster_operator.cli.demo",
        "Trade a day of real minutes on the embedded exchange: no keys, no network, no money.",
    ),
    "run": CommandSource(
        "aster_operator.cli.run",
        "Trade on a venue: the embedded exchange served elsewhere, on paper, the testnet, or the real thing.",
    ),
    "dashboard": CommandSource(
        "aster_operator.cli.dashboard",
        "Watch a session in the browser, and steer it: what it holds, decides, trades and costs.",
    ),
    "top": CommandSource(
        "aster_operator.cli.top",
        "Watch a session in the terminal, over ssh too: pairs, positions, protection, limits, messages.",
    ),
    "alerts": CommandSource(
        "aster_operator.cli.alerts", "Send messages about what a session does, and test where they go."
    ),
    "doctor": CommandSource(
        "aster_operator.cli.doctor",
        "Check the venue, the keys, the account and the settings, and say what to mend. Changes nothing.",
    ),
    "collect": CommandSource(
        "aster_operator.cli.collect",
        "Record markets: five streams of each symbol, every message kept. No keys needed.",
    ),
    "data": CommandSource(
        "aster_operator.cli.data", "Look into recorded markets, check, convert and download them."
    ),
    "auth": CommandSource(
        "aster_operator.cli.auth",
        "Make or bring a trading key, say what to approve, and check that it works. Keys stay out of sight.",
    ),
    "exchange": CommandSource("aster_operator.cli.exchange", "Run the embedded exchange."),
    "backtest": CommandSource(
        "aster_operator.cli.backtest", "Run strategies on recorded data, in process and in virtual time."
    ),
    "new-strategy": CommandSource(
        "aster_operator.cli.new_strategy", "Write the file of a new strategy, ready to run."
    ),
    "replay": CommandSource(
        "aster_operator.cli.replay",
        "Replay a session's journal through a fresh core and compare every command.",
    ),
    "db": CommandSource("aster_operator.cli.database", "Prepare, summarise and export the books."),
    "report": CommandSource(
        "aster_operator.cli.report", "Say what a day or a session brought, and send it by mail or chat."
    ),
    "points": CommandSource(
        "aster_operator.cli.points",
        "Say what trading cost, and what a reward programme may give for it.",
    ),
}

_HELP = """Trade perpetual futures on the Aster DEX, on the real venue or on the embedded exchange.

\b
Examples:
  aster-operator demo
  aster-operator db stats
  aster-operator COMMAND --help
"""


class _LazyGroup(TyperGroup):
    """A group whose commands are imported when they are first needed."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        source = COMMANDS.get(cmd_name)
        if source is None:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = _load(cmd_name, source)
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        # The base class would suggest only from commands that were loaded.
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f", did you mean {near[0]!r}?" if near else f"; there are: {', '.join(COMMANDS)}"
            ctx.fail(f"no command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, source.summary) for name, source in COMMANDS.items()])


def _load(name: str, source: CommandSource) -> Any:
    """The command `name` as its module registers it."""
    holder = typer.Typer(rich_markup_mode=None, add_completion=False)
    # Without a callback Typer would collapse a single command into the app itself.
    holder.callback()(lambda: None)
    importlib.import_module(source.module).register(holder)
    return typer.main.get_group(holder).commands[name]


def build_app() -> typer.Typer:
    """The whole command line as a Typer app; sub-commands are imported when asked for."""
    app = typer.Typer(
        cls=_LazyGroup,
        name="aster-operator",
        help=_HELP,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def root(
        version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
    ) -> None:
        # `--version` alone never gets here: the entry answers it before anything is imported.
        if version:
            raise typer.BadParameter("--version stands alone")

    return app


def run_app(arguments: list[str]) -> int:
    """Run one command line and return its exit code.

    A command's return value is its exit code when it is a number; None means 0. Problems are raised, not
    printed: UserProblem and usage errors reach the caller.
    """
    command = typer.main.get_command(build_app())
    result = command.main(args=arguments or ["--help"], prog_name="aster-operator", standalone_mode=False)
    return result if isinstance(result, int) else 0
