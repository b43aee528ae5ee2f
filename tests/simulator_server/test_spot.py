"""The spot side over the dispatcher: one market beside each perpetual, and an exchange without any."""

from decimal import Decimal
from urllib.parse import urlencode

import pytest

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server import ExchangeServer
from simulator_server.trader import Answer, Trader


class SpotTrader(Trader):
    def ask(self, name: str, **params: object) -> Answer:
        return self.send("GET", f"/api/v3/{name}", urlencode(params))

    def spot(self, method: str, name: str, **params: object) -> Answer:
        return self.send(method, f"/api/v3/{name}", self.v3_query(**params))

    def fund(self, amount: str) -> None:
        move = {
            "asset": "USDT",
            "amount": amount,
            "clientTranId": f"t{self.nonce()}",
            "kindType": "FUTURE_SPOT",
        }
        assert self.spot("POST", "asset/wallet/transfer", **move).status == 200

    def holdings(self) -> dict[str, tuple[Decimal, Decimal]]:
        rows = self.spot("GET", "account").json["balances"]
        return {row["asset"]: (Decimal(row["free"]), Decimal(row["locked"])) for row in rows}


@pytest.fixture
def spot_trader(spot_server: ExchangeServer, clock: ManualClock) -> SpotTrader:
    return SpotTrader(spot_server, clock, 0)


BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}


def test_market_data(spot_trader: SpotTrader) -> None:
    info = spot_trader.ask("exchangeInfo").json
    symbol = next(row for row in info["symbols"] if row["symbol"] == "BTCUSDT")
    notional = next(row for row in symbol["filters"] if row["filterType"] == "MIN_NOTIONAL")
    assert set(notional) == {"filterType", "minNotional"}
    book = spot_trader.ask("depth", symbol="BTCUSDT", limit=20).json
    assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])
    ticker = spot_trader.ask("ticker/bookTicker", symbol="BTCUSDT").json
    assert [ticker["bidPrice"], ticker["bidQty"]] == book["bids"][0]
    assert "lastUpdateId" not in ticker
    assert len(spot_trader.ask("ticker/bookTicker").json) == 2
    day = spot_trader.ask("ticker/24hr", symbol="BTCUSDT").json
    assert day["baseAsset"] == "BTC"
    assert spot_trader.ask("ticker/price", symbol="BTCUSDT").json["price"] == day["lastPrice"]
    trades = spot_trader.ask("trades", symbol="BTCUSDT").json
    assert set(trades[0]) == {"id", "price", "qty", "baseQty", "time", "isBuyerMaker"}
    assert spot_trader.ask("aggTrades", symbol="BTCUSDT").json[-1]["a"] == trades[-1]["id"]
    bars = spot_trader.ask("klines", symbol="BTCUSDT", interval="1m").json
    assert bars[-1][4] == day["lastPrice"]


def test_the_day_of_a_spot_market(spot_trader: SpotTrader) -> None:
    day = spot_trader.ask("ticker/24hr", symbol="BTCUSDT").json
    touch = spot_trader.ask("ticker/bookTicker", symbol="BTCUSDT").json
    assert {name: day[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")} == {
        name: touch[name] for name in ("bidPrice", "bidQty", "askPrice", "askQty")
    }
    assert Decimal(day["lowPrice"]) <= Decimal(day["weightedAvgPrice"]) <= Decimal(day["highPrice"])
    trades = spot_trader.ask("trades", symbol="BTCUSDT").json
    assert (day["firstId"], day["lastId"]) == (trades[0]["id"], trades[-1]["id"])
    assert (day["lastPrice"], day["lastQty"]) == (trades[-1]["price"], trades[-1]["qty"])


@pytest.mark.parametrize(("share", "code"), [("5.1", -4016), ("0.19", -4024), ("0.21", None)])
def test_a_spot_price_stays_near_the_market(spot_trader: SpotTrader, share: str, code: int | None) -> None:
    spot_trader.fund("9000")
    bid = Decimal(spot_trader.ask("ticker/bookTicker", symbol="BTCUSDT").json["bidPrice"])
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.001"}
    answer = spot_trader.spot("POST", "order", **order, price=f"{bid * Decimal(share):.1f}")
    assert answer.json.get("code") == code


def test_no_spot_order_is_larger_than_the_filter(spot_trader: SpotTrader) -> None:
    bid = Decimal(spot_trader.ask("ticker/bookTicker", symbol="BTCUSDT").json["bidPrice"])
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "100"}
    assert spot_trader.spot("POST", "order", **order, price=f"{bid * 2:.1f}").code == -1013
    assert spot_trader.spot("POST", "order", **order, price=f"{bid / 2:.1f}").code == -2018


def test_a_purchase_fills_and_pays_its_fee_in_what_it_received(spot_trader: SpotTrader) -> None:
    spot_trader.fund("2000")
    order = spot_trader.spot("POST", "order", **BUY, newOrderRespType="FULL").json
    assert (order["status"], order["executedQty"]) == ("FILLED", "0.010000")
    assert "positionSide" not in order
    assert "reduceOnly" not in order
    fee = sum(Decimal(fill["commission"]) for fill in order["fills"])
    assert {fill["commissionAsset"] for fill in order["fills"]} == {"BTC"}
    held = spot_trader.holdings()
    assert held["BTC"] == (Decimal("0.010") - fee, Decimal(0))
    assert held["USDT"][0] == 2000 - Decimal(order["cumQuote"])
    assert len(spot_trader.spot("GET", "userTrades", symbol="BTCUSDT").json) == len(order["fills"])
    assert spot_trader.server.exchange.audit().balanced


def test_a_resting_order_locks_what_it_may_spend(spot_trader: SpotTrader) -> None:
    spot_trader.fund("2000")
    bid = float(spot_trader.ask("ticker/bookTicker", symbol="BTCUSDT").json["bidPrice"])
    limit = BUY | {
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": f"{bid * 0.99:.1f}",
        "newClientOrderId": "s1",
    }
    placed = spot_trader.spot("POST", "order", **limit).json
    assert placed["status"] == "NEW"
    assert spot_trader.holdings()["USDT"][1] == Decimal(placed["price"]) * Decimal("0.010")
    key = {"symbol": "BTCUSDT", "origClientOrderId": "s1"}
    assert spot_trader.spot("GET", "openOrder", **key).json["orderId"] == placed["orderId"]
    assert len(spot_trader.spot("GET", "openOrders").json) == 1
    assert spot_trader.v3("GET", "openOrders").json == []
    assert spot_trader.spot("DELETE", "order", **key).json["status"] == "CANCELED"
    assert spot_trader.spot("GET", "openOrder", **key).code == -2013
    assert spot_trader.spot("DELETE", "order", **key).code == -2011
    assert spot_trader.holdings()["USDT"] == (Decimal(2000), Decimal(0))
    spot_trader.spot("POST", "order", **limit)
    assert spot_trader.spot("DELETE", "allOpenOrders", symbol="BTCUSDT").json["code"] == 200
    statuses = [row["status"] for row in spot_trader.spot("GET", "allOrders", symbol="BTCUSDT").json]
    assert statuses == ["CANCELED", "CANCELED"]


def test_a_purchase_may_name_what_to_spend(spot_trader: SpotTrader) -> None:
    spot_trader.fund("2000")
    spend = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "1000"}
    order = spot_trader.spot("POST", "order", **spend, newOrderRespType="RESULT").json
    assert 900 < Decimal(order["cumQuote"]) <= 1000


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOPE"}, -1121),
        ({"quantity": "1"}, -2018),
        ({"side": "UP"}, -1117),
        ({"type": "TRAILING_STOP_MARKET"}, -1116),
        ({"type": "STOP"}, -1102),
        ({"type": "LIMIT"}, -1102),
        ({"quantity": None}, -1102),
        ({"newOrderRespType": "ALL"}, -1136),
    ],
)
def test_bad_spot_orders_have_their_codes(
    spot_trader: SpotTrader, changes: dict[str, object], code: int
) -> None:
    spot_trader.fund("2000")
    assert spot_trader.spot("POST", "order", **(BUY | changes)).code == code
    assert spot_trader.server.exchange.audit().balanced


def test_rates(spot_trader: SpotTrader) -> None:
    rates = spot_trader.spot("GET", "commissionRate", symbol="BTCUSDT").json
    assert (rates["makerCommissionRate"], rates["takerCommissionRate"]) == ("0.000050", "0.000400")


def test_without_a_spot_side_lists_are_empty_and_symbols_unknown(
    server: ExchangeServer, clock: ManualClock
) -> None:
    trader = SpotTrader(server, clock, 0)
    assert trader.ask("exchangeInfo").json["symbols"] == []
    for name in ("ticker/24hr", "ticker/price", "ticker/bookTicker"):
        assert trader.ask(name).json == []
        assert trader.ask(name, symbol="BTCUSDT").code == -1121
    for name in ("depth", "trades", "klines"):
        assert trader.ask(name, symbol="BTCUSDT", interval="1m").code == -1121
    assert trader.spot("GET", "openOrders").json == []
    assert trader.spot("GET", "userTrades").json == []
    assert trader.spot("POST", "order", **BUY).code == -1121
    move = {"asset": "USDT", "amount": "1", "clientTranId": "one", "kindType": "FUTURE_SPOT"}
    refused = trader.spot("POST", "asset/wallet/transfer", **move)
    assert refused.json == {"code": -1020, "msg": "This operation is not supported."}
    assert trader.holdings() == {}
    assert trader.v3("GET", "balance").json[0]["balance"] == "10000.00000000"


def test_both_wallets_are_in_one_audit(spot_trader: SpotTrader) -> None:
    spot_trader.fund("2000")
    spot_trader.spot("POST", "order", **BUY)
    purses = spot_trader.server.exchange.audit().detail
    held = spot_trader.holdings()
    for asset in ("USDT", "BTC"):
        purse = purses[f"spot:wallet:{spot_trader.account.account_id}:{asset}"]
        assert Decimal(purse) / 10**8 == sum(held[asset])
    assert spot_trader.server.exchange.audit().balanced


def test_an_agent_trades_only_the_product_it_may(spot_trader: SpotTrader) -> None:
    spot_trader.fund("2000")
    agent = spot_trader.server.registry.agent(spot_trader.account.signer, spot_trader.account.user)
    agent.can_spot_trade = False
    assert spot_trader.spot("POST", "order", **BUY).code == -2015
    assert spot_trader.spot("GET", "openOrders").json == []
    assert spot_trader.market("BUY", "0.010").status == 200
    agent.can_spot_trade, agent.can_perp_trade = True, False
    assert spot_trader.spot("POST", "order", **BUY).status == 200
    assert spot_trader.market("BUY", "0.010").code == -2015
