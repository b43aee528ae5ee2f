"""A sweep's result files read back: the ranking, and everything that is needed to run it again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, ParamGrid
from aster_operator.backtest.inputs import InputFile
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.results import FORMATS, Provenance, result_paths
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import SEMANTICS

if TYPE_CHECKING:
    import polars as pl

__all__ = ["SavedSweep", "bars_of", "check_inputs", "read_sweeps"]

_RESULT_NAME = re.compile(rf"backtest_results_(.+)_(\d{{8}})\.({'|'.join(FORMATS)})")
_AGAIN = "run the sweep again"


@dataclass(frozen=True)
class SavedSweep:
    """One symbol's result of a sweep. `ranked` is the table as written, best first; row i of `grid` is the
    configuration `config_ids[i]`, in the order of the ids."""

    symbol: str
    date: str
    semantics: str
    options: ExchangeOptions
    grid: ParamGrid
    config_ids: list[str]
    ranked: pl.DataFrame
    provenance: Provenance
    path: Path


def read_sweeps(folder: Path, symbols: Sequence[str] | None = None) -> list[SavedSweep]:
    """The newest result of every symbol in `folder`, or of `symbols`, in alphabetical order.

    Raises BacktestProblem.
    """
    if not folder.is_dir():
        raise BacktestProblem("the folder is not there", str(folder), "name a sweep's --out folder")
    newest: dict[str, tuple[str, float, str]] = {}
    for path in folder.iterdir():
        if named := _RESULT_NAME.fullmatch(path.name):
            symbol, date, file_format = named.groups()
            found = (date, path.stat().st_mtime, file_format)
            newest[symbol] = max(found, newest.get(symbol, found))
    if not newest:
        raise BacktestProblem(
            "there are no results of a sweep", str(folder), "run aster-operator backtest sweep --out first"
        )
    for symbol in symbols or ():
        if symbol not in newest:
            known = ", ".join(sorted(newest))
            raise BacktestProblem(f"{symbol} has no results, only {known}", str(folder), "sweep it too")
    chosen = sorted(newest) if symbols is None else sorted(symbols)
    return [_read(folder, symbol, newest[symbol][0], newest[symbol][2]) for symbol in chosen]


def check_inputs(sweeps: Sequence[SavedSweep], inputs: Path, found: str) -> None:
    """Raise BacktestProblem when the sweeps did not run over these inputs, whose hash is `found`."""
    for sweep in sweeps:
        if sweep.provenance.inputs_hash != found:
            raise BacktestProblem(
                f"not the inputs of the sweep: their hash is {found}, the results say "
                f"{sweep.provenance.inputs_hash}",
                f"{inputs}, {sweep.path}",
                "name what the sweep ran over, its finer prices too, all its symbols with them",
            )


def bars_of(sweep: SavedSweep, table: InputFile) -> Bars:
    """The bars the sweep ran over. Raises BacktestProblem."""
    # Whether gaps are allowed was settled when the sweep read this very file.
    return table.bars(
        sweep.symbol,
        sweep.grid,
        sweep.semantics,
        has_tick_size=sweep.options.tick_size is not None,
        allow_gaps=True,
    )


def _read(folder: Path, symbol: str, date: str, file_format: str) -> SavedSweep:
    result_path, config_path = result_paths(folder, symbol, date, file_format)
    ranked, configurations = _table(result_path), _table(config_path)
    provenance = [field.name for field in fields(Provenance)]
    options = [field.name for field in fields(ExchangeOptions)]
    _refuse_missing(ranked, ["config_id", "symbol", "total_pnl", *PARAMETERS], result_path)
    _refuse_missing(
        configurations, ["config_id", "semantics", *PARAMETERS, *provenance, *options], config_path
    )
    if configurations.is_empty() or ranked.height != configurations.height:
        raise BacktestProblem("results and configurations are not of one sweep", str(config_path), _AGAIN)
    first: dict[str, Any] = configurations.row(0, named=True)
    if first["semantics"] not in SEMANTICS:
        raise BacktestProblem(
            f"unknown semantics {first['semantics']!r}", f"{config_path}, column semantics", _AGAIN
        )
    return SavedSweep(
        symbol=symbol,
        date=date,
        semantics=first["semantics"],
        options=ExchangeOptions(**{name: first[name] for name in options}),
        grid=ParamGrid.of_rows(_values(configurations, config_path)),
        config_ids=configurations.get_column("config_id").to_list(),
        ranked=ranked,
        provenance=Provenance(**{name: str(first[name]) for name in provenance}),
        path=result_path,
    )


def _table(path: Path) -> pl.DataFrame:
    import polars as pl

    names = {"config_id": pl.String, "symbol": pl.String}
    hashes = {field.name: pl.String for field in fields(Provenance)}
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        header = pl.read_csv(path, n_rows=0).columns
        types = {name: kind for name, kind in (names | hashes).items() if name in header}
        return pl.read_csv(path, schema_overrides=types, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BacktestProblem(f"not a readable result ({reason})", str(path), _AGAIN) from None


def _refuse_missing(table: pl.DataFrame, needed: list[str], path: Path) -> None:
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise BacktestProblem(
            f"columns are missing, {', '.join(missing)}: an older version wrote it, or it was changed",
            str(path),
            _AGAIN,
        )


def _values(configurations: pl.DataFrame, path: Path) -> Any:
    import polars as pl

    values = configurations.select(PARAMETERS).cast(pl.Float64, strict=False).to_numpy()
    if np.isnan(values).any():
        raise BacktestProblem("a parameter is empty or not a number", str(path), _AGAIN)
    return np.ascontiguousarray(values)
