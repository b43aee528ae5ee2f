"""What an optimiser may choose: ranges and lists of values, in the form of a grid file.

`{"symbols": {"BTCUSDT": {"params": {"k": {"low": 1.0, "high": 3.0}, "T": [10, 30], ...}}}}`: an object is a
range (`"log": true` for sizes, `"step"` for a raster), a list is chosen from. A grid file is a space too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aster_operator.backtest.grid import (
    PARAMETERS,
    ParamGrid,
    SymbolGrid,
    check_grid,
    make_param_grid,
    read_grid_content,
)
from aster_operator.backtest.problems import BacktestProblem

__all__ = ["Choice", "Range", "SearchSpace", "read_space", "windows_grid"]

_WINDOWS = ("T", "V")
_RANGE_KEYS = ("low", "high", "step", "log")


@dataclass(frozen=True)
class Range:
    """Any value from `low` to `high`, or of the raster `step`; `log` spreads trials evenly over sizes."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def beside(self, value: float) -> list[float]:
        """A twentieth of the range (at least a step) to either side, where there is room."""
        away = max(self.step or 0.0, 0.05 * (self.high - self.low))
        return [near for near in (value - away, value + away) if self.low <= near <= self.high]


@dataclass(frozen=True)
class Choice:
    """One of these values, in rising order."""

    values: tuple[float, ...]

    def beside(self, value: float) -> list[float]:
        """The values next to `value`."""
        at = self.values.index(value)
        return [self.values[near] for near in (at - 1, at + 1) if 0 <= near < len(self.values)]


@dataclass(frozen=True)
class SearchSpace:
    """What may be chosen for one symbol; sizes are None where the file does not give them."""

    symbol: str
    parameters: Mapping[str, Range | Choice]
    tick_size: float | None = None
    lot_size: float | None = None

    @property
    def free(self) -> list[str]:
        """Parameters with more than one value."""
        return [
            name for name, own in self.parameters.items() if isinstance(own, Range) or len(own.values) > 1
        ]

    def as_json(self) -> str:
        """The space as a text that is equal for equal spaces."""
        return json.dumps(
            {
                name: own.values if isinstance(own, Choice) else [own.low, own.high, own.step, own.log]
                for name, own in self.parameters.items()
            },
            sort_keys=True,
        )


def read_space(path: Path, windows: Mapping[str, list[int]]) -> tuple[SearchSpace, ...]:
    """Read and check a space; `windows` are the lengths that the inputs have for `T` and for `V`.

    Raises BacktestProblem with the file and the key.
    """
    content = read_grid_content(path)
    entries = content.get("symbols") if isinstance(content, dict) else None
    ranges: dict[tuple[str, str], Range] = {}
    if isinstance(entries, dict):
        for name, entry in entries.items():
            params: Any = entry.get("params") if isinstance(entry, dict) else None
            for parameter, value in params.items() if isinstance(params, dict) else ():
                if isinstance(value, dict):
                    key = f"symbols.{name}.params.{parameter}"
                    found = _range(value, f"{path}, {key}")
                    ranges[name.strip().upper(), parameter] = found
                    # Checked by its ends, as a grid would be.
                    params[parameter] = [found.low, found.high]
    grids = check_grid(content, str(path))
    return tuple(_space(grid, ranges, windows, path) for grid in grids)


def _range(value: Mapping[str, Any], where: str) -> Range:
    for key in value:
        if key not in _RANGE_KEYS:
            raise BacktestProblem("unknown key", f"{where}.{key}", f"use {', '.join(_RANGE_KEYS)}")
    log = value.get("log", False)
    if not isinstance(log, bool):
        raise BacktestProblem(f"{log!r} is not true or false", f"{where}.log", "correct it")
    numbers: dict[str, float] = {}
    for key in ("low", "high", "step"):
        number = value.get(key)
        if number is None and key == "step":
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise BacktestProblem(f"{number!r} is not a number", f"{where}.{key}", "correct it")
        numbers[key] = float(number)
    low, high, step = numbers["low"], numbers["high"], numbers.get("step")
    if low >= high:
        raise BacktestProblem(f"low {low:g} is not below high {high:g}", where, "correct it")
    if step is not None and not 0 < step <= high - low:
        raise BacktestProblem(f"{step:g} is not a step within the range", f"{where}.step", "correct it")
    if log and (low <= 0 or step is not None):
        raise BacktestProblem("log needs a low above 0 and no step", where, "correct it")
    return Range(low, high, step, log)


def _space(
    grid: SymbolGrid,
    ranges: Mapping[tuple[str, str], Range],
    windows: Mapping[str, list[int]],
    path: Path,
) -> SearchSpace:
    parameters: dict[str, Range | Choice] = {}
    for name in PARAMETERS:
        own = ranges.get((grid.symbol, name))
        if own is None:
            parameters[name] = Choice(tuple(sorted(grid.space[name])))
        elif name not in _WINDOWS:
            parameters[name] = own
        else:
            there = tuple(float(size) for size in windows[name] if own.low <= size <= own.high)
            if not there:
                known = ", ".join(str(size) for size in windows[name]) or "none"
                raise BacktestProblem(
                    f"the inputs have no window in the range, only {known}",
                    f"{path}, symbols.{grid.symbol}.params.{name}",
                    "make the file with backtest features --windows",
                )
            parameters[name] = Choice(there)
    return SearchSpace(grid.symbol, parameters, grid.tick_size, grid.lot_size)


def windows_grid(space: SearchSpace) -> ParamGrid:
    """A small grid that needs the same columns of the inputs as the whole space."""
    lists = {
        name: list(own.values) if name in _WINDOWS and isinstance(own, Choice) else [_first(own)]
        for name, own in space.parameters.items()
    }
    return make_param_grid(lists)


def _first(own: Range | Choice) -> float:
    return own.low if isinstance(own, Range) else own.values[0]
