"""Who feeds the watchdog: the loop that handles events, and nobody in its place."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from aster_operator.runtime.live import LiveDriver
from aster_operator.runtime.session import Session


class StubSession:
    """The driver's side of a session: events go in and are handled, until one stops it or blocks it."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.handled: list[str] = []
        self.stopped: str | None = None
        self.is_urgent = False

    def take(self) -> str | None:
        return self.events.pop(0) if self.events else None

    def decide(self, event: str) -> list[object]:
        if event == "broken":
            raise RuntimeError("the core stands still")
        self.handled.append(event)
        self.stopped = "done" if event == "stop" else None
        return []

    def __getattr__(self, name: str) -> Callable[[], bool]:
        if name.startswith("claim_"):  # nothing has to be read from the venue
            return lambda: False
        raise AttributeError(name)


async def consume(events: list[str]) -> tuple[StubSession, list[int]]:
    session = StubSession(events)
    fed: list[int] = []
    driver = LiveDriver(cast(Session, session), lambda: 0, alive=lambda: fed.append(len(session.handled)))
    async with asyncio.TaskGroup() as tasks:
        driver._tasks = tasks
        await driver._consume(tasks)
    return session, fed


async def test_every_handled_event_is_a_sign_of_life() -> None:
    _session, fed = await consume(["quote", "timer", "stop"])
    assert fed == [1, 2, 3]


async def test_a_loop_that_stands_still_gives_none() -> None:
    session = StubSession(["quote", "broken", "timer"])
    fed: list[int] = []
    driver = LiveDriver(cast(Session, session), lambda: 0, alive=lambda: fed.append(1))
    async with asyncio.TaskGroup() as tasks:
        driver._tasks = tasks
        with pytest.raises(RuntimeError, match="stands still"):
            await driver._consume(tasks)
    assert session.handled == ["quote"]
    assert len(fed) == 1
