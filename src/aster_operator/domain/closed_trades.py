"""One finished trade of a single position, from the decision to the last fill, and what the market did."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.enums import PositionSide, Side

__all__ = ["ClosedTrade", "ExitReason", "MarketMeanwhile"]


class ExitReason(StrEnum):
    """Why a position ended."""

    TAKE_PROFIT = "TP"
    STOP_LOSS = "SL"
    TRAILING_STOP = "TSL"
    MARGIN = "MARGIN"
    """The margin kill switch."""
    DAILY_DRAWDOWN = "DAILY_DRAWDOWN_BLOCK"
    DAILY_CUTOFF = "DAILY_CUTOFF"
    """The time of day from which nothing is held."""
    UNPROTECTED = "UNPROTECTED"
    """An exit could not be rested at the exchange in time."""
    SIGNAL = "SIGNAL"
    """The strategy said so."""
    LIMIT = "LIMIT"
    """A limit of the account was breached."""
    OWNER = "OWNER"
    VENUE = "VENUE"
    """Closed by nobody here: liquidation, or somebody else on the account."""


class MarketMeanwhile(msgspec.Struct, frozen=True, kw_only=True):
    """The market from entry to exit. Prices in quote units; None is what nobody saw.

    Open to close and volumes are of trades; `mark_change_bps` is signed as the mark moved. Slippages are in
    bps, positive when we got the worse price than the touch or the middle when the order was sent. `mae_bps`
    and `mfe_bps` are the furthest the mark went against and for the position, both positive.
    """

    base_volume: Decimal | None = None
    quote_volume: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None
    vwap: Decimal | None = None
    mark_at_entry: Decimal | None = None
    mark_at_exit: Decimal | None = None
    mark_change_bps: Decimal | None = None
    entry_slippage_touch_bps: Decimal | None = None
    entry_slippage_mid_bps: Decimal | None = None
    exit_slippage_touch_bps: Decimal | None = None
    exit_slippage_mid_bps: Decimal | None = None
    mae_bps: Decimal | None = None
    mfe_bps: Decimal | None = None


class ClosedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """Times in ms of market time, money in USD. `side` is the entry's; `quantity` what was entered.

    `gross_pnl_usd` is before fees and funding, `net_pnl_usd` after both; funding is signed as settled. Exit
    price and money are None when the trades that closed it are not known.
    """

    position_ref: str
    strategy: str
    symbol: str
    side: Side
    position_side: PositionSide
    quantity: Decimal
    reason: ExitReason
    detail: str
    decided_ms: int
    entry_client_order_id: str
    entry_order_id: int | None
    entry_filled_ms: int | None
    entry_price: Decimal | None
    protected_ms: int | None
    unprotected_ms: int
    exit_client_order_id: str | None
    exit_order_id: int | None
    exit_sent_ms: int | None
    exit_filled_ms: int | None
    exit_price: Decimal | None
    fees_usd: Decimal | None
    funding_usd: Decimal
    gross_pnl_usd: Decimal | None
    net_pnl_usd: Decimal | None
    market: MarketMeanwhile
