"""What moves market time: steps from outside, a pace against the wall clock, or as fast as it goes."""

import asyncio
from collections.abc import Callable
from enum import StrEnum

from aster_operator.domain.clock import Clock
from aster_operator.simulator.api import ExchangeApi

__all__ = ["MAX_SPEED", "MarketDriver", "MarketState", "Pace", "parse_pace"]

MAX_SPEED = float("inf")
TICK_MS = 50
BUSY_NS = 20_000_000
"""Longest stretch the market may play before sockets get their turn."""

Pace = float | None
"""Market milliseconds per wall millisecond; `MAX_SPEED` runs freely, None stands for lock-step."""


def parse_pace(text: str | float) -> Pace:
    """`lockstep`, `max` or a positive factor. Raises ValueError, saying what is allowed."""
    if text == "lockstep":
        return None
    if text == "max":
        return MAX_SPEED
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1_000_000:
        raise ValueError(f"speed {text!r}: give a factor above 0 and up to 1000000, max or lockstep")
    return speed


class MarketState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    LOCKSTEP = "lockstep"
    ENDED = "ended"


class MarketDriver:
    """Advances the exchange and tells `on_time` after every advance, before anything else can happen."""

    def __init__(
        self, exchange: ExchangeApi, clock: Clock, pace: Pace, on_time: Callable[[int], None]
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._pace = pace
        self._on_time = on_time
        self._is_paused = False
        self._changed = asyncio.Event()
        self._anchor()

    def _anchor(self) -> None:
        self._anchor_market_ms = self._exchange.now_ms
        self._anchor_ns = self._clock.monotonic_ns()

    # --- state --------------------------------------------------------------------------------------

    @property
    def pace(self) -> Pace:
        return self._pace

    @property
    def state(self) -> MarketState:
        if self.next_step_ms() is None:
            return MarketState.ENDED
        if self._is_paused:
            return MarketState.PAUSED
        return MarketState.LOCKSTEP if self._pace is None else MarketState.RUNNING

    def pause(self) -> None:
        self._is_paused = True
        self._changed.set()

    def resume(self) -> None:
        self._is_paused = False
        self._anchor()
        self._changed.set()

    def set_pace(self, pace: Pace) -> None:
        self._pace = pace
        self._anchor()
        self._changed.set()

    # --- moving -------------------------------------------------------------------------------------

    def next_step_ms(self) -> int | None:
        """Market time of the next thing that will happen; None when the data have ended."""
        return self._exchange.next_step_ms()

    def step_to(self, time_ms: int) -> None:
        """Play up to and including `time_ms`. All frames it causes are written when this returns.

        Raises ValueError for a time in the past.
        """
        if time_ms < self._exchange.now_ms:
            raise ValueError(f"market time is {self._exchange.now_ms}, it cannot go back to {time_ms}")
        self._exchange.advance_to(time_ms)
        self._on_time(self._exchange.now_ms)

    def catch_up(self) -> float:
        """Play what the wall clock has made due, for at most `BUSY_NS`; seconds until it should be
        called again. At the end of the data time stops, and the books stay."""
        next_ms = self.next_step_ms()
        if self._pace is None or next_ms is None:
            return TICK_MS / 1000
        now_ns = self._clock.monotonic_ns()
        target_ms = self._target_ms(now_ns, next_ms)
        while next_ms is not None and next_ms <= target_ms:
            self.step_to(next_ms)
            next_ms = self.next_step_ms()
            if self._clock.monotonic_ns() - now_ns > BUSY_NS:
                return 0.0
            if self._pace == MAX_SPEED and next_ms is not None:
                target_ms = next_ms
        if self._pace == MAX_SPEED or next_ms is None:
            return 0.0
        if target_ms > self._exchange.now_ms:
            self.step_to(target_ms)
        return min(TICK_MS, (next_ms - target_ms) / self._pace) / 1000

    def _target_ms(self, now_ns: int, next_ms: int) -> int:
        if self._pace is None or self._pace == MAX_SPEED:
            return next_ms
        elapsed_ms = (now_ns - self._anchor_ns) * self._pace / 1_000_000
        target_ms = self._anchor_market_ms + int(elapsed_ms)
        end_ms = self._exchange.end_ms
        return target_ms if end_ms is None else min(target_ms, end_ms)

    async def run(self) -> None:
        """Keep the pace until cancelled."""
        while True:
            self._changed.clear()
            if self.state is not MarketState.RUNNING:
                await self._changed.wait()
                continue
            wait_s = self.catch_up()
            if wait_s <= 0:
                await asyncio.sleep(0)
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            except TimeoutError:
                continue
