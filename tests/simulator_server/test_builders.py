"""What a builder reads of its users."""

import json
from decimal import Decimal
from typing import Any

import pytest

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server import ExchangeServer
from simulator_server.test_custody import Wallet
from simulator_server.test_streams import listen
from simulator_server.trader import Trader

READS = ("userAccounts", "userOpenOrders", "userBalances", "userPositionRisk", "userTrades", "userAllOrders")


@pytest.fixture
def wallet(spot_server: ExchangeServer, clock: ManualClock) -> Wallet:
    return Wallet(spot_server, clock, 1)


@pytest.fixture
def builder(wallet: Wallet, clock: ManualClock) -> Trader:
    """Somebody approved by `wallet`'s account, which has traded under its code and without."""
    target = Trader(wallet.server, clock, 0)
    wallet.approve_builder(target.account.user)
    bid, _ = wallet.touch()
    code = {"builder": target.account.user, "feeRate": "0.0001"}
    order: dict[str, Any] = {"symbol": "BTCUSDT", "side": "BUY", "quantity": "0.010"}
    wallet.v3("POST", "order", **order, type="MARKET", **code)
    wallet.v3("POST", "order", **order, type="MARKET")
    wallet.v3("POST", "order", **order, type="LIMIT", timeInForce="GTX", price=f"{bid * 0.99:.1f}", **code)
    return target


def read(builder: Trader, name: str, **parameters: Any) -> Any:
    return builder.v3("GET", f"builder/{name}", **parameters).json


def test_its_users_are_told_by_the_venues_fields(builder: Trader, wallet: Wallet) -> None:
    user = wallet.account.user
    pages = {name: read(builder, name) for name in READS}
    pages["userCommissionRates"] = read(builder, "userCommissionRates", symbol="BTCUSDT")
    for name, page in pages.items():
        assert page.keys() == {"total", "currentPage", "totalPages", "pageSize", "hasMore", "rows"}, name
        assert (page["currentPage"], page["pageSize"], page["hasMore"]) == (1, 50, False), name
        assert page["rows"], name
        assert {row.get("address", row.get("userAddress")) for row in page["rows"]} == {user}, name
    (account,) = pages["userAccounts"]["rows"]
    assert {"symbol": "BTCUSDT", "leverage": 20, "notionalLimitCoef": "1"} in account["symbolConfig"]
    (resting,) = pages["userOpenOrders"]["rows"]
    assert (resting["status"], resting["origQty"]) == ("NEW", "0.010")
    assert pages["userBalances"]["rows"][0]["price"] == "1.00000000"
    (position,) = pages["userPositionRisk"]["rows"]
    assert position["positionAmt"] == "0.020"
    (trade,) = pages["userTrades"]["rows"]
    assert Decimal(trade["fee"]) < 0
    assert (trade["qty"], trade["side"], trade["activeBuy"]) == ("0.010", "BUY", True)
    assert [row["type"] for row in pages["userAllOrders"]["rows"]] == ["LIMIT", "MARKET"]
    assert {row["makerCommissionRate"] for row in pages["userCommissionRates"]["rows"]} == {"0.000000"}


def test_strangers_are_left_out_and_named(builder: Trader, wallet: Wallet) -> None:
    stranger = "0x" + "12" * 20
    addresses = ",".join([wallet.account.user.lower(), builder.account.user, stranger])
    page = read(builder, "userBalances", userAddresses=addresses)
    assert {row["address"] for row in page["rows"]} == {wallet.account.user}
    assert page["errors"] == [
        {"address": builder.account.user, "errorMsg": "This user address is not bound to this builder."},
        {"address": stranger, "errorMsg": "This function can only be used after deposit"},
    ]
    assert read(wallet, "userBalances")["rows"] == []


@pytest.mark.parametrize(
    ("name", "parameters", "code"),
    [
        ("userBalances", {"userAddresses": ",".join(f"0x{n:040x}" for n in range(51))}, -1130),
        ("userBalances", {"page": "0"}, -1130),
        ("userCommissionRates", {}, -1102),
        ("userOpenOrders", {"symbol": "NOPE"}, -1121),
        ("userTrades", {"startTime": 1}, -5047),
        ("userTrades", {"endTime": 10**13}, -1130),
        ("userAllOrders", {"startTime": 2, "endTime": 1}, -1023),
    ],
)
def test_senseless_reads(builder: Trader, name: str, parameters: dict[str, Any], code: int) -> None:
    assert read(builder, name, **parameters)["code"] == code


def test_pages(builder: Trader, wallet: Wallet) -> None:
    first, second = (read(builder, "userAllOrders", limit=1, page=page) for page in (1, 2))
    assert (first["total"], first["totalPages"], first["hasMore"], second["hasMore"]) == (2, 2, True, False)
    assert first["rows"][0]["orderId"] > second["rows"][0]["orderId"]
    page = read(builder, "approvedUserList", page=1)
    assert (page["total"], page["rows"][0]["userAddress"]) == (1, wallet.account.user)
    assert read(builder, "approvedUserList") == page["rows"]


def usdt(trader: Trader) -> Decimal:
    (row,) = [row for row in trader.v3("GET", "balance").json if row["asset"] == "USDT"]
    return Decimal(row["balance"])


def charged(trader: Trader) -> list[dict[str, Any]]:
    rows = trader.v3("GET", "income", incomeType="COMMISSION").json
    assert [-Decimal(row["income"]) for row in rows] == [
        Decimal(trade["commission"]) for trade in trader.v3("GET", "userTrades", symbol="BTCUSDT").json
    ]
    return list(rows)


def test_the_builder_gets_its_share_of_every_fill_from_the_user(builder: Trader, wallet: Wallet) -> None:
    with_code, without = wallet.v3("GET", "userTrades", symbol="BTCUSDT").json
    notional = Decimal(with_code["quoteQty"])
    taker = Decimal(wallet.v3("GET", "commissionRate", symbol="BTCUSDT").json["takerCommissionRate"])
    share = notional * Decimal("0.0001")
    assert Decimal(with_code["commission"]) == pytest.approx(notional * taker + share, abs=Decimal("2e-8"))
    assert Decimal(without["commission"]) == pytest.approx(notional * taker, rel=Decimal("1e-4"))
    charged(wallet)
    (reward,) = builder.v3("GET", "income", incomeType="MARKET_MERCHANT_RETURN_REWARD").json
    assert Decimal(reward["income"]) == pytest.approx(share, abs=Decimal("1e-8"))
    assert (reward["symbol"], reward["tradeId"]) == ("BTCUSDT", str(with_code["id"]))
    (row,) = read(builder, "userTrades")["rows"]
    assert Decimal(row["builderFee"]) == -Decimal(reward["income"])
    assert Decimal(row["fee"]) + Decimal(row["builderFee"]) == -Decimal(with_code["commission"])
    assert wallet.server.exchange.audit().balanced


def test_a_builder_is_told_and_a_resting_order_pays_as_it_fills(builder: Trader, wallet: Wallet) -> None:
    ears = listen(builder)
    before = usdt(builder)
    order = wallet.v3("GET", "openOrders", symbol="BTCUSDT").json[0]
    price = Decimal(order["price"])
    wallet.server.exchange.control.gap_book("BTCUSDT", Decimal(-2))
    trade = wallet.v3("GET", "userTrades", symbol="BTCUSDT").json[-1]
    assert (trade["orderId"], trade["maker"], trade["price"]) == (order["orderId"], True, order["price"])
    share = price * Decimal("0.010") * Decimal("0.0001")
    (update,) = [event for event in ears.payloads() if event["e"] == "ACCOUNT_UPDATE"]
    assert update["a"]["m"] == "ADJUSTMENT"
    assert Decimal(update["a"]["B"][0]["bc"]) == pytest.approx(share, abs=Decimal("1e-8"))
    assert usdt(builder) - before == Decimal(update["a"]["B"][0]["bc"])
    assert wallet.server.exchange.audit().balanced


def test_a_builder_without_an_account_here_is_paid_into_a_purse(wallet: Wallet) -> None:
    stranger = "0x" + "12" * 20
    wallet.approve_builder(stranger)
    code = {"builder": stranger.upper().replace("X", "x"), "feeRate": "1e-4"}
    answer = wallet.v3(
        "POST", "order", symbol="BTCUSDT", side="SELL", type="MARKET", quantity="0.010", **code
    )
    assert answer.status == 200
    charged(wallet)
    audit = wallet.server.exchange.audit()
    assert audit.balanced
    notional = Decimal(wallet.v3("GET", "userTrades", symbol="BTCUSDT").json[0]["quoteQty"])
    assert Decimal(audit.detail["builder_fees:USDT"]).scaleb(-8) == pytest.approx(
        notional * Decimal("0.0001"), abs=Decimal("1e-8")
    )


@pytest.mark.parametrize(
    "code",
    [
        {"builder": "0x" + "34" * 20, "feeRate": "0"},
        {"builder": "known", "feeRate": "0.0010001"},
        {"builder": "known", "feeRate": "-0.0001"},
        {"builder": "nonsense", "feeRate": "0.0001"},
    ],
)
def test_what_was_not_approved_is_refused(builder: Trader, wallet: Wallet, code: dict[str, str]) -> None:
    if code["builder"] == "known":
        code = code | {"builder": builder.account.user}
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}
    answer = wallet.v3("POST", "order", **order, **code)
    assert (answer.status, answer.json["code"]) == (400, -2031)
    [batch] = wallet.v3("POST", "batchOrders", batchOrders=json.dumps([order | code])).json
    assert batch["code"] == -2031
