"""What cannot wait for the next event: orders whose fate decides whether a position stands protected."""

from collections.abc import Iterable, Iterator

from aster_operator.domain.orders import Pending, Unknown
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.order_desk import OrderDesk
from aster_operator.execution.order_tracker import TrackedOrder
from aster_operator.execution.positions.position import ManagedPosition
from aster_operator.execution.positions.worker import LOOK_EVERY_MS, PositionWorker

__all__ = ["Urgency"]

_MAX_DOUBLINGS = 4
_ANSWER_MS = 300
"""A request without any answer is asked about after this: most are answered by then."""


class Urgency:
    """While a position stands open to harm, time itself brings it forward, not only the market."""

    def __init__(self, state: CoreState, orders: OrderDesk, worker: PositionWorker) -> None:
        self._state = state
        self._orders = orders
        self._worker = worker

    def due_ms(self, positions: Iterable[ManagedPosition]) -> int | None:
        """When to look again although nothing happens; None when everything held is protected."""
        urgent = any(self._is_urgent(position) for position in positions)
        return self._state.now_ms + LOOK_EVERY_MS if urgent else None

    def _is_urgent(self, position: ManagedPosition) -> bool:
        entry = self._state.tracker.get(position.entry.client_order_id)
        if entry is not None and not entry.is_final and not self._is_patient(entry):
            return True
        return self._worker.stands_open(position)

    def ask(self, positions: Iterable[ManagedPosition]) -> None:
        """Query what is not known of urgent positions, much sooner than other orders are asked about."""
        for position in positions:
            if self._is_urgent(position):
                for tracked in self._waiting(position):
                    self._orders.query(tracked)

    def _waiting(self, position: ManagedPosition) -> Iterator[TrackedOrder]:
        for client_order_id in (position.entry.client_order_id, *position.exits):
            tracked = self._state.tracker.get(client_order_id)
            if tracked is not None and not tracked.is_final and self._is_overdue(tracked):
                yield tracked

    def _is_overdue(self, tracked: TrackedOrder) -> bool:
        """Answers that keep finding nothing are asked for ever more rarely, and never two at a time."""
        now_ms = self._state.now_ms
        if not isinstance(tracked.state, Pending | Unknown) and not tracked.ends_at_once:
            return False
        wait_ms = LOOK_EVERY_MS << min(tracked.not_found_count, _MAX_DOUBLINGS)
        if tracked.awaits_query:
            wait_ms = self._state.settings.policy.answer_deadline_ms
        if isinstance(tracked.state, Pending):
            wait_ms = max(wait_ms, _ANSWER_MS)
        since_ms = tracked.state.since_ms if tracked.last_query_ms is None else tracked.last_query_ms
        return now_ms - since_ms >= wait_ms

    @staticmethod
    def _is_patient(entry: TrackedOrder) -> bool:
        """An entry the venue has not known several times in a row has most likely never arrived."""
        return isinstance(entry.state, Unknown) and entry.not_found_count > 2 * _MAX_DOUBLINGS
