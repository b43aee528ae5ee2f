"""Works one position forward: entry, protection, close, and tidying up. Never unprotected, never twice.

The stop goes first and rests until nothing is held. Everything here looks only at what is known of each
order, so that it does the same whichever way the news came: by stream, by answer, by query or not yet.
"""

from collections.abc import Iterator
from decimal import Decimal

from aster_operator.domain.closed_trades import ExitReason
from aster_operator.domain.commands import NotifyLevel
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import PartlyFilled, Refused, Rejected, Working
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.order_desk import OrderDesk
from aster_operator.execution.order_tracker import NOTHING_TO_REDUCE, TrackedOrder
from aster_operator.execution.positions.position import ExitKind, ManagedPosition, PositionPhase
from aster_operator.execution.positions.protection import (
    exit_order,
    exit_price,
    needed_exits,
    trails_itself,
)
from aster_operator.execution.positions.settings import PositionDeskSettings
from aster_operator.execution.positions.trailing import Trail

__all__ = ["LOOK_EVERY_MS", "PositionWorker"]

_THROUGH_TRIGGER = (-2021, -4135, -4142)
"""The venue's words for "this would trigger at once"."""
_MAX_RETRY_DOUBLINGS = 10
LOOK_EVERY_MS = 100
"""While something stands open to harm: often enough to try several times within half a second."""
_OPEN_RETRY_MS = 50
_MAX_OPEN_RETRY_MS = 2_000
"""Between tries to close what no stop protects."""


class PositionWorker:
    """Brings positions forward over the shared order desk."""

    def __init__(self, state: CoreState, orders: OrderDesk, settings: PositionDeskSettings) -> None:
        self._state = state
        self._orders = orders
        self._settings = settings

    # --- learning -------------------------------------------------------------------------------------

    def on_tracked(self, position: ManagedPosition, tracked: TrackedOrder) -> bool:
        """Fold an order's news in; True when it changed what is held."""
        client_order_id = tracked.client_order_id
        filled = tracked.filled_quantity - position.seen.get(client_order_id, ZERO)
        if filled > 0:
            position.seen[client_order_id] = tracked.filled_quantity
            self._move(position, tracked, filled)
        elif isinstance(tracked.state, Rejected) and client_order_id in position.exits:
            self._on_refused_exit(position, position.exits[client_order_id], tracked.state)
        elif tracked.is_final and position.exits.get(client_order_id) is ExitKind.CLOSE:
            self._note_failure(position)
        return filled > 0

    def _move(self, position: ManagedPosition, tracked: TrackedOrder, filled: Decimal) -> None:
        position.dirty = True
        kind = position.exits.get(tracked.client_order_id)
        if kind is None:
            position.held += filled
            position.reported_entry_price = tracked.average_price or tracked.order.price or ZERO
            if position.filled_ms is None:
                position.filled_ms = self._state.now_ms
                self._expect_followers(position)
            return
        if tracked.client_order_id not in position.absorbed:
            position.held -= filled
        position.failures = 0
        if position.reason is None:
            position.reason = kind.reason
        if position.exit_sent_ms is None:
            position.exit_sent_ms = self._state.now_ms

    def take_account(self, position: ManagedPosition) -> bool:
        """What the account stream shows of an entry whose own report has not come; True when that is news.

        The report may be lost, and a query may find nothing yet: what stands there must not wait for them.
        """
        entry = self._state.tracker.get(position.entry.client_order_id)
        if entry is None or entry.is_final or position.exits:
            return False
        shown = self._state.portfolio.held(position.symbol, position.position_side)
        filled = shown.quantity * position.side.sign - position.held
        if filled <= 0:
            return False
        position.seen[entry.client_order_id] = position.seen.get(entry.client_order_id, ZERO) + filled
        position.held += filled
        position.reported_entry_price = shown.entry_price
        if position.filled_ms is None:
            position.filled_ms = self._state.now_ms
            self._expect_followers(position)
        position.dirty = True
        return True

    def _expect_followers(self, position: ManagedPosition) -> None:
        """The entry has filled: the venue has placed these by now, or soon they are asked about."""
        tracker, now_ms = self._state.tracker, self._state.now_ms
        for order in position.followers:
            if tracker.get(order.client_order_id) is None:
                position.exits[order.client_order_id] = ExitKind.of(order.order_type)
                tracker.submitted(order, now_ms)
                tracker.outcome_unknown(order.client_order_id, "placed by the venue", None, now_ms)

    def _on_refused_exit(self, position: ManagedPosition, kind: ExitKind, refusal: Rejected) -> None:
        if refusal.code in NOTHING_TO_REDUCE and self._account_shows_nothing(position):
            self._take_as_gone(position)
        elif kind is ExitKind.CLOSE:
            position.must_ask = position.must_ask or refusal.code in NOTHING_TO_REDUCE
            self._note_failure(position)
        elif refusal.code in _THROUGH_TRIGGER:
            if kind is ExitKind.TRAILING:
                self._trail_here(position, armed=True)
            elif position.phase in (PositionPhase.ENTERING, PositionPhase.OPEN):
                reason = kind.reason or ExitReason.UNPROTECTED
                self.begin_close(position, reason, f"{kind} would trigger at once")
        elif refusal.code in NOTHING_TO_REDUCE:
            position.must_ask = True

    def _account_shows_nothing(self, position: ManagedPosition) -> bool:
        entry = self._state.tracker.get(position.entry.client_order_id)
        is_over = entry is None or entry.is_final
        return is_over and not self._state.portfolio.held(position.symbol, position.position_side).quantity

    def _take_as_gone(self, position: ManagedPosition) -> None:
        """The venue has nothing to reduce and the account shows nothing: the report of an exit was lost. Its
        query brings the fills; there is nothing to wait for, and nothing that could be protected."""
        position.held = ZERO
        position.dirty = True
        for tracked in tuple(self._live(position)):
            if tracked.reported:
                position.absorbed.add(tracked.client_order_id)
            self._orders.query(tracked)

    def _note_failure(self, position: ManagedPosition) -> None:
        """Wait before the next try: longer each time, but never long while nothing protects it."""
        policy, open_to_harm = self._state.settings.policy, self.stands_open(position)
        first_ms, most_ms = policy.retry_ms, policy.max_retry_ms
        if open_to_harm:
            first_ms, most_ms = _OPEN_RETRY_MS, _MAX_OPEN_RETRY_MS
        doubled_ms = first_ms * 2 ** min(position.failures, _MAX_RETRY_DOUBLINGS)
        position.failures += 1
        position.retry_at_ms = self._state.now_ms + min(doubled_ms, most_ms)

    # --- wishes ---------------------------------------------------------------------------------------

    def begin_close(self, position: ManagedPosition, reason: ExitReason, detail: str) -> None:
        """Close at the market as fast as possible; the first reason stands."""
        if position.phase not in (PositionPhase.ENTERING, PositionPhase.OPEN):
            return
        position.phase = PositionPhase.CLOSING
        position.reason, position.detail = reason, detail
        position.dirty = True
        self._state.notify(NotifyLevel.WARNING, f"closing {position.symbol}: {reason}, {detail}")

    def cancel_sibling_exit_orders(self, position: ManagedPosition) -> bool:
        """Cancel what is left of a flat position's exits; True once none of them lives any more."""
        live = list(self._live(position))
        for tracked in live:
            self._orders.cancel(tracked.client_order_id, f"{position.position_ref} is flat")
        return not live

    # --- work -----------------------------------------------------------------------------------------

    def work(self, position: ManagedPosition) -> None:
        """Everything this instant allows."""
        entry = self._state.tracker.get(position.entry.client_order_id)
        entry_lives = entry is not None and not entry.is_final
        if position.held > 0 and position.phase is PositionPhase.SETTLING:
            # Its entry or a correction by the venue came back: it must not stand there unwatched.
            position.phase = PositionPhase.OPEN
            position.settling_since_ms = None
            self.begin_close(position, ExitReason.VENUE, "holds something after its end")
        if entry is not None and isinstance(entry.state, Working | PartlyFilled) and not entry.ends_at_once:
            self._orders.cancel(entry.client_order_id, "what is not filled at once is not wanted")
        if position.phase is PositionPhase.ENTERING and not entry_lives and position.held > 0:
            position.phase = PositionPhase.OPEN
            position.dirty = True
        if position.held > 0 and position.phase in (PositionPhase.ENTERING, PositionPhase.OPEN):
            self._protect(position)
        if position.held > 0 and position.phase is PositionPhase.CLOSING:
            self._close(position)
            self._protect_the_closing(position)
            self._note_protection(position)
        if position.held <= 0 and not entry_lives and position.phase is not PositionPhase.SETTLING:
            position.phase = PositionPhase.SETTLING
            position.settling_since_ms = self._state.now_ms
            since_ms = position.unarmed_since_ms.pop(ExitKind.STOP, None)
            if since_ms is not None:
                position.unprotected_ms += self._state.now_ms - since_ms
            position.dirty = True

    def follow_mark(self, position: ManagedPosition, mark: Decimal) -> None:
        """Run the operator's own trailing stop."""
        trail = position.trail
        if trail is None or position.phase is not PositionPhase.OPEN:
            return
        before = trail.memory()
        if trail.follow(mark):
            detail = f"mark {plain_text(mark)} is {trail.callback_bps} bps off {plain_text(trail.best)}"
            self.begin_close(position, ExitReason.TRAILING_STOP, detail)
        elif trail.memory() != before:
            position.dirty = True

    # --- protection -----------------------------------------------------------------------------------

    def _protect(self, position: ManagedPosition) -> None:
        if position.trail is None and trails_itself(position, self._settings):
            self._trail_here(position, armed=False)
        for kind in tuple(needed_exits(position)):
            missing = position.held - self._covered(position, kind)
            if missing > 0:
                self._arm(position, kind, missing)
            elif missing < 0 and position.phase is PositionPhase.OPEN:
                self._shrink(position, kind)
            if position.phase is PositionPhase.CLOSING:
                return
            self._judge_deadline(position, kind)

    def _arm(self, position: ManagedPosition, kind: ExitKind, quantity: Decimal) -> None:
        """Try some times in a row, then again at every look, until it rests or its deadline has come."""
        tried, now_ms = position.attempts.get(kind, 0), self._state.now_ms
        if tried and tried % self._settings.guards.arm_attempts == 0 and now_ms < position.rearm_at_ms:
            return
        position.attempts[kind] = tried + 1
        position.rearm_at_ms = now_ms + LOOK_EVERY_MS
        refused = self._submit_exit(position, kind, quantity)
        if refused is not None:
            self._give_up(position, kind, f"{kind}: {refused.reason}")

    def _give_up(self, position: ManagedPosition, kind: ExitKind, detail: str) -> None:
        """The trailing stop can be run from here; without the other two nothing may be held."""
        if kind is ExitKind.TRAILING:
            self._trail_here(position, armed=False)
        else:
            self.begin_close(position, ExitReason.UNPROTECTED, detail)

    def _judge_deadline(self, position: ManagedPosition, kind: ExitKind) -> None:
        now_ms = self._state.now_ms
        since_ms = position.unarmed_since_ms.get(kind)
        resting = sum((tracked.remaining_quantity for tracked in self._resting(position, kind)), ZERO)
        if resting >= position.held:
            position.attempts.pop(kind, None)
            if kind is ExitKind.STOP:
                self._note_protection(position)
            position.unarmed_since_ms.pop(kind, None)
            return
        if since_ms is None:
            position.unarmed_since_ms[kind] = now_ms
        elif (
            now_ms + self._time_to_close_ms(position, kind) - since_ms
            >= self._settings.guards.arm_deadline_ms
        ):
            self._give_up(position, kind, f"{kind} did not rest within {now_ms - since_ms} ms")

    def _time_to_close_ms(self, position: ManagedPosition, kind: ExitKind) -> int:
        """How long before the deadline to give up: the next look would come too late. Where every try was
        refused and nothing is on its way, early enough to try the close more than once."""
        wanted_ms = LOOK_EVERY_MS if any(self._live(position, kind)) else 3 * LOOK_EVERY_MS
        return min(wanted_ms, self._settings.guards.arm_deadline_ms // 2)

    def _note_protection(self, position: ManagedPosition) -> None:
        """Add up for how long it has stood without a stop of its size, once one rests."""
        since_ms, now_ms = position.unarmed_since_ms.get(ExitKind.STOP), self._state.now_ms
        if since_ms is not None and not self.stands_open(position):
            del position.unarmed_since_ms[ExitKind.STOP]
            position.unprotected_ms += now_ms - since_ms
            position.protected_ms = position.protected_ms or now_ms
            position.dirty = True

    def _shrink(self, position: ManagedPosition, kind: ExitKind) -> None:
        """More rests than is held. What is too much goes, but never before what is to stay rests."""
        counted = list(self._counted(position, kind))
        fitting = next((each for each in counted if each.remaining_quantity == position.held), None)
        if fitting is None:
            self._submit_exit(position, kind, position.held)
            return
        if not isinstance(fitting.state, Working | PartlyFilled):
            return
        for tracked in counted:
            if tracked is not fitting:
                position.superseded.add(tracked.client_order_id)
                self._orders.cancel(tracked.client_order_id, "replaced by one of the size that is held")

    def _trail_here(self, position: ManagedPosition, *, armed: bool) -> None:
        callback_bps = position.plan.trailing_callback_bps
        if callback_bps is None or position.trail is not None:
            return
        instrument = self._state.instruments[position.symbol]
        position.trail = Trail(
            side=position.side,
            activation_price=exit_price(position, ExitKind.TRAILING, instrument),
            callback_bps=callback_bps,
            best=self._state.market.mark_of(position.symbol) or position.entry_price,
            armed=armed,
        )
        position.dirty = True

    def _protect_the_closing(self, position: ManagedPosition) -> None:
        """A close that failed leaves it standing: then a stop is tried for again beside the close."""
        wanted = position.failures > 0 and position.reason is not ExitReason.STOP_LOSS
        if not wanted or not self.stands_open(position) or self._state.now_ms < position.rearm_at_ms:
            return
        missing = position.held - self._covered(position, ExitKind.STOP)
        if missing > 0:
            position.rearm_at_ms = self._state.now_ms + _OPEN_RETRY_MS
            self._submit_exit(position, ExitKind.STOP, missing)

    # --- orders ---------------------------------------------------------------------------------------

    def _close(self, position: ManagedPosition) -> None:
        pending = self._covered(position, ExitKind.CLOSE)
        missing = position.held - pending
        if missing <= 0 or self._state.now_ms < position.retry_at_ms:
            return
        most = self._state.instruments[position.symbol].market_lot.max_quantity
        if position.exit_sent_ms is None:
            position.exit_sent_ms = self._state.now_ms
        refused = self._submit_exit(position, ExitKind.CLOSE, min(missing, most) if most > 0 else missing)
        if refused is not None:
            position.must_ask = True
            self._note_failure(position)

    def _submit_exit(self, position: ManagedPosition, kind: ExitKind, quantity: Decimal) -> Refused | None:
        client_order_id = self._orders.next_client_order_id(
            position.strategy, position.symbol, position.closing_side, position.position_side
        )
        instrument = self._state.instruments[position.symbol]
        order = exit_order(position, kind, quantity, instrument, client_order_id)
        # Known before it is sent: its first news may come with the answer.
        position.exits[client_order_id] = kind
        result = self._orders.submit(order)
        if isinstance(result, Refused):
            del position.exits[client_order_id]
            return result
        position.dirty = True
        return None

    def _live(self, position: ManagedPosition, kind: ExitKind | None = None) -> Iterator[TrackedOrder]:
        for client_order_id, its_kind in position.exits.items():
            tracked = self._state.tracker.get(client_order_id)
            if tracked is not None and not tracked.is_final and kind in (None, its_kind):
                yield tracked

    def _counted(self, position: ManagedPosition, kind: ExitKind) -> Iterator[TrackedOrder]:
        """Live orders to count on: not those the venue says it does not know, nor those on their way out."""
        for tracked in self._live(position, kind):
            if not tracked.is_lost and tracked.client_order_id not in position.superseded:
                yield tracked

    def _covered(self, position: ManagedPosition, kind: ExitKind) -> Decimal:
        return sum((tracked.remaining_quantity for tracked in self._counted(position, kind)), ZERO)

    def _resting(self, position: ManagedPosition, kind: ExitKind) -> Iterator[TrackedOrder]:
        for tracked in self._live(position, kind):
            if isinstance(tracked.state, Working | PartlyFilled):
                yield tracked

    def stands_open(self, position: ManagedPosition) -> bool:
        """True while more is held than resting stops cover."""
        stops = self._resting(position, ExitKind.STOP)
        return position.held > sum((tracked.remaining_quantity for tracked in stops), ZERO)

    def is_armed(self, position: ManagedPosition) -> bool:
        """True when every exit it needs rests at its size."""
        return all(
            sum((tracked.remaining_quantity for tracked in self._resting(position, kind)), ZERO)
            >= position.held
            for kind in needed_exits(position)
        )
