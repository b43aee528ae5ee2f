"""The spot host's market data, account and transfers (protocol reference, sections 1.1, 4.6, 10 and 11.4).

An exchange without a spot side answers with empty lists and knows no spot symbol.
"""

from decimal import Decimal
from typing import Any

from aster_operator.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from aster_operator.domain.enums import OrderType
from aster_operator.domain.money import plain_text
from aster_operator.simulator.model import ATOMS, ContractSpec, TradeEvent
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.bars import klines_of
from aster_operator.simulator.server.endpoints.exchange_info import instrument_filters, rate_limits
from aster_operator.simulator.server.endpoints.market import (
    TRADES_SEARCHED,
    depth_limit,
    klines_weight,
    ping,
    server_time,
)
from aster_operator.simulator.server.endpoints.spot_orders import SPOT_ORDER_ENDPOINTS, spot_spec
from aster_operator.simulator.server.number_text import symbol_text
from aster_operator.simulator.server.render import book_ticker_json, depth_json, kline_json
from aster_operator.simulator.server.routing import Call, Endpoint
from aster_operator.simulator.spot import MAX_NOTIONAL

__all__ = ["SPOT_ENDPOINTS"]


def _specs(call: Call) -> list[ContractSpec]:
    spot = call.exchange.spot
    return [] if spot is None else list(spot.contracts().values())


def _notional_filters(least: Decimal) -> list[dict[str, Any]]:
    """The same minimum as another filter, and a maximum no single order here can reach without a refusal."""
    highest = plain_text(MAX_NOTIONAL)
    return [
        {"filterType": "MAX_NOTIONAL", "maxNotional": highest},
        {
            "filterType": "NOTIONAL",
            "minNotional": plain_text(least),
            "maxNotional": highest,
            "applyMinToMarket": True,
            "applyMaxToMarket": True,
            "avgPriceMins": 5,
        },
    ]


def _symbol_json(spec: ContractSpec) -> dict[str, Any]:
    instrument = spec.instrument
    filters = instrument_filters(instrument)
    for each in filters:
        if each["filterType"] == "MIN_NOTIONAL":
            each["minNotional"] = each.pop("notional")
    filters.extend(_notional_filters(instrument.min_notional))
    return {
        "symbol": spec.symbol,
        "status": instrument.status.value,
        "baseAsset": instrument.base_asset,
        "quoteAsset": instrument.quote_asset,
        "pricePrecision": instrument.price_precision,
        "quantityPrecision": instrument.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "ocoAllowed": False,
        "filters": filters,
        "orderTypes": [kind.value for kind in OrderType if kind is not OrderType.TRAILING_STOP_MARKET],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def exchange_info(call: Call) -> Any:
    """The spot markets, one beside each perpetual when the exchange has a spot side, and the assets."""
    contracts = call.exchange.contracts().values()
    assets = dict.fromkeys(
        name for spec in contracts for name in (spec.instrument.margin_asset, spec.instrument.base_asset)
    )
    return {
        "timezone": "UTC",
        "serverTime": call.services.clock.now_ms(),
        "rateLimits": rate_limits(call.services.spot_limiter.settings),
        "exchangeFilters": [],
        "assets": [{"asset": asset} for asset in assets],
        "symbols": [_symbol_json(spec) for spec in _specs(call)],
    }


def depth(call: Call) -> Any:
    """The visible spot book, best first."""
    spot, spec = spot_spec(call)
    return depth_json(spot.book(spec.symbol, depth_limit(call.params)), call.exchange.now_ms)


def _trade_json(trade: TradeEvent) -> dict[str, Any]:
    text = symbol_text(trade.spec)
    quantity = text.quantity(trade.lots)
    return {
        "id": trade.trade_id,
        "price": text.price(trade.ticks),
        "qty": quantity,
        "baseQty": quantity,
        "time": trade.time_ms,
        "isBuyerMaker": trade.buyer_is_maker,
    }


def recent_trades(call: Call) -> Any:
    """The newest public spot trades, oldest first."""
    spot, spec = spot_spec(call)
    return [_trade_json(trade) for trade in spot.recent_trades(spec.symbol, call.params.limit(500, 1000))]


def historical_trades(call: Call) -> Any:
    """Public spot trades from an id on."""
    spot, spec = spot_spec(call)
    limit, from_id = call.params.limit(500, 1000), call.params.optional_integer("fromId", low=0)
    if from_id is None:
        return [_trade_json(trade) for trade in spot.recent_trades(spec.symbol, limit)]
    trades = spot.recent_trades(spec.symbol, TRADES_SEARCHED)
    return [_trade_json(trade) for trade in trades if trade.trade_id >= from_id][:limit]


def aggregate_trades(call: Call) -> Any:
    """Public spot trades, each an aggregate of itself; both times together may span less than an hour."""
    spot, spec = spot_spec(call)
    start_ms, end_ms = call.params.time_span()
    if start_ms is not None and end_ms is not None and end_ms - start_ms >= HOUR_MS:
        raise refusals.window_too_wide(1)
    from_id, limit = call.params.optional_integer("fromId", low=0), call.params.limit(500, 1000)
    found = [
        trade
        for trade in spot.recent_trades(spec.symbol, TRADES_SEARCHED)
        if trade.trade_id >= (from_id or 0)
        and (start_ms is None or trade.time_ms >= start_ms)
        and (end_ms is None or trade.time_ms <= end_ms)
    ]
    text = symbol_text(spec)
    return [
        {
            "a": trade.trade_id,
            "p": text.price(trade.ticks),
            "q": text.quantity(trade.lots),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.time_ms,
            "m": trade.buyer_is_maker,
        }
        for trade in (found[-limit:] if from_id is None and start_ms is None else found[:limit])
    ]


def klines(call: Call) -> Any:
    """Bars of the spot price; the last one is still running."""
    spot, spec = spot_spec(call)
    start_ms, end_ms = call.params.time_span()
    interval, limit = call.params.text("interval"), call.params.limit(500, 1500)
    return [kline_json(bar) for bar in klines_of(spot, spec.symbol, interval, start_ms, end_ms, limit)]


def _day_json(call: Call, spec: ContractSpec) -> dict[str, Any] | None:
    spot = call.exchange.spot
    if spot is None:
        return None
    bars = spot.klines(spec.symbol, MINUTE_MS, None, None, DAY_MS // MINUTE_MS)
    if not bars:
        return None
    text, instrument = symbol_text(spec), spec.instrument
    first, last, traded = bars[0], bars[-1], spot.recent_trades(spec.symbol, 1)
    numbered = [bar for bar in bars if bar.first_trade_id >= 0]
    best = book_ticker_json(spot.book(spec.symbol, 1))
    lots, quote_atoms = sum(bar.lots for bar in bars), sum(bar.quote_atoms for bar in bars)
    average = Decimal(quote_atoms) / ATOMS / spec.quantity_of(lots) if lots else Decimal(0)
    return {
        "symbol": spec.symbol,
        "priceChange": text.price(last.close_ticks - first.open_ticks),
        "priceChangePercent": f"{100 * (last.close_ticks / first.open_ticks - 1):.3f}",
        "weightedAvgPrice": f"{average:.8f}",
        "prevClosePrice": text.price(first.open_ticks),
        "lastPrice": text.price(last.close_ticks),
        "lastQty": text.quantity(traded[-1].lots if traded else 0),
        **{name: best[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")},
        "openPrice": text.price(first.open_ticks),
        "highPrice": text.price(max(bar.high_ticks for bar in bars)),
        "lowPrice": text.price(min(bar.low_ticks for bar in bars)),
        "volume": text.quantity(lots),
        "quoteVolume": text.notional(quote_atoms),
        "openTime": first.open_ms,
        "closeTime": call.exchange.now_ms,
        "firstId": numbered[0].first_trade_id if numbered else -1,
        "lastId": numbered[-1].last_trade_id if numbered else -1,
        "count": sum(bar.trades for bar in bars),
        # Clients tell a spot ticker from a futures one by the base asset (section 4.1).
        "baseAsset": instrument.base_asset,
        "quoteAsset": instrument.quote_asset,
    }


def _one_or_all(call: Call, render: Any) -> Any:
    if call.params.optional_text("symbol") is not None:
        return render(call, spot_spec(call)[1])
    rows = [render(call, spec) for spec in _specs(call)]
    return [row for row in rows if row is not None]


def ticker_24h(call: Call) -> Any:
    """Statistics of the last 24 hours of the spot markets."""
    return _one_or_all(call, _day_json)


def ticker_price(call: Call) -> Any:
    """The last spot prices."""

    def render(call: Call, spec: ContractSpec) -> dict[str, Any] | None:
        day = _day_json(call, spec)
        if day is None:
            return None
        return {"symbol": spec.symbol, "price": day["lastPrice"], "time": day["closeTime"]}

    return _one_or_all(call, render)


def book_ticker(call: Call) -> Any:
    """Best bid and ask of the spot markets."""

    def render(call: Call, spec: ContractSpec) -> dict[str, Any]:
        spot = call.exchange.spot
        if spot is None:
            raise refusals.bad_symbol()
        row = book_ticker_json(spot.book(spec.symbol, 1))
        # Clients take a ticker with an update id for a futures one (section 4.1).
        del row["lastUpdateId"]
        return row

    return _one_or_all(call, render)


def account(call: Call) -> Any:
    """Spot balances."""
    balances = call.services.spot.balances(call.account_id)
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "canBurnAsset": True,
        "updateTime": call.exchange.now_ms,
        "balances": [
            {"asset": asset, "free": plain_text(free), "locked": plain_text(locked)}
            for asset, (free, locked) in balances.items()
        ],
    }


def transfer(call: Call) -> Any:
    """Move money between the futures and the spot wallet of the account."""
    kind = call.params.text("kindType")
    if kind not in ("FUTURE_SPOT", "SPOT_FUTURE"):
        raise refusals.invalid_parameter("kindType")
    transfer_id = call.services.spot.transfer(
        call.account_id,
        call.params.text("asset"),
        call.params.decimal("amount"),
        call.params.text("clientTranId"),
        kind == "FUTURE_SPOT",
    )
    return {"tranId": transfer_id, "status": "SUCCESS"}


_BOTH = (1, 3)
_NONE = Security.NONE

SPOT_ENDPOINTS = (
    Endpoint("GET", "ping", _BOTH, _NONE, ping, product="api"),
    Endpoint("GET", "time", _BOTH, _NONE, server_time, product="api"),
    Endpoint("GET", "exchangeInfo", _BOTH, _NONE, exchange_info, product="api"),
    Endpoint("GET", "depth", _BOTH, _NONE, depth, 5, product="api"),
    Endpoint("GET", "trades", _BOTH, _NONE, recent_trades, product="api"),
    Endpoint("GET", "historicalTrades", _BOTH, Security.MARKET_DATA, historical_trades, 20, product="api"),
    Endpoint("GET", "aggTrades", _BOTH, _NONE, aggregate_trades, 20, product="api"),
    Endpoint("GET", "klines", _BOTH, _NONE, klines, klines_weight, product="api"),
    Endpoint("GET", "ticker/24hr", _BOTH, _NONE, ticker_24h, product="api"),
    Endpoint("GET", "ticker/price", _BOTH, _NONE, ticker_price, product="api"),
    Endpoint("GET", "ticker/bookTicker", _BOTH, _NONE, book_ticker, product="api"),
    Endpoint("GET", "account", _BOTH, Security.USER_DATA, account, 5, product="api"),
    Endpoint("POST", "asset/wallet/transfer", _BOTH, Security.TRANSFER, transfer, 5, product="api"),
    Endpoint("POST", "asset/wallet/transfer", _BOTH, Security.TRANSFER, transfer, 5),
    *SPOT_ORDER_ENDPOINTS,
)
