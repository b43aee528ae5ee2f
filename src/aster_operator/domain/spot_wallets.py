"""The spot wallet at both ends of a session, and what trades do to it."""

from decimal import Decimal

import msgspec

from aster_operator.domain.fills import Fill
from aster_operator.domain.money import ZERO

__all__ = ["SpotWallets", "spot_changes"]


class SpotWallets(msgspec.Struct, frozen=True, kw_only=True):
    """The spot wallet by asset, free and locked together; `coins` are (base, quote) of each spot symbol."""

    opening: dict[str, Decimal]
    closing: dict[str, Decimal]
    coins: dict[str, tuple[str, str]]


def spot_changes(fill: Fill, assets: tuple[str, str]) -> dict[str, Decimal]:
    """What a spot trade does to the wallet, by asset; `assets` are those of its symbol, (base, quote)."""
    base, quote = assets
    sign = fill.side.sign
    changes = {base: sign * fill.quantity, quote: -sign * fill.notional}
    changes[fill.commission_asset] = changes.get(fill.commission_asset, ZERO) - fill.commission
    return changes
