"""`aster-operator exchange serve`: Aster on loopback, for the operator and for anybody else's program."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.exchange_account import register_account
from aster_operator.cli.options import JsonOutput

if TYPE_CHECKING:
    from aster_operator.runtime.embedded_venue import EmbeddedVenue, EmbeddedVenueOptions

__all__ = ["register"]

_HELP = """Run the embedded exchange.

\b
Examples:
  aster-operator exchange serve
  aster-operator exchange serve --port 0 --json
  aster-operator exchange serve --data klines/ --speed 60 --seed 7
  aster-operator exchange serve --market synthetic --symbols BTCUSDT,SOLUSDT
  aster-operator exchange account create --exchange exchange.json
"""

_SERVE_HELP = """Serve Aster on loopback: REST and WebSocket on one port, the control API on another.

Plays recorded minutes as a moving book, captured ticks, or a synthetic market that needs no data.
With --json the first line on standard output is one JSON object with the addresses, the control token and
demo accounts; it serves until Ctrl-C.

\b
Examples:
  aster-operator exchange serve
  aster-operator exchange serve --port 0 --json
  aster-operator exchange serve --data klines/ --speed 60 --seed 7
  aster-operator exchange serve --market synthetic --symbols BTCUSDT,SOLUSDT
  aster-operator exchange serve --market ticks --data captures/ --symbols BTCUSDT
  aster-operator exchange serve --latency-ms 40 --latency-jitter-ms 25
"""


def register(app: typer.Typer) -> None:
    group = typer.Typer(help=_HELP, rich_markup_mode=None, no_args_is_help=True)
    group.command(name="serve", help=_SERVE_HELP)(_serve)
    group.callback()(lambda: None)
    register_account(group)
    app.add_typer(group, name="exchange")


_Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, help="REST and WebSocket port; 0 takes a free one.")
]
_ControlPort = Annotated[
    int, typer.Option("--control-port", min=0, max=65535, help="Port of the control API; 0: a free one.")
]
_Speed = Annotated[
    str,
    typer.Option("--speed", help="Market time per wall time: a factor, max, or lockstep (moved by hand)."),
]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed and orders, same books.")]
_Market = Annotated[
    str, typer.Option("--market", help="What to play: recorded minutes, synthetic, or captured ticks.")
]
_Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="PATH",
        help="Kline Parquet file or folder (default: the sample); for ticks the folder of the captures.",
    ),
]
_Session = Annotated[
    str | None,
    typer.Option("--session", help="Play this one of the recordings in captured ticks; all if unset."),
]
_Symbols = Annotated[
    str | None,
    typer.Option(
        "--symbols",
        help="Symbols to list, comma separated (default: all recorded ones; synthetic BTCUSDT,ETHUSDT).",
    ),
]
_Deposit = Annotated[float, typer.Option("--deposit", min=0, help="USDT on each demo account.")]
_SubstepMs = Annotated[
    int | None,
    typer.Option(
        "--substep-ms",
        min=100,
        max=60_000,
        help="Market time between two book moves (default: 100 at speed 1, else 1000).",
    ),
]
_Levels = Annotated[
    int | None,
    typer.Option(
        "--levels",
        min=5,
        max=1000,
        help="Prices on each side of the book, not for ticks (default: 100 at speed 1, else 20).",
    ),
]
_Start = Annotated[
    str,
    typer.Option(
        "--start",
        help="Market time: now, recorded (that of the data), or auto: now at speed 1 without --data.",
    ),
]
_Endless = Annotated[
    bool | None,
    typer.Option(
        "--endless/--no-endless",
        help="Play recorded minutes to and fro for ever instead of to their end (default: if time is now).",
    ),
]
_Tls = Annotated[bool, typer.Option("--tls", help="Serve https and wss with a generated CA.")]
_LatencyMs = Annotated[
    int,
    typer.Option("--latency-ms", min=0, max=60_000, help="Every request waits this long before it acts."),
]
_LatencyJitterMs = Annotated[
    int,
    typer.Option(
        "--latency-jitter-ms", min=0, max=60_000, help="And up to this much longer, evenly, by the seed."
    ),
]
_LegacyV3 = Annotated[
    bool,
    typer.Option(
        "--legacy-v3", help="Also accept the V3 signatures of before 2026 (requests with a timestamp)."
    ),
]
_ChainId = Annotated[
    int,
    typer.Option(
        "--chain-id", min=1, help="Chain that V3 signatures name: 1666 as on mainnet, 714 as on the testnet."
    ),
]
_Spot = Annotated[bool, typer.Option("--spot/--no-spot", help="List a spot market beside each perpetual.")]


def _serve(
    port: _Port = 8545,
    control_port: _ControlPort = 0,
    speed: _Speed = "1",
    seed: _Seed = 1,
    market: _Market = "recorded",
    data: _Data = None,
    session: _Session = None,
    symbols: _Symbols = None,
    deposit: _Deposit = 10_000.0,
    substep_ms: _SubstepMs = None,
    levels: _Levels = None,
    start: _Start = "auto",
    endless: _Endless = None,
    tls: _Tls = False,
    spot: _Spot = True,
    latency_ms: _LatencyMs = 0,
    latency_jitter_ms: _LatencyJitterMs = 0,
    legacy_v3: _LegacyV3 = False,
    chain_id: _ChainId = 1666,
    json_output: JsonOutput = False,
) -> int:
    from aster_operator.domain.clock import WallClock
    from aster_operator.domain.money import exact
    from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions, MarketKind
    from aster_operator.simulator.server.event_loop import run_served
    from aster_operator.simulator.server.market_driver import parse_pace

    try:
        pace = parse_pace(speed)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--speed") from error
    _check_choices(market, start, endless)
    current = pace == 1.0 and data is None and market != MarketKind.TICKS
    is_now = start == "now" or (start == "auto" and current)
    chosen = tuple(name.strip().upper() for name in symbols.split(",") if name.strip()) if symbols else None
    options = EmbeddedVenueOptions(
        symbols=chosen,
        market=MarketKind(market),
        capture_session=session,
        data=data,
        seed=seed,
        substep_ms=substep_ms or (100 if pace == 1.0 else 1_000),
        levels=levels or (100 if pace == 1.0 else 20),
        as_of_ms=WallClock().now_ms() if is_now else None,
        endless=is_now if endless is None else endless,
        warm_up_ms=24 * 3_600_000 if data is None else 0,
        pace=speed,
        port=port,
        control_port=control_port,
        deposit_usdt=exact(deposit),
        tls=tls,
        with_spot=spot,
        latency_ms=latency_ms,
        latency_jitter_ms=latency_jitter_ms,
        legacy_v3=legacy_v3,
        chain_id=chain_id,
    )
    return run_served(_main(options, json_output=json_output))


def _check_choices(market: str, start: str, endless: bool | None) -> None:
    """Raises BadParameter for names nobody knows and for what cannot be together."""
    from aster_operator.runtime.embedded_venue import MarketKind

    if market not in tuple(MarketKind):
        raise typer.BadParameter(f"{market!r} is none of {', '.join(MarketKind)}", param_hint="--market")
    if start not in ("auto", "now", "recorded"):
        raise typer.BadParameter(f"{start!r} is none of auto, now, recorded", param_hint="--start")
    if endless and market == MarketKind.TICKS:
        raise typer.BadParameter("captured ticks have an end", param_hint="--endless")


async def _main(options: "EmbeddedVenueOptions", *, json_output: bool) -> int:
    import asyncio

    from aster_operator.cli.live_screen import interrupts
    from aster_operator.domain.clock import WallClock
    from aster_operator.runtime.embedded_venue import embedded_venue

    stop = asyncio.Event()
    with interrupts(stop.set):
        async with embedded_venue(options, WallClock()) as venue:
            print(venue.server.first_line() if json_output else _words(venue), flush=True)
            serving = asyncio.ensure_future(venue.server.serve_forever())
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if serving.done():
                await serving
            serving.cancel()
    return 0


def _words(venue: "EmbeddedVenue") -> str:
    from aster_operator.monitoring.time_text import utc_text

    server = venue.server
    symbols = ", ".join(server.exchange.contracts())
    accounts = [
        line
        for number, account in enumerate(server.accounts, start=1)
        for line in (
            f"  account {number}  user {account.user}",
            f"             agent key {account.private_key}",
            f"             API key {account.api_key}  secret {account.api_secret}",
        )
    ]
    return "\n".join(
        [
            "Aster on loopback, until Ctrl-C",
            f"  REST       {server.rest_url}",
            f"  WebSocket  {server.ws_url}",
            f"  control    {server.control_url}  (token {server.control_token})",
            f"  market     {symbols} from {utc_text(venue.start_ms)} UTC",
            *accounts,
            "  These keys open nothing but this exchange. One more account:",
            f"  aster-operator exchange account create --control {server.control_url}"
            f" --token {server.control_token}",
        ]
    )
