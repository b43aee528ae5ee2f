"""Conditional orders: placement checks, triggers, trailing, activation (protocol reference, section 4.3)."""

from dataclasses import replace
from decimal import Decimal

from aster_operator.domain.enums import OrderType, Side, TimeInForce, WorkingType
from aster_operator.simulator.accounts import Account, is_closing
from aster_operator.simulator.admission import Admission
from aster_operator.simulator.filters import CheckedOrder
from aster_operator.simulator.model import ExecutionType, OrderRequest, SimulatedOrder, VenueRefusal
from aster_operator.simulator.orders import OrderDesk
from aster_operator.simulator.refusals import refuse
from aster_operator.simulator.state import ExchangeState, Market

__all__ = ["ConditionalOrders", "is_through"]

_STOPS = (OrderType.STOP, OrderType.STOP_MARKET)
_AMENDABLE = (
    "lots",
    "price_ticks",
    "stop_ticks",
    "activation_ticks",
    "callback_rate_pct",
    "working_type",
    "price_protect",
    "reduce_only",
    "close_position",
    "time_in_force",
)


def is_through(order: SimulatedOrder, price_e8: int) -> bool:
    """True when `price_e8` fires a STOP or TAKE_PROFIT order of either kind."""
    stop_e8 = order.stop_ticks * order.spec.price_atoms_per_tick
    # A buy stop and a sell take-profit wait for a rise, the other two for a fall.
    waits_for_rise = (order.side is Side.BUY) == (order.original_type in _STOPS)
    return price_e8 >= stop_e8 if waits_for_rise else price_e8 <= stop_e8


class ConditionalOrders:
    """The orders of every market that wait for a price."""

    def __init__(self, state: ExchangeState, desk: OrderDesk) -> None:
        self._state = state
        self._desk = desk
        state.print_hooks.append(self._on_print)

    def check_placement(self, market: Market, order: SimulatedOrder) -> None:
        """Refuse an order already through its trigger, or a trailing one activated behind the price."""
        price_e8 = self._price_e8(market, order.working_type)
        if order.original_type is not OrderType.TRAILING_STOP_MARKET:
            if is_through(order, price_e8):
                raise refuse(-2021)
            return
        if order.activation_ticks:
            activation_e8 = order.activation_ticks * market.spec.price_atoms_per_tick
            if (price_e8 - activation_e8) * order.side.sign <= 0:
                raise refuse(-2021)

    def add(self, market: Market, order: SimulatedOrder) -> None:
        """Wait for the trigger; a trailing order begins to follow the current price."""
        market.conditional[order.order_id] = order
        if order.original_type is OrderType.TRAILING_STOP_MARKET:
            price_e8 = self._price_e8(market, order.working_type)
            if not order.activation_ticks:
                order.activation_ticks = max(1, round(price_e8 / market.spec.price_atoms_per_tick))
            market.trails[order.order_id] = price_e8

    def amend(
        self, market: Market, order: SimulatedOrder, request: OrderRequest, checked: CheckedOrder
    ) -> None:
        """Change a waiting order; a trailing one begins anew. A refusal leaves it as it was."""
        changed = replace(
            order,
            lots=checked.lots,
            price_ticks=checked.price_ticks,
            stop_ticks=checked.stop_ticks,
            activation_ticks=checked.activation_ticks,
            callback_rate_pct=checked.callback_rate_pct,
        )
        changed.working_type, changed.price_protect = request.working_type, request.price_protect
        changed.reduce_only, changed.close_position = request.reduce_only, request.close_position
        changed.time_in_force = request.time_in_force or TimeInForce.GTC
        self.check_placement(market, changed)
        for name in _AMENDABLE:
            setattr(order, name, getattr(changed, name))
        order.updated_ms = self._state.now_ms
        market.fired.pop(order.order_id, None)
        self.add(market, order)
        self._desk.announce(order, ExecutionType.AMENDMENT)

    def _on_print(self, market: Market) -> None:
        """Note whom the trade just printed sets off; they act when the matching at work has finished.

        A price that is touched and left again within one sweep has been touched.
        """
        for order_id, order in market.conditional.items():
            if order.working_type is WorkingType.MARK_PRICE or order_id in market.fired:
                continue
            price_e8 = self._price_e8(market, order.working_type)
            if self._fires(market, order, price_e8) and not self._is_protected(market, order):
                market.fired[order_id] = order

    def next_fired(self, market: Market) -> SimulatedOrder | None:
        """The order whose trigger a print has met first, else the oldest whose trigger is met now."""
        if not market.conditional:
            market.fired.clear()
            return None
        while market.fired:
            order = market.fired.pop(next(iter(market.fired)))
            # It may have been cancelled since.
            if order.order_id in market.conditional:
                return order
        for order in market.conditional.values():
            price_e8 = self._price_e8(market, order.working_type)
            if self._fires(market, order, price_e8) and not self._is_protected(market, order):
                return order
        return None

    def activate(self, market: Market, order: SimulatedOrder) -> bool:
        """Turn a fired order into MARKET or LIMIT. False when there is nothing for it to do."""
        del market.conditional[order.order_id]
        market.trails.pop(order.order_id, None)
        account = self._desk.account_of(order)
        order.order_type = OrderType.MARKET if order.original_type.executes_as_market else OrderType.LIMIT
        order.updated_ms = self._state.now_ms
        if order.order_type is OrderType.MARKET:
            order.time_in_force = TimeInForce.GTC
        if order.close_position:
            order.lots = account.closable_lots(order)
            return order.lots > 0
        return not is_closing(order) or account.closable_lots(order) > 0

    def is_affordable(
        self, admission: Admission, account: Account, market: Market, order: SimulatedOrder
    ) -> bool:
        """Margin and a counterparty at the moment of triggering."""
        try:
            ticks = order.price_ticks
            if order.order_type is OrderType.MARKET:
                ticks = admission.worst_market_ticks(market, order.side)
            admission.check_margin(account, market, order, ticks)
        except VenueRefusal:
            return False
        return True

    @staticmethod
    def _fires(market: Market, order: SimulatedOrder, price_e8: int) -> bool:
        if order.original_type is not OrderType.TRAILING_STOP_MARKET:
            return is_through(order, price_e8)
        sign, rate = order.side.sign, order.callback_rate_pct / 100
        activation_e8 = order.activation_ticks * market.spec.price_atoms_per_tick
        # The lowest price since placement for a BUY, the highest for a SELL.
        extreme_e8 = market.trails[order.order_id]
        if (price_e8 - extreme_e8) * sign < 0:
            extreme_e8 = market.trails[order.order_id] = price_e8
        is_active = (extreme_e8 - activation_e8) * sign <= 0
        return is_active and (price_e8 - extreme_e8 * (1 + sign * rate)) * sign >= 0

    @staticmethod
    def _is_protected(market: Market, order: SimulatedOrder) -> bool:
        """priceProtect: hold back while last and mark are further apart than the symbol allows."""
        if not order.price_protect:
            return False
        last_e8 = market.last_ticks * market.spec.price_atoms_per_tick
        gap = Decimal(abs(market.mark_e8 - last_e8)) / market.mark_e8
        return gap > market.spec.instrument.trigger_protect

    @staticmethod
    def _price_e8(market: Market, working_type: WorkingType) -> int:
        if working_type is WorkingType.MARK_PRICE or market.last_ticks == 0:
            return market.mark_e8
        return market.last_ticks * market.spec.price_atoms_per_tick
