"""Auto-exchange of multi-assets mode: a wallet in debt is covered out of the other assets (section 9.1).

The venue does it when a debt passes the threshold, when a liquidation needs it, and when the collateral no
longer covers the debts. It takes no commission, but an asset is worth only its collateral value in it.
"""

from aster_operator.simulator.accounts import Account
from aster_operator.simulator.clearing import Clearing
from aster_operator.simulator.collateral import AUTO_EXCHANGE_BELOW_USD
from aster_operator.simulator.model import ATOMS
from aster_operator.simulator.state import ExchangeState

__all__ = ["AutoExchange"]


class AutoExchange:
    """Converts collateral of one account at a time."""

    def __init__(self, state: ExchangeState, clearing: Clearing) -> None:
        self._state = state
        self._clearing = clearing

    def check(self, account: Account) -> None:
        """Cover the debts that are due; does nothing for an account without debts, or without pooling."""
        if not account.multi_assets or min(account.wallet_atoms.values(), default=0) >= 0:
            return
        collateral = self._state.collateral
        idle = not account.open_orders and not any(account.open_positions())
        exhausted = idle and collateral.pool_atoms(account) <= 0
        for asset, atoms in tuple(account.wallet_atoms.items()):
            if atoms < 0:
                due = collateral.value_atoms(asset, atoms) < AUTO_EXCHANGE_BELOW_USD * ATOMS
                if due or exhausted:
                    self.cover(account, asset)

    def cover(self, account: Account, asset: str) -> None:
        """Exchange other assets, each in proportion to its value, until the wallet of `asset` is not below
        zero, as far as they reach."""
        collateral, ledger = self._state.collateral, self._state.ledger
        price_e8 = collateral.price_e8(asset)
        needed = -account.wallet(asset)
        if needed <= 0 or price_e8 == 0:
            return
        values = {
            other: collateral.margin_atoms(other, atoms)
            for other, atoms in account.wallet_atoms.items()
            if other != asset and atoms > 0
        }
        total = sum(values.values())
        if total <= 0:
            return
        wanted_usd = min(total, -(-needed * price_e8 // ATOMS))
        for other, value in values.items():
            given = -(-account.wallet(other) * wanted_usd // total)
            gained = min(value * wanted_usd // total * ATOMS // price_e8, -min(0, account.wallet(asset)))
            if other == next(reversed(values)) and wanted_usd < total:
                # The last one also brings what rounding left over.
                gained = -min(0, account.wallet(asset))
            ledger.auto_exchange(account, other, -given)
            ledger.auto_exchange(account, asset, gained)
            for name, change in ((other, -given), (asset, gained)):
                self._clearing.book_income(account, "", "AUTO_EXCHANGE", change, name)
                self._clearing.publish_account(account, name, "AUTO_EXCHANGE", change_atoms=change)
