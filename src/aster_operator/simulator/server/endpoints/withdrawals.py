"""Withdrawals (protocol reference, section 4.8): verified and booked as on the venue; no chain is behind it.

What leaves an account is taken off its balance and appears in its history with the digest of the wallet's
signature in place of a transaction.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from eth_hash.auto import keccak

from aster_operator.domain.money import plain_text
from aster_operator.simulator.model import ATOMS, VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Security, signature_bytes
from aster_operator.simulator.server.eip712 import recover_address, withdrawal_digest
from aster_operator.simulator.server.endpoints.agents import address_parameter
from aster_operator.simulator.server.number_text import trimmed_atoms_text
from aster_operator.simulator.server.routing import Call, Endpoint, Withdrawal

__all__ = ["WITHDRAWAL_ENDPOINTS"]

FEE_USD = Decimal("0.5")
"""What a withdrawal costs on every chain; the venue follows the price of gas."""
USER_DAILY_LIMIT_USD = 1_000_000
TOTAL_DAILY_LIMIT_USD = 100_000_000
EVM_CHAINS = {
    1: ("ETH", "Ethereum", "ERC20"),
    56: ("BSC", "BEP20", "BNB"),
    42161: ("Arbitrum", "ARB", "ARBITRUM", "ARBONE", "Arbi"),
}
"""Chain id -> names a wallet may have signed for it; the venue documents the first ones only."""
SOLANA_CHAIN = 101
MAX_AMOUNT_DIGITS = 20


@dataclass(frozen=True, slots=True)
class _Order:
    """What is asked for; `amount_text` and `fee_text` as they were sent and signed."""

    asset: str
    amount: Decimal
    fee: Decimal
    chain_id: int


def _known_asset(call: Call) -> str:
    asset = call.params.text("asset")
    known = {
        name
        for spec in call.exchange.contracts().values()
        for name in (spec.instrument.margin_asset, spec.instrument.base_asset)
    }
    if asset not in known:
        raise refusals.invalid_parameter("asset")
    return asset


def _fee(call: Call, asset: str) -> Decimal:
    """The least fee in units of the asset."""
    price = Decimal(call.exchange.asset_price_e8(asset)) / ATOMS
    return FEE_USD / price if price > 0 else FEE_USD


def estimate_fee(call: Call) -> Any:
    """Price of an asset and what withdrawing it costs."""
    asset = _known_asset(call)
    if call.params.integer("chainId", low=0) not in (*EVM_CHAINS, SOLANA_CHAIN):
        raise refusals.invalid_parameter("chainId")
    price = Decimal(call.exchange.asset_price_e8(asset)) / ATOMS
    return {
        "tokenPrice": float(price),
        "gasCost": float(round(_fee(call, asset), 8)),
        "gasUsdValue": float(FEE_USD),
    }


def _may_withdraw(call: Call) -> None:
    """An agent needs the permission; a wallet that signs for itself, and an API key, have it."""
    identity, account = call.identity, call.services.registry.account(call.account_id)
    if identity is None or identity.signer in (None, call.account_id) or account is None:
        return
    agent = account.agents.get(str(identity.signer))
    if agent is None or not agent.can_withdraw:
        raise refusals.invalid_api_key()


def _order(call: Call, chains: tuple[int, ...]) -> _Order:
    _may_withdraw(call)
    chain_id = call.params.integer("chainId", low=0)
    if chain_id not in chains:
        raise refusals.invalid_parameter("chainId")
    asset = _known_asset(call)
    amount, fee = call.params.decimal("amount"), call.params.decimal("fee")
    if amount <= 0:
        raise VenueRefusal(-1113, "Withdrawal amount must be positive.")
    if fee < round(_fee(call, asset), 8) or fee >= amount:
        raise refusals.invalid_parameter("fee")
    return _Order(asset, amount, fee, chain_id)


def _check_wallet(call: Call, order: _Order) -> bytes:
    """The digest the main wallet has signed. Raises VenueRefusal(-1022) when it has not."""
    receiver = bytes.fromhex(address_parameter(call, "receiver").removeprefix("0x"))
    text = call.params.text("userNonce", "nonce")
    if not text.isdecimal() or len(text) > MAX_AMOUNT_DIGITS:
        raise refusals.invalid_parameter("userNonce")
    signature = signature_bytes(call.params.text("userSignature"))
    for chain in EVM_CHAINS[order.chain_id]:
        for venue in ("Mainnet", "Testnet"):
            digest = withdrawal_digest(
                chain_id=order.chain_id,
                chain=chain,
                receiver=receiver,
                asset=order.asset,
                amount=call.params.text("amount"),
                fee=call.params.text("fee"),
                nonce=int(text),
                venue=venue,
            )
            if signature is not None and recover_address(digest, signature) == call.account_id:
                return digest
    raise refusals.invalid_signature()


def _pay_out(call: Call, order: _Order, digest: bytes) -> Any:
    """Take the money off the wallet the path belongs to.

    As on the venue the futures wallet is filled up from spot when it holds too little. Raises VenueRefusal:
    -2018 for too much, -1130 for a signature that has been paid already.
    """
    done = call.services.withdrawals.setdefault(call.account_id, {})
    if digest in done:
        raise refusals.invalid_parameter("userSignature")
    from_spot = call.request.path.startswith("/api/")
    if from_spot:
        if call.exchange.spot is None:
            raise refusals.unsupported_operation()
        call.exchange.spot.deposit(call.account_id, order.asset, -order.amount)
        call.services.spot.changed(call.account_id)
    else:
        _fill_up(call, order)
        call.exchange.deposit(call.account_id, order.asset, -order.amount)
    number = 1_000_000 + sum(len(each) for each in call.services.withdrawals.values())
    done[digest] = Withdrawal(
        str(number),
        order.asset,
        plain_text(order.amount),
        order.chain_id,
        "spot" if from_spot else "perp",
        call.exchange.now_ms,
    )
    return {"withdrawId": str(number), "hash": f"0x{digest.hex()}"}


def _fill_up(call: Call, order: _Order) -> None:
    views = call.exchange.account(call.account_id).assets
    held = next((view.max_withdraw_atoms for view in views if view.asset == order.asset), 0)
    missing = order.amount - Decimal(held) / ATOMS
    if missing > 0 and call.exchange.spot is not None:
        call.exchange.transfer(call.account_id, order.asset, missing, to_spot=False)
        call.services.spot.changed(call.account_id)


def withdraw(call: Call) -> Any:
    """Withdraw to an address of an EVM chain; the main wallet signs apart from the request."""
    order = _order(call, tuple(EVM_CHAINS))
    return _pay_out(call, order, _check_wallet(call, order))


def withdraw_to_solana(call: Call) -> Any:
    """Withdraw to Solana; its second signature is not required, and not judged: its key is unknown here."""
    order = _order(call, (SOLANA_CHAIN,))
    receiver = call.params.text("receiver")
    unique = f"{receiver}:{order.asset}:{order.amount}:{call.services.clock.now_us()}"
    return _pay_out(call, order, keccak(unique.encode()))


def withdraw_info(call: Call) -> Any:
    """What may leave each wallet, at most, and what that costs."""
    spot = call.services.spot.balances(call.account_id)
    perpetual = {
        view.asset: view.max_withdraw_atoms for view in call.exchange.account(call.account_id).assets
    }
    held = [
        (asset, perpetual.get(asset, 0), spot.get(asset, (Decimal(0), Decimal(0)))[0])
        for asset in dict.fromkeys([*perpetual, *spot])
    ]
    return {
        "userDailyLimit": str(USER_DAILY_LIMIT_USD),
        "userRemainingDailyLimit": str(USER_DAILY_LIMIT_USD),
        "totalDailyLimit": str(TOTAL_DAILY_LIMIT_USD),
        "totalRemainingDailyLimit": str(TOTAL_DAILY_LIMIT_USD),
        "balances": {
            asset: {
                "currency": asset,
                "spotTotalWithdrawAmount": plain_text(free),
                "perpTotalWithdrawAmount": trimmed_atoms_text(atoms),
                "dailyLimit": str(USER_DAILY_LIMIT_USD),
                "chainBalances": {
                    str(chain): {
                        "chainId": chain,
                        "spotMaxWithdrawAmount": plain_text(free),
                        "perpMaxWithdrawAmount": trimmed_atoms_text(atoms),
                        "chainLimit": plain_text(free + Decimal(atoms) / ATOMS),
                        "withdrawFee": plain_text(round(_fee(call, asset), 8)),
                    }
                    for chain in (*EVM_CHAINS, SOLANA_CHAIN)
                },
            }
            for asset, atoms, free in held
            if atoms or free
        },
    }


def deposit_withdraw_history(call: Call) -> Any:
    """The account's withdrawals, oldest first; nothing has come over a chain."""
    return [
        {
            "id": each.number,
            "type": "WITHDRAW",
            "asset": each.asset,
            "amount": each.amount,
            "state": "SUCCESS",
            "txHash": f"0x{digest.hex()}",
            "time": each.time_ms,
            "chainId": each.chain_id,
            "accountType": each.wallet,
        }
        for digest, each in call.services.withdrawals.get(call.account_id, {}).items()
    ]


_READ, _NONE = Security.USER_DATA, Security.NONE

WITHDRAWAL_ENDPOINTS = (
    Endpoint("POST", "aster/user-withdraw-info", (0, 3), _READ, withdraw_info),
    Endpoint("POST", "aster/deposit-withdraw-history", (0, 3), _READ, deposit_withdraw_history),
    Endpoint("POST", "aster/user-withdraw", (0, 3), _READ, withdraw),
    Endpoint("POST", "aster/user-solana-withdraw", (0, 3), _READ, withdraw_to_solana),
    Endpoint("POST", "aster/user-withdraw", (1, 3), _READ, withdraw, product="api"),
    Endpoint("POST", "aster/user-solana-withdraw", (1, 3), _READ, withdraw_to_solana, product="api"),
    Endpoint("GET", "aster/withdraw/estimateFee", (1, 3), _NONE, estimate_fee, product="api"),
)
