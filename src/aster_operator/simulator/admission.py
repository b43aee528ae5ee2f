"""Checks of an order that need the account: position mode, reduce-only, order counts, leverage, margin."""

from aster_operator.domain.enums import OrderType, PositionSide, Side
from aster_operator.simulator.accounts import Account, is_closing
from aster_operator.simulator.margin import (
    CrossSums,
    available_atoms,
    cross_sums,
    max_notional_usd,
    symbol_exposure_atoms,
)
from aster_operator.simulator.model import ATOMS, OrderRequest, SimulatedOrder
from aster_operator.simulator.refusals import refuse
from aster_operator.simulator.state import ExchangeState, Market

__all__ = ["Admission"]


class Admission:
    """Says whether an account may place an order. Every refusal is raised as VenueRefusal."""

    def __init__(self, state: ExchangeState) -> None:
        self._state = state

    def check_mode(self, account: Account, request: OrderRequest) -> None:
        """Position side and reduce-only against the position mode (section 4.3, mode rules)."""
        if account.in_liquidation:
            raise refuse(-2023)
        if account.hedge_mode == (request.position_side is PositionSide.BOTH):
            raise refuse(-4061)
        if not account.hedge_mode:
            return
        if request.reduce_only:
            raise refuse(-1106, "reduceOnly")
        if request.close_position and request.side is request.position_side.opening_side:
            raise refuse(-2022)

    def check_counts(self, account: Account, market: Market, order_type: OrderType) -> None:
        """MAX_NUM_ORDERS counts every open order of the symbol, MAX_NUM_ALGO_ORDERS the conditional ones."""
        symbol, instrument = market.spec.symbol, market.spec.instrument
        fewest = instrument.max_num_orders
        if order_type.is_conditional:
            fewest = min(fewest, instrument.max_num_algo_orders)
        if len(account.open_orders) < fewest:
            return
        mine = [order for order in account.open_orders.values() if order.symbol == symbol]
        if len(mine) >= instrument.max_num_orders:
            raise refuse(-2025)
        if order_type.is_conditional:
            conditional = sum(order.order_id in market.conditional for order in mine)
            if conditional >= instrument.max_num_algo_orders:
                raise refuse(-4045)

    def check_reduction(self, account: Account, order: SimulatedOrder) -> None:
        """A closing order needs something to close; in hedge mode not more than is held."""
        closable = account.closable_lots(order)
        if closable == 0 or (order.position_side is not PositionSide.BOTH and order.lots > closable):
            raise refuse(-2022)

    def check_margin(self, account: Account, market: Market, order: SimulatedOrder, ticks: int) -> None:
        """Leverage bracket and available balance if `order` opened at `ticks`: margin, loss at once, fee."""
        if is_closing(order) or self._only_reduces(account, order):
            return
        spec, mark_e8, lots = market.spec, market.mark_e8, order.remaining_lots
        asset = spec.instrument.margin_asset
        account.reserve(order, lots, ticks)
        exposure = symbol_exposure_atoms(account, spec, mark_e8)
        after = self.available(account, asset)
        account.reserve(order, -lots, ticks)
        if exposure > max_notional_usd(spec, account.setting(spec.symbol).leverage) * ATOMS:
            raise refuse(-2027)
        at_mark = spec.notional_at_mark_atoms(mark_e8, lots)
        paid_over_mark = order.side.sign * (spec.notional_atoms(ticks, lots) - at_mark)
        due_at_once = max(0, paid_over_mark) + self._opening_fee(account, market, order, ticks)
        if after < due_at_once and after < self.available(account, asset):
            raise refuse(-2019)

    @staticmethod
    def _opening_fee(account: Account, market: Market, order: SimulatedOrder, ticks: int) -> int:
        """Commission the order will cost, so that opening with everything does not end below zero."""
        spec = market.spec
        best = market.book.opposite(order.side).best_matchable()
        takes = best is not None and (ticks - best) * order.side.sign >= 0
        rate_e8 = account.fee_rates_e8(spec)[1 if takes else 0] + order.builder_rate_e8
        return max(0, spec.notional_atoms(ticks, order.remaining_lots) * rate_e8 // ATOMS)

    def available(self, account: Account, asset: str) -> int:
        """Available balance in atoms, negative when the account is over-committed.

        In multi-assets mode in USD: all wallets after their haircuts.
        """
        if account.multi_assets:
            return available_atoms(self._state.collateral.pool_atoms(account), self.sums(account, None))
        return available_atoms(account.cross_wallet(asset), self.sums(account, asset))

    def sums(self, account: Account, asset: str | None) -> CrossSums:
        return cross_sums(account, asset, self._state.specs, self._state.marks_e8)

    @staticmethod
    def _only_reduces(account: Account, order: SimulatedOrder) -> bool:
        """A one-way order that shrinks the position, open orders of its side counted."""
        if order.position_side is not PositionSide.BOTH:
            return False
        held = account.held_lots(order.symbol, PositionSide.BOTH)
        if held * order.side.sign >= 0 or order.lots > abs(held):
            return False
        return (order.symbol, PositionSide.BOTH, order.side) not in account.exposure_atoms

    @staticmethod
    def worst_market_ticks(market: Market, side: Side) -> int:
        """Price a market order is charged margin for: the best opposite one."""
        best = market.book.opposite(side).best_matchable()
        if best is None:
            raise refuse(-1112)
        return best
