"""Getting the account ready for single positions: leverage and margin type of every symbol."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from aster_operator.domain.enums import MarginType

__all__ = ["RiskSetup", "RiskSetupClient", "ensure_risk_setup"]


class RiskSetupClient(Protocol):
    """What of a venue the set-up needs; every `ExchangeClient` has it."""

    async def set_margin_type(self, symbol: str, margin_type: MarginType) -> None:
        """Idempotent."""

    async def set_leverage(self, symbol: str, leverage: int) -> int:
        """The leverage the venue confirms."""


class RiskSetup(msgspec.Struct, frozen=True, kw_only=True):
    leverage: int
    margin_type: MarginType


async def ensure_risk_setup(
    client: RiskSetupClient,
    symbols: Sequence[str],
    leverage: int = 10,
    margin_type: str = "ISOLATED",
) -> dict[str, RiskSetup]:
    """Set margin type and leverage of each symbol; what the venue confirms, by symbol.

    `margin_type` is ISOLATED or CROSSED. Raises ValueError for another word, ExchangeError for what the venue
    refuses: the margin type of a symbol that holds a position cannot be changed.
    """
    kind = MarginType(margin_type)
    confirmed = {}
    for symbol in symbols:
        await client.set_margin_type(symbol, kind)
        confirmed[symbol] = RiskSetup(leverage=await client.set_leverage(symbol, leverage), margin_type=kind)
    return confirmed
