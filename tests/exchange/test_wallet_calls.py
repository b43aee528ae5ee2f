"""Calls of the main wallet over the wire: sub-accounts, builders, migration, what is read beside them."""

from decimal import Decimal
from urllib.parse import parse_qsl

import pytest

from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.calls.sub_accounts import SubAccountStatus, SubAccountTransfer
from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.errors import MissingCredentials, RequestRefused, UnknownOutcome
from exchange import vectors
from exchange.embedded import client_of, embedded_exchange
from exchange.test_calls import ACK, CapturingTransport, _client, _recovered, _text

CHILD = AgentCredentials.from_private_key("33" * 32)
WALLET = vectors.USER_ADDRESS
CHANGES = {
    "bind": ("bind_sub_account", {"child": CHILD, "name": "desk 1"}, "sub-accounts/bind"),
    "create": ("create_sub_account", {"child": CHILD, "name": "desk&1"}, "createSubAccount"),
    "rename": ("update_sub_account", {"address": CHILD.user, "name": "desk 2"}, "updateSubAccount"),
    "freeze": (
        "update_sub_account",
        {"address": CHILD.user, "status": SubAccountStatus.FROZEN},
        "updateSubAccount",
    ),
    "send": (
        "sub_account_transfer",
        {
            "to_address": CHILD.user,
            "asset": "USDT",
            "amount": Decimal("1.50"),
            "kind": SubAccountTransfer.FUTURE_SPOT,
        },
        "subAccountTransfer",
    ),
    "fetch": (
        "sub_account_transfer",
        {
            "to_address": WALLET,
            "asset": "USDT",
            "amount": Decimal("1"),
            "kind": SubAccountTransfer.SPOT_SPOT,
            "from_address": CHILD.user,
        },
        "subAccountTransfer",
    ),
}
SENT = {
    "bind": "childAddress name nonce user childSignature signature",
    "create": "subAccountName subSourceAddr nonce user signer childSignature signature",
    "rename": "subSourceAddr nonce user signer subAccountName signature",
    "freeze": "subSourceAddr nonce user signer status signature",
    "send": "toAccountAddress asset amount kindType nonce user signer signature",
    "fetch": "toAccountAddress asset amount kindType nonce user signer fromAccountAddress signature",
}


@pytest.mark.parametrize("case", CHANGES)
async def test_a_change_of_a_sub_account_is_signed_by_the_wallets_it_concerns(case: str) -> None:
    method, arguments, path = CHANGES[case]
    transport = CapturingTransport(ACK)
    client = _client(transport, "wallet")
    answer = await getattr(client, method)(**arguments)
    assert answer.code == 200
    (request,) = transport.requests
    assert (request.method, request.url) == ("POST", f"http://venue/fapi/v3/{path}")
    text = _text(request)
    assert " ".join(name for name, _ in parse_qsl(text)) == SENT[case]
    message, _, signature = text.rpartition("&signature=")
    assert _recovered(message, signature, 1666) == WALLET
    if "childSignature" in text:
        childs, _, child_signature = message.rpartition("&childSignature=")
        assert _recovered(childs, child_signature, 1666) == CHILD.user
    await client.close()


@pytest.mark.parametrize("case", CHANGES)
async def test_an_agent_may_change_no_sub_account(case: str) -> None:
    method, arguments, _ = CHANGES[case]
    client = _client(CapturingTransport(ACK), "v3")
    with pytest.raises(MissingCredentials, match="main wallet"):
        await getattr(client, method)(**arguments)
    await client.close()


async def test_what_cannot_be_is_refused_before_it_is_sent() -> None:
    transport = CapturingTransport(ACK)
    client = _client(transport, "wallet")
    agent_of_child = AgentCredentials(WALLET, vectors.AGENT_ADDRESS, vectors.AGENT_KEY)
    with pytest.raises(MissingCredentials, match="sub-account wallet's own key"):
        await client.bind_sub_account(agent_of_child, "x")
    with pytest.raises(ValueError, match="name, status or both"):
        await client.update_sub_account(CHILD.user)
    for amount in ("0", "-1", "NaN"):
        with pytest.raises(ValueError, match="positive"):
            await client.sub_account_transfer(
                CHILD.user, "USDT", Decimal(amount), SubAccountTransfer.SPOT_SPOT
            )
    for addresses in ([], ["0x1"] * 51):
        with pytest.raises(ValueError, match="1 to 50"):
            await client.builder_user_balances(user_addresses=addresses)
    assert transport.requests == []
    await client.close()


async def test_a_transfer_without_a_clear_answer_is_sent_once() -> None:
    transport = CapturingTransport({"code": -1000, "msg": "?"}, status=503)
    client = _client(transport, "wallet")
    with pytest.raises(UnknownOutcome) as caught:
        await client.sub_account_transfer(CHILD.user, "USDT", Decimal(1), SubAccountTransfer.SPOT_SPOT)
    assert len(transport.requests) == 1
    assert f"nonce={caught.value.nonce_us}" in _text(transport.requests[0])
    await client.close()


async def test_the_migration_names_where_the_assets_go() -> None:
    transport = CapturingTransport({"batchId": "b1"})
    client = _client(transport, "wallet")
    assert (await client.migrate_assets(destination_api_key="k" * 64)).batch_id == "b1"
    assert transport.requests[0].headers["X-MBX-APIKEY"] == "k" * 64
    transport.body = {}
    assert (await client.migrate_assets()).batch_id is None
    assert "X-MBX-APIKEY" not in transport.requests[1].headers
    await client.close()


def _wallet(server, index: int = 0) -> AsterClient:
    return AsterClient(
        AgentCredentials.from_private_key(server.accounts[index].wallet_private_key),
        environment="sim",
        base_url=server.rest_url,
        ws_url=server.ws_url,
    )


async def test_the_exchange_verifies_what_the_wallet_signs() -> None:
    """It has no sub-accounts: a call that is signed rightly is refused for what it asks, not for how."""
    async with embedded_exchange() as server, _wallet(server) as wallet, client_of(server, "v3") as agent:
        (own,) = await agent.sub_accounts()
        assert own.parent_account
        for method, arguments, _ in CHANGES.values():
            with pytest.raises(RequestRefused) as caught:
                await getattr(wallet, method)(**arguments)
            assert caught.value.code in (-1020, -1130), method


async def test_agents_and_builders_over_the_wire() -> None:
    async with (
        embedded_exchange() as server,
        _wallet(server) as wallet,
        client_of(server, "v3") as agent,
        client_of(server, "v3", 1) as builder,
    ):
        address = server.accounts[1].user
        await wallet.approve_builder(address, max_fee_rate=Decimal("0.0010"), builder_name="b")
        await wallet.update_builder(address, max_fee_rate=Decimal("0.0005"))
        (approved,) = await agent.builders()
        assert (approved.builder_address, approved.max_fee_rate) == (address, Decimal("0.0005"))
        (user,) = await builder.builder_approved_users()
        assert user.user_address.lower() == server.accounts[0].user.lower()
        await wallet.delete_builder(address)
        assert await agent.builders() == []
        before = len(await agent.agents())
        name = {"agent_name": "second", "agent_address": CHILD.signer}
        await wallet.approve_agent(**name, expires_ms=server.exchange.now_ms + 10**11)
        assert len(await agent.agents()) == before + 1
        rights = {"can_spot_trade": True, "can_perp_trade": False, "can_withdraw": False}
        await wallet.update_agent(CHILD.signer, **rights)
        second = [row for row in await agent.agents() if row.agent_address.lower() == CHILD.signer.lower()]
        assert [(row.can_spot_trade, row.can_perp_trade) for row in second] == [(True, False)]
        await wallet.delete_agent(CHILD.signer)
        assert len(await agent.agents()) == before


@pytest.mark.parametrize("scheme", ["v3", "v1"])
async def test_withdrawals_are_read_in_both_schemes(scheme: str) -> None:
    async with embedded_exchange() as server, client_of(server, scheme) as client:
        info = await client.withdraw_info()
        assert info.balances["USDT"].perp_total_withdraw_amount > 0
        assert await client.deposit_withdraw_history() == []


async def test_assets_migrate_and_the_history_tells() -> None:
    async with embedded_exchange() as server, _wallet(server) as wallet, client_of(server, "v1", 1) as target:
        before = (await target.balance())[0].balance
        begun = await wallet.migrate_assets(destination_api_key=server.accounts[1].api_key)
        assert begun.batch_id is not None
        history = await wallet.migration_history(begun.batch_id)
        assert (history.success_count, history.fail_count) == (history.total_count, 0)
        (moved,) = [each.amount for each in history.details if each.asset == "USDT"]
        assert (await target.balance())[0].balance == before + moved
        assert (await wallet.announcements(page=1, size=5)).rows == []
