"""`aster-operator demo`: first light on the embedded exchange, from nothing to a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster_operator.cli.options import EnvFile, JsonOutput, settings_from

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings
    from aster_operator.monitoring.session_report import SessionReport
    from aster_operator.runtime.demo import DemoResult, DemoRun

__all__ = ["register"]

_DEMO_DEFAULTS = {
    "CAPITAL_USDT": "10000",
    "LEVERAGE": "5",
    "MAX_POSITION_SIZE_PCT": "10",
    "TRADING_PAIRS": "BTCUSDT,ETHUSDT",
    "DAILY_VOLUME_TARGET": "400000",
}
"""What the demo trades with where the person has set nothing: sizes that show a rotation well."""

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
  aster-operator demo --json > report.json
"""


def _demo(
    hours: Annotated[
        float, typer.Option("--hours", min=0.02, help="Market time to play, at least 24 for a full picture.")
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
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port of the exchange; 0 takes a free one.")
    ] = 0,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    from aster_operator.runtime.demo import DemoOptions, DemoRun

    settings = _demo_settings(env_file)
    warm_up_hours = 24.0 if data is None else 0.0
    options = DemoOptions(
        hours=hours, warm_up_hours=warm_up_hours, seed=seed, data=data, speed=speed, port=port
    )
    return _Demo(settings, options, json_output=json_output).run(DemoRun)


def _demo_settings(env_file: str | None) -> "Settings":
    """The person's settings with the demo's values where nothing was set, and books of their own."""
    from aster_operator.config.fields import field_key

    given = settings_from(env_file)
    fields = type(given).model_fields
    set_keys = {field_key(fields[name]) for name in given.model_fields_set}
    overrides: dict[str, Any] = {key: value for key, value in _DEMO_DEFAULTS.items() if key not in set_keys}
    overrides["VENUE"] = "sim"
    if not {"DB_PATH", "DATABASE_URL"} & set_keys:
        overrides["DB_PATH"] = str(_new_books(Path(given.state_dir)))
    return settings_from(env_file, overrides=overrides)


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


class _Demo:
    """Terminal side of one demo: the live picture, Ctrl-C, the report, the exit code."""

    def __init__(self, settings: "Settings", options: Any, *, json_output: bool) -> None:
        from rich.console import Console

        self._settings = settings
        self._options = options
        self._json = json_output
        self._console = Console(stderr=True) if json_output else Console()
        self._run: DemoRun | None = None

    def run(self, factory: "type[DemoRun]") -> int:
        import asyncio

        return asyncio.run(self._main(factory))

    async def _main(self, factory: "type[DemoRun]") -> int:
        from aster_operator.cli.live_screen import LiveScreen, interrupts
        from aster_operator.cli.venues import connect_embedded
        from aster_operator.domain.clock import WallClock
        from aster_operator.monitoring.logs import configure_logs

        # On a terminal the picture shows the session's messages; elsewhere they are log lines.
        configure_logs("error" if self._console.is_terminal else self._settings.log_level)
        clock = WallClock()
        with LiveScreen(self._console, clock, f"Aster Operator demo, seed {self._options.seed}") as screen:
            self._run = factory(
                self._settings,
                self._options,
                clock=clock,
                connect=lambda venue, account: connect_embedded(venue, account, clock),
                watch=screen.watch,
                tick=screen.refresh,
            )
            with interrupts(self._run.interrupt):
                result = await self._run.run()
        report = self._report(result)
        self._show(report)
        if result.interrupted:
            return 130
        return 0 if report.ledger == "match" else 1

    def _report(self, result: "DemoResult") -> "SessionReport":
        from aster_operator.monitoring.ledger import compare_ledgers
        from aster_operator.monitoring.session_report import build_report

        if self._run is None or self._run.core is None:
            raise RuntimeError("the demo has not run")
        core, books = self._run.core, result.books
        pairs = list(core.state.pairs.active())
        return build_report(
            strategy=core.strategy.name,
            symbols=self._settings.trading_pairs,
            market_minutes=result.market_minutes,
            seed=self._options.seed,
            fills=books.own_fills,
            funding=books.own_income,
            pairs=core.state.pairs.finished,
            pairs_opened=len(core.state.pairs.finished) + len(pairs),
            open_positions=books.open_positions,
            unrealized_pnl=books.unrealized_pnl,
            opening_equity=books.opening_wallet,
            ledger=compare_ledgers(
                own_fills=books.own_fills,
                venue_fills=books.venue_fills,
                own_income=books.own_income,
                venue_income=books.venue_income,
                opening_wallet=books.opening_wallet,
                closing_wallet=books.closing_wallet,
            ),
            worst_open_imbalance=[
                (pair.long.symbol, pair.worst_imbalance, pair.longest_imbalance_ms) for pair in pairs
            ],
            stopped_early=result.interrupted,
        )

    def _show(self, report: "SessionReport") -> None:
        from aster_operator.cli.json_output import print_json
        from aster_operator.monitoring.session_report import render_report

        if self._json:
            print_json(report)
        else:
            self._console.print(render_report(report))
        if self._settings.database_server_url is None:
            books = self._settings.db_path
            hint = f"books: {books}   (aster-operator db stats --database-url sqlite:///{books})"
            self._console.print(hint, style="dim", highlight=False, soft_wrap=True)
