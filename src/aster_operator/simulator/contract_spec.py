"""Contract specification: the one place where ticks, lots, atoms and text are converted into each other."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import plain_text

__all__ = ["ATOMS", "Bracket", "ContractSpec"]

ATOMS = 10**8
"""Atoms per unit of money, and per unit of a mark or index price."""


@dataclass(frozen=True)
class ContractSpec:
    """An instrument with its integer scales, fees and margin brackets.

    `maker_fee_e8` and `taker_fee_e8` are fractions of notional times 10^8 (4 bps = 40_000).
    Raises ValueError when one tick of one lot is not a whole number of atoms.
    """

    instrument: Instrument
    maker_fee_e8: int
    taker_fee_e8: int
    brackets: tuple["Bracket", ...]
    funding_interval_hours: int = 8
    impact_margin_notional: Decimal = Decimal(4000)

    def __post_init__(self) -> None:
        atoms = self.instrument.tick_size * self.instrument.lot.step * ATOMS
        if atoms != atoms.to_integral_value() or atoms <= 0:
            raise ValueError(
                f"{self.instrument.symbol}: tick {self.instrument.tick_size} x step "
                f"{self.instrument.lot.step} is finer than 1e-8 and cannot be booked exactly"
            )

    @cached_property
    def symbol(self) -> str:
        return self.instrument.symbol

    @cached_property
    def brackets_atoms(self) -> tuple[tuple[int, int, int, int], ...]:
        """Brackets as integers: (initial leverage, notional cap, maintenance ratio e8, cumulative)."""
        return tuple(
            (
                bracket.initial_leverage,
                bracket.notional_cap * ATOMS,
                int(bracket.maintenance_ratio * ATOMS),
                int(bracket.cumulative * ATOMS),
            )
            for bracket in self.brackets
        )

    @cached_property
    def notional_caps(self) -> dict[int, int]:
        """Largest position notional in USD by leverage; what no bracket allows is missing."""
        highest = max((bracket.initial_leverage for bracket in self.brackets), default=0)
        return {
            leverage: max(each.notional_cap for each in self.brackets if each.initial_leverage >= leverage)
            for leverage in range(1, highest + 1)
        }

    @cached_property
    def mark_quantum_e8(self) -> int:
        """Marks are multiples of this, so that any number of lots at a mark is whole atoms."""
        return self._step_denominator

    @cached_property
    def atoms_per_tick_lot(self) -> int:
        """Atoms of notional in one lot at a price of one tick."""
        return int(self.instrument.tick_size * self.instrument.lot.step * ATOMS)

    @cached_property
    def price_atoms_per_tick(self) -> int:
        """Units of 10^-8 in one tick. Raises ValueError for ticks finer than 1e-8."""
        scaled = self.instrument.tick_size * ATOMS
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{self.symbol}: tick {self.instrument.tick_size} is finer than 1e-8")
        return int(scaled)

    @cached_property
    def lots_per_unit(self) -> Decimal:
        return 1 / self.instrument.lot.step

    def notional_atoms(self, ticks: int, lots: int) -> int:
        """Exact notional of `lots` at `ticks`."""
        return ticks * lots * self.atoms_per_tick_lot

    def notional_at_mark_atoms(self, mark_e8: int, lots: int) -> int:
        """Notional of `lots` at a mark price in 10^-8 units, rounded half to even to whole atoms."""
        numerator = mark_e8 * lots * self._step_numerator
        quotient, remainder = divmod(numerator, self._step_denominator)
        twice = 2 * remainder
        if twice > self._step_denominator or (twice == self._step_denominator and quotient & 1):
            quotient += 1
        return quotient

    @cached_property
    def _step_numerator(self) -> int:
        return self.instrument.lot.step.as_integer_ratio()[0]

    @cached_property
    def _step_denominator(self) -> int:
        return self.instrument.lot.step.as_integer_ratio()[1]

    def price_to_ticks(self, price: Decimal) -> int:
        """Raises ValueError when `price` is no multiple of the tick."""
        ticks = price / self.instrument.tick_size
        if ticks != ticks.to_integral_value():
            raise ValueError(f"{self.symbol}: price {price} is off the tick {self.instrument.tick_size}")
        return int(ticks)

    def quantity_to_lots(self, quantity: Decimal) -> int:
        """Raises ValueError when `quantity` is no multiple of the step."""
        lots = quantity / self.instrument.lot.step
        if lots != lots.to_integral_value():
            raise ValueError(f"{self.symbol}: quantity {quantity} is off the step {self.instrument.lot.step}")
        return int(lots)

    def price_of(self, ticks: int) -> Decimal:
        return self.instrument.tick_size * ticks

    def quantity_of(self, lots: int) -> Decimal:
        return self.instrument.lot.step * lots

    def price_text(self, ticks: int) -> str:
        return plain_text(self.instrument.tick_size * ticks)

    def quantity_text(self, lots: int) -> str:
        return plain_text(self.instrument.lot.step * lots)


@dataclass(frozen=True, slots=True)
class Bracket:
    """One leverage bracket (section 9.1). Notionals in USD; `maintenance_ratio` is a fraction."""

    bracket: int
    initial_leverage: int
    notional_floor: int
    notional_cap: int
    maintenance_ratio: Decimal
    cumulative: Decimal
