"""Write the reference pages from the code: settings, limits and command line, in `docs/reference`.

    python tools/write_reference.py           writes the pages
    python tools/write_reference.py --check   exit code 1 when one of them is out of date

A test runs the check, so that no page can say anything else than the program does.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aster_operator.cli.app import COMMANDS, build_app
from aster_operator.config.alert_settings import AlertSettings
from aster_operator.config.fields import allowed_text, field_extra, field_key, is_secret
from aster_operator.config.notification_settings import NotificationSettings
from aster_operator.config.pair_settings import PairSettings
from aster_operator.config.service_settings import DeploymentSettings, MidfreqSettings
from aster_operator.config.session_settings import SessionSettings
from aster_operator.config.settings import Settings
from aster_operator.config.telemetry_settings import TelemetrySettings
from aster_operator.config.trading_settings import ExecutionSettings, RiskSettings, StrategySettings
from aster_operator.config.venue_settings import StorageSettings, VenueSettings
from aster_operator.exchange.error_codes import ERROR_CODES
from aster_operator.strategy.limit_rules import RULES

__all__ = ["PAGES", "ROOT", "cli_page", "errors_page", "limits_page", "main", "outdated", "settings_page"]

ROOT = Path(__file__).parents[1]

_HELP_WIDTH = 100


class _Section(NamedTuple):
    """A chapter of the settings page. `note` says what a reader of the table must know."""

    title: str
    model: type[BaseModel]
    note: str


_SECTIONS = (
    _Section(
        "Venue and keys",
        VenueSettings,
        "An agent needs `WALLET_ADDRESS` and `ASTER_AGENT_PRIVATE_KEY`, an old V1 key `ASTER_API_KEY` and "
        "`ASTER_API_SECRET`. `aster-operator run` trades on all four; `paper` needs no keys.",
    ),
    _Section(
        "Books, state and logs",
        StorageSettings,
        "Relative paths count from the directory the program is started in.",
    ),
    _Section(
        "Sessions",
        SessionSettings,
        "How a session ends and how it speaks; `aster-operator run --on-stop` wins over `ON_STOP`.",
    ),
    _Section(
        "Messages",
        NotificationSettings,
        "`aster-operator report --send` and alerts go there; an address holds tokens and is masked.",
    ),
    _Section(
        "Alerts",
        AlertSettings,
        "What is sent to `NOTIFY_URLS` while a session runs: [alerts](../how-to/watch-and-steer.md#alerts).",
    ),
    _Section(
        "Telemetry",
        TelemetrySettings,
        "The numbers of `/metrics` pushed to a collector: [metrics](../how-to/watch-and-steer.md#metrics).",
    ),
    _Section(
        "Delta-neutral: capital, size and pace",
        StrategySettings,
        "A leg's notional is `CAPITAL_USDT` x `MAX_POSITION_SIZE_PCT` / 100 x `LEVERAGE`. Below the "
        "smallest order of a symbol the operator refuses to start and names the smallest capital that works. "
        "The demo has values of its own for what you have not set, so that it has something to show.",
    ),
    _Section(
        "Delta-neutral: what is held against what",
        PairSettings,
        "LONG and SHORT of one perpetual, two perpetuals held against each other, or spot against perpetual.",
    ),
    _Section(
        "Execution",
        ExecutionSettings,
        "What happens in these times, in order: [maker-first pair execution](../decisions/"
        "0009-maker-first-pair-execution.md).",
    ),
    _Section(
        "Limits",
        RiskSettings,
        "Stops judge the pair, not a leg: one leg of a hedge always loses. What each limit does when it is "
        "reached: [risks](../risks.md#limits-and-what-they-do).",
    ),
    _Section(
        "Mid-frequency strategy",
        MidfreqSettings,
        "Read by `run --strategy midfreq` and `backtest replay`; what they mean: [midfreq](../midfreq.md). "
        "Options of the command line win, and a file of parameters wins over the signals here.",
    ),
    _Section(
        "Deployment kit",
        DeploymentSettings,
        "`data upload` reads the BigQuery keys, `report --send` those of mail, [backtest weekly]"
        "(../how-to/weekly-backtest.md) all that begin with `ASTER_BACKTEST_`.",
    ),
)

_GENERATED = "<!-- Written by tools/write_reference.py from the code. Change the code, then run it again. -->"


# --- settings -------------------------------------------------------------------------------------------


def settings_page() -> str:
    """The settings page. Raises ValueError when a setting belongs to no section."""
    missing = set(Settings.model_fields) - {name for s in _SECTIONS for name in s.model.model_fields}
    if missing:
        raise ValueError(f"settings without a section: {', '.join(sorted(missing))}")
    return "\n".join(_settings_lines()).rstrip() + "\n"


def _settings_lines() -> Iterator[str]:
    yield from (
        "# Settings",
        "",
        _GENERATED,
        "",
        "Every setting is an environment variable, or a line `KEY=value` of the file `.env` in the",
        "directory the program is started in (`--env-file` names another). The environment wins over the",
        "file, a command-line option over both. Every key is optional: an empty value means the default.",
        "A value that is not allowed stops the program before anything happens, exit code 2, with one line",
        "for each problem. [`.env.example`](../../.env.example) holds all keys, ready to copy.",
        "",
        "A secret may be the text itself, or say where it is: [Secrets](../how-to/secrets.md). It is masked",
        "in every log, error and report.",
    )
    for section in _SECTIONS:
        yield from ("", f"## {section.title}", "", section.note, "")
        yield "| Key | Default | Allowed | Meaning |"
        yield "|---|---|---|---|"
        for field in section.model.model_fields.values():
            yield _settings_row(field)


def _settings_row(field: FieldInfo) -> str:
    meaning = f"{field.description}."
    if is_secret(field):
        meaning += " Secret."
    if field_extra(field, "has_effect") is False:
        meaning += " Has no effect."
    cells = (f"`{field_key(field)}`", _default_text(field), allowed_text(field), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default_text(field: FieldInfo) -> str:
    default = field.get_default()
    if default is None:
        return "unset"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`{','.join(str(item) for item in default)}`"
    return f"`{default}`" if str(default) else ""


# --- limits ---------------------------------------------------------------------------------------------


def limits_page() -> str:
    """The page of limits: one row for each, from the rules that are judged."""
    fields = {field_key(field): field for field in Settings.model_fields.values()}
    lines = [
        "# Limits that warn and act",
        "",
        _GENERATED,
        "",
        "Every limit has a level that warns and one that acts. A warning is said once; it is over when",
        "the value has gone back by a tenth, and then the next crossing is said again. A value that is",
        "not known for a minute is said too, because a limit that cannot be judged protects nobody; what",
        "the venue tells only beside a position, a minute after that should have been read.",
        "Acting never waits for a warning: pairs are judged at every mark price, the account every",
        "second, orders before they are sent. Margins, liquidation prices and places in the deleveraging",
        "queue are read from the venue every `ACCOUNT_REFRESH_S` while something is held, and sooner",
        "after what is held has changed. Peak and first equity of the day are kept in the books, so that",
        "a restart forgives nothing; money paid in or taken out moves them.",
        "",
        "| Limit | Judged on | Measured | From | Warns at | Acts at (default) | Acting |",
        "|---|---|---|---|---|---|---|",
    ]
    for rule in RULES:
        default = fields[rule.setting].get_default()
        acts = "unset" if default is None else str(default)
        cells = (
            f"`{rule.setting}`, {rule.aspect}",
            rule.judged_on,
            rule.measure,
            rule.source,
            rule.warning,
            acts,
            rule.action,
        )
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "What is allowed and meant: [settings](settings.md#limits). The other bounds of a session, deadlines",
        "and budgets: [risks](../risks.md#limits-and-what-they-do).",
    ]
    return "\n".join(lines) + "\n"


# --- command line ---------------------------------------------------------------------------------------


def cli_page() -> str:
    """The command-line page: what `--help` prints, for every command."""
    lines = [
        "# Command line",
        "",
        _GENERATED,
        "",
        "What `--help` prints, for every command. After `make install` the program is",
        "`.venv/bin/aster-operator`; `source .venv/bin/activate` makes that `aster-operator`.",
        "",
        "| Exit code | Meaning |",
        "|---|---|",
        "| 0 | done; for `demo` and `run` also: the books match the exchange's; for `replay`: reproduced |",
        "| 1 | books that do not match or were not compared, a replay that differs, or a fault of ours "
        "(it names a crash file) |",
        "| 2 | something you can mend: one line says what, where and what to do |",
        "| 130 | ended by Ctrl-C |",
        "",
        "With `--json` standard output holds JSON and nothing else; everything else goes to standard error.",
    ]
    for path, text in _helps():
        lines += ["", f"## {path}", "", "```text", text.rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _helps() -> Iterator[tuple[str, str]]:
    """Name and help of the program, its commands and their sub-commands, in the order of the help."""
    root = typer.main.get_command(build_app())
    with _context(root, None, "aster-operator") as context:
        yield "aster-operator", context.get_help()
        for name in COMMANDS:
            yield from _command_helps(root.get_command(context, name), context, name)  # type: ignore[attr-defined]


def _command_helps(command: Any, parent: Any, name: str) -> Iterator[tuple[str, str]]:
    with _context(command, parent, name) as context:
        yield context.command_path, context.get_help()
        for inner in getattr(command, "commands", {}):
            yield from _command_helps(command.commands[inner], context, inner)


def _context(command: Any, parent: Any, name: str) -> Any:
    return command.context_class(command, parent=parent, info_name=name, terminal_width=_HELP_WIDTH)


# --- writing --------------------------------------------------------------------------------------------


def errors_page() -> str:
    """The page of the venue's error codes."""
    lines = [
        "# Wire errors",
        "",
        _GENERATED,
        "",
        "What the venue's error codes mean to the operator. *Again* says whether the same request may be",
        "sent later as it is. After *outcome unclear* a request that changes something is never repeated:",
        "the operator asks what became of it. The embedded exchange answers with the same codes.",
        "",
        "| Code | Name | Kind of failure | Again |",
        "|---|---|---|---|",
    ]
    for code, rule in sorted(ERROR_CODES.items(), reverse=True):
        again = "yes" if rule.retriable else "no"
        lines.append(f"| {code} | `{rule.name}` | {rule.failure} | {again} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/settings.md": settings_page,
    "docs/reference/risk-limits.md": limits_page,
    "docs/reference/cli.md": cli_page,
    "docs/reference/wire-errors.md": errors_page,
}
"""Pages by their path below the root, and what makes each."""


def outdated() -> list[str]:
    """Paths of the pages that do not say what the code says."""
    return [
        path
        for path, make in PAGES.items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != make()
    ]


def main(arguments: list[str]) -> int:
    stale = outdated()
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path} is out of date: run python tools/write_reference.py", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(PAGES[path](), encoding="utf-8")
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
