"""Carries pairs through their life: opens, works, holds, closes, and keeps none of them lopsided."""

from decimal import Decimal

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.commands import NotifyLevel
from aster_operator.domain.enums import OrderType, PositionSide, TimeInForce
from aster_operator.domain.fills import Fill
from aster_operator.domain.market import Quote
from aster_operator.domain.money import plain_text, usd_text
from aster_operator.domain.orders import Cancelled, Expired, NewOrder, Refused, Rejected
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.cycle_view import pair_status
from aster_operator.execution.order_desk import OrderDesk
from aster_operator.execution.order_tracker import NOTHING_TO_REDUCE, TrackedOrder
from aster_operator.execution.pair import Pair, PairLeg
from aster_operator.execution.pair_worker import CancelWish, OrderWish, PairWorker, Urgency
from aster_operator.execution.position_records import closing_records, opening_record
from aster_operator.execution.resting_rule import RestingRule
from aster_operator.strategy.intents import ClosePair, OpenPair, PairPhase
from aster_operator.strategy.parameters import DeltaNeutralParameters

__all__ = ["PairManager"]

_MAX_RETRY_DOUBLINGS = 6


class PairManager:
    """Works all pairs of the session over one order desk."""

    def __init__(
        self, state: CoreState, orders: OrderDesk, parameters: DeltaNeutralParameters, strategy_name: str
    ) -> None:
        self._state = state
        self._orders = orders
        self._parameters = parameters
        self._strategy_name = strategy_name
        policy = state.settings.policy
        rule = RestingRule(parameters.costs, state.market, policy.repeg_ms)
        self._worker = PairWorker(policy, state.tracker, dict(state.instruments), rule.may_rest)
        self._pair_sequence = 0

    # --- orders of the pairs --------------------------------------------------------------------------

    def on_own_fill(self, fill: Fill) -> bool:
        """Book a fill of an order of a pair; False when it is of no pair."""
        owner = self._state.pairs.apply_fill(fill, self._state.now_ms)
        if owner is not None and owner[1].is_spot:
            self._state.portfolio.book_spot_result(owner[1].result_of(fill))
        self._record_opening(owner)
        return owner is not None

    def on_foreign_fill(self, fill: Fill) -> bool:
        """A fill of nobody's order we know moves the leg it hits; False when it hits none."""
        state = self._state
        owner = state.pairs.apply_foreign_fill(fill, state.now_ms)
        if owner is not None:
            state.notify(
                NotifyLevel.CRITICAL,
                f"{fill.side} {fill.quantity} {fill.symbol} {fill.position_side} was filled by "
                f"{fill.client_order_id}, which is not our order",
            )
        self._record_opening(owner)
        return owner is not None

    def _record_opening(self, owner: tuple[Pair, PairLeg] | None) -> None:
        if owner is not None and owner[0].phase is PairPhase.OPENING:
            self._record(*owner)

    def on_tracked(self, tracked: TrackedOrder) -> None:
        """An own order changed: move what its leg holds, and note how it ended."""
        state = self._state
        owner = state.pairs.owner(tracked.client_order_id)
        if owner is None:
            return
        pair, leg = owner
        was_live, was_closed = tracked.client_order_id in leg.live_orders, pair.phase is PairPhase.CLOSED
        state.pairs.apply_order(tracked, state.now_ms)
        if was_closed and pair.phase is not PairPhase.CLOSED:
            state.notify(
                NotifyLevel.CRITICAL,
                f"{leg.symbol} {leg.position_side}: an order of a finished pair came back: closing",
            )
        # Reports are repeated by design; an order ends once.
        if was_live and tracked.is_final:
            self._note_end(pair, leg, tracked)

    def _note_end(self, pair: Pair, leg: PairLeg, tracked: TrackedOrder) -> None:
        """Space out retries: an order that was refused or found nothing makes the next one wait longer."""
        refused = isinstance(tracked.state, Rejected)
        unasked = isinstance(tracked.state, Expired) or (
            isinstance(tracked.state, Cancelled) and tracked.cancel_requested_ms is None
        )
        fruitless = refused or (unasked and tracked.filled_quantity == 0)
        if not fruitless:
            return
        policy = self._state.settings.policy
        if not refused and tracked.order.time_in_force is TimeInForce.GTX:
            # The market moved onto the post-only price: that is weather, not failure.
            leg.retry_at_ms = self._state.now_ms + policy.retry_ms
            return
        leg.failures += 1
        doubled_ms = policy.retry_ms * 2 ** min(leg.failures - 1, _MAX_RETRY_DOUBLINGS)
        leg.retry_at_ms = self._state.now_ms + min(doubled_ms, policy.max_retry_ms)
        if isinstance(tracked.state, Rejected) and tracked.state.code in NOTHING_TO_REDUCE:
            # What it should close is not there: the venue is asked, and has its answer in before a next try.
            pair.unconfirmed = True
            leg.retry_at_ms = max(leg.retry_at_ms, self._state.now_ms + policy.blind_poll_ms)
        if not refused or pair.phase is not PairPhase.OPENING:
            return
        # An opening that the venue refuses is not insisted on: what stands is hedged or unwound.
        if leg is not pair.lead_leg and not pair.is_balanced:
            pair.flatten_now = True
        elif leg is pair.lead_leg:
            pair.settle_for(leg.held)

    def _record(self, pair: Pair, leg: PairLeg) -> None:
        leverage = self._state.settings.limits.leverage
        self._state.emit(opening_record(pair, leg, leverage, self._state.now_ms))

    # --- intents --------------------------------------------------------------------------------------

    def open(self, intent: OpenPair) -> None:
        self._pair_sequence += 1
        pair_ref = f"{self._state.settings.run_id}-{self._pair_sequence}"
        marks = {
            symbol: mark
            for symbol in (intent.long_symbol, intent.short_symbol)
            if (mark := self._state.market.mark_of(symbol)) is not None
        }
        pair = self._state.pairs.open(pair_ref, intent, self._state.now_ms, marks)
        # Before the first order is on the wire: a fill that comes after a crash must find its pair.
        for leg in pair.legs:
            self._record(pair, leg)

    def close(self, intent: ClosePair) -> None:
        pair = self._state.pairs.pairs[intent.pair_ref]
        if intent.urgent and not (pair.phase is PairPhase.CLOSING and pair.urgent):
            self._state.notify(NotifyLevel.WARNING, f"closing {pair.name}: {intent.reason}")
            self._cool_down(pair)
        if pair.phase is PairPhase.HOLDING and pair.is_balanced:
            pair.observe_market(self._marks(pair), complete=False)
        self._state.pairs.close(pair, intent, self._state.now_ms)

    def close_lone_legs(self) -> None:
        """A held pair that is no longer balanced has lost a leg to something: close the rest now."""
        for pair in self._state.pairs.active():
            if pair.phase is not PairPhase.HOLDING:
                continue
            if not pair.is_balanced:
                self.close_now(pair, f"lone leg: {pair.long.held} long against {pair.short.held} short")
            elif pair.held_marks is None:
                pair.observe_market(self._marks(pair), complete=True)

    def close_now(self, pair: Pair, reason: str, *, by_owner: bool = False) -> None:
        """Close a pair crossing the spread, the larger leg first, else the riskier; nothing new for one
        already closing so. `by_owner` for a wish, not a danger."""
        if pair.phase is PairPhase.CLOSING and pair.urgent:
            return
        larger = PositionSide.LONG if pair.imbalance > 0 else PositionSide.SHORT
        self.close(
            ClosePair(
                pair_ref=pair.pair_ref,
                lead=larger if pair.imbalance else pair_status(self._state, pair).riskier_side,
                urgent=True,
                reason=reason,
                by_owner=by_owner,
            )
        )

    def settle_opening(self, pair: Pair, reason: str) -> None:
        """An opening keeps what is filled, hedges it at once and chases no more."""
        if pair.phase is not PairPhase.OPENING:
            return
        pair.urgent = True
        for client_order_id in tuple(pair.lead_leg.live_orders):
            self._orders.cancel(client_order_id, reason)
        if not pair.lead_leg.live_orders:
            pair.settle_for(pair.lead_leg.held)

    def retry_now(self) -> None:
        """The venue is back: what was refused while it was away need not be waited with any longer."""
        for pair in self._state.pairs.active():
            for leg in pair.legs:
                leg.failures = leg.retry_at_ms = 0

    def _cool_down(self, pair: Pair) -> None:
        cooldown_ms = self._parameters.reopen_cooldown_ms
        self._state.reopen_after_ms[pair.name] = self._state.now_ms + cooldown_ms

    # --- work -----------------------------------------------------------------------------------------

    def work(self) -> bool:
        """Bring every pair forward as far as this instant allows; True when a phase has just ended."""
        ended = False
        for pair in self._state.pairs.active():
            if pair.phase is PairPhase.HOLDING and not self._worker.may_be_over(pair):
                continue
            self._settle_for_less(pair, self._quotes(pair))
            if self._is_complete(pair):
                self._advance(pair)
                ended = True
                continue
            for wish in self._worker.plan(pair, self._quotes(pair), self._state.now_ms):
                if isinstance(wish, CancelWish):
                    self._orders.cancel(wish.client_order_id, wish.reason)
                elif not self._submit(pair, wish):
                    break
        return ended

    def _is_complete(self, pair: Pair) -> bool:
        # An order of an earlier run, or a fill counted twice, may hide that something is still held.
        is_over = pair.phase is PairPhase.CLOSING or pair.lead_leg.held == 0
        strays = self._state.strays
        if is_over and (pair.unconfirmed or any(strays.on_symbol(symbol) for symbol in pair.symbols)):
            return False
        return self._worker.is_complete(pair) or self._gives_up_dust(pair)

    def _gives_up_dust(self, pair: Pair) -> bool:
        """True when nothing but dust is left: the owner is told, and nobody waits for it any longer."""
        if not self._worker.holds_only_dust(pair, self._state.now_ms):
            return False
        left = ", ".join(
            f"{plain_text(leg.held)} {leg.symbol} {leg.position_side}" for leg in pair.legs if leg.held
        )
        self._state.notify(
            NotifyLevel.CRITICAL,
            f"{left} is left, less than the smallest order the venue takes: close it on the website",
        )
        return True

    def _settle_for_less(self, pair: Pair, quotes: dict[str, Quote]) -> None:
        """An opening lead that can get no further keeps what it has."""
        if pair.phase is not PairPhase.OPENING:
            return
        if self._worker.lead_is_exhausted(pair, quotes, self._state.now_ms):
            pair.settle_for(pair.lead_leg.held)

    def _submit(self, pair: Pair, wish: OrderWish) -> bool:
        leg = pair.leg(wish.position_side)
        other = pair.short if leg is pair.long else pair.long
        lags = leg.held * leg.hedge.weight < other.held * other.hedge.weight
        hedges = wish.side is leg.opening_side and lags
        result = self._orders.submit(self._new_order(leg, wish), hedges=hedges)
        if isinstance(result, Refused):
            leg.retry_at_ms = self._state.now_ms + self._state.settings.policy.retry_ms
            if hedges:
                pair.flatten_now = True
            elif pair.phase is PairPhase.OPENING:
                pair.settle_for(leg.held if pair.is_one_symbol else pair.lead_leg.held)
            return False
        self._state.pairs.attach(pair, leg, result.client_order_id)
        if wish.urgency is not Urgency.REST:
            leg.crosses += 1
        return True

    def _new_order(self, leg: PairLeg, wish: OrderWish) -> NewOrder:
        state = self._state
        instrument = state.instruments[leg.symbol]
        at_market = wish.urgency is Urgency.FORCE
        lot = instrument.market_lot if at_market else instrument.lot
        resting_or_not = TimeInForce.GTX if wish.urgency is Urgency.REST else TimeInForce.IOC
        return NewOrder(
            client_order_id=self._orders.next_client_order_id(
                self._strategy_name, leg.symbol, wish.side, leg.position_side
            ),
            symbol=leg.symbol,
            side=wish.side,
            position_side=leg.position_side,
            order_type=OrderType.MARKET if at_market else OrderType.LIMIT,
            quantity=min(wish.quantity, lot.max_quantity) if lot.max_quantity > 0 else wish.quantity,
            price=wish.price,
            time_in_force=None if at_market else resting_or_not,
            self_trade_prevention=state.settings.policy.self_trade_prevention,
            reason=wish.reason,
        )

    def _advance(self, pair: Pair) -> None:
        """Move a pair whose phase is complete on: to being held, or out of the book."""
        state = self._state
        dust = self._worker.holds_only_dust(pair, state.now_ms)
        if pair.phase is PairPhase.OPENING and not pair.lead_leg.is_flat and not dust:
            pair.phase = PairPhase.HOLDING
            pair.phase_since_ms = state.now_ms
            pair.flatten_now = pair.urgent = False
            for leg in pair.legs:
                leg.first_close_fill_ms = None
            pair.observe_market(self._marks(pair), complete=True)
            state.notify(NotifyLevel.INFO, _opened_text(pair))
            return
        if pair.phase is PairPhase.OPENING:
            pair.close_reason = "could not be opened"
            self._cool_down(pair)
        rotated = pair.phase is PairPhase.CLOSING and not pair.urgent
        marks = [state.market.mark_of(leg.symbol) or leg.exit_price for leg in pair.legs]
        summary = state.pairs.finish(pair, marks[0], marks[1], state.now_ms, rotated=rotated)
        held = "" if summary.hold_ms is None else f" after {summary.hold_ms / MINUTE_MS:.1f} min"
        state.notify(
            NotifyLevel.INFO,
            f"{pair.name} pair closed{held}: {usd_text(summary.pnl_usd)}, {summary.close_reason}",
        )
        state.out.extend(closing_records(pair, state.now_ms))

    def _marks(self, pair: Pair) -> tuple[Decimal | None, Decimal | None]:
        market = self._state.market
        return market.mark_of(pair.long.symbol), market.mark_of(pair.short.symbol)

    def _quotes(self, pair: Pair) -> dict[str, Quote]:
        found = ((leg.symbol, self._state.market.of(leg.symbol).quote) for leg in pair.legs)
        return {symbol: quote for symbol, quote in found if quote is not None}


def _opened_text(pair: Pair) -> str:
    long, short = pair.legs
    if pair.is_one_symbol:
        return (
            f"{pair.name} pair open: {plain_text(long.held)} long at {long.entry_price:.2f}, "
            f"as much short at {short.entry_price:.2f}"
        )
    return (
        f"{pair.name} pair open: {plain_text(long.held)} {long.symbol} long at "
        f"{plain_text(long.entry_price)}, {plain_text(short.held)} {short.symbol} short at "
        f"{plain_text(short.entry_price)}"
    )
