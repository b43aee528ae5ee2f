"""Reading and writing tables: CSV (also .gz) and Parquet, with errors that name file, row and column."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aster_operator.backtest.kernels.compiler import Booleans, LongIntegers
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.config.problems import system_error

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "TABLE_SUFFIXES",
    "close_times",
    "is_sorted",
    "read_table",
    "refuse",
    "replace_files",
    "table_kind",
]

TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_NOT_NUMBERS = ("symbol", "timestamp")
_EMPTY = ["", "NaN", "nan", "NA", "null", "None"]


def table_kind(path: Path) -> str:
    """`csv` or `parquet`, by the name of the file. Raises BacktestProblem for any other."""
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return "csv"
    if name.endswith(".parquet"):
        return "parquet"
    raise BacktestProblem("unknown kind of file", str(path), f"use {', '.join(TABLE_SUFFIXES)}")


def read_table(path: Path) -> pl.DataFrame:
    """The whole table, numbers as numbers. Raises BacktestProblem."""
    import polars as pl

    kind = table_kind(path)
    if not path.is_file():
        raise BacktestProblem("the file is not there", str(path), "check the path")
    try:
        if kind == "parquet":
            return pl.read_parquet(path)
        header = pl.read_csv(path, n_rows=0, null_values=_EMPTY).columns
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(path, error) from None
    repeated = [name for name in header if "_duplicated_" in name]
    if repeated:
        name = repeated[0].split("_duplicated_")[0]
        raise BacktestProblem("the column is there twice", f"{path}, column {name}", "keep one")
    types: dict[str, Any] = {name: _column_type(name) for name in header}
    try:
        return pl.read_csv(path, schema_overrides=types, null_values=_EMPTY)
    except pl.exceptions.PolarsError as error:
        raise _bad_cell(path, types) or _unreadable(path, error) from None
    except OSError as error:
        # A compressed file that was cut off begins well.
        raise _unreadable(path, error) from None


def _column_type(name: str) -> Any:
    import polars as pl

    return pl.String if name in _NOT_NUMBERS else pl.Float64


def _bad_cell(path: Path, types: dict[str, Any]) -> BacktestProblem | None:
    """The first cell that is not what its column needs; the slow way, for a file that is known to be bad."""
    import polars as pl

    try:
        text = pl.read_csv(path, infer_schema=False, null_values=_EMPTY)
    except pl.exceptions.PolarsError:
        return None
    for name, kind in types.items():
        if kind == pl.String:
            continue
        bad = (text.get_column(name).cast(kind, strict=False).is_null()) & text.get_column(name).is_not_null()
        row = bad.arg_max()
        if row is not None and bad[row]:
            return BacktestProblem(
                f"{text.get_column(name)[row]!r} is not a number",
                f"{path}, row {row + 1}, column {name}",
                "correct it",
            )
    return None


def _unreadable(path: Path, error: Exception) -> BacktestProblem:
    kind = table_kind(path)
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return BacktestProblem(f"not a readable {kind} file ({reason})", str(path), "check the file")


def close_times(rows: pl.DataFrame, path: Path) -> LongIntegers:
    """Close times in ms of the rows, from `bar_ts_ms` or else `timestamp`. Raises BacktestProblem."""
    import polars as pl

    name = "bar_ts_ms" if "bar_ts_ms" in rows.columns else "timestamp"
    if name not in rows.columns:
        raise BacktestProblem(
            "the column is missing", f"{path}, column bar_ts_ms", "make the file with backtest features"
        )
    column = rows.get_column(name)
    if column.dtype == pl.String:
        column = _times_of_text(column)
    if isinstance(column.dtype, pl.Datetime):
        column = column.dt.epoch("ms")
    elif not column.dtype.is_numeric():
        raise BacktestProblem(
            "the column holds no times", f"{path}, column {name}", "give ms since 1970, UTC"
        )
    if column.dtype.is_float():
        # Other programs write whole milliseconds as 1767225719999.0.
        whole = column.is_finite() & (column == column.floor())
        column = column.zip_with(whole, pl.Series([None], dtype=column.dtype))
    missing = column.is_null()
    if missing.any():
        row = rows.get_column("row")[missing.arg_max() or 0]
        raise BacktestProblem(
            "the time is missing or not one", f"{path}, row {row}, column {name}", "correct it"
        )
    return column.cast(pl.Int64).to_numpy().astype(np.int64)


def _times_of_text(column: pl.Series) -> pl.Series:
    """Times of what is written in one way or as milliseconds, nothing where a text is no time."""
    import polars as pl

    numbers = column.cast(pl.Float64, strict=False)  # None for a text that is no number
    if numbers.is_not_null().any():
        return numbers
    try:
        return column.str.to_datetime(time_unit="ms", time_zone="UTC", strict=False)
    except pl.exceptions.PolarsError:
        return pl.Series(column.name, [None] * len(column), dtype=pl.Int64)


def refuse(
    path: Path,
    column: str,
    rows: LongIntegers,
    wrong: Booleans,
    values: Any,
    complaint: str,
    remedy: str = "correct it",
) -> None:
    """Raise BacktestProblem for the first wrong value, if there is one."""
    if not wrong.any():
        return
    first = int(np.argmax(wrong))
    value = values[first]
    text = "the value" if value != value else f"{value:g}" if isinstance(value, float) else str(value)
    raise BacktestProblem(f"{text} {complaint}", f"{path}, row {rows[first]}, column {column}", remedy)


def replace_files(files: Mapping[Path, Callable[[Path], object]]) -> None:
    """Write every file beside its place, then move all into place: either all are whole or none is there.

    Folders are made. Raises BacktestProblem when a place cannot be written.
    """
    written: list[tuple[Path, Path]] = []
    current = Path()
    try:
        for current, write in files.items():
            current.parent.mkdir(parents=True, exist_ok=True)
            temporary = current.with_name(f".{current.name}.{os.getpid()}.part")
            written.append((temporary, current))
            write(temporary)
        for temporary, final in written:
            current = final
            temporary.replace(final)
    except Exception as error:
        system = system_error(error)
        if system is None:
            raise
        reason = system.strerror or str(system)
        raise BacktestProblem(
            f"the file cannot be written ({reason})", str(current), "choose another place"
        ) from None
    finally:
        for temporary, _ in written:
            with suppress(OSError):
                temporary.unlink()


def is_sorted(columns: Sequence[np.ndarray], *, strictly: bool = False) -> bool:
    """Whether rows are in ascending order of `columns`, the first one first; strictly: no two are equal."""
    tied = np.ones(max(len(columns[0]) - 1, 0), dtype=bool)
    for values in columns:
        if (tied & (values[1:] < values[:-1])).any():
            return False
        tied &= values[1:] == values[:-1]
        if not tied.any():
            return True
    return not strictly
