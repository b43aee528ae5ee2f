"""`aster-operator data`: look into recorded markets, check, convert and download them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aster_operator.cli.options import EnvFile, JsonOutput, Since, Until, settings_from

if TYPE_CHECKING:
    from aster_operator.market_data.catalog.catalog import Catalog

__all__ = ["register"]

_SUMMARY = "Look into recorded markets, check, convert and download them."
_GROUP_HELP = f"""{_SUMMARY}

\b
Examples:
  aster-operator data ls
  aster-operator data check --symbols BTCUSDT --since 2026-02-01
  aster-operator data download --symbols BTCUSDT --what klines,funding --since 2026-01-01
"""

_CatalogDir = Annotated[
    Path | None,
    typer.Option("--catalog", metavar="DIR", help="The Parquet catalog (default: CATALOG_DIR)."),
]
_Symbols = Annotated[str | None, typer.Option("--symbols", help="Only these symbols, comma separated.")]
_Streams = Annotated[str | None, typer.Option("--streams", help="Only these streams, comma separated.")]


def register(app: typer.Typer) -> None:
    """Add the `data` commands to `app`."""
    from aster_operator.cli.data_download import download
    from aster_operator.cli.data_pipeline import prune_command, sync_command, upload_command

    group = typer.Typer(
        help=_GROUP_HELP,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        short_help=_SUMMARY,
    )
    group.command("ls")(_ls)
    group.command("head")(_head)
    group.command("check")(_check)
    group.command("convert")(_convert)
    group.command("download")(download)
    group.command("compact")(_compact)
    group.command("upload")(upload_command)
    group.command("sync")(sync_command)
    group.command("prune")(prune_command)
    app.add_typer(group, name="data")


class _Choice:
    """What the shared options select."""

    def __init__(
        self, symbols: str | None, streams: str | None, since: str | None, until: str | None
    ) -> None:
        from aster_operator.cli.option_values import parse_symbols
        from aster_operator.cli.times import parse_time_ms
        from aster_operator.market_data.catalog.schemas import is_stream

        self.symbols = parse_symbols(symbols) if symbols is not None else None
        self.start_ms = None if since is None else parse_time_ms(since, "--since")
        self.end_ms = None if until is None else parse_time_ms(until, "--until")
        self.streams: list[str] | None = None
        if streams is not None:
            self.streams = [name.strip() for name in streams.split(",") if name.strip()]
            for name in self.streams:
                if not is_stream(name):
                    raise typer.BadParameter(f"{name!r} is no stream", param_hint="--streams")


def _open(catalog: Path | None, env_file: str | None) -> "Catalog":
    from aster_operator.market_data.catalog.catalog import Catalog

    return Catalog(catalog or Path(settings_from(env_file).catalog_dir))


def _ls(
    catalog: _CatalogDir = None,
    symbols: _Symbols = None,
    streams: _Streams = None,
    since: Since = None,
    until: Until = None,
    by_day: Annotated[bool, typer.Option("--by-day", help="One line for each day.")] = False,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """List what is recorded: rows, days and times by stream and symbol.

    \b
    Example:
      aster-operator data ls --streams kline_1m --by-day
    """
    from aster_operator.cli.data_tables import list_json, show_days, show_list
    from aster_operator.cli.json_output import print_json
    from aster_operator.market_data.catalog.coverage import coverage

    chosen = _Choice(symbols, streams, since, until)
    opened = _open(catalog, env_file)
    days = list(
        coverage(opened, chosen.streams, chosen.symbols, start_ms=chosen.start_ms, end_ms=chosen.end_ms)
    )
    if json_output:
        print_json(list_json(opened.root, days))
    elif by_day:
        show_days(days)
    else:
        show_list(opened.root, days)
    return 0


def _head(
    stream: Annotated[str, typer.Argument(help="Which stream: kline_1m, bookTicker, gaps, ... (see ls).")],
    catalog: _CatalogDir = None,
    symbols: _Symbols = None,
    since: Since = None,
    until: Until = None,
    rows: Annotated[int, typer.Option("--rows", min=1, max=100_000, help="How many rows.")] = 10,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """Show the first rows of a stream, by time.

    \b
    Example:
      aster-operator data head aggTrade --symbols BTCUSDT --since 2026-02-20T08:00 --rows 20
    """
    from aster_operator.cli.data_tables import show_rows
    from aster_operator.cli.json_output import print_json
    from aster_operator.market_data.catalog.broken import collected
    from aster_operator.market_data.catalog.schemas import stream_schema

    chosen = _Choice(symbols, stream, since, until)
    opened = _open(catalog, env_file)
    frame = opened.scan(stream, chosen.symbols, start_ms=chosen.start_ms, end_ms=chosen.end_ms)
    wanted = frame.sort(*stream_schema(stream).order, "symbol").head(rows)
    first = collected(wanted, opened.root, stream)
    if json_output:
        print_json({"stream": stream, "rows": first.to_dicts()})
    else:
        show_rows(first)
    return 0


def _check(
    catalog: _CatalogDir = None,
    symbols: _Symbols = None,
    streams: _Streams = None,
    since: Since = None,
    until: Until = None,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """Look for faults: coverage by day, gaps, duplicates, crossed books, out-of-order times, broken files.

    Exit code 0 when nothing is wrong, 1 when something is. Gaps with a known cause are shown, not blamed.

    \b
    Example:
      aster-operator data check --symbols BTCUSDT --json
    """
    from aster_operator.cli.data_tables import check_json, show_check
    from aster_operator.cli.json_output import print_json
    from aster_operator.market_data.catalog.quality import check_catalog

    chosen = _Choice(symbols, streams, since, until)
    opened = _open(catalog, env_file)
    report = check_catalog(
        opened, chosen.streams, chosen.symbols, start_ms=chosen.start_ms, end_ms=chosen.end_ms
    )
    if json_output:
        print_json(check_json(opened, report, chosen.symbols, chosen.start_ms, chosen.end_ms))
    else:
        show_check(report)
    return 0 if report.ok else 1


def _convert(
    source: Annotated[Path, typer.Argument(help="CSV logs, a catalog, or kline Parquet files.")],
    target: Annotated[Path, typer.Argument(help="Folder to write; rows are added to a catalog.")],
    to: Annotated[
        Literal["catalog", "csv", "klines"] | None,
        typer.Option("--to", help="What to make (default: a catalog; csv from a catalog)."),
    ] = None,
    symbols: _Symbols = None,
    since: Since = None,
    until: Until = None,
    json_output: JsonOutput = False,
) -> int:
    """Convert CSV logs or kline files into a catalog, or a catalog into either.

    \b
    Examples:
      aster-operator data convert logs catalog
      aster-operator data convert catalog logs-again --to csv
      aster-operator data convert catalog minutes --to klines --symbols BTCUSDT
    """
    from aster_operator.cli.data_convert import convert
    from aster_operator.cli.json_output import print_json

    chosen = _Choice(symbols, None, since, until)
    rows = convert(source, target, to, chosen.symbols, chosen.start_ms, chosen.end_ms)
    if json_output:
        print_json({"source": str(source), "target": str(target), "rows": rows})
    else:
        for name, count in rows.items():
            print(f"{name:<12} {count:>12,} rows")
    return 0


def _compact(
    catalog: _CatalogDir = None,
    retention_days: Annotated[
        int | None, typer.Option("--retention-days", min=1, help="Also delete days older than this.")
    ] = None,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    """Make one file of each day that is over; collect does so by itself while it runs.

    \b
    Example:
      aster-operator data compact --retention-days 90
    """
    from aster_operator.cli.data_convert import compact_catalog
    from aster_operator.cli.json_output import print_json

    root = _open(catalog, env_file).root
    done, expired = compact_catalog(root, retention_days)
    if json_output:
        print_json({**done._asdict(), "expired": expired})
    else:
        print(
            f"{done.files} files of {done.days} days became {done.days}: {done.bytes_before:,} bytes before, "
            f"{done.bytes_after:,} after; {done.duplicates} repeated rows left out; {expired} days deleted"
        )
    return 0
