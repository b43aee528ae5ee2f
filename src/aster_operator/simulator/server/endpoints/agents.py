"""Agents and builders: calls the main wallet signs itself (protocol reference, sections 2.3 and 4.8)."""

from decimal import Decimal
from typing import Any

from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.accounts import Account, Agent, Builder
from aster_operator.simulator.server.auth import Security, split_signature
from aster_operator.simulator.server.eip712 import (
    FieldValue,
    message_digest,
    recover_address,
    struct_digest,
)
from aster_operator.simulator.server.params import DECIMAL_RANGE, is_form_body
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["AGENT_ENDPOINTS", "address_parameter", "use_nonce", "wallet_account"]

SUCCESS = {"code": 200, "msg": "success"}
# The order of the fields is the order of the signed type, whatever the order on the wire.
TYPES: dict[str, tuple[str, ...]] = {
    "ApproveAgent": (
        "agentName",
        "agentAddress",
        "ipWhitelist",
        "expired",
        "canSpotTrade",
        "canPerpTrade",
        "canWithdraw",
        "asterChain",
        "user",
        "nonce",
    ),
    "UpdateAgent": (
        "agentAddress",
        "ipWhitelist",
        "canSpotTrade",
        "canPerpTrade",
        "canWithdraw",
        "asterChain",
        "user",
        "nonce",
    ),
    "DelAgent": ("agentAddress", "asterChain", "user", "nonce"),
    "ApproveBuilder": ("builder", "maxFeeRate", "builderName", "asterChain", "user", "nonce"),
    "UpdateBuilder": ("builder", "maxFeeRate", "asterChain", "user", "nonce"),
    "DelBuilder": ("builder", "asterChain", "user", "nonce"),
    "UserAssetMigrate": ("asterChain", "user", "nonce"),
}
_NUMBERS = frozenset({"expired", "nonce"})
_FLAGS = frozenset({"canSpotTrade", "canPerpTrade", "canWithdraw"})
_MAY_BE_EMPTY = frozenset({"ipWhitelist"})
DEFAULT_CHAIN_ID = 56


def _field(call: Call, name: str) -> FieldValue:
    if name in _NUMBERS:
        return call.params.integer(name, low=0)
    if name in _FLAGS:
        return call.params.flag(name)
    if name in _MAY_BE_EMPTY:
        return call.params.get(name, "")
    return call.params.text(name)


def _signature(call: Call) -> bytes:
    body = call.request.body if is_form_body(call.request.body) else b""
    text = split_signature(call.request.raw_query, body)[2] or call.params.text("signature")
    try:
        return bytes.fromhex(text.removeprefix("0x").removeprefix("0X"))
    except ValueError:
        raise refusals.invalid_signature() from None


def wallet_account(call: Call, primary_type: str) -> Account:
    """The account whose main wallet signed the call. Raises VenueRefusal (-1022, -2015, -4225)."""
    fields = [(name[0].upper() + name[1:], _field(call, name)) for name in TYPES[primary_type]]
    sent_chain = call.params.optional_integer("signatureChainId", low=1)
    # Without a chain in the request either of the two that clients sign with is accepted.
    chains = (sent_chain,) if sent_chain else (call.services.auth.chain_id, DEFAULT_CHAIN_ID)
    signature, user = _signature(call), call.params.text("user").lower()
    if not any(
        recover_address(struct_digest(primary_type, fields, chain), signature) == user for chain in chains
    ):
        raise refusals.invalid_signature()
    account = call.services.registry.account(user)
    if account is None:
        raise refusals.invalid_api_key()
    use_nonce(call, user)
    return account


def use_nonce(call: Call, user: str) -> None:
    """Judge and consume the nonce of a call `user` has signed. Raises VenueRefusal(-4225)."""
    nonce_us = call.params.integer("nonce", low=0)
    window_us = call.services.auth.nonce_window_ms * 1_000
    if abs(nonce_us - call.services.clock.now_us()) > window_us:
        raise refusals.nonce_expired()
    call.services.registry.nonces(user).use(nonce_us)


def _agent_of(call: Call, account: Account) -> Agent:
    agent = account.agents.get(call.params.text("agentAddress").lower())
    if agent is None:
        raise refusals.invalid_parameter("agentAddress")
    return agent


def address_parameter(call: Call, name: str) -> str:
    """A mandatory address as it was sent. Raises VenueRefusal(-1130) for what is none."""
    text = call.params.text(name)
    try:
        valid = len(bytes.fromhex(text.removeprefix("0x"))) == 20
    except ValueError:
        valid = False
    if not valid:
        raise refusals.invalid_parameter(name)
    return text


def _new_agent(call: Call, account: Account) -> None:
    address = address_parameter(call, "agentAddress").lower()
    whitelist = call.params.get("ipWhitelist", "")
    can_withdraw = call.params.flag("canWithdraw")
    if can_withdraw and not whitelist:
        raise refusals.mandatory_parameter("ipWhitelist")
    account.agents[address] = Agent(
        address=address,
        account_id=account.account_id,
        name=call.params.text("agentName"),
        expires_ms=call.params.integer("expired", low=0),
        ip_whitelist=whitelist,
        can_spot_trade=call.params.flag("canSpotTrade"),
        can_perp_trade=call.params.flag("canPerpTrade"),
        can_withdraw=can_withdraw,
    )


def approve_agent(call: Call) -> Any:
    """Let an API wallet act for the account."""
    _new_agent(call, wallet_account(call, "ApproveAgent"))
    return SUCCESS


def register_and_approve_agent(call: Call) -> Any:
    """Open an account for a wallet that has none, and approve its agent in the same call."""
    names = (
        "user nonce agentName agentAddress expired signatureChainId canSpotTrade canPerpTrade canWithdraw"
        " ipWhitelist"
    )
    values = {name: call.params.get(name, "") for name in names.split()}
    message = "&".join(f"{name}={value}" for name, value in values.items())
    chain_id = call.params.integer("signatureChainId", low=1)
    user = address_parameter(call, "user").lower()
    if recover_address(message_digest(message.encode(), chain_id), _signature(call)) != user:
        raise refusals.invalid_signature()
    use_nonce(call, user)
    if not call.exchange.has_account(user):
        call.exchange.create_account(user, {})
    _new_agent(call, call.services.registry.open(user))
    return SUCCESS


def update_agent(call: Call) -> Any:
    """New permissions and addresses of an agent."""
    agent = _agent_of(call, wallet_account(call, "UpdateAgent"))
    agent.ip_whitelist = call.params.get("ipWhitelist", "")
    agent.can_spot_trade = call.params.flag("canSpotTrade")
    agent.can_perp_trade = call.params.flag("canPerpTrade")
    agent.can_withdraw = call.params.flag("canWithdraw")
    return SUCCESS


def delete_agent(call: Call) -> Any:
    """Take an agent's rights away at once."""
    account = wallet_account(call, "DelAgent")
    del account.agents[_agent_of(call, account).address]
    return SUCCESS


def _account(call: Call) -> Account:
    account = call.services.registry.account(call.account_id)
    if account is None:
        raise refusals.invalid_api_key()
    return account


def agents(call: Call) -> Any:
    """The account's agents and what they may do."""
    return [
        {
            "agentAddress": agent.address,
            "agentName": agent.name,
            "ipWhitelist": agent.ip_whitelist,
            "expired": agent.expires_ms or 0,
            "source": "api",
            "canRead": agent.can_read,
            "canSpotTrade": agent.can_spot_trade,
            "canPerpTrade": agent.can_perp_trade,
            "canWithdraw": agent.can_withdraw,
        }
        for agent in _account(call).agents.values()
    ]


def _fee_rate(call: Call) -> str:
    rate = call.params.decimal("maxFeeRate")
    if not Decimal(0) <= rate <= 1:
        raise refusals.illegal_characters("maxFeeRate", DECIMAL_RANGE)
    return call.params.text("maxFeeRate")


def approve_builder(call: Call) -> Any:
    """Let a builder charge up to a fee rate on the account's orders."""
    account = wallet_account(call, "ApproveBuilder")
    address = address_parameter(call, "builder")
    account.builders[address.lower()] = Builder(
        address, call.params.text("builderName"), _fee_rate(call), call.services.clock.now_ms()
    )
    return SUCCESS


def _builder_of(call: Call, account: Account) -> Builder:
    builder = account.builders.get(call.params.text("builder").lower())
    if builder is None:
        raise VenueRefusal(-5053, "User is not bound to the builder.")
    return builder


def update_builder(call: Call) -> Any:
    """A new highest fee rate of a builder."""
    account = wallet_account(call, "UpdateBuilder")
    _builder_of(call, account).max_fee_rate = _fee_rate(call)
    return SUCCESS


def delete_builder(call: Call) -> Any:
    """Forget a builder."""
    account = wallet_account(call, "DelBuilder")
    del account.builders[_builder_of(call, account).address.lower()]
    return SUCCESS


def builders(call: Call) -> Any:
    """The builders the account has approved."""
    account = _account(call)
    return [
        {
            "userAddress": account.user,
            "builderAddress": builder.address,
            "maxFeeRate": builder.max_fee_rate,
            "builderName": builder.name,
        }
        for builder in account.builders.values()
    ]


_WALLET, _READ = Security.WALLET, Security.USER_DATA

AGENT_ENDPOINTS = (
    Endpoint("POST", "approveAgent", (3,), _WALLET, approve_agent),
    Endpoint("POST", "registerAndApproveAgent", (3,), _WALLET, register_and_approve_agent, 50),
    Endpoint("POST", "updateAgent", (3,), _WALLET, update_agent),
    Endpoint("DELETE", "agent", (3,), _WALLET, delete_agent),
    Endpoint("GET", "agent", (3,), _READ, agents),
    Endpoint("POST", "approveBuilder", (3,), _WALLET, approve_builder),
    Endpoint("POST", "updateBuilder", (3,), _WALLET, update_builder),
    Endpoint("DELETE", "builder", (3,), _WALLET, delete_builder),
    Endpoint("GET", "builder", (3,), _READ, builders),
)
