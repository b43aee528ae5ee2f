"""Clearing of one execution: position, realised profit, commission, income rows, trade record and events."""

from decimal import Decimal

from aster_operator.domain.enums import MarginType, OrderStatus, Side
from aster_operator.simulator.accounts import Account, Position, rounded_share
from aster_operator.simulator.margin import initial_margin_atoms
from aster_operator.simulator.model import (
    ATOMS,
    AccountEvent,
    BalanceView,
    ExecutionType,
    IncomeRecord,
    PositionView,
    SimulatedOrder,
    TradeRecord,
)
from aster_operator.simulator.orders import OrderDesk
from aster_operator.simulator.state import ExchangeState, Market

__all__ = ["Clearing"]


class Clearing:
    """Books what matching decided. The market is the counterparty wherever an order is None."""

    def __init__(self, state: ExchangeState, desk: OrderDesk) -> None:
        self._state = state
        self._desk = desk

    def trade(
        self,
        market: Market,
        taker: SimulatedOrder | None,
        maker: SimulatedOrder | None,
        taker_side: Side,
        ticks: int,
        lots: int,
    ) -> None:
        """Book `lots` at `ticks` between `taker` and `maker` and print the trade."""
        trade_id = self._state.publish_trade(market, ticks, lots, buyer_is_maker=taker_side is Side.SELL)
        if maker is not None:
            self._settle(market, maker, ticks, lots, trade_id, is_maker=True)
        if taker is not None:
            self._settle(market, taker, ticks, lots, trade_id, is_maker=False)
        if maker is None and taker is not None:
            self._state.ledger.market_trade(market.spec, -taker_side.sign * lots, ticks)
        elif taker is None and maker is not None:
            self._state.ledger.market_trade(market.spec, taker_side.sign * lots, ticks)

    def _settle(
        self, market: Market, order: SimulatedOrder, ticks: int, lots: int, trade_id: int, *, is_maker: bool
    ) -> None:
        account = self._state.accounts[order.account_id]
        spec, asset = market.spec, market.spec.instrument.margin_asset
        now_ms = self._state.now_ms
        notional = spec.notional_atoms(ticks, lots)
        position = account.position(spec, order.position_side)
        realized = self._apply(account, position, order.side.sign * lots, ticks)
        commission = rounded_share(notional, account.fee_rates_e8(spec)[0 if is_maker else 1], ATOMS)
        self._state.ledger.credit_realized(account, asset, realized)
        self._state.ledger.charge_fee(account, asset, commission)
        builder_fee = rounded_share(notional, order.builder_rate_e8, ATOMS)
        commission += builder_fee
        account.updated_ms = position.updated_ms = now_ms
        if is_maker:
            account.reserve(order, -lots, order.price_ticks)
        order.filled_lots += lots
        market.book.side(order.side).recount(order.price_ticks)
        order.cost_atoms += notional
        order.updated_ms = now_ms
        is_filled = order.filled_lots == order.lots
        order.status = OrderStatus.FILLED if is_filled else OrderStatus.PARTIALLY_FILLED
        if is_filled:
            self._desk.close(order)
        record = TradeRecord(
            trade_id,
            order.order_id,
            order.client_order_id,
            account.account_id,
            spec,
            order.side,
            order.position_side,
            ticks,
            lots,
            realized,
            commission,
            is_maker,
            now_ms,
            builder_atoms=builder_fee,
        )
        account.trades.append(record)
        if realized:
            self.book_income(account, spec.symbol, "REALIZED_PNL", realized, asset, trade_id=trade_id)
        if commission:
            self.book_income(account, spec.symbol, "COMMISSION", -commission, asset, trade_id=trade_id)
        if builder_fee:
            self._pay_builder(account, record, order.builder)
        if self._state.listeners:
            self.publish_account(account, asset, "ORDER", (position,))
        self._desk.announce(order, ExecutionType.TRADE, record)

    def _pay_builder(self, account: Account, trade: TradeRecord, builder_id: str | None) -> None:
        """The account has paid it with its commission; the builder sees it as an income of its own."""
        builder = None if builder_id is None else self._state.accounts.get(builder_id)
        asset, atoms = trade.spec.instrument.margin_asset, trade.builder_atoms
        self._state.ledger.pay_builder(account, builder, asset, atoms)
        if builder is None:
            return
        builder.updated_ms = self._state.now_ms
        symbol, reward = trade.spec.symbol, "MARKET_MERCHANT_RETURN_REWARD"
        self.book_income(builder, symbol, reward, atoms, asset, trade_id=trade.trade_id)
        if self._state.listeners:
            self.publish_account(builder, asset, "ADJUSTMENT", change_atoms=atoms)

    def _apply(self, account: Account, position: Position, signed_lots: int, ticks: int) -> int:
        """Change the position; an isolated one takes its margin from, or returns it to, the cross wallet."""
        held, held_margin = position.lots, position.isolated_wallet_atoms
        realized = position.apply_fill(signed_lots, ticks)
        setting = account.setting(position.spec.symbol)
        if setting.margin_type is not MarginType.ISOLATED:
            return realized
        closed = min(abs(held), abs(signed_lots)) if held and (held > 0) != (signed_lots > 0) else 0
        if closed:
            position.isolated_wallet_atoms = held_margin - rounded_share(held_margin, closed, abs(held))
        opened = abs(signed_lots) - closed
        if opened:
            notional = position.spec.notional_atoms(ticks, opened)
            position.isolated_wallet_atoms += initial_margin_atoms(notional, setting.leverage)
        return realized

    # --- shared with funding, transfers and liquidation

    def book_income(
        self,
        account: Account,
        symbol: str,
        income_type: str,
        atoms: int,
        asset: str,
        *,
        info: str = "",
        trade_id: int | None = None,
    ) -> None:
        account.income.append(
            IncomeRecord(
                self._state.next_transaction_id(),
                account.account_id,
                symbol,
                income_type,
                atoms,
                asset,
                info or ("" if trade_id is None else str(trade_id)),
                self._state.now_ms,
                trade_id,
            )
        )

    def publish_account(
        self,
        account: Account,
        asset: str,
        reason: str,
        positions: tuple[Position, ...] = (),
        change_atoms: int = 0,
    ) -> None:
        """Tell a change of a balance and of `positions`. `change_atoms` excludes profit and commission."""
        wallet = account.wallet(asset)
        balance = BalanceView(asset, wallet, account.cross_wallet(asset), change_atoms)
        views = tuple(self.position_view(account, position) for position in positions)
        self._state.publish(AccountEvent(account.account_id, reason, (balance,), views, self._state.now_ms))

    def position_view(self, account: Account, position: Position) -> PositionView:
        symbol = position.spec.symbol
        return PositionView(
            position.spec,
            position.position_side,
            position.lots,
            position.entry_price if position.lots else Decimal(0),
            position.accumulated_realized_atoms,
            position.unrealized_atoms(self._state.marks_e8[symbol]),
            account.setting(symbol).margin_type,
            position.isolated_wallet_atoms,
        )
