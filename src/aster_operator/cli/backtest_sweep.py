"""`aster-operator backtest sweep`: every configuration of a grid over recorded bars."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aster_operator.cli.backtest_fine_prices import (
    FineCatalog,
    FineLogDir,
    check_fine,
    inputs_hash,
    with_fine_prices,
)
from aster_operator.cli.backtest_message import all_sent, send_sweep, sweep_notifier
from aster_operator.cli.backtest_options import (
    AllowGaps,
    ClusterAddress,
    CooldownMin,
    FeeBps,
    FundingHours,
    Grid,
    Inputs,
    OrderNotional,
    Seed,
    SemanticsName,
    SlippageBps,
    Symbols,
    Verdict,
    Workers,
    check_folder,
    cluster_or_none,
    exchange_options,
    one_of,
)
from aster_operator.cli.option_values import parse_symbols
from aster_operator.cli.options import EnvFile, JsonOutput, settings_from
from aster_operator.cli.progress import progress_bars
from aster_operator.domain.clock import Clock, WallClock

if TYPE_CHECKING:
    from aster_operator.backtest.bars import Bars
    from aster_operator.backtest.cluster.dask import SweepCluster
    from aster_operator.backtest.grid import SymbolGrid
    from aster_operator.backtest.semantics_exchange import ExchangeOptions
    from aster_operator.backtest.sweep import SweepResult
    from aster_operator.backtest.validation.study import Study

__all__ = ["HELP", "chosen_grids", "prepare_sweep", "print_sweep", "run_sweep", "sweep", "sweep_summary"]

HELP = """Run every configuration of a grid over recorded bars and rank them.

The semantics exchange does what the live strategy would do on Aster. The semantics vectorbt computes what the
original's pipeline computed, for comparison: it fills inside the bar that made the signal, and is biased.

\b
Examples:
  aster-operator backtest sweep --inputs backtest_inputs.csv --grid grid.json --out results
  aster-operator backtest sweep --inputs bars.parquet --grid grid.json --out results --semantics vectorbt
  aster-operator backtest sweep --inputs bars.parquet --grid grid.json --out results --fine-catalog data
"""

_Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")]
_Format = Annotated[str, typer.Option("--format", help="Of the results: csv or parquet.")]
_PlotTop = Annotated[
    int,
    typer.Option("--plot-top", "--plot_top", min=0, max=100, help="Also plot this many best ones as HTML."),
]
_Send = Annotated[
    bool,
    typer.Option(
        "--send",
        envvar="ASTER_EMAIL_BACKTEST_ON_COMPLETION",
        help="When done, send verdicts and best configurations to NOTIFY_REPORT_URLS, NOTIFY_URLS and"
        " ASTER_EMAIL_*.",
    ),
]


def sweep(
    inputs: Inputs,
    grid: Grid,
    out: _Out,
    symbols: Symbols = "all",
    fee_bps: FeeBps = 4.0,
    slippage_bps: SlippageBps = 0.0,
    semantics: SemanticsName = "exchange",
    order_notional: OrderNotional = 100.0,
    cooldown_min: CooldownMin = 10,
    funding_hours: FundingHours = 8,
    allow_gaps: AllowGaps = False,
    fine_catalog: FineCatalog = None,
    fine_log_dir: FineLogDir = None,
    file_format: _Format = "csv",
    plot_top: _PlotTop = 0,
    workers: Workers = None,
    cluster: ClusterAddress = None,
    verdict: Verdict = True,
    seed: Seed = 1,
    send: _Send = False,
    env_file: EnvFile = None,
    json_output: JsonOutput = False,
) -> int:
    from aster_operator.backtest.results import FORMATS, result_files, result_paths, result_tables
    from aster_operator.backtest.saved_verdicts import verdict_files
    from aster_operator.backtest.sweep import SEMANTICS
    from aster_operator.backtest.tables import replace_files
    from aster_operator.cli.backtest_verdicts import study_results
    from aster_operator.cli.json_output import print_json

    one_of(semantics, SEMANTICS, "--semantics")
    one_of(file_format, FORMATS, "--format")
    options = exchange_options(fee_bps, slippage_bps, order_notional, cooldown_min, funding_hours)
    clock, grids = WallClock(), chosen_grids(grid, parse_symbols(symbols))
    check_folder(out)
    check_fine(semantics, fine_catalog, fine_log_dir, cluster)
    notifier = sweep_notifier(settings_from(env_file), "backtest sweep --send") if send else None
    prepared = [
        (space, with_fine_prices(own, fine_catalog, fine_log_dir), chosen)
        for space, own, chosen in prepare_sweep(inputs, grids, semantics, options, allow_gaps=allow_gaps)
    ]
    bars = [own for _, own, _ in prepared]
    date = _today(clock)
    with cluster_or_none(cluster) as far:
        results, seconds = run_sweep(prepared, semantics, workers, clock, far)
        hashed = inputs_hash(inputs, bars)
        tables = {result.symbol: result_tables(result, hashed) for result in results}
        studies = study_results(results, bars, seed=seed, workers=workers, cluster=far) if verdict else []
    plots = _plots(results, bars, out, date, plot_top)
    # All or nothing: whoever ends it before this leaves no new results beside an old verdict.
    verdicts = verdict_files(studies, results, out, date, hashed)
    replace_files(result_files(tables, out, date=date, file_format=file_format) | plots | verdicts)
    summary = sweep_summary(results, studies, seconds, semantics) | {
        "results": [str(result_paths(out, symbol, date, file_format)[0]) for symbol in tables],
        "plots": [str(path) for path in plots],
    }
    deliveries = [] if notifier is None else send_sweep(notifier, results, studies, semantics)
    if json_output:
        print_json(summary | ({"deliveries": deliveries} if send else {}))
    else:
        print_sweep(results, summary)
    return int(not all_sent(deliveries))


def sweep_summary(
    results: "Sequence[SweepResult]", studies: "Sequence[Study]", seconds: float, semantics: str
) -> dict[str, Any]:
    from aster_operator.backtest.saved_verdicts import verdict_json

    work = sum(result.bars * len(result.grid) for result in results)
    return {
        "configs": sum(len(result.grid) for result in results),
        "bars": sum(result.bars for result in results),
        "seconds": seconds,
        "ns_per_bar_config": seconds * 1e9 / work,
        "verdicts": {study.symbol: verdict_json(study) for study in studies},
        "semantics": semantics,
    }


def chosen_grids(path: Path, symbols: tuple[str, ...] | None) -> "list[SymbolGrid]":
    from aster_operator.backtest.grid import read_grid
    from aster_operator.backtest.problems import BacktestProblem

    grids = read_grid(path)
    if symbols is None:
        return list(grids)
    known = [grid.symbol for grid in grids]
    for symbol in symbols:
        if symbol not in known:
            raise BacktestProblem(
                f"{symbol} is not in the grid, which has {', '.join(known)}", str(path), "add it"
            )
    return [grid for grid in grids if grid.symbol in symbols]


def prepare_sweep(
    inputs: Path,
    grids: "list[SymbolGrid]",
    semantics: str,
    options: "ExchangeOptions",
    *,
    allow_gaps: bool,
) -> "list[tuple[SymbolGrid, Bars, ExchangeOptions]]":
    """Read and check everything before anything is computed."""
    from dataclasses import replace

    from aster_operator.backtest.grid import make_param_grid
    from aster_operator.backtest.inputs import InputFile
    from aster_operator.backtest.problems import BacktestProblem
    from aster_operator.backtest.sweep import prepare_bars

    table = InputFile(inputs)
    prepared = []
    for grid in grids:
        own = replace(options, tick_size=grid.tick_size, lot_size=grid.lot_size)
        bars = table.bars(
            grid.symbol,
            make_param_grid(grid.space),
            semantics,
            has_tick_size=grid.tick_size is not None,
            allow_gaps=allow_gaps,
        )
        if len(prepare_bars(bars, semantics)) < 2:
            raise BacktestProblem(f"{grid.symbol} has fewer than 2 usable rows", str(inputs), "record more")
        prepared.append((grid, bars, own))
    return prepared


def run_sweep(
    prepared: "list[tuple[SymbolGrid, Bars, ExchangeOptions]]",
    semantics: str,
    workers: int | None,
    clock: Clock,
    cluster: "SweepCluster | None" = None,
    part_size: int | None = None,
) -> "tuple[list[SweepResult], float]":
    """The results and the seconds of computing them; `part_size` configurations at a time, None: all."""
    from aster_operator.backtest.grid import make_param_grid
    from aster_operator.backtest.sweep_parts import run_grid_in_parts
    from aster_operator.cli.backtest_kernels import load_kernels

    load_kernels(semantics)
    grids = [make_param_grid(space.space) for space, _, _ in prepared]
    firsts = [sum(len(grid) for grid in grids[:at]) for at in range(len(grids))]
    ids = [
        [f"cfg_{number:04d}" for number in range(first, first + len(grid))]
        for first, grid in zip(firsts, grids, strict=True)
    ]
    started_ns = clock.monotonic_ns()
    with progress_bars() as bar:
        if cluster is not None:
            from aster_operator.backtest.cluster.pieces import Job

            jobs = [
                Job(bars, grid, options, names)
                for (_, bars, options), grid, names in zip(prepared, grids, ids, strict=True)
            ]
            results = cluster.sweep(jobs, semantics, progress=bar("on the cluster"))
        else:
            results = [
                run_grid_in_parts(
                    bars,
                    grid,
                    part_size=part_size,
                    semantics=semantics,
                    options=options,
                    config_ids=names,
                    workers=workers,
                    progress=bar(space.symbol),
                )
                for (space, bars, options), grid, names in zip(prepared, grids, ids, strict=True)
            ]
    return results, (clock.monotonic_ns() - started_ns) / 1e9


def _plots(
    results: "list[SweepResult]", bars: "list[Bars]", out: Path, date: str, plot_top: int
) -> "dict[Path, Callable[[Path], object]]":
    """The files of the best ones, and how each is written."""
    if plot_top == 0:
        return {}
    from aster_operator.backtest.plots import plot_top_n

    return {
        out / f"backtest_top_{result.symbol}_{date}.html": partial(plot_top_n, result, own, n=plot_top)
        for result, own in zip(results, bars, strict=True)
    }


def _today(clock: Clock) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(clock.now_ms() / 1000, tz=UTC).strftime("%Y%m%d")


def print_sweep(results: "list[SweepResult]", summary: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from aster_operator.backtest.metrics import build_ranked_metrics

    console = Console(highlight=False)
    for result in results:
        biased = " (biased: fills inside the signal's bar)" if result.compounds else ""
        table = Table(title=f"{result.symbol}, {result.bars:,} bars, {result.semantics}{biased}")
        names = ("config_id", "total_pnl", "n_trades", "win_rate", "sharpe", "max_drawdown", "ambiguous_bars")
        for name in names:
            table.add_column(name.replace("_", " "), justify="right")
        for row in build_ranked_metrics(result).select(names).head(10).iter_rows():
            table.add_row(*(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row))
        console.print(table)
    console.print(
        f"{summary['configs']:,} configurations in {summary['seconds']:.2f} s, "
        f"{summary['ns_per_bar_config']:.2f} ns a bar and configuration"
    )
    for found in summary["verdicts"].values():
        console.print(found["line"], soft_wrap=True)
    for path in (*summary["results"], *summary["plots"]):
        console.print(path, soft_wrap=True)
