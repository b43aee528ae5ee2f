"""What a pair is made of: two symbols, of one market or of two, and how strongly each leg counts.

A symbol names a perpetual, as at the venue, unless it ends with `:SPOT`; so perpetual and spot of one name
are two symbols everywhere in the program, and only the exchange client takes the ending off again.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

__all__ = [
    "LegHedge",
    "Market",
    "PairKind",
    "Pairing",
    "market_of",
    "pair_name",
    "spot_symbol",
    "venue_symbol",
]

_SPOT_ENDING = ":SPOT"


class Market(StrEnum):
    PERP = "PERP"
    SPOT = "SPOT"


def market_of(symbol: str) -> Market:
    return Market.SPOT if symbol.endswith(_SPOT_ENDING) else Market.PERP


def spot_symbol(symbol: str) -> str:
    """The spot market of the same name: `BTCUSDT` to `BTCUSDT:SPOT`."""
    return symbol if symbol.endswith(_SPOT_ENDING) else symbol + _SPOT_ENDING


def venue_symbol(symbol: str) -> str:
    """The symbol as the venue writes it in either market."""
    return symbol.removesuffix(_SPOT_ENDING)


class PairKind(StrEnum):
    SAME = "same"
    """LONG and SHORT of one perpetual, in hedge mode."""
    CROSS = "cross"
    """Two perpetuals that move together, one long and one short, sized by their hedge ratio."""
    CARRY = "carry"
    """Spot long, perpetual short: earns the funding that longs pay."""


class Pairing(msgspec.Struct, frozen=True):
    """Two legs that may be held against each other. Imbalance and hedge weights count in base units of
    `first`."""

    kind: PairKind
    first: str
    second: str

    @classmethod
    def same(cls, symbol: str) -> "Pairing":
        return cls(PairKind.SAME, symbol, symbol)

    @classmethod
    def cross(cls, first: str, second: str) -> "Pairing":
        return cls(PairKind.CROSS, first, second)

    @classmethod
    def carry(cls, symbol: str) -> "Pairing":
        return cls(PairKind.CARRY, spot_symbol(symbol), symbol)

    @property
    def name(self) -> str:
        """What decisions and reports call it: the symbol, or both joined by a stroke."""
        return pair_name(self.first, self.second)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Each symbol once."""
        return (self.first,) if self.first == self.second else (self.first, self.second)


def pair_name(first: str, second: str) -> str:
    return first if first == second else f"{first}/{second}"


class LegHedge(msgspec.Struct, frozen=True, kw_only=True):
    """How a leg counts in its pair, fixed when the pair is opened.

    `weight`: base units of the pair's first symbol that hedge one base unit of this leg. `beta`: how far
    this leg's price moves, in percent, when the pair's second symbol moves by one percent.
    """

    weight: Decimal = Decimal(1)
    beta: Decimal = Decimal(1)
