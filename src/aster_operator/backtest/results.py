"""Result files: the ranked table, the table of configurations, and what is needed to repeat them.

`backtest_results_<SYMBOL>_<DATE>` and `backtest_config_<SYMBOL>_<DATE>` carry the hash of the inputs, the
hash of the grid with all options, and the version of the code with a hash of the lab's sources.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from aster_operator.backtest.grid import PARAMETERS
from aster_operator.backtest.metrics import build_ranked_metrics
from aster_operator.backtest.sweep import SweepResult
from aster_operator.backtest.tables import replace_files

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "FORMATS",
    "Provenance",
    "ResultTables",
    "code_version",
    "file_hash",
    "result_files",
    "result_paths",
    "result_tables",
    "write_results",
    "write_table",
]

FORMATS = ("csv", "parquet")
_HASH_DIGITS = 16


@dataclass(frozen=True)
class Provenance:
    """Where a result comes from: equal values mean an equal result."""

    inputs_hash: str
    grid_hash: str
    code_version: str

    @classmethod
    def of(cls, inputs_hash: str, result: SweepResult) -> Provenance:
        """Provenance of one symbol's result; the hash of the inputs is that of the file."""
        settled = {
            "values": hashlib.sha256(result.grid.values.tobytes()).hexdigest(),
            "semantics": result.semantics,
            "options": asdict(result.options),
        }
        text = json.dumps(settled, sort_keys=True)
        return cls(inputs_hash, hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS], code_version())


def file_hash(path: Path) -> str:
    """The first digits of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:_HASH_DIGITS]


@cache
def code_version() -> str:
    """Version of the package and a hash of the lab's own sources."""
    from importlib.metadata import version

    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for source in sorted(folder.rglob("*.py")):
        digest.update(str(source.relative_to(folder)).encode())
        digest.update(source.read_bytes())
    return f"{version('aster-operator')}+{digest.hexdigest()[:_HASH_DIGITS]}"


def result_paths(folder: Path, symbol: str, date: str, file_format: str) -> tuple[Path, Path]:
    """Places of the result table and of the configuration table; `date` is YYYYMMDD."""
    return (
        folder / f"backtest_results_{symbol}_{date}.{file_format}",
        folder / f"backtest_config_{symbol}_{date}.{file_format}",
    )


def write_results(
    results: list[SweepResult], folder: Path, *, date: str, file_format: str, inputs_hash: str
) -> list[Path]:
    """Write the tables of every symbol, all or none; returns the paths of the result tables.

    For programs and notebooks; the command writes verdicts and plots with them. Raises BacktestProblem.
    """
    tables = {result.symbol: result_tables(result, inputs_hash) for result in results}
    replace_files(result_files(tables, folder, date=date, file_format=file_format))
    return [result_paths(folder, symbol, date, file_format)[0] for symbol in tables]


class ResultTables(NamedTuple):
    """One symbol's result: the ranking, best first, and the parameters of each configuration."""

    ranked: pl.DataFrame
    configurations: pl.DataFrame


def result_tables(result: SweepResult, inputs_hash: str) -> ResultTables:
    """The tables of one symbol's result, with what is needed to repeat it."""
    provenance = asdict(Provenance.of(inputs_hash, result))
    ranked = _with(build_ranked_metrics(result), provenance)
    return ResultTables(ranked, _configurations(ranked, result, provenance))


def result_files(
    tables: Mapping[str, ResultTables], folder: Path, *, date: str, file_format: str
) -> dict[Path, Callable[[Path], None]]:
    """The files of each symbol's tables, and how each is written."""
    files: dict[Path, Callable[[Path], None]] = {}
    for symbol, own in tables.items():
        result_path, config_path = result_paths(folder, symbol, date, file_format)
        files[result_path] = partial(write_table, own.ranked, file_format)
        files[config_path] = partial(write_table, own.configurations, file_format)
    return files


def _configurations(ranked: pl.DataFrame, result: SweepResult, provenance: dict[str, str]) -> pl.DataFrame:
    """Parameters of each configuration and the options they ran under: what is needed to run them again."""
    import polars as pl

    options = {
        name: pl.lit(value, dtype=pl.Float64 if value is None else None)
        for name, value in asdict(result.options).items()
    }
    return (
        ranked.select("config_id", "symbol", "semantics", *PARAMETERS, *provenance)
        .sort("config_id")
        .with_columns(**options)
    )


def _with(table: pl.DataFrame, constants: dict[str, str]) -> pl.DataFrame:
    import polars as pl

    return table.with_columns(pl.lit(value).alias(name) for name, value in constants.items())


def write_table(table: pl.DataFrame, file_format: str, path: Path) -> None:
    """Write a table as `csv` or `parquet`."""
    if file_format == "parquet":
        table.write_parquet(path, compression="zstd")
    else:
        table.write_csv(path)
