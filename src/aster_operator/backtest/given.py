"""Bars and grids in the forms people have them: files, tables of polars or pandas, dictionaries of lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import ParamGrid, make_param_grid
from aster_operator.backtest.inputs import InputFile
from aster_operator.backtest.problems import BacktestProblem

if TYPE_CHECKING:
    import polars as pl

__all__ = ["GivenBars", "GivenGrid", "as_bars", "as_grid"]

GivenBars = Bars | Any
"""Bars, or a table of one symbol with the columns of `backtest features`: of polars, of pandas with its time
in a column or the index, as a dictionary of columns, or the path of its file."""

GivenGrid = ParamGrid | Mapping[str, Sequence[float]]
"""A grid, or the lists that one is made of."""


def as_grid(given: GivenGrid) -> ParamGrid:
    """The grid itself. Raises BacktestProblem for lists that make none."""
    return given if isinstance(given, ParamGrid) else make_param_grid(given)


def as_bars(
    given: GivenBars,
    grid: ParamGrid,
    semantics: str,
    *,
    has_tick_size: bool = False,
    allow_gaps: bool = False,
) -> Bars:
    """The bars themselves, checked as those of a file are. Raises BacktestProblem for what is no table, for a
    table of several symbols, and for a cell that cannot be."""
    if isinstance(given, Bars):
        return given
    import polars as pl

    if isinstance(given, str | Path):
        inputs = InputFile(Path(given))
    else:
        table = _table_of(given)
        if "symbol" not in table.columns:
            table = table.with_columns(pl.lit("TABLE").alias("symbol"))
        inputs = InputFile.of_table(table)
    symbols = inputs.symbols()
    if len(symbols) > 1:
        raise BacktestProblem(
            f"the table has several symbols ({', '.join(symbols)})", "column symbol", "give those of one"
        )
    return inputs.bars(symbols[0], grid, semantics, has_tick_size=has_tick_size, allow_gaps=allow_gaps)


def _table_of(given: Any) -> pl.DataFrame:
    import polars as pl

    if isinstance(given, pl.LazyFrame):
        return given.collect()
    if isinstance(given, pl.DataFrame):
        return given
    return pl.DataFrame(given, strict=False) if isinstance(given, Mapping) else _from_pandas(given)


def _from_pandas(frame: Any) -> pl.DataFrame:
    """A table of pandas, which need not be installed here."""
    import polars as pl

    if not hasattr(frame, "columns") or not hasattr(frame, "index"):
        raise BacktestProblem(
            f"bars cannot be made of {type(frame).__name__}",
            "bars",
            "give a table of polars or pandas, or read a file with InputFile",
        )
    columns = {str(name): _plain(frame[name]) for name in frame.columns}
    if not columns.keys() & {"bar_ts_ms", "timestamp"} and hasattr(frame.index, "tz"):
        index = frame.index if frame.index.tz is None else frame.index.tz_convert(None)
        columns["bar_ts_ms"] = np.asarray(index.to_numpy(), "datetime64[ms]").astype(np.int64)
    return pl.DataFrame({name: pl.Series(name, values, strict=False) for name, values in columns.items()})


def _plain(column: Any) -> Any:
    if getattr(column.dtype, "tz", None) is not None:
        return np.asarray(column.dt.tz_convert(None).to_numpy(), "datetime64[ms]")
    values = column.to_numpy()
    return values.tolist() if values.dtype == object else values
