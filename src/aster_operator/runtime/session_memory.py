"""What the books remember for the next start: the pairs that were open and the volume already traded."""

from decimal import Decimal
from pathlib import Path

import msgspec
from sqlalchemy import URL, Connection, select

from aster_operator.database import queries
from aster_operator.database.engine import describing_errors, normalised_url, open_engine
from aster_operator.database.models import Position, StrategyMemory
from aster_operator.database.schema import stored_revision
from aster_operator.database.selection import LedgerKey, Selection
from aster_operator.domain.clock import utc_day_start_ms
from aster_operator.domain.enums import PositionSide
from aster_operator.domain.pairing import LegHedge, Market, market_of
from aster_operator.execution.reconciliation import RememberedLeg, RememberedPair
from aster_operator.runtime.spot_start import own_coins

__all__ = ["SessionMemory", "open_quantities", "remember", "strategy_memory"]

_ONE = Decimal(1)
"""How the legs of old rows count: both were on one symbol."""


class SessionMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Open pairs of earlier runs on one account, today's traded notional (UTC day start in ms to USD), and
    what other strategies remember, by their name and a key of theirs."""

    pairs: tuple[RememberedPair, ...]
    volume_by_day: dict[int, Decimal]
    strategies: dict[str, dict[str, str]] = {}


def remember(connection: Connection, book: LedgerKey, now_ms: int) -> SessionMemory:
    """Read the memory of `book` as of `now_ms`."""
    day_ms = utc_day_start_ms(now_ms)
    today = queries.totals(connection, Selection(book=book, since_ms=day_ms))
    return SessionMemory(
        pairs=_open_pairs(connection, book),
        volume_by_day={day_ms: today.volume} if today.volume else {},
        strategies=strategy_memory(connection, book),
    )


def strategy_memory(connection: Connection, book: LedgerKey) -> dict[str, dict[str, str]]:
    """What strategies and the session itself remember, by a name and a key of theirs."""
    statement = select(StrategyMemory.__table__).order_by(StrategyMemory.id)
    rows = connection.execute(
        Selection(book=book).narrow(statement, StrategyMemory, StrategyMemory.updated_ms)
    )
    memory: dict[str, dict[str, str]] = {}
    for row in rows:
        memory.setdefault(row.strategy, {})[row.key] = row.state_json
    return memory


def _open_pairs(connection: Connection, book: LedgerKey) -> tuple[RememberedPair, ...]:
    statement = select(Position.__table__).where(Position.is_active).order_by(Position.id)
    rows = connection.execute(Selection(book=book).narrow(statement, Position, Position.opened_ms))
    legs: dict[str, dict[str, RememberedLeg]] = {}
    symbols: dict[str, str] = {}
    for row in rows:
        if row.position_ref == row.pair_ref:
            continue  # a single position: its strategy remembers it itself
        symbols[row.pair_ref] = row.symbol
        is_spot = market_of(row.symbol) is Market.SPOT
        legs.setdefault(row.pair_ref, {})[row.position_side] = RememberedLeg(
            symbol=row.symbol,
            quantity=own_coins(connection, book, row.symbol) if is_spot else row.quantity,
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
            long_symbol=_symbol_of(connection, book, pair_ref, PositionSide.LONG),
            short_symbol=_symbol_of(connection, book, pair_ref, PositionSide.SHORT),
        )
        for pair_ref, sides in legs.items()
    )


def _symbol_of(connection: Connection, book: LedgerKey, pair_ref: str, side: PositionSide) -> str:
    """Symbol of a leg, also of one that is closed already; empty for one that never was."""
    statement = select(Position.symbol).where(
        Position.pair_ref == pair_ref, Position.position_side == str(side)
    )
    found = connection.execute(Selection(book=book).narrow(statement, Position, Position.opened_ms)).scalar()
    return "" if found is None else str(found)


def open_quantities(database_url: str | URL, book: LedgerKey) -> dict[tuple[str, str], Decimal]:
    """What the books hold open, by symbol and position side; nothing where there are no books yet.

    Looks only: books are neither created nor migrated. Raises DatabaseProblem for books that cannot be read.
    """
    url = normalised_url(database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return {}
    engine = open_engine(url)
    held: dict[tuple[str, str], Decimal] = {}
    try:
        with describing_errors(url), engine.connect() as connection:
            if stored_revision(connection) is None:
                return {}
            statement = select(Position.symbol, Position.position_side, Position.quantity).where(
                Position.is_active
            )
            for row in connection.execute(
                Selection(book=book).narrow(statement, Position, Position.opened_ms)
            ):
                key = (row.symbol, str(row.position_side))
                held[key] = held.get(key, Decimal(0)) + abs(row.quantity)
    finally:
        engine.dispose()
    return held
