"""`aster-operator backtest optimise`: search continuous ranges, with the sweep as the objective."""

from contextlib import contextmanager
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
from aster_operator.cli.backtest_options import (
    AllowGaps,
    ClusterAddress,
    CooldownMin,
    FeeBps,
    FundingHours,
    Inputs,
    OrderNotional,
    SemanticsName,
    SlippageBps,
    Symbols,
    Workers,
    check_folder,
    cluster_or_none,
    exchange_options,
    one_of,
)
from aster_operator.cli.option_values import parse_symbols
from aster_operator.cli.options import JsonOutput
from aster_operator.cli.progress import progress_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from aster_operator.backtest.bars import Bars
    from aster_operator.backtest.cluster.dask import SweepCluster
    from aster_operator.backtest.grid import ParamGrid
    from aster_operator.backtest.optimise.outcome import Outcome
    from aster_operator.backtest.optimise.search import SearchOptions
    from aster_operator.backtest.optimise.space import SearchSpace
    from aster_operator.backtest.semantics_exchange import ExchangeOptions
    from aster_operator.backtest.sweep import SweepResult

__all__ = ["HELP", "optimise"]

HELP = """Search ranges of parameters for the best trade-offs, and judge what was found.

The space is a grid file in which {"low": 1.0, "high": 3.0} may stand in place of a list ("log": true spreads
by size, "step" makes a raster). Trials are stopped as soon as they fall behind on their walk through the
history. The last part of it is never searched and shown separately. The best of many trials is still probably
luck: the verdict counts all of them.

What was tried is kept in --out; the same command goes on from there, also with more --trials.

\b
Examples:
  aster-operator backtest optimise --inputs backtest_inputs.csv --space space.json --out found
  aster-operator backtest optimise --inputs bars.parquet --space space.json --out found \\
    --objectives sharpe,drawdown --trials 500 --seed 7 --json
"""

_Space = Annotated[
    Path, typer.Option("--space", "--grid", metavar="FILE", help="JSON file with ranges and lists of values.")
]
_Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for trials, results and the state.")]
_Objectives = Annotated[
    str,
    typer.Option(
        "--objectives",
        help="Of pnl, sharpe, sortino, drawdown, profit-factor, comma separated, the most wanted first.",
    ),
]
_Trials = Annotated[int, typer.Option("--trials", min=1, max=100_000, help="Trials for each symbol, in all.")]
_Batch = Annotated[int, typer.Option("--batch", min=1, max=1024, help="Trials that one sweep runs together.")]
_Parts = Annotated[
    int, typer.Option("--parts", min=1, max=50, help="Parts of the history a trial walks through.")
]
_Holdout = Annotated[
    float,
    typer.Option(
        "--holdout-pct",
        "--holdout_pct",
        min=0,
        max=80,
        help="Share of the history, its end, that is not searched.",
    ),
]
_MinTrades = Annotated[
    int, typer.Option("--min-trades", "--min_trades", min=1, help="A trial with fewer trades does not count.")
]
_Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same trials, same verdict.")]


def optimise(
    inputs: Inputs,
    space: _Space,
    out: _Out,
    symbols: Symbols = "all",
    objectives: _Objectives = "pnl,drawdown",
    trials: _Trials = 200,
    batch: _Batch = 16,
    parts: _Parts = 5,
    holdout_pct: _Holdout = 20.0,
    min_trades: _MinTrades = 30,
    fee_bps: FeeBps = 4.0,
    slippage_bps: SlippageBps = 0.0,
    semantics: SemanticsName = "exchange",
    order_notional: OrderNotional = 100.0,
    cooldown_min: CooldownMin = 10,
    funding_hours: FundingHours = 8,
    allow_gaps: AllowGaps = False,
    fine_catalog: FineCatalog = None,
    fine_log_dir: FineLogDir = None,
    workers: Workers = None,
    cluster: ClusterAddress = None,
    seed: _Seed = 1,
    json_output: JsonOutput = False,
) -> int:
    from aster_operator.backtest.inputs import InputFile
    from aster_operator.backtest.optimise.search import SearchOptions
    from aster_operator.backtest.optimise.space import read_space
    from aster_operator.backtest.sweep import SEMANTICS
    from aster_operator.cli.json_output import print_json
    from aster_operator.domain.clock import WallClock

    one_of(semantics, SEMANTICS, "--semantics")
    check_fine(semantics, fine_catalog, fine_log_dir, cluster)
    options = SearchOptions(
        objectives=_objectives(objectives),
        trials=trials,
        batch=batch,
        parts=parts,
        min_trades=min_trades,
        seed=seed,
    )
    exchange = exchange_options(fee_bps, slippage_bps, order_notional, cooldown_min, funding_hours)
    check_folder(out)
    table = InputFile(inputs)
    spaces = _chosen(read_space(space, table.windows()), parse_symbols(symbols), space)
    job = _Job(inputs, out, options, exchange, semantics, workers, holdout_pct / 100)
    fine = (fine_catalog, fine_log_dir)
    prepared = [(own, job.bars(table, own, fine, allow_gaps=allow_gaps)) for own in spaces]
    clock = WallClock()
    started_ns = clock.monotonic_ns()
    with cluster_or_none(cluster) as far:
        found = job.run(prepared, far)
    files = job.write(found, spaces, _today(clock.now_ms()))
    seconds = (clock.monotonic_ns() - started_ns) / 1e9
    if json_output:
        print_json(_summary(found, spaces, options, semantics, files, seconds))
    else:
        _print(found, options, semantics, files, seconds)
    return 0


@contextmanager
def _saying_how_to_go_on(journal: Path) -> "Iterator[None]":
    """Whoever stops a search learns that nothing was lost."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if journal.exists():
            typer.echo(f"stopped; the same command goes on from {journal}", err=True)
        raise


class _Job:
    """What all symbols of one command have in common."""

    def __init__(
        self,
        inputs: Path,
        out: Path,
        options: "SearchOptions",
        exchange: "ExchangeOptions",
        semantics: str,
        workers: int | None,
        holdout: float,
    ) -> None:
        self._inputs = inputs
        self._out = out
        self._options = options
        self._exchange = exchange
        self._semantics = semantics
        self._workers = workers
        self._holdout = holdout

    def bars(
        self, table: Any, space: "SearchSpace", fine: tuple[Path | None, Path | None], *, allow_gaps: bool
    ) -> "tuple[Bars, Bars | None]":
        """The bars to search and those to hold out. Raises BacktestProblem."""
        from aster_operator.backtest.optimise.outcome import split_holdout
        from aster_operator.backtest.optimise.space import windows_grid
        from aster_operator.backtest.problems import BacktestProblem

        bars = table.bars(
            space.symbol,
            windows_grid(space),
            self._semantics,
            has_tick_size=space.tick_size is not None,
            allow_gaps=allow_gaps,
        )
        searched, unseen = split_holdout(with_fine_prices(bars, *fine), self._holdout)
        needed = 100 * self._options.parts
        if len(searched) < needed:
            raise BacktestProblem(
                f"{space.symbol} has {len(searched):,} bars to search, fewer than {needed:,} for "
                f"{self._options.parts} parts",
                str(self._inputs),
                "record more, or lower --parts or --holdout-pct",
            )
        return searched, unseen

    def run(
        self,
        prepared: "list[tuple[SearchSpace, tuple[Bars, Bars | None]]]",
        cluster: "SweepCluster | None",
    ) -> "list[Outcome]":
        from aster_operator.backtest.optimise.outcome import judge_search
        from aster_operator.backtest.optimise.search import search
        from aster_operator.cli.backtest_kernels import load_kernels

        load_kernels(self._semantics)
        bars = [own for _, pair in prepared for own in pair if own is not None]
        hashed = inputs_hash(self._inputs, bars)
        found = []
        journal = self._out / "optimise.journal"
        with _saying_how_to_go_on(journal), progress_bars() as bar:
            for space, (searched, unseen) in prepared:
                exchange = self._sized(space)
                run = search(
                    space,
                    searched,
                    self._options,
                    inputs_hash=hashed,
                    semantics=self._semantics,
                    exchange=exchange,
                    storage=journal,
                    workers=self._workers,
                    progress=bar(f"{space.symbol}: {self._options.trials:,} trials"),
                    run=None if cluster is None else self._far(cluster, exchange),
                )
                found.append(
                    judge_search(
                        run,
                        space,
                        searched,
                        unseen,
                        semantics=self._semantics,
                        options=exchange,
                        seed=self._options.seed,
                        workers=self._workers,
                        progress=bar(f"{space.symbol}: can it be believed?"),
                    )
                )
        return found

    def _far(
        self, cluster: "SweepCluster", exchange: "ExchangeOptions"
    ) -> "Callable[[Bars, ParamGrid], SweepResult]":
        """Sweeps on the cluster, in pieces small enough that a batch keeps several workers busy."""
        return lambda bars, grid: cluster.run(bars, grid, self._semantics, exchange, block=4)

    def write(self, found: "list[Outcome]", spaces: "list[SearchSpace]", date: str) -> dict[str, list[str]]:
        """The tables of trials, and the first of each front as a grid file."""
        import json
        from functools import partial

        from aster_operator.backtest.optimise.outcome import grid_json, trials_table
        from aster_operator.backtest.tables import replace_files

        files: dict[Path, Callable[[Path], None]] = {}
        best = {}
        for outcome, space in zip(found, spaces, strict=True):
            path = self._out / f"backtest_trials_{space.symbol}_{date}.csv"
            files[path] = partial(_write_csv, trials_table(outcome.run, self._options.objectives))
            if outcome.front:
                best[space.symbol] = grid_json(space, outcome.front[0].trial.values)
        tables = [str(path) for path in files]
        grids = []
        if best:
            path = self._out / f"backtest_best_{date}.json"
            files[path] = partial(_write_text, json.dumps({"symbols": best}, indent=2) + "\n")
            grids = [str(path)]
        replace_files(files)
        return {"trials": tables, "best_grid": grids}

    def _sized(self, space: "SearchSpace") -> "ExchangeOptions":
        from dataclasses import replace

        return replace(self._exchange, tick_size=space.tick_size, lot_size=space.lot_size)


def _write_csv(table: "pl.DataFrame", path: Path) -> None:
    table.write_csv(path)


def _write_text(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def _objectives(text: str) -> tuple[str, ...]:
    from aster_operator.backtest.optimise.search import OBJECTIVES

    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in OBJECTIVES:
            raise typer.BadParameter(
                f"{name!r} is not one of {', '.join(OBJECTIVES)}", param_hint="--objectives"
            )
    if len(set(names)) < len(names):
        raise typer.BadParameter("an objective is named twice", param_hint="--objectives")
    return names


def _chosen(
    spaces: "tuple[SearchSpace, ...]", symbols: tuple[str, ...] | None, path: Path
) -> "list[SearchSpace]":
    from aster_operator.backtest.problems import BacktestProblem

    known = [space.symbol for space in spaces]
    for symbol in symbols or ():
        if symbol not in known:
            raise BacktestProblem(
                f"{symbol} is not in the space, which has {', '.join(known)}", str(path), "add it"
            )
    chosen = [space for space in spaces if symbols is None or space.symbol in symbols]
    for space in chosen:
        if not space.free:
            raise BacktestProblem(
                f"every parameter of {space.symbol} has one value: there is nothing to search",
                f"{path}, symbols.{space.symbol}.params",
                'write a range such as {"low": 1.0, "high": 3.0}',
            )
    return chosen


def _today(now_ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(now_ms / 1000, tz=UTC).strftime("%Y%m%d")


def _summary(
    found: "list[Outcome]",
    spaces: "list[SearchSpace]",
    options: "SearchOptions",
    semantics: str,
    files: dict[str, list[str]],
    seconds: float,
) -> dict[str, Any]:
    from aster_operator.backtest.saved_verdicts import verdict_json

    return {
        "symbols": {
            space.symbol: {
                "trials": len(outcome.run.trials),
                "stopped": sum(1 for row in outcome.run.trials if row.stopped),
                "resumed": outcome.run.resumed,
                "front": [
                    {
                        "trial": row.trial.number,
                        "objectives": dict(zip(options.objectives, row.trial.objectives, strict=True)),
                        "params": _params(row.trial.values),
                        "searched": row.searched,
                        "unseen": row.unseen,
                    }
                    for row in outcome.front
                ],
            }
            for outcome, space in zip(found, spaces, strict=True)
        },
        "objectives": list(options.objectives),
        "semantics": semantics,
        "seconds": seconds,
        "verdicts": {
            outcome.study.symbol: verdict_json(outcome.study)
            for outcome in found
            if outcome.study is not None
        },
        **files,
    }


def _params(values: tuple[float, ...]) -> dict[str, float]:
    from aster_operator.backtest.grid import PARAMETERS

    return dict(zip(PARAMETERS, values, strict=True))


def _print(
    found: "list[Outcome]",
    options: "SearchOptions",
    semantics: str,
    files: dict[str, list[str]],
    seconds: float,
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    biased = " (vectorbt: biased)" if semantics == "vectorbt" else ""
    for outcome in found:
        if outcome.study is None:
            stopped = sorted({row.stopped for row in outcome.run.trials})
            console.print(f"no trial got through{biased}: {'; '.join(stopped[:3])}", soft_wrap=True)
            continue
        study = outcome.study
        table = Table(title=f"{study.symbol}, {' and '.join(options.objectives)}{biased}")
        for name in ("trial", "net PnL, USD", "drawdown, %", "Sharpe", "trades", "unseen: net PnL, USD"):
            table.add_column(name, justify="right")
        for row in outcome.front[:10]:
            inside, unseen = row.searched, row.unseen
            table.add_row(
                str(row.trial.number),
                f"{inside['total_pnl']:+,.2f}",
                f"{100 * inside['max_drawdown']:.2f}",
                f"{inside['sharpe']:.2f}",
                f"{inside['n_trades']:,.0f}",
                "n/a"
                if unseen is None
                else f"{unseen['total_pnl']:+,.2f} in {unseen['n_trades']:,.0f} trades",
            )
        console.print(table)
        stopped_early = sum(1 for trial in outcome.run.trials if trial.stopped)
        tried = study.deflated
        independent = "" if tried is None else f", as many as {tried.trials:.1f} independent ones"
        console.print(f"{len(outcome.run.trials):,} trials, {stopped_early:,} stopped early{independent}")
        console.print(study.judgement.line(study.symbol), soft_wrap=True)
    console.print(f"{seconds:.1f} s")
    for path in (*files["trials"], *files["best_grid"]):
        console.print(path, soft_wrap=True)
