"""The running engine: orders in, market steps in, everything that follows from them out.

`Engine` is the market sources' desk (`MarketDesk`) and the order path of the accounts. It holds the parts
together; each rule lives in its own module.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

from aster_operator.domain.enums import OrderType, Side
from aster_operator.simulator.accounts import Account, is_closing, rounded_share
from aster_operator.simulator.admission import Admission
from aster_operator.simulator.auto_exchange import AutoExchange
from aster_operator.simulator.book import Ladder
from aster_operator.simulator.chase import ChaseDesk
from aster_operator.simulator.clearing import Clearing
from aster_operator.simulator.conditional import ConditionalOrders
from aster_operator.simulator.filters import (
    CheckedOrder,
    check_min_notional,
    check_percent_price,
    check_price,
    check_quantity,
    check_request,
    check_status,
)
from aster_operator.simulator.liquidation import Liquidator
from aster_operator.simulator.matching import Matcher
from aster_operator.simulator.model import ATOMS, ExecutionType, OrderRequest, SimulatedOrder, VenueRefusal
from aster_operator.simulator.orders import OrderDesk
from aster_operator.simulator.refusals import refuse
from aster_operator.simulator.state import ExchangeState, Market
from aster_operator.simulator.strategy_model import ChaseRequest, StrategyOrder, StrategyType, SubOrder
from aster_operator.simulator.strategy_orders import StrategyDesk
from aster_operator.simulator.timeline import TIMER_RANK, Timeline

__all__ = ["Engine"]

_MINUTE_MS = 60_000
_PREMIUM_LEVELS = 20
_MAX_MODIFICATIONS = 10_000


class Engine:
    """Everything that happens at one instant of market time."""

    def __init__(self, state: ExchangeState, timeline: Timeline) -> None:
        self.state = state
        self.timeline = timeline
        self.desk = OrderDesk(state)
        self.clearing = Clearing(state, self.desk)
        self.matcher = Matcher(state, self.desk, self.clearing)
        self.admission = Admission(state)
        self.conditional = ConditionalOrders(state, self.desk)
        self.auto_exchange = AutoExchange(state, self.clearing)
        self.liquidator = Liquidator(state, self.desk, self.clearing, self.matcher, self.auto_exchange)
        self.strategies = StrategyDesk(state, self.desk, self)
        self.chases = ChaseDesk(state, timeline, self.desk, self.strategies, self)
        self.on_move: Callable[[str, int], None] | None = None
        self.has_orders_beside: Callable[[str], bool] = lambda _symbol: False
        """Whether orders wait in a market that moves with this one."""
        """Called with (symbol, index in ticks) after each move of a market."""
        self._countdowns: dict[tuple[str, str], int] = {}

    # --- orders of accounts

    def place(self, account: Account, request: OrderRequest) -> SimulatedOrder:
        """Check, accept and execute one order; everything it sets off has happened on return."""
        market = self.state.market(request.symbol)
        checked = check_request(market.spec, request)
        self.desk.refuse_duplicate_id(account, request.symbol, request.client_order_id)
        self.admission.check_mode(account, request)
        self.admission.check_counts(account, market, request.order_type)
        order = self.desk.create(account, request, checked)
        closing = is_closing(order)
        check_status(market.spec.instrument, halted=market.halted, closing=closing)
        if not closing:
            check_min_notional(market.spec, order.lots, order.price_ticks or order.stop_ticks, market.mark_e8)
        if order.original_type.is_conditional:
            self.conditional.check_placement(market, order)
            self.desk.accept(account, order)
            self.conditional.add(market, order)
            return order
        self._check_execution(account, market, order)
        self.desk.accept(account, order)
        self.matcher.execute(order)
        self.after_trading(market)
        return order

    def _check_execution(self, account: Account, market: Market, order: SimulatedOrder) -> None:
        if order.order_type is OrderType.MARKET:
            ticks = self.admission.worst_market_ticks(market, order.side)
            self._check_counterparty(market, order.side, ticks)
        else:
            ticks = order.price_ticks
            check_percent_price(market.spec, order.side, ticks, market.mark_e8)
        if is_closing(order):
            self.admission.check_reduction(account, order)
        self.admission.check_margin(account, market, order, ticks)

    @staticmethod
    def _check_counterparty(market: Market, side: Side, ticks: int) -> None:
        """The best opposite price must meet PERCENT_PRICE (section 4.3)."""
        instrument, mark_e8 = market.spec.instrument, market.mark_e8
        price_e8 = ticks * market.spec.price_atoms_per_tick
        too_high = side is Side.BUY and price_e8 > mark_e8 * instrument.percent_price_up
        too_low = side is Side.SELL and price_e8 < mark_e8 * instrument.percent_price_down
        if too_high or too_low:
            raise refuse(-4131)

    def modify(self, account: Account, order: SimulatedOrder, quantity: Decimal, price: Decimal) -> None:
        """Change an open LIMIT order; a refusal leaves it as it was (section 4.4).

        A smaller quantity at the same price keeps the place in the queue, anything else loses it. A quantity
        that is already filled cancels the rest.
        """
        market = self.state.market(order.symbol)
        if order.order_type is not OrderType.LIMIT or order.order_id in market.conditional:
            raise refuse(-1116)
        if order.modifications >= _MAX_MODIFICATIONS:
            raise refuse(-2011)
        spec = market.spec
        lots = check_quantity(spec, quantity, spec.instrument.lot)
        ticks = check_price(spec, price, "price")
        check_percent_price(spec, order.side, ticks, market.mark_e8)
        if not is_closing(order):
            check_min_notional(spec, lots, ticks, market.mark_e8)
        if lots <= order.filled_lots:
            self.desk.cancel(order)
        else:
            self._amend(account, market, order, lots, ticks)
        order.modifications += 1
        self.after_trading(market)

    def _amend(self, account: Account, market: Market, order: SimulatedOrder, lots: int, ticks: int) -> None:
        old_lots, old_ticks = order.lots, order.price_ticks
        side = market.book.side(order.side)
        account.reserve(order, -order.remaining_lots, old_ticks)
        order.lots = lots
        try:
            self.admission.check_margin(account, market, order, ticks)
        except VenueRefusal:
            order.lots = old_lots
            account.reserve(order, order.remaining_lots, old_ticks)
            raise
        order.updated_ms = self.state.now_ms
        if ticks == old_ticks and lots <= old_lots:
            account.reserve(order, order.remaining_lots, ticks)
            side.recount(ticks)
            self.desk.announce(order, ExecutionType.AMENDMENT)
            return
        side.remove(order)
        order.price_ticks = ticks
        self.desk.announce(order, ExecutionType.AMENDMENT)
        self.matcher.execute(order)

    def place_strategy(
        self,
        account: Account,
        strategy_type: StrategyType,
        legs: Sequence[SubOrder],
        client_strategy_id: str | None,
    ) -> StrategyOrder:
        strategy = self.strategies.place(account, strategy_type, legs, client_strategy_id)
        self.after_trading(self.state.markets[strategy.symbol])
        return strategy

    def update_leg(self, account: Account, leg: SubOrder, request: OrderRequest) -> None:
        """Give a leg of a strategy new terms, whether it waits for another leg, for its trigger, or rests.

        A refusal leaves it as it was. Raises VenueRefusal: -1130 for another symbol, side or type, -2013 for
        a leg that has ended, -2021, and the codes of the filters.
        """
        old, order = leg.request, leg.order
        if (request.symbol, request.side, request.order_type, request.position_side) != (
            old.symbol,
            old.side,
            old.order_type,
            old.position_side,
        ):
            raise refuse(-1130, "subOrderList")
        market = self.state.market(request.symbol)
        checked = check_request(market.spec, request)
        if order is None and not leg.is_waiting:
            raise refuse(-2013)
        if order is not None:
            if order.status.is_final:
                raise refuse(-2013)
            if order.order_id in market.conditional:
                self._amend_conditional(market, order, request, checked)
            elif request.quantity is not None and request.price is not None:
                self.modify(account, order, request.quantity, request.price)
        if request.builder is None:
            request.builder, request.builder_rate_e8 = old.builder, old.builder_rate_e8
        leg.request = request

    def _amend_conditional(
        self, market: Market, order: SimulatedOrder, request: OrderRequest, checked: CheckedOrder
    ) -> None:
        if not is_closing(order):
            ticks = checked.price_ticks or checked.stop_ticks
            check_min_notional(market.spec, checked.lots, ticks, market.mark_e8)
        self.conditional.amend(market, order, request, checked)
        self.after_trading(market)

    def place_chase(self, account: Account, request: ChaseRequest) -> StrategyOrder:
        strategy = self.chases.place(account, request)
        self.after_trading(self.state.markets[strategy.symbol])
        return strategy

    def set_countdown(self, account: Account, symbol: str, countdown_ms: int) -> None:
        """Cancel all orders of the symbol when `countdown_ms` pass without another call; 0 stops."""
        self.state.market(symbol)
        key = (account.account_id, symbol)
        if countdown_ms <= 0:
            self._countdowns.pop(key, None)
            return
        deadline = self.state.now_ms + countdown_ms
        self._countdowns[key] = deadline
        self.timeline.schedule(deadline, TIMER_RANK, lambda: self._countdown_ended(key, deadline))

    def _countdown_ended(self, key: tuple[str, str], deadline: int) -> None:
        if self._countdowns.get(key) != deadline:
            return
        del self._countdowns[key]
        self.cancel_all(self.state.accounts[key[0]], key[1])

    def cancel_all(self, account: Account, symbol: str) -> list[SimulatedOrder]:
        market = self.state.market(symbol)
        cancelled = list(self.desk.open_of(account, symbol))
        for order in cancelled:
            self.desk.cancel(order)
        self.after_trading(market)
        return cancelled

    # --- consequences

    def after_trading(self, market: Market) -> None:
        """Publish what changed and run whatever the last trades triggered, until nothing more follows."""
        self.state.publish_market(market)
        while (order := self.conditional.next_fired(market)) is not None:
            self._fire(market, order)
            self.state.publish_market(market)
        while self.strategies.run_pending():
            self.state.publish_market(market)

    def _fire(self, market: Market, order: SimulatedOrder) -> None:
        """A triggered order goes on as MARKET or LIMIT under its own id; a hopeless one expires."""
        account = self.desk.account_of(order)
        if not self.conditional.activate(market, order):
            self.desk.expire(order)
            return
        self.desk.announce(order, ExecutionType.NEW)
        if not self.conditional.is_affordable(self.admission, account, market, order):
            self.desk.expire(order)
            return
        self.matcher.execute(order)

    # --- MarketDesk: what the markets do

    def has_orders(self, symbol: str) -> bool:
        return self.state.markets[symbol].has_orders or self.has_orders_beside(symbol)

    def requote(self, symbol: str, bids: Ladder, asks: Ladder) -> int:
        market = self.state.markets[symbol]
        if market.offset_ticks:
            bids, asks = _shifted(bids, market.offset_ticks), _shifted(asks, market.offset_ticks)
        if market.emptied_sides:
            bids = {} if Side.BUY in market.emptied_sides else bids
            asks = {} if Side.SELL in market.emptied_sides else asks
        if market.halted:
            return 0
        swept = self.matcher.requote(market, bids, asks)
        self._after_prints(market)
        return swept

    def aggress(self, symbol: str, side: Side, lots: int, ticks: int) -> None:
        market = self.state.markets[symbol]
        if not market.halted:
            self.matcher.aggress(market, side, lots, max(1, ticks + market.offset_ticks))
            self._after_prints(market)

    def _after_prints(self, market: Market) -> None:
        """Orders set off by a print act before the market moves on."""
        if market.fired:
            self.after_trading(market)

    def print_trade(self, symbol: str, side: Side, lots: int, ticks: int) -> None:
        market = self.state.markets[symbol]
        price = max(1, ticks + market.offset_ticks)
        market.book.opposite(side).withdraw_through(price - side.sign)
        self.aggress(symbol, side, lots, ticks)

    def top_up(self, symbol: str, side: Side, ticks: int, lots: int) -> None:
        market = self.state.markets[symbol]
        price = max(1, ticks + market.offset_ticks)
        facing = market.book.opposite(side).best_matchable()
        # A triggered order may rest beyond this price by now; the next requote trades with it.
        crosses = facing is not None and (price - facing) * side.sign >= 0
        if side not in market.emptied_sides and not market.halted and not crosses:
            market.book.side(side).top_up(price, lots)

    def dictate_mark(self, symbol: str, mark_e8: int, funding_rate_e8: int, next_funding_ms: int) -> None:
        market = self.state.markets[symbol]
        pricer = market.pricer
        if next_funding_ms > pricer.next_funding_ms <= self.state.now_ms:
            # The first mark of the next period may be the first thing heard after a settlement.
            self._funding_due(market)
        pricer.override(mark_e8)
        pricer.dictate_funding(next_funding_ms, funding_rate_e8)

    def shift(self, market: Market, ticks: int) -> None:
        """Move the whole market by `ticks` from now on; account orders it jumps over fill."""
        market.offset_ticks += ticks
        book = market.book
        bids, asks = _shifted(book.bids.own_ladder(), ticks), _shifted(book.asks.own_ladder(), ticks)
        if not market.halted:
            self.matcher.requote(market, bids, asks)
        index = max(1, market.pricer.index_ticks + ticks)
        market.pricer.rebase()
        self._after_move(market, index, last_ticks=index)

    def begin_minute(self, symbol: str, open_ms: int) -> None:
        market = self.state.markets[symbol]
        self.state.close_bar(market)
        if market.bars.running is None:
            market.bars.open_bar(open_ms, market.last_ticks or market.pricer.index_ticks)
        market.bar_changed = True

    def reference(self, symbol: str, index_ticks: int) -> None:
        market = self.state.markets[symbol]
        index = max(1, index_ticks + market.offset_ticks)
        self._after_move(market, index, last_ticks=market.last_ticks or index)

    def _after_move(self, market: Market, index_ticks: int, *, last_ticks: int) -> None:
        """Mark, funding, triggers and liquidations after the market has moved."""
        now_ms, book = self.state.now_ms, market.book
        self.state.close_bar(market)
        market.pricer.update(now_ms, index_ticks, last_ticks, book.bids.best(), book.asks.best())
        if now_ms % _MINUTE_MS == 0:
            market.pricer.sample_premium(*book.levels(_PREMIUM_LEVELS))
        self.state.publish_market(market)
        self.state.publish_mark(market)
        if now_ms >= market.pricer.next_funding_ms:
            self._funding_due(market)
        self.follow_mark(market)
        if self.on_move is not None:
            self.on_move(market.spec.symbol, index_ticks)

    def follow_mark(self, market: Market) -> None:
        """Run the triggers and liquidations a new mark calls for."""
        if market.halted:
            return
        if market.conditional or self.strategies.has_pending:
            self.after_trading(market)
        if self.liquidator.check_all(market):
            for each in self.state.markets.values():
                self.after_trading(each)

    # --- funding

    def _funding_due(self, market: Market) -> None:
        due_ms, rate_e8 = market.pricer.next_funding_ms, market.pricer.funding_rate_e8
        # A settlement that fell into a break of the recording did not happen to anybody.
        if self.state.now_ms - due_ms < _MINUTE_MS:
            self.settle_funding(market, rate_e8)
        market.pricer.schedule_after(self.state.now_ms)

    def settle_funding(self, market: Market, rate_e8: int) -> None:
        """positionAmt x mark x rate: at a positive rate longs pay, shorts receive (section 9.5)."""
        spec, mark_e8, ledger = market.spec, market.mark_e8, self.state.ledger
        asset = spec.instrument.margin_asset
        market.funding_settled.append((self.state.now_ms, rate_e8))
        for account in self.state.accounts.values():
            for position in account.open_positions():
                if position.spec.symbol != spec.symbol:
                    continue
                notional = spec.notional_at_mark_atoms(mark_e8, position.lots)
                payment = -rounded_share(notional, rate_e8, ATOMS)
                ledger.pay_funding(account, asset, payment)
                self.clearing.book_income(account, spec.symbol, "FUNDING_FEE", payment, asset)
                isolated = account.is_isolated(spec.symbol)
                if isolated:
                    position.isolated_wallet_atoms += payment
                self.clearing.publish_account(
                    account, asset, "FUNDING_FEE", (position,) if isolated else (), payment
                )
        held = ledger.market_position(spec).lots
        notional = spec.notional_at_mark_atoms(mark_e8, held)
        ledger.pay_market_funding(spec, -rounded_share(notional, rate_e8, ATOMS))


def _shifted(ladder: Ladder, ticks: int) -> Ladder:
    return {tick + ticks: lots for tick, lots in ladder.items() if tick + ticks > 0}
