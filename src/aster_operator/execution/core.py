"""The deciding core: events in, commands out.

`TradingCore.handle` folds one event into what is known and returns what is to be done about it. It holds no
clock, no socket and no database; its now is the largest `event_ms` it has seen. The same events give the
same commands, whichever driver feeds them.
"""

import re
from collections.abc import Iterator, Sequence

from aster_operator.domain.clock import utc_day_start_ms
from aster_operator.domain.commands import (
    Command,
    NotifyLevel,
    RecordDecision,
    RequestSnapshot,
    StopSession,
)
from aster_operator.domain.events import (
    AccountChanged,
    BarUpdated,
    CancelRefused,
    Event,
    Feed,
    FeedStatusChanged,
    FillLearned,
    IncomeSettled,
    MarkUpdated,
    OperatorAction,
    OperatorRequested,
    OrderChanged,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRefusedByVenue,
    QuoteUpdated,
    TimerFired,
    VenueSnapshotTaken,
)
from aster_operator.execution.core_state import CoreSettings, CoreState
from aster_operator.execution.cycle_view import build_cycle_view
from aster_operator.execution.order_desk import OrderDesk
from aster_operator.execution.pair import Pair
from aster_operator.execution.pair_manager import PairManager
from aster_operator.execution.position_records import vanished_records
from aster_operator.execution.reconciliation import reconcile
from aster_operator.strategy.delta_neutral import DeltaNeutralStrategy
from aster_operator.strategy.intents import ClosePair, CycleDecision, OpenPair, PairPhase

__all__ = ["TradingCore"]

_WAIT_RETRY_MS = 10_000


class TradingCore:
    """Strategy, risk, execution and portfolio as one state machine.

    `state` may be read by views and reports; only the core changes it.
    """

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings
        self.state = CoreState.fresh(settings)
        self.strategy = DeltaNeutralStrategy(settings.strategy, self.state.risk_manager)
        self.decisions: dict[str, CycleDecision] = {}
        self.stopped = False
        self._desk = OrderDesk(self.state, self.strategy.name)
        self._manager = PairManager(self.state, self._desk)
        self._next_cycle_ms = 0
        self._next_regular_ms = 0
        self._paused: str | None = None
        self._stopping: OperatorAction | None = None
        self._snapshot_fill_count: int | None = None
        self._snapshot_asked_ms = 0
        self._asked_again = False
        self._mismatch_since_ms: int | None = None
        self._day_ms: int | None = None

    # --- the two entrances ----------------------------------------------------------------------------

    def start(self, now_ms: int) -> Sequence[Command]:
        """First commands of a session: nothing trades before the venue's own word has been reconciled."""
        self.state.out = []
        self.state.now_ms = max(self.state.now_ms, now_ms)
        self._request_snapshot("start")
        return self.state.out

    def handle(self, event: Event) -> Sequence[Command]:
        """Fold one event in and return the commands it leads to, in the order they must be carried out."""
        self.state.out = []
        self.state.now_ms = max(self.state.now_ms, event.event_ms)
        self._fold(event)
        if self.state.reconciled and not self.stopped:
            self._think(event)
        return self.state.out

    # --- learning -------------------------------------------------------------------------------------

    def _fold(self, event: Event) -> None:
        state = self.state
        match event:
            case QuoteUpdated():
                state.market.apply_quote(event.quote)
            case MarkUpdated():
                state.market.apply_mark(event.mark)
            case BarUpdated():
                state.market.apply_bar(event.bar)
            case OrderChanged():
                self._manager.on_order(event)
                self._learn_of_strays(event)
            case FillLearned():
                self._manager.on_learned_fill(event.fill)
            case OrderRefusedByVenue() | OrderNotFound():
                gone = (
                    self._desk.on_refusal(event)
                    if isinstance(event, OrderRefusedByVenue)
                    else self._desk.on_not_found(event)
                )
                if gone is not None:
                    self._manager.on_tracked(gone)
            case OrderOutcomeUnknown():
                self._desk.on_unknown(event)
            case CancelRefused():
                self._desk.on_cancel_refused(event)
                self._learn_of_strays(event)
            case AccountChanged():
                state.portfolio.apply_account(event)
            case IncomeSettled():
                if state.portfolio.book_income(event.row) and event.row.income_type == "FUNDING_FEE":
                    state.pairs.apply_funding(event.row.symbol, event.row.income)
            case VenueSnapshotTaken():
                self._on_snapshot(event)
            case FeedStatusChanged():
                self._on_feed(event)
            case OperatorRequested():
                self._on_operator(event)
            case _:
                pass  # trades, depth, leverage and timers carry nothing to remember here

    def _on_snapshot(self, event: VenueSnapshotTaken) -> None:
        state = self.state
        asked_at_fills, self._snapshot_fill_count = self._snapshot_fill_count, None
        if asked_at_fills is not None and (self._asked_again or asked_at_fills != self._fills_known()):
            # Something happened while the snapshot was under way: it may be older than what we know.
            self._request_snapshot("the last one may be out of date")
            return
        state.portfolio.apply_snapshot(event.account, event.positions)
        if state.reconciled:
            self._correct_legs(event.event_ms)
            state.strays.forget_ended()
        else:
            self._resume_from(event)
        self._observe_equity()

    def _resume_from(self, snapshot: VenueSnapshotTaken) -> None:
        state = self.state
        result = reconcile(snapshot, self.settings.remembered, self.settings.strategy.symbols)
        state.strays.adopt(result.stray_orders)
        self._desk.cancel_strays()
        by_ref = {resumed.pair_ref: resumed for resumed in result.resumed}
        for remembered in self.settings.remembered:
            resumed, pair = by_ref.get(remembered.pair_ref), None
            if resumed is not None:
                pair = state.pairs.resume(resumed, state.now_ms, known_at_ms=snapshot.event_ms)
                state.notify(NotifyLevel.INFO, f"resumed pair {remembered.pair_ref} on {remembered.symbol}")
            elif remembered.pair_ref in result.vanished:
                state.notify(
                    NotifyLevel.WARNING, f"pair {remembered.pair_ref} is no longer held at the venue"
                )
            else:
                continue
            if not state.strays.on_symbol(remembered.symbol):
                state.out.extend(vanished_records(remembered, pair, state.now_ms))
        for note in result.notes:
            state.notify(NotifyLevel.WARNING, note)
        state.foreign_symbols = result.foreign_symbols
        state.reconciled = True
        state.notify(NotifyLevel.INFO, "RECONCILED")

    def _learn_of_strays(self, event: OrderChanged | CancelRefused) -> None:
        if self.state.strays.has_ended(event):
            # It may have filled before it ended: the venue knows.
            self._request_snapshot("an order of an earlier run has ended")

    def _correct_legs(self, known_at_ms: int) -> None:
        """The venue's word on what each quiet pair holds replaces ours."""
        state = self.state
        for pair in self._quiet_pairs():
            for leg in pair.legs:
                held = abs(state.portfolio.held(leg.symbol, leg.position_side).quantity)
                if held != leg.held:
                    state.notify(
                        NotifyLevel.CRITICAL,
                        f"{leg.symbol} {leg.position_side} holds {held}, we thought {leg.held}: corrected",
                    )
                    leg.held = held
                leg.known_at_ms = known_at_ms
            pair.unconfirmed = False
            pair.observe_imbalance(state.now_ms)
        self._mismatch_since_ms = None

    def _on_feed(self, event: FeedStatusChanged) -> None:
        state = self.state
        if not event.healthy:
            state.feeds_down[event.feed] = event.detail
            state.notify(NotifyLevel.WARNING, f"{event.feed} feed: {event.detail}")
            return
        was_down = state.feeds_down.pop(event.feed, None) is not None
        if was_down and event.feed is Feed.USER and state.reconciled:
            self._desk.query_all_live()
            self._request_snapshot("user stream was down")

    def _on_operator(self, event: OperatorRequested) -> None:
        words = f"{event.actor} asked: {event.action} {event.detail}".rstrip()
        self.state.notify(NotifyLevel.INFO, words)
        match event.action:
            case OperatorAction.PAUSE_ENTRIES:
                self._paused = f"entries paused by {event.actor}"
            case OperatorAction.RESUME_ENTRIES:
                self._paused = None
                self._next_cycle_ms = self.state.now_ms
            case _:
                self._stopping = event.action

    # --- deciding -------------------------------------------------------------------------------------

    def _think(self, event: Event) -> None:
        timer = isinstance(event, TimerFired)
        if timer:
            self._desk.query_overdue()
            self._desk.cancel_strays()
            self._watch_positions()
            self._observe_equity()
            self._enforce_account_limits()
        self._manager.close_lone_legs()
        closing = (timer or isinstance(event, MarkUpdated)) and self._close_risky()
        if self._stopping is not None:
            self._wind_down()
        else:
            self._settle_blind_openings()
        if self._stopping is None and timer and self.state.now_ms >= self._next_cycle_ms:
            self.run_cycle()
        idle = isinstance(event, MarkUpdated | BarUpdated) and not closing
        if not idle and self._manager.work():
            # A pair opened completely or is gone: decide again with the next tick of the timer.
            self._next_cycle_ms = self.state.now_ms
        if self._stopping is not None:
            self._stop_when_done()

    def run_cycle(self) -> tuple[CycleDecision, ...]:
        """One pass of the strategy's loop, its intents carried out, its decisions recorded."""
        regular = self.state.now_ms >= self._next_regular_ms
        if regular:
            self._next_regular_ms = self.state.now_ms + self.settings.strategy.cycle_interval_ms
        decisions = self.strategy.run_cycle(
            build_cycle_view(self.state, entries_blocked=self.entries_blocked())
        )
        for decision in decisions:
            self._carry_out(decision, regular=regular)
        self._next_cycle_ms = min((self._next_regular_ms, *self._hold_ends_ms()))
        if any(decision.action == "wait" for decision in decisions):
            # What an opening waits for (data, a cooldown, a funding stamp) may end long before the interval.
            self._next_cycle_ms = min(self._next_cycle_ms, self.state.now_ms + _WAIT_RETRY_MS)
        return decisions

    def _hold_ends_ms(self) -> Iterator[int]:
        """When the pairs now held will have been held long enough, as far as that lies ahead."""
        for pair in self.state.pairs.active():
            if pair.phase is PairPhase.HOLDING and pair.held_since_ms is not None:
                end_ms = pair.held_since_ms + self.settings.strategy.hold_time_ms
                if end_ms > self.state.now_ms:
                    yield end_ms

    def entries_blocked(self) -> str | None:
        """Why no pair may be opened now, in words; None when entries are free."""
        if self._stopping is not None:
            return "session is stopping"
        if self._paused is not None:
            return self._paused
        if self.state.feeds_down:
            feed, detail = next(iter(self.state.feeds_down.items()))
            return f"{feed} feed is down: {detail}"
        if self._snapshot_fill_count is not None:
            return "waiting for a snapshot of the account"
        if self.state.strays:
            return "orders of an earlier run are still being cancelled"
        refused = self.state.risk_manager.can_open_new_position(self.state.equity_usd())
        return None if refused is None else f"{refused.rule}: {refused.reason}"

    def _enforce_account_limits(self) -> None:
        """Drawdown and daily loss do not only block: what is held is closed, or the loss would run on."""
        equity = self.state.equity_usd()
        breach = None if equity is None else self.state.risk_manager.can_open_new_position(equity)
        if breach is not None:
            for pair in self.state.pairs.active():
                self._manager.close_now(pair, f"{breach.rule}: {breach.reason}")

    def _close_risky(self) -> bool:
        """Close the held pairs that breach a limit; True when there were any."""
        if not any(pair.phase is PairPhase.HOLDING for pair in self.state.pairs.active()):
            return False
        decisions = self.strategy.check_risk(build_cycle_view(self.state, entries_blocked=None))
        for decision in decisions:
            self._carry_out(decision, regular=False)
        return bool(decisions)

    def _carry_out(self, decision: CycleDecision, *, regular: bool) -> None:
        """Act on a decision; record it in every regular cycle, and between them when it is a new one."""
        previous = self.decisions.get(decision.symbol)
        self.decisions[decision.symbol] = decision
        if regular or previous is None or _gist(previous) != _gist(decision):
            self.state.emit(
                RecordDecision(
                    at_ms=self.state.now_ms,
                    strategy=self.strategy.name,
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

    # --- watching -------------------------------------------------------------------------------------

    def _watch_positions(self) -> None:
        """Ask for the venue's word when a quiet pair and the account stream disagree for a while, and
        again and again while there is no account stream to disagree with."""
        state = self.state
        if self._snapshot_fill_count is not None:
            return
        blind = Feed.USER in state.feeds_down
        if blind and state.now_ms - self._snapshot_asked_ms >= self.settings.policy.blind_poll_ms:
            self._request_snapshot("the user stream is down")
            return
        if any(pair.unconfirmed for pair in self._quiet_pairs()):
            self._request_snapshot("somebody else traded on a pair of ours")
            return
        disagrees = any(
            abs(state.portfolio.held(leg.symbol, leg.position_side).quantity) != leg.held
            for pair in self._quiet_pairs()
            for leg in pair.legs
        )
        if not disagrees:
            self._mismatch_since_ms = None
        elif self._mismatch_since_ms is None:
            self._mismatch_since_ms = state.now_ms
        elif state.now_ms - self._mismatch_since_ms >= self.settings.policy.retry_ms:
            self._request_snapshot("a position differs from our books")

    def _observe_equity(self) -> None:
        equity = self.state.equity_usd()
        if equity is not None:
            day_ms = utc_day_start_ms(self.state.now_ms)
            self.state.risk_manager.observe_equity(equity, new_day=day_ms != self._day_ms)
            self._day_ms = day_ms

    def _request_snapshot(self, reason: str) -> None:
        # Never two under way: nobody could tell which of them is the older.
        self._asked_again = self._snapshot_fill_count is not None
        if self._asked_again:
            return
        self._snapshot_fill_count = self._fills_known()
        self._snapshot_asked_ms = self.state.now_ms
        self.state.emit(RequestSnapshot(at_ms=self.state.now_ms, reason=reason))

    def _fills_known(self) -> int:
        """Grows with every fill and every report of one: what is older than this is out of date."""
        return self.state.portfolio.fill_count + self.state.pairs.moves

    def _quiet_pairs(self) -> Iterator[Pair]:
        """Pairs without live orders that have their symbol to themselves: what they hold can be checked."""
        pairs = list(self.state.pairs.active())
        for pair in pairs:
            alone = sum(1 for other in pairs if other.long.symbol == pair.long.symbol) == 1
            if alone and not pair.has_live_orders:
                yield pair

    # --- the end --------------------------------------------------------------------------------------

    def _wind_down(self) -> None:
        if self._stopping is OperatorAction.FLATTEN:
            self._manager.flatten_all()
        else:
            for pair in self.state.pairs.active():
                self._manager.settle_opening(pair, "session stops")

    def _settle_blind_openings(self) -> None:
        """Chase no opening on data that is not to be trusted; what it filled is still hedged."""
        state, limits = self.state, self.settings.limits
        for pair in state.pairs.active():
            blind = next((f"{feed} feed is down" for feed in state.feeds_down), None)
            if blind is None:
                view = state.market.of(pair.lead_leg.symbol)
                blind = view.staleness(state.now_ms, limits.max_mark_age_ms, limits.max_quote_age_ms)
            if blind is not None:
                self._manager.settle_opening(pair, blind)

    def _stop_when_done(self) -> None:
        state = self.state
        working = [pair for pair in state.pairs.active() if pair.phase is not PairPhase.HOLDING]
        if working or state.strays or any(True for _ in state.tracker.live()):
            return
        self.stopped = True
        open_positions = sum(1 for pair in state.pairs.active() for leg in pair.legs if leg.held != 0)
        reason = str(self._stopping)
        state.emit(StopSession(at_ms=state.now_ms, reason=reason, open_positions=open_positions))


def _gist(decision: CycleDecision) -> tuple[str, str]:
    """Action and reason without the figures, which change all the time."""
    return decision.action, re.sub(r"[\d.,]+", "#", decision.reason)
