"""The Lab page as plain values: the sweeps that lie in a results directory, their rankings, a heatmap."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Heatmap", "Lab", "LabFile", "Ranking", "SweepVerdict", "lab_picture", "report_path"]

_METRIC = "total_pnl"
_OUTCOME = (_METRIC, "n_trades", "win_rate", "sharpe", "max_drawdown")
_MOST_FILES = 200


class LabFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of the results directory. `kind` is ranking or report."""

    name: str
    kind: str
    modified_ms: int
    size_bytes: int


class Heatmap(msgspec.Struct, frozen=True, kw_only=True):
    """The median of `metric` over all configurations with the same two values; None where there is none."""

    metric: str
    x_name: str
    y_name: str
    x_values: tuple[float, ...]
    y_values: tuple[float, ...]
    cells: tuple[tuple[float | None, ...], ...]


class SweepVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the best of a sweep can be believed: robust, fragile or noise, and why in one line."""

    verdict: str
    line: str


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The best configurations of one sweep, as the lab ranked them. `biased`: its semantics fill on the bar
    that made the signal, which earns money out of noise."""

    name: str
    configurations: int
    biased: bool
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    parameters: tuple[str, ...]
    heatmap: Heatmap | None
    verdict: SweepVerdict | None = None
    """None where the sweep was not judged, or other results were."""


class Lab(msgspec.Struct, frozen=True, kw_only=True):
    """`problem` says why there is nothing to show; None otherwise."""

    folder: str
    files: tuple[LabFile, ...]
    ranking: Ranking | None
    problem: str | None = None


def lab_picture(
    folder: Path,
    name: str | None = None,
    *,
    x_name: str | None = None,
    y_name: str | None = None,
    top: int = 50,
) -> Lab:
    """The directory's files, newest first, and the ranking `name` (None: the newest) with a heatmap over two
    of its parameters."""
    files = _files(folder)
    rankings = [file.name for file in files if file.kind == "ranking"]
    if not rankings:
        words = f"no sweep results in {folder}: aster-operator backtest sweep --out {folder}"
        return Lab(folder=str(folder), files=tuple(files), ranking=None, problem=words)
    chosen = name if name in rankings else rankings[0]
    try:
        ranking = _ranking(folder / chosen, x_name, y_name, top)
    except Exception as error:
        return Lab(
            folder=str(folder), files=tuple(files), ranking=None, problem=f"{chosen} cannot be read: {error}"
        )
    return Lab(folder=str(folder), files=tuple(files), ranking=ranking)


def report_path(folder: Path, name: str) -> Path:
    """The HTML report of that name. Raises KeyError for anything that is not one of the directory's own."""
    if any(file.name == name and file.kind == "report" for file in _files(folder)):
        return folder / name
    raise KeyError(name)


def _files(folder: Path) -> list[LabFile]:
    found = []
    for path in folder.glob("*") if folder.is_dir() else ():
        kind = _kind(path)
        if kind is not None and path.is_file() and not path.is_symlink():
            status = path.stat()
            found.append(
                LabFile(
                    name=path.name,
                    kind=kind,
                    modified_ms=status.st_mtime_ns // 1_000_000,
                    size_bytes=status.st_size,
                )
            )
    return sorted(found, key=lambda file: file.modified_ms, reverse=True)[:_MOST_FILES]


def _kind(path: Path) -> str | None:
    if path.suffix == ".html":
        return "report"
    is_table = path.suffix in (".csv", ".parquet")
    return "ranking" if is_table and path.name.startswith("backtest_results_") else None


def _ranking(path: Path, x_name: str | None, y_name: str | None, top: int) -> Ranking:
    from aster_operator.backtest.grid import PARAMETERS
    from aster_operator.backtest.saved_verdicts import read_results

    table = read_results(path)
    parameters = tuple(
        column for column in PARAMETERS if column in table.columns and table[column].n_unique() > 1
    )
    shown = _shown(table.columns, parameters)
    semantics = str(table["semantics"][0]) if "semantics" in table.columns and table.height else ""
    axes = [name for name in (x_name, y_name) if name in parameters]
    axes += [name for name in parameters if name not in axes]
    return Ranking(
        name=path.name,
        configurations=table.height,
        biased=semantics == "vectorbt",
        columns=tuple(shown),
        rows=tuple(tuple(_plain(cell) for cell in row) for row in table.select(shown).head(top).iter_rows()),
        parameters=parameters,
        heatmap=_heatmap(table, axes[0], axes[1]) if len(axes) > 1 and _METRIC in table.columns else None,
        verdict=_verdict(path, table),
    )


def _shown(columns: list[str], parameters: tuple[str, ...]) -> list[str]:
    """Which configuration, what came of it, the parameters that make the difference, the other figures; not
    what is the same for all."""
    from aster_operator.backtest.grid import PARAMETERS

    same = {"symbol", "semantics", "inputs_hash", "grid_hash", "code_version", *PARAMETERS} - {*parameters}
    ordered = dict.fromkeys(("config_id", *_OUTCOME, *parameters, *columns))
    return [column for column in ordered if column in columns and column not in same]


def _verdict(path: Path, table: "pl.DataFrame") -> SweepVerdict | None:
    from aster_operator.backtest.saved_verdicts import saved_verdict

    found = saved_verdict(path, table)
    return None if found is None else SweepVerdict(verdict=found.verdict, line=found.line)


def _heatmap(table: "pl.DataFrame", x_name: str, y_name: str) -> Heatmap:
    import polars as pl

    medians = table.group_by(x_name, y_name).agg(pl.col(_METRIC).median())
    found = {(float(x), float(y)): value for x, y, value in medians.iter_rows()}
    x_values, y_values = (tuple(sorted({key[axis] for key in found})) for axis in (0, 1))
    return Heatmap(
        metric=f"median {_METRIC}",
        x_name=x_name,
        y_name=y_name,
        x_values=x_values,
        y_values=y_values,
        cells=tuple(tuple(_finite(found.get((x, y))) for x in x_values) for y in y_values),
    )


def _plain(cell: object) -> str | float | int | None:
    if isinstance(cell, float):
        return _finite(cell)
    return cell if isinstance(cell, str | int) or cell is None else str(cell)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
