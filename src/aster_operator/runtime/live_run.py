"""A session on a venue that is already there: testnet, mainnet, or an exchange served elsewhere.

The same session as the demo's; only the time is not ours to move.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from aster_operator.config.problems import UserProblem
from aster_operator.config.settings import Settings, Venue
from aster_operator.domain.clock import MINUTE_MS, Clock
from aster_operator.domain.commands import Notify
from aster_operator.domain.events import OperatorAction, ParametersChanged
from aster_operator.exchange.client_protocol import ExchangeClient
from aster_operator.execution.core import TradingCore
from aster_operator.runtime.live import LiveDriver
from aster_operator.runtime.parameter_file import ParameterFile
from aster_operator.runtime.session_plan import SessionPlan
from aster_operator.runtime.trading_session import (
    BothBooks,
    SessionIdentity,
    TradingSession,
    trading_session,
)
from aster_operator.strategy.registry import find_strategy

__all__ = ["LiveResult", "LiveRun"]

_TIME_OF_EVENTS = ("sim", "paper")
"""Venues whose market time is that of their newest event."""


class LiveResult(msgspec.Struct, frozen=True, kw_only=True):
    core: TradingCore
    books: BothBooks
    market_minutes: int
    interrupted: bool
    warnings: tuple[str, ...]


class LiveRun:
    """One live session. `account` labels whose books these are; `exchange_life` names the life of an
    embedded exchange, whose trade numbers begin anew with each.

    On a sim venue market time is that of the newest market event, because it may run faster than the wall
    clock, and so it is on paper; elsewhere it is the wall clock corrected by the measured offset.
    """

    def __init__(
        self,
        settings: Settings,
        client: ExchangeClient,
        *,
        venue: Venue,
        account: str,
        clock: Clock,
        flatten_on_stop: bool,
        exchange_life: Callable[[], Awaitable[str]] | None = None,
        watch: Callable[[TradingCore, int, int | None], None] | None = None,
        on_notice: Callable[[Notify], None] | None = None,
        on_warning: Callable[[str], None] | None = None,
        tick: Callable[[], None] | None = None,
        alive: Callable[[], None] | None = None,
        plan: SessionPlan | None = None,
    ) -> None:
        self._settings = settings
        self._plan = plan or SessionPlan(pairs=settings.symbols)
        self._parameter_files = {
            chosen.strategy: ParameterFile(chosen.parameters_file)
            for chosen in self._plan.bar_strategies
            if chosen.parameters_file is not None
        }
        self._client = client
        self._venue = venue
        self._account = account
        self._clock = clock
        self._flatten = flatten_on_stop
        self._exchange_life = exchange_life
        self._watch = watch
        self._on_notice = on_notice
        self._on_warning = on_warning
        self._tick = tick
        self._alive = alive
        self._offset_ms = 0.0
        self._start_ms = 0
        self._core: TradingCore | None = None
        self._driver: LiveDriver | None = None
        self._stop_asked: str | None = None
        self._interrupted = False

    def interrupt(self) -> None:
        """The owner asks for the end: openings settle, or everything is closed with `flatten_on_stop`."""
        self._interrupted = self._interrupted or self._stop_asked is None
        self._ask_to_stop("the owner (Ctrl-C)")

    def _ask_to_stop(self, actor: str) -> None:
        if self._stop_asked is None:
            self._stop_asked = actor
            self._forward_stop()

    async def run(self, poll_time_s: float | None = None) -> LiveResult:
        """Trade until interrupted or for `poll_time_s` seconds of wall time, then bring both books back.

        Raises UserProblem for whatever the owner has to mend, ExchangeError when the venue is unreachable.
        """
        clock_offset = await self._client.measure_clock()
        self._offset_ms = clock_offset.offset_ms
        start_ms = self._start_ms = await self._market_start_ms()
        record_id = f"{self._venue}-{self._clock.now_ms()}"
        instance = await self._exchange_life() if self._exchange_life is not None else ""
        identity = SessionIdentity(
            venue=self._venue,
            account=self._account,
            run_id=record_id,
            record_id=record_id,
            instance=instance,
            journal_path=Path(self._settings.state_dir) / "journals" / f"{record_id}.journal",
        )
        async with trading_session(
            self._settings,
            self._client,
            identity,
            clock=self._clock,
            now_ms=start_ms,
            on_notice=self._on_notice,
            plan=self._plan,
        ) as trading:
            self._core = trading.core
            if self._on_warning is not None:
                for warning in trading.ready.warnings:
                    self._on_warning(warning)
            if self._watch is not None:
                self._watch(trading.core, start_ms, None)
            self._driver = LiveDriver(
                trading.session,
                self._market_now_ms,
                lambda: self._after_timer(trading),
                stop_after_s=poll_time_s,
                alive=self._alive,
            )
            self._forward_stop()
            await self._driver.run(lambda: self._ask_to_stop("the end of --poll-time"))
            now_ms = max(self._market_now_ms(), trading.core.state.now_ms)
            books = await trading.close_books(now_ms)
            trading.finish(books, now_ms, interrupted=self._interrupted)
            return LiveResult(
                core=trading.core,
                books=books,
                market_minutes=(now_ms - start_ms) // MINUTE_MS,
                interrupted=self._interrupted,
                warnings=trading.ready.warnings,
            )

    def _after_timer(self, trading: TradingSession) -> None:
        reload_wanted = trading.session.claim_reload()
        for name, file in self._parameter_files.items():
            fault: str | None = None
            try:
                text = file.read_again() if reload_wanted else file.changed()
            except UserProblem as problem:  # whoever asked for it is told
                text, fault = "", problem.what
            if text is not None:
                strategy = find_strategy(name).name
                trading.session.post(
                    ParametersChanged(
                        event_ms=self._market_now_ms(),
                        received_ns=self._clock.now_ns(),
                        strategy=strategy,
                        text=text,
                        fault=fault,
                    )
                )
        if self._tick is not None:
            self._tick()

    def _forward_stop(self) -> None:
        if self._driver is not None and self._stop_asked is not None:
            action = OperatorAction.FLATTEN if self._flatten else OperatorAction.STOP
            self._driver.request(action, self._stop_asked)

    async def _market_start_ms(self) -> int:
        if self._venue not in _TIME_OF_EVENTS:
            return self._market_now_ms()
        mark = await self._client.mark_price(self._plan.symbols[0])
        return mark.event_ms

    def _market_now_ms(self) -> int:
        if self._venue in _TIME_OF_EVENTS:
            return self._start_ms if self._core is None else max(self._start_ms, self._core.state.now_ms)
        return self._clock.now_ms() + round(self._offset_ms)
