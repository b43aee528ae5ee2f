"""What earlier sessions knew about the account, brought up to date with what was moved in and out since."""

from collections.abc import Mapping
from decimal import Decimal

import msgspec
import structlog

from aster_operator.database.queries import USD_ASSETS
from aster_operator.domain.money import ZERO
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.execution.account_memory import ACCOUNT_MEMORY, AccountMemory

__all__ = ["recall_account"]

_log = structlog.get_logger("session")

_TRANSFER = "TRANSFER"
_SAME_MS = 5_000
"""A transfer this close to the last thing written down was heard of on the stream and is in it already."""


async def recall_account(
    client: ExchangeClient, memory: Mapping[str, Mapping[str, str]], now_ms: int
) -> AccountMemory:
    """The account's memory out of `memory` (by strategy name and key); an empty one when there is none.

    Money paid in or taken out while no session ran is neither gain nor loss. Raises ExchangeError.
    """
    name, key = ACCOUNT_MEMORY
    text = memory.get(name, {}).get(key)
    if text is None:
        return AccountMemory()
    try:
        known = AccountMemory.of_text(text)
    except msgspec.DecodeError as error:
        _log.warning("what was remembered about the account cannot be read: begun anew", error=str(error))
        return AccountMemory()
    if known.marks is None:
        return known
    moved = await _moved_since(client, known.as_of_ms + _SAME_MS, now_ms)
    if not moved:
        return known
    _log.info("money was moved while no session ran", amount_usd=str(moved))
    return msgspec.structs.replace(known, marks=known.marks.moved(moved, now_ms), as_of_ms=now_ms)


async def _moved_since(client: ExchangeClient, since_ms: int, now_ms: int) -> Decimal:
    if since_ms >= now_ms:
        return ZERO
    rows = await client.income_rows(since_ms, now_ms, income_type=_TRANSFER)
    return sum((row.income for row in rows if row.asset in USD_ASSETS), ZERO)
