"""From the embedded exchange's integers to domain values, one function a kind."""

from decimal import Decimal
from typing import Final

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.domain.enums import (
    LiquidityRole,
    OrderType,
    WorkingType,
)
from aster_operator.domain.events import (
    AccountChanged,
    BalanceChange,
    PositionChange,
)
from aster_operator.domain.fills import Fill
from aster_operator.domain.market import Bar, MarkPrice
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.positions import PositionReport
from aster_operator.simulator.api import PositionRiskView
from aster_operator.simulator.model import (
    ATOMS,
    AccountEvent,
    KlineRecord,
    MarkEvent,
    OrderRequest,
    SimulatedOrder,
    TradeRecord,
)
from aster_operator.simulator.strategy_model import DrivenOn, SubOrder, Trigger, TriggerAction

__all__ = [
    "account_changed",
    "bar_of",
    "fill_of",
    "legs_of",
    "mark_of",
    "money",
    "order_report",
    "position_report",
    "request_of",
]

_PRICE_DECIMALS: Final = 8


def money(atoms: int) -> Decimal:
    return Decimal(atoms) / ATOMS


def _price(exact: Decimal) -> Decimal:
    """An average, entry or liquidation price with eight decimals at most, as the venue prints it."""
    exponent = exact.as_tuple().exponent
    is_longer = isinstance(exponent, int) and exponent < -_PRICE_DECIMALS
    return round(exact, _PRICE_DECIMALS) if is_longer else exact


def request_of(order: NewOrder) -> OrderRequest:
    return OrderRequest(
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        position_side=order.position_side,
        time_in_force=order.time_in_force,
        quantity=order.quantity,
        price=order.price,
        stop_price=order.stop_price,
        activation_price=order.activation_price,
        callback_rate_pct=order.callback_rate_pct,
        reduce_only=order.reduce_only,
        close_position=order.close_position,
        working_type=order.working_type or WorkingType.CONTRACT_PRICE,
        price_protect=order.price_protect,
        client_order_id=order.client_order_id,
        self_trade_prevention=order.self_trade_prevention,
    )


def legs_of(entry: NewOrder, exits: tuple[NewOrder, NewOrder]) -> list[SubOrder]:
    """An entry and two exits as the legs of an OTOCO: both follow its first fill, each ends the other."""
    filled = DrivenOn.PARTIALLY_FILLED_OR_FILLED
    follow = Trigger(1, filled, TriggerAction.PLACE_ORDER)
    return [SubOrder(1, request_of(entry))] + [
        SubOrder(number, request_of(order), (follow, Trigger(5 - number, filled, TriggerAction.CANCEL_ORDER)))
        for number, order in enumerate(exits, 2)
    ]


def order_report(order: SimulatedOrder) -> OrderReport:
    spec = order.spec
    return OrderReport(
        symbol=order.symbol,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=order.side,
        position_side=order.position_side,
        order_type=order.order_type,
        status=order.status,
        quantity=spec.quantity_of(order.lots),
        filled_quantity=spec.quantity_of(order.filled_lots),
        average_price=_price(order.average_price),
        price=spec.price_of(order.price_ticks),
        update_ms=order.updated_ms,
        stop_price=spec.price_of(order.stop_ticks),
        reduce_only=order.reduce_only,
        close_position=order.close_position,
        original_type=order.original_type,
    )


def fill_of(trade: TradeRecord, order_type: OrderType = OrderType.MARKET) -> Fill:
    return Fill(
        symbol=trade.spec.symbol,
        trade_id=trade.trade_id,
        order_id=trade.order_id,
        client_order_id=trade.client_order_id,
        side=trade.side,
        position_side=trade.position_side,
        price=trade.spec.price_of(trade.ticks),
        quantity=trade.spec.quantity_of(trade.lots),
        realized_pnl=money(trade.realized_atoms),
        commission=money(trade.commission_atoms),
        commission_asset=trade.spec.instrument.margin_asset,
        role=LiquidityRole.MAKER if trade.is_maker else LiquidityRole.TAKER,
        event_ms=trade.time_ms,
        order_type=order_type,
    )


def position_report(view: PositionRiskView) -> PositionReport:
    return PositionReport(
        symbol=view.spec.symbol,
        position_side=view.position_side,
        quantity=view.spec.quantity_of(view.lots),
        entry_price=_price(view.entry_price),
        mark_price=money(view.mark_e8),
        unrealized_pnl=money(view.unrealized_atoms),
        liquidation_price=_price(view.liquidation_price),
        leverage=view.leverage,
        margin_type=view.margin_type,
        isolated_margin=money(view.isolated_margin_atoms),
        max_notional=Decimal(view.max_notional),
        update_ms=view.updated_ms,
    )


def mark_of(event: MarkEvent, received_ns: int) -> MarkPrice:
    return MarkPrice(
        symbol=event.spec.symbol,
        mark=money(event.mark_e8),
        index=money(event.index_e8),
        funding_rate=money(event.funding_rate_e8),
        next_funding_ms=event.next_funding_ms,
        event_ms=event.time_ms,
        received_ns=received_ns,
    )


def bar_of(record: KlineRecord, *, is_closed: bool) -> Bar:
    spec = record.spec
    return Bar(
        symbol=spec.symbol,
        interval="1m" if record.close_ms - record.open_ms < MINUTE_MS else "other",
        open_ms=record.open_ms,
        close_ms=record.close_ms,
        open=spec.price_of(record.open_ticks),
        high=spec.price_of(record.high_ticks),
        low=spec.price_of(record.low_ticks),
        close=spec.price_of(record.close_ticks),
        base_volume=spec.quantity_of(record.lots),
        quote_volume=money(record.quote_atoms),
        trades=record.trades,
        taker_buy_base_volume=spec.quantity_of(record.taker_buy_lots),
        taker_buy_quote_volume=money(record.taker_buy_quote_atoms),
        is_closed=is_closed,
    )


def account_changed(event: AccountEvent, received_ns: int) -> AccountChanged:
    return AccountChanged(
        event_ms=event.time_ms,
        received_ns=received_ns,
        reason=event.reason,
        balances=tuple(
            BalanceChange(
                asset=view.asset,
                wallet_balance=money(view.wallet_atoms),
                cross_wallet_balance=money(view.cross_wallet_atoms),
                change=money(view.change_atoms),
            )
            for view in event.balances
        ),
        positions=tuple(
            PositionChange(
                symbol=view.spec.symbol,
                position_side=view.position_side,
                quantity=view.spec.quantity_of(view.lots),
                entry_price=_price(view.entry_price),
                unrealized_pnl=money(view.unrealized_atoms),
                margin_type=view.margin_type,
                isolated_wallet=money(view.isolated_wallet_atoms),
            )
            for view in event.positions
        ),
    )
