"""The spot wallets beside the futures accounts, and transfers between the two (section 4.6)."""

from collections.abc import Mapping
from decimal import Decimal

from aster_operator.domain.clock import DAY_MS
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.server import refusals

__all__ = ["SpotWallets"]

TRANSFER_ID_REMEMBERED_MS = 7 * DAY_MS
MAX_TRANSFER_ID = 64


class SpotWallets:
    """Transfers, and the balances they lead to.

    An exchange with a spot side keeps them in its own books; for one without, what leaves a futures wallet
    waits here until it goes back.
    """

    def __init__(self, exchange: ExchangeApi) -> None:
        self._exchange = exchange
        self._balances: dict[str, dict[str, Decimal]] = {}
        self._transfer_ids: dict[tuple[str, str], int] = {}
        self._transfers = 0

    def balances(self, account_id: str) -> Mapping[str, tuple[Decimal, Decimal]]:
        """(free, locked) of every asset held."""
        spot = self._exchange.spot
        if spot is None:
            waiting = self._balances.get(account_id, {})
            return {asset: (amount, Decimal(0)) for asset, amount in waiting.items()}
        return {
            each.asset: (Decimal(each.free_atoms).scaleb(-8), Decimal(each.locked_atoms).scaleb(-8))
            for each in spot.balances(account_id)
        }

    def transfer(self, account_id: str, asset: str, amount: Decimal, client_id: str, to_spot: bool) -> int:
        """Move `amount` and return the transfer's id.

        Raises VenueRefusal: -4055 for no amount, -2018 for too much, -4114 and -4115 for the client id.
        """
        if amount <= 0:
            raise VenueRefusal(-4055, "Amount must be positive.")
        if len(client_id) >= MAX_TRANSFER_ID:
            raise VenueRefusal(-4114, "Client tran id length is not valid.")
        used_ms = self._transfer_ids.get((account_id, client_id))
        now_ms = self._exchange.now_ms
        if used_ms is not None and now_ms - used_ms < TRANSFER_ID_REMEMBERED_MS:
            raise VenueRefusal(-4115, "Client tran id is duplicated.")
        if asset not in {view.asset for view in self._exchange.account(account_id).assets}:
            raise refusals.invalid_parameter("asset")
        if self._exchange.spot is not None:
            self._exchange.transfer(account_id, asset, amount, to_spot=to_spot)
        else:
            self._move(account_id, asset, amount, to_spot)
        self._transfer_ids[account_id, client_id] = now_ms
        self._transfers += 1
        return self._transfers

    def _move(self, account_id: str, asset: str, amount: Decimal, to_spot: bool) -> None:
        wallet = self._balances.setdefault(account_id, {})
        held = wallet.get(asset, Decimal(0))
        if to_spot:
            self._exchange.deposit(account_id, asset, -amount)
            wallet[asset] = held + amount
        else:
            if amount > held:
                raise VenueRefusal(-2018, "Balance is insufficient.")
            self._exchange.deposit(account_id, asset, amount)
            wallet[asset] = held - amount
