"""Everything the deciding core can ask of the world. Commands are imperative and serialisable.

A driver writes a command to the journal before it acts on it (architecture, section 2: crash safety).
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.enums import PositionSide
from aster_operator.domain.orders import Approved, NewOrder

__all__ = [
    "CancelOrder",
    "Command",
    "Notify",
    "NotifyLevel",
    "QueryOrder",
    "RecordDecision",
    "RecordPositionClosed",
    "RecordPositionOpened",
    "RequestSnapshot",
    "StopSession",
    "SubmitOrder",
]


class _Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at_ms: int
    """Market time of the decision."""


class SubmitOrder(_Command, frozen=True):
    order: Approved[NewOrder]


class CancelOrder(_Command, frozen=True):
    symbol: str
    client_order_id: str
    reason: str


class QueryOrder(_Command, frozen=True):
    """Ask the venue what became of an order; answered by OrderChanged or OrderNotFound."""

    symbol: str
    client_order_id: str


class RequestSnapshot(_Command, frozen=True):
    """Ask for VenueSnapshotTaken."""

    reason: str


class RecordDecision(_Command, frozen=True):
    """One decision in words, with the numbers it rests on, for the journal and the dashboard."""

    strategy: str
    symbol: str
    action: str
    reason: str
    numbers: dict[str, str]


class RecordPositionOpened(_Command, frozen=True):
    """A leg came into being, is about to (quantity zero, before its first order), or has grown.
    `position_ref` names it in the books until it is closed."""

    position_ref: str
    pair_ref: str
    symbol: str
    position_side: PositionSide
    opened_ms: int
    entry_price: Decimal
    quantity: Decimal
    leverage: int


class RecordPositionClosed(_Command, frozen=True):
    """A leg is gone. `exit_price` and `realized_pnl` are None when it was closed while nobody watched."""

    position_ref: str
    closed_ms: int
    entry_price: Decimal
    exit_price: Decimal | None
    quantity: Decimal
    realized_pnl: Decimal | None
    reason: str


class NotifyLevel(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Notify(_Command, frozen=True):
    level: NotifyLevel
    message: str


class StopSession(_Command, frozen=True):
    """The core is done: nothing of ours is in flight. `open_positions` counts what stays open by intent."""

    reason: str
    open_positions: int


Command = (
    SubmitOrder
    | CancelOrder
    | QueryOrder
    | RequestSnapshot
    | RecordDecision
    | RecordPositionOpened
    | RecordPositionClosed
    | Notify
    | StopSession
)
