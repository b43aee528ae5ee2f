"""Executions and cash movements: the facts the books are made of."""

from decimal import Decimal

import msgspec

from aster_operator.domain.enums import LiquidityRole, OrderType, PositionSide, Side
from aster_operator.domain.pairing import Market, market_of, venue_symbol

__all__ = ["Fill", "IncomeRow"]


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One trade of ours. `commission` is what was paid (negative for a rebate) in `commission_asset`;
    `realized_pnl` is before commission. Identity: (symbol, trade_id)."""

    symbol: str
    trade_id: int
    order_id: int
    client_order_id: str
    side: Side
    position_side: PositionSide
    price: Decimal
    quantity: Decimal
    realized_pnl: Decimal
    commission: Decimal
    commission_asset: str
    role: LiquidityRole
    event_ms: int
    order_type: OrderType = OrderType.MARKET

    @property
    def notional(self) -> Decimal:
        return self.price * self.quantity

    @property
    def is_paid_in_base(self) -> bool:
        """True when the commission was taken out of the coins bought, as spot markets do."""
        is_spot = market_of(self.symbol) is Market.SPOT
        return is_spot and venue_symbol(self.symbol).startswith(self.commission_asset)

    @property
    def commission_value(self) -> Decimal:
        """The commission in quote units; coins count at the price of the trade."""
        return self.commission * self.price if self.is_paid_in_base else self.commission


class IncomeRow(msgspec.Struct, frozen=True, kw_only=True):
    """One settled row of the venue's income history. `income` is signed: negative was paid."""

    transaction_id: str
    symbol: str
    income_type: str
    income: Decimal
    asset: str
    time_ms: int
    trade_id: str = ""
