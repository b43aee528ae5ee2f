"""Orders that keep us waiting: whom to ask about, and when to believe that an order never existed."""

from collections.abc import Iterator

from aster_operator.domain.orders import Pending, Unknown
from aster_operator.execution.order_tracker import OrderTracker, TrackedOrder
from aster_operator.execution.policy import ExecutionPolicy

__all__ = ["OrderWatch"]

_NO_SUCH_ORDER = -2013


class OrderWatch:
    """Decides which live orders to query. An order is queried, never sent again."""

    def __init__(self, policy: ExecutionPolicy, tracker: OrderTracker) -> None:
        self._policy = policy
        self._tracker = tracker

    def overdue(self, now_ms: int, *, user_stream_healthy: bool) -> Iterator[TrackedOrder]:
        """Live orders to query now; marks them as asked."""
        for tracked in self._tracker.live():
            if self._is_overdue(tracked, now_ms, user_stream_healthy):
                tracked.last_query_ms = now_ms
                yield tracked

    def not_found(self, tracked: TrackedOrder, now_ms: int) -> bool:
        """Note that a query found nothing; True when the order may now be counted as never placed.

        Absence proves something only after several queries over a span in which a request still under way
        would have arrived or expired.
        """
        tracked.not_found_count += 1
        if not isinstance(tracked.state, Pending | Unknown):
            # It was reported alive before: the venue answered from a copy that lags. Ask again.
            return False
        waited_ms = now_ms - tracked.state.since_ms
        if tracked.not_found_count < self._policy.unknown_queries:
            return False
        if waited_ms < self._resolution_ms(tracked):
            return False
        cause = tracked.state.cause if isinstance(tracked.state, Unknown) else "no answer"
        self._tracker.refused(tracked.client_order_id, _NO_SUCH_ORDER, f"never arrived ({cause})", now_ms)
        return True

    def _resolution_ms(self, tracked: TrackedOrder) -> int:
        """How long a request may still be on its way: with an unclear answer it has left us, without any it
        may not even have been sent."""
        answered = isinstance(tracked.state, Unknown)
        return self._policy.unknown_resolution_ms if answered else self._policy.pending_resolution_ms

    def _is_overdue(self, tracked: TrackedOrder, now_ms: int, user_stream_healthy: bool) -> bool:
        deadline_ms = self._policy.answer_deadline_ms
        if tracked.last_query_ms is not None and now_ms - tracked.last_query_ms < deadline_ms:
            return False
        if isinstance(tracked.state, Unknown):
            return True
        waited_ms = now_ms - tracked.state.since_ms
        if isinstance(tracked.state, Pending) or tracked.ends_at_once:
            return waited_ms >= deadline_ms
        if tracked.cancel_requested_ms is not None:
            return now_ms - tracked.cancel_requested_ms >= deadline_ms
        if not user_stream_healthy:
            return waited_ms >= deadline_ms
        last_ms = max(tracked.state.since_ms, tracked.last_query_ms or 0)
        return now_ms - last_ms >= self._policy.resting_query_ms
