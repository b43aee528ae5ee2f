"""Positions and balances as the venue reports them."""

from decimal import Decimal

import msgspec

from aster_operator.domain.enums import MarginType, PositionSide

__all__ = ["AccountSnapshot", "Balance", "PositionKey", "PositionReport", "SpotBalance"]


class PositionKey(msgspec.Struct, frozen=True, order=True):
    """Identity of a position. `account` is the main wallet or key label the operator trades for."""

    account: str
    symbol: str
    position_side: PositionSide


class PositionReport(msgspec.Struct, frozen=True, kw_only=True):
    """A position now. `quantity` is signed (negative for shorts, in hedge mode too)."""

    symbol: str
    position_side: PositionSide
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealized_pnl: Decimal
    liquidation_price: Decimal
    """Zero when the position cannot be liquidated at any positive price."""
    leverage: int
    margin_type: MarginType
    isolated_margin: Decimal
    max_notional: Decimal
    update_ms: int
    adl_quantile: int | None = None
    """Place in the queue for auto-deleveraging, 0 to 4 (4 is first); None: the venue was not asked."""

    @property
    def is_open(self) -> bool:
        return self.quantity != 0


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """Money of one asset in the futures wallet."""

    asset: str
    wallet_balance: Decimal
    cross_wallet_balance: Decimal
    available_balance: Decimal
    cross_unrealized_pnl: Decimal = Decimal(0)


class SpotBalance(msgspec.Struct, frozen=True, kw_only=True):
    """Money or coins of one asset in the spot wallet; `locked` is what open orders may take."""

    asset: str
    free: Decimal
    locked: Decimal

    @property
    def total(self) -> Decimal:
        return self.free + self.locked


class AccountSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Totals in USD and the balances by asset."""

    balances: tuple[Balance, ...]
    total_wallet_balance: Decimal
    total_unrealized_pnl: Decimal
    total_margin_balance: Decimal
    total_initial_margin: Decimal
    total_maintenance_margin: Decimal
    available_balance: Decimal
    can_trade: bool
    can_withdraw: bool
    update_ms: int
