"""What an asset is worth, and what it is worth as margin in multi-assets mode (protocol reference, 9.1).

Dollar coins stand at one dollar; any other asset at the index price of its USDT perpetual here, or at nothing
when there is none. As margin each counts with the share the venue publishes (collateral value ratios of its
margin page); a debt counts in full.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from aster_operator.simulator.accounts import Account
from aster_operator.simulator.model import ATOMS

__all__ = ["AUTO_EXCHANGE_BELOW_USD", "COLLATERAL_RATIOS", "Collateral"]

AUTO_EXCHANGE_BELOW_USD = -10_000
"""A wallet in debt by more than this is covered out of the other assets at once."""
COLLATERAL_RATIOS: Mapping[str, Decimal] = {
    "USDT": Decimal("0.9999"),
    "USDF": Decimal("0.9999"),
    "USD1": Decimal("0.9999"),
    "USDC": Decimal("0.9999"),
    "BTC": Decimal("0.95"),
    "ETH": Decimal("0.95"),
    "BNB": Decimal("0.95"),
}
_OTHER_RATIO = Decimal("0.90")
_DOLLARS = frozenset({"USDT", "USDF", "USD1", "USDC", "USD"})


class Collateral:
    """Values wallets. `index_e8` gives the index price of a perpetual in 10^-8, None when nobody lists it."""

    def __init__(self, index_e8: Callable[[str], int | None]) -> None:
        self._index_e8 = index_e8

    def price_e8(self, asset: str) -> int:
        """Price of one unit in USD times 10^8, 0 when nobody here knows it."""
        if asset in _DOLLARS:
            return ATOMS
        return self._index_e8(f"{asset}USDT") or 0

    @staticmethod
    def ratio_e8(asset: str) -> int:
        return int(COLLATERAL_RATIOS.get(asset, _OTHER_RATIO) * ATOMS)

    def value_atoms(self, asset: str, atoms: int) -> int:
        """`atoms` of the asset in USD at its price, rounded down."""
        return atoms * self.price_e8(asset) // ATOMS

    def margin_atoms(self, asset: str, atoms: int) -> int:
        """What `atoms` of the asset count as margin in USD: a holding after its haircut, a debt in full."""
        value = self.value_atoms(asset, atoms)
        return value * self.ratio_e8(asset) // ATOMS if value > 0 else value

    def pool_atoms(self, account: Account) -> int:
        """The margin of all cross wallets of the account together, in USD."""
        return sum(self.margin_atoms(asset, account.cross_wallet(asset)) for asset in account.wallet_atoms)
