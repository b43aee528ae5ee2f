"""`aster-operator collect`: record the market into a Parquet catalog and, if wanted, CSV logs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.options import EnvFile, JsonOutput, settings_from

if TYPE_CHECKING:
    from collections.abc import Callable

    from aster_operator.domain.clock import Clock
    from aster_operator.exchange.aster_client import AsterClient
    from aster_operator.market_data.recorder.options import RecorderOptions, RecordingSummary
    from aster_operator.market_data.recorder.writer import Acknowledgement

__all__ = ["register"]

_HELP = """Record markets: five streams of each symbol, every message kept. No keys needed.

Rows go into a Parquet catalog (stream=/symbol=/date=); with --update-logs also one CSV row a second for each
symbol. What was missed is fetched where the venue still has it, and what is missing stands in the table of
gaps with its cause. Ctrl-C ends it in good order; after a crash the next start repairs what is left.

\b
Examples:
  aster-operator collect --symbols BTCUSDT,ETHUSDT --poll-time 600
  aster-operator collect --symbols all --poll-time forever --update-logs false
  aster-operator collect --venue sim --base-url http://127.0.0.1:8545 --symbols BTCUSDT --poll-time 10 --json
"""

_LINE_EVERY_S = 10


def register(app: typer.Typer) -> None:
    app.command(name="collect", help=_HELP)(_collect)


_Symbols = Annotated[
    str | None, typer.Option("--symbols", help="Symbols, or all that trade (default: ASTER_SYMBOLS).")
]
_PollTime = Annotated[
    str | None,
    typer.Option(
        "--poll-time", "--poll_time", help="Seconds to record, or forever (default: ASTER_POLL_TIME)."
    ),
]
_UpdateLogs = Annotated[
    str | None,
    typer.Option(
        "--update-logs", "--update_logs", help="true or false: write CSV logs (default: ASTER_UPDATE_LOGS)."
    ),
]
_LogDir = Annotated[
    Path | None,
    typer.Option("--log-dir", "--log_dir", metavar="DIR", help="Where CSV logs go (default: ASTER_LOG_DIR)."),
]
_DeleteLogs = Annotated[
    bool | None,
    typer.Option(
        "--delete-logs/--keep-logs",
        "--delete_logs/--keep_logs",
        help="Delete the CSV logs of earlier runs first (default: ASTER_DELETE_LOGS).",
    ),
]
_RollLogs = Annotated[
    bool, typer.Option("--roll-logs", "--roll_logs", help="Begin files name_YYYYMMDD.csv each UTC day.")
]
_Catalog = Annotated[
    Path | None,
    typer.Option("--catalog", metavar="DIR", help="Where the Parquet catalog is (default: CATALOG_DIR)."),
]
_Depth = Annotated[bool, typer.Option("--depth", help="Also record every change of the whole book.")]
_Liquidations = Annotated[bool, typer.Option("--liquidations", help="Also record liquidations.")]
_Retention = Annotated[
    int | None,
    typer.Option(
        "--retention-days", min=1, max=36_500, help="Delete days older than this (default: keep all)."
    ),
]
_Segment = Annotated[
    int, typer.Option("--segment-minutes", min=1, max=1440, help="How often rows become Parquet files.")
]
_Acknowledge = Annotated[
    bool,
    typer.Option("--acknowledge", help="Print a JSON line whenever rows have been forced to the disk."),
]
_Venue = Annotated[
    str | None,
    typer.Option("--venue", help="mainnet, testnet or sim (default: mainnet; sim with --base-url)."),
]
_BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="REST address instead of the venue's own.")
]
_WsUrl = Annotated[
    str | None,
    typer.Option("--ws-url", metavar="URL", help="WebSocket address likewise (default: that of --base-url)."),
]
_CaFile = Annotated[
    Path | None, typer.Option("--ca-file", metavar="FILE", help="Trust this CA (exchange serve --tls).")
]


def _collect(
    symbols: _Symbols = None,
    poll_time: _PollTime = None,
    update_logs: _UpdateLogs = None,
    log_dir: _LogDir = None,
    delete_logs: _DeleteLogs = None,
    roll_logs: _RollLogs = False,
    catalog: _Catalog = None,
    depth: _Depth = False,
    liquidations: _Liquidations = False,
    retention_days: _Retention = None,
    segment_minutes: _Segment = 60,
    acknowledge: _Acknowledge = False,
    venue: _Venue = None,
    base_url: _BaseUrl = None,
    ws_url: _WsUrl = None,
    ca_file: _CaFile = None,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    import asyncio

    from aster_operator.cli.option_values import parse_poll_time, parse_symbols, parse_truth
    from aster_operator.cli.public_venue import connect_public
    from aster_operator.domain.clock import WallClock
    from aster_operator.market_data.recorder.options import RecorderOptions

    settings = settings_from(env_file)
    chosen = parse_symbols(symbols) if symbols is not None else tuple(settings.midfreq_symbols)
    seconds = (
        float(settings.midfreq_poll_time_s)
        if poll_time is None
        else parse_poll_time(poll_time, "--poll-time")
    )
    logs_wanted = (
        settings.midfreq_update_logs if update_logs is None else parse_truth(update_logs, "--update-logs")
    )
    options = RecorderOptions(
        catalog=catalog or Path(settings.catalog_dir),
        symbols=chosen,
        log_dir=(log_dir or Path(settings.midfreq_log_dir)) if logs_wanted else None,
        roll_logs=roll_logs,
        delete_logs=settings.midfreq_delete_logs if delete_logs is None else delete_logs,
        with_depth=depth,
        with_liquidations=liquidations,
        segment_ms=segment_minutes * 60_000,
        retention_days=retention_days,
    )
    clock = WallClock()
    return asyncio.run(
        _main(
            lambda: connect_public(settings, clock, venue, base_url=base_url, ws_url=ws_url, ca_file=ca_file),
            options,
            clock,
            seconds,
            acknowledge=acknowledge,
            json_output=json_output,
        )
    )


async def _main(
    connect: "Callable[[], AsterClient]",
    options: "RecorderOptions",
    clock: "Clock",
    seconds: float | None,
    *,
    acknowledge: bool,
    json_output: bool,
) -> int:
    from aster_operator.cli.json_output import print_json
    from aster_operator.cli.live_screen import interrupts
    from aster_operator.market_data.recorder.recorder import Recorder
    from aster_operator.monitoring.logs import configure_logs

    configure_logs("error")
    progress = _Progress(clock, acknowledge=acknowledge)
    client = connect()
    try:
        recorder = Recorder(client, options, clock, on_flush=progress.flushed, on_notice=progress.notice)
        with interrupts(recorder.stop):
            summary = await recorder.run(seconds)
    finally:
        await client.close()
    if json_output:
        print_json(summary.as_json())
    else:
        _show(summary)
    return 0


class _Progress:
    """Tells the terminal how it goes: a line every ten seconds, and each notice at once."""

    def __init__(self, clock: "Clock", *, acknowledge: bool) -> None:
        self._clock = clock
        self._acknowledge = acknowledge
        self._told_ns = clock.monotonic_ns()

    def flushed(self, acknowledged: "Acknowledgement") -> None:
        if self._acknowledge:
            from aster_operator.cli.json_output import print_json

            print_json({"flushed": acknowledged})
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._told_ns >= _LINE_EVERY_S * 1_000_000_000:
            self._told_ns = now_ns
            total = sum(acknowledged.rows.values())
            print(f"{total:,} rows on the disk, {acknowledged.bytes_written:,} bytes", file=sys.stderr)

    def notice(self, line: str) -> None:
        from aster_operator.cli.errors import print_warnings

        print_warnings((line,))


def _show(summary: "RecordingSummary") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("Stream")
    table.add_column("Rows", justify="right")
    for stream, rows in summary.rows.items():
        table.add_row(stream, f"{rows:,}")
    console.print(table)
    per_row = summary.bytes / max(1, sum(summary.rows.values()))
    console.print(
        f"{summary.symbols} symbols in {summary.seconds:,.0f} s; {summary.bytes:,} bytes of Parquet in "
        f"{summary.files:,} files ({per_row:.1f} a row), {summary.catalog}"
    )
    causes = ", ".join(f"{count} {cause}" for cause, count in summary.gaps_by_cause.items())
    console.print(f"{summary.gaps} gaps" + (f": {causes}" if causes else ""))
    if summary.dropped or summary.malformed:
        console.print(f"{summary.dropped:,} messages dropped, {summary.malformed:,} unreadable")
    if summary.log_rows:
        console.print(f"{sum(summary.log_rows.values()):,} CSV rows, {summary.log_dir}")
