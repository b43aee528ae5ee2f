"""Public market data (protocol reference, section 4.1)."""

from collections.abc import Sequence
from typing import Any

from aster_operator.domain.clock import HOUR_MS
from aster_operator.simulator.model import ContractSpec, KlineRecord, MarkEvent, TradeEvent, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.bars import klines_of
from aster_operator.simulator.server.endpoints.exchange_info import exchange_info
from aster_operator.simulator.server.intervals import MONTH, bar_close_ms, bar_open_ms, interval_ms
from aster_operator.simulator.server.market_feed import MarkBar
from aster_operator.simulator.server.number_text import atoms_text, symbol_text
from aster_operator.simulator.server.params import Params
from aster_operator.simulator.server.render import (
    book_ticker_json,
    day_json,
    depth_json,
    funding_limits,
    kline_json,
)
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["MARKET_ENDPOINTS", "TRADES_SEARCHED", "depth_limit", "klines_weight", "ping", "server_time"]

DEPTH_LIMITS = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
TRADES_SEARCHED = 100_000


def ping(_call: Call) -> Any:
    """Answer an empty object."""
    return {}


def server_time(call: Call) -> Any:
    """The security clock, against which timestamps and nonces are judged."""
    return {"serverTime": call.services.clock.now_ms()}


def depth_limit(params: Params) -> int:
    limit = params.optional_integer("limit")
    if limit is None:
        return 500
    if limit not in DEPTH_LIMITS:
        raise VenueRefusal(-4021, f"{limit} is not valid depth limit.")
    return limit


def depth_weight(params: Params) -> int:
    text = params.get("limit", "")
    return DEPTH_LIMITS.get(int(text), 20) if text.isdecimal() and len(text) < 6 else DEPTH_LIMITS[500]


def depth(call: Call) -> Any:
    """The visible book, best first."""
    spec = call.spec()
    return depth_json(call.exchange.book(spec.symbol, depth_limit(call.params)), call.exchange.now_ms)


def trade_json(trade: TradeEvent) -> dict[str, Any]:
    text = symbol_text(trade.spec)
    return {
        "id": trade.trade_id,
        "price": text.price(trade.ticks),
        "qty": text.quantity(trade.lots),
        "quoteQty": text.notional(trade.spec.notional_atoms(trade.ticks, trade.lots)),
        "time": trade.time_ms,
        "isBuyerMaker": trade.buyer_is_maker,
    }


def recent_trades(call: Call) -> Any:
    """The newest public trades, oldest first."""
    spec = call.spec()
    trades = call.exchange.recent_trades(spec.symbol, call.params.limit(500, 1000))
    return [trade_json(trade) for trade in trades]


def historical_trades(call: Call) -> Any:
    """Public trades from an id on."""
    spec = call.spec()
    limit = call.params.limit(500, 1000)
    from_id = call.params.optional_integer("fromId", low=0)
    if from_id is None:
        return recent_trades(call)
    trades = call.exchange.recent_trades(spec.symbol, TRADES_SEARCHED)
    return [trade_json(trade) for trade in trades if trade.trade_id >= from_id][:limit]


def aggregate_trades(call: Call) -> Any:
    """Aggregated trades; both times together may span less than an hour."""
    spec = call.spec()
    start_ms, end_ms = call.params.time_span()
    if start_ms is not None and end_ms is not None and end_ms - start_ms >= HOUR_MS:
        raise refusals.window_too_wide(1)
    found = call.services.market.aggregates(
        spec.symbol,
        call.params.optional_integer("fromId", low=0),
        start_ms,
        end_ms,
        call.params.limit(500, 1000),
    )
    text = symbol_text(spec)
    return [
        {
            "a": trade.aggregate_id,
            "p": text.price(trade.ticks),
            "q": text.quantity(trade.lots),
            "f": trade.first_id,
            "l": trade.last_id,
            "T": trade.time_ms,
            "m": trade.buyer_is_maker,
        }
        for trade in found
    ]


def klines_weight(params: Params) -> int:
    text = params.get("limit", "")
    limit = int(text) if text.isdecimal() and len(text) < 6 else 500
    if limit < 100:
        return 1
    if limit < 500:
        return 2
    return 5 if limit <= 1000 else 10


def klines(call: Call) -> Any:
    """Bars of the last price; the last one is still running."""
    spec = call.spec()
    interval = call.params.text("interval")
    start_ms, end_ms = call.params.time_span()
    bars: Sequence[KlineRecord] = klines_of(
        call.exchange, spec.symbol, interval, start_ms, end_ms, call.params.limit(500, 1500)
    )
    return [kline_json(bar) for bar in bars]


def _price_klines(call: Call, minutes: Sequence[MarkBar]) -> Any:
    interval = call.params.text("interval")
    if interval != MONTH:
        interval_ms(interval)
    start_ms, end_ms = call.params.time_span()
    limit = call.params.limit(500, 1500)
    merged: dict[int, MarkBar] = {}
    for minute in minutes:
        open_ms = bar_open_ms(interval, minute.open_ms)
        if (start_ms is not None and open_ms < start_ms) or (end_ms is not None and open_ms > end_ms):
            continue
        bar = merged.get(open_ms)
        if bar is None:
            merged[open_ms] = MarkBar(
                open_ms, minute.open_e8, minute.high_e8, minute.low_e8, minute.close_e8, minute.points
            )
            continue
        bar.high_e8 = max(bar.high_e8, minute.high_e8)
        bar.low_e8 = min(bar.low_e8, minute.low_e8)
        bar.close_e8 = minute.close_e8
        bar.points += minute.points
    bars = list(merged.values())
    chosen = bars[:limit] if start_ms is not None else bars[-limit:]
    return [
        (
            bar.open_ms,
            atoms_text(bar.open_e8),
            atoms_text(bar.high_e8),
            atoms_text(bar.low_e8),
            atoms_text(bar.close_e8),
            "0",
            bar_close_ms(interval, bar.open_ms),
            "0",
            bar.points,
            "0",
            "0",
            "0",
        )
        for bar in chosen
    ]


def mark_price_klines(call: Call) -> Any:
    """Bars of the mark price; those from before the start are of the recorded trades."""
    return _price_klines(call, call.services.market.mark_bars(call.spec().symbol))


def _pair(call: Call) -> str:
    """Raises VenueRefusal(-4144) for a pair that is not listed."""
    pair = call.params.text("pair")
    if pair not in call.exchange.contracts():
        raise VenueRefusal(-4144, "Invalid pair.")
    return pair


def index_price_klines(call: Call) -> Any:
    """Bars of the index price; those from before the start are of the recorded trades."""
    return _price_klines(call, call.services.market.index_bars(_pair(call)))


def _premium_json(mark: MarkEvent, now_ms: int) -> dict[str, Any]:
    return {
        "symbol": mark.spec.symbol,
        "markPrice": atoms_text(mark.mark_e8),
        "indexPrice": atoms_text(mark.index_e8),
        "estimatedSettlePrice": atoms_text(mark.index_e8),
        "lastFundingRate": atoms_text(mark.funding_rate_e8),
        "nextFundingTime": mark.next_funding_ms,
        "interestRate": "0.00010000",
        "time": now_ms,
    }


def _one_or_all(call: Call, render: Any) -> Any:
    spec = call.optional_spec()
    if spec is not None:
        return render(spec)
    rows = [render(each) for each in call.exchange.contracts().values()]
    return [row for row in rows if row is not None]


def premium_index(call: Call) -> Any:
    """Mark and index price with the funding rate."""
    now_ms = call.exchange.now_ms
    return _one_or_all(call, lambda spec: _premium_json(call.exchange.mark(spec.symbol), now_ms))


def funding_rate(call: Call) -> Any:
    """Settled funding rates, oldest first."""
    spec = call.optional_spec()
    start_ms, end_ms = call.params.time_span()
    limit = call.params.limit(100, 1000)
    rows = call.exchange.funding_history(None if spec is None else spec.symbol, start_ms, end_ms, limit)
    return [
        {"symbol": symbol, "fundingRate": atoms_text(rate_e8), "fundingTime": time_ms}
        for symbol, time_ms, rate_e8 in rows
    ]


def funding_info(call: Call) -> Any:
    """Funding interval, cap and floor."""
    spec = call.optional_spec()
    specs = list(call.exchange.contracts().values()) if spec is None else [spec]
    rows = []
    for each in specs:
        floor, cap = funding_limits(each)
        rows.append(
            {
                "symbol": each.symbol,
                "interestRate": "0.00010000",
                "time": call.exchange.now_ms,
                "fundingIntervalHours": each.funding_interval_hours,
                "fundingFeeCap": cap,
                "fundingFeeFloor": floor,
            }
        )
    return rows


def ticker_24h(call: Call) -> Any:
    """Rolling statistics of the last 24 hours."""
    market = call.services.market

    def render(spec: ContractSpec) -> dict[str, Any] | None:
        figures = market.day(spec.symbol)
        return None if figures is None else day_json(figures)

    return _one_or_all(call, render)


def ticker_price(call: Call) -> Any:
    """The last price."""

    def render(spec: ContractSpec) -> dict[str, Any] | None:
        trades = call.exchange.recent_trades(spec.symbol, 1)
        if trades:
            ticks, time_ms = trades[-1].ticks, trades[-1].time_ms
        else:
            figures = call.services.market.day(spec.symbol)
            if figures is None:
                return None
            ticks, time_ms = figures.last_ticks, figures.close_ms
        return {"symbol": spec.symbol, "price": symbol_text(spec).price(ticks), "time": time_ms}

    return _one_or_all(call, render)


def book_ticker(call: Call) -> Any:
    """Best bid and ask."""
    return _one_or_all(call, lambda spec: book_ticker_json(call.exchange.book(spec.symbol, 1)))


def index_references(call: Call) -> Any:
    """Where the index price comes from: the recorded market alone. Unknown symbols give -1000."""
    symbol = call.params.text("symbol")
    if symbol not in call.exchange.contracts():
        raise VenueRefusal(-1000, "Invalid symbol.")
    reference = {"exchange": "recorded", "symbol": symbol, "weight": "1.00000000"}
    return {"symbol": symbol, "time": call.exchange.now_ms, "references": [reference]}


def _per_symbol(one: int, all_symbols: int) -> Any:
    return lambda params: one if params.get("symbol") else all_symbols


_PUBLIC = (1, 3)

MARKET_ENDPOINTS = (
    Endpoint("GET", "ping", _PUBLIC, Security.NONE, ping),
    Endpoint("GET", "time", _PUBLIC, Security.NONE, server_time),
    Endpoint("GET", "exchangeInfo", _PUBLIC, Security.NONE, exchange_info),
    Endpoint("GET", "depth", _PUBLIC, Security.NONE, depth, depth_weight),
    Endpoint("GET", "trades", _PUBLIC, Security.NONE, recent_trades),
    Endpoint("GET", "historicalTrades", _PUBLIC, Security.MARKET_DATA, historical_trades, 20),
    Endpoint("GET", "aggTrades", _PUBLIC, Security.NONE, aggregate_trades, 20),
    Endpoint("GET", "klines", _PUBLIC, Security.NONE, klines, klines_weight),
    Endpoint("GET", "markPriceKlines", _PUBLIC, Security.NONE, mark_price_klines, klines_weight),
    Endpoint("GET", "indexPriceKlines", _PUBLIC, Security.NONE, index_price_klines, klines_weight),
    Endpoint("GET", "premiumIndex", _PUBLIC, Security.NONE, premium_index),
    Endpoint("GET", "fundingRate", _PUBLIC, Security.NONE, funding_rate),
    Endpoint("GET", "fundingInfo", _PUBLIC, Security.NONE, funding_info),
    Endpoint("GET", "ticker/24hr", _PUBLIC, Security.NONE, ticker_24h, _per_symbol(1, 40)),
    Endpoint("GET", "ticker/price", _PUBLIC, Security.NONE, ticker_price, _per_symbol(1, 2)),
    Endpoint("GET", "ticker/bookTicker", _PUBLIC, Security.NONE, book_ticker, _per_symbol(1, 2)),
    Endpoint("GET", "indexreferences", (3,), Security.NONE, index_references),
)
