"""Sub-accounts (protocol reference, sections 2.3 and 4.8).

This exchange has none: every call is verified as the venue verifies it, then refused for what it is.
"""

from decimal import Decimal
from typing import Any

from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.accounts import Account
from aster_operator.simulator.server.auth import Security, signed_by, split_signature
from aster_operator.simulator.server.endpoints.agents import address_parameter, use_nonce
from aster_operator.simulator.server.params import is_form_body
from aster_operator.simulator.server.routing import Call, Endpoint

__all__ = ["SUB_ACCOUNT_ENDPOINTS"]

STATUSES = ("NORMAL", "FROZEN")
KINDS = ("FUTURE_FUTURE", "FUTURE_SPOT", "SPOT_FUTURE", "SPOT_SPOT")


def _signed_text(call: Call) -> tuple[bytes, str]:
    """(what the wallet signed, its signature). Raises VenueRefusal(-1102) without a signature."""
    body = call.request.body if is_form_body(call.request.body) else b""
    query, body, signature = split_signature(call.request.raw_query, body)
    text = query + b"&" + body if query and body else query + body
    return text, signature or call.params.text("signature")


def _master(call: Call) -> Account:
    """The account whose main wallet signed the call. Raises VenueRefusal (-1022, -1130, -2015, -4225)."""
    user = address_parameter(call, "user").lower()
    text, signature = _signed_text(call)
    if not signed_by(text, signature, user, call.services.auth):
        raise refusals.invalid_signature()
    account = call.services.registry.account(user)
    if account is None:
        raise refusals.invalid_api_key()
    use_nonce(call, user)
    return account


def _check_child(call: Call, address_name: str) -> None:
    """The sub-account signs the same text without its own signature. Raises VenueRefusal(-1022)."""
    child = address_parameter(call, address_name)
    signature = call.params.text("childSignature")
    text, _ = _signed_text(call)
    parts = [part for part in text.split(b"&") if not part.startswith(b"childSignature=")]
    if not signed_by(b"&".join(parts), signature, child, call.services.auth):
        raise refusals.invalid_signature()


def bind(call: Call) -> Any:
    """Make an existing wallet a sub-account: nobody is on the whitelist for it here."""
    call.params.text("name")
    _check_child(call, "childAddress")
    _master(call)
    raise refusals.unsupported_operation()


def create(call: Call) -> Any:
    """Open a sub-account for a wallet: this exchange has none."""
    call.params.text("subAccountName")
    address_parameter(call, "signer")
    _check_child(call, "subSourceAddr")
    _master(call)
    raise refusals.unsupported_operation()


def listed(call: Call) -> Any:
    """The account itself, for there are no sub-accounts."""
    accounts = [account.account_id for account in call.services.registry.accounts()]
    number = accounts.index(call.account_id) + 1
    return [{"accountId": number, "subAccountName": "", "parentAccount": True}]


def update(call: Call) -> Any:
    """Rename, freeze or release a sub-account, which the account does not have."""
    name, status = call.params.optional_text("subAccountName"), call.params.optional_text("status")
    if name is None and status is None:
        raise refusals.either_parameter("subAccountName", "status")
    if status is not None and status not in STATUSES:
        raise refusals.invalid_parameter("status")
    address_parameter(call, "subSourceAddr")
    _master(call)
    raise refusals.invalid_parameter("subSourceAddr")


def transfer(call: Call) -> Any:
    """Move money between a master and its sub-accounts, which the account does not have."""
    if call.params.text("kindType") not in KINDS:
        raise refusals.invalid_parameter("kindType")
    if call.params.decimal("amount") <= Decimal(0):
        raise VenueRefusal(-4055, "Amount must be positive.")
    asset = call.params.text("asset")
    address_parameter(call, "toAccountAddress")
    account = _master(call)
    if asset not in {view.asset for view in call.exchange.account(account.account_id).assets}:
        raise refusals.invalid_parameter("asset")
    raise refusals.invalid_parameter("toAccountAddress")


_WALLET = Security.WALLET

SUB_ACCOUNT_ENDPOINTS = (
    Endpoint("POST", "sub-accounts/bind", (3,), _WALLET, bind, 5),
    Endpoint("POST", "createSubAccount", (3,), _WALLET, create, 5),
    Endpoint("GET", "getSubAccountList", (3,), Security.USER_DATA, listed, 5),
    Endpoint("POST", "updateSubAccount", (3,), _WALLET, update, 5),
    Endpoint("POST", "subAccountTransfer", (3,), _WALLET, transfer, 5),
)
