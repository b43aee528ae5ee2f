"""`aster-operator backtest replay`: a strategy event by event through the real core."""

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster_operator.cli.backtest_arrays import ArrayOptions, replay_on_arrays
from aster_operator.cli.options import EnvFile, JsonOutput

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from aster_operator.config.settings import Settings
    from aster_operator.runtime.session_plan import BarStrategy
    from aster_operator.runtime.strategy_replay import ReplayOptions, ReplayResult, ReplayVenue

__all__ = ["register"]

_HELP = """Replay recorded minutes through the real core and the embedded exchange, in process.

Every decision, order and fill is the one the live session would make: the same strategy, guards and order
handling. The data are a kline Parquet file or a folder of them, with or without funding beside, or a catalog
written by collect: its minutes, or with --market ticks every book, trade and mark as it was heard. Settings
come from .env; what is not set there gets the demo's values.

--venue arrays plays the best prices, trades and marks of a catalog in compiled code instead, millions a
second: the same strategy, sizes, guards and exits on a plainer venue, or a class or function written for it.

\b
Examples:
  aster-operator backtest replay --strategy midfreq --json
  aster-operator backtest replay --strategy delta-neutral --hours 12
  aster-operator backtest replay --strategy midfreq --data klines/ --symbols ETHUSDT --params midfreq.json
  aster-operator backtest replay --strategy midfreq --catalog catalog --market ticks --symbols BTCUSDT
  aster-operator backtest replay --strategy strategies/mine.py:Mine --hours 48 --faults storm
  aster-operator backtest replay --strategy midfreq --catalog catalog --venue arrays --latency-ms 50 --json
"""

_MARKETS = {"minutes": "recorded", "recorded": "recorded", "ticks": "ticks"}
_WIDE_LIMITS = {"MAX_DRAWDOWN_PCT": "100", "MAX_DAILY_LOSS_PCT": "100", "LEVERAGE": "25"}
"""Or the account's limits would end the replay of a strategy that loses, which is what one wants to see."""

_Data = Annotated[
    Path | None,
    typer.Option(
        "--data", "--catalog", metavar="PATH", help="Klines, or a recorded catalog (default: the sample)."
    ),
]
_Market = Annotated[
    str, typer.Option("--market", help="minutes, or ticks: the recorded books, trades and marks.")
]
_OrderNotional = Annotated[
    str | None,
    typer.Option("--order-notional", "--order_notional", help="USD of one entry (ASTER_ORDER_NOTIONAL)."),
]

_Strategy = Annotated[
    str,
    typer.Option("--strategy", help="midfreq, delta-neutral, a file's name in strategies/, or module:Class."),
]
_Symbols = Annotated[
    str | None, typer.Option("--symbols", help="Symbols to trade (default: BTCUSDT, ETHUSDT).")
]
_Params = Annotated[
    Path | None, typer.Option("--params", metavar="FILE", help="Parameters of each symbol (JSON).")
]
_Hours = Annotated[
    float | None, typer.Option("--hours", min=0.02, max=87_600, help="Hours from the start (all).")
]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same market, same result.")]
_Faults = Annotated[
    str,
    typer.Option(
        "--faults",
        help="What the exchange does wrong: none, lost-answers, lost-requests, refusals, rejections,"
        " slow-queries, lost-events, or storm: all of them but the rejections.",
    ),
]
_Driver = Annotated[
    str, typer.Option("--driver", help="in-process, or wire: over loopback, with the same result.")
]
_Venue = Annotated[
    str,
    typer.Option("--venue", help="exchange: the embedded one; arrays: a compiled one, of recorded ticks."),
]
_Latency = Annotated[
    int, typer.Option("--latency-ms", min=0, max=60_000, help="From sending to arriving (arrays).")
]
_EveryEvent = Annotated[
    bool,
    typer.Option("--every-event", help="One event at a time, slowly, with the same fingerprint (arrays)."),
]


def register(group: typer.Typer) -> None:
    """Add the command to the backtest group."""
    group.command(name="replay", help=_HELP)(_replay)


def _replay(
    strategy: _Strategy = "midfreq",
    data: _Data = None,
    market: _Market = "minutes",
    symbols: _Symbols = None,
    params: _Params = None,
    hours: _Hours = None,
    order_notional: _OrderNotional = None,
    seed: _Seed = 1,
    faults: _Faults = "none",
    driver: _Driver = "in-process",
    venue: _Venue = "exchange",
    latency_ms: _Latency = 0,
    every_event: _EveryEvent = False,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    import asyncio

    from aster_operator.cli.sim_settings import default_symbols, settings_for_the_sim
    from aster_operator.runtime.embedded_venue import MarketKind
    from aster_operator.runtime.fault_scenarios import SCENARIOS
    from aster_operator.runtime.parameter_file import ParameterFile
    from aster_operator.runtime.session_plan import BarStrategy
    from aster_operator.runtime.strategy_replay import ReplayDriver, ReplayOptions
    from aster_operator.strategy.delta_neutral import DeltaNeutralStrategy

    _check_one_of(faults, SCENARIOS, "--faults")
    _check_one_of(driver, ReplayDriver, "--driver")
    _check_one_of(market, _MARKETS, "--market")
    _check_one_of(venue, ("exchange", "arrays"), "--venue")
    chosen = symbols or ",".join(default_symbols(data))
    overrides = {"ASTER_SYMBOLS": chosen, "TRADING_PAIRS": chosen, "ASTER_ORDER_NOTIONAL": order_notional}
    is_pairs = strategy == DeltaNeutralStrategy.name
    settings = settings_for_the_sim(env_file, overrides, {} if is_pairs else _WIDE_LIMITS)
    wanted = BarStrategy(
        strategy=strategy,
        symbols=tuple(settings.midfreq_symbols),
        parameters=None if params is None else ParameterFile(params).text,
        parameters_file=params,
    )
    minutes = None if hours is None else max(1, round(hours * 60))
    if is_pairs and (params is not None or venue == "arrays"):
        words = "delta-neutral trades with the settings of .env on the embedded exchange"
        raise typer.BadParameter(words, param_hint="--params, --venue")
    if venue == "arrays":
        _check_goes_with_arrays(faults, driver)
        arrays = ArrayOptions(data, minutes, latency_ms, every_event)
        return _shown(replay_on_arrays(settings, wanted, arrays), json_output=json_output)
    if latency_ms or every_event:
        raise typer.BadParameter("goes with --venue arrays alone", param_hint="--latency-ms, --every-event")
    options = ReplayOptions(
        **_traded(wanted, tuple(settings.symbols) if is_pairs else ()),
        data=data,
        minutes=minutes,
        seed=seed,
        faults=faults,
        market=MarketKind(_MARKETS[market]),
        deposit_usdt=settings.capital_usdt,
    )
    result = asyncio.run(_replayed(settings, options, ReplayDriver(driver)))
    return _shown(result, json_output=json_output)


def _traded(wanted: "BarStrategy", pairs: tuple[str, ...]) -> dict[str, Any]:
    """What is traded, and how often the market is looked at: pairs that work an order see every second."""
    from aster_operator.simulator.options import CALM_SUBSTEP_MS, WATCHED_SUBSTEP_MS

    if not pairs:
        return {"strategy": wanted, "substep_ms": CALM_SUBSTEP_MS}
    return {"pairs": pairs, "substep_ms": WATCHED_SUBSTEP_MS, "calm_substep_ms": CALM_SUBSTEP_MS}


def _check_goes_with_arrays(faults: str, driver: str) -> None:
    if faults != "none" or driver != "in-process":
        raise typer.BadParameter("arrays know no faults and no wire", param_hint="--faults, --driver")


def _shown(result: "ReplayResult", *, json_output: bool) -> int:
    """Print it; the exit code."""
    from aster_operator.cli.json_output import print_json

    if json_output:
        print_json(result)
    else:
        _print(result)
    return 0 if result.ledger == "match" else 1


def _check_one_of(name: str, known: "Iterable[str]", option: str) -> None:
    names = list(known)
    if name not in names:
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(names)}", param_hint=option)


async def _replayed(settings: "Settings", options: "ReplayOptions", driver: str) -> "ReplayResult":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from aster_operator.config.problems import UserProblem
    from aster_operator.domain.clock import WallClock
    from aster_operator.market_data.catalog.problems import CatalogError
    from aster_operator.market_data.history import HistoryError
    from aster_operator.monitoring.ledger import ledger_verdict
    from aster_operator.monitoring.logs import configure_logs
    from aster_operator.runtime.strategy_replay import ReplayDriver, in_process_venue, replay_strategy

    configure_logs("error")
    console = Console(stderr=True)
    clock = WallClock()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    open_venue = in_process_venue if driver is ReplayDriver.IN_PROCESS else _wire_venue
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("replay", total=1.0)
            async with open_venue(options) as venue:
                return await replay_strategy(
                    settings,
                    options,
                    ledger_verdict,
                    clock,
                    venue=venue,
                    on_progress=lambda share: progress.update(bar, completed=share),
                )
    except (HistoryError, CatalogError) as error:
        raise UserProblem(str(error)) from error


@asynccontextmanager
async def _wire_venue(options: "ReplayOptions") -> "AsyncIterator[ReplayVenue]":
    """The exchange behind its server, and a client that speaks to it over loopback."""
    from aster_operator.cli.venues import connect_embedded
    from aster_operator.domain.clock import WallClock
    from aster_operator.runtime.embedded_venue import ServerStepper, embedded_venue
    from aster_operator.runtime.strategy_replay import ReplayVenue

    clock = WallClock()
    async with embedded_venue(options.venue(), clock) as venue:
        account = venue.server.accounts[1]
        client = await connect_embedded(venue, account, clock)
        try:
            yield ReplayVenue(
                venue.server.exchange, account.account_id, client, ServerStepper(venue), venue.end_ms or 0
            )
        finally:
            await client.close()


def _own_rows(result: "ReplayResult") -> list[tuple[str, str]]:
    """What matters of single positions, or of pairs."""
    from aster_operator.domain.clock import MINUTE_MS
    from aster_operator.domain.money import usd_text
    from aster_operator.runtime.strategy_replay import PairReplayResult

    if not isinstance(result, PairReplayResult):
        return [
            ("Unprotected, longest", f"{result.unprotected_ms_max} ms"),
            ("Orphan exits", str(result.orphan_exits)),
        ]
    hold_ms = result.shortest_hold_ms
    return [
        ("Volume", usd_text(result.volume_usd)),
        ("Shortest hold", "none" if hold_ms is None else f"{hold_ms / MINUTE_MS:.1f} min"),
        ("Uneven, longest", f"{result.longest_imbalance_ms / 1000:.0f} s"),
    ]


def _print(result: "ReplayResult") -> None:
    from rich.console import Console
    from rich.table import Table

    from aster_operator.domain.money import usd_text

    table = Table(
        title=f"{', '.join(result.symbols)}, {result.market_minutes / 60:.1f} hours", show_header=False
    )
    reasons = ", ".join(f"{reason} {count}" for reason, count in result.exits_by_reason.items()) or "none"
    rows = [
        ("Decisions, entries", f"{result.decisions}, {result.entries}"),
        ("Exits", reasons),
        ("Net PnL", usd_text(result.net_pnl_usd, signed=True)),
        ("Fees, funding", f"{usd_text(result.fees_usd)}, {usd_text(result.funding_usd, signed=True)}"),
        *_own_rows(result),
        ("Events, seconds", f"{result.events:,}, {result.seconds:.1f}"),
        ("Ledger", result.ledger),
        ("Fingerprint", result.fingerprint[:32]),
    ]
    for name, text in rows:
        table.add_row(name, text)
    Console(highlight=False).print(table)
