"""The desk of `delta-neutral`: asks the strategy, carries its decisions out, keeps every pair hedged."""

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from aster_operator.domain.clock import utc_day_start_ms
from aster_operator.domain.commands import NotifyLevel, RecordDecision
from aster_operator.domain.events import (
    BarUpdated,
    DepthUpdated,
    Event,
    FeedStatusChanged,
    MarkUpdated,
    OperatorAction,
    OperatorRequested,
    QuoteUpdated,
    TimerFired,
    TradePrinted,
    VenueSnapshotTaken,
)
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.money import ZERO
from aster_operator.domain.orders import OrderReport
from aster_operator.domain.pairing import PairKind
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.cycle_view import build_cycle_view, pair_status
from aster_operator.execution.entry_gate import entries_blocked
from aster_operator.execution.order_desk import OrderDesk
from aster_operator.execution.order_tracker import TrackedOrder
from aster_operator.execution.pair import Pair, PairLeg
from aster_operator.execution.pair_manager import PairManager
from aster_operator.execution.position_records import vanished_records
from aster_operator.execution.reconciliation import reconcile
from aster_operator.execution.strategy_desk import PositionKey, Resumption
from aster_operator.strategy.delta_neutral import DeltaNeutralStrategy
from aster_operator.strategy.hedge_ratio import MinuteCloses
from aster_operator.strategy.intents import Beta, ClosePair, CycleDecision, OpenPair, PairPhase
from aster_operator.strategy.parameters import DeltaNeutralParameters
from aster_operator.strategy.two_symbol_pairs import TwoSymbolStrategy
from aster_operator.strategy.volume_schedule import DayPlan

__all__ = ["PairDesk"]

_WAIT_RETRY_MS = 10_000
_VOLATILITY_BARS = 61
_CHANGES_NO_PAIR = QuoteUpdated | BarUpdated | TradePrinted | DepthUpdated | TimerFired
"""Events that move nothing a pair is judged by."""


class PairDesk:
    """All pairs of the session, over the shared state and order desk. Implements `StrategyDesk`."""

    def __init__(self, state: CoreState, orders: OrderDesk, parameters: DeltaNeutralParameters) -> None:
        self.parameters = parameters
        of_two = any(pairing.kind is not PairKind.SAME for pairing in parameters.pairs)
        kind = TwoSymbolStrategy if of_two else DeltaNeutralStrategy
        self.strategy = kind(parameters, state.risk_manager)
        self._closes = MinuteCloses(parameters.hedge.window_minutes)
        self._crossed = [pairing for pairing in parameters.pairs if pairing.kind is PairKind.CROSS]
        self._state = state
        state.pairs.instruments = state.instruments
        self._manager = PairManager(state, orders, parameters, self.strategy.name)
        self._next_cycle_ms = 0
        self._next_regular_ms = 0
        self._told_day_ms: int | None = None
        self._unjudged = True
        """Something has happened since the pairs were last judged that may have brought one to a limit."""
        self._moved: set[str] | None = None
        """Symbols whose mark moved since then; None when more has happened than that."""
        self._breached: frozenset[str] = frozenset()
        """References of the pairs that stood at a limit when they were last judged."""

    @property
    def name(self) -> str:
        return self.strategy.name

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.parameters.symbols

    @property
    def moves(self) -> int:
        return self._state.pairs.moves

    @property
    def warm_up_bars(self) -> int:
        """For the hedge ratio, or to know from the start how much the market moves."""
        return self.parameters.hedge.window_minutes + 1 if self._crossed else _VOLATILITY_BARS

    # --- learning -------------------------------------------------------------------------------------

    def learn(self, event: Event) -> None:
        self._unjudged = self._unjudged or not isinstance(event, _CHANGES_NO_PAIR)
        if not isinstance(event, MarkUpdated | _CHANGES_NO_PAIR):
            self._moved = None
        elif isinstance(event, MarkUpdated) and self._moved is not None:
            self._moved.add(event.mark.symbol)
        if isinstance(event, BarUpdated) and self._crossed:
            self._closes.observe(event.bar)
        if isinstance(event, FeedStatusChanged) and event.healthy:
            self._manager.retry_now()
        if isinstance(event, OperatorRequested) and event.action is OperatorAction.RESUME_ENTRIES:
            self._next_cycle_ms = self._state.now_ms

    def on_tracked(self, tracked: TrackedOrder) -> None:
        self._manager.on_tracked(tracked)

    def on_own_fill(self, fill: Fill) -> bool:
        return self._manager.on_own_fill(fill)

    def on_foreign_fill(self, fill: Fill) -> bool:
        return self._manager.on_foreign_fill(fill)

    def on_funding(self, row: IncomeRow) -> None:
        self._state.pairs.apply_income(row)

    # --- truth ----------------------------------------------------------------------------------------

    def claims(self, order: OrderReport) -> bool:  # noqa: ARG002 (the protocol's signature)
        """None: a pair is worked with new orders, whatever rests of the old ones goes."""
        return False

    def resume(self, snapshot: VenueSnapshotTaken) -> Resumption:
        state = self._state
        coins = {symbol: each.base_asset for symbol, each in state.instruments.items()}
        result = reconcile(snapshot, state.settings.remembered, self.symbols, coins)
        by_ref = {resumed.pair_ref: resumed for resumed in result.resumed}
        for remembered in state.settings.remembered:
            resumed, pair = by_ref.get(remembered.pair_ref), None
            if resumed is not None:
                pair = state.pairs.resume(resumed, state.now_ms, known_at_ms=snapshot.event_ms)
                pair.name = self._name_of(pair)
                state.notify(NotifyLevel.INFO, f"resumed pair {remembered.pair_ref} on {pair.name}")
            elif remembered.pair_ref in result.vanished:
                state.notify(
                    NotifyLevel.WARNING, f"pair {remembered.pair_ref} is no longer held at the venue"
                )
            else:
                continue
            if not any(state.strays.on_symbol(symbol) for symbol in remembered.symbols):
                state.out.extend(vanished_records(remembered, pair, state.now_ms))
        return Resumption(foreign_symbols=result.foreign_symbols, notes=result.notes)

    def _name_of(self, pair: Pair) -> str:
        """The pairing that a resumed pair belongs to, whichever way round it is held; else its own name."""
        pairings = self.parameters.pairs
        return next((each.name for each in pairings if set(each.symbols) == set(pair.symbols)), pair.name)

    def correct(self, snapshot: VenueSnapshotTaken) -> None:
        state = self._state
        for pair in self._quiet_pairs():
            for leg in pair.legs:
                held = self._held_at_the_venue(leg)
                if held != leg.held:
                    state.notify(
                        NotifyLevel.CRITICAL,
                        f"{leg.symbol} {leg.position_side} holds {held}, we thought {leg.held}: corrected",
                    )
                    leg.held, leg.corrected_ms = held, snapshot.event_ms
                leg.known_at_ms = snapshot.event_ms
                leg.reported_quantity = min(leg.reported_quantity, leg.opened_quantity)
            pair.unconfirmed = False
            pair.observe_imbalance(state.now_ms)

    def must_ask(self) -> str | None:
        if any(pair.unconfirmed for pair in self._quiet_pairs()):
            return "somebody else traded on a pair of ours"
        if any(leg.lacks_fills for pair in self._quiet_pairs() for leg in pair.legs):
            return "fees taken out of coins are not known"
        return None

    def disagrees(self) -> bool:
        return any(
            self._held_at_the_venue(leg) != leg.held for pair in self._quiet_pairs() for leg in pair.legs
        )

    def _held_at_the_venue(self, leg: PairLeg) -> Decimal:
        """Of coins, ours is what we bought as far as the wallet covers it; the rest is the owner's."""
        portfolio = self._state.portfolio
        if not leg.is_spot:
            return abs(portfolio.held(leg.symbol, leg.position_side).quantity)
        return min(leg.held, portfolio.spot_total(self._state.instruments[leg.symbol].base_asset))

    def _quiet_pairs(self) -> Iterator[Pair]:
        """Pairs without live orders that have their symbols to themselves: what they hold can be checked."""
        pairs = list(self._state.pairs.active())
        owners = Counter(symbol for pair in pairs for symbol in pair.symbols)
        for pair in pairs:
            is_alone = all(owners[symbol] == 1 for symbol in pair.symbols)
            if is_alone and not pair.has_live_orders:
                yield pair

    # --- exposure -------------------------------------------------------------------------------------

    def held(self) -> Iterator[tuple[PositionKey, Decimal]]:
        for pair in self._state.pairs.active():
            for leg in pair.legs:
                yield (leg.symbol, leg.position_side), leg.held

    def still_to_open(self) -> Iterator[tuple[str, Decimal]]:
        for pair in self._state.pairs.active():
            if pair.phase is PairPhase.OPENING:
                for leg in pair.legs:
                    yield leg.symbol, max(leg.target - leg.held, ZERO)

    def may_outlive(self, tracked: TrackedOrder) -> bool:  # noqa: ARG002 (the protocol's signature)
        """None: a pair is held without resting orders."""
        return False

    # --- deciding -------------------------------------------------------------------------------------

    def think(self, event: Event) -> None:
        state, timer = self._state, isinstance(event, TimerFired)
        self._manager.close_lone_legs()
        closing = (timer or isinstance(event, MarkUpdated)) and self._must_judge() and self._close_risky()
        if state.stopping is not None:
            self._wind_down(state.stopping)
        else:
            self._settle_blind_openings()
        if state.stopping is None and timer and state.now_ms >= self._next_cycle_ms:
            self.run_cycle()
        idle = isinstance(event, MarkUpdated | BarUpdated) and not closing
        if not idle and self._manager.work():
            # A pair opened completely or is gone: decide again with the next tick of the timer.
            self._next_cycle_ms = state.now_ms
            self._moved = None

    def _betas(self) -> dict[str, Beta]:
        """How the two symbols of each cross pairing move together, as far as that is known."""
        found = {pairing.name: self._closes.beta(pairing.first, pairing.second) for pairing in self._crossed}
        return {name: beta for name, beta in found.items() if beta is not None}

    def run_cycle(self) -> tuple[CycleDecision, ...]:
        """One pass of the strategy's loop, its intents carried out, its decisions recorded."""
        now_ms = self._state.now_ms
        regular = now_ms >= self._next_regular_ms
        if regular:
            self._next_regular_ms = now_ms + self.parameters.cycle_interval_ms
        view = build_cycle_view(
            self._state,
            self.symbols,
            entries_blocked=entries_blocked(self._state),
            betas=self._betas(),
        )
        if regular and all(market.mark is not None for market in view.markets.values()):
            self._tell_shortfall(self.strategy.plan(view))
        decisions = self.strategy.run_cycle(view)
        for decision in decisions:
            self._carry_out(decision, regular=regular)
        self._moved = None
        self._next_cycle_ms = min((self._next_regular_ms, *self._hold_ends_ms()))
        if any(decision.action == "wait" or decision.is_passing for decision in decisions):
            # What is waited for (data, a cooldown, a calmer market) may come long before the interval ends.
            self._next_cycle_ms = min(self._next_cycle_ms, now_ms + _WAIT_RETRY_MS)
        return decisions

    def _tell_shortfall(self, plan: DayPlan) -> None:
        """Say once a day that a target cannot be reached, and which numbers would work."""
        day_ms = utc_day_start_ms(self._state.now_ms)
        if day_ms == self._told_day_ms:
            return
        words = [words for words in (plan.shortfall, plan.hold_shortfall) if words is not None]
        if words:
            self._told_day_ms = day_ms
            self._state.notify(NotifyLevel.WARNING, "; ".join(words))

    def _hold_ends_ms(self) -> Iterator[int]:
        """When the pairs now held will have been held long enough, as far as that lies ahead."""
        for pair in self._state.pairs.active():
            if pair.phase is PairPhase.HOLDING and pair.held_since_ms is not None:
                end_ms = pair.held_since_ms + self.parameters.hold_time_ms
                if end_ms > self._state.now_ms:
                    yield end_ms

    def _must_judge(self) -> bool:
        """Whether a limit may stand otherwise than when the pairs were last judged. All that is judged is
        moved by events, but for the age of what was heard."""
        if self._unjudged or not self._state.pairs.pairs:
            return True
        return any(self._is_old(pair) for pair in self._state.pairs.active())

    def _is_old(self, pair: Pair) -> bool:
        marks = (self._state.market.of(symbol).mark for symbol in pair.symbols)
        oldest_ms = self._state.now_ms - self._state.settings.limits.max_mark_age_ms
        return any(mark is None or mark.event_ms < oldest_ms for mark in marks)

    def _to_judge(self) -> list[Pair]:
        """The pairs that may stand otherwise than when they were last judged: those whose mark moved, those
        that stood at a limit, those that hear nothing. All of them after anything but a mark."""
        pairs = list(self._state.pairs.active())
        if self._moved is None:
            return pairs
        return [
            pair
            for pair in pairs
            if pair.pair_ref in self._breached
            or not self._moved.isdisjoint(pair.symbols)
            or self._is_old(pair)
            or any(self._state.market.of(symbol).blind_since_ms is not None for symbol in pair.symbols)
        ]

    def _close_risky(self) -> bool:
        """Close the pairs that breach a limit; True when there were any."""
        judged, self._moved, self._unjudged = self._to_judge(), set(), False
        decisions = self.strategy.check_pairs(pair_status(self._state, pair) for pair in judged)
        self._breached = frozenset(
            decision.intent.pair_ref for decision in decisions if isinstance(decision.intent, ClosePair)
        )
        for decision in decisions:
            self._carry_out(decision, regular=False)
        return bool(decisions)

    def _carry_out(self, decision: CycleDecision, *, regular: bool) -> None:
        """Act on a decision; record it in every regular cycle, and between them when it is a new one."""
        state = self._state
        previous = state.decisions.get(decision.symbol)
        state.decisions[decision.symbol] = decision
        if regular or previous is None or _gist(previous) != _gist(decision):
            state.emit(
                RecordDecision(
                    at_ms=state.now_ms,
                    strategy=self.name,
                    symbol=decision.symbol,
                    action=decision.action,
                    reason=decision.reason,
                    numbers=decision.numbers,
                )
            )
        match decision.intent:
            case OpenPair() as intent:
                self._manager.open(intent)
            case ClosePair() as intent:
                self._manager.close(intent)
            case None:
                pass

    def _settle_blind_openings(self) -> None:
        """Chase no opening on data that is not to be trusted; what it filled is still hedged."""
        state, limits = self._state, self._state.settings.limits
        for pair in state.pairs.active():
            if pair.phase is not PairPhase.OPENING:
                continue
            blind = next((f"{feed} feed is down" for feed in state.feeds_down), None)
            if blind is None:
                ages = (limits.max_mark_age_ms, limits.max_quote_age_ms)
                views = (state.market.of(symbol) for symbol in pair.symbols)
                blind = next((why for view in views if (why := view.staleness(state.now_ms, *ages))), None)
            if blind is not None:
                self._manager.settle_opening(pair, blind)

    # --- the end --------------------------------------------------------------------------------------

    def close_all(self, reason: str, *, by_owner: bool = False) -> None:
        worst_first = sorted(
            self._state.pairs.active(), key=lambda pair: pair_status(self._state, pair).pnl_usd
        )
        for pair in worst_first:
            self._manager.close_now(pair, reason, by_owner=by_owner)

    def close_for_owner(self, name: str | None, reason: str) -> int:
        named = [
            pair
            for pair in self._state.pairs.active()
            if name is None or name in (pair.name, pair.pair_ref, *pair.symbols)
        ]
        for pair in named:
            self._manager.close_now(pair, reason, by_owner=True)
        return len(named)

    def _wind_down(self, action: OperatorAction) -> None:
        if action is OperatorAction.FLATTEN:
            self.close_all("flatten requested", by_owner=True)
        else:
            for pair in self._state.pairs.active():
                self._manager.settle_opening(pair, "session stops")

    @property
    def due_ms(self) -> int | None:
        return None

    @property
    def is_quiet(self) -> bool:
        return all(pair.phase is PairPhase.HOLDING for pair in self._state.pairs.active())

    @property
    def open_position_count(self) -> int:
        return sum(1 for pair in self._state.pairs.active() for leg in pair.legs if leg.held != 0)


def _gist(decision: CycleDecision) -> tuple[str, str]:
    """Action and reason without the figures, which change all the time."""
    return decision.action, re.sub(r"[\d.,]+", "#", decision.reason)
