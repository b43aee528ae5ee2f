"""`aster-operator demo`: first light on the embedded exchange, from nothing to a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.dashboard_child import Dashboard, DashboardPort, dashboard_beside
from aster_operator.cli.options import EnvFile, JsonOutput, settings_from
from aster_operator.cli.pair_options import PairOption, check_kind, pair_defaults, pairs_in
from aster_operator.cli.sim_settings import keys_set, settings_for_the_sim

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings
    from aster_operator.runtime.demo import DemoOptions

__all__ = ["register"]

_KEPT_BOOKS = 5


def register(app: typer.Typer) -> None:
    app.command(name="demo", help=_HELP)(_demo)


_HELP = """Trade a day of real minutes on the embedded exchange: no keys, no network, no money.

Settings come from .env as everywhere; what is not set there gets values that suit the demo. Ends with
exit code 0 only if our books and the exchange's match to the last digit.

\b
Examples:
  aster-operator demo
  aster-operator demo --hours 48 --seed 7
  aster-operator demo --pair cross
  aster-operator demo --dashboard --speed 60
  aster-operator demo --json > report.json
"""


def _demo(
    hours: Annotated[
        float,
        typer.Option("--hours", min=0.02, max=8784, help="Market time to play; 24 gives the full picture."),
    ] = 24.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same market, same report.")] = 1,
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0.1, help="Market time per wall time (default: as fast as it goes)."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", help="Kline Parquet file or folder (default: the sample)."),
    ] = None,
    pair: PairOption = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the exchange; 0 takes a free one.")
    ] = 0,
    dashboard: Dashboard = False,
    dashboard_port: DashboardPort = 0,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    import asyncio

    from aster_operator.runtime.demo import DemoOptions

    settings = _demo_settings(env_file, data, pair)
    warm_up_hours = 24.0 if data is None else 0.0
    options = DemoOptions(
        hours=hours,
        warm_up_hours=warm_up_hours,
        seed=seed,
        data=data,
        speed=speed,
        port=port,
        journal_path=_new_journal(Path(settings.state_dir)) if dashboard else None,
    )
    with dashboard_beside(settings, dashboard_port if dashboard else None, env_file, wait=True):
        return asyncio.run(_main(settings, options, json_output=json_output))


def _demo_settings(env_file: str | None, data: Path | None, pair: str | None) -> "Settings":
    """The person's settings with the demo's values where nothing was set, and books of their own."""
    given = settings_from(env_file, quiet=True)
    overrides = check_kind(pair)
    if not {"DB_PATH", "DATABASE_URL"} & keys_set(given):
        overrides["DB_PATH"] = str(_new_books(Path(given.state_dir)))
    kind = pair or given.pair_kind
    defaults = pair_defaults(kind)
    if (data is not None or kind == "cross") and "TRADING_PAIRS" not in keys_set(given):
        overrides["TRADING_PAIRS"] = pairs_in(data, kind)
    return settings_for_the_sim(env_file, overrides, defaults)


def _new_books(state_dir: Path) -> Path:
    """A fresh SQLite file below the state directory; only the last few demos' books are kept."""
    import os

    from aster_operator.domain.clock import WallClock

    folder = state_dir / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("books-*.db"))[: -(_KEPT_BOOKS - 1)]:
        for file in folder.glob(f"{old.name}*"):
            file.unlink(missing_ok=True)
    return folder / f"books-{WallClock().now_ms()}-{os.getpid()}.db"


def _new_journal(state_dir: Path) -> Path:
    """A journal for the dashboard to follow; only the last few demos' are kept."""
    import os

    from aster_operator.domain.clock import WallClock

    folder = state_dir / "journals"
    for old in sorted(folder.glob("demo-*.journal"))[: -(_KEPT_BOOKS - 1)]:
        old.unlink(missing_ok=True)
    return folder / f"demo-{WallClock().now_ms()}-{os.getpid()}.journal"


async def _main(settings: "Settings", options: "DemoOptions", *, json_output: bool) -> int:
    """Terminal side of one demo: the live picture, Ctrl-C, the report, the exit code."""
    from rich.console import Console

    from aster_operator.cli.live_screen import LiveScreen, interrupts
    from aster_operator.cli.session_output import ledger_exit_code, session_report, show_report
    from aster_operator.cli.venues import connect_embedded
    from aster_operator.domain.clock import WallClock
    from aster_operator.monitoring.logs import configure_logs
    from aster_operator.runtime.demo import DemoRun

    console = Console(stderr=json_output)
    # On a terminal the picture shows the session's messages; elsewhere they are log lines.
    configure_logs("error" if console.is_terminal else settings.log_level)
    clock = WallClock()
    with LiveScreen(console, clock, f"Aster Operator demo, seed {options.seed}") as screen:
        run = DemoRun(
            settings,
            options,
            clock=clock,
            connect=lambda venue, account: connect_embedded(venue, account, clock, settings.pair_kind),
            watch=screen.watch,
            on_notice=screen.notice,
            tick=screen.refresh,
        )
        with interrupts(run.interrupt):
            result = await run.run()
    report = session_report(
        result.core,
        result.books,
        market_minutes=result.market_minutes,
        seed=options.seed,
        interrupted=result.interrupted,
        whole_account=True,
    )
    show_report(report, settings, console, json_output=json_output)
    return ledger_exit_code(report)
