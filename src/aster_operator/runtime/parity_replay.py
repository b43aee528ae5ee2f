"""A session's journal replayed: the same core and settings on the market that was recorded meanwhile.

The replayed session hears the recording and trades on the embedded exchange in process, at once and without
a network; what its owner asked for comes at the same market times. What it does otherwise than the journal
says is what the real world did.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from aster_operator.backtest.parity.record import SessionRecord
from aster_operator.config.problems import UserProblem
from aster_operator.domain.clock import Clock, ManualClock
from aster_operator.domain.enums import OrderType, PositionSide
from aster_operator.domain.events import Event, OperatorRequested, ParametersChanged, VenueSnapshotTaken
from aster_operator.domain.orders import NewOrder
from aster_operator.domain.pairing import PairKind
from aster_operator.execution.core import TradingCore
from aster_operator.execution.core_state import CoreSettings
from aster_operator.execution.reconciliation import RememberedPair
from aster_operator.market_data.catalog.problems import CatalogError
from aster_operator.market_data.history import HistoryError
from aster_operator.runtime.embedded_venue import EmbeddedVenueOptions, embedded_exchange
from aster_operator.runtime.journal import JournalHeader, read_journal
from aster_operator.runtime.lockstep import ExchangeStepper, LockstepDriver
from aster_operator.runtime.memory_books import MemoryBooks
from aster_operator.runtime.session import Session
from aster_operator.runtime.venue_setup import SinglePositions, prepare_venue
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient

__all__ = ["RecordedSession", "ReplayedSession", "find_journal", "read_session", "replay_session"]

_ACCOUNT = "parity"
_LATE_MS = 60_000
"""A recording may begin so long after the session: nothing is decided before its first minute has closed."""


class RecordedSession(msgspec.Struct, frozen=True):
    """A journal as it was: settings, what happened, the account's money at the start (None: never told), and
    what came from outside the market."""

    path: Path
    header: JournalHeader
    record: SessionRecord
    deposit: Decimal | None
    wishes: tuple[Event, ...]


class ReplayedSession(msgspec.Struct, frozen=True):
    """What the replay did; `lookback_minutes` is how far back its strategies look."""

    record: SessionRecord
    lookback_minutes: int
    end_ms: int


def find_journal(folder: Path, session: str | None, since_ms: int | None) -> Path:
    """The journal of a session by its id, or of the newest one that was still running at `since_ms`.

    Raises UserProblem.
    """
    if session is not None:
        for path in (Path(session), folder / session, folder / f"{session}.journal"):
            if path.is_file():
                return path
        known = sorted(path.stem for path in folder.glob("*.journal"))[-3:]
        raise UserProblem(
            f"there is no session {session}", str(folder), f"the newest are {', '.join(known) or 'none'}"
        )
    journals = sorted(folder.glob("*.journal"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    for path in reversed(journals):
        if since_ms is None or read_session(path).record.last_ms >= since_ms:
            return path
    raise UserProblem("no session was running then", str(folder), "give another --since, or --session ID")


def read_session(path: Path) -> RecordedSession:
    """Read a journal whole. Raises UserProblem when it is none."""
    try:
        header, facts = read_journal(path)
        record, wishes = _record_of(header), []
        deposit: Decimal | None = None
        for fact in facts:
            if not isinstance(fact, Event):
                record.command(fact)
                continue
            record.event(fact)
            if isinstance(fact, OperatorRequested | ParametersChanged):
                wishes.append(fact)
            elif isinstance(fact, VenueSnapshotTaken) and deposit is None:
                deposit = fact.account.total_wallet_balance
    except (ValueError, msgspec.DecodeError, OSError) as error:
        raise UserProblem(str(error), "parity", "name a session of aster-operator run") from error
    return RecordedSession(path, header, record, deposit, tuple(wishes))


async def replay_session(
    recorded: RecordedSession,
    venue: EmbeddedVenueOptions,
    clock: Clock,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> ReplayedSession:
    """Replay a session on the market of `venue` (its symbols and deposit are taken from the journal).

    Pairs that were held when it began are opened anew just before. Raises UserProblem for a session with a
    spot leg, and for a recording that does not cover its start.
    """
    settings = recorded.header.settings
    kind = _pair_kind(recorded)
    exchange = _exchange(recorded, venue)
    exchange.create_account(_ACCOUNT, {settings.margin_asset: recorded.deposit or venue.deposit_usdt})
    client = InProcessClient(exchange, _ACCOUNT, ManualClock(exchange.now_ms))
    stepper = ExchangeStepper(exchange)
    started_ms = recorded.header.started_ms
    # What happens at the very start is played too: the session had heard it when it began to decide.
    while stepper.now_ms <= started_ms and await stepper.step(started_ms):
        if stepper.now_ms == started_ms:
            break
    if not started_ms <= stepper.now_ms <= started_ms + _LATE_MS:
        raise UserProblem(
            f"the recording does not cover the session: it is at {stepper.now_ms}, the session began at "
            f"{started_ms} (ms, UTC)",
            str(venue.data or "the sample"),
            "name the catalog that was recorded meanwhile",
        )
    pairs = () if settings.delta_neutral is None else settings.delta_neutral.symbols
    await prepare_venue(
        client,
        pairs,
        settings.limits,
        max_clock_uncertainty_ms=60_000,
        positions=_single_positions(settings),
        kind=kind,
    )
    await _hold_again(client, settings.remembered)
    core, record = TradingCore(settings), _record_of(recorded.header)
    session = Session(
        client=client, core=core, books=MemoryBooks(), journal=record, clock=clock, start_ms=started_ms
    )
    end_ms = recorded.record.last_ms

    async def after_step(now_ms: int) -> None:
        if on_progress is not None:
            on_progress(min(1.0, (now_ms - started_ms) / max(1, end_ms - started_ms)))

    driver = LockstepDriver(session, stepper, after_step)
    await driver.start()
    for wish in recorded.wishes:
        await driver.run(wish.event_ms)
        session.post(wish)
        await driver.settle()
    await driver.run(end_ms)
    await session.disconnect()
    lookback = max((desk.warm_up_bars for desk in core.state.desks), default=0)
    return ReplayedSession(record, lookback, min(end_ms, stepper.now_ms))


def _record_of(header: JournalHeader) -> SessionRecord:
    record = SessionRecord()
    record.pairs.begin_with(header.settings.remembered, header.started_ms)
    return record


def _pair_kind(recorded: RecordedSession) -> PairKind:
    """What kind of pairs it traded. Raises UserProblem for one with a spot leg."""
    pairs = recorded.header.settings.delta_neutral
    kinds = {pairing.kind for pairing in pairs.pairs} if pairs is not None else set()
    if PairKind.CARRY in kinds:
        raise UserProblem(
            "pairs with a spot leg cannot be replayed: nobody recorded what the spot wallet held",
            str(recorded.path),
            "compare a session of PAIR_KIND same or cross, or of midfreq",
        )
    return PairKind.CROSS if PairKind.CROSS in kinds else PairKind.SAME


def _single_positions(settings: CoreSettings) -> SinglePositions | None:
    if not settings.positions:
        return None
    desk = settings.positions[0]
    symbols = tuple(symbol for each in settings.positions for symbol in each.symbols)
    return SinglePositions(symbols=symbols, leverage=desk.sizing.leverage, configure=desk.enable_trading)


async def _hold_again(client: InProcessClient, remembered: Sequence[RememberedPair]) -> None:
    """Open what was held when the session began, at the market of that moment."""
    for pair in remembered:
        for side, leg in ((PositionSide.LONG, pair.long), (PositionSide.SHORT, pair.short)):
            if leg is None or leg.quantity == 0:
                continue
            await client.place_order(
                NewOrder(
                    client_order_id=f"again-{pair.pair_ref}-{side[0]}"[:36],
                    symbol=pair.symbol_of(side),
                    side=side.opening_side,
                    position_side=side,
                    order_type=OrderType.MARKET,
                    quantity=leg.quantity,
                    reason="held when the session began",
                )
            )


def _exchange(recorded: RecordedSession, venue: EmbeddedVenueOptions) -> SimulatedExchange:
    symbols = recorded.header.settings.symbols
    try:
        return embedded_exchange(msgspec.structs.replace(venue, symbols=symbols))
    except (HistoryError, CatalogError) as error:
        raise UserProblem(str(error)) from error
