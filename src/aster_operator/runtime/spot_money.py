"""How much of the money lies in the spot wallet, and which coins are traded there."""

from collections.abc import Mapping
from decimal import Decimal

from aster_operator.config.settings import Settings
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.pairing import Market, market_of
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.runtime.core_settings import risk_limits

__all__ = ["coins_of", "money_for_spot", "move_play_money"]

_ROOM = Decimal("1.02")
"""Prices move between sizing and buying, and fees are paid."""


def money_for_spot(settings: Settings) -> Decimal:
    """What the spot legs of all carry pairs need, for accounts that are made for a session."""
    return (len(settings.symbols) * risk_limits(settings).leg_notional_usd * _ROOM).quantize(Decimal("0.01"))


async def move_play_money(client: AsterClient, settings: Settings, transfer_id: str) -> None:
    """On the embedded exchange, bring the spot wallet up to what the spot legs need. Real money is its
    owner's to move. Raises ExchangeError when the futures wallet has not enough."""
    wallet = {row.asset: row.free for row in (await client.spot.account()).balances}
    missing = money_for_spot(settings) - wallet.get("USDT", Decimal(0))
    if missing > 0:
        await client.transfer("USDT", missing, to_spot=True, client_tran_id=transfer_id)


def coins_of(instruments: Mapping[str, Instrument]) -> dict[str, tuple[str, str]]:
    """(base, quote) of each spot symbol among `instruments`."""
    return {
        symbol: (each.base_asset, each.quote_asset)
        for symbol, each in instruments.items()
        if market_of(symbol) is Market.SPOT
    }
