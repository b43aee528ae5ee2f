"""One position: what it is to be, what it holds, its exits, its books. State only."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.closed_trades import ExitReason
from aster_operator.domain.enums import OrderType, PositionSide, Side
from aster_operator.domain.fills import Fill
from aster_operator.domain.money import ZERO
from aster_operator.domain.orders import NewOrder
from aster_operator.execution.positions.trailing import Trail
from aster_operator.strategy.base import ExitPlan, OwnPosition

__all__ = [
    "ExitKind",
    "ManagedPosition",
    "PositionBooks",
    "PositionMemory",
    "PositionPhase",
    "own_position",
]


class PositionPhase(StrEnum):
    ENTERING = "entering"
    OPEN = "open"
    CLOSING = "closing"
    """Being closed at the market; its stop rests on until nothing is held."""
    SETTLING = "settling"
    """Flat: the exits left are being cancelled and the last fills awaited."""


class ExitKind(StrEnum):
    """What an exit order is for."""

    TAKE_PROFIT = "take_profit"
    STOP = "stop"
    TRAILING = "trailing"
    CLOSE = "close"

    @property
    def reason(self) -> ExitReason | None:
        """Why a position closed by such an order ended; None where whoever sent it knows."""
        return {
            ExitKind.TAKE_PROFIT: ExitReason.TAKE_PROFIT,
            ExitKind.STOP: ExitReason.STOP_LOSS,
            ExitKind.TRAILING: ExitReason.TRAILING_STOP,
        }.get(self)

    @classmethod
    def of(cls, order_type: OrderType) -> "ExitKind":
        return {
            OrderType.TAKE_PROFIT_MARKET: cls.TAKE_PROFIT,
            OrderType.STOP_MARKET: cls.STOP,
            OrderType.TRAILING_STOP_MARKET: cls.TRAILING,
        }.get(order_type, cls.CLOSE)


@dataclass(slots=True)
class PositionBooks:
    """Quantities, costs (price x quantity), fees and PnL of the fills known so far."""

    opened_quantity: Decimal = ZERO
    opened_cost: Decimal = ZERO
    closed_quantity: Decimal = ZERO
    closed_cost: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    first_open_ms: int | None = None
    last_close_ms: int | None = None
    entry_order_id: int | None = None
    exit_order_id: int | None = None
    exit_client_order_id: str | None = None

    def book(self, fill: Fill, *, opens: bool) -> None:
        self.fees += fill.commission
        if opens:
            self.opened_quantity += fill.quantity
            self.opened_cost += fill.notional
            self.entry_order_id = fill.order_id
            if self.first_open_ms is None or fill.event_ms < self.first_open_ms:
                self.first_open_ms = fill.event_ms
            return
        self.closed_quantity += fill.quantity
        self.closed_cost += fill.notional
        if self.last_close_ms is None or fill.event_ms >= self.last_close_ms:
            self.last_close_ms = fill.event_ms
            self.exit_order_id, self.exit_client_order_id = fill.order_id, fill.client_order_id

    @property
    def is_complete(self) -> bool:
        """True when as much is known to be closed as was opened."""
        return self.opened_quantity == self.closed_quantity

    @property
    def entry_price(self) -> Decimal | None:
        return self.opened_cost / self.opened_quantity if self.opened_quantity else None

    @property
    def exit_price(self) -> Decimal | None:
        return self.closed_cost / self.closed_quantity if self.closed_quantity else None


@dataclass(slots=True)
class ManagedPosition:
    """`held` is in unsigned base units and follows the venue's reports at once; the books follow the fills.

    `exits` names the kind of every exit order ever sent, by client order id; `seen` is the filled quantity
    of each order that `held` already counts. `unarmed_since_ms` says since when a needed exit does not rest.
    """

    position_ref: str
    strategy: str
    symbol: str
    side: Side
    position_side: PositionSide
    plan: ExitPlan
    decided_ms: int
    entry: NewOrder
    bid: Decimal | None
    ask: Decimal | None
    mark_at_entry: Decimal | None
    phase: PositionPhase = PositionPhase.ENTERING
    held: Decimal = ZERO
    reported_entry_price: Decimal = ZERO
    exits: dict[str, ExitKind] = field(default_factory=dict)
    followers: tuple[NewOrder, ...] = ()
    """Exits the venue places itself when the entry fills."""
    seen: dict[str, Decimal] = field(default_factory=dict)
    superseded: set[str] = field(default_factory=set)
    absorbed: set[str] = field(default_factory=set)
    """Orders that had ended when the venue last said what is held: their late fills are in it."""
    attempts: dict[ExitKind, int] = field(default_factory=dict)
    unarmed_since_ms: dict[ExitKind, int] = field(default_factory=dict)
    books: PositionBooks = field(default_factory=PositionBooks)
    trail: Trail | None = None
    reason: ExitReason | None = None
    detail: str = ""
    exit_sent_ms: int | None = None
    filled_ms: int | None = None
    protected_ms: int | None = None
    unprotected_ms: int = 0
    settling_since_ms: int | None = None
    retry_at_ms: int = 0
    rearm_at_ms: int = 0
    failures: int = 0
    must_ask: bool = False
    resumed: bool = False
    dirty: bool = True
    """Something changed that the memory has to keep."""

    @property
    def closing_side(self) -> Side:
        return self.side.opposite

    @property
    def entry_price(self) -> Decimal:
        """From the fills once all of them are known, until then what the reports said."""
        known = self.books.entry_price
        if known is None or (self.reported_entry_price and self.books.opened_quantity < self.held):
            return self.reported_entry_price
        return known

    @property
    def is_active(self) -> bool:
        """True until it is flat and being tidied up."""
        return self.phase is not PositionPhase.SETTLING

    def memory(self) -> "PositionMemory":
        return PositionMemory(
            position_ref=self.position_ref,
            strategy=self.strategy,
            symbol=self.symbol,
            side=self.side,
            position_side=self.position_side,
            plan=self.plan,
            decided_ms=self.decided_ms,
            entry=self.entry,
            bid=self.bid,
            ask=self.ask,
            mark_at_entry=self.mark_at_entry,
            phase=self.phase,
            entry_price=self.entry_price,
            filled_ms=self.filled_ms,
            protected_ms=self.protected_ms,
            unprotected_ms=self.unprotected_ms,
            exits=dict(self.exits),
            trail=None if self.trail is None else self.trail.memory(),
            funding=self.books.funding,
            reason=self.reason,
            detail=self.detail,
        )


class PositionMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What must survive the death of the process, written before the entry is on the wire."""

    position_ref: str
    strategy: str
    symbol: str
    side: Side
    position_side: PositionSide
    plan: ExitPlan
    decided_ms: int
    entry: NewOrder
    bid: Decimal | None
    ask: Decimal | None
    mark_at_entry: Decimal | None
    phase: PositionPhase
    entry_price: Decimal
    filled_ms: int | None
    protected_ms: int | None
    unprotected_ms: int
    exits: dict[str, ExitKind]
    trail: tuple[bool, Decimal] | None
    funding: Decimal
    reason: ExitReason | None
    detail: str

    def position(self) -> ManagedPosition:
        """The position to go on with; what it holds is for the venue to say."""
        position = ManagedPosition(
            position_ref=self.position_ref,
            strategy=self.strategy,
            symbol=self.symbol,
            side=self.side,
            position_side=self.position_side,
            plan=self.plan,
            decided_ms=self.decided_ms,
            entry=self.entry,
            bid=self.bid,
            ask=self.ask,
            mark_at_entry=self.mark_at_entry,
            phase=self.phase,
            reported_entry_price=self.entry_price,
            filled_ms=self.filled_ms,
            protected_ms=self.protected_ms,
            unprotected_ms=self.unprotected_ms,
            exits=dict(self.exits),
            reason=self.reason,
            detail=self.detail,
            resumed=True,
        )
        position.books.funding = self.funding
        return position


def own_position(position: ManagedPosition | None) -> OwnPosition | None:
    """What a strategy is shown of its position; None while nothing is held."""
    if position is None or position.held <= 0:
        return None
    return OwnPosition(
        side=position.side,
        quantity=position.held,
        entry_price=position.entry_price,
        opened_ms=position.filled_ms or position.decided_ms,
    )
