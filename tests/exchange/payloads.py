"""Answers in the venue's own shape, made from the protocol reference."""

from typing import Any

SYMBOL = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "deliveryDate": 4133404800000,
    "onboardDate": 1627628400000,
    "status": "TRADING",
    "maintMarginPercent": "2.5000",
    "requiredMarginPercent": "5.0000",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 1,
    "quantityPrecision": 3,
    "baseAssetPrecision": 8,
    "quotePrecision": 8,
    "underlyingType": "COIN",
    "underlyingSubType": ["Top"],
    "imn": "4000.00",
    "triggerProtect": "0.1500",
    "liquidationFee": "0.025000",
    "marketTakeBound": "0.05",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "1", "maxPrice": "1000000", "tickSize": "0.1"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "100", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "10", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 100},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.0200",
            "multiplierDown": "0.9800",
            "multiplierDecimal": "4",
        },
    ],
    "orderTypes": ["LIMIT", "MARKET"],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX", "HIDDEN"],
}
EXCHANGE_INFO: dict[str, Any] = {
    "timezone": "UTC",
    "serverTime": 1770000000000,
    "futuresType": "U_MARGINED",
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
        {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1200},
    ],
    "exchangeFilters": [],
    "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
    "symbols": [SYMBOL],
}


def order(**changes: Any) -> dict[str, Any]:
    return {
        "orderId": 22542179001,
        "symbol": "BTCUSDT",
        "clientOrderId": "testOrder",
        "side": "BUY",
        "positionSide": "LONG",
        "status": "NEW",
        "type": "LIMIT",
        "origType": "LIMIT",
        "timeInForce": "GTC",
        "price": "60000.1",
        "avgPrice": "0.00000",
        "origQty": "0.010",
        "executedQty": "0",
        "cumQty": "0",
        "cumQuote": "0",
        "stopPrice": "0",
        "reduceOnly": False,
        "closePosition": False,
        "priceProtect": False,
        "workingType": "CONTRACT_PRICE",
        "updateTime": 1770000000123,
    } | changes


def position(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "positionAmt": "0.010",
        "entryPrice": "60000.0",
        "markPrice": "60100.0",
        "unRealizedProfit": "1.00000000",
        "liquidationPrice": "50200.8",
        "leverage": "10",
        "maxNotionalValue": "1000000",
        "marginType": "cross",
        "isolatedMargin": "0.00000000",
        "isAutoAddMargin": "false",
        "positionSide": "LONG",
        "notional": "601.0",
        "isolatedWallet": "0",
        "updateTime": 1770000000123,
    } | changes


def account(**changes: Any) -> dict[str, Any]:
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": False,
        "updateTime": 0,
        "totalInitialMargin": "60.1",
        "totalMaintMargin": "2.4",
        "totalWalletBalance": "1000.0",
        "totalUnrealizedProfit": "1.0",
        "totalMarginBalance": "1001.0",
        "totalPositionInitialMargin": "60.1",
        "totalOpenOrderInitialMargin": "0",
        "totalCrossWalletBalance": "1000.0",
        "totalCrossUnPnl": "1.0",
        "availableBalance": "940.9",
        "maxWithdrawAmount": "940.9",
        "assets": [
            {
                "asset": "USDT",
                "walletBalance": "1000.0",
                "unrealizedProfit": "1.0",
                "marginBalance": "1001.0",
                "maintMargin": "2.4",
                "initialMargin": "60.1",
                "positionInitialMargin": "60.1",
                "openOrderInitialMargin": "0",
                "crossWalletBalance": "1000.0",
                "crossUnPnl": "1.0",
                "availableBalance": "940.9",
                "maxWithdrawAmount": "940.9",
                "marginAvailable": True,
                "updateTime": 1770000000123,
            }
        ],
        "positions": [],
    } | changes


def user_trade(number: int, time_ms: int, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "id": number,
        "orderId": 7000 + number,
        "side": "BUY",
        "positionSide": "LONG",
        "price": "60000.1",
        "qty": "0.001",
        "quoteQty": "60.0001",
        "realizedPnl": "0",
        "commission": "0.02100003",
        "commissionAsset": "USDT",
        "marginAsset": "USDT",
        "buyer": True,
        "maker": False,
        "time": time_ms,
    } | changes


def income(number: int, time_ms: int, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "incomeType": "COMMISSION",
        "income": "-0.02100003",
        "asset": "USDT",
        "info": "",
        "time": time_ms,
        "tranId": number,
        "tradeId": str(number),
    } | changes


def book_ticker(update_id: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "e": "bookTicker",
        "u": update_id,
        "E": 1770000000100 + update_id,
        "T": 1770000000099 + update_id,
        "s": "BTCUSDT",
        "b": "60000.0",
        "B": "1.5",
        "a": "60000.1",
        "A": "2.5",
    } | changes


MARK = {
    "e": "markPriceUpdate",
    "E": 1770000000100,
    "s": "BTCUSDT",
    "p": "60000.05",
    "i": "60001.00",
    "P": "60000.50",
    "r": "0.00010000",
    "T": 1770019200000,
}
KLINE = {
    "e": "kline",
    "E": 1770000000100,
    "s": "BTCUSDT",
    "k": {
        "t": 1769999940000,
        "T": 1769999999999,
        "s": "BTCUSDT",
        "i": "1m",
        "f": 100,
        "L": 200,
        "o": "60000.0",
        "c": "60010.0",
        "h": "60020.0",
        "l": "59990.0",
        "v": "12.5",
        "n": 101,
        "x": True,
        "q": "750000.0",
        "V": "6.5",
        "Q": "390000.0",
        "B": "0",
    },
}
AGG_TRADE = {
    "e": "aggTrade",
    "E": 1770000000100,
    "s": "BTCUSDT",
    "a": 42,
    "p": "60000.1",
    "q": "0.250",
    "f": 100,
    "l": 105,
    "T": 1770000000098,
    "m": True,
}
DEPTH = {
    "e": "depthUpdate",
    "E": 1770000000100,
    "T": 1770000000099,
    "s": "BTCUSDT",
    "U": 11,
    "u": 20,
    "pu": 10,
    "b": [["60000.0", "1.5"], ["59999.9", "3"]],
    "a": [["60000.1", "2.5"]],
}
MINI_TICKER = {
    "e": "24hrMiniTicker",
    "E": 1770000000100,
    "s": "BTCUSDT",
    "c": "60000",
    "o": "59000",
    "h": "61000",
    "l": "58000",
    "v": "1000",
    "q": "60000000",
}
TICKER = MINI_TICKER | {
    "e": "24hrTicker",
    "p": "1000",
    "P": "1.69",
    "w": "59500",
    "Q": "0.1",
    "O": 1769913600000,
    "C": 1770000000000,
    "F": 1,
    "L": 1000,
    "n": 1000,
}
FORCE_ORDER = {
    "e": "forceOrder",
    "E": 1770000000100,
    "o": {
        "s": "BTCUSDT",
        "S": "SELL",
        "o": "LIMIT",
        "f": "IOC",
        "q": "0.014",
        "p": "59910",
        "ap": "59910",
        "X": "FILLED",
        "l": "0.014",
        "z": "0.014",
        "T": 1770000000099,
    },
}
TRADE_PRO = {
    "e": "tradepro",
    "E": 1770000000100,
    "T": 1770000000099,
    "s": "BTCUSDT",
    "t": 12345,
    "p": "60000.1",
    "q": "0.1",
    "h": "0xabc",
    "m": ["0x1", "hidden"],
}
MARKET_MESSAGES = [
    book_ticker(),
    MARK,
    KLINE,
    AGG_TRADE,
    DEPTH,
    MINI_TICKER,
    TICKER,
    FORCE_ORDER,
    TRADE_PRO,
]


def order_update(**changes: Any) -> dict[str, Any]:
    """ORDER_TRADE_UPDATE of a taker fill; `changes` go into `o`."""
    return {
        "e": "ORDER_TRADE_UPDATE",
        "E": 1770000000200,
        "T": 1770000000199,
        "o": {
            "s": "BTCUSDT",
            "c": "ao12345678-BTCUSDT-BL-1",
            "S": "BUY",
            "o": "MARKET",
            "f": "GTC",
            "q": "0.010",
            "p": "0",
            "ap": "60000.10",
            "sp": "0",
            "x": "TRADE",
            "X": "FILLED",
            "i": 22542179001,
            "l": "0.010",
            "L": "60000.10",
            "z": "0.010",
            "N": "USDT",
            "n": "0.21000035",
            "T": 1770000000199,
            "t": 9001,
            "b": "0",
            "a": "0",
            "m": False,
            "R": False,
            "wt": "CONTRACT_PRICE",
            "ot": "MARKET",
            "ps": "LONG",
            "cp": False,
            "rp": "0",
        }
        | changes,
    }


ACCOUNT_UPDATE = {
    "e": "ACCOUNT_UPDATE",
    "E": 1770000000200,
    "T": 1770000000199,
    "a": {
        "m": "ORDER",
        "B": [{"a": "USDT", "wb": "999.79", "cw": "999.79", "bc": "0"}],
        "P": [
            {
                "s": "BTCUSDT",
                "pa": "-0.010",
                "ep": "60000.10",
                "cr": "200",
                "up": "-1.5",
                "mt": "cross",
                "iw": "0",
                "ps": "SHORT",
                "ma": "USDT",
            }
        ],
    },
}
LEVERAGE_UPDATE = {
    "e": "ACCOUNT_CONFIG_UPDATE",
    "E": 1770000000200,
    "T": 1770000000199,
    "ac": {"s": "BTCUSDT", "l": 25},
}
MODE_UPDATE = {
    "e": "ACCOUNT_CONFIG_UPDATE",
    "E": 1770000000200,
    "T": 1770000000199,
    "ai": {"j": False, "f": False, "d": True},
}
MARGIN_CALL = {
    "e": "MARGIN_CALL",
    "E": 1770000000200,
    "cw": "3.16812045",
    "p": [
        {
            "s": "ETHUSDT",
            "ps": "LONG",
            "pa": "1.327",
            "mt": "CROSSED",
            "iw": "0",
            "mp": "187.17127",
            "up": "-1.166074",
            "mm": "1.614445",
        }
    ],
}
USER_MESSAGES = [
    order_update(),
    ACCOUNT_UPDATE,
    LEVERAGE_UPDATE,
    MODE_UPDATE,
    MARGIN_CALL,
    {"e": "listenKeyExpired", "E": 1770000000200},
    {"e": "announcement", "en": {"i": 1, "t": "x", "c": "NEW_LISTING"}, "zh": {}},
]
