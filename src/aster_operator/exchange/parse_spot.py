"""Answers and frames of the spot market as domain values; symbols get their ending here."""

from decimal import Decimal

from aster_operator.domain.enums import LiquidityRole, PositionSide, Side, SymbolStatus
from aster_operator.domain.events import OrderChanged, SpotBalancesChanged
from aster_operator.domain.fills import Fill
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.orders import OrderReport
from aster_operator.domain.pairing import spot_symbol
from aster_operator.domain.positions import SpotBalance
from aster_operator.exchange.errors import MalformedResponse
from aster_operator.exchange.parse import (
    count,
    filter_of,
    finite,
    lot_filter,
    order_status_of,
    order_type_of,
    word,
)
from aster_operator.exchange.wire.market import SymbolRecord
from aster_operator.exchange.wire.spot import SpotBalanceRecord, SpotOrderRecord, SpotTradeRecord
from aster_operator.exchange.wire.spot_stream import SpotAccountMessage, SpotBalancePayload, SpotOrderMessage

__all__ = ["balances_changed", "order_changed", "spot_balance", "spot_fill", "spot_instrument", "spot_order"]

_ZERO = Decimal(0)
_WIDE_UP, _WIDE_DOWN = Decimal(5), Decimal("0.2")
"""Price band where the venue names none."""


def spot_instrument(record: SymbolRecord, source: str) -> Instrument | None:
    """The spot market, or None for a row without a base asset. Nothing of it is margined."""
    if record.base_asset is None:
        return None
    filters = {row.filter_type: row for row in record.filters}
    here = f"{source} {record.symbol}"
    price = filter_of(filters, "PRICE_FILTER", record.symbol, source)
    lot = filter_of(filters, "LOT_SIZE", record.symbol, source)
    least = filters.get("NOTIONAL") or filter_of(filters, "MIN_NOTIONAL", record.symbol, source)
    percent, orders = filters.get("PERCENT_PRICE"), filters.get("MAX_NUM_ORDERS")
    up = percent.multiplier_up if percent is not None else None
    down = percent.multiplier_down if percent is not None else None
    return Instrument(
        symbol=spot_symbol(record.symbol),
        base_asset=record.base_asset,
        quote_asset=record.quote_asset,
        margin_asset=record.quote_asset,
        status=word(SymbolStatus, record.status, here, "status"),
        price_precision=count(record.price_precision, here, "pricePrecision"),
        quantity_precision=count(record.quantity_precision, here, "quantityPrecision"),
        tick_size=finite(price.tick_size, here, "tickSize"),
        min_price=finite(price.min_price, here, "minPrice"),
        max_price=finite(price.max_price, here, "maxPrice"),
        lot=lot_filter(lot, here),
        market_lot=lot_filter(filters.get("MARKET_LOT_SIZE", lot), here),
        min_notional=finite(
            least.min_notional if least.min_notional is not None else least.notional, here, "minNotional"
        ),
        percent_price_up=_WIDE_UP if up is None else finite(up, here, "multiplierUp"),
        percent_price_down=_WIDE_DOWN if down is None else finite(down, here, "multiplierDown"),
        market_take_bound=_ZERO,
        trigger_protect=_ZERO,
        liquidation_fee=_ZERO,
        max_num_orders=200 if orders is None else count(orders.limit, here, "limit"),
        max_num_algo_orders=0,
        contract_type="SPOT",
    )


def spot_order(record: SpotOrderRecord, source: str) -> OrderReport:
    time_ms = record.update_time if record.update_time is not None else record.time
    if time_ms is None:
        raise MalformedResponse(source, "updateTime", "is missing")
    return OrderReport(
        symbol=spot_symbol(record.symbol),
        order_id=record.order_id,
        client_order_id=record.client_order_id,
        side=word(Side, record.side, source, "side"),
        position_side=PositionSide.LONG,
        order_type=order_type_of(record.type, source),
        status=order_status_of(record.status, source),
        quantity=finite(record.orig_qty, source, "origQty"),
        filled_quantity=finite(record.executed_qty, source, "executedQty"),
        average_price=_average(record.avg_price, record.cum_quote, record.executed_qty),
        price=finite(record.price, source, "price"),
        update_ms=time_ms,
    )


def _average(average: Decimal | None, quote: Decimal | None, filled: Decimal) -> Decimal:
    if average is not None and average.is_finite() and average > 0:
        return average
    return quote / filled if quote is not None and filled > 0 else _ZERO


def spot_fill(record: SpotTradeRecord, client_order_id: str, source: str) -> Fill:
    side = Side.BUY if record.buyer else Side.SELL
    if record.side is not None:
        side = word(Side, record.side, source, "side")
    elif record.buyer is None:
        raise MalformedResponse(source, "side", "is missing")
    return Fill(
        symbol=spot_symbol(record.symbol),
        trade_id=record.id,
        order_id=record.order_id,
        client_order_id=client_order_id,
        side=side,
        position_side=PositionSide.LONG,
        price=finite(record.price, source, "price"),
        quantity=finite(record.qty, source, "qty"),
        realized_pnl=_ZERO,
        commission=finite(record.commission, source, "commission"),
        commission_asset=record.commission_asset,
        role=LiquidityRole.MAKER if record.maker else LiquidityRole.TAKER,
        event_ms=record.time,
    )


def spot_balance(record: SpotBalanceRecord | SpotBalancePayload, source: str) -> SpotBalance:
    return SpotBalance(
        asset=record.asset,
        free=finite(record.free, source, "free"),
        locked=finite(record.locked, source, "locked"),
    )


def balances_changed(message: SpotAccountMessage, received_ns: int, stream: str) -> SpotBalancesChanged:
    balances = tuple(spot_balance(row, stream) for row in message.balances)
    return SpotBalancesChanged(event_ms=message.event_ms, received_ns=received_ns, balances=balances)


def order_changed(
    message: SpotOrderMessage, assets: tuple[str, str], received_ns: int, stream: str
) -> OrderChanged:
    """`assets` are (base, quote) of the symbol: a trade without a fee names no asset."""
    side = word(Side, message.side, stream, "S")
    report = OrderReport(
        symbol=spot_symbol(message.symbol),
        order_id=message.order_id,
        client_order_id=message.client_order_id,
        side=side,
        position_side=PositionSide.LONG,
        order_type=order_type_of(message.order_type, stream),
        status=order_status_of(message.status, stream),
        quantity=finite(message.quantity, stream, "q"),
        filled_quantity=finite(message.filled_quantity, stream, "z"),
        average_price=_average(message.average_price, message.filled_quote, message.filled_quantity),
        price=finite(message.price, stream, "p"),
        update_ms=message.trade_ms,
    )
    fill = None
    if message.execution_type == "TRADE" and message.last_quantity > 0:
        received = assets[0] if side is Side.BUY else assets[1]
        fill = Fill(
            symbol=report.symbol,
            trade_id=message.trade_id,
            order_id=message.order_id,
            client_order_id=message.client_order_id,
            side=side,
            position_side=PositionSide.LONG,
            price=finite(message.last_price, stream, "L"),
            quantity=finite(message.last_quantity, stream, "l"),
            realized_pnl=_ZERO,
            commission=_ZERO if message.commission is None else finite(message.commission, stream, "n"),
            commission_asset=message.commission_asset or received,
            role=LiquidityRole.MAKER if message.is_maker else LiquidityRole.TAKER,
            event_ms=message.trade_ms,
            order_type=report.order_type,
        )
    return OrderChanged(event_ms=message.event_ms, received_ns=received_ns, report=report, fill=fill)
