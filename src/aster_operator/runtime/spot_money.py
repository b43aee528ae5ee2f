"""How much of the money lies in the spot wallet, and which coins are traded there."""

from collections.abc import Mapping
from decimal import Decimal

from aster_operator.config.settings import Settings
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.pairing import Market, market_of
from aster_operator.runtime.core_settings import risk_limits

__all__ = ["coins_of", "money_for_spot"]

_ROOM = Decimal("1.02")
"""Prices move between sizing and buying, and fees are paid."""


def money_for_spot(settings: Settings) -> Decimal:
    """What the spot legs of all carry pairs need, for accounts that are made for a session."""
    return (len(settings.symbols) * risk_limits(settings).leg_notional_usd * _ROOM).quantize(Decimal("0.01"))


def coins_of(instruments: Mapping[str, Instrument]) -> dict[str, tuple[str, str]]:
    """(base, quote) of each spot symbol among `instruments`."""
    return {
        symbol: (each.base_asset, each.quote_asset)
        for symbol, each in instruments.items()
        if market_of(symbol) is Market.SPOT
    }
