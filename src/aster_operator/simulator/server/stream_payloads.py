"""Payloads of market streams, keys exactly as protocol reference, section 6.2 lists them."""

from typing import Any

from aster_operator.simulator.api import BookView
from aster_operator.simulator.model import ForceOrderEvent, KlineRecord, MarkEvent, TradeEvent
from aster_operator.simulator.server.market_feed import AggregateTrade, DayFigures
from aster_operator.simulator.server.number_text import atoms_text, symbol_text
from aster_operator.simulator.server.render import day_change, update_id

__all__ = [
    "aggregate_trade",
    "book_ticker",
    "depth_update",
    "force_order",
    "kline",
    "mark_price",
    "mini_ticker",
    "spot_aggregate_trade",
    "ticker",
    "trade",
    "trade_with_parties",
]

NO_TRANSACTION = "0X" + 64 * "0"
"""What the venue itself sends as the hash of a trade that is in no chain."""


def aggregate_trade(trade: AggregateTrade, event_ms: int) -> dict[str, Any]:
    text = symbol_text(trade.spec)
    return {
        "e": "aggTrade",
        "E": event_ms,
        "s": trade.spec.symbol,
        "a": trade.aggregate_id,
        "p": text.price(trade.ticks),
        "q": text.quantity(trade.lots),
        "f": trade.first_id,
        "l": trade.last_id,
        "T": trade.time_ms,
        "m": trade.buyer_is_maker,
    }


def mark_price(mark: MarkEvent, event_ms: int) -> dict[str, Any]:
    return {
        "e": "markPriceUpdate",
        "E": event_ms,
        "s": mark.spec.symbol,
        "p": atoms_text(mark.mark_e8),
        "i": atoms_text(mark.index_e8),
        "P": atoms_text(mark.index_e8),
        "r": atoms_text(mark.funding_rate_e8),
        "T": mark.next_funding_ms,
    }


def kline(bar: KlineRecord, interval: str, is_closed: bool, event_ms: int) -> dict[str, Any]:
    text = symbol_text(bar.spec)
    return {
        "e": "kline",
        "E": event_ms,
        "s": bar.spec.symbol,
        "k": {
            "t": bar.open_ms,
            "T": bar.close_ms,
            "s": bar.spec.symbol,
            "i": interval,
            "f": bar.first_trade_id,
            "L": bar.last_trade_id,
            "o": text.price(bar.open_ticks),
            "c": text.price(bar.close_ticks),
            "h": text.price(bar.high_ticks),
            "l": text.price(bar.low_ticks),
            "v": text.quantity(bar.lots),
            "n": bar.trades,
            "x": is_closed,
            "q": text.notional(bar.quote_atoms),
            "V": text.quantity(bar.taker_buy_lots),
            "Q": text.notional(bar.taker_buy_quote_atoms),
            "B": "0",
        },
    }


def mini_ticker(figures: DayFigures, event_ms: int) -> dict[str, Any]:
    text = symbol_text(figures.spec)
    return {
        "e": "24hrMiniTicker",
        "E": event_ms,
        "s": figures.spec.symbol,
        "c": text.price(figures.last_ticks),
        "o": text.price(figures.open_ticks),
        "h": text.price(figures.high_ticks),
        "l": text.price(figures.low_ticks),
        "v": text.quantity(figures.lots),
        "q": text.notional(figures.quote_atoms),
    }


def ticker(figures: DayFigures, event_ms: int) -> dict[str, Any]:
    text = symbol_text(figures.spec)
    change, percent, weighted = day_change(figures)
    return {
        "e": "24hrTicker",
        "E": event_ms,
        "s": figures.spec.symbol,
        "p": change,
        "P": percent,
        "w": weighted,
        "c": text.price(figures.last_ticks),
        "Q": text.quantity(figures.last_lots),
        "o": text.price(figures.open_ticks),
        "h": text.price(figures.high_ticks),
        "l": text.price(figures.low_ticks),
        "v": text.quantity(figures.lots),
        "q": text.notional(figures.quote_atoms),
        "O": figures.open_ms,
        "C": figures.close_ms,
        "F": figures.first_id,
        "L": figures.last_id,
        "n": figures.trades,
    }


def book_ticker(book: BookView, event_ms: int) -> dict[str, Any]:
    text = symbol_text(book.spec)
    bid_ticks, bid_lots = book.bids[0] if book.bids else (0, 0)
    ask_ticks, ask_lots = book.asks[0] if book.asks else (0, 0)
    return {
        "e": "bookTicker",
        "u": update_id(book.update_id),
        "E": event_ms,
        "T": book.time_ms,
        "s": book.spec.symbol,
        "b": text.price(bid_ticks),
        "B": text.quantity(bid_lots),
        "a": text.price(ask_ticks),
        "A": text.quantity(ask_lots),
    }


def depth_update(
    symbol: str,
    event_ms: int,
    transaction_ms: int,
    previous_id: int,
    last_id: int,
    bids: list[tuple[str, str]],
    asks: list[tuple[str, str]],
) -> dict[str, Any]:
    """`U` follows the previous frame of the same stream and speed, so that a snapshot's id always falls
    into a frame; ids are those of the wire."""
    return {
        "e": "depthUpdate",
        "E": event_ms,
        "T": transaction_ms,
        "s": symbol,
        "U": min(previous_id + 1, last_id),
        "u": last_id,
        "pu": previous_id,
        "b": bids,
        "a": asks,
    }


def force_order(event: ForceOrderEvent, event_ms: int) -> dict[str, Any]:
    order = event.order
    text = symbol_text(order.spec)
    return {
        "e": "forceOrder",
        "E": event_ms,
        "o": {
            "s": order.symbol,
            "S": order.side.value,
            "o": order.order_type.value,
            "f": order.time_in_force.value,
            "q": text.quantity(order.lots),
            "p": text.price(order.price_ticks),
            "ap": text.average(order.average_price),
            "X": order.status.value,
            "l": text.quantity(order.filled_lots),
            "z": text.quantity(order.filled_lots),
            "T": event.time_ms,
        },
    }


def trade(event: TradeEvent) -> dict[str, Any]:
    """A single trade, told at the moment it happens."""
    text = symbol_text(event.spec)
    return {
        "e": "trade",
        "E": event.time_ms,
        "s": event.spec.symbol,
        "t": event.trade_id,
        "p": text.price(event.ticks),
        "q": text.quantity(event.lots),
        "T": event.time_ms,
        "m": event.buyer_is_maker,
    }


def spot_aggregate_trade(event: TradeEvent) -> dict[str, Any]:
    """A spot trade as an aggregate of itself, as the spot REST side numbers them too."""
    text = symbol_text(event.spec)
    return {
        "e": "aggTrade",
        "E": event.time_ms,
        "s": event.spec.symbol,
        "a": event.trade_id,
        "p": text.price(event.ticks),
        "q": text.quantity(event.lots),
        "f": event.trade_id,
        "l": event.trade_id,
        "T": event.time_ms,
        "m": event.buyer_is_maker,
        "M": True,
    }


def trade_with_parties(event: TradeEvent) -> dict[str, Any]:
    """A trade with its parties; here everybody is in privacy mode and nothing is in a chain."""
    text = symbol_text(event.spec)
    return {
        "e": "tradepro",
        "E": event.time_ms,
        "T": event.time_ms,
        "s": event.spec.symbol,
        "t": event.trade_id,
        "p": text.price(event.ticks),
        "q": text.quantity(event.lots),
        "h": NO_TRANSACTION,
        "m": ["hidden", "hidden"],
    }
