"""Resting orders that an earlier run left behind: cancelled until they are gone, and never forgotten early.

A stray may still fill while it is being cancelled. Until the venue has been asked what is held after its
end, its symbol is not settled.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from aster_operator.domain.events import CancelRefused, OrderChanged
from aster_operator.domain.orders import OrderReport

__all__ = ["StrayOrder", "StrayOrders"]

_UNKNOWN_ORDER = -2011


@dataclass(slots=True)
class StrayOrder:
    client_order_id: str
    symbol: str
    asked_ms: int | None = None
    has_ended: bool = False


@dataclass(slots=True)
class StrayOrders:
    _orders: dict[str, StrayOrder] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._orders)

    def adopt(self, orders: Iterable[OrderReport]) -> None:
        for order in orders:
            self._orders[order.client_order_id] = StrayOrder(order.client_order_id, order.symbol)

    def knows(self, client_order_id: str) -> bool:
        return client_order_id in self._orders

    def on_symbol(self, symbol: str) -> bool:
        return any(stray.symbol == symbol for stray in self._orders.values())

    def to_cancel(self, now_ms: int, every_ms: int) -> Iterator[StrayOrder]:
        """Strays whose cancel is due, marked as asked for."""
        for stray in self._orders.values():
            due = stray.asked_ms is None or now_ms - stray.asked_ms >= every_ms
            if due and not stray.has_ended:
                stray.asked_ms = now_ms
                yield stray

    def has_ended(self, event: OrderChanged | CancelRefused) -> bool:
        """Note what was learned; True when it is news that a stray has ended."""
        if isinstance(event, OrderChanged):
            stray = self._orders.get(event.report.client_order_id)
            ended = event.report.status.is_final
        else:
            stray = self._orders.get(event.client_order_id)
            ended = event.code == _UNKNOWN_ORDER
        if stray is None or stray.has_ended or not ended:
            return False
        stray.has_ended = True
        return True

    def forget_ended(self) -> None:
        """What the ended ones left behind is known now."""
        self._orders = {name: stray for name, stray in self._orders.items() if not stray.has_ended}
