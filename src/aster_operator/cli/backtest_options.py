"""Options that the commands of the lab share: inputs, costs, habits of the live strategy."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aster_operator.backtest.cluster.dask import SweepCluster
    from aster_operator.backtest.semantics_exchange import ExchangeOptions

__all__ = [
    "AllowGaps",
    "ClusterAddress",
    "CooldownMin",
    "FeeBps",
    "FundingHours",
    "Grid",
    "Inputs",
    "OrderNotional",
    "Seed",
    "SemanticsName",
    "SlippageBps",
    "Symbols",
    "Verdict",
    "Workers",
    "check_folder",
    "cluster_or_none",
    "exchange_options",
    "one_of",
]

Inputs = Annotated[
    Path, typer.Option("--inputs", metavar="FILE", help="Features: .csv, .csv.gz or .parquet.")
]
Grid = Annotated[Path, typer.Option("--grid", metavar="FILE", help="JSON file with the lists of values.")]
Symbols = Annotated[str, typer.Option("--symbols", help="Symbols of the grid to run, or all.")]
FeeBps = Annotated[
    float, typer.Option("--fee-bps", "--fee_bps", min=0, max=1000, help="Taker fee of each fill, in bps.")
]
SlippageBps = Annotated[
    float,
    typer.Option(
        "--slippage-bps",
        "--slippage_bps",
        min=0,
        max=1000,
        help="Slippage of each fill beyond half the spread, in bps.",
    ),
]
SemanticsName = Annotated[str, typer.Option("--semantics", help="exchange, or vectorbt (biased).")]
OrderNotional = Annotated[
    float,
    typer.Option(
        "--order-notional",
        "--order_notional",
        min=0.01,
        max=1e12,
        help="Notional of an entry in USD (exchange).",
    ),
]
CooldownMin = Annotated[
    int,
    typer.Option(
        "--cooldown-min",
        "--cooldown_min",
        min=0,
        max=1440,
        help="Minutes without entry after an exit (exchange).",
    ),
]
FundingHours = Annotated[
    int,
    typer.Option(
        "--funding-hours",
        "--funding_hours",
        min=1,
        max=24,
        help="Hours between settlements of funding (exchange).",
    ),
]
Verdict = Annotated[
    bool,
    typer.Option("--verdict/--no-verdict", help="Judge whether the best one is robust, fragile or noise."),
]
AllowGaps = Annotated[
    bool, typer.Option("--allow-gaps", "--allow_gaps", help="Take rows on both sides of a gap as neighbours.")
]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, max=1024, help="Threads (default: all cores).")
]
ClusterAddress = Annotated[
    str | None,
    typer.Option("--cluster", metavar="ADDRESS", help="Run on a Dask cluster, tcp://HOST:PORT."),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of the verdict's resampling.")]


@contextmanager
def cluster_or_none(address: str | None) -> "Iterator[SweepCluster | None]":
    """The cluster at an address, None without one. Raises BacktestProblem."""
    if address is None:
        yield None
        return
    from aster_operator.backtest.cluster.dask import connect_cluster

    with connect_cluster(address) as cluster:
        yield cluster


def exchange_options(
    fee_bps: float, slippage_bps: float, order_notional: float, cooldown_min: int, funding_hours: int
) -> "ExchangeOptions":
    """The options of a sweep, without the sizes of a symbol."""
    from aster_operator.backtest.semantics_exchange import ExchangeOptions

    return ExchangeOptions(
        fee_bps=fee_bps,
        slippage_bps=slippage_bps,
        order_notional_usd=order_notional,
        cooldown_bars=cooldown_min,
        funding_interval_hours=funding_hours,
    )


def one_of(value: str, known: tuple[str, ...], option: str) -> None:
    """Raise a usage error unless `value` is known."""
    if value not in known:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(known)}", param_hint=option)


def check_folder(out: Path) -> None:
    """Raise BacktestProblem when something that is no folder stands at `out`."""
    from aster_operator.backtest.problems import BacktestProblem

    if out.exists() and not out.is_dir():
        raise BacktestProblem("not a folder", str(out), "name a folder with --out")
