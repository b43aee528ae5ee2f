"""Integers of the exchange to decimal text of the wire, padded as the venue pads it."""

from decimal import Decimal
from functools import cached_property

from aster_operator.domain.money import plain_text
from aster_operator.simulator.model import ContractSpec

__all__ = ["SymbolText", "atoms_text", "fixed_text", "symbol_text", "trimmed_atoms_text"]


def fixed_text(value: int, decimals: int) -> str:
    """`value` in units of 10^-decimals, with all its decimals: (12345, 2) is `123.45`."""
    if decimals <= 0:
        return str(value * 10**-decimals)
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def atoms_text(atoms: int) -> str:
    """Money, marks and rates in 10^-8 units with eight decimals: `0.00010000`."""
    return fixed_text(atoms, 8)


def trimmed_atoms_text(atoms: int) -> str:
    """The same without trailing zeros."""
    text = fixed_text(atoms, 8).rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _scale(step: Decimal) -> tuple[int, int]:
    """(units, decimals) with step = units * 10^-decimals."""
    text = plain_text(step)
    decimals = len(text.partition(".")[2])
    return int(step.scaleb(decimals)), decimals


class SymbolText:
    """Ticks and lots of one contract as text."""

    def __init__(self, spec: ContractSpec) -> None:
        self.spec = spec
        self._tick_units, self._price_decimals = _scale(spec.instrument.tick_size)
        self._step_units, self._quantity_decimals = _scale(spec.instrument.lot.step)

    def price(self, ticks: int) -> str:
        return fixed_text(ticks * self._tick_units, self._price_decimals)

    def quantity(self, lots: int) -> str:
        return fixed_text(lots * self._step_units, self._quantity_decimals)

    def notional(self, atoms: int) -> str:
        return trimmed_atoms_text(atoms)

    def levels(self, levels: "tuple[tuple[int, int], ...] | list[tuple[int, int]]") -> list[tuple[str, str]]:
        return [(self.price(ticks), self.quantity(lots)) for ticks, lots in levels]

    def average(self, price: Decimal) -> str:
        """An average or entry price: the tick's decimals or more, at most eight, as orders print it."""
        decimals = max(self._price_decimals, 5)
        exact = price.normalize()
        exponent = exact.as_tuple().exponent
        needed = -exponent if isinstance(exponent, int) and exponent < 0 else 0
        return f"{price:.{min(max(decimals, needed), 8)}f}"

    @cached_property
    def zero_price(self) -> str:
        return self.price(0)

    @cached_property
    def zero_quantity(self) -> str:
        return self.quantity(0)

    @cached_property
    def zero_average(self) -> str:
        return self.average(Decimal(0))


_TEXTS: dict[int, SymbolText] = {}


def symbol_text(spec: ContractSpec) -> SymbolText:
    """The shared converter of a contract."""
    text = _TEXTS.get(id(spec))
    if text is None:
        # The converter keeps the specification alive, so its id cannot be given to another one.
        text = _TEXTS[id(spec)] = SymbolText(spec)
    return text
