"""Matching: an incoming order, or the market's own flow, against the book by price and time."""

from typing import Protocol

from aster_operator.domain.enums import (
    OrderStatus,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from aster_operator.simulator.accounts import is_closing
from aster_operator.simulator.book import BookSide, Ladder, RestingOrder
from aster_operator.simulator.model import SimulatedOrder
from aster_operator.simulator.orders import OrderDesk
from aster_operator.simulator.state import ExchangeState, Market

__all__ = ["Matcher", "TradeBooker"]


class TradeBooker(Protocol):
    """Books what was matched: `Clearing` for futures, `SpotClearing` for spot."""

    def trade(
        self,
        market: Market,
        taker: SimulatedOrder | None,
        maker: SimulatedOrder | None,
        taker_side: Side,
        ticks: int,
        lots: int,
    ) -> None:
        """`lots` traded at `ticks`; None is the market's own side."""


class Matcher:
    """Executes against one book at a time; what trades is booked by `clearing`."""

    def __init__(self, state: ExchangeState, desk: OrderDesk, clearing: TradeBooker) -> None:
        self._state = state
        self._desk = desk
        self._clearing = clearing

    # --- account orders

    def execute(self, order: SimulatedOrder) -> None:
        """Match an accepted order; rest or expire what is left, as its time in force says."""
        market = self._state.markets[order.symbol]
        is_market = self._desk.is_market(order)
        limit = self._market_bound(market, order.side) if is_market else order.price_ticks
        if not is_market and not self._may_take(market, order, limit):
            if order.time_in_force is TimeInForce.GTX and not self._crosses(market, order.side, limit):
                self._desk.rest(order)
            else:
                self._desk.expire(order)
            return
        filled_before = order.filled_lots
        self._take(market, order, limit)
        if order.filled_lots != filled_before:
            self._desk.expire_stranded(self._desk.account_of(order), market)
        if order.status.is_final:
            return
        if self._rests(order) and not (is_closing(order) and self._closable(order) == 0):
            self._desk.rest(order)
        else:
            self._desk.expire(order)

    def _rests(self, order: SimulatedOrder) -> bool:
        """True when what is left of the order stays in the book."""
        is_limit = not self._desk.is_market(order)
        return is_limit and order.time_in_force in (TimeInForce.GTC, TimeInForce.HIDDEN)

    def take_forced(self, order: SimulatedOrder) -> None:
        """Trade a liquidation order as far as the book goes; what is left stays with the caller."""
        self._take(self._state.markets[order.symbol], order, order.price_ticks)

    def _may_take(self, market: Market, order: SimulatedOrder, limit: int) -> bool:
        if order.time_in_force is TimeInForce.GTX:
            return False
        if order.time_in_force is TimeInForce.FOK:
            closable = self._closable(order) if is_closing(order) else order.lots
            return closable >= order.lots and self._fillable(market, order, limit) >= order.lots
        return True

    def _fillable(self, market: Market, order: SimulatedOrder, limit: int) -> int:
        """Lots `order` would really get: own orders and what other makers may not close do not count."""
        synthetic_left = market.fill_cap_lots
        closable: dict[tuple[str, PositionSide], int] = {}
        total = 0
        for _, synthetic, queue in market.book.opposite(order.side).walk(limit):
            own = any(resting.order.account_id == order.account_id for resting in queue)
            if own and order.self_trade_prevention is not SelfTradePrevention.EXPIRE_MAKER:
                # The order may die at its own resting order, wherever in this level that stands.
                return total
            shown = synthetic if synthetic_left is None else min(synthetic, synthetic_left)
            synthetic_left = None if synthetic_left is None else synthetic_left - shown
            total += shown
            for resting in queue:
                maker = resting.order
                if maker.account_id != order.account_id:
                    total += self._budgeted(maker, closable)
            if total >= order.lots:
                break
        return total

    def _budgeted(self, maker: SimulatedOrder, closable: dict[tuple[str, PositionSide], int]) -> int:
        """Lots a maker can trade after the makers before it have used up the position they share."""
        key = (maker.account_id, maker.position_side)
        left = closable.setdefault(key, self._closable(maker))
        lots = min(maker.remaining_lots, left) if is_closing(maker) else maker.remaining_lots
        closable[key] = max(0, left - lots)
        return lots

    @staticmethod
    def _crosses(market: Market, side: Side, limit: int) -> bool:
        best = market.book.opposite(side).best_matchable()
        return best is not None and (limit - best) * side.sign >= 0

    def _market_bound(self, market: Market, side: Side) -> int:
        """Furthest tick a market order may trade at: `market_take_bound` from the mark (section 4.3)."""
        spec = market.spec
        bound = spec.instrument.market_take_bound
        return int(market.mark_e8 * (1 + side.sign * bound) / spec.price_atoms_per_tick)

    def _closable(self, order: SimulatedOrder) -> int:
        return self._desk.account_of(order).closable_lots(order)

    def _take(self, market: Market, order: SimulatedOrder, limit: int) -> None:
        """Trade `order` until it is done, the book is, or its limit is reached."""
        passive = market.book.opposite(order.side)
        sign = order.side.sign
        closing = is_closing(order)
        budget = market.fill_cap_lots
        while not order.status.is_final and order.remaining_lots:
            wanted = order.remaining_lots
            if closing:
                wanted = min(wanted, self._closable(order))
                if wanted == 0:
                    return
            tick = passive.best_matchable()
            if tick is None or (limit - tick) * sign < 0:
                return
            resting, lots = passive.front(tick)
            if resting is None:
                if budget == 0:
                    if not self._rests(order):
                        return
                    passive.withdraw_through(limit)
                    continue
                lots = min(lots, wanted) if budget is None else min(lots, wanted, budget)
                budget = None if budget is None else budget - lots
                passive.take_synthetic(tick, lots)
                self._clearing.trade(market, order, None, order.side, tick, lots)
            elif resting.order.account_id == order.account_id:
                self._prevent_self_trade(order, resting.order)
            else:
                self._hit(market, passive, resting, order, order.side, min(lots, wanted))

    def _prevent_self_trade(self, taker: SimulatedOrder, maker: SimulatedOrder) -> None:
        mode = taker.self_trade_prevention or SelfTradePrevention.EXPIRE_TAKER
        if mode is not SelfTradePrevention.EXPIRE_TAKER:
            self._desk.expire(maker)
        if mode is not SelfTradePrevention.EXPIRE_MAKER:
            self._desk.expire(taker)

    def _hit(
        self,
        market: Market,
        passive: BookSide,
        resting: RestingOrder,
        taker: SimulatedOrder | None,
        taker_side: Side,
        lots: int,
    ) -> int:
        """Trade up to `lots` against a resting account order; return the lots traded."""
        maker = resting.order
        if is_closing(maker):
            lots = min(lots, self._closable(maker))
            if lots == 0:
                self._desk.expire(maker)
                return 0
        ticks = maker.price_ticks
        self._clearing.trade(market, taker, maker, taker_side, ticks, lots)
        if maker.status is OrderStatus.FILLED:
            passive.remove(maker)
        self._desk.expire_stranded(self._desk.account_of(maker), market)
        return lots

    # --- the market's own flow

    def requote(self, market: Market, bids: Ladder, asks: Ladder) -> int:
        """Set the synthetic ladders (best first) and fill account orders the price has gone through.

        An account bid at or above the new best ask (or ask at or below the new best bid) trades in full at
        its own price. Returns the lots so traded.
        """
        book = market.book
        best_bid, best_ask = next(iter(bids), None), next(iter(asks), None)
        swept = 0
        if best_ask is not None:
            swept += self._sweep(market, book.bids, Side.SELL, best_ask)
        if best_bid is not None:
            swept += self._sweep(market, book.asks, Side.BUY, best_bid)
        book.bids.rewrite(bids)
        book.asks.rewrite(asks)
        return swept

    def _sweep(self, market: Market, passive: BookSide, side: Side, ticks: int) -> int:
        swept = 0
        while (tick := passive.best_order_tick()) is not None and (tick - ticks) * passive.sign >= 0:
            resting = passive.first_order(tick)
            swept += self._hit(market, passive, resting, None, side, resting.order.remaining_lots)
        return swept

    def aggress(self, market: Market, side: Side, lots: int, ticks: int) -> None:
        """The market's own aggressor trades `lots` down (or up) to `ticks`, by price-time priority.

        When the book holds less at `ticks`, new synthetic lots arrive there and trade: the recorded volume
        did trade at that price.
        """
        passive = market.book.opposite(side)
        sign = side.sign
        left, budget = lots, market.fill_cap_lots
        while left > 0:
            tick = passive.best_matchable()
            if tick is None or (ticks - tick) * sign < 0:
                break
            resting, available = passive.front(tick)
            if resting is not None:
                if budget == 0:
                    return
                wanted = min(available, left) if budget is None else min(available, left, budget)
                traded = self._hit(market, passive, resting, None, side, wanted)
                left -= traded
                budget = None if budget is None else budget - traded
                continue
            taken = min(available, left)
            passive.take_synthetic(tick, taken)
            left -= taken
            if tick == ticks and not passive.has_orders(tick):
                # Nobody else waits at this price: the rest prints as one trade with what was displayed.
                taken, left = taken + left, 0
            self._clearing.trade(market, None, None, side, tick, taken)
        if left > 0 and side.opposite not in market.emptied_sides:
            self._clearing.trade(market, None, None, side, ticks, left)
