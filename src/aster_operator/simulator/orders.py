"""Life of an order record: acceptance, changes of status, endings, lookup. No matching here."""

from collections.abc import Sequence

from aster_operator.domain.enums import OrderStatus, OrderType, SelfTradePrevention, TimeInForce
from aster_operator.simulator.accounts import Account, is_closing
from aster_operator.simulator.filters import CheckedOrder
from aster_operator.simulator.model import (
    ExecutionType,
    OrderEvent,
    OrderRequest,
    SimulatedOrder,
    TradeRecord,
)
from aster_operator.simulator.refusals import refuse
from aster_operator.simulator.state import ExchangeState, Market

__all__ = ["OrderDesk"]

_REMEMBERED_MS = 7 * 86_400_000
_MOST_UNFILLED = 50_000


class OrderDesk:
    """Keeps every order of every account and tells each change."""

    def __init__(self, state: ExchangeState) -> None:
        self._state = state

    # --- beginnings

    def create(self, account: Account, request: OrderRequest, checked: CheckedOrder) -> SimulatedOrder:
        """Build the record of a checked request; it is known to nobody yet."""
        order_id = self._state.next_order_id()
        return SimulatedOrder(
            order_id=order_id,
            account_id=account.account_id,
            spec=checked.spec,
            client_order_id=request.client_order_id or f"aster{order_id:017d}",
            side=request.side,
            position_side=request.position_side,
            order_type=request.order_type,
            original_type=request.order_type,
            time_in_force=request.time_in_force or TimeInForce.GTC,
            lots=checked.lots,
            price_ticks=checked.price_ticks,
            stop_ticks=checked.stop_ticks,
            reduce_only=request.reduce_only,
            close_position=request.close_position,
            working_type=request.working_type,
            price_protect=request.price_protect,
            created_ms=self._state.now_ms,
            updated_ms=self._state.now_ms,
            activation_ticks=checked.activation_ticks,
            callback_rate_pct=request.callback_rate_pct or checked.callback_rate_pct,
            self_trade_prevention=self._prevention(account, request),
            received_nonce_us=request.received_nonce_us,
            builder=request.builder,
            builder_rate_e8=request.builder_rate_e8,
        )

    def accept(self, account: Account, order: SimulatedOrder) -> None:
        """The order exists from now on: it is open and published as NEW."""
        account.orders[order.order_id] = order
        account.open_orders[order.order_id] = order
        key = (order.symbol, order.client_order_id)
        account.open_client_ids[key] = account.client_ids[key] = order
        self._forget_old(account)
        self.announce(order, ExecutionType.NEW)

    def refuse_duplicate_id(self, account: Account, symbol: str, client_order_id: str | None) -> None:
        """Client ids are unique among open orders (section 4.3). Raises VenueRefusal(-4015)."""
        if client_order_id is not None and (symbol, client_order_id) in account.open_client_ids:
            raise refuse(-4015)

    # --- changes and endings

    def announce(
        self, order: SimulatedOrder, execution: ExecutionType, trade: TradeRecord | None = None
    ) -> None:
        self._state.publish_order(OrderEvent(order, execution, self._state.now_ms, trade))

    def finish(self, order: SimulatedOrder, status: OrderStatus, execution: ExecutionType) -> None:
        """End an open order without a trade: take it out of book and triggers, free its margin, tell."""
        market = self._state.markets[order.symbol]
        if market.conditional.pop(order.order_id, None) is None and market.book.side(order.side).remove(
            order
        ):
            self.account_of(order).reserve(order, -order.remaining_lots, order.price_ticks)
        market.trails.pop(order.order_id, None)
        order.status = status
        order.updated_ms = self._state.now_ms
        self.close(order)
        self.announce(order, execution)

    def cancel(self, order: SimulatedOrder) -> None:
        self.finish(order, OrderStatus.CANCELED, ExecutionType.CANCELED)

    def expire(self, order: SimulatedOrder) -> None:
        self.finish(order, OrderStatus.EXPIRED, ExecutionType.EXPIRED)

    def close(self, order: SimulatedOrder) -> None:
        """Take the order off the list of open ones."""
        account = self.account_of(order)
        if order.filled_lots == 0:
            account.unfilled_ends.append(order)
        account.open_orders.pop(order.order_id, None)
        if account.open_client_ids.get((order.symbol, order.client_order_id)) is order:
            del account.open_client_ids[(order.symbol, order.client_order_id)]

    def _forget_old(self, account: Account) -> None:
        """Orders that ended unfilled are gone after seven days (section 4.4), or behind too many others."""
        ends, oldest_ms = account.unfilled_ends, self._state.now_ms - _REMEMBERED_MS
        while ends and (ends[0].updated_ms < oldest_ms or len(ends) > _MOST_UNFILLED):
            order = ends.popleft()
            account.orders.pop(order.order_id, None)
            key = (order.symbol, order.client_order_id)
            if account.client_ids.get(key) is order:
                del account.client_ids[key]

    def rest(self, order: SimulatedOrder) -> None:
        """Put the remainder into the book."""
        market = self._state.markets[order.symbol]
        hidden = order.time_in_force is TimeInForce.HIDDEN
        market.book.side(order.side).rest(order, hidden=hidden)
        self.account_of(order).reserve(order, order.remaining_lots, order.price_ticks)

    def expire_stranded(self, account: Account, market: Market) -> None:
        """Expire resting orders that may only reduce a position which is gone."""
        for order in list(account.open_orders.values()):
            if order.symbol != market.spec.symbol or order.order_id in market.conditional:
                continue
            if is_closing(order) and account.closable_lots(order) == 0:
                self.expire(order)

    # --- lookup

    def account_of(self, order: SimulatedOrder) -> Account:
        return self._state.accounts[order.account_id]

    def find(
        self, account: Account, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> SimulatedOrder | None:
        """By venue id, else by client id: the latest order that had it, which is the open one if any is."""
        self._state.market(symbol)
        if order_id is not None:
            found = account.orders.get(order_id)
            return found if found is not None and found.symbol == symbol else None
        if client_order_id is None:
            raise refuse(-1102, "origClientOrderId")
        return account.client_ids.get((symbol, client_order_id))

    def open_of(self, account: Account, symbol: str | None) -> Sequence[SimulatedOrder]:
        return [order for order in account.open_orders.values() if symbol is None or order.symbol == symbol]

    @staticmethod
    def _prevention(account: Account, request: OrderRequest) -> SelfTradePrevention:
        return request.self_trade_prevention or account.self_trade_prevention

    @staticmethod
    def is_market(order: SimulatedOrder) -> bool:
        return order.order_type is OrderType.MARKET
