"""Feature tables as the sweep's input: read, checked row by row, split by symbol.

Input is somebody else's file: everything wrong with it is one `BacktestProblem` that names the file, the row
(the first data row is 1) and the column. Indicators and quotes may be empty at the start of a symbol, while
their windows fill; a hole later on is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import ParamGrid
from aster_operator.backtest.kernels.compiler import Booleans, Floats, LongIntegers
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.tables import close_times, read_table, refuse
from aster_operator.domain.clock import MINUTE_MS

if TYPE_CHECKING:
    import polars as pl

__all__ = ["InputFile", "needed_columns", "volatility_column", "volume_column"]

_PRICES = ("open", "high", "low", "close")
_OPTIONAL = ("bid_px", "ask_px", "mark_px", "mark_high", "mark_low", "opening_loss_bps")
_SIDES = ("opening_loss_buy_bps", "opening_loss_sell_bps")
_POSITIVE = (*_PRICES, "bid_px", "ask_px", "tw_bid_px", "tw_ask_px", "mark_px", "mark_high", "mark_low")
_NOT_NEGATIVE = ("vol1m",)


def volatility_column(window: int) -> str:
    """Name of the Rogers-Satchell volatility over `window` bars."""
    return f"rs_vol_{window}m_bps"


def volume_column(window: int) -> str:
    """Name of the mean volume over `window` bars."""
    return f"avg_vol_{window}m"


def needed_columns(grid: ParamGrid, semantics: str, *, has_tick_size: bool) -> list[str]:
    """Columns that `semantics` cannot do without for this grid."""
    needed = [*_PRICES, "vol1m", "ret_bps", "spread_bps", "funding_bps"]
    if semantics == "vectorbt":
        needed += ["tw_bid_px", "tw_ask_px", "opening_loss_bps"]
        needed += ["bid_px", "ask_px"] if has_tick_size else []
    else:
        needed += ["bid_px", "ask_px", "mark_px"]
    needed += [volatility_column(window) for window in grid.windows("T")]
    return needed + [volume_column(window) for window in grid.windows("V")]


class InputFile:
    """A feature table that was read once and is handed out symbol by symbol."""

    def __init__(self, path: Path) -> None:
        """Raises BacktestProblem when the file cannot be read or holds no rows."""
        self._take(path, read_table(path))

    @classmethod
    def of_table(cls, table: pl.DataFrame) -> InputFile:
        """A table that somebody has in memory. Raises BacktestProblem when it holds no rows."""
        inputs = cls.__new__(cls)
        inputs._take(Path("the table"), table)
        return inputs

    def _take(self, path: Path, table: pl.DataFrame) -> None:
        self.path = path
        if "symbol" not in table.columns:
            raise BacktestProblem(
                "the column is missing", f"{path}, column symbol", "make the file with backtest features"
            )
        if table.is_empty():
            raise BacktestProblem("the file has no rows", str(path), "make it with backtest features")
        self._table = table.drop("row", strict=False).with_row_index("row", offset=1)
        unnamed = self._table.get_column("symbol").is_null()
        if unnamed.any():
            row = (unnamed.arg_max() or 0) + 1
            raise BacktestProblem("the symbol is empty", f"{path}, row {row}, column symbol", "correct it")

    def symbols(self) -> list[str]:
        """Symbols in the file, in alphabetical order."""
        import polars as pl

        return sorted(
            {str(name).upper() for name in self._table.get_column("symbol").cast(pl.String).unique()}
        )

    def windows(self) -> dict[str, list[int]]:
        """Lengths of the windows in the file that `T` (volatility) and `V` (volume) can choose from."""
        found = {}
        for parameter, pattern in (("T", r"rs_vol_(\d+)m_bps"), ("V", r"avg_vol_(\d+)m")):
            matches = (re.fullmatch(pattern, name) for name in self._table.columns)
            found[parameter] = sorted(int(match[1]) for match in matches if match is not None)
        return found

    def bars(
        self,
        symbol: str,
        grid: ParamGrid,
        semantics: str,
        *,
        has_tick_size: bool = False,
        allow_gaps: bool = False,
    ) -> Bars:
        """The checked bars of one symbol. Raises BacktestProblem."""
        import polars as pl

        needed = needed_columns(grid, semantics, has_tick_size=has_tick_size)
        self._refuse_missing(needed, grid, semantics)
        rows = self._table.filter(pl.col("symbol").cast(pl.String).str.to_uppercase() == symbol)
        if rows.is_empty():
            raise BacktestProblem(
                f"{symbol} is not in the file, which has {', '.join(self.symbols())}",
                f"{self.path}, column symbol",
                "add it, or take it out of the grid",
            )
        numbers = rows.get_column("row").to_numpy()
        times = close_times(rows, self.path)
        self._check_times(times, numbers, allow_gaps=allow_gaps)
        present = [*needed, *(name for name in (*_OPTIONAL, *_SIDES) if name in rows.columns)]
        columns = {name: self._column(rows, name) for name in dict.fromkeys(present)}
        self._check_values(columns, numbers, semantics)
        return _bars(symbol, times, columns, grid)

    def _refuse_missing(self, needed: Sequence[str], grid: ParamGrid, semantics: str) -> None:
        present = self._table.columns
        missing = [name for name in needed if name not in present]
        opening = "opening_loss_bps" in present or all(name in present for name in _SIDES)
        if semantics != "vectorbt" and not opening:
            missing.append("opening_loss_bps")
        if not missing:
            return
        windows = sorted({*grid.windows("T"), *grid.windows("V")})
        remedy = "make the file with backtest features"
        if all(name.startswith(("rs_vol_", "avg_vol_")) for name in missing):
            remedy += f" --windows {','.join(str(window) for window in windows)}"
        what = "the column is missing" if len(missing) == 1 else "columns are missing"
        raise BacktestProblem(what, f"{self.path}, column {', '.join(missing)}", remedy)

    def _column(self, rows: pl.DataFrame, name: str) -> Floats:
        import polars as pl

        column = rows.get_column(name)
        if column.dtype == pl.Null:
            return np.full(len(column), np.nan)
        if not column.dtype.is_numeric():
            raise BacktestProblem("the column holds no numbers", f"{self.path}, column {name}", "correct it")
        return column.cast(pl.Float64).to_numpy().astype(np.float64, copy=True)

    def _check_times(self, times: LongIntegers, rows: LongIntegers, *, allow_gaps: bool) -> None:
        steps = np.diff(times)
        refuse(self.path, "bar_ts_ms", rows[1:], steps == 0, times[1:], "is there twice")
        refuse(self.path, "bar_ts_ms", rows[1:], steps < 0, times[1:], "is earlier than the row before it")
        refuse(
            self.path,
            "bar_ts_ms",
            rows[1:],
            steps < MINUTE_MS,
            times[1:],
            "is less than a minute after the last",
        )
        if not allow_gaps:
            refuse(
                self.path,
                "bar_ts_ms",
                rows[1:],
                steps != MINUTE_MS,
                times[1:],
                "comes after a gap",
                "fill it, or pass --allow-gaps (allow_gaps=True) to take the rows as neighbours",
            )

    def _check_values(self, columns: dict[str, Floats], rows: LongIntegers, semantics: str) -> None:
        for name, values in columns.items():
            empty = np.isnan(values)
            refuse(self.path, name, rows, np.isinf(values), values, "is not a finite number")
            if name in (*_PRICES, *_NOT_NEGATIVE):
                refuse(self.path, name, rows, empty, values, "is empty")
            else:
                refuse(self.path, name, rows, empty & _after_first_value(empty), values, "is empty")
            with np.errstate(invalid="ignore"):
                if name in _POSITIVE:
                    refuse(self.path, name, rows, values <= 0, values, "is not above 0")
                elif name in _NOT_NEGATIVE or name.startswith(("rs_vol_", "avg_vol_")):
                    refuse(self.path, name, rows, values < 0, values, "is below 0")
        for bid, ask in (("bid_px", "ask_px"), ("tw_bid_px", "tw_ask_px")):
            if bid in columns and ask in columns:
                crossed = columns[bid] > columns[ask]
                refuse(self.path, bid, rows, crossed, columns[bid], f"is above {ask}: the book is crossed")
        if semantics != "vectorbt":
            body = np.maximum(columns["open"], columns["close"])
            refuse(self.path, "high", rows, columns["high"] < body, columns["high"], "is below open or close")
            body = np.minimum(columns["open"], columns["close"])
            refuse(self.path, "low", rows, columns["low"] > body, columns["low"], "is above open or close")


def _after_first_value(empty: Booleans) -> Booleans:
    """True from the first row that is not empty on."""
    return np.logical_or.accumulate(~empty)


def _bars(symbol: str, times: LongIntegers, columns: dict[str, Floats], grid: ParamGrid) -> Bars:
    unknown = np.full(len(times), np.nan)

    def column(*names: str) -> Floats:
        return next((columns[name] for name in names if name in columns), unknown)

    opening = column("opening_loss_bps")
    if all(name in columns for name in _SIDES):
        opening = np.where(columns["ret_bps"] >= 0, columns[_SIDES[0]], columns[_SIDES[1]])
    return Bars(
        symbol=symbol,
        close_ms=times,
        open=columns["open"],
        high=columns["high"],
        low=columns["low"],
        close=columns["close"],
        volume=columns["vol1m"],
        ret_bps=columns["ret_bps"],
        # Where the original has no snapshot of the book it takes the minute's mean.
        bid=column("bid_px", "tw_bid_px"),
        ask=column("ask_px", "tw_ask_px"),
        tw_bid=column("tw_bid_px", "bid_px"),
        tw_ask=column("tw_ask_px", "ask_px"),
        spread_bps=columns["spread_bps"],
        mark=column("mark_px"),
        mark_high=column("mark_high"),
        mark_low=column("mark_low"),
        funding_bps=columns["funding_bps"],
        opening_loss_bps=opening,
        volatility_bps={window: columns[volatility_column(window)] for window in grid.windows("T")},
        average_volume={window: columns[volume_column(window)] for window in grid.windows("V")},
    )
