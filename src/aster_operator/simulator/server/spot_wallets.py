"""Transfers between the futures and the spot wallet of an account (section 4.6), and what the latter holds.

The money itself is in the exchange's books, so that one audit covers both sides.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from aster_operator.domain.clock import DAY_MS
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.model import ATOMS, VenueRefusal
from aster_operator.simulator.server import refusals

__all__ = ["SpotWallets"]

TRANSFER_ID_REMEMBERED_MS = 7 * DAY_MS
MAX_TRANSFER_ID = 64


class SpotWallets:
    """Numbers transfers and refuses those whose client id was used within seven days."""

    def __init__(
        self,
        exchange: ExchangeApi,
        on_transfer: Callable[[str, bool], None] = lambda _account, _to_spot: None,
    ) -> None:
        """`on_transfer` is told the account and whether the money went to spot."""
        self._exchange = exchange
        self._on_transfer = on_transfer
        self._transfer_ids: dict[tuple[str, str], int] = {}
        self._transfers = 0

    def balances(self, account_id: str) -> Mapping[str, tuple[Decimal, Decimal]]:
        """(free, locked) of every asset ever held; empty on an exchange without a spot side."""
        spot = self._exchange.spot
        if spot is None:
            return {}
        return {
            each.asset: (Decimal(each.free_atoms) / ATOMS, Decimal(each.locked_atoms) / ATOMS)
            for each in spot.balances(account_id)
        }

    def changed(self, account_id: str) -> None:
        """Money has left the spot wallet by another way; its streams tell."""
        self._on_transfer(account_id, False)

    def transfer(self, account_id: str, asset: str, amount: Decimal, client_id: str, to_spot: bool) -> int:
        """Move `amount` and return the transfer's id.

        Raises VenueRefusal: -1020 on an exchange without a spot side, -4055 for no amount, -2018 for too
        much, -4114 and -4115 for the client id.
        """
        if self._exchange.spot is None:
            raise refusals.unsupported_operation()
        if amount <= 0:
            raise VenueRefusal(-4055, "Amount must be positive.")
        self._refuse_client_id(account_id, client_id)
        if asset not in {view.asset for view in self._exchange.account(account_id).assets}:
            raise refusals.invalid_parameter("asset")
        self._exchange.transfer(account_id, asset, amount, to_spot=to_spot)
        self._on_transfer(account_id, to_spot)
        return self._number(account_id, client_id)

    def send(self, account_id: str, target: str, asset: str, amount: Decimal, client_id: str | None) -> int:
        """Move `amount` to the spot wallet of another account; refusals as for `transfer`."""
        spot = self._exchange.spot
        if spot is None:
            raise refusals.unsupported_operation()
        if amount <= 0:
            raise VenueRefusal(-4055, "Amount must be positive.")
        if client_id is not None:
            self._refuse_client_id(account_id, client_id)
        spot.deposit(account_id, asset, -amount, "TRANSFER_SPOT_TO_SPOT")
        spot.deposit(target, asset, amount, "TRANSFER_SPOT_TO_SPOT")
        self._on_transfer(account_id, False)
        self._on_transfer(target, True)
        return self._number(account_id, client_id)

    def _refuse_client_id(self, account_id: str, client_id: str) -> None:
        if len(client_id) >= MAX_TRANSFER_ID:
            raise VenueRefusal(-4114, "Client tran id length is not valid.")
        used_ms = self._transfer_ids.get((account_id, client_id))
        if used_ms is not None and self._exchange.now_ms - used_ms < TRANSFER_ID_REMEMBERED_MS:
            raise VenueRefusal(-4115, "Client tran id is duplicated.")

    def _number(self, account_id: str, client_id: str | None) -> int:
        if client_id is not None:
            self._transfer_ids[account_id, client_id] = self._exchange.now_ms
        self._transfers += 1
        return self._transfers
