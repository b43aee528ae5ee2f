"""`aster-operator backtest features`: recordings to minute bars with indicators."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.option_values import parse_symbols
from aster_operator.cli.options import JsonOutput, Since, Until
from aster_operator.cli.progress import progress_bars
from aster_operator.cli.times import parse_time_ms

if TYPE_CHECKING:
    from aster_operator.backtest.feature_sources import TimeRange
    from aster_operator.backtest.features import FeatureTable

__all__ = ["HELP", "features", "make_features"]

HELP = """Make the sweep's input: minute bars with quotes, marks and indicators, from CSV logs or a catalog.

\b
Examples:
  aster-operator backtest features --log-dir logs --windows 10,30,60 --out-csv backtest_inputs.csv
  aster-operator backtest features --catalog data --symbols BTCUSDT --out-parquet backtest_inputs.parquet
  aster-operator backtest features --catalog data --since 2026-02-01 --until 2026-02-08
"""

_LogDir = Annotated[
    Path | None, typer.Option("--log-dir", "--log_dir", metavar="DIR", help="Folder of the CSV logs.")
]
_Catalog = Annotated[
    Path | None, typer.Option("--catalog", metavar="DIR", help="Folder of a Parquet catalog.")
]
_Symbols = Annotated[str, typer.Option("--symbols", help="Symbols, comma separated, or all.")]
_Windows = Annotated[
    str, typer.Option("--windows", help="Lengths of the rolling windows in bars, comma separated.")
]
_OutCsv = Annotated[
    Path | None,
    typer.Option(
        "--out-csv", "--out_csv", metavar="FILE", help="Write .csv or .csv.gz (default: backtest_inputs.csv)."
    ),
]
_OutParquet = Annotated[
    Path | None, typer.Option("--out-parquet", "--out_parquet", metavar="FILE", help="Write Parquet.")
]


def features(
    log_dir: _LogDir = None,
    catalog: _Catalog = None,
    symbols: _Symbols = "all",
    windows: _Windows = "10,30,60",
    since: Since = None,
    until: Until = None,
    out_csv: _OutCsv = None,
    out_parquet: _OutParquet = None,
    json_output: JsonOutput = False,
) -> int:
    if (log_dir is None) == (catalog is None):
        raise typer.BadParameter("give one of the two", param_hint="--log-dir or --catalog")
    lengths = _windows(windows)
    chosen = parse_symbols(symbols)
    paths = [path for path in (out_csv, out_parquet) if path is not None] or [Path("backtest_inputs.csv")]
    _check_kind(out_csv, "csv", "--out-csv")
    _check_kind(out_parquet, "parquet", "--out-parquet")

    from aster_operator.backtest.feature_sources import ALL_TIMES, TimeRange
    from aster_operator.backtest.features import write_features
    from aster_operator.backtest.problems import BacktestProblem
    from aster_operator.cli.json_output import print_json

    times = None
    if since is not None or until is not None:
        times = TimeRange(
            ALL_TIMES.start_ms if since is None else parse_time_ms(since, "--since"),
            ALL_TIMES.end_ms if until is None else parse_time_ms(until, "--until"),
        )
    found = make_features(log_dir, catalog, chosen, lengths, times)
    missing = [symbol for symbol in chosen or () if symbol not in found.symbols]
    if missing:
        raise BacktestProblem(
            f"there are no bars of {', '.join(missing)}, only of {', '.join(found.symbols)}",
            str(log_dir or catalog),
            "check symbols and days",
        )
    write_features(found, *paths)
    if json_output:
        print_json(
            {
                "files": [str(path) for path in paths],
                "symbols": list(found.symbols),
                "rows": found.table.height,
                "gaps": found.gaps,
                "columns": found.table.columns,
            }
        )
        return 0
    gaps = "" if found.gaps == 0 else f", {found.gaps} gaps between minutes"
    names = ", ".join(str(path) for path in paths)
    typer.echo(f"{found.table.height:,} bars of {', '.join(found.symbols)}{gaps} -> {names}")
    return 0


def make_features(
    log_dir: Path | None,
    catalog: Path | None,
    symbols: Sequence[str] | None,
    windows: Sequence[int],
    times: "TimeRange | None" = None,
) -> "FeatureTable":
    """The features of one of the two, with progress on a terminal; `times` None: all of them.

    Bars of `times` have full windows where the minutes before it were recorded. Raises BacktestProblem.
    """
    from aster_operator.backtest.feature_sources import ALL_TIMES, CatalogSource, CsvLogSource, FeatureSource
    from aster_operator.backtest.features import bars_within, build_features, times_to_read
    from aster_operator.cli.backtest_kernels import compiling_told

    to_read = ALL_TIMES if times is None else times_to_read(times, windows)
    source: FeatureSource
    if log_dir is not None:
        source = CsvLogSource(log_dir, symbols, to_read)
    elif catalog is not None:
        source = CatalogSource(catalog, symbols, to_read)
    with progress_bars() as bar, compiling_told():
        advance = bar("reading bars, quotes, marks")
        started: list[str] = []

        def reading(name: str) -> None:
            # Quotes and marks are the bulk, and about as long as each other.
            started.append(name)
            advance((0.0, 0.15, 0.6)[min(len(started), 3) - 1])

        found = build_features(source, windows, progress=reading)
    return found if times is None else bars_within(found, times)


def _windows(text: str) -> tuple[int, ...]:
    from aster_operator.backtest.features import MAX_WINDOW

    lengths = []
    for part in text.split(","):
        if not part.strip().isascii() or not part.strip().isdigit() or not 1 <= int(part) <= MAX_WINDOW:
            raise typer.BadParameter(
                f"{part.strip()!r} is not a number of bars from 1 to {MAX_WINDOW:,}", param_hint="--windows"
            )
        lengths.append(int(part))
    return tuple(sorted(set(lengths)))


def _check_kind(path: Path | None, kind: str, option: str) -> None:
    from aster_operator.backtest.tables import table_kind

    if path is not None and table_kind(path) != kind:
        raise typer.BadParameter(f"{path} is not the name of a {kind} file", param_hint=option)
