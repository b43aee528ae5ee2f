"""Sub-accounts, migrations, withdrawals, announcements, builders (protocol reference, section 4.8)."""

from urllib.parse import urlencode

import pytest
from coincurve import PrivateKey
from eth_hash.auto import keccak

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server import ExchangeServer
from aster_operator.simulator.server.eip712 import FieldValue, struct_digest
from aster_operator.simulator.server.endpoints.agents import TYPES
from simulator_server.trader import Answer, Trader, sign_message

CHILD_KEY = "0x" + "33" * 31 + "c7"


def address_of(key: str) -> str:
    public = PrivateKey(bytes.fromhex(key.removeprefix("0x"))).public_key.format(compressed=False)
    return "0x" + keccak(public[1:])[-20:].hex()


CHILD = address_of(CHILD_KEY)


class Wallet(Trader):
    def wallet(
        self, call: str, /, child_key: str | None = None, key: str | None = None, **params: str
    ) -> Answer:
        """A call the main wallet signs as a message, the sub-account before it if `child_key` is given."""
        sent = params | {"nonce": str(self.nonce()), "user": self.account.user, "signer": self.account.signer}
        if child_key is not None:
            sent["childSignature"] = sign_message(urlencode(sent).encode(), child_key)
        text = urlencode(sent)
        signature = sign_message(text.encode(), key or self.account.wallet_private_key)
        return self.send("POST", f"/fapi/v3/{call}", body=f"{text}&signature={signature}".encode())

    def migrate(self, api_key: str | None) -> Answer:
        """Move everything of this wallet to the account of an API key."""
        values: dict[str, FieldValue] = {
            "asterChain": "Mainnet",
            "user": self.account.user,
            "nonce": self.nonce(),
        }
        typed = [(name[0].upper() + name[1:], values[name]) for name in TYPES["UserAssetMigrate"]]
        key = PrivateKey(bytes.fromhex(self.account.wallet_private_key.removeprefix("0x")))
        signed = key.sign_recoverable(struct_digest("UserAssetMigrate", typed, 1666), hasher=None)
        body = urlencode(values | {"signature": signed.hex()}).encode()
        headers = {} if api_key is None else {"x-mbx-apikey": api_key}
        return self.send("POST", "/fapi/v3/asset/migrateUser", body=body, headers=headers)

    def approve_builder(self, builder: str) -> Answer:
        values: dict[str, FieldValue] = {
            "builder": builder,
            "maxFeeRate": "0.001",
            "builderName": "me",
            "asterChain": "Mainnet",
            "user": self.account.user,
            "nonce": self.nonce(),
        }
        typed = [(name[0].upper() + name[1:], values[name]) for name in TYPES["ApproveBuilder"]]
        key = PrivateKey(bytes.fromhex(self.account.wallet_private_key.removeprefix("0x")))
        signed = key.sign_recoverable(struct_digest("ApproveBuilder", typed, 1666), hasher=None)
        body = urlencode(values | {"signature": signed.hex()}).encode()
        return self.send("POST", "/fapi/v3/approveBuilder", body=body)


@pytest.fixture
def wallet(spot_server: ExchangeServer, clock: ManualClock) -> Wallet:
    return Wallet(spot_server, clock, 1)


@pytest.fixture
def target(spot_server: ExchangeServer, clock: ManualClock) -> Trader:
    return Trader(spot_server, clock, 0)


NEW = {"subAccountName": "desk one", "subSourceAddr": CHILD}
BOUND = {"childAddress": CHILD, "name": "desk"}
MOVE = {"toAccountAddress": CHILD, "asset": "USDT", "amount": "1", "kindType": "FUTURE_FUTURE"}


def test_an_account_has_no_sub_accounts(wallet: Wallet) -> None:
    assert wallet.v3("GET", "getSubAccountList").json == [
        {"accountId": 2, "subAccountName": "", "parentAccount": True}
    ]


@pytest.mark.parametrize(("name", "params"), [("createSubAccount", NEW), ("sub-accounts/bind", BOUND)])
def test_opening_a_sub_account_needs_both_signatures_and_is_then_refused(
    wallet: Wallet, name: str, params: dict[str, str]
) -> None:
    assert wallet.wallet(name, CHILD_KEY, **params).code == -1020
    assert wallet.wallet(name, **params).code == -1102
    assert wallet.wallet(name, wallet.account.wallet_private_key, **params).code == -1022
    assert wallet.wallet(name, CHILD_KEY, key=wallet.account.private_key, **params).code == -1022
    assert wallet.wallet(name, CHILD_KEY, **(params | dict.fromkeys(list(params)[:1], ""))).code in (
        -1102,
        -1130,
    )


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("updateSubAccount", {"subSourceAddr": CHILD, "status": "FROZEN"}, -1130),
        ("updateSubAccount", {"subSourceAddr": CHILD}, -1102),
        ("updateSubAccount", {"subSourceAddr": CHILD, "status": "GONE"}, -1130),
        ("updateSubAccount", {"subSourceAddr": "0x12", "subAccountName": "a"}, -1130),
        ("subAccountTransfer", MOVE, -1130),
        ("subAccountTransfer", MOVE | {"amount": "0"}, -4055),
        ("subAccountTransfer", MOVE | {"amount": "much"}, -1100),
        ("subAccountTransfer", MOVE | {"kindType": "HOME"}, -1130),
        ("subAccountTransfer", MOVE | {"asset": "NOPE"}, -1130),
        ("subAccountTransfer", {"kindType": "SPOT_SPOT", "amount": "1"}, -1102),
    ],
)
def test_calls_for_sub_accounts_have_their_codes(
    wallet: Wallet, name: str, params: dict[str, str], code: int
) -> None:
    assert wallet.wallet(name, **params).code == code
    assert wallet.v3("GET", "balance").json[0]["balance"] == "10000.00000000"


def test_the_agent_cannot_sign_for_the_wallet_and_nonces_count_once(wallet: Wallet) -> None:
    assert wallet.wallet("subAccountTransfer", key=wallet.account.private_key, **MOVE).code == -1022
    nonce_us = wallet.nonce()
    wallet.nonce = lambda: nonce_us  # type: ignore[method-assign]
    assert wallet.wallet("subAccountTransfer", **MOVE).code == -1130
    assert wallet.wallet("subAccountTransfer", **MOVE).code == -4225


def test_a_migration_moves_both_wallets(wallet: Wallet, target: Trader) -> None:
    move = {"asset": "USDT", "kindType": "FUTURE_SPOT", "amount": "300", "clientTranId": "one"}
    assert wallet.v3("POST", "asset/wallet/transfer", **move).status == 200
    batch = wallet.migrate(target.account.api_key).json["batchId"]
    assert wallet.v3("GET", "balance").json[0]["balance"] == "0.00000000"
    assert target.v3("GET", "balance").json[0]["balance"] == "19700.00000000"
    assert target.send("GET", "/api/v3/account", target.v3_query()).json["balances"] == [
        {"asset": "USDT", "free": "300", "locked": "0"}
    ]
    for trader in (wallet, target):
        told = trader.v3("GET", "asset/migrateUser/history", batchId=batch).json
        assert (told["totalCount"], told["successCount"], told["failCount"]) == (2, 2, 0)
        assert [row["amount"] for row in told["details"]] == ["9700.00000000", "300.00000000"]
    assert wallet.migrate(target.account.api_key).json == {}
    assert wallet.server.exchange.audit().balanced


def test_migrations_that_are_refused(wallet: Wallet, target: Trader) -> None:
    key = target.account.api_key
    assert wallet.migrate(None).code == -2014
    assert wallet.migrate("nobody").code == -2015
    assert wallet.migrate(wallet.account.api_key).code == -1130
    order = wallet.resting().json
    assert wallet.migrate(key).code == -4067
    wallet.v3("DELETE", "order", symbol="BTCUSDT", orderId=order["orderId"])
    wallet.market("BUY", "0.010")
    assert wallet.migrate(key).code == -4068
    assert wallet.v3("GET", "asset/migrateUser/history", batchId="none").code == -1130
    assert wallet.v3("GET", "asset/migrateUser/history").code == -1102


@pytest.mark.parametrize("path", ["v3/aster", "aster"])
def test_what_may_be_withdrawn(wallet: Wallet, path: str) -> None:
    told = wallet.v1("POST", f"{path}/user-withdraw-info").json
    assert told["userRemainingDailyLimit"] == "1000000"
    held = told["balances"]["USDT"]
    assert (held["spotTotalWithdrawAmount"], held["perpTotalWithdrawAmount"]) == ("0", "10000")
    assert held["chainBalances"]["56"] == {
        "chainId": 56,
        "spotMaxWithdrawAmount": "0",
        "perpMaxWithdrawAmount": "10000",
        "chainLimit": "10000",
        "withdrawFee": "0.5",
    }
    assert wallet.v1("POST", f"{path}/deposit-withdraw-history").json == []
    assert wallet.send("POST", f"/fapi/{path}/deposit-withdraw-history").code == -2014


def test_nobody_announces_anything(wallet: Wallet) -> None:
    assert wallet.v3("GET", "announcement/direct", page=1, size=5).json == {"total": 0, "rows": []}
    assert wallet.v3("GET", "announcement/direct", page=0).code == -1130
    assert wallet.v3("GET", "announcement/directById", id=1).code == -1130
    assert wallet.v3("GET", "announcement/directById").code == -1102


def test_a_builder_sees_who_has_approved_it(wallet: Wallet, target: Trader) -> None:
    assert target.v3("GET", "builder/approvedUserList").json == []
    assert wallet.approve_builder(target.account.user).status == 200
    (row,) = target.v3("GET", "builder/approvedUserList").json
    assert (row["userAddress"], row["maxFeeRate"]) == (wallet.account.user, "0.001")
    assert row["approveTime"] == wallet.clock.now_ms()
    assert wallet.v3("GET", "builder/approvedUserList").json == []
    assert target.v3("GET", "builder/approvedUserList", startTime=wallet.clock.now_ms()).json == []
