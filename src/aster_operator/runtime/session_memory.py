"""What the books remember for the next start: the pairs that were open and the volume already traded."""

from decimal import Decimal

import msgspec
from sqlalchemy import Connection, select

from aster_operator.database import queries
from aster_operator.database.models import Position
from aster_operator.database.selection import LedgerKey, Selection
from aster_operator.domain.clock import utc_day_start_ms
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.pairing import LegHedge
from aster_operator.execution.reconciliation import RememberedLeg, RememberedPair

__all__ = ["SessionMemory", "remember"]

_ONE = Decimal(1)
"""How the legs of old rows count: both were on one symbol."""


class SessionMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Open pairs of earlier runs on one account, and today's traded notional (UTC day start in ms to USD)."""

    pairs: tuple[RememberedPair, ...]
    volume_by_day: dict[int, Decimal]


def remember(connection: Connection, book: LedgerKey, now_ms: int) -> SessionMemory:
    """Read the memory of `book` as of `now_ms`."""
    day_ms = utc_day_start_ms(now_ms)
    today = queries.totals(connection, Selection(book=book, since_ms=day_ms))
    return SessionMemory(
        pairs=_open_pairs(connection, book),
        volume_by_day={day_ms: today.volume} if today.volume else {},
    )


def _open_pairs(connection: Connection, book: LedgerKey) -> tuple[RememberedPair, ...]:
    statement = select(Position.__table__).where(Position.is_active).order_by(Position.id)
    rows = connection.execute(Selection(book=book).narrow(statement, Position, Position.opened_ms))
    legs: dict[str, dict[str, RememberedLeg]] = {}
    symbols: dict[str, str] = {}
    for row in rows:
        symbols[row.pair_ref] = row.symbol
        legs.setdefault(row.pair_ref, {})[row.position_side] = RememberedLeg(
            symbol=row.symbol,
            quantity=row.quantity,
            entry_price=row.entry_price,
            opened_ms=row.opened_ms,
            hedge=LegHedge(weight=row.hedge_weight or _ONE, beta=row.hedge_beta or _ONE),
        )
    return tuple(
        RememberedPair(
            pair_ref=pair_ref,
            symbol=symbols[pair_ref],
            long=sides.get(PositionSide.LONG),
            short=sides.get(PositionSide.SHORT),
        )
        for pair_ref, sides in legs.items()
    )
