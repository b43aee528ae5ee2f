"""From wire records to domain values: the only place that knows both.

Every function raises MalformedResponse naming source and field when a value is absent, not finite or
outside its vocabulary. A missing value is never taken for zero.
"""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from aster_operator.domain.enums import (
    LiquidityRole,
    MarginType,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    SymbolStatus,
)
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.domain.instruments import Instrument, LotFilter
from aster_operator.domain.market import Bar, BookLevel, DepthSnapshot, MarkPrice, Quote
from aster_operator.domain.orders import OrderReport
from aster_operator.domain.positions import AccountSnapshot, Balance, PositionReport
from aster_operator.exchange.errors import MalformedResponse
from aster_operator.exchange.wire.account import (
    AccountRecord,
    CommissionRateRecord,
    IncomeRecord,
    PositionRiskRecord,
)
from aster_operator.exchange.wire.market import (
    BookTickerRecord,
    DepthRecord,
    FilterRecord,
    KlineRecord,
    LevelRecord,
    PremiumIndexRecord,
    SymbolRecord,
)
from aster_operator.exchange.wire.orders import OrderRecord, UserTradeRecord

__all__ = [
    "account_snapshot",
    "bar",
    "count",
    "depth_snapshot",
    "fee_rates",
    "fill",
    "filter_of",
    "finite",
    "income_row",
    "instrument",
    "levels",
    "lot_filter",
    "margin_type_of",
    "mark_price",
    "order_report",
    "order_status_of",
    "order_type_of",
    "position_report",
    "quote",
    "word",
]

E = TypeVar("E", bound=StrEnum)

_STATUS_ALIASES: Final = {"PENDING": OrderStatus.NEW, "EXPIRED_IN_MATCH": OrderStatus.EXPIRED}
_MARGIN_TYPES: Final = {
    "isolated": MarginType.ISOLATED,
    "cross": MarginType.CROSSED,
    "crossed": MarginType.CROSSED,
}


def finite(value: Decimal | None, source: str, field: str) -> Decimal:
    """Return `value`; absent, NaN and infinite values raise."""
    if value is None:
        raise MalformedResponse(source, field, "is missing")
    if not value.is_finite():
        raise MalformedResponse(source, field, f"must be a finite number, was {value}")
    return value


def word(kind: type[E], text: str | None, source: str, field: str) -> E:
    """Return the member of a closed vocabulary that `text` spells."""
    if text is None:
        raise MalformedResponse(source, field, "is missing")
    try:
        return kind(text)
    except ValueError:
        raise MalformedResponse(source, field, f"{text!r} is not a known {kind.__name__}") from None


def order_type_of(text: str, source: str) -> OrderType:
    # Liquidations travel as LIMIT IOC orders under a type of their own (section 9.3).
    return OrderType.LIMIT if text == "LIQUIDATION" else word(OrderType, text, source, "type")


def order_status_of(text: str, source: str) -> OrderStatus:
    return _STATUS_ALIASES.get(text) or word(OrderStatus, text, source, "status")


def margin_type_of(text: str, source: str) -> MarginType:
    """Both spellings of the venue: `isolated`/`cross` in answers, `ISOLATED`/`CROSSED` in requests."""
    known = _MARGIN_TYPES.get(text.lower())
    if known is None:
        raise MalformedResponse(source, "marginType", f"{text!r} is not a known margin type")
    return known


def leverage_of(value: int | str, source: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise MalformedResponse(source, "leverage", f"{value!r} is no whole number") from None


# --- market --------------------------------------------------------------------------------------------


def instrument(record: SymbolRecord, source: str) -> Instrument | None:
    """Return the contract, or None for rows that are no complete perpetual (section 5.1)."""
    if record.contract_type is None or record.base_asset is None or record.margin_asset is None:
        return None
    filters = {row.filter_type: row for row in record.filters}
    price = filter_of(filters, "PRICE_FILTER", record.symbol, source)
    percent = filter_of(filters, "PERCENT_PRICE", record.symbol, source)
    notional = filter_of(filters, "MIN_NOTIONAL", record.symbol, source)
    lot = filter_of(filters, "LOT_SIZE", record.symbol, source)
    here = f"{source} {record.symbol}"
    return Instrument(
        symbol=record.symbol,
        base_asset=record.base_asset,
        quote_asset=record.quote_asset,
        margin_asset=record.margin_asset,
        status=word(SymbolStatus, record.status, here, "status"),
        price_precision=count(record.price_precision, here, "pricePrecision"),
        quantity_precision=count(record.quantity_precision, here, "quantityPrecision"),
        tick_size=finite(price.tick_size, here, "tickSize"),
        min_price=finite(price.min_price, here, "minPrice"),
        max_price=finite(price.max_price, here, "maxPrice"),
        lot=lot_filter(lot, here),
        market_lot=lot_filter(filters.get("MARKET_LOT_SIZE", lot), here),
        min_notional=finite(
            notional.notional if notional.notional is not None else notional.min_notional, here, "notional"
        ),
        percent_price_up=finite(percent.multiplier_up, here, "multiplierUp"),
        percent_price_down=finite(percent.multiplier_down, here, "multiplierDown"),
        market_take_bound=finite(record.market_take_bound, here, "marketTakeBound"),
        trigger_protect=finite(record.trigger_protect, here, "triggerProtect"),
        liquidation_fee=finite(record.liquidation_fee, here, "liquidationFee"),
        max_num_orders=count(
            filter_of(filters, "MAX_NUM_ORDERS", record.symbol, source).limit, here, "limit"
        ),
        max_num_algo_orders=count(
            filter_of(filters, "MAX_NUM_ALGO_ORDERS", record.symbol, source).limit, here, "limit"
        ),
        contract_type=record.contract_type,
    )


def filter_of(filters: dict[str, FilterRecord], name: str, symbol: str, source: str) -> FilterRecord:
    found = filters.get(name)
    if found is None:
        raise MalformedResponse(f"{source} {symbol}", f"filters.{name}", "is missing")
    return found


def lot_filter(record: FilterRecord, source: str) -> LotFilter:
    return LotFilter(
        min_quantity=finite(record.min_qty, source, "minQty"),
        max_quantity=finite(record.max_qty, source, "maxQty"),
        step=finite(record.step_size, source, "stepSize"),
    )


def count(value: int | None, source: str, field: str) -> int:
    if value is None:
        raise MalformedResponse(source, field, "is missing")
    return value


def bar(symbol: str, interval: str, record: KlineRecord, now_ms: int, source: str) -> Bar:
    """A kline of the history; it is closed when its last millisecond is in the past of `now_ms`."""
    return Bar(
        symbol=symbol,
        interval=interval,
        open_ms=record.open_time,
        close_ms=record.close_time,
        open=finite(record.open, source, "open"),
        high=finite(record.high, source, "high"),
        low=finite(record.low, source, "low"),
        close=finite(record.close, source, "close"),
        base_volume=finite(record.volume, source, "volume"),
        quote_volume=finite(record.quote_volume, source, "quoteVolume"),
        trades=record.trades,
        taker_buy_base_volume=finite(record.taker_buy_base_volume, source, "takerBuyBaseVolume"),
        taker_buy_quote_volume=finite(record.taker_buy_quote_volume, source, "takerBuyQuoteVolume"),
        is_closed=record.close_time < now_ms,
    )


def quote(record: BookTickerRecord, received_ns: int, source: str) -> Quote:
    return Quote(
        symbol=record.symbol,
        bid=finite(record.bid_price, source, "bidPrice"),
        bid_quantity=finite(record.bid_qty, source, "bidQty"),
        ask=finite(record.ask_price, source, "askPrice"),
        ask_quantity=finite(record.ask_qty, source, "askQty"),
        event_ms=count(record.time, source, "time"),
        received_ns=received_ns,
    )


def mark_price(record: PremiumIndexRecord, received_ns: int, source: str) -> MarkPrice:
    return MarkPrice(
        symbol=record.symbol,
        mark=finite(record.mark_price, source, "markPrice"),
        index=finite(record.index_price, source, "indexPrice"),
        funding_rate=finite(record.last_funding_rate, source, "lastFundingRate"),
        next_funding_ms=record.next_funding_time,
        event_ms=record.time,
        received_ns=received_ns,
    )


def levels(records: Iterable[LevelRecord], source: str, field: str) -> tuple[BookLevel, ...]:
    return tuple(
        BookLevel(finite(row.price, source, field), finite(row.quantity, source, field)) for row in records
    )


def depth_snapshot(symbol: str, record: DepthRecord, received_ns: int, source: str) -> DepthSnapshot:
    event_ms = record.transaction_ms if record.transaction_ms is not None else record.output_ms
    return DepthSnapshot(
        symbol=symbol,
        bids=levels(record.bids, source, "bids"),
        asks=levels(record.asks, source, "asks"),
        update_id=record.last_update_id,
        event_ms=count(event_ms, source, "T"),
        received_ns=received_ns,
    )


# --- orders --------------------------------------------------------------------------------------------


def order_report(record: OrderRecord, source: str) -> OrderReport:
    return OrderReport(
        symbol=record.symbol,
        order_id=record.order_id,
        client_order_id=record.client_order_id,
        side=word(Side, record.side, source, "side"),
        position_side=word(PositionSide, record.position_side, source, "positionSide"),
        order_type=order_type_of(record.type, source),
        status=order_status_of(record.status, source),
        quantity=finite(record.orig_qty, source, "origQty"),
        filled_quantity=finite(record.executed_qty, source, "executedQty"),
        average_price=_average_price(record, source),
        price=finite(record.price, source, "price"),
        update_ms=record.update_time,
        # An order that is not conditional has no stop price on the wire; the domain spells that zero.
        stop_price=finite(record.stop_price, source, "stopPrice") if record.stop_price is not None else _NONE,
        reduce_only=bool(record.reduce_only),
        close_position=bool(record.close_position),
        original_type=order_type_of(record.orig_type, source) if record.orig_type else None,
    )


_NONE = Decimal(0)


def _average_price(record: OrderRecord, source: str) -> Decimal:
    if record.avg_price is not None:
        return finite(record.avg_price, source, "avgPrice")
    if record.executed_qty == 0:
        return _NONE
    return finite(record.cum_quote, source, "avgPrice") / record.executed_qty


def fill(record: UserTradeRecord, client_order_id: str, source: str) -> Fill:
    """A trade of the history. userTrades does not carry the client order id: the caller knows it or not."""
    return Fill(
        symbol=record.symbol,
        trade_id=record.id,
        order_id=record.order_id,
        client_order_id=client_order_id,
        side=word(Side, record.side, source, "side"),
        position_side=word(PositionSide, record.position_side, source, "positionSide"),
        price=finite(record.price, source, "price"),
        quantity=finite(record.qty, source, "qty"),
        realized_pnl=finite(record.realized_pnl, source, "realizedPnl"),
        commission=finite(record.commission, source, "commission"),
        commission_asset=record.commission_asset,
        role=LiquidityRole.MAKER if record.maker else LiquidityRole.TAKER,
        event_ms=record.time,
    )


# --- account -------------------------------------------------------------------------------------------


def position_report(record: PositionRiskRecord, source: str) -> PositionReport:
    return PositionReport(
        symbol=record.symbol,
        position_side=word(PositionSide, record.position_side, source, "positionSide"),
        quantity=finite(record.position_amt, source, "positionAmt"),
        entry_price=finite(record.entry_price, source, "entryPrice"),
        mark_price=finite(record.mark_price, source, "markPrice"),
        unrealized_pnl=finite(record.unrealized_profit, source, "unRealizedProfit"),
        liquidation_price=finite(record.liquidation_price, source, "liquidationPrice"),
        leverage=leverage_of(record.leverage, source),
        margin_type=margin_type_of(record.margin_type, source),
        isolated_margin=finite(record.isolated_margin, source, "isolatedMargin"),
        max_notional=finite(record.max_notional_value, source, "maxNotionalValue"),
        update_ms=record.update_time,
    )


def account_snapshot(record: AccountRecord, source: str) -> AccountSnapshot:
    balances = tuple(
        Balance(
            asset=row.asset,
            wallet_balance=finite(row.wallet_balance, source, "walletBalance"),
            cross_wallet_balance=finite(row.cross_wallet_balance, source, "crossWalletBalance"),
            available_balance=finite(row.available_balance, source, "availableBalance"),
            cross_unrealized_pnl=finite(row.cross_un_pnl, source, "crossUnPnl"),
        )
        for row in record.assets
    )
    return AccountSnapshot(
        balances=balances,
        total_wallet_balance=finite(record.total_wallet_balance, source, "totalWalletBalance"),
        total_unrealized_pnl=finite(record.total_unrealized_profit, source, "totalUnrealizedProfit"),
        total_margin_balance=finite(record.total_margin_balance, source, "totalMarginBalance"),
        total_initial_margin=finite(record.total_initial_margin, source, "totalInitialMargin"),
        total_maintenance_margin=finite(record.total_maint_margin, source, "totalMaintMargin"),
        available_balance=finite(record.available_balance, source, "availableBalance"),
        can_trade=record.can_trade,
        can_withdraw=record.can_withdraw,
        update_ms=record.update_time,
    )


def fee_rates(record: CommissionRateRecord, source: str) -> FeeRates:
    return FeeRates(
        symbol=record.symbol,
        maker=finite(record.maker_commission_rate, source, "makerCommissionRate"),
        taker=finite(record.taker_commission_rate, source, "takerCommissionRate"),
    )


def income_row(record: IncomeRecord, source: str) -> IncomeRow:
    trade_id = record.trade_id
    return IncomeRow(
        transaction_id=str(record.tran_id),
        symbol=record.symbol or "",
        income_type=record.income_type,
        income=finite(record.income, source, "income"),
        asset=record.asset,
        time_ms=record.time,
        trade_id="" if trade_id is None else str(trade_id),
    )
