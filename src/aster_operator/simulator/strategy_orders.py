"""Runs OTO, OCO and OTOCO orders: one leg's events place or cancel another (section 4.5).

Reactions are queued while matching is at work and run when it has finished, so that no order is placed in
the middle of another one's fill.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from aster_operator.domain.enums import OrderStatus, TimeInForce
from aster_operator.simulator.accounts import Account
from aster_operator.simulator.filters import check_request
from aster_operator.simulator.model import (
    ExecutionType,
    OrderEvent,
    OrderRequest,
    SimulatedOrder,
    VenueRefusal,
)
from aster_operator.simulator.orders import OrderDesk
from aster_operator.simulator.refusals import refuse
from aster_operator.simulator.state import ExchangeState
from aster_operator.simulator.strategy_model import (
    DrivenOn,
    StrategyOrder,
    StrategyStatus,
    StrategyType,
    SubOrder,
    Trigger,
    TriggerAction,
)

__all__ = ["OrderPlacer", "StrategyDesk", "default_triggers"]

_LEG_COUNT = {StrategyType.OTO: 2, StrategyType.OCO: 2, StrategyType.OTOCO: 3}
_PLACE, _CANCEL = TriggerAction.PLACE_ORDER, TriggerAction.CANCEL_ORDER
_ENDINGS = {
    OrderStatus.CANCELED: StrategyStatus.CANCELED,
    OrderStatus.EXPIRED: StrategyStatus.EXPIRED,
    OrderStatus.FILLED: StrategyStatus.FINISHED,
}


class OrderPlacer(Protocol):
    """The order path, as the engine offers it."""

    def place(self, account: Account, request: OrderRequest) -> SimulatedOrder: ...


def default_triggers(strategy_type: StrategyType, sub_id: int) -> tuple[Trigger, ...]:
    """What the type itself means, for legs that name no trigger.

    A follower is placed when its leader has filled completely; of two alternatives the first fill of one
    cancels the other.
    """
    any_fill = DrivenOn.PARTIALLY_FILLED_OR_FILLED
    if strategy_type is StrategyType.OCO:
        return (Trigger(3 - sub_id, any_fill, _CANCEL),)
    if sub_id == 1:
        return ()
    follow = Trigger(1, DrivenOn.FILLED, _PLACE)
    if strategy_type is StrategyType.OTO:
        return (follow,)
    return (follow, Trigger(5 - sub_id, any_fill, _CANCEL))


class StrategyDesk:
    """All strategies of all accounts."""

    def __init__(self, state: ExchangeState, desk: OrderDesk, placer: OrderPlacer) -> None:
        self._state = state
        self._desk = desk
        self._placer = placer
        self._by_order: dict[int, tuple[StrategyOrder, SubOrder]] = {}
        self._strategies: dict[str, dict[int, StrategyOrder]] = {}
        self._reactions: deque[Callable[[], None]] = deque()
        self._last_id = 0
        state.order_hooks.append(self._on_order_event)

    # --- beginnings

    def place(
        self,
        account: Account,
        strategy_type: StrategyType,
        legs: Sequence[SubOrder],
        client_strategy_id: str | None = None,
    ) -> StrategyOrder:
        """Start a strategy; legs without triggers get those of its type.

        Raises VenueRefusal, leaving nothing behind, when a leg that is due at once is refused.
        """
        self._check(strategy_type, legs)
        strategy = self.register(account, strategy_type, legs[0].request.symbol, client_strategy_id)
        for leg in legs:
            leg.triggers = leg.triggers or default_triggers(strategy_type, leg.sub_id)
        strategy.sub_orders = list(legs)
        immediate = [leg for leg in legs if not any(each.action is _PLACE for each in leg.triggers)]
        # Conditional legs first: they cannot have traded when a later leg is refused.
        immediate.sort(key=lambda leg: not leg.request.order_type.is_conditional)
        try:
            for leg in immediate:
                self._place_leg(account, strategy, leg, at_once=True)
        except VenueRefusal:
            self._undo(account, strategy)
            raise
        return strategy

    def register(
        self, account: Account, strategy_type: StrategyType, symbol: str, client_strategy_id: str | None
    ) -> StrategyOrder:
        """A new, empty strategy of the account. Raises VenueRefusal(-4015) for a client id in use."""
        mine = self._strategies.setdefault(account.account_id, {})
        if client_strategy_id is not None and any(
            each.client_strategy_id == client_strategy_id and each.is_open for each in mine.values()
        ):
            raise refuse(-4015)
        self._last_id += 1
        now_ms = self._state.now_ms
        strategy = StrategyOrder(
            strategy_id=self._last_id,
            account_id=account.account_id,
            symbol=symbol,
            client_strategy_id=client_strategy_id or f"strategy{self._last_id:012d}",
            strategy_type=strategy_type,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        mine[strategy.strategy_id] = strategy
        return strategy

    def attach(self, strategy: StrategyOrder, leg: SubOrder, order: SimulatedOrder) -> None:
        """Let events of `order` reach the strategy."""
        leg.order = order
        self._by_order[order.order_id] = (strategy, leg)

    def forget(self, strategy: StrategyOrder) -> None:
        """Remove a strategy that never came to life."""
        del self._strategies[strategy.account_id][strategy.strategy_id]

    def _check(self, strategy_type: StrategyType, legs: Sequence[SubOrder]) -> None:
        if strategy_type not in _LEG_COUNT:
            raise refuse(-1130, "strategyType")
        ids = [leg.sub_id for leg in legs]
        if ids != list(range(1, _LEG_COUNT[strategy_type] + 1)):
            raise refuse(-1130, "subOrderList")
        if len({leg.request.symbol for leg in legs}) != 1:
            raise refuse(-1130, "subOrderList")
        spec = self._state.market(legs[0].request.symbol).spec
        for leg in legs:
            if leg.request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
                raise refuse(-1115)
            if any(each.driven_id == leg.sub_id or each.driven_id not in ids for each in leg.triggers):
                raise refuse(-1130, "subOrderList")
            # Also of a leg that waits, so that nobody learns of a typing error when the entry has filled.
            check_request(spec, leg.request)

    def _place_leg(
        self, account: Account, strategy: StrategyOrder, leg: SubOrder, *, at_once: bool = False
    ) -> None:
        try:
            order = self._placer.place(account, leg.request)
        except VenueRefusal as refusal:
            if at_once:
                if refusal.code == -2021:
                    raise refuse(-4142) from refusal
                raise
            leg.refused = f"{refusal.code}: {refusal.message}"
            strategy.failure_code, strategy.failure_reason = refusal.code, refusal.message
            return
        self.attach(strategy, leg, order)
        # What happened to the order while it was being placed came before anybody knew it belonged here.
        for execution in self._history_of(order):
            self._react(strategy, leg, execution)
        self._conclude_later(strategy, order)

    @staticmethod
    def _history_of(order: SimulatedOrder) -> list[ExecutionType]:
        found = [ExecutionType.NEW]
        if order.filled_lots:
            found.append(ExecutionType.TRADE)
        if order.status is OrderStatus.EXPIRED:
            found.append(ExecutionType.EXPIRED)
        return found

    def _undo(self, account: Account, strategy: StrategyOrder) -> None:
        for leg in strategy.sub_orders:
            if leg.order is not None:
                self._by_order.pop(leg.order.order_id, None)
                if leg.order.order_id in account.open_orders:
                    self._desk.cancel(leg.order)
        self.forget(strategy)

    # --- reactions

    @property
    def has_pending(self) -> bool:
        return bool(self._reactions)

    def run_pending(self) -> bool:
        """Run one queued reaction; False when there is none."""
        if not self._reactions:
            return False
        self._reactions.popleft()()
        return True

    def _on_order_event(self, event: OrderEvent) -> None:
        found = self._by_order.get(event.order.order_id)
        if found is not None:
            self._react(*found, event.execution)
            self._conclude_later(found[0], event.order)

    def _react(self, strategy: StrategyOrder, leg: SubOrder, execution: ExecutionType) -> None:
        if not strategy.is_open or leg.order is None:
            return
        strategy.updated_ms = self._state.now_ms
        met = _met(leg.order, execution)
        for other in strategy.sub_orders:
            for trigger in other.triggers:
                if trigger.driven_id == leg.sub_id and trigger.driven_on in met:
                    self._reactions.append(partial(self._act, strategy, other, trigger.action))

    def _conclude_later(self, strategy: StrategyOrder, order: SimulatedOrder) -> None:
        """After the reactions to the order's end, which may have placed another leg."""
        if order.status.is_final:
            self._reactions.append(partial(self._conclude, strategy))

    def _act(self, strategy: StrategyOrder, leg: SubOrder, action: TriggerAction) -> None:
        account = self._state.accounts[strategy.account_id]
        if action is _PLACE:
            if leg.is_waiting:
                self._place_leg(account, strategy, leg)
        elif leg.order is not None and leg.order.order_id in account.open_orders:
            self._desk.cancel(leg.order)

    def _conclude(self, strategy: StrategyOrder) -> None:
        """End the strategy when no leg is open and none can be placed any more."""
        if not strategy.is_open:
            return
        placed = [leg.order for leg in strategy.sub_orders if leg.order is not None]
        if any(not order.status.is_final for order in placed):
            return
        strategy.updated_ms = self._state.now_ms
        if any(leg.refused for leg in strategy.sub_orders):
            strategy.status = StrategyStatus.FAILED
        elif any(order.status is OrderStatus.FILLED for order in placed):
            strategy.status = StrategyStatus.FINISHED
        else:
            strategy.status = _ENDINGS[placed[-1].status]
        for order in placed:
            self._by_order.pop(order.order_id, None)

    def end(self, strategy: StrategyOrder, status: StrategyStatus, reason: str = "") -> None:
        """End a strategy from outside its legs."""
        if strategy.is_open:
            strategy.status, strategy.failure_reason = status, reason
            strategy.updated_ms = self._state.now_ms

    # --- lookup

    def find(
        self, account: Account, strategy_id: int | None, client_strategy_id: str | None
    ) -> StrategyOrder | None:
        """By id, else the latest one of that client id."""
        mine = self._strategies.get(account.account_id, {})
        if strategy_id is not None:
            return mine.get(strategy_id)
        return next(
            (each for each in reversed(mine.values()) if each.client_strategy_id == client_strategy_id), None
        )

    def all_of(self, account: Account) -> list[StrategyOrder]:
        """Every strategy ever, oldest first."""
        return list(self._strategies.get(account.account_id, {}).values())


def _met(order: SimulatedOrder, execution: ExecutionType) -> set[DrivenOn]:
    """The conditions an execution of `order` meets."""
    match execution:
        case ExecutionType.NEW:
            fired = order.original_type.is_conditional and not order.order_type.is_conditional
            return {DrivenOn.STOPPED} if fired else {DrivenOn.NEW}
        case ExecutionType.TRADE | ExecutionType.CALCULATED:
            filled = order.status is OrderStatus.FILLED
            return {DrivenOn.PARTIALLY_FILLED_OR_FILLED, *((DrivenOn.FILLED,) if filled else ())}
        case ExecutionType.CANCELED:
            return {DrivenOn.CANCELED}
        case ExecutionType.EXPIRED:
            return {DrivenOn.EXPIRED}
        case ExecutionType.AMENDMENT:
            return {DrivenOn.REPLACED}
