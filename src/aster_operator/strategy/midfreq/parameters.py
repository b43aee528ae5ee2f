"""Parameters of the mid-frequency strategy, symbol by symbol, and the JSON file people keep them in.

The file is the one its operators have: `{"ETHUSDT": {"k": 1.3, "T": 30, ...}, ...}`. A file in the form of
the sweep's grid with one value for each parameter is read as well. Every fault is named at once.
"""

import difflib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from aster_operator.strategy.base import ParameterFaults, read_json_object

__all__ = ["FILE_KEYS", "ParameterRange", "SymbolParameters", "read_parameters"]


class SymbolParameters(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's parameters. Windows in closed one-minute bars, distances in bps of the entry price.

    The spread may be at most `max_spread_bps`, or where that is None `max_spread_ticks` ticks of the symbol.
    `enable_trading` False watches and decides, but enters nothing.
    """

    momentum_k: float = 1.3
    volatility_window_bars: int = 30
    volume_ratio_n: float = 1.3
    volume_window_bars: int = 30
    take_profit_bps: Decimal = Decimal(20)
    stop_loss_bps: Decimal = Decimal(12)
    trailing_activation_bps: Decimal = Decimal(8)
    trailing_activation_buffer_bps: Decimal = Decimal("0.5")
    trailing_callback_bps: Decimal = Decimal(6)
    min_take_profit_gap_bps: Decimal = Decimal(4)
    max_spread_bps: Decimal | None = None
    max_spread_ticks: Decimal = Decimal(2)
    max_funding_bps: Decimal = Decimal("1.5")
    enable_trading: bool = True

    @property
    def warm_up_bars(self) -> int:
        """Bars until both windows are full and the last has one before it to return from."""
        return max(self.volatility_window_bars, self.volume_window_bars, 2)


class ParameterRange(msgspec.Struct, frozen=True, kw_only=True):
    """One key of the file: where it goes and what it may be; `above` the lower bound, or at it if `at`."""

    field: str
    above: Decimal
    at_most: Decimal
    at: bool = False
    whole: bool = False
    required: bool = True

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value from the file, None when it may be used."""
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            return f"must be a number, was {_shown(value)}"
        number = Decimal(value)
        if not number.is_finite():
            return f"must be a finite number, was {_shown(value)}"
        if self.whole and number != number.to_integral_value():
            return f"must be a whole number, was {value}"
        too_low = number < self.above if self.at else number <= self.above
        if too_low or number > self.at_most:
            bound = "at least" if self.at else "above"
            return f"must be {bound} {self.above} and at most {self.at_most}, was {value}"
        return None


def _above(field: str, above: int, at_most: int, **more: bool) -> ParameterRange:
    return ParameterRange(field=field, above=Decimal(above), at_most=Decimal(at_most), **more)


FILE_KEYS: Mapping[str, ParameterRange] = {
    "k": _above("momentum_k", 0, 100),
    "T": _above("volatility_window_bars", 1, 1_440, at=True, whole=True),
    "n": _above("volume_ratio_n", 0, 100),
    "V": _above("volume_window_bars", 1, 1_440, at=True, whole=True),
    "tp_bps": _above("take_profit_bps", 0, 9_000),
    "sl_bps": _above("stop_loss_bps", 0, 9_000),
    "activation_bps": _above("trailing_activation_bps", 0, 9_000),
    "activation_buffer_bps": _above("trailing_activation_buffer_bps", 0, 1_000, at=True),
    "callback_bps": _above("trailing_callback_bps", 0, 1_000),
    "min_tp_gap_bps": _above("min_take_profit_gap_bps", 0, 1_000, at=True),
    "spread_max": _above("max_spread_bps", 0, 1_000, at=True, required=False),
    "spread_max_ticks": _above("max_spread_ticks", 0, 1_000, at=True, required=False),
    "funding_max": _above("max_funding_bps", 0, 1_000, at=True),
}
"""Every key of a symbol's section but `enable_trading`. `spread_max` is in bps; without it the spread is held
to `spread_max_ticks` ticks of the symbol, two where that is not there either."""

_SWITCH = "enable_trading"


def read_parameters(
    text: str, symbols: tuple[str, ...], defaults: SymbolParameters | None = None
) -> dict[str, SymbolParameters]:
    """Parameters of each of `symbols` from the text of a file. `defaults` fills what a section may leave out.

    Raises ParameterFaults with every fault. Sections of other symbols are checked too and then ignored.
    """
    base = defaults or SymbolParameters()
    sections = read_json_object(text)
    if set(sections) == {"symbols"} and isinstance(sections["symbols"], Mapping):
        sections = {name: _grid_section(section) for name, section in sections["symbols"].items()}
    faults: list[str] = []
    found: dict[str, SymbolParameters] = {}
    for name, section in sections.items():
        symbol = name.strip().upper()
        if symbol in found:
            faults.append(f"{name}: {symbol} is given twice")
        if not isinstance(section, Mapping):
            faults.append(f"{name}: must be an object with k, T, n, V, ..., was {_shown(section)}")
            continue
        section_faults = _section_faults(section)
        faults += [f"{name}.{fault}" for fault in section_faults]
        found[symbol] = base if section_faults else _parameters(section, base)
    faults += [f"{symbol}: has no section" for symbol in symbols if symbol not in _names(sections)]
    if faults:
        raise ParameterFaults(faults)
    return {symbol: found[symbol] for symbol in symbols}


def _names(sections: Mapping[str, Any]) -> set[str]:
    return {name.strip().upper() for name in sections}


def _grid_section(section: Any) -> Any:
    """A section of the sweep's grid with the lists of one value taken out of their brackets."""
    values = section.get("params", section) if isinstance(section, Mapping) else section
    if not isinstance(values, Mapping):
        return values
    return {
        key: value[0] if isinstance(value, list) and len(value) == 1 else value
        for key, value in values.items()
    }


def _section_faults(section: Mapping[str, Any]) -> list[str]:
    known = (*FILE_KEYS, _SWITCH)
    faults = []
    for key, value in section.items():
        if key == _SWITCH:
            if not isinstance(value, bool):
                faults.append(f"{key}: must be true or false, was {_shown(value)}")
        elif key not in FILE_KEYS:
            near = difflib.get_close_matches(key, known, n=1)
            faults.append(f"{key}: unknown key" + (f", did you mean {near[0]}?" if near else ""))
        elif value is not None or FILE_KEYS[key].required:
            fault = FILE_KEYS[key].fault(value)
            if fault is not None:
                faults.append(f"{key}: {fault}")
    return faults + [
        f"{key}: is missing" for key, rule in FILE_KEYS.items() if rule.required and key not in section
    ]


def _parameters(section: Mapping[str, Any], base: SymbolParameters) -> SymbolParameters:
    fields: dict[str, Any] = {}
    for key, rule in FILE_KEYS.items():
        value = section.get(key)
        if value is not None:
            kind = type(getattr(base, rule.field))
            fields[rule.field] = (
                int(value) if kind is int else kind(value) if kind is float else Decimal(value)
            )
    if _SWITCH in section:
        fields[_SWITCH] = section[_SWITCH]
    return msgspec.structs.replace(base, **fields)


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, Decimal) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
