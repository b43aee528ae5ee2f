"""Moving everything to another account, and announcements (protocol reference, section 4.8).

Nobody announces anything here: the answers say so.
"""

from decimal import Decimal
from typing import Any

from aster_operator.simulator.model import ATOMS, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.accounts import Account
from aster_operator.simulator.server.auth import Security
from aster_operator.simulator.server.endpoints.agents import wallet_account
from aster_operator.simulator.server.number_text import atoms_text
from aster_operator.simulator.server.routing import Call, Endpoint, MovedAsset

__all__ = ["CUSTODY_ENDPOINTS"]

MOST_ASSETS = 300


def _destination(call: Call) -> Account:
    """The account of the API key in the header: the signature is the source's. Raises -2014 or -2015."""
    text = call.request.headers.get("x-mbx-apikey")
    if not text:
        raise refusals.api_key_format()
    key = call.services.registry.api_key(text)
    account = None if key is None else call.services.registry.account(key.account_id)
    if key is None or account is None or not key.can_trade:
        raise refusals.invalid_api_key()
    return account


def _refuse_busy(call: Call, account_id: str) -> None:
    spot = call.exchange.spot
    if any(position.lots for position in call.exchange.positions(account_id, None)):
        raise VenueRefusal(-4068, "Assets cannot be migrated if there exists position.")
    if call.exchange.open_orders(account_id, None) or (spot and spot.open_orders(account_id, None)):
        raise VenueRefusal(-4067, "Assets cannot be migrated if there exists open orders.")


def migrate(call: Call) -> Any:
    """Move every asset of a wallet that has neither positions nor orders to the account of the API key."""
    target = _destination(call)
    source = wallet_account(call, "UserAssetMigrate")
    if source is target:
        raise refusals.invalid_parameter("user")
    _refuse_busy(call, source.account_id)
    moved: list[MovedAsset] = []
    move_id = 1_000_000 + sum(len(batch) for batch in call.services.migrations.values())
    for view in call.exchange.account(source.account_id).assets:
        if view.max_withdraw_atoms > 0 and len(moved) < MOST_ASSETS:
            amount = Decimal(view.max_withdraw_atoms) / ATOMS
            call.exchange.deposit(source.account_id, view.asset, -amount)
            call.exchange.deposit(target.account_id, view.asset, amount)
            moved.append(MovedAsset(view.asset, view.max_withdraw_atoms, move_id + len(moved)))
    spot = call.exchange.spot
    for balance in spot.balances(source.account_id) if spot is not None else ():
        if spot is not None and balance.free_atoms > 0 and len(moved) < MOST_ASSETS:
            amount = Decimal(balance.free_atoms) / ATOMS
            spot.deposit(source.account_id, balance.asset, -amount)
            spot.deposit(target.account_id, balance.asset, amount)
            moved.append(MovedAsset(balance.asset, balance.free_atoms, move_id + len(moved)))
    if not moved:
        return {}
    batch_id = f"m{move_id:021d}"
    for account_id in (source.account_id, target.account_id):
        call.services.migrations[account_id, batch_id] = tuple(moved)
    return {"batchId": batch_id}


def migration_history(call: Call) -> Any:
    """What one migration of the account has moved; all of it at once, so that nothing is ever pending."""
    batch_id = call.params.text("batchId")
    moved = call.services.migrations.get((call.account_id, batch_id))
    if moved is None:
        raise refusals.invalid_parameter("batchId")
    return {
        "batchId": batch_id,
        "totalCount": len(moved),
        "successCount": len(moved),
        "processingCount": 0,
        "failCount": 0,
        "initCount": 0,
        "details": [
            {
                "id": number,
                "asset": each.asset,
                "amount": atoms_text(each.atoms),
                "tranId": each.transfer_id,
                "status": "S",
                "fromStatus": "S",
                "fromErrorCode": None,
                "fromResponse": None,
                "toStatus": "S",
                "toErrorCode": None,
                "toResponse": None,
            }
            for number, each in enumerate(moved, start=1)
        ],
    }


def announcements(call: Call) -> Any:
    """A page of the account's announcements, of which there are none."""
    for name in ("page", "size"):
        call.params.optional_integer(name, low=1)
    return {"total": 0, "rows": []}


def announcement(call: Call) -> Any:
    """One announcement; there are none."""
    call.params.integer("id", low=0)
    raise refusals.invalid_parameter("id")


_READ, _WALLET = Security.USER_DATA, Security.WALLET

CUSTODY_ENDPOINTS = (
    Endpoint("POST", "asset/migrateUser", (3,), _WALLET, migrate, 50),
    Endpoint("GET", "asset/migrateUser/history", (3,), _READ, migration_history, 50),
    Endpoint("GET", "announcement/direct", (3,), _READ, announcements),
    Endpoint("GET", "announcement/directById", (3,), _READ, announcement),
)
