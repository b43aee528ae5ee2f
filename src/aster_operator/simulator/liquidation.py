"""Liquidation, insurance takeover and auto-deleveraging (protocol reference, section 9.3).

Judged on the mark price. Open orders go first; if that is not enough each position is reduced, bracket by
bracket, and from the first bracket closed, by LIMIT IOC orders at its bankruptcy price; what the book does
not take goes to the insurance fund at that price, or, when the fund cannot carry it, to the opposite
positions by profit and leverage, and last to the market itself.
"""

from decimal import Decimal

from aster_operator.domain.enums import OrderStatus, OrderType, PositionSide, Side, TimeInForce, WorkingType
from aster_operator.simulator.accounts import Account, Position
from aster_operator.simulator.auto_exchange import AutoExchange
from aster_operator.simulator.clearing import Clearing
from aster_operator.simulator.margin import cross_health, maintenance_margin_atoms
from aster_operator.simulator.matching import Matcher
from aster_operator.simulator.model import (
    ExecutionType,
    ForceOrderEvent,
    MarginCallEvent,
    SimulatedOrder,
)
from aster_operator.simulator.orders import OrderDesk
from aster_operator.simulator.state import INSURANCE_FUND_ID, ExchangeState, Market

__all__ = ["Liquidator"]

_CALL_RATIO = (4, 5)
"""Margin call from 80 % of the way to liquidation."""
_REARM_RATIO = (7, 10)


class Liquidator:
    """Watches every account that holds the symbol whose mark has moved."""

    def __init__(
        self,
        state: ExchangeState,
        desk: OrderDesk,
        clearing: Clearing,
        matcher: Matcher,
        exchange: AutoExchange,
    ) -> None:
        self._state = state
        self._desk = desk
        self._clearing = clearing
        self._matcher = matcher
        self._exchange = exchange
        self._called: set[tuple[str, str]] = set()
        self._liquidations = 0

    def check_all(self, market: Market) -> bool:
        """Liquidate whoever the new mark of `market` has pushed below maintenance margin; True if anybody."""
        symbol, before = market.spec.symbol, self._liquidations
        for account in tuple(self._state.accounts.values()):
            if account.account_id == INSURANCE_FUND_ID:
                self._unwind(market)
                continue
            if account.multi_assets:
                self._exchange.check(account)
            held = [position for position in account.open_positions() if position.spec.symbol == symbol]
            if not held:
                continue
            if account.is_isolated(symbol):
                for position in held:
                    self._check_isolated(account, market, position)
            else:
                self._check_cross(account, market.spec.instrument.margin_asset)
        return self._liquidations != before

    def force(self, account: Account, market: Market) -> None:
        """Liquidate the account's positions in `market` now, whatever its margin."""
        for position in list(account.open_positions()):
            if position.spec.symbol == market.spec.symbol:
                self._liquidate(account, position)

    def force_adl(self, account: Account, market: Market, prefix: str = "adl_autoclose") -> None:
        """Close the account's positions in `market` at the mark against the market's own side."""
        ticks = max(1, market.mark_e8 // market.spec.price_atoms_per_tick)
        for position in list(account.open_positions()):
            if position.spec.symbol != market.spec.symbol:
                continue
            order = self._forced_order(account, market, position, ticks, prefix)
            order.status = OrderStatus.NEW_ADL
            self._desk.announce(order, ExecutionType.CALCULATED)
            self._clearing.trade(market, order, None, order.side, ticks, order.lots)
            self._desk.expire_stranded(account, market)
            self._state.publish(ForceOrderEvent(order, self._state.now_ms))
        asset = market.spec.instrument.margin_asset
        if account.multi_assets:
            self._exchange.cover(account, asset)
        if account.wallet(asset) < 0 and not self._cross_positions(account, asset):
            # Closed beyond bankruptcy, which only force or a halt can bring about: the fund bears it.
            deficit = account.wallet(asset)
            self._clear_with_fund(account, asset, market.spec.symbol, deficit)

    # --- when

    def _check_isolated(self, account: Account, market: Market, position: Position) -> None:
        notional = position.spec.notional_at_mark_atoms(market.mark_e8, position.lots)
        maintenance = maintenance_margin_atoms(position.spec, notional)
        balance = position.isolated_wallet_atoms + notional - position.cost_atoms
        if balance < maintenance:
            self._liquidate(account, position, self._lots_to_close(market, position))
            if position.lots:
                self._check_isolated(account, market, position)
        else:
            self._margin_call(account, [position], balance, maintenance, isolated=True)

    def _check_cross(self, account: Account, asset: str) -> None:
        balance, maintenance = self._cross_balance(account, asset)
        if balance >= maintenance:
            near = maintenance * _CALL_RATIO[1] >= balance * _CALL_RATIO[0]
            if near or (account.account_id, "") in self._called:
                held = self._cross_positions(account, asset)
                self._margin_call(account, held, balance, maintenance, isolated=False)
            return
        held = self._cross_positions(account, asset)
        for order in list(account.open_orders.values()):
            if not account.is_isolated(order.symbol):
                self._desk.cancel(order)
        # Largest loss first; stop as soon as what is left is covered again.
        held.sort(key=lambda position: position.unrealized_atoms(self._state.marks_e8[position.spec.symbol]))
        for position in held:
            while position.lots:
                balance, maintenance = self._cross_balance(account, asset)
                if balance >= maintenance and balance > 0:
                    return
                market = self._state.markets[position.spec.symbol]
                self._liquidate(account, position, self._lots_to_close(market, position))

    @staticmethod
    def _lots_to_close(market: Market, position: Position) -> int:
        """One step of a liquidation: to the top of the next lower bracket, from the first one to nothing.

        A smaller position needs a smaller ratio, so a large one may be saved by losing a part. The venue does
        not publish its steps; these are those of its brackets.
        """
        spec, held = position.spec, abs(position.lots)
        notional = abs(spec.notional_at_mark_atoms(market.mark_e8, position.lots))
        lower = max((cap for _, cap, _, _ in spec.brackets_atoms if cap < notional), default=0)
        return max(1, held - held * lower // notional)

    def _cross_balance(self, account: Account, asset: str) -> tuple[int, int]:
        if account.multi_assets:
            unrealized, maintenance = cross_health(account, None, self._state.marks_e8)
            return self._state.collateral.pool_atoms(account) + unrealized, maintenance
        unrealized, maintenance = cross_health(account, asset, self._state.marks_e8)
        return account.cross_wallet(asset) + unrealized, maintenance

    @staticmethod
    def _cross_positions(account: Account, asset: str) -> list[Position]:
        return [
            position
            for position in account.open_positions()
            if not account.is_isolated(position.spec.symbol)
            and (account.multi_assets or position.spec.instrument.margin_asset == asset)
        ]

    def _margin_call(
        self, account: Account, held: list[Position], balance: int, maintenance: int, *, isolated: bool
    ) -> None:
        key = (account.account_id, held[0].spec.symbol if isolated else "")
        if key in self._called:
            if maintenance * _REARM_RATIO[1] < balance * _REARM_RATIO[0]:
                self._called.discard(key)
            return
        if maintenance * _CALL_RATIO[1] < balance * _CALL_RATIO[0]:
            return
        self._called.add(key)
        marks = self._state.marks_e8
        rows = tuple(
            (
                self._clearing.position_view(account, position),
                marks[position.spec.symbol],
                maintenance_margin_atoms(
                    position.spec,
                    position.spec.notional_at_mark_atoms(marks[position.spec.symbol], position.lots),
                ),
            )
            for position in held
        )
        wallet = None if isolated else account.cross_wallet(held[0].spec.instrument.margin_asset)
        self._state.publish(MarginCallEvent(account.account_id, wallet, rows, self._state.now_ms))

    # --- how

    def _liquidate(self, account: Account, position: Position, lots: int | None = None) -> None:
        """Close `lots` of the position, all of it when None."""
        market = self._state.markets[position.spec.symbol]
        self._liquidations += 1
        account.in_liquidation = True
        for order in list(self._desk.open_of(account, position.spec.symbol)):
            self._desk.cancel(order)
        self._close_out(account, market, position, abs(position.lots) if lots is None else lots)
        account.in_liquidation = False
        self._called.discard((account.account_id, position.spec.symbol))
        self._state.publish_market(market)

    def _close_out(self, account: Account, market: Market, position: Position, lots: int) -> None:
        spec, asset = market.spec, market.spec.instrument.margin_asset
        floor = self._untouchable(account, asset, position)
        ticks = self._bankruptcy_ticks(market, position, self._margin(account, asset) - floor)
        closing = Position(spec, position.position_side, lots if position.lots > 0 else -lots)
        order = self._forced_order(account, market, closing, ticks, "autoclose-")
        self._matcher.take_forced(order)
        if order.remaining_lots:
            self._take_over(market, order, ticks)
        if not order.status.is_final:
            raise RuntimeError(f"liquidation of {spec.symbol} left {order.remaining_lots} lots open")
        if account.multi_assets:
            self._exchange.cover(account, asset)
        left = self._margin(account, asset) - floor
        # What carries the rest of the position, and what that has lost already, is not there to be taken.
        left -= position.isolated_wallet_atoms
        if not account.is_isolated(spec.symbol):
            left += min(0, position.unrealized_atoms(market.mark_e8))
        fee = min(int(order.cost_atoms * spec.instrument.liquidation_fee), max(0, left))
        if position.lots == 0 and left < 0:
            # Beyond its collateral a pooled account owes what its wallet is short of.
            fee = max(left, min(0, account.wallet(asset))) if account.multi_assets else left
        self._clear_with_fund(account, asset, spec.symbol, fee)
        self._state.publish(ForceOrderEvent(order, self._state.now_ms))

    def _margin(self, account: Account, asset: str) -> int:
        """The wallet, or in multi-assets mode what all of them are worth as margin."""
        return self._state.collateral.pool_atoms(account) if account.multi_assets else account.wallet(asset)

    def _untouchable(self, account: Account, asset: str, position: Position) -> int:
        """Wallet atoms this liquidation must leave alone: what is not margin of the position.

        For an isolated position that is all the rest of the wallet; for a cross one, isolated margins and the
        losses other cross positions still have to cover.
        """
        isolated = account.wallet(asset) - account.cross_wallet(asset)
        if account.is_isolated(position.spec.symbol):
            return account.wallet(asset) - position.isolated_wallet_atoms
        others = sum(
            each.unrealized_atoms(self._state.marks_e8[each.spec.symbol])
            for each in self._cross_positions(account, asset)
            if each is not position
        )
        return -others if account.multi_assets else isolated - others

    @staticmethod
    def _bankruptcy_ticks(market: Market, position: Position, margin_atoms: int) -> int:
        """Worst whole tick at which closing still leaves the margin at zero or above, at least one."""
        unit = abs(position.lots) * market.spec.atoms_per_tick_lot
        if position.lots > 0:
            return max(1, -((margin_atoms - position.cost_atoms) // unit))
        return max(1, (margin_atoms - position.cost_atoms) // unit)

    def _forced_order(
        self, account: Account, market: Market, position: Position, ticks: int, prefix: str
    ) -> SimulatedOrder:
        now_ms, order_id = self._state.now_ms, self._state.next_order_id()
        order = SimulatedOrder(
            order_id=order_id,
            account_id=account.account_id,
            spec=market.spec,
            # The venue numbers liquidations and gives every deleveraging order the same name.
            client_order_id=f"{prefix}{order_id}" if prefix == "autoclose-" else prefix,
            side=Side.SELL if position.lots > 0 else Side.BUY,
            position_side=position.position_side,
            order_type=OrderType.LIMIT,
            original_type=OrderType.LIMIT,
            time_in_force=TimeInForce.IOC if prefix == "autoclose-" else TimeInForce.GTC,
            lots=abs(position.lots),
            price_ticks=ticks,
            stop_ticks=0,
            reduce_only=position.position_side is PositionSide.BOTH,
            close_position=False,
            working_type=WorkingType.CONTRACT_PRICE,
            price_protect=False,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        self._desk.accept(account, order)
        return order

    def _take_over(self, market: Market, order: SimulatedOrder, ticks: int) -> None:
        """What the book did not take: the insurance fund, then the opposite side, then the market itself."""
        fund, asset = self._state.insurance_fund, market.spec.instrument.margin_asset
        lots, sign = order.remaining_lots, order.side.sign
        # The fund takes the other side of the forced order at bankruptcy price.
        burden = market.spec.notional_at_mark_atoms(market.mark_e8, -sign * lots) + (
            market.spec.notional_atoms(ticks, sign * lots)
        )
        balance, _ = self._cross_balance(fund, asset)
        if balance + burden >= 0:
            order.status = OrderStatus.NEW_INSURANCE
            self._desk.announce(order, ExecutionType.CALCULATED)
            taken = self._forced_counter(fund, market, order, lots, ticks)
            self._clearing.trade(market, order, taken, order.side, ticks, lots)
            return
        order.status = OrderStatus.NEW_ADL
        self._desk.announce(order, ExecutionType.CALCULATED)
        self._deleverage(market, order, ticks)
        if order.remaining_lots:
            self._clearing.trade(market, order, None, order.side, ticks, order.remaining_lots)

    def _forced_counter(
        self, account: Account, market: Market, order: SimulatedOrder, lots: int, ticks: int
    ) -> SimulatedOrder:
        """The other side of a takeover, as an order of `account`."""
        position_side = order.position_side if account.hedge_mode else PositionSide.BOTH
        wanted = Position(market.spec, position_side, lots=order.side.sign * lots)
        counter = self._forced_order(account, market, wanted, ticks, "adl_autoclose")
        account.reserve(counter, lots, ticks)
        return counter

    def _deleverage(self, market: Market, order: SimulatedOrder, ticks: int) -> None:
        """Close opposite positions at the bankruptcy price, most profitable and most leveraged first."""
        for score, account, position in self.adl_ranking(market):
            if order.remaining_lots == 0 or score <= 0:
                return
            # Against a forced sale shorts are closed, against a forced purchase longs.
            if position.lots * order.side.sign <= 0 or account.account_id == order.account_id:
                continue
            lots = min(abs(position.lots), order.remaining_lots)
            closing = Position(market.spec, position.position_side, lots=lots if position.lots > 0 else -lots)
            counter = self._forced_order(account, market, closing, ticks, "adl_autoclose")
            self._clearing.trade(market, order, counter, order.side, ticks, lots)
            self._desk.expire_stranded(account, market)
            self._state.publish(ForceOrderEvent(counter, self._state.now_ms))

    def adl_ranking(self, market: Market) -> list[tuple[Decimal, Account, Position]]:
        """Open positions of the symbol by profit ratio times leverage, highest first; losers below zero.

        The venue publishes its score only as an image; profit x effective leverage is what it describes.
        """
        rows: list[tuple[Decimal, Account, Position]] = []
        for account in self._state.accounts.values():
            if account.account_id == INSURANCE_FUND_ID:
                continue
            for position in account.open_positions():
                if position.spec.symbol != market.spec.symbol:
                    continue
                ratio = Decimal(position.unrealized_atoms(market.mark_e8)) / abs(position.cost_atoms)
                rows.append((ratio * account.setting(market.spec.symbol).leverage, account, position))
        rows.sort(key=lambda row: (-row[0], row[1].account_id, row[2].position_side))
        return rows

    def _clear_with_fund(self, account: Account, asset: str, symbol: str, atoms: int) -> None:
        """Positive: the account pays the fund; negative: the fund covers the account's deficit."""
        if atoms == 0:
            return
        self._state.ledger.transfer(account, self._state.insurance_fund, asset, atoms)
        self._clearing.book_income(account, symbol, "INSURANCE_CLEAR", -atoms, asset)
        self._clearing.publish_account(account, asset, "INSURANCE_CLEAR", change_atoms=-atoms)

    def _unwind(self, market: Market) -> None:
        """The fund sells what it took over into the book, a little at every step."""
        position = self._state.insurance_fund.positions.get((market.spec.symbol, PositionSide.BOTH))
        if position is None or position.lots == 0 or market.halted:
            return
        side = Side.SELL if position.lots > 0 else Side.BUY
        best = market.book.opposite(side).best()
        if best is None:
            return
        order = self._forced_order(self._state.insurance_fund, market, position, best, "autoclose-")
        self._matcher.take_forced(order)
        if not order.status.is_final:
            self._desk.expire(order)
        self._state.publish_market(market)
