"""Public market data over the dispatcher."""

import itertools
from decimal import Decimal

import pytest

from aster_operator.domain.clock import HOUR_MS, MINUTE_MS
from aster_operator.simulator.server.messages import WireRequest, WireResponse
from simulator_server.trader import Trader

KEYS = {
    "v3/ping": set(),
    "v3/time": {"serverTime"},
    "v1/depth?symbol=BTCUSDT": {"lastUpdateId", "E", "T", "bids", "asks"},
    "v3/premiumIndex?symbol=BTCUSDT": {
        "symbol",
        "markPrice",
        "indexPrice",
        "estimatedSettlePrice",
        "lastFundingRate",
        "nextFundingTime",
        "interestRate",
        "time",
    },
    "v1/ticker/24hr?symbol=BTCUSDT": {
        "symbol",
        "priceChange",
        "priceChangePercent",
        "weightedAvgPrice",
        "lastPrice",
        "lastQty",
        "openPrice",
        "highPrice",
        "lowPrice",
        "volume",
        "quoteVolume",
        "openTime",
        "closeTime",
        "firstId",
        "lastId",
        "count",
    },
    "v3/ticker/price?symbol=ETHUSDT": {"symbol", "price", "time"},
    "v3/ticker/bookTicker?symbol=ETHUSDT": {
        "symbol",
        "bidPrice",
        "bidQty",
        "askPrice",
        "askQty",
        "time",
        "lastUpdateId",
    },
    "v3/indexreferences?symbol=BTCUSDT": {"symbol", "time", "references"},
}


@pytest.mark.parametrize("target", KEYS)
def test_objects_have_exactly_the_documented_keys(trader: Trader, target: str) -> None:
    path, _, query = target.partition("?")
    answer = trader.send("GET", f"/fapi/{path}", query)
    assert answer.status == 200
    assert set(answer.json) == KEYS[target]


LISTS = {
    "v1/trades?symbol=BTCUSDT": {"id", "price", "qty", "quoteQty", "time", "isBuyerMaker"},
    "v1/historicalTrades?symbol=BTCUSDT": {"id", "price", "qty", "quoteQty", "time", "isBuyerMaker"},
    "v3/aggTrades?symbol=BTCUSDT": {"a", "p", "q", "f", "l", "T", "m"},
    "v3/fundingInfo": {
        "symbol",
        "interestRate",
        "time",
        "fundingIntervalHours",
        "fundingFeeCap",
        "fundingFeeFloor",
    },
}


@pytest.mark.parametrize("target", LISTS)
def test_rows_have_exactly_the_documented_keys(trader: Trader, target: str) -> None:
    path, _, query = target.partition("?")
    rows = trader.send("GET", f"/fapi/{path}", query).json
    assert rows
    assert all(set(row) == LISTS[target] for row in rows)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("v1/depth", -1102),
        ("v1/depth?symbol=", -1102),
        ("v1/depth?symbol=NOPE", -1121),
        ("v1/depth?symbol=btcusdt", -1121),
        ("v1/depth?symbol=BTCUSDT&limit=7", -4021),
        ("v1/depth?symbol=BTCUSDT&limit=x", -1130),
        ("v1/klines?symbol=BTCUSDT", -1102),
        ("v1/klines?symbol=BTCUSDT&interval=7m", -1120),
        ("v1/markPriceKlines?symbol=BTCUSDT&interval=2w", -1120),
        ("v1/klines?symbol=BTCUSDT&interval=1m&startTime=2&endTime=1", -1023),
        ("v1/klines?symbol=BTCUSDT&interval=1m&limit=0", -1130),
        ("v1/klines?symbol=BTCUSDT&interval=1m&limit=-5", -1130),
        ("v1/indexPriceKlines?symbol=BTCUSDT&interval=1m", -1102),
        ("v1/indexPriceKlines?pair=NOPE&interval=1m", -4144),
        (f"v1/aggTrades?symbol=BTCUSDT&startTime=0&endTime={HOUR_MS}", -1127),
        ("v3/indexreferences?symbol=NOPE", -1000),
        ("v1/ticker/24hr?symbol=NOPE", -1121),
        ("v1/nothing", -5000),
        ("v9/depth?symbol=BTCUSDT", -5000),
        ("v3/depth?symbol=BTCUSDT&symbol=ETHUSDT", -1101),
    ],
)
def test_bad_questions_have_their_codes(trader: Trader, target: str, code: int) -> None:
    path, _, query = target.partition("?")
    answer = trader.send("GET", f"/fapi/{path}", query)
    assert (answer.code, answer.status) == (code, 404 if code == -5000 else 400)


def test_unknown_paths_are_named(trader: Trader) -> None:
    answer = trader.send("GET", "/fapi/v1/nothing")
    assert answer.json == {"code": -5000, "msg": "Path /fapi/v1/nothing, Method GET is invalid"}


def test_both_versions_answer_alike(trader: Trader) -> None:
    for name in ("exchangeInfo", "depth", "trades", "premiumIndex", "fundingInfo"):
        one, three = (trader.public(f"{version}/{name}", symbol="BTCUSDT").json for version in ("v1", "v3"))
        assert one == three


def test_the_book_is_ordered_and_the_tickers_agree_with_it(trader: Trader) -> None:
    book = trader.public("v3/depth", symbol="BTCUSDT", limit=20).json
    bids = [Decimal(price) for price, _ in book["bids"]]
    asks = [Decimal(price) for price, _ in book["asks"]]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]
    ticker = trader.public("v3/ticker/bookTicker", symbol="BTCUSDT").json
    assert [ticker["bidPrice"], ticker["bidQty"]] == book["bids"][0]
    assert [ticker["askPrice"], ticker["askQty"]] == book["asks"][0]
    assert ticker["lastUpdateId"] == book["lastUpdateId"] - 1


def test_without_a_symbol_all_symbols_come_and_weigh_more(trader: Trader) -> None:
    def weighed(name: str, **params: str) -> tuple[int, int]:
        before = trader.server.limiter.used_weight("127.0.0.1")
        rows = trader.public(f"v3/{name}", **params).json
        return trader.server.limiter.used_weight("127.0.0.1") - before, len(rows) if isinstance(
            rows, list
        ) else 1

    assert weighed("ticker/24hr") == (40, 2)
    assert weighed("ticker/24hr", symbol="BTCUSDT") == (1, 1)
    assert weighed("ticker/bookTicker") == (2, 2)
    assert weighed("premiumIndex") == (1, 2)


@pytest.mark.parametrize(
    ("limit", "weight"), [(None, 5), (99, 1), (100, 2), (499, 2), (500, 5), (1000, 5), (1500, 10)]
)
def test_kline_weights(trader: Trader, limit: int | None, weight: int) -> None:
    params = {"symbol": "BTCUSDT", "interval": "1m"} | ({} if limit is None else {"limit": limit})
    trader.public("v1/klines", **params)
    assert trader.server.limiter.used_weight("127.0.0.1") == weight


def test_klines_of_coarse_intervals_add_up_to_their_minutes(trader: Trader) -> None:
    server = trader.server
    server.step_to(server.exchange.now_ms + 90 * MINUTE_MS)
    minutes = trader.public("v3/klines", symbol="BTCUSDT", interval="1m", limit=1500).json
    for interval in ("5m", "1h", "1d", "1w", "1M"):
        bars = trader.public("v3/klines", symbol="BTCUSDT", interval=interval, limit=1500).json
        assert sum(Decimal(bar[5]) for bar in bars) == sum(Decimal(bar[5]) for bar in minutes), interval
        assert max(Decimal(bar[2]) for bar in bars) == max(Decimal(bar[2]) for bar in minutes)
        for bar in bars:
            inside = [minute for minute in minutes if bar[0] <= minute[0] <= bar[6]]
            assert (bar[1], bar[4]) == (inside[0][1], inside[-1][4])
            assert len(bar) == 12


def test_mark_price_klines_follow_the_mark(trader: Trader) -> None:
    server = trader.server
    server.step_to(server.exchange.now_ms + 10 * MINUTE_MS)
    last = trader.public("v3/markPriceKlines", symbol="BTCUSDT", interval="5m").json[-1]
    assert last[4] == trader.public("v3/premiumIndex", symbol="BTCUSDT").json["markPrice"]
    assert last[5] == "0"
    assert last[8] > 0
    index = trader.public("v3/indexPriceKlines", pair="BTCUSDT", interval="1m").json
    assert len(index) >= 10


def test_aggregates_cover_every_trade_once(trader: Trader) -> None:
    server = trader.server
    server.step_to(server.exchange.now_ms + 2 * MINUTE_MS)
    aggregates = trader.public("v3/aggTrades", symbol="BTCUSDT", limit=1000).json
    assert [row["a"] for row in aggregates] == list(
        range(aggregates[0]["a"], aggregates[0]["a"] + len(aggregates))
    )
    for before, after in itertools.pairwise(aggregates):
        assert after["f"] == before["l"] + 1
    trades = trader.public("v3/trades", symbol="BTCUSDT", limit=1000).json
    recent = [trade for trade in trades if trade["id"] >= aggregates[0]["f"]]
    covered = [row for row in aggregates if row["l"] >= recent[0]["id"]]
    assert sum(Decimal(trade["qty"]) for trade in recent) == sum(Decimal(row["q"]) for row in covered)
    some = trader.public("v3/aggTrades", symbol="BTCUSDT", fromId=aggregates[3]["a"], limit=2).json
    assert some == aggregates[3:5]


def test_exchange_info_is_complete(trader: Trader) -> None:
    info = trader.public("v3/exchangeInfo").json
    assert {row["rateLimitType"] for row in info["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}
    symbol = next(row for row in info["symbols"] if row["symbol"] == "BTCUSDT")
    filters = {row["filterType"]: row for row in symbol["filters"]}
    assert set(filters) == {
        "PRICE_FILTER",
        "LOT_SIZE",
        "MARKET_LOT_SIZE",
        "MAX_NUM_ORDERS",
        "MAX_NUM_ALGO_ORDERS",
        "MIN_NOTIONAL",
        "PERCENT_PRICE",
    }
    assert filters["MIN_NOTIONAL"]["notional"] == "5"
    assert (
        Decimal(filters["PERCENT_PRICE"]["multiplierUp"])
        > 1
        > Decimal(filters["PERCENT_PRICE"]["multiplierDown"])
    )
    assert (symbol["contractType"], symbol["status"]) == ("PERPETUAL", "TRADING")
    assert "TRAILING_STOP_MARKET" in symbol["orderTypes"]


def test_day_figures_are_those_of_the_bars(trader: Trader) -> None:
    server = trader.server
    trader.public("v3/ticker/24hr")
    server.step_to(server.exchange.now_ms + 70 * MINUTE_MS + 1234)
    figures = trader.public("v3/ticker/24hr", symbol="BTCUSDT").json
    minutes = trader.public("v3/klines", symbol="BTCUSDT", interval="1m", limit=1440).json
    assert Decimal(figures["volume"]) == sum(Decimal(bar[5]) for bar in minutes)
    assert Decimal(figures["quoteVolume"]) == sum(Decimal(bar[7]) for bar in minutes)
    assert figures["highPrice"] == max((bar[2] for bar in minutes), key=Decimal)
    assert figures["lowPrice"] == min((bar[3] for bar in minutes), key=Decimal)
    assert (figures["openPrice"], figures["lastPrice"]) == (minutes[0][1], minutes[-1][4])
    assert figures["count"] == sum(bar[8] for bar in minutes)


def test_pages_in_a_browser_may_read_public_data_only(trader: Trader) -> None:
    header = "Access-Control-Allow-Origin"
    for path in ("v1/klines?symbol=BTCUSDT&interval=1m", "v3/depth?symbol=NOPE"):
        name, _, query = path.partition("?")
        assert trader.send("GET", f"/fapi/{name}", query).headers[header] == "*"
    assert header not in trader.v3("GET", "balance").headers
    assert header not in trader.send("GET", "/fapi/v1/nowhere").headers


def test_pages_may_ask_before_they_read_public_data_and_nothing_else(trader: Trader) -> None:
    def preflight(path: str, method: str) -> WireResponse:
        headers = {"origin": "http://page", "access-control-request-method": method}
        return trader.server.dispatcher.dispatch(WireRequest("OPTIONS", path, headers=headers))

    allowed = preflight("/fapi/v3/depth", "GET")
    assert (allowed.status, allowed.body) == (200, b"")
    assert allowed.headers["Access-Control-Allow-Origin"] == "*"
    for path, method in (("/fapi/v3/order", "POST"), ("/fapi/v3/balance", "GET"), ("/nowhere", "GET")):
        refused = preflight(path, method)
        assert (refused.status, "Access-Control-Allow-Origin" in refused.headers) == (404, False)


def test_head_asks_for_what_get_answers(trader: Trader) -> None:
    dispatch = trader.server.dispatcher.dispatch
    head, get = (dispatch(WireRequest(method, "/fapi/v1/time")) for method in ("HEAD", "GET"))
    assert (head.status, head.body) == (200, get.body)
    assert dispatch(WireRequest("HEAD", "/fapi/v3/leverage")).status == 404
