"""Closed vocabularies of the venue, spelled as the wire spells them.

Source: protocol reference, sections 4.2, 4.3 and 7.
"""

from enum import StrEnum

__all__ = [
    "LiquidityRole",
    "MarginType",
    "OrderStatus",
    "OrderType",
    "PositionSide",
    "SelfTradePrevention",
    "Side",
    "SymbolStatus",
    "TimeInForce",
    "WorkingType",
]


class Side(StrEnum):
    """Direction of an order: what it does to the signed position."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL."""
        return 1 if self is Side.BUY else -1


class PositionSide(StrEnum):
    """Which position an order belongs to: BOTH in one-way mode, LONG or SHORT in hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"

    @property
    def opening_side(self) -> Side:
        """Order side that enlarges the position. Raises ValueError for BOTH, which has no such side."""
        if self is PositionSide.BOTH:
            raise ValueError("position side BOTH has no opening side")
        return Side.BUY if self is PositionSide.LONG else Side.SELL

    @property
    def closing_side(self) -> Side:
        """Order side that reduces the position. Raises ValueError for BOTH."""
        return self.opening_side.opposite


class OrderType(StrEnum):
    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def is_conditional(self) -> bool:
        """True for orders that wait for a trigger price."""
        return self not in (OrderType.LIMIT, OrderType.MARKET)

    @property
    def executes_as_market(self) -> bool:
        return self in (
            OrderType.MARKET,
            OrderType.STOP_MARKET,
            OrderType.TAKE_PROFIT_MARKET,
            OrderType.TRAILING_STOP_MARKET,
        )


class TimeInForce(StrEnum):
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    """Post-only: expires instead of taking."""
    HIDDEN = "HIDDEN"
    """Rests without being shown in the book."""


class WorkingType(StrEnum):
    """Price that triggers a conditional order."""

    CONTRACT_PRICE = "CONTRACT_PRICE"
    MARK_PRICE = "MARK_PRICE"


class MarginType(StrEnum):
    """As requests spell it; positionRisk answers in lower case (`isolated`, `cross`)."""

    ISOLATED = "ISOLATED"
    CROSSED = "CROSSED"


class SelfTradePrevention(StrEnum):
    """Which of two own orders dies instead of trading against the other."""

    EXPIRE_TAKER = "EXPIRE_TAKER"
    EXPIRE_MAKER = "EXPIRE_MAKER"
    EXPIRE_BOTH = "EXPIRE_BOTH"


class OrderStatus(StrEnum):
    """Order status on the wire (section 4.2)."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    NEW_INSURANCE = "NEW_INSURANCE"
    NEW_ADL = "NEW_ADL"

    @property
    def is_final(self) -> bool:
        """True when no further fill can follow."""
        return self in (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED)


class SymbolStatus(StrEnum):
    PENDING_TRADING = "PENDING_TRADING"
    TRADING = "TRADING"
    PRE_SETTLE = "PRE_SETTLE"
    SETTLING = "SETTLING"
    CLOSE = "CLOSE"


class LiquidityRole(StrEnum):
    MAKER = "MAKER"
    TAKER = "TAKER"
