"""What travels: bars and blocks of configurations as Parquet, and the totals that come back.

The pieces depend on the grid alone, never on how many workers there are, and each is computed by one thread:
so the result is the same however many there are and whichever of them die on the way.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, ParamGrid
from aster_operator.backtest.kernels.compiler import Floats, Integers
from aster_operator.backtest.kernels.totals import CAPITAL
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import SweepResult, prepare_bars, run_grid_backtest

__all__ = [
    "Job",
    "bars_from_parquet",
    "bars_to_parquet",
    "blocks_of",
    "profits_of",
    "rows_to_parquet",
    "run_piece",
    "whole_result",
]

_WINDOWS = ("volatility_bps", "average_volume")


@dataclass(frozen=True)
class Job:
    """One symbol's sweep. `config_ids` name the configurations of `grid`, row by row."""

    bars: Bars
    grid: ParamGrid
    options: ExchangeOptions
    config_ids: list[str] | None = None


def bars_to_parquet(bars: Bars) -> bytes:
    """All columns, bit by bit. Raises ValueError for bars with finer prices, which do not travel."""
    import polars as pl

    if bars.fine is not None:
        raise ValueError("finer prices do not travel")

    columns: dict[str, Any] = {
        field.name: getattr(bars, field.name)
        for field in fields(bars)
        if field.name not in ("symbol", "fine", *_WINDOWS)
    }
    for name in _WINDOWS:
        columns |= {f"{name}:{size}": column for size, column in getattr(bars, name).items()}
    return _parquet(pl.DataFrame(columns | {"symbol": [bars.symbol] * len(bars)}))


@lru_cache(maxsize=4)
def bars_from_parquet(content: bytes) -> Bars:
    """What `bars_to_parquet` was given."""
    import polars as pl

    table = pl.read_parquet(io.BytesIO(content))
    columns: dict[str, Any] = {name: {} for name in _WINDOWS}
    for name in table.columns:
        group, _, size = name.partition(":")
        if group == "symbol":
            columns["symbol"] = table.get_column(name)[0]
            continue
        values = np.ascontiguousarray(table.get_column(name).to_numpy())
        if size:
            columns[group][int(size)] = values
        else:
            columns[name] = values
    return Bars(**columns)


def blocks_of(grid: ParamGrid, size: int) -> list[Integers]:
    """Rows of `grid` in blocks of neighbours, at most `size` each."""
    count = len(grid)
    return [np.arange(first, min(first + size, count), dtype=np.int32) for first in range(0, count, size)]


def rows_to_parquet(values: Floats) -> bytes:
    """Configurations, one a row."""
    import polars as pl

    return _parquet(pl.DataFrame({name: values[:, at] for at, name in enumerate(PARAMETERS)}))


def run_piece(
    bars: bytes, rows: bytes, semantics: str, options: ExchangeOptions, window: tuple[int, int] | None
) -> bytes:
    """Run a block of configurations over the bars, or from a flat start over a window of those the semantics
    uses; returns totals and signal counts of each as Parquet. This is what a worker does."""
    import polars as pl

    own = bars_from_parquet(bars)
    if window is not None:
        own = prepare_bars(own, semantics).window(*window)
    table = pl.read_parquet(io.BytesIO(rows))
    grid = ParamGrid.of_rows(np.ascontiguousarray(table.select(PARAMETERS).to_numpy()))
    result = run_grid_backtest(own, grid, semantics=semantics, options=options, workers=1)
    counts = result.signal_counts[result.grid.signal_of]
    columns: dict[str, Any] = {f"total {at}": column for at, column in enumerate(result.totals.T)}
    return _parquet(pl.DataFrame(columns | {f"count {at}": column for at, column in enumerate(counts.T)}))


def whole_result(job: Job, semantics: str, pieces: list[bytes]) -> SweepResult:
    """One result from the pieces of all blocks, in their order."""
    import polars as pl

    # One configuration says how everything else about a result of these bars looks.
    like = run_grid_backtest(
        job.bars,
        job.grid.take(np.zeros(1, dtype=np.int32)),
        semantics=semantics,
        options=job.options,
        workers=1,
    )
    table = pl.concat([pl.read_parquet(io.BytesIO(piece)) for piece in pieces])
    totals = table.select(pl.col("^total .*$")).to_numpy()
    counts = table.select(pl.col("^count .*$")).to_numpy()
    signal_counts = np.zeros((len(job.grid.signal_sets), counts.shape[1]), dtype=like.signal_counts.dtype)
    signal_counts[job.grid.signal_of] = counts
    return SweepResult(
        symbol=like.symbol,
        semantics=semantics,
        grid=job.grid,
        config_ids=job.config_ids or [f"cfg_{number:04d}" for number in range(len(job.grid))],
        bars=like.bars,
        first_bar_ms=like.first_bar_ms,
        last_bar_ms=like.last_bar_ms,
        capital_usd=like.capital_usd,
        compounds=like.compounds,
        totals=np.ascontiguousarray(totals),
        signal_counts=signal_counts,
        options=job.options,
    )


def profits_of(piece: bytes, capital_usd: float) -> Floats:
    """Net PnL of each configuration of a piece."""
    import polars as pl

    column = pl.read_parquet(io.BytesIO(piece), columns=[f"total {CAPITAL}"])
    return column.to_series().to_numpy() - capital_usd


def _parquet(table: Any) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    return buffer.getvalue()
