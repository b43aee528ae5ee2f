"""The desk of a strategy of single positions: decides on each closed bar, enters, protects, leaves.

Implements `StrategyDesk`. What must survive the death of the process is handed out as `Remember` commands,
before the order that makes it matter.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from aster_operator.domain.client_ids import is_own_client_order_id
from aster_operator.domain.closed_trades import ExitReason
from aster_operator.domain.commands import NotifyLevel, Remember
from aster_operator.domain.events import (
    AccountChanged,
    BarUpdated,
    Event,
    MarkUpdated,
    OperatorAction,
    OrderChanged,
    ParametersChanged,
    TimerFired,
    VenueSnapshotTaken,
)
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.market import Bar
from aster_operator.domain.money import ZERO, plain_text
from aster_operator.domain.orders import OrderReport, Rejected
from aster_operator.execution.core_state import CoreState
from aster_operator.execution.order_desk import OrderDesk
from aster_operator.execution.order_tracker import TrackedOrder
from aster_operator.execution.positions.bar_decisions import bar_view, entry_verdicts, record
from aster_operator.execution.positions.book import PositionBook
from aster_operator.execution.positions.entries import EntryDesk
from aster_operator.execution.positions.finishing import Finisher
from aster_operator.execution.positions.guards import GuardMemory, Guards
from aster_operator.execution.positions.meanwhile import MarketWatch, TradedVolume
from aster_operator.execution.positions.position import ExitKind, ManagedPosition, PositionPhase
from aster_operator.execution.positions.resuming import Resumer
from aster_operator.execution.positions.settings import PositionDeskSettings
from aster_operator.execution.positions.urgency import Urgency
from aster_operator.execution.positions.worker import PositionWorker
from aster_operator.execution.strategy_desk import PositionKey, Resumption
from aster_operator.strategy.asking import StrategyFault, decide, make_strategy
from aster_operator.strategy.bar_history import Arrival, BarHistory
from aster_operator.strategy.base import Enter, Exit, ParameterFaults
from aster_operator.strategy.parameter_changes import changes_text
from aster_operator.strategy.registry import find_strategy

__all__ = ["PositionDesk"]

_GUARDS_KEY = "guards"
_TRAIL_KEPT_EVERY_MS = 1_000


class PositionDesk:
    """One strategy with its symbols. `book` may be read by views and reports."""

    def __init__(self, state: CoreState, orders: OrderDesk, settings: PositionDeskSettings) -> None:
        self.settings = settings
        self.strategy = make_strategy(find_strategy(settings.strategy), settings.parameters, settings.symbols)
        self._parameters = settings.parameters
        self.book = PositionBook()
        remembered = settings.memory.get(_GUARDS_KEY)
        guards_memory = None if remembered is None else msgspec.json.decode(remembered, type=GuardMemory)
        self.guards = Guards(settings.guards, guards_memory)
        self._state = state
        self._orders = orders
        self._worker = PositionWorker(state, orders, settings)
        self._urgency = Urgency(state, orders, self._worker)
        self._entries = EntryDesk(state, orders, settings, self.book, self.name)
        self._finisher = Finisher(state, settings, self.book, self.guards)
        self._resumer = Resumer(state, orders, settings, self.book)
        self._histories = {symbol: BarHistory(self.strategy.warm_up_bars) for symbol in settings.symbols}
        self._volumes = {symbol: TradedVolume() for symbol in settings.symbols}
        self._to_decide: list[Bar] = []
        self._kept: dict[str, str] = {}
        self._kept_ms: dict[str, int] = {}

    @property
    def name(self) -> str:
        return self.strategy.name

    @property
    def symbols(self) -> tuple[str, ...]:
        return self.settings.symbols

    @property
    def moves(self) -> int:
        return self.book.moves

    @property
    def warm_up_bars(self) -> int:
        return self.strategy.warm_up_bars

    # --- learning -------------------------------------------------------------------------------------

    def learn(self, event: Event) -> None:
        match event:
            case BarUpdated() if event.bar.symbol in self._histories:
                self._take_bar(event.bar)
            case MarkUpdated() if event.mark.symbol in self.book.watches:
                self.book.watches[event.mark.symbol].take_mark(event.mark.mark)
            case VenueSnapshotTaken():
                self.guards.take_account(event.account)
            case AccountChanged():
                self._take_account()
            case ParametersChanged() if event.strategy == self.name:
                self._take_parameters(event)
            case OrderChanged() if event.report.symbol in self._histories:
                self._resumer.on_report(event.report)
            case _:
                pass

    def _take_bar(self, bar: Bar) -> None:
        self._volumes[bar.symbol].take(bar)
        watch = self.book.watches.get(bar.symbol)
        if watch is not None:
            watch.take_bar(bar)
        arrival = self._histories[bar.symbol].add(bar)
        if arrival is Arrival.NEW and self._state.reconciled:
            self._to_decide.append(bar)
        elif arrival is Arrival.INVALID:
            self._state.notify(NotifyLevel.WARNING, f"{bar.symbol}: a bar without positive prices is ignored")

    def _take_parameters(self, event: ParametersChanged) -> None:
        try:
            if event.fault is not None:
                raise ParameterFaults([event.fault])
            strategy = make_strategy(type(self.strategy), event.text, self.symbols)
        except (ParameterFaults, StrategyFault) as faults:
            words = f"{self.name}: new parameters refused, the old stay: {faults}"
            self._state.notify(NotifyLevel.WARNING, words)
            return
        changes = changes_text(self._parameters, event.text)
        if changes is None:
            self._state.notify(NotifyLevel.INFO, f"{self.name}: no new parameters, the file says the same")
            return
        self.strategy, self._parameters = strategy, event.text
        self._histories = {
            symbol: history.resized(strategy.warm_up_bars) for symbol, history in self._histories.items()
        }
        self._state.notify(NotifyLevel.INFO, f"{self.name}: new parameters are in force: {changes}")

    def _take_account(self) -> None:
        for position in self.book.active():
            if self._worker.take_account(position):
                self.book.moves += 1
                self._watch(position)

    def on_tracked(self, tracked: TrackedOrder) -> None:
        position = self.book.owner(tracked.client_order_id)
        if position is None and tracked.filled_quantity > 0:
            position = self._revive(tracked)
        is_entry = position is not None and tracked.client_order_id == position.entry.client_order_id
        if position is not None and is_entry and isinstance(tracked.state, Rejected):
            self._entries.on_refused(position, tracked.state)
        if position is None or not self._worker.on_tracked(position, tracked):
            return
        self.book.moves += 1
        market = self._state.market.of(position.symbol)
        watch = self.book.watches.get(position.symbol)
        if watch is None and position.held > 0:
            self._watch(position)
        elif watch is not None and tracked.client_order_id in position.exits:
            watch.sent_exit(market.quote, None if market.mark is None else market.mark.mark)

    def _revive(self, tracked: TrackedOrder) -> ManagedPosition | None:
        """An entry counted as never placed has filled after all: it must not stand there unwatched."""
        position = self.book.revive(tracked.client_order_id)
        symbol, filled = tracked.order.symbol, plain_text(tracked.filled_quantity)
        if position is not None:
            self._state.notify(NotifyLevel.CRITICAL, f"{symbol}: a lost entry has filled {filled} after all")
        elif (present := self.book.on_symbol(symbol)) is not None and tracked.order.opens_position:
            present.must_ask = True
        return position

    def _watch(self, position: ManagedPosition) -> None:
        bar = self._histories[position.symbol].last
        self.book.watches[position.symbol] = MarketWatch(
            side=position.side,
            entry_price=position.entry_price,
            volume=self._volumes[position.symbol],
            opened_ms=self._state.now_ms,
            last=None if bar is None else bar.close,
        )

    def on_own_fill(self, fill: Fill) -> bool:
        return self.book.book_own_fill(fill)

    def on_foreign_fill(self, fill: Fill) -> bool:
        return self.book.book_foreign_fill(fill)

    def on_funding(self, row: IncomeRow) -> None:
        position = self.book.on_symbol(row.symbol)
        if position is not None:
            position.books.funding += row.income
            position.dirty = True

    # --- truth ----------------------------------------------------------------------------------------

    def claims(self, order: OrderReport) -> bool:
        return self._resumer.claims(order)

    def resume(self, snapshot: VenueSnapshotTaken) -> Resumption:
        resumption = self._resumer.resume(snapshot)
        for position in self.book.active():
            if position.held > 0:
                self._watch(position)
        return resumption

    def correct(self, snapshot: VenueSnapshotTaken) -> None:
        state = self._state
        known = {order.client_order_id for order in snapshot.open_orders}
        for order in snapshot.open_orders:
            if order.symbol in self._histories and is_own_client_order_id(order.client_order_id):
                self._resumer.on_report(order)
        for position in self._quiet_positions():
            held = abs(state.portfolio.held(position.symbol, position.position_side).quantity)
            position.must_ask = False
            if held != position.held:
                state.notify(
                    NotifyLevel.CRITICAL,
                    f"{position.symbol} holds {held}, we thought {position.held}: corrected",
                )
                position.held = held
                position.dirty = True
                self.book.moves += 1
            for client_order_id in position.exits:
                tracked = state.tracker.get(client_order_id)
                if tracked is None or tracked.is_final or client_order_id in known:
                    continue
                if tracked.reported:
                    position.absorbed.add(client_order_id)
                self._orders.query(tracked)

    def must_ask(self) -> str | None:
        for position in self._quiet_positions():
            if position.must_ask:
                return f"what is held of {position.symbol} is not sure"
        return None

    def disagrees(self) -> bool:
        return any(
            abs(self._state.portfolio.held(position.symbol, position.position_side).quantity) != position.held
            for position in self._quiet_positions()
        )

    def _quiet_positions(self) -> Iterator[ManagedPosition]:
        """Positions with no order under way but resting exits: what they hold can be checked."""
        for position in self.book.active():
            entry = self._state.tracker.get(position.entry.client_order_id)
            closing = any(
                kind is ExitKind.CLOSE and (tracked := self._state.tracker.get(name)) and not tracked.is_final
                for name, kind in position.exits.items()
            )
            if (entry is None or entry.is_final) and not closing:
                yield position

    # --- exposure -------------------------------------------------------------------------------------

    def held(self) -> Iterator[tuple[PositionKey, Decimal]]:
        for position in self.book.active():
            yield (position.symbol, position.position_side), max(position.held, ZERO)

    def still_to_open(self) -> Iterator[tuple[str, Decimal]]:
        """Nothing: an entry is one order at once, counted as pending from then on."""
        return iter(())

    def may_outlive(self, tracked: TrackedOrder) -> bool:
        """Protection rests on when the session ends."""
        kind = None
        position = self.book.owner(tracked.client_order_id)
        if position is not None and position.phase is PositionPhase.OPEN:
            kind = position.exits.get(tracked.client_order_id)
        return kind in (ExitKind.STOP, ExitKind.TAKE_PROFIT, ExitKind.TRAILING)

    # --- deciding -------------------------------------------------------------------------------------

    def think(self, event: Event) -> None:
        state = self._state
        if isinstance(event, MarkUpdated | TimerFired):
            self._stand_guard(event)
        self._urgency.ask(self.book.active())
        if state.stopping is OperatorAction.FLATTEN:
            self._close_all(ExitReason.OWNER, "flatten requested")
        decided, self._to_decide = self._to_decide, []
        for bar in decided:
            self._decide(bar)
        for position in self.book.active():
            self._worker.work(position)
            if position.phase is PositionPhase.SETTLING:
                gone = self._worker.cancel_sibling_exit_orders(position)
                self._finisher.settle(position, orders_gone=gone)
        self._finisher.record_open()
        self._finisher.end_doubts()
        self._keep_memory()

    def _stand_guard(self, event: Event) -> None:
        state, now_ms = self._state, self._state.now_ms
        equity = state.equity_usd()
        if equity is not None:
            self.guards.take_equity(equity, now_ms)
        if isinstance(event, MarkUpdated):
            position = self.book.on_symbol(event.mark.symbol)
            if position is not None:
                self._worker.follow_mark(position, event.mark.mark)
        if not self.book.positions:
            return
        forced = self.guards.must_close(equity, now_ms)
        if forced is not None:
            self._close_all(*forced)

    def _decide(self, bar: Bar) -> None:
        state, symbol = self._state, bar.symbol
        history = self._histories[symbol]
        decision = decide(self.strategy, bar_view(state, self.settings, self.book, symbol, history))
        verdicts = tuple(entry_verdicts(state, self.settings, self.book, self.guards, self.strategy, bar))
        intent = decision.intent
        if isinstance(intent, Enter):
            against = [verdict for verdict in verdicts if not verdict.passed]
            if against:
                words = ", ".join(f"{verdict.name}: {verdict.value}" for verdict in against)
                decision = msgspec.structs.replace(
                    decision, action="blocked", reason=f"{intent.reason}; blocked by {words}", intent=None
                )
            else:
                decision = self._entries.enter(symbol, decision, intent, self._entry_balance())
        record(state, self.name, bar, decision, verdicts)
        self.book.words[symbol] = f"{decision.action}: {decision.reason}"
        if isinstance(intent, Exit):
            position = self.book.on_symbol(symbol)
            if position is not None:
                self._worker.begin_close(position, ExitReason.SIGNAL, intent.reason)

    def _entry_balance(self) -> Decimal | None:
        """What an entry may be measured by: equity, but never more than the capital the owner set."""
        equity = self._state.equity_usd()
        return None if equity is None else min(equity, self._state.settings.limits.capital_usd)

    # --- memory ---------------------------------------------------------------------------------------

    def _keep_memory(self) -> None:
        for position in self.book.active():
            if position.dirty and self._is_due(position):
                self._keep(position.position_ref, msgspec.json.encode(position.memory()).decode())
                position.dirty = False
        if self.guards.changed:
            self.guards.changed = False
            self._keep(_GUARDS_KEY, msgspec.json.encode(self.guards.memory).decode())

    def _is_due(self, position: ManagedPosition) -> bool:
        """A trailing stop moves with every mark: that alone is written once a second."""
        if position.trail is None or position.phase is not PositionPhase.OPEN:
            return True
        last_ms = self._kept_ms.get(position.position_ref)
        due = last_ms is None or self._state.now_ms - last_ms >= _TRAIL_KEPT_EVERY_MS
        if due:
            self._kept_ms[position.position_ref] = self._state.now_ms
        return due

    def _keep(self, key: str, text: str) -> None:
        if self._kept.get(key) != text:
            self._kept[key] = text
            self._state.emit(Remember(at_ms=self._state.now_ms, strategy=self.name, key=key, state=text))

    # --- the end --------------------------------------------------------------------------------------

    def close_all(self, reason: str) -> None:
        self._close_all(ExitReason.LIMIT, reason)

    def close_for_owner(self, name: str | None, reason: str) -> int:
        named = [
            position
            for position in self.book.active()
            if name is None or name in (position.symbol, position.position_ref)
        ]
        for position in named:
            self._worker.begin_close(position, ExitReason.OWNER, reason)
        return len(named)

    def _close_all(self, reason: ExitReason, detail: str) -> None:
        for position in self.book.active():
            self._worker.begin_close(position, reason, detail)

    def stands_open(self, position: ManagedPosition) -> bool:
        """True while more of it is held than resting stops cover."""
        return self._worker.stands_open(position)

    @property
    def due_ms(self) -> int | None:
        return self._urgency.due_ms(self.book.active())

    @property
    def is_quiet(self) -> bool:
        return all(
            position.phase is PositionPhase.OPEN and self._worker.is_armed(position)
            for position in self.book.active()
        )

    @property
    def open_position_count(self) -> int:
        return sum(1 for position in self.book.active() if position.held > 0)
