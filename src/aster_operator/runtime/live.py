"""Live driving: the clock runs by itself, commands are carried out side by side.

Events enter the core one at a time, in arrival order; each command becomes a task whose answer is queued
as an event. A request that hangs never holds up the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from aster_operator.domain.commands import Command, RequestSnapshot
from aster_operator.domain.events import Event, Feed, FeedStatusChanged, OperatorAction
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.exchange.errors import ExchangeError
from aster_operator.runtime.command_runner import VenueCommand
from aster_operator.runtime.session import Session

__all__ = ["LiveDriver"]

_log = structlog.get_logger("session")

_TIMER_S = 1.0
_HURRIED_TIMER_S = 0.1
"""While the core says that something held is open to harm."""
_RETRY_S = 1.0
_MAX_RETRY_S = 30.0
_MAX_SNAPSHOT_RETRY_S = 5.0
"""What is held must be known soon after the venue answers again: a leg may have gone meanwhile."""


class LiveDriver:
    """Drives one session until its core stops.

    `alive` is called after every event the core has handled; timers see to it that there is one each second.
    `market_now_ms` is the session's notion of now: the venue-synchronised clock on a real venue, the newest
    market event on an accelerated one.
    """

    def __init__(
        self,
        session: Session,
        market_now_ms: Callable[[], int],
        after_timer: Callable[[], None] | None = None,
        *,
        stop_after_s: float | None = None,
        alive: Callable[[], None] | None = None,
    ) -> None:
        self._session = session
        self._market_now_ms = market_now_ms
        self._after_timer = after_timer
        self._stop_after_s = stop_after_s
        self._alive = alive
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._reads: dict[str, asyncio.Task[None]] = {}
        self._read_again: set[str] = set()
        self._rest_is_down = False
        self._snapshots: set[asyncio.Task[None]] = set()

    def request(self, action: OperatorAction, actor: str) -> None:
        """A person's wish, handed to the core like any other event."""
        self._session.request(action, actor, self._market_now_ms())
        self._wake.set()

    async def run(self, on_time_up: Callable[[], None] = lambda: None) -> None:
        """Connect, reconcile, trade, until the core says stop.

        `on_time_up` is called once when `stop_after_s` of wall time have passed. Raises what the streams
        cannot heal.
        """
        await self._session.connect(self._on_stream)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            timers = [tasks.create_task(self._fire_timers())]
            if self._stop_after_s is not None:
                timers.append(tasks.create_task(self._after(self._stop_after_s, on_time_up)))
            self._start_all(self._session.start_commands())
            await self._consume(tasks)
            # Orders under way are waited for; what only reads may wait for a venue that is away for good.
            for task in (*timers, *self._reads.values(), *self._snapshots):
                task.cancel()
            self._tasks = None

    def _on_stream(self, event: StreamEvent) -> None:
        self._post(event)

    def _post(self, event: Event) -> None:
        self._session.post(event)
        self._wake.set()

    async def _consume(self, tasks: asyncio.TaskGroup) -> None:
        session = self._session
        while session.stopped is None:
            event = session.take()
            if event is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._start_all(session.decide(event))
            if session.is_urgent:
                self._hurry.set()
            if self._alive is not None:
                self._alive()
            if session.claim_income():
                self._start_read(tasks, "income", session.read_income)
            if session.claim_bars():
                self._start_read(tasks, "bars", lambda _: session.read_bars())
            if session.claim_fills():
                self._start_read(tasks, "fills", session.read_fills)

    def _start_all(self, commands: Sequence[Command]) -> None:
        if self._tasks is None:
            raise RuntimeError("the driver is not running")
        for command in commands:
            if isinstance(command, VenueCommand):
                task = self._tasks.create_task(self._carry_out(command))
                if isinstance(command, RequestSnapshot):
                    self._snapshots.add(task)
                    task.add_done_callback(self._snapshots.discard)
            else:
                self._session.runner.keep(command)

    async def _carry_out(self, command: VenueCommand) -> None:
        delay_s = _RETRY_S
        while True:
            try:
                answer = await self._session.runner.run(command, self._market_now_ms())
                break
            except ExchangeError as error:
                # Only snapshots raise: the core waits for one, so it is asked for until it comes.
                self._report(f"{type(error).__name__}: {error}", healthy=False)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _MAX_SNAPSHOT_RETRY_S)
        if answer is not None:
            self._post(answer)
        # After the answer: what was lost meanwhile must be known before anything is tried again.
        if isinstance(command, RequestSnapshot) and self._rest_is_down:
            self._report("", healthy=True)

    def _report(self, detail: str, *, healthy: bool) -> None:
        self._rest_is_down = not healthy
        self._post(
            FeedStatusChanged(
                event_ms=self._market_now_ms(),
                received_ns=self._session.clock.now_ns(),
                feed=Feed.REST,
                healthy=healthy,
                detail=detail,
            )
        )

    def _start_read(
        self, tasks: asyncio.TaskGroup, name: str, read: Callable[[int], Awaitable[object]]
    ) -> None:
        """Read a history; where that is under way already, once more after it."""
        running = self._reads.get(name)
        if running is not None and not running.done():
            self._read_again.add(name)
            return
        self._reads[name] = tasks.create_task(self._read(name, read))

    async def _read(self, name: str, read: Callable[[int], Awaitable[object]]) -> None:
        delay_s = _RETRY_S
        while True:
            self._read_again.discard(name)
            try:
                await read(self._market_now_ms())
            except ExchangeError as error:
                _log.warning("history could not be read, trying again", error=str(error), delay_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _MAX_RETRY_S)
            else:
                self._wake.set()
                if name not in self._read_again:
                    return
                delay_s = _RETRY_S

    async def _fire_timers(self) -> None:
        while True:
            for _ in range(round(_TIMER_S / _HURRIED_TIMER_S)):
                if not await self._hurried(_HURRIED_TIMER_S):
                    continue
                self._session.fire_timer(self._market_now_ms())
                self._wake.set()
            self._session.fire_timer(self._market_now_ms())
            self._wake.set()
            if self._after_timer is not None:
                self._after_timer()

    async def _hurried(self, seconds: float) -> bool:
        """Wait, and say whether the core wants to look again at once."""
        await asyncio.sleep(seconds)
        hurried = self._hurry.is_set()
        self._hurry.clear()
        return hurried

    @staticmethod
    async def _after(seconds: float, call: Callable[[], None]) -> None:
        await asyncio.sleep(seconds)
        call()
