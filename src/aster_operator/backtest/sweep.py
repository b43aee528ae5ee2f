"""The sweep: every configuration of a grid over the bars of one symbol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.engine import run_engine
from aster_operator.backtest.given import GivenBars, GivenGrid, as_bars, as_grid
from aster_operator.backtest.grid import ParamGrid
from aster_operator.backtest.kernels.compiler import Floats, Integers
from aster_operator.backtest.kernels.totals import finish_totals, new_totals
from aster_operator.backtest.semantics_exchange import ExchangeOptions, ExchangeSemantics
from aster_operator.backtest.semantics_vectorbt import VectorbtSemantics, vectorbt_rows
from aster_operator.backtest.signals import Signals, build_signals

__all__ = [
    "SEMANTICS",
    "VECTORBT_CAPITAL_USD",
    "SweepResult",
    "prepare_bars",
    "run_grid_backtest",
    "semantics_for",
    "signals_for",
]

SEMANTICS = ("exchange", "vectorbt")
VECTORBT_CAPITAL_USD = 100.0
"""Capital that vectorbt starts with when it is told nothing else."""


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found: running totals of each configuration, to be read through `build_ranked_metrics`.

    `capital_usd` is what returns are measured against: the starting capital where it compounds, the notional
    of an order where it does not. `first_bar` and `last_bar` are close times in ms.
    """

    symbol: str
    semantics: str
    grid: ParamGrid
    config_ids: list[str]
    bars: int
    first_bar_ms: int
    last_bar_ms: int
    capital_usd: float
    compounds: bool
    totals: Floats
    signal_counts: Integers
    options: ExchangeOptions = field(default_factory=ExchangeOptions)


def prepare_bars(bars: Bars, semantics: str) -> Bars:
    """The rows `semantics` computes with: the original leaves out those with an unknown value."""
    return bars.where(vectorbt_rows(bars)) if semantics == "vectorbt" else bars


def run_grid_backtest(
    bars: GivenBars,
    grid: GivenGrid,
    *,
    semantics: str = "exchange",
    options: ExchangeOptions | None = None,
    signals: Signals | None = None,
    config_ids: list[str] | None = None,
    allow_gaps: bool = False,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> SweepResult:
    """Run every configuration of `grid` over `bars`; lists for the one and a table for the other will do.

    `options` carry fee, slippage, sizes and the habits of the live strategy; `vectorbt` uses fee and slippage
    alone. `signals` may be given when they were built for these very bars (see `prepare_bars`). A table with
    missing minutes is refused unless `allow_gaps` takes its rows as neighbours. `workers` is
    the number of threads (default: all cores) and does not change the result. `progress` is called with the
    share done. Raises ValueError for an unknown semantics or no bars.
    """
    if semantics not in SEMANTICS:
        raise ValueError(f"semantics {semantics!r} is not one of {', '.join(SEMANTICS)}")
    options = options or ExchangeOptions()
    grid = as_grid(grid)
    has_tick_size = options.tick_size is not None
    bars = as_bars(bars, grid, semantics, has_tick_size=has_tick_size, allow_gaps=allow_gaps)
    used = prepare_bars(bars, semantics)
    if len(used) == 0:
        raise ValueError("there are no bars to run over")
    if signals is None:
        signals = signals_for(used, grid, semantics, options)
    compounds = semantics == "vectorbt"
    capital = VECTORBT_CAPITAL_USD if compounds else options.order_notional_usd
    totals = new_totals(len(grid), capital)
    engine_semantics = semantics_for(used, grid, semantics, options)
    run_engine(len(used), grid, signals, engine_semantics, totals, workers=workers, progress=progress)
    finish_totals(totals, len(used))
    return SweepResult(
        symbol=bars.symbol,
        semantics=semantics,
        grid=grid,
        config_ids=config_ids or [f"cfg_{number:04d}" for number in range(len(grid))],
        bars=len(used),
        first_bar_ms=int(used.close_ms[0]),
        last_bar_ms=int(used.close_ms[-1]),
        capital_usd=capital,
        compounds=compounds,
        totals=totals,
        signal_counts=signals.counts,
        options=options,
    )


def semantics_for(
    bars: Bars, grid: ParamGrid, semantics: str, options: ExchangeOptions
) -> ExchangeSemantics | VectorbtSemantics:
    """The semantics by name, for these bars."""
    if semantics == "vectorbt":
        return VectorbtSemantics(bars, grid, fee_bps=options.fee_bps, slippage_bps=options.slippage_bps)
    return ExchangeSemantics(bars, grid, options)


def signals_for(bars: Bars, grid: ParamGrid, semantics: str, options: ExchangeOptions) -> Signals:
    """The entry signals as `semantics` has them."""
    if semantics == "vectorbt":
        return build_signals(bars, grid, tick_size=options.tick_size, opening_loss_rule="source")
    return build_signals(bars, grid, tick_size=options.tick_size, opening_loss_rule="live")
