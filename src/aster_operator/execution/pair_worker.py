"""Working a pair: which orders its legs want now.

The rules are symmetric in the legs and depend only on what each holds. While opening, the leg that holds
less must catch up with the other; while closing, the leg that holds more must. The leading leg works
towards the target on its own; the other only ever follows what the leading one *filled*. `plan` looks at
a pair and returns wishes; it sends nothing and remembers nothing but retry times.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import StrEnum

import msgspec

from aster_operator.domain.enums import PositionSide, Side
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.market import Quote
from aster_operator.domain.money import ZERO, round_down
from aster_operator.domain.orders import Pending, Unknown
from aster_operator.execution.order_tracker import OrderTracker, TrackedOrder
from aster_operator.execution.pair import Pair, PairLeg
from aster_operator.execution.policy import ExecutionPolicy, ExecutionStyle
from aster_operator.strategy.intents import PairPhase

__all__ = ["CancelWish", "OrderWish", "PairWorker", "Urgency", "Wish"]


class Urgency(StrEnum):
    REST = "rest"
    """Post-only at the own touch."""
    CROSS = "cross"
    """Immediate-or-cancel at the far touch plus the slippage cap."""
    FORCE = "force"
    """At market."""


class OrderWish(msgspec.Struct, frozen=True, kw_only=True):
    position_side: PositionSide
    side: Side
    quantity: Decimal
    urgency: Urgency
    price: Decimal | None
    reason: str


class CancelWish(msgspec.Struct, frozen=True, kw_only=True):
    client_order_id: str
    reason: str


Wish = OrderWish | CancelWish


class PairWorker:
    """Plans for pairs under one policy. `instruments` by symbol; `may_rest` says whether an order of a
    leg had better rest in the market of now; by default it had."""

    def __init__(
        self,
        policy: ExecutionPolicy,
        tracker: OrderTracker,
        instruments: dict[str, Instrument],
        may_rest: Callable[[PairLeg], bool] | None = None,
    ) -> None:
        self._market_allows = may_rest if may_rest is not None else lambda _leg: True
        self.policy = policy
        self._tracker = tracker
        self._instruments = instruments
        self._smallest_lots = {
            symbol: max(each.lot.min_quantity, each.market_lot.min_quantity)
            for symbol, each in instruments.items()
        }

    def plan(self, pair: Pair, quotes: dict[str, Quote], now_ms: int) -> list[Wish]:
        """Wishes for this instant; an empty list means there is nothing to do but wait.

        `quotes` must hold the symbols of both legs; without them nothing can be priced and nothing is
        wished for but cancels.
        """
        if pair.phase not in (PairPhase.OPENING, PairPhase.CLOSING):
            return []
        wishes: list[Wish] = []
        if not pair.is_balanced and pair.imbalance_since_ms is not None:
            age_ms = now_ms - pair.imbalance_since_ms
            ahead, behind = pair.ahead_and_behind
            if pair.flatten_now or not self._hedge_may_rest(pair, behind, now_ms, age_ms):
                # The lead stands still until the pair is hedged again.
                return list(self._hedge_at_once(pair, quotes, now_ms, age_ms))
            if behind is not pair.lead_leg:
                reason = "hedge what the other leg filled"
                quantity = self._to_follow(pair, ahead, behind)
                wishes += self._rest(pair, behind, quantity, quotes, now_ms, reason)
        wishes += self._advance_lead(pair, quotes, now_ms)
        return wishes

    def is_complete(self, pair: Pair) -> bool:
        """True when the phase has reached its end: balanced, at its target, nothing live."""
        if pair.has_live_orders or not pair.is_balanced:
            return False
        lead = pair.lead_leg
        # A fill that was learned late may have carried an opening beyond what it had settled for.
        return lead.held >= lead.target if pair.phase is PairPhase.OPENING else lead.is_flat

    def may_be_over(self, pair: Pair) -> bool:
        """False for a pair that both legs of could still be closed with orders of the venue's sizes."""
        return any(leg.is_flat or leg.held < self._smallest(leg) for leg in pair.legs)

    def holds_only_dust(self, pair: Pair, now_ms: int) -> bool:
        """True when all that is left is below the smallest order the venue takes: nobody can close that."""
        if pair.has_live_orders or all(leg.held == 0 for leg in pair.legs):
            return False
        if pair.phase is PairPhase.OPENING and not pair.flatten_now:
            since_ms = pair.imbalance_since_ms
            if since_ms is None or now_ms - since_ms < self.policy.imbalance_deadline_ms:
                return False
        return all(leg.held < self._smallest(leg) for leg in pair.legs)

    def _smallest(self, leg: PairLeg) -> Decimal:
        return self._smallest_lots[leg.symbol]

    # --- the leg that is behind ----------------------------------------------------------------------

    def _hedge_at_once(
        self, pair: Pair, quotes: dict[str, Quote], now_ms: int, age_ms: int
    ) -> Iterator[Wish]:
        # Crossing with own orders still resting on the same symbol would trade against ourselves.
        if pair.has_live_orders:
            yield from self._cancel_live(pair, "clear the way for the hedge", now_ms)
            return
        ahead, behind = pair.ahead_and_behind
        if pair.flatten_now or age_ms >= self.policy.imbalance_deadline_ms:
            yield from self._flatten(pair, ahead, behind, now_ms)
        elif now_ms >= behind.retry_at_ms:
            quantity = self._to_follow(pair, ahead, behind)
            yield from self._cross(pair, behind, quantity, quotes, "hedge what the other leg filled")

    def _to_follow(self, pair: Pair, ahead: PairLeg, behind: PairLeg) -> Decimal:
        """What the leg that is behind must trade to hedge the other, in whole lots of its own."""
        if pair.phase is PairPhase.CLOSING and ahead.is_flat:
            return self._whole_lots(behind, behind.held)
        return self._whole_lots(behind, abs(pair.imbalance) / behind.hedge.weight)

    def _whole_lots(self, leg: PairLeg, quantity: Decimal) -> Decimal:
        lot = self._instruments[leg.symbol].lot
        whole = round_down(quantity, lot.step, lot.min_quantity)
        return quantity if whole == quantity else whole

    def _flatten(self, pair: Pair, ahead: PairLeg, behind: PairLeg, now_ms: int) -> Iterator[Wish]:
        """Past the deadline: unwind the excess while opening, force the rest shut while closing."""
        larger, quantity = behind, self._to_follow(pair, ahead, behind)
        if pair.phase is PairPhase.OPENING:
            larger, quantity = ahead, self._excess(pair, ahead, behind)
            # What could not be hedged is given up: the pair settles for what both legs hold.
            pair.settle_for(pair.lead_leg.held - (quantity if ahead is pair.lead_leg else 0))
        if now_ms < larger.retry_at_ms or quantity <= 0:
            return
        yield OrderWish(
            position_side=larger.position_side,
            side=larger.opening_side.opposite,
            quantity=quantity,
            urgency=Urgency.FORCE,
            price=None,
            reason="the other leg could not follow: flatten the excess",
        )

    def _excess(self, pair: Pair, ahead: PairLeg, behind: PairLeg) -> Decimal:
        """What the leg that is ahead holds beyond its hedge; all of it while the other holds nothing, and no
        less than the venue takes."""
        if behind.is_flat:
            return self._whole_lots(ahead, ahead.held)
        piece = max(abs(pair.imbalance) / ahead.hedge.weight, ahead.grain)
        return self._whole_lots(ahead, min(piece, ahead.held))

    # --- the leading leg ------------------------------------------------------------------------------

    def _advance_lead(self, pair: Pair, quotes: dict[str, Quote], now_ms: int) -> Iterator[Wish]:
        leg = pair.lead_leg
        remaining = self._lead_remaining(pair)
        if remaining <= 0:
            # Live orders of the other leg alone are hedges, unless there is nothing to hedge.
            if leg.live_orders or pair.is_balanced:
                yield from self._cancel_live(pair, "target reached", now_ms)
            return
        if self._lead_may_rest(pair, now_ms):
            yield from self._rest(pair, leg, remaining, quotes, now_ms, pair.reason)
        elif pair.has_live_orders:
            yield from self._cancel_live(pair, "resting deadline passed", now_ms)
        elif now_ms >= leg.retry_at_ms:
            if leg.crosses < self.policy.cross_attempts:
                yield from self._cross(pair, leg, remaining, quotes, pair.reason)
            elif pair.phase is PairPhase.CLOSING:
                yield OrderWish(
                    position_side=leg.position_side,
                    side=leg.opening_side.opposite,
                    quantity=remaining,
                    urgency=Urgency.FORCE,
                    price=None,
                    reason="crossing did not close the leg",
                )

    def lead_is_exhausted(self, pair: Pair, quotes: dict[str, Quote], now_ms: int) -> bool:
        """True when an opening lead should settle for what it has: it has had its time and its crosses, or
        what is left to open is below the venue's minimum."""
        leg = pair.lead_leg
        if leg.live_orders:
            return False
        quote, remaining = quotes.get(leg.symbol), self._lead_remaining(pair)
        if quote is not None and remaining > 0:
            price = quote.touch(leg.opening_side, passive=True)
            if not self._is_tradable(pair, leg, remaining, price):
                return True
        return not self._lead_may_rest(pair, now_ms) and leg.crosses >= self.policy.cross_attempts

    def _lead_remaining(self, pair: Pair) -> Decimal:
        leg = pair.lead_leg
        if pair.phase is PairPhase.OPENING:
            return leg.target - leg.held
        return ZERO if leg.is_flat else self._whole_lots(leg, leg.held)

    def _lead_may_rest(self, pair: Pair, now_ms: int) -> bool:
        return self._is_resting_time(pair, now_ms) and self._market_allows(pair.lead_leg)

    def _hedge_may_rest(self, pair: Pair, behind: PairLeg, now_ms: int, age_ms: int) -> bool:
        in_time = age_ms < self.policy.hedge_rest_ms and self._is_resting_time(pair, now_ms)
        return in_time and self._market_allows(behind)

    def _is_resting_time(self, pair: Pair, now_ms: int) -> bool:
        """False once nothing of the pair rests any longer: what is not hedged crosses, then the lead does."""
        in_time = now_ms - pair.phase_since_ms < self.policy.lead_deadline_ms
        return in_time and self.policy.style is ExecutionStyle.MAKER_FIRST and not pair.urgent

    # --- the three ways to trade ----------------------------------------------------------------------

    def _rest(
        self,
        pair: Pair,
        leg: PairLeg,
        quantity: Decimal,
        quotes: dict[str, Quote],
        now_ms: int,
        reason: str,
    ) -> Iterator[Wish]:
        quote = quotes.get(leg.symbol)
        if quote is None:
            return
        side = self._working_side(pair, leg)
        price = quote.touch(side, passive=True)
        uncovered = quantity
        for tracked in self._live(leg):
            uncovered -= tracked.remaining_quantity
            if self._should_repeg(tracked, price, now_ms):
                yield CancelWish(client_order_id=tracked.client_order_id, reason="re-peg to the touch")
        if now_ms < leg.retry_at_ms or any(self._is_leaving(tracked) for tracked in self._live(leg)):
            return
        if uncovered <= 0:
            return
        if not self._is_tradable(pair, leg, uncovered, price):
            # A crumb below the venue's minimum joins the order already resting, once no more will follow.
            if self._lead_remaining(pair) <= 0:
                for tracked in self._live(leg):
                    yield CancelWish(client_order_id=tracked.client_order_id, reason="merge the rest")
        else:
            yield OrderWish(
                position_side=leg.position_side,
                side=side,
                quantity=uncovered,
                urgency=Urgency.REST,
                price=price,
                reason=reason,
            )

    def _should_repeg(self, tracked: TrackedOrder, touch: Decimal, now_ms: int) -> bool:
        if isinstance(tracked.state, Pending | Unknown):
            return False
        if self._is_leaving(tracked):
            return self._may_cancel(tracked, now_ms)
        return tracked.order.price != touch and now_ms - tracked.state.since_ms >= self.policy.repeg_ms

    @staticmethod
    def _is_leaving(tracked: TrackedOrder) -> bool:
        return tracked.cancel_requested_ms is not None

    def _may_cancel(self, tracked: TrackedOrder, now_ms: int) -> bool:
        """True for an order known to live whose cancel was not asked for yet, or came to nothing."""
        if tracked.ends_at_once or isinstance(tracked.state, Pending | Unknown):
            return False
        asked_ms = tracked.cancel_requested_ms
        return asked_ms is None or now_ms - asked_ms >= self.policy.answer_deadline_ms

    def _cross(
        self, pair: Pair, leg: PairLeg, quantity: Decimal, quotes: dict[str, Quote], reason: str
    ) -> Iterator[Wish]:
        quote = quotes.get(leg.symbol)
        if quote is None:
            return
        side = self._working_side(pair, leg)
        touch = quote.touch(side, passive=False)
        limit = touch * (1 + side.sign * self.policy.slippage_cap_bps / 10_000)
        price = self._instruments[leg.symbol].round_price_passive(limit, side)
        if not self._is_tradable(pair, leg, quantity, price):
            return
        yield OrderWish(
            position_side=leg.position_side,
            side=side,
            quantity=quantity,
            urgency=Urgency.CROSS,
            price=price,
            reason=reason,
        )

    def _cancel_live(self, pair: Pair, reason: str, now_ms: int) -> Iterator[Wish]:
        for leg in pair.legs:
            for tracked in self._live(leg):
                if self._may_cancel(tracked, now_ms):
                    yield CancelWish(client_order_id=tracked.client_order_id, reason=reason)

    def _working_side(self, pair: Pair, leg: PairLeg) -> Side:
        opening = pair.phase is PairPhase.OPENING
        return leg.opening_side if opening else leg.opening_side.opposite

    def _is_tradable(self, pair: Pair, leg: PairLeg, quantity: Decimal, price: Decimal) -> bool:
        """Opening orders must carry the venue's minimum; orders that reduce a position are exempt from it."""
        instrument = self._instruments[leg.symbol]
        if pair.phase is PairPhase.CLOSING and not leg.is_spot:
            return quantity >= instrument.lot.min_quantity
        return quantity >= instrument.smallest_quantity(price)

    def _live(self, leg: PairLeg) -> Iterator[TrackedOrder]:
        for client_order_id in tuple(leg.live_orders):
            tracked = self._tracker.get(client_order_id)
            if tracked is not None:
                yield tracked
