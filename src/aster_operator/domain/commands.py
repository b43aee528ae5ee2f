"""Everything the deciding core can ask of the world. Commands are imperative and serialisable.

A driver writes a command to the journal before it acts on it (architecture, section 2: crash safety).
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.closed_trades import ClosedTrade
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.orders import Approved, NewOrder
from aster_operator.domain.pairing import LegHedge

__all__ = [
    "CancelOrder",
    "Command",
    "Notify",
    "NotifyLevel",
    "QueryOrder",
    "RecordDecision",
    "RecordPositionClosed",
    "RecordPositionOpened",
    "RecordTrade",
    "Remember",
    "RequestFills",
    "RequestSnapshot",
    "StopSession",
    "SubmitOrder",
]


class _Command(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    at_ms: int
    """Market time of the decision."""


class SubmitOrder(_Command, frozen=True):
    """Send an order. `followers` go in the same request: the venue places them the moment it fills."""

    order: Approved[NewOrder]
    followers: tuple[Approved[NewOrder], ...] = ()


class CancelOrder(_Command, frozen=True):
    symbol: str
    client_order_id: str
    reason: str


class QueryOrder(_Command, frozen=True):
    """Ask the venue what became of an order; answered by OrderChanged or OrderNotFound."""

    symbol: str
    client_order_id: str


class RequestSnapshot(_Command, frozen=True):
    """Ask for VenueSnapshotTaken. `symbols`: whose open orders to read; none named: everybody's, which is
    much dearer."""

    reason: str
    symbols: tuple[str, ...] = ()


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
    hedge: LegHedge = LegHedge()


class RecordPositionClosed(_Command, frozen=True):
    """A leg is gone. `exit_price` and `realized_pnl` are None when it was closed while nobody watched."""

    position_ref: str
    closed_ms: int
    entry_price: Decimal
    exit_price: Decimal | None
    quantity: Decimal
    realized_pnl: Decimal | None
    reason: str
    worst_imbalance: Decimal | None = None
    """The most by which the legs of its pair ever failed to hedge each other, in the pair's own measure; None
    when nobody watched."""
    longest_imbalance_ms: int | None = None


class RecordTrade(_Command, frozen=True):
    """A position is finished: its one row with everything about it."""

    trade: ClosedTrade


class Remember(_Command, frozen=True):
    """Keep `state` (a JSON text) for the next start, under the strategy's name and a key; None forgets it."""

    strategy: str
    key: str
    state: str | None


class RequestFills(_Command, frozen=True):
    """Ask for FillLearned of every own trade on a symbol since a time: some went by unheard."""

    symbol: str
    since_ms: int
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
    | RequestFills
    | RecordDecision
    | RecordPositionOpened
    | RecordPositionClosed
    | RecordTrade
    | Remember
    | Notify
    | StopSession
)
