"""First light: the operator trading a day of real minutes on the embedded exchange, over the real wire.

The exchange runs in lock-step inside this process; orders and streams go over loopback REST and WebSocket
with signed requests. The same seed gives the same report at any speed and under any load.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import msgspec

from aster_operator.config.settings import Settings
from aster_operator.domain.clock import HOUR_MS, MINUTE_MS, Clock
from aster_operator.domain.commands import Notify
from aster_operator.domain.events import OperatorAction
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.execution.core import TradingCore
from aster_operator.runtime.embedded_venue import (
    EmbeddedVenue,
    EmbeddedVenueOptions,
    ServerStepper,
    embedded_venue,
)
from aster_operator.runtime.lockstep import LockstepDriver
from aster_operator.runtime.spot_money import money_for_spot
from aster_operator.runtime.trading_session import (
    BothBooks,
    SessionIdentity,
    TradingSession,
    trading_session,
)
from aster_operator.simulator.options import CALM_SUBSTEP_MS, WATCHED_SUBSTEP_MS
from aster_operator.simulator.server.accounts import DemoAccount

__all__ = ["DemoOptions", "DemoResult", "DemoRun"]

_SMALLEST_DEPOSIT = Decimal(10_000)
_WIND_DOWN_MS = 30 * MINUTE_MS
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
    journal_path: Path | None = None


class DemoResult(msgspec.Struct, frozen=True, kw_only=True):
    core: TradingCore
    books: BothBooks
    market_minutes: int
    interrupted: bool


class DemoRun:
    """One demo. `watch` gets the core and the market times it will run from and to, and returns who wants
    the session's messages; `tick` is called after every step."""

    def __init__(
        self,
        settings: Settings,
        options: DemoOptions,
        *,
        clock: Clock,
        connect: Callable[[EmbeddedVenue, DemoAccount], Awaitable[ExchangeClient]],
        watch: Callable[[TradingCore, int, int | None], None] | None = None,
        on_notice: Callable[[Notify], None] | None = None,
        tick: Callable[[], None] | None = None,
    ) -> None:
        self._settings = settings
        self._options = options
        self._clock = clock
        self._connect = connect
        self._watch = watch
        self._on_notice = on_notice
        self._tick = tick
        self._interrupted = False
        self._hurry = asyncio.Event()

    def interrupt(self) -> None:
        """Ask for the end: positions are flattened, then the report follows."""
        self._interrupted = True
        self._hurry.set()

    async def run(self) -> DemoResult:
        """Play, trade, and bring both books back. Raises UserProblem for settings that cannot work."""
        options = EmbeddedVenueOptions(
            symbols=tuple(self._settings.symbols),
            data=self._options.data,
            seed=self._options.seed,
            substep_ms=WATCHED_SUBSTEP_MS,
            calm_substep_ms=CALM_SUBSTEP_MS,
            warm_up_ms=int(self._options.warm_up_hours * HOUR_MS),
            duration_ms=int(self._options.hours * HOUR_MS),
            port=self._options.port,
            deposit_usdt=max(_SMALLEST_DEPOSIT, self._settings.capital_usdt),
            with_spot=self._settings.pair_kind == "carry",
        )
        async with embedded_venue(options, self._clock) as venue:
            account = venue.server.accounts[1]
            if options.with_spot:
                # More than there is is for the checks of the session to say.
                money = min(money_for_spot(self._settings), options.deposit_usdt)
                venue.server.exchange.transfer(account.account_id, "USDT", money, to_spot=True)
            client = await self._connect(venue, account)
            try:
                return await self._trade(venue, account, client)
            finally:
                await client.close()

    async def _trade(self, venue: EmbeddedVenue, account: DemoAccount, client: ExchangeClient) -> DemoResult:
        stepper = ServerStepper(venue)
        # One step first, so that every symbol has a mark, a book and a price to size by.
        await stepper.step()
        run_id = f"demo{self._options.seed}"
        instance = f"{self._clock.now_ns():x}"
        identity = SessionIdentity(
            venue="sim",
            account=account.user,
            run_id=run_id,
            record_id=f"{run_id}-{instance}",
            instance=instance,
            seed=self._options.seed,
            journal_path=self._options.journal_path,
            durable_intents=False,
        )
        async with trading_session(
            self._settings,
            client,
            identity,
            clock=self._clock,
            now_ms=stepper.now_ms,
            on_notice=self._on_notice,
        ) as trading:
            if self._watch is not None:
                self._watch(trading.core, venue.start_ms, venue.end_ms)
            await self._drive(trading, stepper, venue)
            books = await trading.close_books(stepper.now_ms)
            trading.finish(books, stepper.now_ms, interrupted=self._interrupted)
            return DemoResult(
                core=trading.core,
                books=books,
                market_minutes=(stepper.now_ms - venue.start_ms) // MINUTE_MS,
                interrupted=self._interrupted,
            )

    async def _drive(self, trading: TradingSession, stepper: ServerStepper, venue: EmbeddedVenue) -> None:
        driver = LockstepDriver(trading.session, stepper, self._pacer(stepper))
        await driver.start()
        await driver.run(venue.end_ms, until=lambda: self._interrupted)
        action = OperatorAction.FLATTEN if self._interrupted else OperatorAction.STOP
        actor = "the owner (Ctrl-C)" if self._interrupted else "end of the demo"
        trading.session.request(action, actor, stepper.now_ms)
        await driver.settle()
        await driver.run(stepper.now_ms + _WIND_DOWN_MS)

    def _pacer(self, stepper: ServerStepper) -> Callable[[int], Awaitable[None]]:
        """Called after every step: shows the progress, and waits when a speed was asked for."""
        started_ns, started_ms = self._clock.monotonic_ns(), stepper.now_ms

        async def pace(now_ms: int) -> None:
            if self._tick is not None:
                self._tick()
            speed = self._options.speed
            if speed is None or self._interrupted:
                await asyncio.sleep(0)
                return
            due_ns = started_ns + int((now_ms - started_ms) * 1_000_000 / speed)
            wait_s = max(0, due_ns - self._clock.monotonic_ns()) / 1e9
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._hurry.wait()

        return pace
