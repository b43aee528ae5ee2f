"""Parameter grids: read, check, and spread out into configurations.

A grid file holds, for each symbol, a list of values for each parameter:
`{"symbols": {"BTCUSDT": {"params": {"k": [1.2, 1.6], "T": [10, 30], ...}}}}`. A configuration is one value
of each. It splits into signal parameters (when to enter) and exit parameters (when to leave); both halves
are computed once and combined.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats, Integers
from aster_operator.backtest.problems import BacktestProblem

__all__ = [
    "EXIT_PARAMETERS",
    "MAX_CONFIGURATIONS",
    "PARAMETERS",
    "SIGNAL_PARAMETERS",
    "ParamGrid",
    "SymbolGrid",
    "check_grid",
    "make_param_grid",
    "read_grid",
    "read_grid_content",
]

SIGNAL_PARAMETERS = ("k", "T", "n", "V", "spread_max", "funding_max")
EXIT_PARAMETERS = (
    "tp_bps",
    "sl_bps",
    "activation_bps",
    "activation_buffer_bps",
    "callback_bps",
    "min_tp_gap_bps",
)
PARAMETERS = ("k", "T", "n", "V", *EXIT_PARAMETERS, "spread_max", "funding_max")
"""Names and order in grid and result files."""

MAX_CONFIGURATIONS = 2_000_000
"""More than this is refused with the size: the results alone would fill the memory."""

_WINDOWS = ("T", "V")
_MAY_BE_ZERO = ("activation_buffer_bps", "min_tp_gap_bps", "spread_max", "funding_max")
_LARGEST_BPS = 10_000.0
_CONTRACT_KEYS = ("tick_size", "lot_size")
_NOT_IN_SYMBOLS = ("/", "\\", ":", "*", "?")


@dataclass(frozen=True)
class ParamGrid:
    """Configurations of one symbol: the values of each, and how they split into signals and exits.

    `values` has one row a configuration and one column for each of `PARAMETERS`. `signal_sets` and
    `exit_sets` hold the distinct halves; row i of the grid is set `signal_of[i]` with exit `exit_of[i]`.
    """

    values: Floats
    signal_sets: Floats
    exit_sets: Floats
    signal_of: Integers
    exit_of: Integers

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def __iter__(self) -> Iterator[dict[str, float]]:
        """The configurations in order, each with its parameters by name."""
        return (dict(zip(PARAMETERS, row, strict=True)) for row in self.values.tolist())

    def column(self, name: str) -> Floats:
        """The values of one parameter."""
        return self.values[:, PARAMETERS.index(name)]

    def windows(self, name: str) -> list[int]:
        """Distinct window lengths of `T` or `V`, in bars."""
        return sorted({int(value) for value in self.column(name)})

    def take(self, rows: Integers) -> ParamGrid:
        """The configurations of `rows` as a grid of their own."""
        return ParamGrid.of_rows(self.values[rows])

    @classmethod
    def of_rows(cls, values: Floats) -> ParamGrid:
        """A grid of any configurations, one a row with a column for each of `PARAMETERS`."""
        signal_columns = [PARAMETERS.index(name) for name in SIGNAL_PARAMETERS]
        exit_columns = [PARAMETERS.index(name) for name in EXIT_PARAMETERS]
        signal_sets, signal_of = np.unique(values[:, signal_columns], axis=0, return_inverse=True)
        exit_sets, exit_of = np.unique(values[:, exit_columns], axis=0, return_inverse=True)
        return cls(
            np.ascontiguousarray(values),
            np.ascontiguousarray(signal_sets),
            np.ascontiguousarray(exit_sets),
            signal_of.reshape(-1).astype(np.int32),
            exit_of.reshape(-1).astype(np.int32),
        )


@dataclass(frozen=True)
class SymbolGrid:
    """What a grid file says about one symbol; sizes are None where it does not give them."""

    symbol: str
    space: Mapping[str, Sequence[float]]
    tick_size: float | None = None
    lot_size: float | None = None

    @property
    def size(self) -> int:
        """Number of configurations."""
        return math.prod(len(self.space[name]) for name in PARAMETERS)


def make_param_grid(space: Mapping[str, Sequence[float]]) -> ParamGrid:
    """All combinations of the values in `space`, the last parameter changing fastest.

    Each value is a list, or an array of numpy or pandas. Raises BacktestProblem for a parameter that is
    missing, unknown, empty or not a usable number.
    """
    checked = _checked_space(space, "grid", "params")
    size = math.prod(len(values) for values in checked.values())
    if size > MAX_CONFIGURATIONS:
        raise _too_many(size, "grid")
    lengths = [len(checked[name]) for name in PARAMETERS]
    places = np.indices(lengths, dtype=np.int32).reshape(len(PARAMETERS), -1)
    values = [np.asarray(checked[name], dtype=np.float64)[places[at]] for at, name in enumerate(PARAMETERS)]
    signal_sets, signal_of = _half(checked, SIGNAL_PARAMETERS, places)
    exit_sets, exit_of = _half(checked, EXIT_PARAMETERS, places)
    return ParamGrid(np.column_stack(values), signal_sets, exit_sets, signal_of, exit_of)


def _half(
    space: Mapping[str, Sequence[float]], names: Sequence[str], places: Integers
) -> tuple[Floats, Integers]:
    """The distinct combinations of the parameters `names`, and which one each configuration has."""
    lengths = [len(space[name]) for name in names]
    mesh = np.meshgrid(*(np.asarray(space[name], dtype=np.float64) for name in names), indexing="ij")
    own_places = tuple(places[PARAMETERS.index(name)] for name in names)
    combined = np.ravel_multi_index(own_places, lengths).astype(np.int32)
    return np.column_stack([axis.ravel() for axis in mesh]), combined


def read_grid(path: Path) -> tuple[SymbolGrid, ...]:
    """Read and check a grid file. Raises BacktestProblem with the file and the key."""
    return check_grid(read_grid_content(path), str(path))


def read_grid_content(path: Path) -> Any:
    """The JSON of a grid file as it stands. Raises BacktestProblem."""
    where = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BacktestProblem(f"the grid cannot be read, {error.strerror}", where, "check --grid") from None
    except UnicodeDecodeError:
        raise BacktestProblem("the grid is not text", where, "give a JSON file") from None
    try:
        return json.loads(text, object_pairs_hook=partial(_keys_once, where))
    except json.JSONDecodeError as error:
        raise BacktestProblem(
            f"the grid is not JSON, line {error.lineno}: {error.msg}", where, "correct the file"
        ) from None
    except ValueError:
        raise BacktestProblem("the grid has a number that is too large", where, "correct the file") from None
    except RecursionError:
        raise BacktestProblem("the grid is nested too deeply", where, "correct the file") from None


def _keys_once(where: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """One object of the file; JSON itself would take the last of two values for one key."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BacktestProblem("the key is there twice", f"{where}, {twice}", "keep one")
    return found


def check_grid(content: Any, where: str) -> tuple[SymbolGrid, ...]:
    """The grids of a grid file's content; `where` names the file. Raises BacktestProblem."""
    symbols = content.get("symbols") if isinstance(content, dict) else None
    if not isinstance(symbols, dict):
        raise BacktestProblem(
            'the grid has no object "symbols"', where, 'write {"symbols": {"BTCUSDT": {"params": {...}}}}'
        )
    for other in content:
        if other != "symbols":
            raise BacktestProblem("unknown key", f"{where}, {other}", "take it out: a grid has symbols alone")
    if not symbols:
        raise BacktestProblem("the grid names no symbol", f"{where}, symbols", "add one")
    found = tuple(_symbol_grid(name, entry, where) for name, entry in symbols.items())
    repeated = [grid.symbol for grid in found]
    for symbol in repeated:
        if repeated.count(symbol) > 1:
            raise BacktestProblem("the symbol is named twice", f"{where}, symbols.{symbol}", "keep one")
    return found


def _symbol_grid(name: str, entry: Any, where: str) -> SymbolGrid:
    symbol = name.strip().upper()
    key = f"symbols.{symbol}"
    if not symbol.isprintable() or any(sign in symbol for sign in _NOT_IN_SYMBOLS):
        raise BacktestProblem(
            f"{symbol!r} cannot be a symbol", f"{where}, {key}", "results are written to files of that name"
        )
    if not symbol or not isinstance(entry, dict) or not isinstance(entry.get("params"), dict):
        raise BacktestProblem('the symbol has no object "params"', f"{where}, {key}", "add it")
    for other in entry:
        if other not in ("params", *_CONTRACT_KEYS):
            raise BacktestProblem(
                "unknown key", f"{where}, {key}.{other}", f"use params, {', '.join(_CONTRACT_KEYS)}"
            )
    sizes = {}
    for other in _CONTRACT_KEYS:
        if entry.get(other) is not None:
            sizes[other] = _number(entry[other], where, f"{key}.{other}")
            if sizes[other] <= 0:
                raise BacktestProblem(
                    f"{entry[other]} is not above 0", f"{where}, {key}.{other}", "correct it"
                )
    space = _checked_space(entry["params"], where, f"{key}.params")
    grid = SymbolGrid(symbol, space, sizes.get("tick_size"), sizes.get("lot_size"))
    if grid.size > MAX_CONFIGURATIONS:
        raise _too_many(grid.size, f"{where}, {key}.params")
    return grid


def _too_many(size: int, where: str) -> BacktestProblem:
    return BacktestProblem(
        f"the grid has {size:,} configurations, more than {MAX_CONFIGURATIONS:,}", where, "shorten its lists"
    )


def _checked_space(space: Mapping[str, Any], where: str, key: str) -> dict[str, list[float]]:
    for name in space:
        if name not in PARAMETERS:
            raise BacktestProblem(
                "unknown parameter", f"{where}, {key}.{name}", f"use {', '.join(PARAMETERS)}"
            )
    checked: dict[str, list[float]] = {}
    for name in PARAMETERS:
        place = f"{key}.{name}"
        if name not in space:
            raise BacktestProblem("the parameter is missing", f"{where}, {place}", "add a list of values")
        values = space[name]
        if hasattr(values, "tolist"):
            values = values.tolist()  # of numpy or pandas
        if not isinstance(values, Sequence) or isinstance(values, str) or len(values) == 0:
            raise BacktestProblem("not a list with values", f"{where}, {place}", "write for example [1.5]")
        numbers = [_checked_value(name, value, where, place) for value in values]
        if len(set(numbers)) < len(numbers):
            raise BacktestProblem("a value is listed twice", f"{where}, {place}", "keep one of each")
        checked[name] = numbers
    return checked


def _checked_value(name: str, value: Any, where: str, place: str) -> float:
    number = _number(value, where, place)
    if name in _WINDOWS and (number < 1 or number != int(number)):
        raise BacktestProblem(
            f"{value} is not a whole number of bars from 1 up", f"{where}, {place}", "correct it"
        )
    if name in _MAY_BE_ZERO:
        if number < 0:
            raise BacktestProblem(f"{value} is below 0", f"{where}, {place}", "correct it")
    elif number <= 0:
        raise BacktestProblem(f"{value} is not above 0", f"{where}, {place}", "correct it")
    if name.endswith("_bps") and number >= _LARGEST_BPS:
        raise BacktestProblem(f"{value} is 100 % of the price or more", f"{where}, {place}", "give it in bps")
    return number


def _number(value: Any, where: str, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise BacktestProblem(f"{value!r} is not a number", f"{where}, {place}", "correct it")
    try:
        number = float(value)
    except OverflowError:
        raise BacktestProblem("the number is too large", f"{where}, {place}", "correct it") from None
    if not math.isfinite(number):
        raise BacktestProblem(f"{value!r} is not a finite number", f"{where}, {place}", "correct it")
    return number
