"""What a session decided and did: decisions, orders, fills, finished trades, messages. Bounded, newest last.

Every row carries the ids that tie them together: a decision's number is on the orders that followed from it,
an order's client id on its fills, a position's or pair's reference on its trade.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar, cast

import msgspec

from aster_operator.domain.closed_trades import ClosedTrade
from aster_operator.domain.commands import (
    CancelOrder,
    Command,
    Notify,
    RecordDecision,
    RecordPositionClosed,
    RecordPositionOpened,
    RecordTrade,
    SubmitOrder,
)
from aster_operator.domain.events import (
    CancelRefused,
    Event,
    FeedStatusChanged,
    FillLearned,
    IncomeSettled,
    OperatorRequested,
    OrderChanged,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRefusedByVenue,
)
from aster_operator.domain.fills import Fill
from aster_operator.domain.money import ZERO
from aster_operator.domain.orders import NewOrder
from aster_operator.execution.core_state import CoreState
from aster_operator.monitoring.replica.buffers import Buffer, BufferSizes

__all__ = ["ActivityLog", "LoggedDecision", "LoggedOrder", "LoggedRound", "OrderStep"]

T = TypeVar("T")
_MOST_REMEMBERED = 16
"""Lists that views made of the buffers, at most: a stranger's questions must not pile them up."""


class LoggedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision; `number` counts them from 1 within the session."""

    number: int
    decision: RecordDecision


class OrderStep(msgspec.Struct, frozen=True, array_like=True):
    """One thing that happened to an order."""

    at_ms: int
    what: str


class LoggedOrder(msgspec.Struct, kw_only=True):
    """One order and what became of it. `outcome` is the name of its latest state; `decision` the number of
    the decision it followed from, None for one that followed from none (a stop that is moved, a hedge)."""

    order: NewOrder
    at_ms: int
    decision: int | None
    position_ref: str | None
    outcome: str = "pending"
    filled_quantity: Decimal = ZERO
    average_price: Decimal = ZERO
    steps: list[OrderStep] = []
    was_unknown: bool = False


class LoggedRound(msgspec.Struct, kw_only=True):
    """A pair from its opening to its close, from the books' commands. PnL is None where nobody saw it."""

    pair_ref: str
    legs: dict[str, RecordPositionOpened]
    closed: dict[str, RecordPositionClosed] = {}
    fees_usd: Decimal = ZERO
    funding_usd: Decimal = ZERO

    @property
    def is_closed(self) -> bool:
        return len(self.closed) == len(self.legs)


class ActivityLog:
    """Buffers of one session, and the sums that no buffer forgets."""

    def __init__(self, sizes: BufferSizes) -> None:
        self._most_orders = sizes.orders
        self.decisions: Buffer[LoggedDecision] = Buffer(sizes.decisions)
        self.orders: OrderedDict[str, LoggedOrder] = OrderedDict()
        self.orders_dropped = 0
        self.fills: Buffer[Fill] = Buffer(sizes.fills)
        self.trades: Buffer[ClosedTrade] = Buffer(sizes.trades)
        self.rounds: OrderedDict[str, LoggedRound] = OrderedDict()
        self.notices: Buffer[Notify] = Buffer(sizes.notices)
        self.wishes: Buffer[OperatorRequested] = Buffer(sizes.notices)
        self.outcomes: Counter[str] = Counter()
        self.refusals: Counter[int] = Counter()
        self.feed_losses: Counter[str] = Counter()
        self.feed_returns: Counter[str] = Counter()
        self.notices_by_level: Counter[str] = Counter()
        self.blocked: Counter[str] = Counter()
        self.unprotected_ms = 0
        self.closed = 0
        self.legs_closed = 0
        self.longest_lone_leg_ms = 0
        self._seen_fills: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._latest_decision: dict[str, LoggedDecision] = {}
        self._most_rounds = sizes.trades
        self.remembered: dict[str, tuple[object, object]] = {}
        """What views made of these buffers, by name, with the state of the buffers it was made from."""

    def made_once(self, name: str, state: object, make: Callable[[], T]) -> T:
        """What `make` gives, made anew only when `state` (whatever it depends on) is another."""
        known = self.remembered.get(name)
        if known is not None and known[0] == state:
            return cast(T, known[1])
        made = make()
        self.remembered.pop(name, None)
        if len(self.remembered) >= _MOST_REMEMBERED:
            self.remembered.pop(next(iter(self.remembered)))
        self.remembered[name] = (state, made)
        return made

    # --- events ---------------------------------------------------------------------------------------

    def on_event(self, event: Event, state: CoreState) -> None:
        """Take an event in that `state` knows of already."""
        match event:
            case OrderChanged():
                self._moved(event.report.client_order_id, state)
                if event.fill is not None:
                    self._filled(event.fill)
            case FillLearned():
                self._filled(event.fill)
            case OrderRefusedByVenue():
                self.refusals[event.code] += 1
                self._moved(event.client_order_id, state, f"refused: {event.message} ({event.code})")
            case OrderOutcomeUnknown():
                self._moved(event.client_order_id, state, f"outcome unknown: {event.cause}")
            case OrderNotFound():
                self._moved(event.client_order_id, state, "not found at the venue")
            case CancelRefused():
                self._moved(event.client_order_id, state, f"cancel refused: {event.message}")
            case FeedStatusChanged():
                (self.feed_returns if event.healthy else self.feed_losses)[event.feed] += 1
            case OperatorRequested():
                self.wishes.append(event)
            case IncomeSettled() if event.row.income_type == "FUNDING_FEE":
                self._funded(event.row.symbol, event.row.income)
            case _:
                pass

    def _moved(self, client_order_id: str, state: CoreState, words: str | None = None) -> None:
        logged, tracked = self.orders.get(client_order_id), state.tracker.get(client_order_id)
        if logged is None or tracked is None:
            return
        outcome = _snake(type(tracked.state).__name__)
        if outcome == logged.outcome and tracked.filled_quantity == logged.filled_quantity and not words:
            return
        logged.was_unknown = logged.was_unknown or outcome == "unknown"
        if tracked.is_final and not _is_final(logged.outcome):
            self.outcomes[outcome] += 1
        logged.outcome = outcome
        logged.filled_quantity = tracked.filled_quantity
        logged.average_price = tracked.average_price or ZERO
        logged.steps.append(OrderStep(state.now_ms, words or outcome.replace("_", " ")))

    def _filled(self, fill: Fill) -> None:
        key = (fill.symbol, fill.trade_id)
        if key in self._seen_fills:
            return
        self._seen_fills[key] = None
        if len(self._seen_fills) > self._most_orders:
            self._seen_fills.popitem(last=False)
        self.fills.append(fill)
        open_round = self._open_round(fill.symbol, fill.position_side)
        if open_round is not None:
            open_round.fees_usd += fill.commission_value

    def _funded(self, symbol: str, income: Decimal) -> None:
        for each in reversed(self.rounds.values()):
            if not each.is_closed and any(leg.symbol == symbol for leg in each.legs.values()):
                each.funding_usd += income
                return

    def _open_round(self, symbol: str, position_side: str) -> LoggedRound | None:
        for count, each in enumerate(reversed(self.rounds.values())):
            if count > 50:
                return None
            if any(leg.symbol == symbol and leg.position_side == position_side for leg in each.legs.values()):
                return None if each.is_closed else each
        return None

    # --- commands -------------------------------------------------------------------------------------

    def on_command(self, command: Command, state: CoreState) -> None:
        """Take a command of the session in."""
        match command:
            case RecordDecision():
                self._decided(command)
            case SubmitOrder():
                self._sent(command, state)
            case CancelOrder():
                logged = self.orders.get(command.client_order_id)
                if logged is not None:
                    logged.steps.append(OrderStep(command.at_ms, f"cancel asked: {command.reason}"))
            case RecordPositionOpened():
                self._opened(command)
            case RecordPositionClosed():
                self._closed(command)
            case RecordTrade():
                self.trades.append(command.trade)
                self.unprotected_ms += command.trade.unprotected_ms
                self.closed += 1
            case Notify():
                self.notices.append(command)
                self.notices_by_level[command.level] += 1
            case _:
                pass

    def _decided(self, command: RecordDecision) -> None:
        last = self.decisions.last()
        logged = LoggedDecision(number=1 if last is None else last.number + 1, decision=command)
        self.decisions.append(logged)
        self._latest_decision[command.symbol] = logged
        for name, text in command.numbers.items():
            if name.startswith("blocker.") and text.startswith("BLOCKED"):
                self.blocked[f"{command.symbol}: {name.removeprefix('blocker.')}"] += 1

    def _sent(self, command: SubmitOrder, state: CoreState) -> None:
        order = command.order.value
        pair = state.pairs.owner(order.client_order_id)
        names = [order.symbol] if pair is None else [pair[0].name, order.symbol]
        decision = next((found for name in names if (found := self._latest_decision.get(name))), None)
        self.orders[order.client_order_id] = LoggedOrder(
            order=order,
            at_ms=command.at_ms,
            decision=None if decision is None else decision.number,
            position_ref=pair[0].pair_ref if pair is not None else _single_ref(state, order),
            steps=[OrderStep(command.at_ms, "sent")],
        )
        if len(self.orders) > self._most_orders:
            self.orders.popitem(last=False)
            self.orders_dropped += 1

    def _opened(self, command: RecordPositionOpened) -> None:
        each = self.rounds.get(command.pair_ref)
        if each is None:
            each = self.rounds[command.pair_ref] = LoggedRound(pair_ref=command.pair_ref, legs={})
            if len(self.rounds) > self._most_rounds:
                self.rounds.popitem(last=False)
        each.legs[command.position_ref] = command

    def _closed(self, command: RecordPositionClosed) -> None:
        self.legs_closed += 1
        for each in reversed(self.rounds.values()):
            if command.position_ref in each.legs:
                each.closed[command.position_ref] = command
                # A single position ends with its own row of everything about it.
                self.closed += each.is_closed and len(each.legs) > 1
                break
        lone_ms = command.longest_imbalance_ms or 0
        self.longest_lone_leg_ms = max(self.longest_lone_leg_ms, lone_ms)


def _single_ref(state: CoreState, order: NewOrder) -> str | None:
    """The reference of the single position an order belongs to, as the desks know it."""
    for desk in state.desks:
        book = getattr(desk, "book", None)
        position = None if book is None else book.on_symbol(order.symbol)
        if position is not None:
            return str(position.position_ref)
    return None


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def _is_final(outcome: str) -> bool:
    return outcome in ("filled", "cancelled", "expired", "rejected")
