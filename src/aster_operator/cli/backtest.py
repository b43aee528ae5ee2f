"""`aster-operator backtest`: strategies on recorded data."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli import (
    backtest_features,
    backtest_optimise,
    backtest_parity,
    backtest_report,
    backtest_sweep,
    backtest_weekly,
)
from aster_operator.cli.backtest_replay import register as register_replay
from aster_operator.cli.options import EnvFile, JsonOutput
from aster_operator.cli.pair_options import PairOption, check_kind, pair_defaults, pairs_in

if TYPE_CHECKING:
    from decimal import Decimal

    from aster_operator.config.settings import Settings
    from aster_operator.execution.policy import ExecutionStyle
    from aster_operator.runtime.execution_comparison import ComparedRun, ComparisonOptions

__all__ = ["register"]

_HELP = """Run strategies on recorded data, in process and in virtual time.

\b
Examples:
  aster-operator backtest compare --strategy delta-neutral --executions maker-first,taker
  aster-operator backtest features --log-dir logs --out-csv backtest_inputs.csv
  aster-operator backtest sweep --inputs backtest_inputs.csv --grid grid.json --out results
  aster-operator backtest weekly --dry-run
  aster-operator backtest report --results results --inputs backtest_inputs.csv
  aster-operator backtest optimise --inputs backtest_inputs.csv --space space.json --out found
  aster-operator backtest parity --session paper-1795255283921 --catalog catalog --market ticks
"""

_COMPARE_HELP = """Work the same pairs on the same recorded days in different ways, and compare the costs.

Settings come from .env; what is not set there gets the demo's values. The data are a kline Parquet file or
a folder of them, with or without funding beside.

\b
Examples:
  aster-operator backtest compare --strategy delta-neutral --executions maker-first,taker
  aster-operator backtest compare --data klines/ --symbols BTCUSDT --days 7 --seed 3 --json
"""


_WIDE_LIMITS = {"MAX_DRAWDOWN_PCT": "100", "MAX_DAILY_LOSS_PCT": "100"}
"""Or the dear way of trading would be stopped by its own losses before it has the volume of the cheap one."""


def register(app: typer.Typer) -> None:
    group = typer.Typer(help=_HELP, rich_markup_mode=None, no_args_is_help=True)
    group.command(name="compare", help=_COMPARE_HELP)(_compare)
    group.command(name="features", help=backtest_features.HELP)(backtest_features.features)
    group.command(name="sweep", help=backtest_sweep.HELP)(backtest_sweep.sweep)
    group.command(name="weekly", help=backtest_weekly.HELP)(backtest_weekly.weekly)
    group.command(name="report", help=backtest_report.HELP)(backtest_report.report)
    group.command(name="optimise", help=backtest_optimise.HELP)(backtest_optimise.optimise)
    group.command(name="parity", help=backtest_parity.HELP)(backtest_parity.parity)
    register_replay(group)
    group.callback()(_end_cleanly)
    app.add_typer(group, name="backtest")


def _end_cleanly(context: typer.Context) -> None:
    """A request to terminate ends a back-test as Ctrl-C does: what was half written is taken away."""
    import signal
    import threading

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, end)
        context.call_on_close(lambda: signal.signal(signal.SIGTERM, before))


def _compare(
    strategy: Annotated[str, typer.Option("--strategy", help="Strategy: delta-neutral.")] = "delta-neutral",
    executions: Annotated[
        str, typer.Option("--executions", help="Ways of working the pairs, comma separated.")
    ] = "maker-first,taker",
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="PATH", help="Kline Parquet file or folder (default: the sample)."),
    ] = None,
    symbols: Annotated[
        str | None, typer.Option("--symbols", help="Symbols to trade (default: BTCUSDT, ETHUSDT).")
    ] = None,
    pair: PairOption = None,
    days: Annotated[
        float | None, typer.Option("--days", min=0.01, max=3660, help="Days from the start (default: all).")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same market, same result.")] = 1,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    import asyncio

    from aster_operator.cli.sim_settings import settings_for_the_sim
    from aster_operator.runtime.execution_comparison import ComparisonOptions

    if strategy != "delta-neutral":
        raise typer.BadParameter(f"{strategy!r} is not delta-neutral", param_hint="--strategy")
    styles = tuple(_style(name.strip()) for name in executions.split(","))
    kind = check_kind(pair or "same")
    chosen = kind | {"TRADING_PAIRS": symbols or pairs_in(data, kind["PAIR_KIND"])}
    settings = settings_for_the_sim(env_file, chosen, _WIDE_LIMITS | pair_defaults(pair))
    options = ComparisonOptions(executions=styles, data=data, days=days, seed=seed)
    return asyncio.run(_main(settings, options, json_output=json_output))


def _style(name: str) -> "ExecutionStyle":
    from aster_operator.execution.policy import ExecutionStyle

    if name not in tuple(ExecutionStyle):
        raise typer.BadParameter(
            f"{name!r} is not one of {', '.join(ExecutionStyle)}", param_hint="--executions"
        )
    return ExecutionStyle(name)


async def _main(settings: "Settings", options: "ComparisonOptions", *, json_output: bool) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from aster_operator.cli.json_output import print_json
    from aster_operator.monitoring.ledger import ledger_verdict
    from aster_operator.monitoring.logs import configure_logs
    from aster_operator.runtime.execution_comparison import compare_executions

    configure_logs("error")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bars = {str(style): progress.add_task(str(style), total=1.0) for style in options.executions}
        runs = await compare_executions(
            settings,
            options,
            ledger_verdict,
            lambda style, share: progress.update(bars[style], completed=share),
        )
    if json_output:
        print_json({"runs": runs})
    else:
        _print(runs)
    return 0 if all(run.ledger == "match" for run in runs) else 1


def _print(runs: "list[ComparedRun]") -> None:
    from rich.console import Console
    from rich.table import Table

    from aster_operator.domain.money import plain_text, usd_text

    table = Table(title=f"{', '.join(runs[0].symbols)}, {runs[0].market_days:.2f} days")
    table.add_column("")
    for run in runs:
        table.add_column(run.execution, justify="right")
    rows: list[tuple[str, Callable[[ComparedRun], str]]] = [
        ("Volume", lambda run: usd_text(run.volume_usd)),
        ("Cost per $100k", lambda run: _or_none(run.cost_per_100k_usd)),
        ("Fees", lambda run: usd_text(run.fees_usd)),
        ("Funding", lambda run: usd_text(run.funding_usd, signed=True)),
        ("Realised PnL", lambda run: usd_text(run.realized_pnl_usd)),
        ("Maker share", lambda run: "n/a" if run.maker_share_pct is None else f"{run.maker_share_pct} %"),
        ("Pairs, rotations", lambda run: f"{run.pairs}, {run.rotations}"),
        ("Shortest hold", lambda run: _minutes(run.hold_minutes_min)),
        ("Longest imbalance", lambda run: f"{run.lone_leg_ms_max / 1000:.0f} s"),
        ("Worst imbalance", lambda run: plain_text(run.imbalance_base_max)),
        ("Limits breached", lambda run: str(run.limits_breached)),
        ("Ledger", lambda run: run.ledger),
    ]
    if any(run.market_pnl_usd for run in runs):
        rows.insert(5, ("Market PnL while held", lambda run: usd_text(run.market_pnl_usd, signed=True)))
    for name, cell in rows:
        table.add_row(name, *(cell(run) for run in runs))
    Console(highlight=False).print(table)


def _or_none(amount: "Decimal | None") -> str:
    from aster_operator.domain.money import usd_text

    return "n/a" if amount is None else usd_text(amount)


def _minutes(minutes: float | None) -> str:
    return "n/a" if minutes is None else f"{minutes:.1f} min"
