"""The desk every order goes over: numbered, passed by the risk gate, tracked, sent.

It also takes in what the venue answers to single orders and decides whom to ask again.
"""

from aster_operator.domain.client_ids import derive_client_order_id
from aster_operator.domain.commands import CancelOrder, NotifyLevel, QueryOrder, SubmitOrder
from aster_operator.domain.enums import PositionSide, Side
from aster_operator.domain.events import (
    CancelRefused,
    Feed,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRefusedByVenue,
)
from aster_operator.domain.orders import NewOrder, Refused
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.cycle_view import exposure_view
from aster_operator.execution.order_tracker import TrackedOrder
from aster_operator.execution.order_watch import OrderWatch

__all__ = ["OrderDesk"]


class OrderDesk:
    """Sends the orders of all strategies. `first_sequence` continues the numbering of an earlier run."""

    def __init__(self, state: CoreState) -> None:
        self._state = state
        self._sequence = state.settings.first_sequence
        self._watch = OrderWatch(state.settings.policy, state.tracker)

    # --- out ------------------------------------------------------------------------------------------

    def next_client_order_id(
        self, strategy: str, symbol: str, side: Side, position_side: PositionSide
    ) -> str:
        """Id for the next order; it stays the next one until an order has been sent."""
        return derive_client_order_id(
            self._state.settings.run_id, strategy, symbol, side, position_side, self._sequence
        )

    def take_client_order_id(
        self, strategy: str, symbol: str, side: Side, position_side: PositionSide
    ) -> str:
        """Id for an order that follows another: taken at once, since it is not sent by itself."""
        taken = self.next_client_order_id(strategy, symbol, side, position_side)
        self._sequence += 1
        return taken

    def submit(
        self, order: NewOrder, *, hedges: bool = False, followers: tuple[NewOrder, ...] = ()
    ) -> TrackedOrder | Refused:
        """Send an order, or return why the risk gate refused it.

        `hedges` marks an order that only completes what another leg has already filled. `followers` are for
        the venue to place when it fills; none of them is sent when one is refused.
        """
        approved = []
        for follower in followers:
            judged = self._state.risk_manager.approve_follower(follower, order, self._state.now_ms)
            if isinstance(judged, Refused):
                return judged
            approved.append(judged)
        verdict = self._state.risk_manager.approve(order, exposure_view(self._state), hedges=hedges)
        if isinstance(verdict, Refused):
            self._state.notify(
                NotifyLevel.WARNING,
                f"risk refused {order.side} {order.symbol} {order.position_side}: {verdict.reason}",
            )
            return verdict
        self._sequence += 1
        tracked = self._state.tracker.submitted(order, self._state.now_ms)
        self._state.emit(SubmitOrder(at_ms=self._state.now_ms, order=verdict, followers=tuple(approved)))
        return tracked

    def cancel(self, client_order_id: str, reason: str) -> None:
        """Ask for a cancel; repeated only when the last one has not ended the order in its time."""
        now_ms = self._state.now_ms
        tracked = self._state.tracker.get(client_order_id)
        if tracked is None or tracked.is_final:
            return
        asked_ms = tracked.cancel_requested_ms
        if asked_ms is not None and now_ms - asked_ms < self._state.settings.policy.answer_deadline_ms:
            return
        tracked.cancel_requested_ms = now_ms
        self._state.emit(
            CancelOrder(
                at_ms=self._state.now_ms,
                symbol=tracked.order.symbol,
                client_order_id=client_order_id,
                reason=reason,
            )
        )

    def query(self, tracked: TrackedOrder) -> None:
        tracked.last_query_ms, tracked.awaits_query = self._state.now_ms, True
        self._state.emit(
            QueryOrder(
                at_ms=self._state.now_ms,
                symbol=tracked.order.symbol,
                client_order_id=tracked.client_order_id,
            )
        )

    def query_overdue(self) -> None:
        """Ask about every order that keeps us waiting."""
        healthy = Feed.USER not in self._state.feeds_down
        for tracked in self._watch.overdue(self._state.now_ms, user_stream_healthy=healthy):
            self.query(tracked)

    def query_all_live(self) -> None:
        for tracked in self._state.tracker.live():
            self.query(tracked)

    def cancel_strays(self) -> None:
        """Ask for the cancel of what an earlier run left behind, again and again."""
        state = self._state
        for stray in state.strays.to_cancel(state.now_ms, state.settings.policy.answer_deadline_ms):
            state.emit(
                CancelOrder(
                    at_ms=state.now_ms,
                    symbol=stray.symbol,
                    client_order_id=stray.client_order_id,
                    reason="left behind by an earlier run",
                )
            )

    # --- in -------------------------------------------------------------------------------------------

    def on_refusal(self, event: OrderRefusedByVenue) -> TrackedOrder | None:
        """The order definitely does not exist; None when it is not ours or this is no news."""
        state = self._state
        tracked = state.tracker.refused(event.client_order_id, event.code, event.message, state.now_ms)
        if tracked is not None:
            state.notify(
                NotifyLevel.WARNING,
                f"venue refused {tracked.order.side} {tracked.order.symbol}: {event.code} {event.message}",
            )
        return tracked

    def on_unknown(self, event: OrderOutcomeUnknown) -> None:
        """Whether the order exists is unclear: ask, never send again."""
        now_ms = self._state.now_ms
        tracked = self._state.tracker.outcome_unknown(
            event.client_order_id, event.cause, event.nonce_us, now_ms
        )
        if tracked is not None and not tracked.is_final:
            self.query(tracked)

    def on_not_found(self, event: OrderNotFound) -> TrackedOrder | None:
        """The order, once it may be counted as never placed; None while that is not yet sure."""
        tracked = self._state.tracker.get(event.client_order_id)
        if tracked is None or tracked.is_final:
            return None
        tracked.awaits_query = False
        return tracked if self._watch.not_found(tracked, self._state.now_ms) else None

    def on_cancel_refused(self, event: CancelRefused) -> None:
        # "Unknown order" to a cancel usually means that it has just filled: ask what became of it.
        tracked = self._state.tracker.get(event.client_order_id)
        if tracked is not None and not tracked.is_final:
            self.query(tracked)
