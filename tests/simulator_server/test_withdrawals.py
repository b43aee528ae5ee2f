"""Withdrawals, the history of a spot wallet, and sending coins (protocol reference, section 4.8)."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

import pytest
from coincurve import PrivateKey

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server import ExchangeServer
from aster_operator.simulator.server.eip712 import withdrawal_digest
from simulator_server.trader import Answer, Trader

RECEIVER = "0x" + "ab" * 20


class Owner(Trader):
    """The wallet itself, which signs a withdrawal apart from the request that carries it."""

    def withdraw(
        self, path: str = "/fapi/v3", key: str | None = None, chain: str = "BSC", **changed: object
    ) -> Answer:
        asked = {"chainId": 56, "asset": "USDT", "amount": "31.5", "fee": "0.5", "receiver": RECEIVER}
        asked |= changed
        nonce = self.nonce()
        digest = withdrawal_digest(
            chain_id=int(str(asked["chainId"])),
            chain=chain,
            receiver=bytes.fromhex(RECEIVER[2:]),
            asset=str(asked["asset"]),
            amount=str(asked["amount"]),
            fee=str(asked["fee"]),
            nonce=nonce,
            venue="Mainnet",
        )
        secret = PrivateKey(bytes.fromhex((key or self.account.wallet_private_key)[2:]))
        signature = secret.sign_recoverable(digest, hasher=None).hex()
        sent = asked | {"userNonce": nonce, "userSignature": f"0x{signature}"}
        return self.send(
            "POST", f"{path}/aster/user-withdraw", self.v1_query(**sent), headers=self.key_header
        )


@pytest.fixture
def owner(spot_server: ExchangeServer, clock: ManualClock) -> Owner:
    return Owner(spot_server, clock, 1)


@pytest.fixture
def to_spot(owner: Owner) -> Callable[[str], None]:
    def move(amount: str) -> None:
        sent = {
            "asset": "USDT",
            "kindType": "FUTURE_SPOT",
            "amount": amount,
            "clientTranId": f"move {amount}",
        }
        assert owner.v3("POST", "asset/wallet/transfer", **sent).status == 200

    return move


def test_the_digest_is_the_one_that_other_peoples_wallets_sign() -> None:
    """Computed with eth-account's typed data over the documented example."""
    digest = withdrawal_digest(
        chain_id=56,
        chain="BSC",
        receiver=bytes.fromhex("D9cA6952F1b1349d27f91E4fa6FB8ef67b89F02d"),
        asset="USDT",
        amount="10.123400",
        fee="1.234567891",
        nonce=1_761_210_000_000_000,
        venue="Mainnet",
    )
    assert digest.hex() == "51e71f3ae1bdf4210e20c99084235a0333bc3d9956f197fd2448621c4c7810a2"


@pytest.mark.parametrize("path", ["/fapi", "/fapi/v3"])
def test_a_withdrawal_from_the_futures_wallet(owner: Owner, path: str) -> None:
    answer = owner.withdraw(path)
    assert (answer.status, len(answer.json["hash"])) == (200, 66)
    assert owner.v3("GET", "balance").json[0]["balance"] == "9968.50000000"
    (row,) = owner.v1("POST", "v3/aster/deposit-withdraw-history").json
    assert (row["id"], row["txHash"]) == (answer.json["withdrawId"], answer.json["hash"])
    assert (row["type"], row["amount"], row["accountType"], row["chainId"]) == (
        "WITHDRAW",
        "31.5",
        "perp",
        56,
    )
    assert owner.server.exchange.audit().balanced


def test_the_futures_wallet_is_filled_up_from_spot(owner: Owner, to_spot: Callable[[str], None]) -> None:
    to_spot("9990")
    assert owner.withdraw().status == 200
    held = owner.send("GET", "/api/v3/account", owner.v3_query()).json["balances"]
    assert held == [{"asset": "USDT", "free": "9968.5", "locked": "0"}]
    assert owner.withdraw(amount="20000").code == -2018
    assert owner.server.exchange.audit().balanced


def test_a_withdrawal_from_spot_and_its_history(owner: Owner, to_spot: Callable[[str], None]) -> None:
    assert owner.withdraw("/api/v1").code == -2018
    to_spot("100")
    assert owner.withdraw("/api/v1").status == owner.withdraw("/api/v3", chain="BEP20").status == 200
    rows = owner.send("GET", "/api/v3/transactionHistory", owner.v3_query()).json
    assert [(row["type"], row["balanceDelta"]) for row in rows] == [
        ("TRANSFER_FUTURE_TO_SPOT", "100.00000000"),
        ("TRANSFER", "-31.50000000"),
        ("TRANSFER", "-31.50000000"),
    ]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"chainId": 7}, -1130),
        ({"asset": "NOPE"}, -1130),
        ({"amount": "0"}, -1113),
        ({"amount": "-4"}, -1113),
        ({"fee": "0.1"}, -1130),
        ({"fee": "32"}, -1130),
        ({"receiver": "0x12"}, -1130),
        ({"userNonce": ""}, -1102),
        ({"userSignature": "zz"}, -1022),
        ({"amount": "lots"}, -1100),
    ],
)
def test_withdrawals_that_are_refused(owner: Owner, changed: dict[str, object], code: int) -> None:
    sent = {"chainId": 56, "asset": "USDT", "amount": "31.5", "fee": "0.5", "receiver": RECEIVER}
    sent |= {"userNonce": 1, "userSignature": "0x" + "11" * 65} | changed
    assert owner.v1("POST", "aster/user-withdraw", **sent).code == code


def test_only_the_wallet_may_sign_and_only_once(owner: Owner) -> None:
    assert owner.withdraw(key=owner.account.private_key).code == -1022
    nonce = owner.nonce()
    owner.nonce = lambda: nonce  # type: ignore[method-assign]
    assert owner.withdraw().status == 200
    assert owner.withdraw().code == -1130
    sent = {"chainId": 101, "asset": "USDT", "amount": "3", "fee": "0.6", "receiver": "4wTV1Ymi"}
    del owner.nonce
    assert owner.v3("POST", "aster/user-solana-withdraw", **sent).code == -2015  # an agent without the right
    assert owner.v1("POST", "aster/user-solana-withdraw", **sent).status == 200


def test_what_a_withdrawal_costs(owner: Owner) -> None:
    ask = "/api/v3/aster/withdraw/estimateFee"
    assert owner.send("GET", ask, "chainId=56&asset=USDT").json == {
        "tokenPrice": 1.0,
        "gasCost": 0.5,
        "gasUsdValue": 0.5,
    }
    bitcoin = owner.send("GET", ask, "chainId=1&asset=BTC").json
    assert bitcoin["gasCost"] * bitcoin["tokenPrice"] == pytest.approx(0.5, rel=1e-2)
    assert owner.send("GET", ask, "chainId=2&asset=BTC").code == -1130
    assert owner.send("GET", ask, "chainId=56").code == -1102


def test_the_history_of_a_spot_wallet_is_its_balances(owner: Owner, to_spot: Callable[[str], None]) -> None:
    to_spot("1000")
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "400"}
    bought = owner.send("POST", "/api/v3/order", owner.v3_query(**order))
    assert bought.status == 200
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.001"}
    assert owner.send("POST", "/api/v3/order", owner.v3_query(**order)).status == 200
    rows = owner.send("GET", "/api/v1/transactionHistory", owner.v3_query()).json
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row["asset"]] += Decimal(row["balanceDelta"])
    held = owner.send("GET", "/api/v3/account", owner.v3_query()).json["balances"]
    assert {each["asset"]: Decimal(each["free"]) for each in held} == dict(sums)
    sold = owner.send(
        "GET", "/api/v1/transactionHistory", owner.v3_query(type="TRADE_SOURCE", asset="BTC")
    ).json
    assert [row["balanceDelta"] for row in sold] == ["-0.00100000"]
    assert owner.send("GET", "/api/v1/transactionHistory", owner.v3_query(type="GIFT")).code == -1130


def test_coins_go_to_another_wallet(owner: Owner, clock: ManualClock, to_spot: Callable[[str], None]) -> None:
    to_spot("50")
    other = Trader(owner.server, clock, 0)
    sent = {"asset": "USDT", "amount": "20", "toAddress": other.account.user, "clientTranId": "t" * 20}

    def send(**changed: str) -> Answer:
        return owner.send("POST", "/api/v1/asset/sendToAddress", owner.v3_query(**(sent | changed)))

    assert send().json["status"] == "SUCCESS"
    assert send().code == -4115
    assert send(clientTranId="short").code == -4114
    assert send(clientTranId="u" * 20, amount="31").code == -2018
    assert send(clientTranId="u" * 20, toAddress=owner.account.user).code == -1130
    assert send(clientTranId="u" * 20, toAddress="0x" + "12" * 20).code == -1130
    held = other.send("GET", "/api/v3/account", other.v3_query()).json["balances"]
    assert held == [{"asset": "USDT", "free": "20", "locked": "0"}]
    assert owner.server.exchange.audit().balanced


def test_spot_trades_of_the_past(owner: Owner) -> None:
    newest = owner.send("GET", "/api/v3/trades", "symbol=BTCUSDT&limit=5").json
    assert owner.send("GET", "/api/v3/historicalTrades", "symbol=BTCUSDT&limit=5").json == newest
    asked = f"symbol=BTCUSDT&fromId={newest[2]['id']}&limit=2"
    assert owner.send("GET", "/api/v1/historicalTrades", asked).json == newest[2:4]
    asked = f"symbol=BTCUSDT&startTime={newest[3]['time']}&endTime={newest[3]['time']}"
    assert [row["a"] for row in owner.send("GET", "/api/v3/aggTrades", asked).json] == [newest[3]["id"]]
    assert owner.send("GET", "/api/v3/aggTrades", "symbol=BTCUSDT&startTime=1&endTime=3600001").code == -1127
