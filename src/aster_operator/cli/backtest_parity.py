"""`aster-operator backtest parity`: a session against its own replay."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster_operator.cli.options import EnvFile, JsonOutput, settings_from
from aster_operator.cli.progress import progress_bars

if TYPE_CHECKING:
    from decimal import Decimal

    from aster_operator.backtest.parity.table import ParityRow, ParityTable
    from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions
    from aster_operator.runtime.parity_replay import RecordedSession, ReplayedSession

__all__ = ["HELP", "parity"]

HELP = """Replay a session from what was recorded meanwhile, and say where every difference comes from.

The session's journal gives settings, decisions and trades; the market comes from the catalog that collect
wrote at the same time, or from klines. The same core trades it again, at once and on the embedded exchange.
Trades are matched by the bar they were decided on, pairs of delta-neutral by the time they were held; each
difference is split into signal, blocker, latency, slippage, size, fee, funding and missing data, and the
table adds up to the total.

\b
Examples:
  aster-operator backtest parity --session paper-1795255283921 --catalog catalog --market ticks
  aster-operator backtest parity --since 2026-02-20T08:00 --catalog catalog --json
"""

_Session = Annotated[
    str | None,
    typer.Option("--session", metavar="ID", help="Session, by the name of its journal or its path."),
]
_Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="TIME", help="Trades from this UTC day or time on, of the newest session then."
    ),
]
_Data = Annotated[
    Path | None,
    typer.Option(
        "--data", "--catalog", metavar="PATH", help="Recorded catalog, or klines (default: the sample)."
    ),
]
_Market = Annotated[
    str, typer.Option("--market", help="minutes, or ticks: the recorded books, trades and marks.")
]
_Journals = Annotated[
    Path | None, typer.Option("--journals", metavar="DIR", help="Folder of journals (STATE_DIR/journals).")
]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Of what the recording does not tell.")]
_MARKETS = {"minutes": "recorded", "ticks": "ticks"}
_SHOWN = 20


def parity(
    session: _Session = None,
    since: _Since = None,
    data: _Data = None,
    market: _Market = "minutes",
    journals: _Journals = None,
    seed: _Seed = 1,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    import asyncio

    from aster_operator.backtest.parity.attribution import compare_records
    from aster_operator.cli.backtest_options import one_of
    from aster_operator.cli.json_output import print_json
    from aster_operator.cli.times import parse_time_ms
    from aster_operator.monitoring.logs import configure_logs
    from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions, MarketKind
    from aster_operator.runtime.parity_replay import find_journal, read_session
    from aster_operator.simulator.options import CALM_SUBSTEP_MS, WATCHED_SUBSTEP_MS

    if (session is None) == (since is None):
        raise typer.BadParameter("give one of the two", param_hint="--session or --since")
    one_of(market, tuple(_MARKETS), "--market")
    since_ms = None if since is None else parse_time_ms(since, "--since")
    folder = journals if journals is not None else Path(settings_from(env_file).state_dir) / "journals"
    configure_logs("error")
    recorded = read_session(find_journal(folder, session, since_ms))
    has_pairs = recorded.header.settings.delta_neutral is not None
    venue = EmbeddedVenueOptions(
        symbols=None,
        market=MarketKind(_MARKETS[market]),
        data=data,
        seed=seed,
        substep_ms=WATCHED_SUBSTEP_MS if has_pairs else CALM_SUBSTEP_MS,
        calm_substep_ms=CALM_SUBSTEP_MS if has_pairs else None,
    )
    replayed = asyncio.run(_replay(recorded, venue))
    table = compare_records(
        recorded.record,
        replayed.record,
        lookback_minutes=replayed.lookback_minutes,
        since_ms=since_ms or 0,
    )
    if json_output:
        print_json(_summary(recorded, table))
    else:
        _print(recorded, table)
    return 0


async def _replay(recorded: "RecordedSession", venue: "EmbeddedVenueOptions") -> "ReplayedSession":
    from aster_operator.domain.clock import WallClock
    from aster_operator.runtime.parity_replay import replay_session

    with progress_bars() as bar:
        return await replay_session(recorded, venue, WallClock(), on_progress=bar("replay"))


def _summary(recorded: "RecordedSession", table: "ParityTable") -> dict[str, Any]:
    rows = table.rows
    return {
        "session": recorded.path.stem,
        "code_version": recorded.header.code_version,
        "paired": sum(1 for row in rows if row.live_usd is not None and row.replayed_usd is not None),
        "only_live": sum(1 for row in rows if row.note.startswith("only live")),
        "only_replayed": sum(1 for row in rows if row.note.startswith("only replayed")),
        "unknown": sum(1 for row in rows if row.difference_usd is None),
        "identical": table.is_identical,
        "live_usd": table.live_usd,
        "replayed_usd": table.replayed_usd,
        "difference_usd": table.difference_usd,
        "by_cause": {str(cause): value for cause, value in table.by_cause.items()},
        "trades": [
            {
                "symbol": row.symbol,
                "bar_ms": row.bar_ms,
                "side": "pair" if row.side is None else str(row.side),
                "live_usd": row.live_usd,
                "replayed_usd": row.replayed_usd,
                "difference_usd": row.difference_usd,
                "by_cause": {str(cause): value for cause, value in row.parts.items()},
                "note": row.note,
            }
            for row in rows
        ],
    }


def _minute(row: "ParityRow") -> str:
    """The last bar known at the decision, UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(row.bar_ms / 1000, tz=UTC).strftime("%m-%d %H:%M")


def _places(amount: "Decimal") -> int:
    """Decimal places that show all of an amount of money, at least those of cents."""
    exponent = amount.normalize().as_tuple().exponent
    return max(2, -exponent) if isinstance(exponent, int) else 2


def _print(recorded: "RecordedSession", table: "ParityTable") -> None:
    from rich.console import Console
    from rich.table import Table

    from aster_operator.domain.money import ZERO, usd_text

    console = Console(highlight=False)
    if not table.rows:
        console.print(
            f"{recorded.path.stem}: neither the session nor its replay finished a trade", soft_wrap=True
        )
        return
    differing = [row for row in table.rows if row.parts or row.note]
    differing.sort(key=lambda row: abs(row.difference_usd or ZERO), reverse=True)
    if differing:
        shown = Table(title=f"{recorded.path.stem}: trades that differ, the largest first")
        for name in ("bar (UTC)", "symbol", "live", "replayed", "difference", "why"):
            shown.add_column(name, justify="left" if name in ("symbol", "why") else "right")
        for row in differing[:_SHOWN]:
            why = ", ".join(f"{cause} {usd_text(value, signed=True)}" for cause, value in row.parts.items())
            money = [
                "n/a" if value is None else usd_text(value, signed=True)
                for value in (row.live_usd, row.replayed_usd, row.difference_usd)
            ]
            shown.add_row(_minute(row), row.symbol, *money, why)
        console.print(shown)
        for row in differing[:_SHOWN]:
            if row.note:
                console.print(f"{_minute(row)} {row.symbol}: {row.note}", soft_wrap=True)
    console.print(f"{recorded.path.stem}: {len(table.rows)} trades, {len(differing)} differ", soft_wrap=True)
    totals = Table()
    totals.add_column("")
    totals.add_column("USD", justify="right")
    # Rounded to cents they would not add up for whoever checks it by hand.
    places = max((_places(value) for value in (table.replayed_usd, *table.by_cause.values())), default=2)
    totals.add_row("replayed", usd_text(table.replayed_usd, places, signed=True))
    for cause, value in table.by_cause.items():
        totals.add_row(f"  {cause}", usd_text(value, places, signed=True))
    totals.add_row("live", usd_text(table.live_usd, places, signed=True))
    console.print(totals)
    unknown = sum(1 for row in table.rows if row.difference_usd is None)
    if unknown:
        console.print(f"{unknown} trades whose result is not known are in no sum")
