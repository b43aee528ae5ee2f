"""Life of every own order, from intent to its final state, under duplicated, late and missing reports.

The tracker is a pure fold over facts. Whatever order the facts arrive in, the filled quantity only grows
and a final state stays final; the highest filled quantity any source has reported is believed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.enums import OrderStatus, OrderType, TimeInForce
from aster_operator.domain.fills import Fill
from aster_operator.domain.money import ZERO
from aster_operator.domain.orders import (
    Cancelled,
    Expired,
    Filled,
    NewOrder,
    OrderReport,
    OrderState,
    PartlyFilled,
    Pending,
    Rejected,
    Unknown,
    Working,
)

__all__ = ["NOTHING_TO_REDUCE", "OrderTracker", "TrackedOrder"]

NOTHING_TO_REDUCE = (-2022, -4118)
"""The venue's codes for an order that would close more than is held: what we think is held is gone."""

_FINAL = (Filled, Cancelled, Expired, Rejected)


@dataclass(slots=True)
class TrackedOrder:
    """One own order. `filled_quantity` is in base units; `cancel_requested_ms` is None until we asked."""

    order: NewOrder
    state: OrderState
    filled_quantity: Decimal = ZERO
    average_price: Decimal = ZERO
    cancel_requested_ms: int | None = None
    last_query_ms: int | None = None
    awaits_query: bool = False
    """A query is under way, or its answer was lost."""
    not_found_count: int = 0
    reported: bool = False
    """The venue has reported this order itself: it exists or existed there."""

    @property
    def client_order_id(self) -> str:
        return self.order.client_order_id

    @property
    def is_final(self) -> bool:
        return isinstance(self.state, _FINAL)

    @property
    def is_lost(self) -> bool:
        """True for a request of unknown outcome that the venue, when asked, did not know: count not on it."""
        return isinstance(self.state, Unknown) and self.not_found_count > 0

    @property
    def ends_at_once(self) -> bool:
        """True for orders that are final by nature as soon as they are accepted."""
        order = self.order
        at_once = order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        return at_once or order.order_type is OrderType.MARKET

    @property
    def remaining_quantity(self) -> Decimal:
        """Base units that may still fill; zero for final orders and for close-position orders."""
        if self.is_final or self.order.quantity is None:
            return ZERO
        return self.order.quantity - self.filled_quantity


@dataclass(slots=True)
class OrderTracker:
    """All orders of the session by client id, and the trade ids already booked."""

    _orders: dict[str, TrackedOrder] = field(default_factory=dict)
    _live: dict[str, TrackedOrder] = field(default_factory=dict)
    _booked_trades: set[tuple[str, int]] = field(default_factory=set)

    def get(self, client_order_id: str) -> TrackedOrder | None:
        return self._orders.get(client_order_id)

    def live(self) -> Iterator[TrackedOrder]:
        """Orders without a final state, oldest first."""
        return iter(tuple(self._live.values()))

    def submitted(self, order: NewOrder, at_ms: int) -> TrackedOrder:
        """Register an intent. Raises ValueError when the client id was used before."""
        if order.client_order_id in self._orders:
            raise ValueError(f"client order id {order.client_order_id} was used before")
        tracked = TrackedOrder(order=order, state=Pending(since_ms=at_ms))
        self._orders[order.client_order_id] = tracked
        self._live[order.client_order_id] = tracked
        return tracked

    def adopt(self, report: OrderReport) -> TrackedOrder:
        """Track an order of an earlier run from what the venue says about it."""
        order = NewOrder(
            client_order_id=report.client_order_id,
            symbol=report.symbol,
            side=report.side,
            position_side=report.position_side,
            order_type=report.original_type or report.order_type,
            quantity=report.quantity,
            price=report.price or None,
            reduce_only=report.reduce_only,
            close_position=report.close_position,
            stop_price=report.stop_price or None,
            reason="of an earlier run",
        )
        tracked = self.submitted(order, report.update_ms)
        self.apply_report(report)
        return tracked

    def apply_report(self, report: OrderReport) -> TrackedOrder | None:
        """Fold a venue report in; None when the order is not ours. Idempotent."""
        tracked = self._orders.get(report.client_order_id)
        if tracked is None:
            return None
        if report.filled_quantity > tracked.filled_quantity:
            tracked.filled_quantity = report.filled_quantity
            tracked.average_price = report.average_price
        tracked.not_found_count = 0
        tracked.awaits_query = False
        # An order counted as dead without a word from the venue may turn out to live.
        believed_dead = isinstance(tracked.state, Rejected) and not tracked.reported
        tracked.reported = True
        if not tracked.is_final or believed_dead:
            tracked.state = self._state_of(report, tracked)
            self._live[tracked.client_order_id] = tracked
            self._retire_if_final(tracked)
        elif isinstance(tracked.state, Cancelled | Expired) and tracked.state.filled_quantity < (
            tracked.filled_quantity
        ):
            # A fill that raced the cancel is learned after it: the state stays, its numbers grow.
            tracked.state = type(tracked.state)(
                since_ms=tracked.state.since_ms,
                order_id=report.order_id,
                filled_quantity=tracked.filled_quantity,
                average_price=tracked.average_price,
            )
        return tracked

    def is_new_fill(self, fill: Fill) -> bool:
        """True the first time this trade is seen: the guard against booking a fill twice."""
        key = (fill.symbol, fill.trade_id)
        if key in self._booked_trades:
            return False
        self._booked_trades.add(key)
        return True

    def refused(self, client_order_id: str, code: int, message: str, at_ms: int) -> TrackedOrder | None:
        """The venue definitely refused the order. None, and nothing changes, when it is not ours or a report
        already proved it alive."""
        tracked = self._orders.get(client_order_id)
        if tracked is None or not isinstance(tracked.state, Pending | Unknown):
            return None
        tracked.state = Rejected(since_ms=at_ms, code=code, message=message)
        self._retire_if_final(tracked)
        return tracked

    def outcome_unknown(
        self, client_order_id: str, cause: str, nonce_us: int | None, at_ms: int
    ) -> TrackedOrder | None:
        tracked = self._orders.get(client_order_id)
        if tracked is not None and isinstance(tracked.state, Pending):
            tracked.state = Unknown(since_ms=at_ms, nonce_us=nonce_us, cause=cause)
        return tracked

    def _state_of(self, report: OrderReport, tracked: TrackedOrder) -> OrderState:
        since_ms = report.update_ms
        order_id = report.order_id
        filled, average = tracked.filled_quantity, tracked.average_price
        match report.status:
            case OrderStatus.FILLED:
                return Filled(
                    since_ms=since_ms, order_id=order_id, filled_quantity=filled, average_price=average
                )
            case OrderStatus.CANCELED:
                return Cancelled(
                    since_ms=since_ms, order_id=order_id, filled_quantity=filled, average_price=average
                )
            case OrderStatus.EXPIRED:
                return Expired(
                    since_ms=since_ms, order_id=order_id, filled_quantity=filled, average_price=average
                )
            case OrderStatus.REJECTED:
                return Rejected(since_ms=since_ms, code=0, message="rejected by the venue")
            case _:
                if filled > 0:
                    return PartlyFilled(
                        since_ms=since_ms, order_id=order_id, filled_quantity=filled, average_price=average
                    )
                return Working(since_ms=since_ms, order_id=order_id)

    def _retire_if_final(self, tracked: TrackedOrder) -> None:
        if tracked.is_final:
            self._live.pop(tracked.client_order_id, None)
