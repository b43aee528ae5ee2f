"""All pairs of the session: which order belongs to which leg, and how a pair moves through its life.

OPENING → HOLDING → CLOSING → CLOSED. Order reports and fills come in, `PairSummary`s of finished pairs
stay behind for the report.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import msgspec

from aster_operator.domain.client_ids import is_own_client_order_id
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import pair_name
from aster_operator.execution.order_tracker import TrackedOrder
from aster_operator.execution.pair import Pair, PairLeg
from aster_operator.execution.pair_grain import set_grains
from aster_operator.execution.reconciliation import ResumedLeg, ResumedPair
from aster_operator.strategy.intents import ClosePair, OpenPair, PairPhase

__all__ = ["PairBook", "PairSummary"]


class PairSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A finished pair. `hold_ms` runs from the later leg's last opening fill to the first closing one, None
    when it never was complete; `rotated` when its time was over, `owner_closed` when its owner ended it.
    Imbalance in base units of the pairing's first symbol, PnL in USD after fees and funding. `market_pnl_usd`
    is the part of it that the market did to the complete pair."""

    pair_ref: str
    symbol: str
    """The pairing's name."""
    quantity: Decimal
    hold_ms: int | None
    rotated: bool
    owner_closed: bool
    close_reason: str
    worst_imbalance: Decimal
    longest_imbalance_ms: int
    pnl_usd: Decimal
    market_pnl_usd: Decimal = ZERO


class _Lifetime(NamedTuple):
    """When a finished pair held something, ms."""

    pair_ref: str
    first_ms: int
    last_ms: int


@dataclass(slots=True)
class PairBook:
    """`instruments` by symbol tell how fine each leg can be traded."""

    instruments: Mapping[str, Instrument] = field(default_factory=dict)
    pairs: dict[str, Pair] = field(default_factory=dict)
    finished: list[PairSummary] = field(default_factory=list)
    moves: int = 0
    """How often a leg has been moved by a report or a fill."""
    _leg_of_order: dict[str, tuple[Pair, PairLeg]] = field(default_factory=dict)
    _applied: dict[str, Decimal] = field(default_factory=dict)
    _newest_finished: dict[str, _Lifetime] = field(default_factory=dict)
    """By symbol."""

    def active(self) -> Iterator[Pair]:
        return iter(tuple(self.pairs.values()))

    def on_symbol(self, symbol: str) -> Pair | None:
        """The pair with a leg on `symbol`; None when there is none."""
        return next((pair for pair in self.pairs.values() if symbol in pair.symbols), None)

    def open(
        self, pair_ref: str, intent: OpenPair, now_ms: int, prices: Mapping[str, Decimal] | None = None
    ) -> Pair:
        """Begin a pair. `prices` by symbol tell how much the venue's smallest orders are."""
        prices = prices or {}
        short_quantity = intent.quantity if intent.short_quantity is None else intent.short_quantity
        pair = Pair(
            pair_ref=pair_ref,
            long=PairLeg(
                intent.long_symbol, PositionSide.LONG, target=intent.quantity, hedge=intent.long_hedge
            ),
            short=PairLeg(
                intent.short_symbol, PositionSide.SHORT, target=short_quantity, hedge=intent.short_hedge
            ),
            lead=intent.lead,
            phase=PairPhase.OPENING,
            phase_since_ms=now_ms,
            reason=intent.reason,
            name=intent.name,
        )
        set_grains(pair, self.instruments, prices)
        self.pairs[pair_ref] = pair
        return pair

    def resume(self, resumed: ResumedPair, now_ms: int, *, known_at_ms: int) -> Pair:
        """Take up a pair of an earlier run as a snapshot of `known_at_ms` shows it; an unbalanced one is
        closed at once, and one that holds nothing only waits for the orders it left behind."""
        long = _resumed_leg(resumed.long, PositionSide.LONG)
        short = _resumed_leg(resumed.short, PositionSide.SHORT)
        pair = Pair(
            pair_ref=resumed.pair_ref,
            long=long,
            short=short,
            lead=PositionSide.LONG,
            phase=PairPhase.CLOSING if resumed.holds_nothing else PairPhase.HOLDING,
            phase_since_ms=now_ms,
            reason="resumed",
            name=resumed.name or pair_name(long.symbol, short.symbol),
            urgent=resumed.holds_nothing,
        )
        set_grains(pair, self.instruments, {leg.symbol: leg.entry_price for leg in pair.legs})
        pair.long.known_at_ms = pair.short.known_at_ms = known_at_ms
        self.pairs[pair.pair_ref] = pair
        pair.observe_imbalance(now_ms)
        return pair

    def close(self, pair: Pair, intent: ClosePair, now_ms: int) -> None:
        """Start closing; a pair already closing only becomes more urgent."""
        if pair.phase is not PairPhase.CLOSING:
            pair.phase = PairPhase.CLOSING
            pair.phase_since_ms = now_ms
            pair.lead = intent.lead
            pair.reason = pair.close_reason = intent.reason
            for leg in pair.legs:
                leg.crosses = leg.failures = leg.retry_at_ms = 0
            # What was near enough while it was held may be more than a lot of the leg that now follows.
            pair.observe_imbalance(now_ms)
        # What is closing for risk already stays so, whatever its owner wishes then.
        pair.owner_closed = pair.owner_closed or (intent.by_owner and not pair.urgent)
        pair.urgent = pair.urgent or intent.urgent

    # --- orders and fills -----------------------------------------------------------------------------

    def attach(self, pair: Pair, leg: PairLeg, client_order_id: str) -> None:
        self._leg_of_order[client_order_id] = (pair, leg)
        leg.live_orders.append(client_order_id)

    def owner(self, client_order_id: str) -> tuple[Pair, PairLeg] | None:
        return self._leg_of_order.get(client_order_id)

    def apply_order(self, tracked: TrackedOrder, now_ms: int) -> Pair | None:
        """Move `held` by what the order newly filled; forget the order once it is final.

        News for a pair that had finished takes it up again, to be closed at once.
        """
        owner = self._leg_of_order.get(tracked.client_order_id)
        if owner is None:
            return None
        pair, leg = owner
        newly = tracked.filled_quantity - self._applied.get(tracked.client_order_id, ZERO)
        if newly > 0:
            self._applied[tracked.client_order_id] = tracked.filled_quantity
            self.moves += 1
            if tracked.client_order_id not in leg.live_orders:
                pair.unconfirmed = True
            leg.move(tracked.order.side, newly, tracked.average_price, now_ms)
            leg.failures = 0
            pair.observe_imbalance(now_ms)
        if not tracked.is_final and tracked.client_order_id not in leg.live_orders:
            leg.live_orders.append(tracked.client_order_id)
        elif tracked.is_final and tracked.client_order_id in leg.live_orders:
            leg.live_orders.remove(tracked.client_order_id)
        if pair.phase is PairPhase.CLOSED and (not leg.is_flat or leg.live_orders):
            self._take_up_again(pair, leg, now_ms)
        return pair

    def _take_up_again(self, pair: Pair, leg: PairLeg, now_ms: int) -> None:
        pair.phase, pair.phase_since_ms = PairPhase.CLOSING, now_ms
        pair.lead, pair.urgent = leg.position_side, True
        pair.close_reason = "filled after it was thought to be over"
        self.pairs[pair.pair_ref] = pair
        self.finished = [summary for summary in self.finished if summary.pair_ref != pair.pair_ref]

    def apply_fill(self, fill: Fill, now_ms: int) -> tuple[Pair, PairLeg] | None:
        """Book the money side of a fill of one of our orders."""
        owner = self._leg_of_order.get(fill.client_order_id)
        if owner is not None:
            owner[1].book_fill(fill)
            if fill.is_paid_in_base:
                owner[0].observe_imbalance(now_ms)
        return owner

    def apply_foreign_fill(self, fill: Fill, now_ms: int) -> tuple[Pair, PairLeg] | None:
        """A fill on one of our legs by somebody else's order: liquidation, ADL, a click on the website."""
        for pair in self.pairs.values():
            leg = pair.leg(fill.position_side) if fill.position_side is not PositionSide.BOTH else None
            if leg is not None and leg.symbol == fill.symbol:
                self.moves += 1
                pair.unconfirmed = True
                if fill.event_ms > leg.known_at_ms and _moves(leg, fill):
                    leg.move(fill.side, fill.quantity, fill.price, now_ms)
                if _moves(leg, fill):
                    leg.book_fill(fill)
                pair.observe_imbalance(now_ms)
                return pair, leg
        return None

    def apply_income(self, row: IncomeRow) -> None:
        """Attribute settled cash to the leg on the symbol; two legs on it net, so the long carries it. What
        is told late belongs to the pair that was there when it was settled."""
        pair = self.on_symbol(row.symbol)
        if pair is not None and pair.first_fill_ms is not None and row.time_ms >= pair.first_fill_ms:
            leg = pair.long if pair.long.symbol == row.symbol else pair.short
            leg.funding += row.income
            return
        gone = self._newest_finished.get(row.symbol)
        if gone is None or not gone.first_ms <= row.time_ms <= gone.last_ms:
            return
        for index, summary in enumerate(self.finished):
            if summary.pair_ref == gone.pair_ref:
                self.finished[index] = msgspec.structs.replace(summary, pnl_usd=summary.pnl_usd + row.income)

    def finish(
        self, pair: Pair, long_mark: Decimal, short_mark: Decimal, now_ms: int, *, rotated: bool
    ) -> PairSummary:
        held_since_ms, first_close_ms = pair.held_since_ms, pair.first_close_fill_ms
        summary = PairSummary(
            pair_ref=pair.pair_ref,
            symbol=pair.name,
            quantity=max(pair.long.opened_quantity, pair.short.opened_quantity),
            hold_ms=None
            if held_since_ms is None or first_close_ms is None
            else first_close_ms - held_since_ms,
            rotated=rotated,
            owner_closed=pair.owner_closed,
            close_reason=pair.close_reason or pair.reason,
            worst_imbalance=pair.worst_imbalance,
            longest_imbalance_ms=pair.longest_imbalance_ms,
            pnl_usd=pair.pnl(long_mark, short_mark),
            market_pnl_usd=pair.market_pnl,
        )
        if pair.first_fill_ms is not None:
            gone = _Lifetime(pair.pair_ref, pair.first_fill_ms, now_ms)
            self._newest_finished.update(dict.fromkeys(pair.symbols, gone))
        pair.phase = PairPhase.CLOSED
        self.pairs.pop(pair.pair_ref, None)
        self.finished.append(summary)
        return summary


def _moves(leg: PairLeg, fill: Fill) -> bool:
    """Whether a fill of an order we do not know changes what is ours: of coins, only an earlier run's does.
    The owner may buy and sell the same coins; whether ours are touched the wallet tells."""
    return not leg.is_spot or is_own_client_order_id(fill.client_order_id)


def _resumed_leg(resumed: ResumedLeg, side: PositionSide) -> PairLeg:
    remembered, quantity = resumed.remembered, resumed.quantity
    leg = PairLeg(
        resumed.symbol,
        side,
        held=quantity,
        target=quantity,
        hedge=resumed.hedge,
        recorded_open=remembered is not None,
    )
    if remembered is not None and quantity > 0:
        price = remembered.entry_price if resumed.entry_price is None else resumed.entry_price
        leg.opened_quantity = leg.reported_quantity = quantity
        leg.opened_cost = quantity * price
        leg.first_fill_ms = leg.last_open_fill_ms = leg.last_fill_ms = remembered.opened_ms
    return leg
