"""Orders: what we ask for, what the venue reports, and the closed set of states in between."""

from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

from aster_operator.domain.enums import (
    OrderStatus,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    WorkingType,
)

__all__ = [
    "TRAILING_CALLBACK_PCT",
    "Approved",
    "Cancelled",
    "Expired",
    "Filled",
    "NewOrder",
    "OrderReport",
    "OrderState",
    "PartlyFilled",
    "Pending",
    "Refused",
    "Rejected",
    "Unknown",
    "Working",
]

TRAILING_CALLBACK_PCT = (Decimal("0.1"), Decimal(5))
"""The smallest and the largest callback of a trailing stop that the venue takes, in percent."""


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order we want to exist. Quantities in base units, prices in quote units.

    `quantity` is None only with `close_position`; `price` is None for orders that execute at market.
    `callback_rate_pct` is in percent as the venue wants it (1 = 1 %). `reason` says in words why.
    """

    client_order_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    order_type: OrderType
    quantity: Decimal | None
    price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    reduce_only: bool = False
    close_position: bool = False
    stop_price: Decimal | None = None
    activation_price: Decimal | None = None
    callback_rate_pct: Decimal | None = None
    working_type: WorkingType | None = None
    price_protect: bool = False
    self_trade_prevention: SelfTradePrevention | None = None
    reason: str = ""

    @property
    def opens_position(self) -> bool:
        """True when a fill enlarges the position (one-way orders open unless reduce-only)."""
        if self.position_side is PositionSide.BOTH:
            return not (self.reduce_only or self.close_position)
        return self.side is self.position_side.opening_side


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue says about one order, from REST or the user stream."""

    symbol: str
    order_id: int
    client_order_id: str
    side: Side
    position_side: PositionSide
    order_type: OrderType
    status: OrderStatus
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal
    price: Decimal
    update_ms: int
    stop_price: Decimal = Decimal(0)
    reduce_only: bool = False
    close_position: bool = False
    original_type: OrderType | None = None


T = TypeVar("T")


class Approved(msgspec.Struct, Generic[T], frozen=True):
    """A value that passed the risk gate: the only thing the sender accepts.

    Only `aster_operator.strategy.risk_manager` makes one (a test greps for it), so that nothing reaches the
    wire around the limits.
    """

    value: T


class Refused(msgspec.Struct, frozen=True):
    """The risk gate said no. `rule` names the limit, `reason` says it in words with the numbers."""

    rule: str
    reason: str


class _State(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    since_ms: int


class Pending(_State, frozen=True):
    """Journalled, perhaps on the wire; no answer yet."""


class Working(_State, frozen=True):
    order_id: int


class PartlyFilled(_State, frozen=True):
    order_id: int
    filled_quantity: Decimal
    average_price: Decimal


class Filled(_State, frozen=True):
    order_id: int
    filled_quantity: Decimal
    average_price: Decimal


class Cancelled(_State, frozen=True):
    order_id: int
    filled_quantity: Decimal
    average_price: Decimal


class Expired(_State, frozen=True):
    """Ended by the venue: an IOC remainder, a post-only order that would have taken, a dead symbol."""

    order_id: int
    filled_quantity: Decimal
    average_price: Decimal


class Rejected(_State, frozen=True):
    """Refused by the venue; it never existed there."""

    code: int
    message: str


class Unknown(_State, frozen=True):
    """The venue may or may not have acted. Resolved by stream or query, never by sending again."""

    nonce_us: int | None
    cause: str


OrderState = Pending | Working | PartlyFilled | Filled | Cancelled | Expired | Rejected | Unknown
