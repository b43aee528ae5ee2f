"""The deciding core: events in, commands out.

`TradingCore.handle` folds one event into what is known and returns what is to be done about it. It holds no
clock, no socket and no database; its now is the largest `event_ms` it has seen. The same events give the
same commands, whichever driver feeds them. Strategies trade at desks of their own (`strategy_desk.py`); what
all share, the account, the market, the orders and the limits, is kept here.
"""

from collections.abc import Sequence

from aster_operator.domain.commands import Command, NotifyLevel, RequestSnapshot, StopSession
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
    SpotBalancesChanged,
    TimerFired,
    VenueSnapshotTaken,
)
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.execution.account_watch import AccountWatch
from aster_operator.execution.core_state import CoreSettings, CoreState
from aster_operator.execution.entry_gate import entries_blocked
from aster_operator.execution.order_desk import OrderDesk
from aster_operator.execution.order_tracker import TrackedOrder
from aster_operator.execution.pair_desk import PairDesk
from aster_operator.execution.positions.desk import PositionDesk
from aster_operator.execution.reconciliation import own_open_orders
from aster_operator.execution.strategy_desk import StrategyDesk
from aster_operator.strategy.intents import CycleDecision

__all__ = ["TradingCore"]


class TradingCore:
    """Strategies, risk, execution and portfolio as one state machine.

    `state` may be read by views and reports; only the core changes it.
    """

    def __init__(self, settings: CoreSettings) -> None:
        self.settings = settings
        self.state = CoreState.fresh(settings)
        self.stopped = False
        self._orders = OrderDesk(self.state)
        self._account_watch = AccountWatch(self.state)
        self.state.desks.extend(_desks(settings, self.state, self._orders))
        self._snapshot_asked_at_moves = 0
        self._snapshot_asked_ms = 0
        self._asked_again = False
        self._mismatch_since_ms: int | None = None
        self._start_ms = 0

    @property
    def strategy_name(self) -> str:
        """Names of the strategies that take part, as reports and books show them."""
        return " + ".join(desk.name for desk in self.state.desks)

    @property
    def decisions(self) -> dict[str, CycleDecision]:
        """The newest decision for each symbol."""
        return self.state.decisions

    def entries_blocked(self) -> str | None:
        """Why nothing may be opened now, in words; None when entries are free."""
        return entries_blocked(self.state)

    @property
    def due_ms(self) -> int | None:
        """When a timer must fire even if nothing happens (ms); None when the next second will do."""
        wishes = [desk.due_ms for desk in self.state.desks] if not self.stopped else []
        return min((wish for wish in wishes if wish is not None), default=None)

    # --- the two entrances ----------------------------------------------------------------------------

    def start(self, now_ms: int) -> Sequence[Command]:
        """First commands of a session: nothing trades before the venue's own word has been reconciled."""
        self.state.out = []
        self.state.now_ms = self._start_ms = max(self.state.now_ms, now_ms)
        self._request_snapshot("start")
        return self.state.out

    def handle(self, event: Event) -> Sequence[Command]:
        """Fold one event in and return the commands it leads to, in the order they must be carried out."""
        self.state.out = []
        self.state.now_ms = max(self.state.now_ms, event.event_ms)
        self.state.forget_equity()
        self._fold(event)
        for desk in self.state.desks:
            desk.learn(event)
        self.state.forget_equity()
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
                self._on_order(event)
                self._learn_of_strays(event)
            case FillLearned():
                # From the venue's history: money and volume only, since snapshots say what is held.
                self._book(event.fill, moves_positions=False)
            case OrderRefusedByVenue():
                self._tell_desks(self._orders.on_refusal(event))
            case OrderNotFound():
                self._tell_desks(self._orders.on_not_found(event))
            case OrderOutcomeUnknown():
                self._orders.on_unknown(event)
            case CancelRefused():
                self._orders.on_cancel_refused(event)
                self._learn_of_strays(event)
            case AccountChanged():
                state.portfolio.apply_account(event)
                self._account_watch.on_account(event)
            case SpotBalancesChanged():
                state.portfolio.apply_spot(event.balances)
            case IncomeSettled():
                self._on_income(event.row)
            case VenueSnapshotTaken():
                self._on_snapshot(event)
            case FeedStatusChanged():
                self._on_feed(event)
            case OperatorRequested():
                self._on_operator(event)
            case _:
                pass  # trades, depth, leverage and timers carry nothing to remember here

    def _on_income(self, row: IncomeRow) -> None:
        """Book a settled row once. One from before the session only belongs to what is held since then."""
        if not self.state.portfolio.book_income(row, counts=row.time_ms > self._start_ms):
            return
        if row.symbol and not row.moves_money and not row.repeats_a_fill:
            for desk in self.state.desks:
                desk.on_funding(row)

    def _on_order(self, event: OrderChanged) -> None:
        """Fold a report and its fill into the tracker, the desks and the books."""
        tracked = self.state.tracker.apply_report(event.report)
        self._tell_desks(tracked)
        if event.fill is not None:
            self._book(event.fill, moves_positions=tracked is None)

    def _tell_desks(self, tracked: TrackedOrder | None) -> None:
        if tracked is not None:
            for desk in self.state.desks:
                desk.on_tracked(tracked)

    def _book(self, fill: Fill, *, moves_positions: bool) -> None:
        """Enter a fill once; one of nobody's order we know moves what it hits, if `moves_positions`."""
        if not self.state.tracker.is_new_fill(fill):
            return
        if fill.event_ms >= self._start_ms:
            # An older one, read back for what is held since then, is in the day's volume already.
            self.state.portfolio.book_fill(fill)
        is_own = any(desk.on_own_fill(fill) for desk in self.state.desks)
        if not is_own and moves_positions:
            any(desk.on_foreign_fill(fill) for desk in self.state.desks)

    def _on_snapshot(self, event: VenueSnapshotTaken) -> None:
        state = self.state
        was_pending, state.snapshot_pending = state.snapshot_pending, False
        if was_pending and (self._asked_again or self._snapshot_asked_at_moves != self._moves()):
            # Something happened while the snapshot was under way: it may be older than what we know.
            if state.in_doubt:
                self._request_snapshot("the last one may be out of date")
            return
        state.portfolio.apply_snapshot(event.account, event.positions, event.event_ms)
        state.portfolio.apply_spot(event.spot_balances, whole=True)
        for position in event.positions:
            state.market.apply_reported_mark(position.symbol, position.mark_price, event.event_ms)
        if state.reconciled:
            for desk in state.desks:
                desk.correct(event)
            self._mismatch_since_ms = None
            state.strays.forget_ended()
        else:
            self._resume_from(event)
        state.anchor_spot()
        self._observe_equity()

    def _resume_from(self, snapshot: VenueSnapshotTaken) -> None:
        state = self.state
        state.strays.adopt(
            order
            for order in own_open_orders(snapshot)
            if not any(desk.claims(order) for desk in state.desks)
        )
        self._orders.cancel_strays()
        resumptions = [desk.resume(snapshot) for desk in state.desks]
        for resumption in resumptions:
            for note in resumption.notes:
                state.notify(NotifyLevel.WARNING, note)
        state.foreign_symbols = frozenset[str]().union(
            *(resumption.foreign_symbols for resumption in resumptions)
        )
        state.reconciled = True
        state.notify(NotifyLevel.INFO, "RECONCILED")

    def _learn_of_strays(self, event: OrderChanged | CancelRefused) -> None:
        if self.state.strays.has_ended(event):
            # It may have filled before it ended: the venue knows.
            self._request_snapshot("an order of an earlier run has ended")

    def _on_feed(self, event: FeedStatusChanged) -> None:
        state = self.state
        if not event.healthy:
            state.feeds_down[event.feed] = event.detail
            state.notify(NotifyLevel.WARNING, f"{event.feed} feed: {event.detail}")
            return
        was_down = state.feeds_down.pop(event.feed, None) is not None
        if was_down and event.feed in (Feed.REST, Feed.MARKET):
            state.market.look_again()
        if was_down and event.feed is Feed.USER and state.reconciled:
            self._orders.query_all_live()
            self._request_snapshot("user stream was down")

    def _on_operator(self, event: OperatorRequested) -> None:
        state = self.state
        state.notify(NotifyLevel.INFO, f"{event.actor} asked: {event.action} {event.detail}".rstrip())
        match event.action:
            case OperatorAction.PAUSE_ENTRIES:
                state.paused = f"entries paused by {event.actor}"
            case OperatorAction.RESUME_ENTRIES:
                state.paused = None
            case OperatorAction.CLOSE:
                self._close_for_owner(event, event.detail)
            case OperatorAction.CLOSE_ALL:
                state.paused = f"everything closed by {event.actor}"
                self._close_for_owner(event, None)
            case OperatorAction.FLATTEN | OperatorAction.STOP:
                state.stopping = event.action
            case OperatorAction.RELOAD_PARAMETERS:
                pass  # the driver reads the files and tells what is in them

    def _close_for_owner(self, event: OperatorRequested, name: str | None) -> None:
        """Begin to close what is held under `name`, None for everything, and say so when there is nothing."""
        reason = f"closed by {event.actor}"
        closed = sum(desk.close_for_owner(name, reason) for desk in self.state.desks)
        if not closed:
            self.state.notify(NotifyLevel.WARNING, f"nothing is held{f' of {name}' if name else ''} to close")

    # --- deciding -------------------------------------------------------------------------------------

    def _think(self, event: Event) -> None:
        if isinstance(event, TimerFired):
            self._orders.query_overdue()
            self._orders.cancel_strays()
            self._watch_positions()
            self._refresh_account()
            self._observe_equity()
            self._account_watch.tell()
            self._enforce_account_limits()
        for desk in self.state.desks:
            desk.think(event)
        if self.state.stopping is not None:
            self._stop_when_done()

    def _enforce_account_limits(self) -> None:
        """A limit of the account does not only block: what is held is closed, or the loss would run on."""
        breach = self._account_watch.breach()
        if breach is not None:
            for desk in self.state.desks:
                desk.close_all(f"{breach.rule}: {breach.reason}")

    # --- watching -------------------------------------------------------------------------------------

    def _watch_positions(self) -> None:
        """Ask for the venue's word when a desk and the account stream disagree for a while, and again and
        again while there is no account stream to disagree with."""
        state = self.state
        if state.snapshot_pending:
            return
        blind = Feed.USER in state.feeds_down
        if blind and state.now_ms - self._snapshot_asked_ms >= self.settings.policy.blind_poll_ms:
            self._request_snapshot("the user stream is down")
            return
        reason = next((words for desk in state.desks if (words := desk.must_ask()) is not None), None)
        if reason is not None:
            self._request_snapshot(reason)
            return
        if not any(desk.disagrees() for desk in state.desks):
            self._mismatch_since_ms = None
        elif self._mismatch_since_ms is None:
            self._mismatch_since_ms = state.now_ms
        elif state.now_ms - self._mismatch_since_ms >= self.settings.policy.retry_ms:
            self._request_snapshot("a position differs from our books")

    def _refresh_account(self) -> None:
        """Have margins and liquidation prices read again in time; nothing waits for the answer."""
        moved = self._moves() != self._snapshot_asked_at_moves
        if not self.state.snapshot_pending and self._account_watch.is_out_of_date(
            self._snapshot_asked_ms, moved=moved
        ):
            self._request_snapshot("margins and liquidation prices are old", in_doubt=False)

    def _observe_equity(self) -> None:
        equity = self.state.equity_usd()
        if equity is not None:
            self.state.risk_manager.observe_equity(equity, self.state.now_ms)

    def _request_snapshot(self, reason: str, *, in_doubt: bool = True) -> None:
        # Never two under way: nobody could tell which of them is the older.
        self._asked_again = self.state.snapshot_pending
        self.state.in_doubt = in_doubt or (self.state.snapshot_pending and self.state.in_doubt)
        if self._asked_again:
            return
        self.state.snapshot_pending = True
        self._snapshot_asked_at_moves = self._moves()
        self._snapshot_asked_ms = self.state.now_ms
        # Whose orders nobody doubts are read for the session's symbols only: the rest costs weight.
        symbols = () if in_doubt else self.settings.symbols
        self.state.emit(RequestSnapshot(at_ms=self.state.now_ms, reason=reason, symbols=symbols))

    def _moves(self) -> int:
        """Grows with every fill and every report of one: what is older than this is out of date."""
        return self.state.portfolio.fill_count + sum(desk.moves for desk in self.state.desks)

    # --- the end --------------------------------------------------------------------------------------

    def _stop_when_done(self) -> None:
        state = self.state
        quiet = all(desk.is_quiet for desk in state.desks)
        working = any(
            not any(desk.may_outlive(tracked) for desk in state.desks) for tracked in state.tracker.live()
        )
        if not quiet or state.strays or working:
            return
        self.stopped = True
        open_positions = sum(desk.open_position_count for desk in state.desks)
        state.emit(StopSession(at_ms=state.now_ms, reason=str(state.stopping), open_positions=open_positions))


def _desks(settings: CoreSettings, state: CoreState, orders: OrderDesk) -> list[StrategyDesk]:
    """A desk for each strategy that has parameters. Raises ValueError for a session without any."""
    desks: list[StrategyDesk] = []
    if settings.delta_neutral is not None:
        desks.append(PairDesk(state, orders, settings.delta_neutral))
    desks += [PositionDesk(state, orders, chosen) for chosen in settings.positions]
    if not desks:
        raise ValueError("a session needs at least one strategy")
    if len(set(settings.symbols)) < len(settings.symbols):
        raise ValueError("every symbol belongs to one strategy: some are given to two")
    return desks
