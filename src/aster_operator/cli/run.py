"""`aster-operator run`: the same session as the demo, on a venue that is already there."""

import sys
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.dashboard_child import Dashboard, DashboardPort, alerts_beside, dashboard_beside
from aster_operator.cli.options import DatabaseUrl, EnvFile, JsonOutput, settings_from
from aster_operator.cli.pair_options import PairOption, check_kind
from aster_operator.cli.position_options import with_position_options
from aster_operator.cli.run_plan import (
    PAIRS,
    EnableTrading,
    OnStop,
    OrderNotional,
    Params,
    Strategies,
    TradedSymbols,
    plan_of,
    strategy_names,
    symbol_overrides,
    true_or_false,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from rich.console import Console

    from aster_operator.config.settings import Settings, Venue
    from aster_operator.domain.clock import Clock
    from aster_operator.exchange.aster_client import AsterClient
    from aster_operator.exchange.client_protocol import ExchangeClient
    from aster_operator.monitoring.notifications import Notifier
    from aster_operator.runtime.live_run import LiveResult
    from aster_operator.runtime.session_plan import SessionPlan

__all__ = ["register"]

_HELP = """Trade on a venue: the embedded exchange served elsewhere, on paper, the testnet, or the real thing.

Keys and limits come from .env. On paper, live public data are traded with orders matched here: no keys, no
money. On mainnet it asks before the first order; scripts say --yes-real-money.
Ctrl-C ends it in good order: openings settle and hedged pairs stay, or everything is closed first with
--on-stop flatten. Then it reports, and compares its books with the venue's.

\b
Examples:
  aster-operator run --strategy delta-neutral --venue testnet
  aster-operator run --venue sim --base-url http://127.0.0.1:8545 --ws-url ws://127.0.0.1:8545
  aster-operator run --strategy midfreq --symbols ETHUSDT --enable-trading true --order-notional 5
  aster-operator run --venue mainnet --i-understand-hedged-farming --on-stop flatten
"""

_VENUES = ("sim", "paper", "testnet", "mainnet")
_WORDS = "trade real money"


YesRealMoney = Annotated[
    bool, typer.Option("--yes-real-money", help="Answer the question before mainnet trading.")
]
HedgedFarming = Annotated[
    bool,
    typer.Option(
        "--i-understand-hedged-farming",
        help="Mainnet: I know what the venue says of long and short of one symbol.",
    ),
]


def register(app: typer.Typer) -> None:
    app.command(name="run", help=_HELP)(with_position_options(_run))


def _run(
    strategy: Strategies = PAIRS,
    venue: Annotated[
        str | None,
        typer.Option("--venue", help="sim, paper, testnet or mainnet (default: VENUE)."),
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
    symbols: TradedSymbols = None,
    enable_trading: EnableTrading = None,
    order_notional: OrderNotional = None,
    params: Params = None,
    pair: PairOption = None,
    poll_time: Annotated[
        str, typer.Option("--poll-time", "--poll_time", help="Seconds to run, or forever.")
    ] = "forever",
    on_stop: OnStop = None,
    yes_real_money: YesRealMoney = False,
    i_understand_hedged_farming: HedgedFarming = False,
    dashboard: Dashboard = False,
    dashboard_port: DashboardPort = 8765,
    env_file: EnvFile = None,
    database_url: DatabaseUrl = None,
    json_output: JsonOutput = False,
    *,
    position_settings: "Mapping[str, str | None]",
) -> int:
    import asyncio

    names = strategy_names(strategy)
    overrides: dict[str, str | None] = {
        "ASTER_BASE_URL": base_url,
        "ASTER_WS_URL": ws_url,
        "ASTER_ORDER_NOTIONAL": order_notional,
        "ASTER_ENABLE_TRADING": true_or_false(enable_trading, "--enable-trading"),
        "ON_STOP": on_stop,
        "VENUE": venue,
        **symbol_overrides(names, symbols),
        **check_kind(pair),
        **position_settings,
    }
    _check_choices(on_stop, venue)
    settings = settings_from(env_file, database_url, overrides=overrides)
    _check_choice("--venue", settings.venue, _VENUES)
    seconds = _seconds(poll_time)
    plan = plan_of(settings, names, params)
    settings.require_credentials()
    if settings.venue == "mainnet":
        _ask_before_mainnet(settings, plan, understood=i_understand_hedged_farming, confirmed=yes_real_money)
    shown, told = (
        dashboard_beside(settings, dashboard_port if dashboard else None, env_file, wait=False),
        alerts_beside(settings, env_file, wanted=not dashboard),
    )
    with shown, told:
        return asyncio.run(_main(settings, plan, ca_file, seconds, json_output=json_output))


def _check_choices(on_stop: str | None, venue: str | None) -> None:
    _check_choice("--on-stop", on_stop or "keep", ("keep", "flatten"))
    _check_choice("--venue", venue or _VENUES[0], _VENUES)


def _check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(allowed)}", param_hint=option)


def _seconds(poll_time: str) -> float | None:
    if poll_time == "forever":
        return None
    try:
        seconds = float(poll_time)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise typer.BadParameter(
            f"{poll_time!r} is neither a number of seconds above 0 nor forever", param_hint="--poll-time"
        )
    return seconds


def _ask_before_mainnet(
    settings: "Settings", plan: "SessionPlan", *, understood: bool, confirmed: bool
) -> None:
    """Raises UserProblem unless the owner knows what the venue says, and wants to."""
    if plan.pairs and settings.pair_kind == "same":
        _say_what_the_venue_says(understood=understood)
    if not confirmed:
        _confirm(settings, plan.symbols)


def _say_what_the_venue_says(*, understood: bool) -> None:
    """Long and short of one symbol is what reward programmes adjust: the owner is told before it is traded.

    Raises UserProblem until the owner has said to have understood.
    """
    from aster_operator.cli.errors import print_warnings
    from aster_operator.config.problems import UserProblem
    from aster_operator.rewards.profile import load_profile

    views = load_profile("none").stated_views
    print_warnings(tuple(f"{view.text} [{view.source}]" for view in views))
    if not understood:
        raise UserProblem(
            "delta-neutral holds a LONG and a SHORT of one symbol, all of whose points are at risk",
            "mainnet",
            "pass --i-understand-hedged-farming to go on",
        )


def _confirm(settings: "Settings", symbols: tuple[str, ...]) -> None:
    """Raises UserProblem unless the owner types the words."""
    from aster_operator.config.problems import UserProblem

    question = (
        f"This trades real money on mainnet: {settings.capital_usdt} USDT at {settings.leverage}x on "
        f"{', '.join(symbols)}. Type '{_WORDS}' to go on"
    )
    if not sys.stdin.isatty():
        raise UserProblem("there is nobody to confirm", "mainnet", "pass --yes-real-money")
    if typer.prompt(question, err=True).strip().lower() != _WORDS:
        raise UserProblem("not confirmed", "mainnet", f"type '{_WORDS}', or pass --yes-real-money")


def _paper_life(clock: "Clock") -> "Callable[[AsterClient], Awaitable[str]]":
    """Paper accounts begin anew with every run, and so do their books."""

    async def life(_client: "AsterClient") -> str:
        return f"{clock.now_ns():x}"

    return life


async def _main(
    settings: "Settings",
    plan: "SessionPlan",
    ca_file: Path | None,
    seconds: float | None,
    *,
    json_output: bool,
) -> int:
    from rich.console import Console

    from aster_operator.cli.errors import print_warnings
    from aster_operator.cli.live_screen import interrupts
    from aster_operator.cli.report_parts import completion_notifier
    from aster_operator.cli.service_mode import SessionFace, logs_as_json
    from aster_operator.cli.venues import connect, exchange_life, fund_spot, with_spot
    from aster_operator.domain.clock import WallClock
    from aster_operator.monitoring.logs import configure_logs
    from aster_operator.runtime.live_run import LiveRun
    from aster_operator.runtime.paper import PaperClient

    notifier = completion_notifier(settings)
    as_json = logs_as_json(settings.log_format)
    console = Console(stderr=json_output, quiet=json_output and as_json)
    configure_logs("error" if console.is_terminal else settings.log_level, as_json=as_json)
    clock = WallClock()
    venue: Venue = settings.venue
    client = connect(settings, clock, venue, ca_file=ca_file, keys_needed=venue != "paper")
    traded: ExchangeClient = with_spot(client, settings.pair_kind) if plan.pairs else client
    account = client.account_label
    life: Callable[[AsterClient], Awaitable[str]] = exchange_life
    if venue == "paper":
        traded = await PaperClient.open(client, plan.symbols, settings.capital_usdt, clock)
        account, life = "paper", _paper_life(clock)
    alone = _alone(settings, venue, client.venue.label, account)
    try:
        if venue == "sim" and plan.pairs:
            await fund_spot(client, settings, clock)
        with alone, SessionFace(console, clock, f"Aster Operator on {venue}", journal=as_json) as face:
            run = LiveRun(
                settings,
                traded,
                venue=venue,
                account=account,
                clock=clock,
                flatten_on_stop=settings.on_stop == "flatten",
                exchange_life=lambda: life(client),
                watch=face.watch,
                on_notice=face.notice,
                on_warning=lambda warning: print_warnings((warning,)),
                tick=face.refresh,
                plan=plan,
                alive=face.alive,
            )

            def interrupted() -> None:
                face.stopping()
                run.interrupt()

            with interrupts(interrupted):
                result = await run.run(seconds)
    finally:
        await traded.close()
    return await _tell(result, settings, console, notifier, json_output=json_output)


@contextmanager
def _alone(settings: "Settings", venue: "Venue", label: str, account: str) -> "Iterator[None]":
    """Hold the account, here and wherever the books are shared: two operators would trade against each
    other's orders. Every paper account is new. Raises DatabaseProblem, naming who holds it."""
    from aster_operator.database.account_lock import holding_account_everywhere

    if venue == "paper":
        yield
        return
    with holding_account_everywhere(settings.database_url, venue, account, label=label):
        yield


async def _tell(
    result: "LiveResult",
    settings: "Settings",
    console: "Console",
    notifier: "Notifier | None",
    *,
    json_output: bool,
) -> int:
    """Show and send what came of the session; the exit code."""
    import asyncio

    from aster_operator.cli.report_parts import send_completion

    code = _report(result, settings, console, json_output=json_output)
    await asyncio.to_thread(send_completion, settings, notifier)
    return code


def _report(result: "LiveResult", settings: "Settings", console: "Console", *, json_output: bool) -> int:
    """Show what came of the session; the exit code."""
    from aster_operator.cli.session_output import ledger_exit_code, session_report, show_report

    report = session_report(
        result.core,
        result.books,
        market_minutes=result.market_minutes,
        seed=None,
        interrupted=result.interrupted,
        whole_account=False,
    )
    show_report(report, settings, console, json_output=json_output)
    return ledger_exit_code(report)
