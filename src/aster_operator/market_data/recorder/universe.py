"""Which symbols there are to record, and what became of those that are no longer traded."""

from collections.abc import Collection, Sequence

from aster_operator.exchange.aster_client import AsterClient
from aster_operator.market_data.recorder.problems import RecorderError

__all__ = ["TRADING", "chosen_symbols", "listed_symbols"]

TRADING = "TRADING"
_PERPETUAL = "PERPETUAL"
_SHOWN = 8


async def listed_symbols(client: AsterClient) -> dict[str, str]:
    """Status by symbol of all perpetuals the venue lists. Raises ExchangeError."""
    information = await client.exchange_info()
    return {
        record.symbol: record.status
        for record in information.symbols
        if record.contract_type in (None, "", _PERPETUAL)
    }


def chosen_symbols(listed: dict[str, str], wanted: Collection[str] | None) -> Sequence[str]:
    """The symbols to record: all that trade when `wanted` is None. Raises RecorderError for unknown ones."""
    trading = [symbol for symbol, status in listed.items() if status == TRADING]
    if wanted is None:
        if not trading:
            raise RecorderError("the venue has no symbol that trades: try again later")
        return sorted(trading)
    unknown = [symbol for symbol in wanted if symbol not in listed]
    if unknown:
        shown = ", ".join(sorted(trading)[:_SHOWN]) + (", …" if len(trading) > _SHOWN else "")
        raise RecorderError(f"--symbols: {', '.join(unknown)} not listed at the venue, which has {shown}")
    return list(dict.fromkeys(wanted))
