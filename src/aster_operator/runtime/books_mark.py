"""Up to when the books of an account are known to be complete, kept for the next start.

A session writes the mark when it begins, moves it forward while it hears and reads everything, and removes it
once its books stand beside the venue's. A mark that is still there belongs to a session that was killed, or
that could not reach the venue at its end: what it may have missed is read before anything else.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from aster_operator.database.recorder import TradeRecorder
from aster_operator.domain.clock import DAY_MS
from aster_operator.domain.commands import Notify, NotifyLevel, Remember
from aster_operator.domain.fills import settled_cash
from aster_operator.domain.pairing import Market, market_of
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.exchange.spot_protocol import SpotWallet

__all__ = ["BOOKS_MARK", "BooksMark", "mark_command", "repair_books", "utc_text"]

BOOKS_MARK = ("books", "complete until")
"""Name and key that the books keep the mark under."""

_log = structlog.get_logger("session")


class BooksMark(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing that was traded on `symbols` or settled on the account up to `until_ms` (market time) can be
    missing."""

    until_ms: int
    symbols: tuple[str, ...]


def mark_command(mark: BooksMark | None, at_ms: int) -> Remember:
    """The command that keeps a mark; None takes it away."""
    name, key = BOOKS_MARK
    text = None if mark is None else msgspec.json.encode(mark).decode()
    return Remember(at_ms=at_ms, strategy=name, key=key, state=text)


async def repair_books(
    client: ExchangeClient, recorder: TradeRecorder, text: str | None, now_ms: int
) -> Notify | None:
    """Enter what the session that left `text` behind may have missed; what to tell the owner, None when
    nothing was missing. Raises ExchangeError when the venue cannot be read."""
    if text is None:
        return None
    try:
        mark = msgspec.json.decode(text, type=BooksMark)
    except msgspec.DecodeError as error:
        _log.warning("the mark of the books cannot be read: they are taken as they are", error=str(error))
        return None
    fills = [
        fill
        for symbol in _readable(client, mark.symbols)
        for fill in await client.fills(symbol, mark.until_ms, now_ms)
    ]
    rows = settled_cash(await client.income_rows(mark.until_ms + 1, now_ms))
    trades, settled = recorder.record_fills(fills), recorder.record_income_rows(rows)
    times = [*(fill.event_ms for fill in fills), *(row.time_ms for row in rows)]
    for day in sorted({time_ms // DAY_MS for time_ms in times}):
        recorder.update_daily_stats(day * DAY_MS)
    if not trades and not settled:
        return None
    return Notify(
        at_ms=now_ms,
        level=NotifyLevel.WARNING,
        message=f"the books of an earlier session were incomplete since {utc_text(mark.until_ms)}: "
        f"read back from the venue: {_count(trades, 'trade')}, {_count(settled, 'settled row')}",
    )


def _readable(client: ExchangeClient, symbols: Sequence[str]) -> list[str]:
    """Spot markets are read by a session that trades spot: it looks back a day by itself."""
    has_spot = isinstance(client, SpotWallet)
    return [symbol for symbol in symbols if has_spot or market_of(symbol) is Market.PERP]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def utc_text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
