"""From stream messages to domain events. Same rules as `parse`, of which this is the other half."""

from decimal import Decimal

from aster_operator.domain.enums import LiquidityRole, PositionSide, Side
from aster_operator.domain.events import (
    AccountChanged,
    BalanceChange,
    BarUpdated,
    DepthUpdated,
    LeverageChanged,
    MarkUpdated,
    OrderChanged,
    PositionChange,
    QuoteUpdated,
    TradePrinted,
)
from aster_operator.domain.fills import Fill
from aster_operator.domain.market import Bar, DepthSnapshot, MarketTrade, MarkPrice, Quote
from aster_operator.domain.orders import OrderReport
from aster_operator.exchange.parse import (
    finite,
    levels,
    margin_type_of,
    order_status_of,
    order_type_of,
    word,
)
from aster_operator.exchange.wire.streams import (
    AggregateTradeMessage,
    BookTickerMessage,
    DepthMessage,
    KlineMessage,
    MarkPriceMessage,
)
from aster_operator.exchange.wire.user_stream import (
    AccountConfigMessage,
    AccountUpdateMessage,
    OrderPayload,
    OrderUpdateMessage,
)

__all__ = [
    "account_changed",
    "bar_updated",
    "depth_updated",
    "leverage_changed",
    "mark_updated",
    "order_changed",
    "quote_updated",
    "trade_printed",
]


def quote_updated(message: BookTickerMessage, received_ns: int, stream: str) -> QuoteUpdated | None:
    """None while one side of the book is empty: a price of zero is none to trade at or to judge by."""
    quote = Quote(
        symbol=message.symbol,
        bid=finite(message.bid, stream, "b"),
        bid_quantity=finite(message.bid_quantity, stream, "B"),
        ask=finite(message.ask, stream, "a"),
        ask_quantity=finite(message.ask_quantity, stream, "A"),
        event_ms=message.event_ms,
        received_ns=received_ns,
    )
    if not quote.is_two_sided:
        return None
    return QuoteUpdated(event_ms=message.event_ms, received_ns=received_ns, quote=quote)


def mark_updated(message: MarkPriceMessage, received_ns: int, stream: str) -> MarkUpdated:
    mark = MarkPrice(
        symbol=message.symbol,
        mark=finite(message.mark, stream, "p"),
        index=finite(message.index, stream, "i"),
        funding_rate=finite(message.funding_rate, stream, "r"),
        next_funding_ms=message.next_funding_ms,
        event_ms=message.event_ms,
        received_ns=received_ns,
    )
    return MarkUpdated(event_ms=message.event_ms, received_ns=received_ns, mark=mark)


def bar_updated(message: KlineMessage, received_ns: int, stream: str) -> BarUpdated:
    kline = message.kline
    bar = Bar(
        symbol=kline.symbol,
        interval=kline.interval,
        open_ms=kline.open_ms,
        close_ms=kline.close_ms,
        open=finite(kline.open, stream, "k.o"),
        high=finite(kline.high, stream, "k.h"),
        low=finite(kline.low, stream, "k.l"),
        close=finite(kline.close, stream, "k.c"),
        base_volume=finite(kline.base_volume, stream, "k.v"),
        quote_volume=finite(kline.quote_volume, stream, "k.q"),
        trades=kline.trades,
        taker_buy_base_volume=finite(kline.taker_buy_base_volume, stream, "k.V"),
        taker_buy_quote_volume=finite(kline.taker_buy_quote_volume, stream, "k.Q"),
        is_closed=kline.is_closed,
    )
    return BarUpdated(event_ms=message.event_ms, received_ns=received_ns, bar=bar)


def trade_printed(message: AggregateTradeMessage, received_ns: int, stream: str) -> TradePrinted:
    trade = MarketTrade(
        symbol=message.symbol,
        trade_id=message.trade_id,
        price=finite(message.price, stream, "p"),
        quantity=finite(message.quantity, stream, "q"),
        # `m` says that the buyer was the maker, so that the seller was the aggressor.
        taker_side=Side.SELL if message.is_buyer_maker else Side.BUY,
        event_ms=message.trade_ms,
        received_ns=received_ns,
    )
    return TradePrinted(event_ms=message.event_ms, received_ns=received_ns, trade=trade)


def depth_updated(message: DepthMessage, received_ns: int, stream: str) -> DepthUpdated:
    """A message of a partial-depth stream: the whole top of the book."""
    depth = DepthSnapshot(
        symbol=message.symbol,
        bids=levels(message.bids, stream, "b"),
        asks=levels(message.asks, stream, "a"),
        update_id=message.last_update_id,
        event_ms=message.transaction_ms if message.transaction_ms is not None else message.event_ms,
        received_ns=received_ns,
    )
    return DepthUpdated(event_ms=message.event_ms, received_ns=received_ns, depth=depth)


def order_changed(message: OrderUpdateMessage, received_ns: int, stream: str) -> OrderChanged:
    order = message.order
    stop_price = order.stop_price
    report = OrderReport(
        symbol=order.symbol,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=word(Side, order.side, stream, "o.S"),
        position_side=word(PositionSide, order.position_side, stream, "o.ps"),
        order_type=order_type_of(order.order_type, stream),
        status=order_status_of(order.status, stream),
        quantity=finite(order.quantity, stream, "o.q"),
        filled_quantity=finite(order.filled_quantity, stream, "o.z"),
        average_price=finite(order.average_price, stream, "o.ap"),
        price=finite(order.price, stream, "o.p"),
        update_ms=order.trade_ms,
        stop_price=finite(stop_price, stream, "o.sp") if stop_price is not None else Decimal(0),
        reduce_only=bool(order.is_reduce_only),
        close_position=bool(order.is_close_position),
        original_type=order_type_of(order.original_type, stream) if order.original_type else None,
    )
    return OrderChanged(
        event_ms=message.event_ms,
        received_ns=received_ns,
        report=report,
        fill=_fill(order, stream) if _is_trade(order) else None,
    )


def _is_trade(order: OrderPayload) -> bool:
    """A liquidation reports its execution as CALCULATED; a trade id of 0 means no trade (section 7.1)."""
    return (
        order.execution_type in ("TRADE", "CALCULATED") and order.trade_id != 0 and order.last_quantity != 0
    )


def _fill(order: OrderPayload, stream: str) -> Fill:
    free = order.commission is None and order.commission_asset is None
    return Fill(
        symbol=order.symbol,
        trade_id=order.trade_id,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        side=word(Side, order.side, stream, "o.S"),
        position_side=word(PositionSide, order.position_side, stream, "o.ps"),
        price=finite(order.last_price, stream, "o.L"),
        quantity=finite(order.last_quantity, stream, "o.l"),
        realized_pnl=finite(order.realized_pnl, stream, "o.rp"),
        # The venue leaves both members out when a trade was free: only then is absence a zero.
        commission=Decimal(0) if free else finite(order.commission, stream, "o.n"),
        commission_asset=order.commission_asset or "",
        role=LiquidityRole.MAKER if order.is_maker else LiquidityRole.TAKER,
        event_ms=order.trade_ms,
        order_type=order_type_of(order.order_type, stream),
    )


def account_changed(message: AccountUpdateMessage, received_ns: int, stream: str) -> AccountChanged:
    return AccountChanged(
        event_ms=message.event_ms,
        received_ns=received_ns,
        reason=message.account.reason,
        balances=tuple(
            BalanceChange(
                asset=row.asset,
                wallet_balance=finite(row.wallet_balance, stream, "a.B.wb"),
                cross_wallet_balance=finite(row.cross_wallet_balance, stream, "a.B.cw"),
                change=finite(row.change, stream, "a.B.bc"),
            )
            for row in message.account.balances
        ),
        positions=tuple(
            PositionChange(
                symbol=row.symbol,
                position_side=word(PositionSide, row.position_side, stream, "a.P.ps"),
                quantity=finite(row.quantity, stream, "a.P.pa"),
                entry_price=finite(row.entry_price, stream, "a.P.ep"),
                unrealized_pnl=finite(row.unrealized_pnl, stream, "a.P.up"),
                margin_type=margin_type_of(row.margin_type, stream),
                isolated_wallet=finite(row.isolated_wallet, stream, "a.P.iw"),
            )
            for row in message.account.positions
        ),
    )


def leverage_changed(message: AccountConfigMessage, received_ns: int) -> LeverageChanged | None:
    """None when the message reports a change of modes, not of leverage."""
    if message.leverage is None:
        return None
    return LeverageChanged(
        event_ms=message.event_ms,
        received_ns=received_ns,
        symbol=message.leverage.symbol,
        leverage=message.leverage.leverage,
    )
