"""`aster-operator doctor`: is everything ready for a session?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.options import EnvFile, JsonOutput, settings_from

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings
    from aster_operator.runtime.doctor import Check

__all__ = ["register", "show_checks"]

_HELP = """Check the venue, the keys, the account and the settings, and say what to mend. Changes nothing.

Exit code 0 when all is well, 1 when a check fails.

\b
Examples:
  aster-operator doctor
  aster-operator doctor --venue testnet --json
  aster-operator doctor --venue sim --base-url http://127.0.0.1:8545 --ws-url ws://127.0.0.1:8545
"""


def register(app: typer.Typer) -> None:
    app.command(name="doctor", help=_HELP)(_doctor)


def _doctor(
    venue: Annotated[
        str | None, typer.Option("--venue", help="sim, testnet or mainnet (default: VENUE of the settings).")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="REST address instead of the venue's own.")
    ] = None,
    ws_url: Annotated[
        str | None, typer.Option("--ws-url", metavar="URL", help="WebSocket address likewise.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="Trust this CA (exchange serve --tls).")
    ] = None,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    import asyncio

    overrides = {"VENUE": venue, "ASTER_BASE_URL": base_url, "ASTER_WS_URL": ws_url}
    settings = settings_from(env_file, overrides=overrides)
    checks = asyncio.run(_examine(settings, ca_file))
    return show_checks(checks, json_output=json_output)


async def _examine(settings: "Settings", ca_file: Path | None) -> "list[Check]":
    from aster_operator.cli.venues import connect, exchange_life
    from aster_operator.domain.clock import WallClock
    from aster_operator.monitoring.logs import configure_logs
    from aster_operator.runtime.doctor import Doctor

    configure_logs("error")
    clock = WallClock()
    client = connect(settings, clock, settings.venue, ca_file=ca_file, keys_needed=False)
    try:
        return await Doctor(client, settings, clock, lambda: exchange_life(client)).examine()
    finally:
        await client.close()


def show_checks(checks: "list[Check]", *, json_output: bool) -> int:
    """Print findings, a line and a remedy each, or one JSON object; the exit code is the verdict."""
    from rich.console import Console

    from aster_operator.cli.json_output import print_json

    healthy = all(check.ok for check in checks)
    if json_output:
        print_json({"ok": healthy, "checks": checks})
        return 0 if healthy else 1
    console = Console(highlight=False)
    for check in checks:
        mark = "[green]✓[/green]" if check.ok else "[red]✗[/red]"
        console.print(f"{mark} {check.name:<24}", end=" ")
        console.print(check.detail, markup=False, soft_wrap=True)
        if check.remedy:
            console.print(f"  → {check.remedy}", style="yellow", markup=False, soft_wrap=True)
    console.print("All is well." if healthy else "Something is to be mended.", style="bold")
    return 0 if healthy else 1
