"""Everything one session needs, put together and taken apart again: venue, books, core, journal.

Used alike by the demo (lock-step, embedded exchange) and by `run` (live, a venue that is already there).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import Engine

from aster_operator.config.settings import Settings
from aster_operator.database import queries
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey, Selection
from aster_operator.domain.clock import Clock
from aster_operator.domain.commands import Notify
from aster_operator.domain.fills import Fill, IncomeRow, settled_cash
from aster_operator.domain.money import ZERO
from aster_operator.domain.pairing import PairKind
from aster_operator.domain.spot_wallets import SpotWallets
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.exchange.errors import ExchangeError
from aster_operator.exchange.spot_protocol import SpotWallet
from aster_operator.execution.core import TradingCore
from aster_operator.rewards.profile import load_profile
from aster_operator.runtime.account_recall import recall_account
from aster_operator.runtime.announcement import announced
from aster_operator.runtime.books_mark import BOOKS_MARK, BooksMark, mark_command, repair_books
from aster_operator.runtime.core_settings import core_settings, risk_limits
from aster_operator.runtime.daily_points import daily_points
from aster_operator.runtime.journal import FileJournal, Journal, JournalHeader, NoJournal
from aster_operator.runtime.session import Session
from aster_operator.runtime.session_books import DatabaseBooks
from aster_operator.runtime.session_memory import SessionMemory, remember, strategy_memory
from aster_operator.runtime.session_plan import SessionPlan, with_plan
from aster_operator.runtime.spot_money import coins_of
from aster_operator.runtime.spot_start import catch_up_spot
from aster_operator.runtime.trade_log import TradeLog
from aster_operator.runtime.venue_setup import VenueReady, prepare_venue

__all__ = ["BooksIncomplete", "BothBooks", "SessionIdentity", "TradingSession", "trading_session"]

_log = structlog.get_logger("session")

_CLOSING_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""How long to wait before the venue is asked again for what the books are to be compared with."""
_CLOSING_S = 60.0
"""An end that takes longer than this is none: what is missing is for the next start to read."""


class SessionIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Whose session this is. `run_id` seeds the client order ids; `record_id` names the run in the books.

    `durable_intents` makes order intents outlive a power cut: wanted wherever real money trades.
    """

    venue: str
    account: str
    run_id: str
    record_id: str
    instance: str = ""
    seed: int | None = None
    journal_path: Path | None = None
    durable_intents: bool = True


class BooksIncomplete(msgspec.Struct, frozen=True, kw_only=True):
    """The venue could not be read at the end: trades and settlements after `since_ms` (market time) may be
    missing from our books until the next start has read them."""

    since_ms: int
    cause: str


class BothBooks(msgspec.Struct, frozen=True, kw_only=True):
    """Our side and the venue's after a session, for the comparison. Money in the margin asset; income is all
    settled cash but what repeats trades."""

    own_fills: Sequence[Fill]
    venue_fills: Sequence[Fill]
    own_income: Sequence[IncomeRow]
    venue_income: Sequence[IncomeRow]
    opening_wallet: Decimal
    closing_wallet: Decimal
    unrealized_pnl: Decimal
    open_positions: int
    spot_wallets: SpotWallets | None = None
    """Of a session that trades spot."""
    incomplete: BooksIncomplete | None = None
    """Why there is no venue's side: what is said of it here is what we knew last."""


class TradingSession(msgspec.Struct, frozen=True):
    """A session ready to be driven."""

    session: Session
    core: TradingCore
    ready: VenueReady
    start_ms: int
    book: LedgerKey
    engine: Engine
    recorder: TradeRecorder

    async def close_books(
        self, now_ms: int, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> BothBooks:
        """Bring our books up to date and read the venue's beside them.

        A venue that does not answer is asked again for a while. When that comes to nothing our side alone is
        returned, saying since when it may lack something, and the next start is left word to read it.
        """
        cause = "it takes too long to answer"
        try:
            async with asyncio.timeout(_CLOSING_S):
                for pause_s in _CLOSING_PAUSES_S:
                    try:
                        books = await self.collect_books(now_ms)
                    except ExchangeError as error:
                        cause = str(error)
                        _log.warning("the venue's books could not be read", error=cause)
                        await pause(pause_s)
                    else:
                        self.recorder.remember(mark_command(None, now_ms))
                        return books
        except TimeoutError:
            _log.warning("the venue's books could not be read in time", seconds=_CLOSING_S)
        self.recorder.remember(mark_command(self.session.mark(now_ms), now_ms))
        own_fills, own_income = self._own()
        state = self.core.state
        return BothBooks(
            own_fills=own_fills,
            venue_fills=(),
            own_income=settled_cash(own_income),
            venue_income=(),
            opening_wallet=self.ready.account.total_wallet_balance,
            closing_wallet=state.portfolio.wallet_balance,
            unrealized_pnl=_unrealized_usd(self.core),
            open_positions=sum(1 for _ in state.portfolio.open_positions()),
            incomplete=BooksIncomplete(since_ms=self.session.complete_until_ms(now_ms), cause=cause),
        )

    def finish(self, books: BothBooks, now_ms: int, *, interrupted: bool) -> None:
        """Note in the books how the session ended."""
        outcome = "interrupted" if interrupted else "finished"
        self.recorder.finish_run(now_ms, outcome if books.incomplete is None else "books incomplete")

    async def collect_books(self, now_ms: int) -> BothBooks:
        """Read the venue's trades and settled cash since the start, enter what our books had missed, and
        return both sides. Raises ExchangeError."""
        client = self.session.client
        venue_fills, venue_income = await self.session.catch_up(now_ms, self._settled_since_ms)
        own_fills, own_income = self._own()
        account = await client.account_snapshot()
        positions = await client.get_position_risk()
        return BothBooks(
            own_fills=own_fills,
            venue_fills=[fill for fill in venue_fills if fill.event_ms >= self.start_ms],
            own_income=settled_cash(own_income),
            venue_income=[row for row in venue_income if row.time_ms >= self._settled_since_ms],
            opening_wallet=self.ready.account.total_wallet_balance,
            closing_wallet=account.total_wallet_balance,
            unrealized_pnl=account.total_unrealized_pnl,
            open_positions=sum(1 for position in positions if position.is_open),
            spot_wallets=await self._spot_wallets(),
        )

    @property
    def _settled_since_ms(self) -> int:
        """What was settled in the start's own millisecond is in the wallet that the session began with."""
        return self.start_ms + 1

    def _own(self) -> tuple[list[Fill], list[IncomeRow]]:
        selection = Selection(book=self.book, since_ms=self.start_ms)
        settled = msgspec.structs.replace(selection, since_ms=self._settled_since_ms)
        with self.engine.connect() as connection:
            return queries.fills(connection, selection), queries.income_rows(connection, settled)

    async def _spot_wallets(self) -> SpotWallets | None:
        client, coins = self.session.client, coins_of(self.core.settings.instruments)
        if not coins or not isinstance(client, SpotWallet):
            return None
        closing = {balance.asset: balance.total for balance in await client.spot_balances()}
        return SpotWallets(opening=self.ready.spot_balances, closing=closing, coins=coins)


@asynccontextmanager
async def trading_session(
    settings: Settings,
    client: ExchangeClient,
    identity: SessionIdentity,
    *,
    clock: Clock,
    now_ms: int,
    on_notice: Callable[[Notify], None] | None = None,
    plan: SessionPlan | None = None,
) -> AsyncIterator[TradingSession]:
    """Check and prepare the venue, open books and journal, build the core. Nothing is traded yet.

    `now_ms` is market time; `plan` None trades the pairs of the settings. Raises UserProblem for whatever
    the owner has to mend. Streams, books and journal are closed with the block; the client is the caller's.
    """
    plan = plan or SessionPlan(pairs=settings.symbols)
    plan.check()
    ready = await prepare_venue(
        client,
        plan.pairs,
        risk_limits(settings),
        max_clock_uncertainty_ms=settings.max_clock_offset_ms,
        positions=plan.single_positions(settings),
        kind=PairKind(settings.pair_kind),
    )
    engine = open_books(settings.database_url)
    try:
        book = LedgerKey(venue=identity.venue, account=identity.account, instance=identity.instance)
        recorder = TradeRecorder(engine, book, identity.record_id, durable_intents=identity.durable_intents)
        await _repair(client, recorder, engine, now_ms, on_notice)
        await catch_up_spot(client, recorder, tuple(coins_of(ready.instruments)), now_ms)
        memory = _memory(engine, book, now_ms)
        chosen = core_settings(
            settings,
            run_id=identity.run_id,
            account=identity.account,
            instruments=ready.instruments,
            remembered=memory.pairs,
            volume_by_day=memory.volume_by_day,
            fees=ready.fees,
            notional_caps=ready.notional_caps,
            account_memory=await recall_account(client, memory.strategies, now_ms),
        )
        core = TradingCore(with_plan(chosen, settings, plan, ready, memory.strategies))
        _start_run(recorder, core, settings, identity.seed, now_ms)
        points = daily_points(engine, recorder, load_profile(settings.reward_profile))
        journal = _journal(identity, core, now_ms, clock)
        session = Session(
            client=client,
            core=core,
            books=DatabaseBooks(recorder, core.state.tracker, _trade_log(settings, plan), points),
            journal=journal,
            clock=clock,
            start_ms=now_ms,
            on_notice=on_notice,
        )
        try:
            async with _announced(settings, identity, session, plan):
                yield TradingSession(session, core, ready, now_ms, book, engine, recorder)
        finally:
            await session.disconnect()
            if points is not None:
                points.finish(core.state.now_ms)
            journal.close()
    finally:
        engine.dispose()


def _start_run(
    recorder: TradeRecorder, core: TradingCore, settings: Settings, seed: int | None, now_ms: int
) -> None:
    recorder.start_run(core.strategy_name, now_ms, seed=seed, settings_fingerprint=settings.fingerprint())
    recorder.remember(mark_command(BooksMark(until_ms=now_ms, symbols=core.settings.symbols), now_ms))


async def _repair(
    client: ExchangeClient,
    recorder: TradeRecorder,
    engine: Engine,
    now_ms: int,
    on_notice: Callable[[Notify], None] | None,
) -> None:
    """Read what an earlier session may have missed, before anything is counted from the books."""
    name, key = BOOKS_MARK
    with engine.connect() as connection:
        text = strategy_memory(connection, recorder.book).get(name, {}).get(key)
    notice = await repair_books(client, recorder, text, now_ms)
    if notice is not None:
        _log.warning(notice.message)
        if on_notice is not None:
            on_notice(notice)


def _unrealized_usd(core: TradingCore) -> Decimal:
    """What is held would bring at the newest marks, by what we knew last."""
    state, result = core.state, ZERO
    for position in state.portfolio.open_positions():
        mark = state.market.mark_of(position.symbol)
        result += position.reported_pnl if mark is None else position.unrealized_pnl(mark)
    return result


def _memory(engine: Engine, book: LedgerKey, now_ms: int) -> SessionMemory:
    with engine.connect() as connection:
        return remember(connection, book, now_ms)


def _trade_log(settings: Settings, plan: SessionPlan) -> TradeLog | None:
    trades = any(chosen.enable_trading for chosen in plan.bar_strategies)
    return TradeLog(Path(settings.midfreq_log_dir)) if trades else None


def _announced(
    settings: Settings, identity: SessionIdentity, session: Session, plan: SessionPlan
) -> AbstractAsyncContextManager[None]:
    """Views follow the journal: a session without one is not to be found."""
    if identity.journal_path is None:
        return nullcontext()
    return announced(
        session,
        Path(settings.state_dir),
        run_id=identity.record_id,
        venue=identity.venue,
        journal=identity.journal_path,
        can_reload=any(chosen.parameters_file is not None for chosen in plan.bar_strategies),
    )


def _journal(identity: SessionIdentity, core: TradingCore, now_ms: int, clock: Clock) -> Journal:
    if identity.journal_path is None:
        return NoJournal()
    header = JournalHeader(
        code_version=version("aster-operator"),
        started_ms=now_ms,
        settings=core.settings,
    )
    return FileJournal(identity.journal_path, header, clock)
