"""`aster-operator data download`: history over REST into the catalog, with a progress bar, resumable."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.options import EnvFile, JsonOutput, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from aster_operator.domain.clock import Clock
    from aster_operator.exchange.aster_client import AsterClient
    from aster_operator.market_data.download import DownloadPlan

__all__ = ["download"]


_Symbols = Annotated[str, typer.Option("--symbols", help="Symbols, comma separated, or all that trade.")]
_Since = Annotated[
    str, typer.Option("--since", metavar="TIME", help="From this UTC day or time on (2026-02-20T08:00).")
]
_Until = Annotated[
    str | None, typer.Option("--until", metavar="TIME", help="Before this UTC day or time (default: now).")
]
_What = Annotated[str, typer.Option("--what", help="Any of klines, aggTrades, funding, comma separated.")]
_Interval = Annotated[str, typer.Option("--interval", help="Length of the bars: 1m, 5m, 1h, 1d, ...")]
_CatalogDir = Annotated[
    Path | None,
    typer.Option("--catalog", metavar="DIR", help="The Parquet catalog (default: CATALOG_DIR)."),
]
_Venue = Annotated[
    str | None,
    typer.Option("--venue", help="mainnet, testnet or sim (default: mainnet; sim with --base-url)."),
]
_BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="REST address instead of the venue's own.")
]
_CaFile = Annotated[
    Path | None, typer.Option("--ca-file", metavar="FILE", help="Trust this CA (exchange serve --tls).")
]


def download(
    symbols: _Symbols,
    since: _Since,
    until: _Until = None,
    what: _What = "klines",
    interval: _Interval = "1m",
    catalog: _CatalogDir = None,
    venue: _Venue = None,
    base_url: _BaseUrl = None,
    ca_file: _CaFile = None,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """Download bars, aggregate trades and settled funding over REST. No keys needed.

    Broken off, it goes on where it was; what the catalog already has is not added twice.

    \b
    Examples:
      aster-operator data download --symbols BTCUSDT --since 2026-01-01
      aster-operator data download --symbols BTCUSDT,ETHUSDT --what aggTrades,funding --since 2026-02-19
    """
    import asyncio

    from aster_operator.cli.option_values import parse_symbols
    from aster_operator.cli.public_venue import connect_public
    from aster_operator.cli.times import parse_time_ms
    from aster_operator.domain.clock import WallClock
    from aster_operator.market_data.download import INTERVALS_MS, KINDS

    kinds = tuple(dict.fromkeys(kind.strip() for kind in what.split(",") if kind.strip()))
    for kind in kinds:
        if kind not in KINDS:
            raise typer.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}", param_hint="--what")
    if interval not in INTERVALS_MS:
        raise typer.BadParameter(
            f"{interval!r} is none of {', '.join(INTERVALS_MS)}", param_hint="--interval"
        )
    start_ms = parse_time_ms(since, "--since")
    end_ms = None if until is None else parse_time_ms(until, "--until")
    if end_ms is not None and end_ms <= start_ms:
        raise typer.BadParameter("is not after --since", param_hint="--until")
    chosen = parse_symbols(symbols)
    settings = settings_from(env_file)
    clock = WallClock()
    return asyncio.run(
        _main(
            lambda: connect_public(settings, clock, venue, base_url=base_url, ca_file=ca_file),
            catalog or Path(settings.catalog_dir),
            clock,
            chosen,
            lambda names, now_ms: _plan(names, kinds, (start_ms, end_ms or now_ms), interval),
            json_output=json_output,
        )
    )


def _plan(
    names: tuple[str, ...], kinds: tuple[str, ...], span_ms: tuple[int, int], interval: str
) -> "DownloadPlan":
    from aster_operator.market_data.download import DownloadPlan

    start_ms, end_ms = span_ms
    return DownloadPlan(symbols=names, kinds=kinds, start_ms=start_ms, end_ms=end_ms, interval=interval)


async def _main(
    connect: "Callable[[], AsterClient]",
    root: Path,
    clock: "Clock",
    symbols: tuple[str, ...] | None,
    make_plan: "Callable[[tuple[str, ...], int], DownloadPlan]",
    *,
    json_output: bool,
) -> int:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from aster_operator.cli.json_output import print_json
    from aster_operator.market_data.download import Downloader
    from aster_operator.market_data.recorder.universe import chosen_symbols, listed_symbols
    from aster_operator.monitoring.logs import configure_logs

    configure_logs("error")
    console = Console(stderr=True)
    client = connect()
    rows: dict[str, int] = {}
    try:
        names = tuple(chosen_symbols(await listed_symbols(client), symbols))
        venue_ms = (await client.premium_index(names[0]))[0].time
        plan = make_plan(names, venue_ms)
        downloader = Downloader(client, root, clock, os.getpid())
        pieces = downloader.pieces(plan)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            bar = progress.add_task("download", total=len(pieces))
            for piece in pieces:
                progress.update(bar, description=f"{piece.symbol} {piece.stream}")
                added = await downloader.fetch(piece, venue_ms)
                rows[piece.stream] = rows.get(piece.stream, 0) + added
                progress.advance(bar)
    finally:
        await client.close()
    if json_output:
        print_json({"catalog": str(root), "symbols": len(names), "pieces": len(pieces), "rows": rows})
    else:
        for stream, count in rows.items():
            print(f"{stream:<12} {count:>12,} rows added, {root}")
        if not pieces:
            print(f"nothing left to download, {root}")
    return 0
