"""First light: the operator trading a day of real minutes on the embedded exchange, over the real wire.

The exchange runs in lock-step inside this process; orders and streams go over loopback REST and WebSocket
with signed requests. The same seed gives the same report at any speed and under any load.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
from sqlalchemy import Engine

from aster_operator.config.settings import Settings
from aster_operator.database import queries
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books
from aster_operator.database.selection import LedgerKey, Selection
from aster_operator.domain.clock import Clock
from aster_operator.domain.commands import Notify
from aster_operator.domain.events import OperatorAction
from aster_operator.domain.fills import Fill, IncomeRow
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.execution.core import TradingCore
from aster_operator.runtime.core_settings import core_settings, risk_limits
from aster_operator.runtime.embedded_venue import (
    EmbeddedVenue,
    EmbeddedVenueOptions,
    ServerStepper,
    embedded_venue,
)
from aster_operator.runtime.journal import NoJournal
from aster_operator.runtime.lockstep import LockstepDriver
from aster_operator.runtime.session import Session
from aster_operator.runtime.session_books import DatabaseBooks
from aster_operator.runtime.venue_setup import prepare_venue
from aster_operator.simulator.server.accounts import DemoAccount

__all__ = ["DemoOptions", "DemoResult", "DemoRun", "LedgerBooks"]

_FLATTEN_LIMIT_MS = 30 * 60_000
"""Market time that winding down may take before what is left is reported as open."""


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`hours` of market time from `warm_up_hours` after the data begin; `speed` None runs flat out, else
    market time per wall time."""

    hours: float = 24.0
    warm_up_hours: float = 24.0
    seed: int = 1
    data: Path | None = None
    speed: float | None = None
    port: int = 0


class LedgerBooks(msgspec.Struct, frozen=True, kw_only=True):
    """Both sides of the books after a session, for the comparison."""

    own_fills: Sequence[Fill]
    venue_fills: Sequence[Fill]
    own_income: Sequence[IncomeRow]
    venue_income: Sequence[IncomeRow]
    opening_wallet: Decimal
    closing_wallet: Decimal
    unrealized_pnl: Decimal
    open_positions: int


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    books: LedgerBooks
    market_minutes: int
    interrupted: bool


class DemoRun:
    """One demo. `watch` is called with the core before the first step; `tick` after every step."""

    def __init__(
        self,
        settings: Settings,
        options: DemoOptions,
        *,
        clock: Clock,
        connect: Callable[[EmbeddedVenue, DemoAccount], Awaitable[ExchangeClient]],
        watch: Callable[[TradingCore, int, int | None], Callable[[Notify], None] | None] | None = None,
        tick: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._options = options
        self._clock = clock
        self._connect = connect
        self._watch = watch
        self._tick = tick
        self._interrupted = False
        self.core: TradingCore | None = None

    def interrupt(self) -> None:
        """Ask for the end: positions are flattened, then the report follows."""
        self._interrupted = True

    async def run(self) -> DemoResult:
        """Play, trade, and bring both books back. Raises UserProblem for settings that cannot work."""
        options = EmbeddedVenueOptions(
            symbols=tuple(self._settings.trading_pairs),
            data=self._options.data,
            seed=self._options.seed,
            warm_up_ms=int(self._options.warm_up_hours * 3_600_000),
            duration_ms=int(self._options.hours * 3_600_000),
            port=self._options.port,
            deposit_usdt=max(Decimal(10_000), self._settings.capital_usdt),
        )
        async with embedded_venue(options, self._clock) as venue:
            account = venue.server.accounts[1]
            client = await self._connect(venue, account)
            try:
                return await self._trade(venue, account, client)
            finally:
                await client.close()

    async def _trade(self, venue: EmbeddedVenue, account: DemoAccount, client: ExchangeClient) -> DemoResult:
        settings = self._settings
        stepper = ServerStepper(venue)
        # One step first, so that every symbol has a mark, a book and a price to size by.
        await stepper.step()
        ready = await prepare_venue(
            client,
            settings.trading_pairs,
            risk_limits(settings),
            max_clock_uncertainty_ms=settings.max_clock_offset_ms,
        )
        run_id = f"demo{self._options.seed}"
        core = self.core = TradingCore(
            core_settings(settings, run_id=run_id, account=account.user, instruments=ready.instruments)
        )
        engine = open_books(settings.database_url)
        try:
            instance = f"{self._clock.now_ns():x}"
            book = LedgerKey(venue="sim", account=account.user, instance=instance)
            recorder = TradeRecorder(engine, book, f"{run_id}-{instance}", durable_intents=False)
            recorder.start_run(
                core.strategy.name,
                stepper.now_ms,
                seed=self._options.seed,
                settings_fingerprint=settings.fingerprint(),
            )
            notice = self._watch(core, venue.start_ms, venue.end_ms) if self._watch else None
            session = Session(
                client=client,
                core=core,
                books=DatabaseBooks(recorder, core.state.tracker),
                journal=NoJournal(),
                clock=self._clock,
                on_notice=notice,
            )
            try:
                await self._drive(session, stepper, venue)
                opening_wallet = ready.account.total_wallet_balance
                books = await self._collect(client, engine, book, opening_wallet, venue)
            finally:
                await session.disconnect()
            outcome = "interrupted" if self._interrupted else "finished"
            recorder.finish_run(stepper.now_ms, outcome)
        finally:
            engine.dispose()
        return DemoResult(
            books=books,
            market_minutes=(stepper.now_ms - venue.start_ms) // 60_000,
            interrupted=self._interrupted,
        )

    async def _drive(self, session: Session, stepper: ServerStepper, venue: EmbeddedVenue) -> None:
        driver = LockstepDriver(session, stepper, self._after_step(stepper))
        await driver.start()
        await driver.run(venue.end_ms, until=lambda: self._interrupted)
        action = OperatorAction.FLATTEN if self._interrupted else OperatorAction.STOP
        actor = "the owner (Ctrl-C)" if self._interrupted else "end of the demo"
        session.request(action, actor, stepper.now_ms)
        await driver.settle()
        await driver.run(stepper.now_ms + _FLATTEN_LIMIT_MS)

    def _after_step(self, stepper: ServerStepper) -> Callable[[int], Awaitable[None]]:
        started_ns, started_ms = self._clock.monotonic_ns(), stepper.now_ms

        async def pace(now_ms: int) -> None:
            if self._tick is not None:
                self._tick()
            if self._options.speed is None:
                await asyncio.sleep(0)
                return
            due_ns = started_ns + int((now_ms - started_ms) * 1_000_000 / self._options.speed)
            await asyncio.sleep(max(0, due_ns - self._clock.monotonic_ns()) / 1e9)

        return pace

    async def _collect(
        self,
        client: ExchangeClient,
        engine: Engine,
        book: LedgerKey,
        opening_wallet: Decimal,
        venue: EmbeddedVenue,
    ) -> LedgerBooks:
        selection = Selection(book=book)
        with engine.connect() as connection:
            own_fills = queries.fills(connection, selection)
            own_income = queries.income_rows(connection, selection, "FUNDING_FEE")
        now_ms = venue.server.exchange.now_ms
        venue_fills: list[Fill] = []
        for symbol in self._settings.trading_pairs:
            venue_fills += await client.fills(symbol, venue.start_ms, now_ms)
        venue_income = await client.income_rows(venue.start_ms, now_ms, income_type="FUNDING_FEE")
        account = await client.account_snapshot()
        positions = await client.get_position_risk()
        return LedgerBooks(
            own_fills=own_fills,
            venue_fills=venue_fills,
            own_income=own_income,
            venue_income=venue_income,
            opening_wallet=opening_wallet,
            closing_wallet=account.total_wallet_balance,
            unrealized_pnl=account.total_unrealized_pnl,
            open_positions=sum(1 for position in positions if position.is_open),
        )
