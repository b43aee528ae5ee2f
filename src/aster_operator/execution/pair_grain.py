"""How fine the legs of a pair can be traded, which is how closely they can hedge each other."""

from collections.abc import Mapping
from decimal import Decimal

from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import ZERO
from aster_operator.execution.pair import Pair

__all__ = ["set_grains", "smallest_piece"]

_NOTIONAL_GRACE = Decimal("1.25")
"""Room for the price to fall until a piece of the venue's smallest value is to be traded."""


def set_grains(pair: Pair, instruments: Mapping[str, Instrument], prices: Mapping[str, Decimal]) -> None:
    """Tell each leg its smallest piece, at `prices` by symbol. Two legs of one perpetual have none: lots of
    one size are equal or are not."""
    if pair.is_one_symbol:
        return
    for leg in pair.legs:
        instrument = instruments.get(leg.symbol)
        if instrument is not None:
            leg.grain = smallest_piece(instrument, prices.get(leg.symbol, ZERO))


def smallest_piece(instrument: Instrument, price: Decimal) -> Decimal:
    """Base units below which the venue takes no order that opens, at `price` (zero: not known)."""
    lot = max(instrument.lot.step, instrument.lot.min_quantity)
    if price <= 0:
        return lot
    return max(lot, instrument.min_notional * _NOTIONAL_GRACE / price)
