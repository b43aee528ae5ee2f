"""Answers of REST as the messages that the streams bring, for seeding and for filling holes."""

from aster_operator.exchange.wire.market import (
    AggregateTradeRecord,
    BookTickerRecord,
    DepthRecord,
    KlineRecord,
    PremiumIndexRecord,
)
from aster_operator.exchange.wire.market_floats import (
    AggregateTradeTick,
    BookTick,
    DepthTick,
    KlineTickPayload,
    MarkPriceTick,
)

__all__ = ["depth_tick", "kline_tick", "mark_tick", "quote_tick", "trade_tick"]


def quote_tick(record: BookTickerRecord, received_ns: int) -> BookTick:
    """Best bid and ask; times and id are 0 where the venue does not say them."""
    return BookTick(
        record.last_update_id or 0,
        record.time or 0,
        record.time or 0,
        record.symbol,
        float(record.bid_price),
        float(record.bid_qty),
        float(record.ask_price),
        float(record.ask_qty),
        received_ns,
    )


def mark_tick(record: PremiumIndexRecord, received_ns: int) -> MarkPriceTick:
    """Mark and index price with the coming funding."""
    settle = record.estimated_settle_price
    return MarkPriceTick(
        record.time,
        record.symbol,
        float(record.mark_price),
        float(record.index_price),
        float(record.last_funding_rate),
        record.next_funding_time,
        received_ns,
        None if settle is None else float(settle),
    )


def kline_tick(
    symbol: str, record: KlineRecord, received_ns: int, *, is_closed: bool = False
) -> KlineTickPayload:
    """A one-minute bar; REST does not say whether it is closed."""
    return KlineTickPayload(
        record.open_time,
        record.close_time,
        symbol,
        "1m",
        float(record.open),
        float(record.close),
        float(record.high),
        float(record.low),
        float(record.volume),
        record.trades,
        is_closed,
        float(record.quote_volume),
        float(record.taker_buy_base_volume),
        float(record.taker_buy_quote_volume),
        received_ns,
    )


def depth_tick(symbol: str, record: DepthRecord, levels: int, received_ns: int) -> DepthTick:
    """The best `levels` of each side."""
    return DepthTick(
        record.output_ms or 0,
        symbol,
        record.last_update_id,
        record.last_update_id,
        tuple((float(row.price), float(row.quantity)) for row in record.bids[:levels]),
        tuple((float(row.price), float(row.quantity)) for row in record.asks[:levels]),
        record.transaction_ms,
        None,
        received_ns,
    )


def trade_tick(symbol: str, record: AggregateTradeRecord, received_ns: int) -> AggregateTradeTick:
    """An aggregate trade; its event time is when it happened."""
    return AggregateTradeTick(
        record.time,
        symbol,
        record.id,
        float(record.price),
        float(record.quantity),
        record.first_trade_id,
        record.last_trade_id,
        record.time,
        record.is_buyer_maker,
        received_ns,
    )
