"""Chase orders: a limit order that follows the best price of its own side (section 4.5)."""

from decimal import Decimal
from typing import Protocol

from aster_operator.domain.enums import OrderType, Side, TimeInForce
from aster_operator.domain.money import round_down
from aster_operator.simulator.accounts import Account
from aster_operator.simulator.model import OrderRequest, SimulatedOrder, VenueRefusal
from aster_operator.simulator.orders import OrderDesk
from aster_operator.simulator.refusals import refuse
from aster_operator.simulator.state import ExchangeState, Market
from aster_operator.simulator.strategy_model import (
    ChaseRequest,
    QuantityUnit,
    StrategyOrder,
    StrategyStatus,
    StrategyType,
    SubOrder,
)
from aster_operator.simulator.strategy_orders import StrategyDesk
from aster_operator.simulator.timeline import TIMER_RANK, Timeline

__all__ = ["AMEND_EVERY_MS", "ChaseDesk"]

AMEND_EVERY_MS = 1_000
_MAX_CLIENT_ID = 28
_TIMES_IN_FORCE = (TimeInForce.GTX, TimeInForce.GTC)


class _Orders(Protocol):
    def place(self, account: Account, request: OrderRequest) -> SimulatedOrder: ...

    def modify(self, account: Account, order: SimulatedOrder, quantity: Decimal, price: Decimal) -> None: ...


class ChaseDesk:
    """Starts chases and amends them every second of market time."""

    def __init__(
        self,
        state: ExchangeState,
        timeline: Timeline,
        desk: OrderDesk,
        strategies: StrategyDesk,
        orders: _Orders,
    ) -> None:
        self._state = state
        self._timeline = timeline
        self._desk = desk
        self._strategies = strategies
        self._orders = orders

    def place(self, account: Account, request: ChaseRequest) -> StrategyOrder:
        """Start a chase at the present best price. Raises VenueRefusal when its order is refused."""
        market = self._state.market(request.symbol)
        self._check(market, request)
        origin = self._own_best(market, request.side)
        price = self._price(market, request, origin)
        quantity = self._quantity(market, request, price)
        order_request = OrderRequest(
            symbol=request.symbol,
            side=request.side,
            order_type=OrderType.LIMIT,
            position_side=request.position_side,
            time_in_force=request.time_in_force,
            quantity=quantity,
            price=price,
            reduce_only=request.reduce_only,
        )
        strategy = self._strategies.register(
            account, StrategyType.CHASE, request.symbol, request.client_strategy_id
        )
        strategy.chase, strategy.book_ms = request, market.last_book_ms
        leg = SubOrder(1, order_request)
        strategy.sub_orders = [leg]
        try:
            order = self._orders.place(account, order_request)
        except VenueRefusal:
            self._strategies.forget(strategy)
            raise
        self._strategies.attach(strategy, leg, order)
        self._follow_later(strategy, origin)
        return strategy

    def _check(self, market: Market, request: ChaseRequest) -> None:
        tick, highest = market.spec.instrument.tick_size, market.spec.instrument.max_price
        if request.client_strategy_id is not None and len(request.client_strategy_id) > _MAX_CLIENT_ID:
            raise refuse(-1130, "clientStrategyId")
        if request.time_in_force not in _TIMES_IN_FORCE:
            raise refuse(-1115)
        if not request.quantity.is_finite() or request.quantity <= 0:
            raise refuse(-4003)
        offset = request.chase_offset
        if not offset.is_finite() or not 0 <= offset <= highest or offset % tick:
            raise refuse(-1130, "chaseOffset")
        furthest = request.max_chase_offset
        if furthest is not None and (not furthest.is_finite() or not 0 < furthest <= highest):
            raise refuse(-1130, "maxChaseOffset")

    @staticmethod
    def _own_best(market: Market, side: Side) -> int:
        best = market.book.side(side).best()
        if best is None:
            raise refuse(-1112)
        return best

    @staticmethod
    def _price(market: Market, request: ChaseRequest, best_ticks: int) -> Decimal:
        return market.spec.price_of(best_ticks) - request.side.sign * request.chase_offset

    @staticmethod
    def _quantity(market: Market, request: ChaseRequest, price: Decimal) -> Decimal:
        """In base units; a quote amount buys the lots it fully pays for."""
        lot = market.spec.instrument.market_lot
        wanted = request.quantity
        if request.quantity_unit is QuantityUnit.QUOTE:
            wanted = round_down(wanted / price, lot.step)
        if wanted < lot.min_quantity:
            raise refuse(-4004)
        return wanted

    # --- following

    def _follow_later(self, strategy: StrategyOrder, origin_ticks: int) -> None:
        self._timeline.schedule(
            self._state.now_ms + AMEND_EVERY_MS, TIMER_RANK, lambda: self._follow(strategy, origin_ticks)
        )

    def _follow(self, strategy: StrategyOrder, origin_ticks: int) -> None:
        request, order = strategy.chase, strategy.sub_orders[0].order
        account = self._state.accounts[strategy.account_id]
        if request is None or order is None or order.order_id not in account.open_orders:
            return
        market = self._state.markets[order.symbol]
        best = market.book.side(order.side).best()
        if best is not None:
            if self._is_too_far(market, request, origin_ticks, best):
                self._strategies.end(strategy, StrategyStatus.CANCELED, "OFFSET_CANCELLED")
                self._desk.cancel(order)
                self._state.publish_market(market)
                return
            self._amend(account, market, order, self._price(market, request, best))
        self._follow_later(strategy, origin_ticks)

    @staticmethod
    def _is_too_far(market: Market, request: ChaseRequest, origin_ticks: int, best_ticks: int) -> bool:
        if request.max_chase_offset is None:
            return False
        moved = abs(market.spec.price_of(best_ticks - origin_ticks))
        allowed = request.max_chase_offset
        if request.max_chase_offset_is_pct:
            allowed = market.spec.price_of(origin_ticks) * allowed / 100
        return moved > allowed

    def _amend(self, account: Account, market: Market, order: SimulatedOrder, price: Decimal) -> None:
        if price == market.spec.price_of(order.price_ticks):
            return
        try:
            self._orders.modify(account, order, market.spec.quantity_of(order.lots), price)
        except VenueRefusal:
            # The new price breaks a filter (a band, the margin): the order stays where it is and tries again.
            return
