"""The account's own commission rates."""

from decimal import Decimal

import msgspec

__all__ = ["FeeRates"]


class FeeRates(msgspec.Struct, frozen=True, kw_only=True):
    """Fractions of notional (0.0004 = 4 bps); a negative rate is a rebate."""

    symbol: str
    maker: Decimal
    taker: Decimal
