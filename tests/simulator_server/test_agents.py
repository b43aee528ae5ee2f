"""Agents and builders, signed by the main wallet (protocol reference, sections 2.3 and 4.8)."""

from urllib.parse import urlencode

import pytest
from coincurve import PrivateKey

from aster_operator.domain.clock import ManualClock
from aster_operator.simulator.server import ExchangeServer, demo_accounts
from aster_operator.simulator.server.eip712 import FieldValue, struct_digest
from aster_operator.simulator.server.endpoints.agents import TYPES
from simulator_server.trader import Answer, Trader, sign_message

BUILDER = "0x1F5877C19e3777Cfd15F9d57253eA4aA5254Ec39"
TRADES = {"canSpotTrade": False, "canPerpTrade": True, "canWithdraw": False}


class Wallet(Trader):
    """Signs management calls with the main wallet's key."""

    def manage(
        self, method: str, name: str, primary_type: str, chain_id: int = 56, **fields: FieldValue
    ) -> Answer:
        values: dict[str, FieldValue] = {
            "asterChain": "Mainnet",
            "user": self.account.user,
            "nonce": self.nonce(),
        } | fields
        typed = [(key[0].upper() + key[1:], values[key]) for key in TYPES[primary_type]]
        key = PrivateKey(bytes.fromhex(self.account.wallet_private_key.removeprefix("0x")))
        signed = key.sign_recoverable(struct_digest(primary_type, typed, chain_id), hasher=None)
        wire = {
            name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()
        }
        wire |= {"signatureChainId": chain_id, "signature": signed.hex()}
        return self.send(method, f"/fapi/v3/{name}", body=urlencode(wire).encode())


@pytest.fixture
def wallet(server: ExchangeServer, clock: ManualClock) -> Wallet:
    return Wallet(server, clock, 1)


def approve(wallet: Wallet, address: str, **changes: FieldValue) -> Answer:
    fields: dict[str, FieldValue] = {
        "agentName": "bot1",
        "agentAddress": address,
        "ipWhitelist": "",
        "expired": wallet.clock.now_ms() + 60_000,
    }
    return wallet.manage("POST", "approveAgent", "ApproveAgent", **(fields | TRADES | changes))


def test_an_agent_lives_from_approval_to_deletion(wallet: Wallet, clock: ManualClock) -> None:
    agent = demo_accounts(50, 1)[0]

    def trades() -> int:
        message = urlencode(
            {
                "symbol": "BTCUSDT",
                "side": "BUY",
                "type": "MARKET",
                "quantity": "0.001",
                "nonce": wallet.nonce(),
                "user": wallet.account.user,
                "signer": agent.signer,
            }
        )
        signature = sign_message(message.encode(), agent.private_key)
        return wallet.send("POST", "/fapi/v3/order", f"{message}&signature={signature}").status

    assert trades() == 401
    assert approve(wallet, agent.signer).json == {"code": 200, "msg": "success"}
    assert trades() == 200
    listed = wallet.v3("GET", "agent").json
    assert [row["agentName"] for row in listed] == ["demo", "bot1"]
    assert set(listed[0]) == {
        "agentAddress",
        "agentName",
        "ipWhitelist",
        "expired",
        "source",
        "canRead",
        "canSpotTrade",
        "canPerpTrade",
        "canWithdraw",
    }
    fields: dict[str, FieldValue] = {"agentAddress": agent.signer, "ipWhitelist": ""}
    changed = wallet.manage(
        "POST", "updateAgent", "UpdateAgent", **(fields | TRADES | {"canPerpTrade": False})
    )
    assert changed.status == 200
    assert trades() == 401
    assert wallet.manage("POST", "updateAgent", "UpdateAgent", **(fields | TRADES)).status == 200
    assert trades() == 200
    assert wallet.manage("DELETE", "agent", "DelAgent", agentAddress=agent.signer).status == 200
    assert trades() == 401
    assert wallet.manage("DELETE", "agent", "DelAgent", agentAddress=agent.signer).code == -1130


def test_only_the_main_wallet_approves(wallet: Wallet) -> None:
    stranger = demo_accounts(51, 1)[0]
    assert approve(wallet, stranger.signer, user=stranger.user).code == -1022
    nonce = wallet.nonce()
    assert approve(wallet, stranger.signer, nonce=nonce).status == 200
    assert approve(wallet, stranger.signer, nonce=nonce).code == -4225
    assert approve(wallet, stranger.signer, nonce=wallet.clock.now_us() - 10**9).code == -4225
    assert approve(wallet, "not an address").code == -1130
    assert approve(wallet, stranger.signer, canWithdraw=True).code == -1102
    assert approve(wallet, stranger.signer, canWithdraw=True, ipWhitelist="10.0.0.1").status == 200


def test_an_agent_expires(wallet: Wallet, clock: ManualClock) -> None:
    account = wallet.account
    approve(wallet, account.signer)
    assert wallet.v3("GET", "balance").status == 200
    clock.advance_ms(60_000)
    assert wallet.v3("GET", "balance").code == -2015


def test_a_new_wallet_registers_itself_with_its_agent(server: ExchangeServer, clock: ManualClock) -> None:
    newcomer = demo_accounts(52, 2)[1]
    trader = Trader(server, clock, 0)
    trader.account = newcomer
    fields = {
        "user": newcomer.user,
        "nonce": trader.nonce(),
        "agentName": "first",
        "agentAddress": newcomer.signer,
        "expired": clock.now_ms() + 10**9,
        "signatureChainId": 56,
        "canSpotTrade": "true",
        "canPerpTrade": "true",
        "canWithdraw": "false",
        "ipWhitelist": "",
    }
    message = "&".join(f"{name}={value}" for name, value in fields.items())
    signature = sign_message(message.encode(), newcomer.wallet_private_key, chain_id=56)
    body = f"{urlencode(fields)}&signature={signature}".encode()
    assert trader.send("POST", "/fapi/v3/registerAndApproveAgent", body=body).status == 200
    assert trader.v3("GET", "balance").status == 200
    assert server.exchange.audit().balanced


@pytest.mark.parametrize("chain_id", [56, 1666])
def test_builders_as_the_documentation_and_as_ccxt_sign_them(wallet: Wallet, chain_id: int) -> None:
    fields: dict[str, FieldValue] = {"builder": BUILDER, "maxFeeRate": "0.001", "builderName": "ccxt"}
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001", "builder": BUILDER}
    assert wallet.v3("POST", "order", **order, feeRate="0.001").code == -2031
    answer = wallet.manage("POST", "approveBuilder", "ApproveBuilder", chain_id, **fields)
    assert answer.json == {"code": 200, "msg": "success"}
    assert wallet.v3("GET", "builder").json == [
        {
            "userAddress": wallet.account.user,
            "builderAddress": BUILDER,
            "maxFeeRate": "0.001",
            "builderName": "ccxt",
        }
    ]
    assert wallet.v3("POST", "order", **order, feeRate="0.001").status == 200
    assert wallet.v3("POST", "order", **order, feeRate="0.0011").code == -2031
    lower: dict[str, FieldValue] = {"builder": BUILDER, "maxFeeRate": "0.0005"}
    assert wallet.manage("POST", "updateBuilder", "UpdateBuilder", chain_id, **lower).status == 200
    assert wallet.v3("POST", "order", **order, feeRate="0.001").code == -2031
    assert wallet.manage("DELETE", "builder", "DelBuilder", chain_id, builder=BUILDER).status == 200
    assert wallet.v3("GET", "builder").json == []


def test_transfers_move_money_between_the_wallets(spot_server: ExchangeServer, clock: ManualClock) -> None:
    trader = Trader(spot_server, clock, 0)
    move = {"asset": "USDT", "kindType": "FUTURE_SPOT"}
    done = trader.v3("POST", "asset/wallet/transfer", **move, amount="100.5", clientTranId="one")
    assert done.json == {"tranId": 1, "status": "SUCCESS"}
    assert trader.v3("GET", "balance").json[0]["balance"] == "9899.50000000"
    assert trader.send("GET", "/api/v3/account", trader.v3_query()).json["balances"] == [
        {"asset": "USDT", "free": "100.5", "locked": "0"}
    ]
    for changes, code in (
        ({"clientTranId": "one", "amount": "1"}, -4115),
        ({"clientTranId": "x" * 64, "amount": "1"}, -4114),
        ({"clientTranId": "two", "amount": "0"}, -4055),
        ({"clientTranId": "two", "amount": "99999"}, -2018),
        ({"clientTranId": "two", "amount": "1", "kindType": "ELSEWHERE"}, -1130),
        ({"clientTranId": "two", "amount": "1", "asset": "NOPE"}, -1130),
        ({"clientTranId": "two", "amount": "1000", "kindType": "SPOT_FUTURE"}, -2018),
    ):
        assert trader.v3("POST", "asset/wallet/transfer", **(move | changes)).code == code
    back = move | {"kindType": "SPOT_FUTURE", "amount": "0.5", "clientTranId": "three"}
    assert trader.v1("POST", "v1/asset/wallet/transfer", **back).status == 200
    assert trader.v3("GET", "balance").json[0]["balance"] == "9900.00000000"
    assert trader.server.exchange.audit().balanced
