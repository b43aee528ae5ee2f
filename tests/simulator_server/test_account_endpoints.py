"""Accounts, settings and histories over the dispatcher."""

from decimal import Decimal

import pytest

from aster_operator.domain.clock import HOUR_MS
from simulator_server.trader import Trader

POSITION_RISK = {
    "symbol",
    "positionAmt",
    "entryPrice",
    "markPrice",
    "unRealizedProfit",
    "liquidationPrice",
    "leverage",
    "maxNotionalValue",
    "marginType",
    "isolatedMargin",
    "isAutoAddMargin",
    "positionSide",
    "notional",
    "isolatedWallet",
    "updateTime",
}
TOTALS = {
    "feeTier",
    "canTrade",
    "canDeposit",
    "canWithdraw",
    "updateTime",
    "totalInitialMargin",
    "totalMaintMargin",
    "totalWalletBalance",
    "totalUnrealizedProfit",
    "totalMarginBalance",
    "totalPositionInitialMargin",
    "totalOpenOrderInitialMargin",
    "totalCrossWalletBalance",
    "totalCrossUnPnl",
    "availableBalance",
    "maxWithdrawAmount",
    "assets",
    "positions",
}


def test_every_account_alias_answers_the_same(trader: Trader) -> None:
    views = [trader.v1("GET", f"{version}/account").json for version in ("v1", "v2", "v3", "v4")]
    views.append(trader.v3("GET", "accountWithJoinMargin").json)
    assert all(view == views[0] for view in views)
    assert set(views[0]) == TOTALS
    assert {position["symbol"] for position in views[0]["positions"]} == {"BTCUSDT", "ETHUSDT"}


def test_position_risk_tells_sign_and_wallet(trader: Trader) -> None:
    trader.market("SELL", "0.010")
    rows = trader.v3("GET", "positionRisk", symbol="BTCUSDT").json
    (row,) = [row for row in rows if Decimal(row["positionAmt"])]
    assert set(row) == POSITION_RISK
    assert (row["positionAmt"], row["positionSide"], row["marginType"]) == ("-0.010", "BOTH", "cross")
    assert Decimal(row["notional"]) == Decimal(row["markPrice"]) * Decimal("-0.010")
    assert trader.v1("GET", "v2/positionRisk").status == 200


def test_hedge_mode_lists_both_sides(trader: Trader) -> None:
    assert trader.v3("GET", "positionSide/dual").json == {"dualSidePosition": False}
    trader.v3("POST", "positionSide/dual", dualSidePosition="TRUE")
    again = trader.v3("POST", "positionSide/dual", dualSidePosition="true")
    assert (again.code, again.json["msg"]) == (-4059, "No need to change position side.")
    sides = {row["positionSide"] for row in trader.v3("GET", "positionRisk", symbol="BTCUSDT").json}
    assert {"LONG", "SHORT"} <= sides


def test_leverage_and_margin_type(trader: Trader) -> None:
    answer = trader.v3("POST", "leverage", symbol="BTCUSDT", leverage=20).json
    assert answer["leverage"] == 20
    assert isinstance(answer["maxNotionalValue"], str)
    for leverage, code in ((0, -4028), (126, -4028), ("x", -1130)):
        assert trader.v3("POST", "leverage", symbol="BTCUSDT", leverage=leverage).code == code
    done = trader.v1("POST", "v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    assert done.json == {"code": 200, "msg": "success"}
    again = trader.v1("POST", "v1/marginType", symbol="BTCUSDT", marginType="isolated")
    assert again.json == {"code": -4046, "msg": "No need to change margin type."}
    assert trader.v3("POST", "marginType", symbol="BTCUSDT", marginType="BOTH").code == -1130


def test_isolated_margin_is_changed_and_remembered(trader: Trader) -> None:
    trader.v3("POST", "marginType", symbol="BTCUSDT", marginType="ISOLATED")
    assert trader.v3("POST", "positionMargin", symbol="BTCUSDT", amount="10", type=1).code in (-4051, -4054)
    trader.market("BUY", "0.010")
    answer = trader.v3("POST", "positionMargin", symbol="BTCUSDT", amount="100.0", type=1).json
    assert answer == {"amount": 100.0, "code": 200, "msg": "Successfully modify position margin.", "type": 1}
    trader.v3("POST", "positionMargin", symbol="BTCUSDT", amount="40", type=2)
    history = trader.v3("GET", "positionMargin/history", symbol="BTCUSDT").json
    assert [(row["amount"], row["type"], row["asset"]) for row in history] == [
        ("100", 1, "USDT"),
        ("40", 2, "USDT"),
    ]
    assert len(trader.v3("GET", "positionMargin/history", symbol="BTCUSDT", type=2).json) == 1
    assert trader.v3("POST", "positionMargin", symbol="BTCUSDT", amount="0", type=1).code == -4055
    assert trader.v3("POST", "positionMargin", symbol="BTCUSDT", amount="1", type=3).code == -1130


def test_modes_can_be_read_and_set(trader: Trader) -> None:
    assert trader.v3("GET", "multiAssetsMargin").json == {"multiAssetsMargin": False}
    assert "stpMode" in trader.v3("GET", "stpMode").json
    assert trader.v3("POST", "stpMode", stpMode="EXPIRE_BOTH").status == 200
    assert trader.v3("GET", "stpMode").json == {"stpMode": "EXPIRE_BOTH"}
    assert trader.v3("POST", "stpMode", stpMode="NEVER").code == -1130


def test_rates_and_brackets(trader: Trader) -> None:
    rates = trader.v3("GET", "commissionRate", symbol="BTCUSDT").json
    trade_rate = Decimal(rates["takerCommissionRate"])
    trader.market("BUY", "0.010")
    (trade,) = trader.v3("GET", "userTrades", symbol="BTCUSDT").json
    assert Decimal(trade["commission"]) == pytest.approx(
        Decimal(trade["quoteQty"]) * trade_rate, abs=Decimal("1e-8")
    )
    one = trader.v1("GET", "v1/leverageBracket", symbol="BTCUSDT").json
    assert one == [row for row in trader.v3("GET", "leverageBracket").json if row["symbol"] == "BTCUSDT"]
    assert all(isinstance(value, int | float) for value in one[0]["brackets"][0].values())


def test_own_trades_page_by_id_and_by_time(trader: Trader) -> None:
    for side in ("BUY", "SELL", "BUY", "SELL"):
        trader.market(side, "0.010")
        trader.server.step_to(trader.server.exchange.now_ms + 60_000)
    trades = trader.v3("GET", "userTrades", symbol="BTCUSDT").json
    assert len(trades) == 4
    assert {"marginAsset", "realizedPnl", "positionSide", "maker", "buyer"} <= set(trades[0])
    page = trader.v3("GET", "userTrades", symbol="BTCUSDT", fromId=trades[1]["id"], limit=2).json
    assert page == trades[1:3]
    first = trader.v3("GET", "userTrades", symbol="BTCUSDT", startTime=trades[0]["time"], limit=1).json
    assert first == trades[:1]
    newest = trader.v3("GET", "userTrades", symbol="BTCUSDT", limit=1).json
    assert newest == trades[-1:]
    assert trader.v3("GET", "userTrades", symbol="BTCUSDT", fromId=1, startTime=1).code == -1128
    assert (
        trader.v3("GET", "userTrades", symbol="BTCUSDT", startTime=0, endTime=8 * 24 * HOUR_MS).code == -4165
    )


def test_income_agrees_with_trades_and_balance(trader: Trader) -> None:
    trader.market("BUY", "0.010")
    trader.market("SELL", "0.010")
    rows = trader.v3("GET", "income", limit=1000).json
    assert {row["incomeType"] for row in rows} == {"TRANSFER", "COMMISSION", "REALIZED_PNL"}
    balance = Decimal(trader.v3("GET", "balance").json[0]["balance"])
    assert sum(Decimal(row["income"]) for row in rows) == balance
    fees = trader.v3("GET", "income", incomeType="COMMISSION").json
    trades = trader.v3("GET", "userTrades", symbol="BTCUSDT").json
    assert -sum(Decimal(row["income"]) for row in fees) == sum(Decimal(row["commission"]) for row in trades)


def test_deleveraging_ranks(trader: Trader, other_trader: Trader) -> None:
    trader.market("BUY", "0.010")
    rows = trader.v3("GET", "adlQuantile").json
    assert {tuple(row["adlQuantile"]) for row in rows} == {("LONG", "SHORT", "BOTH")}
    single = trader.v3("GET", "adlQuantile", symbol="BTCUSDT").json
    assert 0 <= single["adlQuantile"]["BOTH"] <= 4
    assert trader.v3("GET", "forceOrders").json == []
    assert trader.v3("GET", "forceOrders", autoCloseType="NONE").code == -1130


def test_accounts_do_not_see_each_other(trader: Trader, other_trader: Trader) -> None:
    order_id = trader.resting().json["orderId"]
    key = {"symbol": "BTCUSDT", "orderId": order_id}
    assert other_trader.v3("GET", "order", **key).code == -2013
    assert other_trader.v3("DELETE", "order", **key).code == -2011
    assert other_trader.v3("GET", "openOrders").json == []
    assert trader.v3("GET", "openOrder", **key).status == 200


LIMITS = {
    "symbol": "BTCUSDT",
    "windowTimeInMilliseconds": 10_000,
    "frozenTimeInMilliseconds": 30_000,
    "qtyLimit": "0.03",
}


def test_market_maker_protection_cancels_and_freezes(trader: Trader) -> None:
    assert trader.v3("POST", "mmp", **LIMITS).json is True
    assert trader.v3("GET", "mmp").json == [LIMITS | {"valueLimit": None, "deltaLimit": None}]
    trader.resting()
    assert trader.market("BUY", "0.020").status == 200
    assert len(trader.v3("GET", "openOrders").json) == 1
    assert trader.market("SELL", "0.010").status == 200
    trader.server.step_to(trader.server.exchange.now_ms + 1)
    assert trader.v3("GET", "openOrders").json == []
    assert trader.market("BUY", "0.010").code == -2010
    assert trader.v3("POST", "mmpReset", symbol="BTCUSDT").json is True
    assert trader.market("BUY", "0.030").status == 200
    trader.server.step_to(trader.server.exchange.now_ms + 29_999)
    assert trader.market("BUY", "0.010").code == -2010
    trader.server.step_to(trader.server.exchange.now_ms + 1)
    assert trader.market("BUY", "0.010").status == 200
    assert trader.v3("DELETE", "mmp", symbol="BTCUSDT").json is True
    assert trader.v3("GET", "mmp").json == []
    assert trader.v3("POST", "mmpReset", symbol="BTCUSDT").code == -1130


def test_protection_forgets_what_is_older_than_its_window(trader: Trader) -> None:
    trader.v3("POST", "mmp", **(LIMITS | {"qtyLimit": None, "deltaLimit": "0.02"}))
    for side in ("BUY", "SELL", "BUY"):
        assert trader.market(side, "0.010").status == 200
        trader.server.step_to(trader.server.exchange.now_ms + 11_000)
    assert trader.market("BUY", "0.020").status == 200
    assert trader.market("BUY", "0.010").code == -2010


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"qtyLimit": None}, -1102),
        ({"qtyLimit": "0"}, -1130),
        ({"windowTimeInMilliseconds": 0}, -1130),
        ({"symbol": "NOPE"}, -1121),
    ],
)
def test_bad_protection_limits(trader: Trader, changes: dict[str, object], code: int) -> None:
    assert trader.v3("POST", "mmp", **(LIMITS | changes)).code == code


def test_deleveraged_orders_are_listed_as_such(trader: Trader) -> None:
    trader.v3("POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.010")
    where = {"user": trader.account.user, "symbol": "BTCUSDT"}
    trader.server.control.call("POST", "/sim/deleverage", where)
    (row,) = trader.v3("GET", "forceOrders", autoCloseType="ADL").json
    assert row["clientOrderId"] == "adl_autoclose"
    assert (row["status"], row["timeInForce"]) == ("FILLED", "GTC")
    assert trader.v3("GET", "forceOrders", autoCloseType="LIQUIDATION").json == []
    assert trader.v3("GET", "forceOrders", symbol="BTCUSDT").json == [row]
