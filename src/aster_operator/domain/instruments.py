"""Instruments and the venue's order filters (protocol reference, sections 5.1 and 5.2)."""

import math
from decimal import Decimal

import msgspec

from aster_operator.domain.enums import Side, SymbolStatus
from aster_operator.domain.money import round_down, round_nearest, round_up

__all__ = ["Instrument", "LotFilter"]


class LotFilter(msgspec.Struct, frozen=True):
    """Bounds of a quantity in base units: LOT_SIZE or MARKET_LOT_SIZE."""

    min_quantity: Decimal
    max_quantity: Decimal
    step: Decimal

    def floor(self, quantity: Decimal) -> Decimal:
        """Largest allowed quantity not above `quantity`; zero when that is below the minimum."""
        capped = min(quantity, self.max_quantity) if self.max_quantity > 0 else quantity
        if capped < self.min_quantity:
            return Decimal(0)
        return round_down(capped, self.step, self.min_quantity)

    def ceiling(self, quantity: Decimal) -> Decimal:
        """Smallest allowed quantity not below `quantity`. Raises ValueError above the maximum."""
        raised = max(round_up(quantity, self.step, self.min_quantity), self.min_quantity)
        if self.max_quantity > 0 and raised > self.max_quantity:
            raise ValueError(f"quantity {quantity} is above the maximum {self.max_quantity}")
        return raised


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One perpetual contract (linear, contract size 1) with the filters the venue enforces.

    Prices in quote units per base unit, quantities in base units, notionals in quote units; the
    PERCENT_PRICE multipliers and `market_take_bound` are fractions of the mark price.
    """

    symbol: str
    base_asset: str
    quote_asset: str
    margin_asset: str
    status: SymbolStatus
    price_precision: int
    quantity_precision: int
    tick_size: Decimal
    min_price: Decimal
    max_price: Decimal
    lot: LotFilter
    market_lot: LotFilter
    min_notional: Decimal
    percent_price_up: Decimal
    percent_price_down: Decimal
    market_take_bound: Decimal
    trigger_protect: Decimal
    liquidation_fee: Decimal
    max_num_orders: int
    max_num_algo_orders: int
    contract_type: str = "PERPETUAL"

    @property
    def is_trading(self) -> bool:
        return self.status is SymbolStatus.TRADING

    def round_price_passive(self, price: Decimal, side: Side) -> Decimal:
        """Nearest tick that is no more aggressive than `price`: down for a buy, up for a sell."""
        rounding = round_down if side is Side.BUY else round_up
        return rounding(price, self.tick_size, self._price_origin)

    def round_price_aggressive(self, price: Decimal, side: Side) -> Decimal:
        """Nearest tick that is at least as aggressive as `price`: up for a buy, down for a sell."""
        rounding = round_up if side is Side.BUY else round_down
        return rounding(price, self.tick_size, self._price_origin)

    def round_price_nearest(self, price: Decimal) -> Decimal:
        return round_nearest(price, self.tick_size, self._price_origin)

    @property
    def _price_origin(self) -> Decimal:
        # The filter counts ticks from minPrice, which matters when minPrice is no multiple of the tick.
        return self.min_price

    def smallest_quantity(self, price: Decimal) -> Decimal:
        """Smallest quantity that passes both lot filters and the minimum notional at `price`.

        Raises ValueError when there is none: above a maximum, or because the two grids never meet.
        """
        quantity = self.lot.ceiling(self.min_notional / price)
        last = max(quantity, self.market_lot.min_quantity) + _common_multiple(
            self.lot.step, self.market_lot.step
        )
        while quantity <= last:
            if quantity * price < self.min_notional:
                quantity += self.lot.step
            on_market_grid = self.market_lot.ceiling(quantity)
            if on_market_grid == quantity:
                return quantity
            quantity = self.lot.ceiling(on_market_grid)
        raise ValueError(f"no quantity of {self.symbol} passes both lot filters")


def _common_multiple(step: Decimal, other: Decimal) -> Decimal:
    """Least common multiple: the distance after which two grids repeat against each other."""
    (top, bottom), (other_top, other_bottom) = step.as_integer_ratio(), other.as_integer_ratio()
    return Decimal(math.lcm(top * other_bottom, other_top * bottom)) / (bottom * other_bottom)
