"""Lock-step driving: market time moves on only when the operator has acted on what it was shown.

Everything goes over the real wire, yet the result does not depend on the speed or load of the machine:
commands are carried out one at a time, and after each the streams are fenced, so that events always enter
the core in the same order.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from aster_operator.domain.commands import Command, RequestSnapshot
from aster_operator.domain.events import (
    BarUpdated,
    DepthUpdated,
    Event,
    Feed,
    FeedStatusChanged,
    MarkUpdated,
    QuoteUpdated,
    TradePrinted,
)
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.exchange.errors import ExchangeError
from aster_operator.runtime.command_runner import VenueCommand
from aster_operator.runtime.session import Session
from aster_operator.simulator.api import ExchangeApi

__all__ = ["ExchangeStepper", "LockstepDriver", "MarketStepper", "next_stop_ms"]


_RETRY_MS = 5_000
"""What could not be read is asked for again after this, in market time."""


class MarketStepper(Protocol):
    """Moves the embedded exchange's market time."""

    @property
    def now_ms(self) -> int: ...

    async def step(self, until_ms: int | None = None, *, beyond_end: bool = False) -> bool:
        """Play the next thing that happens, or up to `until_ms` if that is sooner; False when all has.

        With `beyond_end` time goes on to `until_ms` when the market has ended: nothing trades any more, but
        what is under way can be asked for again.
        """


def next_stop_ms(next_ms: int | None, until_ms: int | None, *, beyond_end: bool) -> int | None:
    """Where a stepper goes next, None for nowhere; `next_ms` is when the exchange has something to do."""
    if next_ms is None:
        return until_ms if beyond_end else None
    return next_ms if until_ms is None else min(next_ms, until_ms)


class ExchangeStepper:
    """Moves an exchange in process from one happening to the next."""

    def __init__(self, exchange: ExchangeApi) -> None:
        self._exchange = exchange

    @property
    def now_ms(self) -> int:
        return self._exchange.now_ms

    async def step(self, until_ms: int | None = None, *, beyond_end: bool = False) -> bool:
        stop_ms = next_stop_ms(self._exchange.next_step_ms(), until_ms, beyond_end=beyond_end)
        if stop_ms is None:
            return False
        self._exchange.advance_to(stop_ms)
        return True


class LockstepDriver:
    """Drives one session step by step. `after_step` is told the market time after each."""

    def __init__(
        self,
        session: Session,
        stepper: MarketStepper,
        after_step: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        self._session = session
        self._stepper = stepper
        self._after_step = after_step
        self._arrived: list[StreamEvent] = []
        self._postponed: list[tuple[int, Callable[[], Awaitable[object]]]] = []
        self._rest_is_down = False

    async def start(self) -> None:
        """Connect the streams and reconcile."""
        await self._session.connect(self._arrived.append)
        await self._carry_out(list(self._session.start_commands()))
        await self._settle()

    async def run(
        self,
        until_ms: int | None = None,
        *,
        until: Callable[[], bool] = lambda: False,
        beyond_end: bool = False,
    ) -> None:
        """Step until the session stops, the market ends, `until_ms` is reached or `until` says so.

        With `beyond_end` the operator's own timers go on when the market has ended.
        """
        while self._session.stopped is None and not until():
            if until_ms is not None and self._stepper.now_ms >= until_ms:
                return
            if not await self._stepper.step(self._session.core.due_ms, beyond_end=beyond_end):
                return
            await self._fence()
            await self._try_again()
            self._session.fire_timer(self._stepper.now_ms)
            await self._settle()
            if self._after_step is not None:
                await self._after_step(self._stepper.now_ms)

    async def settle(self) -> None:
        """Act on everything that has happened, without moving the market."""
        await self._fence()
        await self._settle()

    async def _settle(self) -> None:
        session = self._session
        while True:
            event = session.take()
            if event is None:
                if session.claim_fills():
                    await self._attempt(lambda: session.read_fills(self._stepper.now_ms))
                elif session.claim_bars():
                    await self._attempt(session.read_bars)
                elif session.claim_income():
                    await self._attempt(lambda: session.read_income(self._stepper.now_ms))
                else:
                    return
                continue
            await self._carry_out(list(session.decide(event)))

    async def _carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            if not isinstance(command, VenueCommand):
                self._session.runner.keep(command)
            elif isinstance(command, RequestSnapshot):
                # The core waits for one, so it is asked for until it comes.
                await self._attempt(partial(self._ask, command))
            else:
                await self._ask(command)

    async def _ask(self, command: VenueCommand) -> None:
        answer = await self._session.runner.run(command, self._stepper.now_ms)
        if answer is not None:
            # What the venue pushed because of the command comes first, then its answer.
            await self._fence()
            self._session.post(answer)

    async def _attempt(self, read: Callable[[], Awaitable[object]]) -> None:
        """Read something from the venue; when that fails, again and again in market time, and the core is
        told."""
        try:
            await read()
        except ExchangeError as error:
            self._postponed.append((self._stepper.now_ms + _RETRY_MS, read))
            self._report(f"{type(error).__name__}: {error}", healthy=False)
        else:
            self._report("", healthy=True)

    async def _try_again(self) -> None:
        now_ms = self._stepper.now_ms
        due = [read for due_ms, read in self._postponed if due_ms <= now_ms]
        self._postponed = [each for each in self._postponed if each[0] > now_ms]
        for read in due:
            await self._attempt(read)

    def _report(self, detail: str, *, healthy: bool) -> None:
        if healthy is not self._rest_is_down:
            return
        self._rest_is_down = not healthy
        self._session.post(
            FeedStatusChanged(
                event_ms=self._stepper.now_ms,
                received_ns=self._session.clock.now_ns(),
                feed=Feed.REST,
                healthy=healthy,
                detail=detail,
            )
        )

    async def _fence(self) -> None:
        """Queue everything the venue has sent, own account first, in an order that is always the same."""
        for stream in (self._session.user_stream, self._session.market_stream):
            if stream is not None:
                await stream.fence()
        arrived, self._arrived[:] = list(self._arrived), []
        arrived.sort(key=_order_of_entry)
        for event in arrived:
            self._session.post(event)


def _order_of_entry(event: Event) -> tuple[int, int]:
    """Stable order of events from two sockets: by market time, own account before the market."""
    is_market = isinstance(event, QuoteUpdated | MarkUpdated | BarUpdated | TradePrinted | DepthUpdated)
    return event.event_ms, int(is_market)
