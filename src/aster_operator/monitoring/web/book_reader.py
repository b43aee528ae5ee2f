"""Questions to the books for the views: in a thread, remembered for a while, never an exception."""

import asyncio
from collections.abc import Callable

from sqlalchemy import Engine

from aster_operator.config.masking import mask_text
from aster_operator.database.selection import Selection
from aster_operator.domain.clock import Clock
from aster_operator.monitoring.pictures.costs import BookCosts, Costs, book_costs, session_costs
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.rewards.profile import Profile

__all__ = ["BookReader"]

_FRESH_NS = 10_000_000_000


class BookReader:
    """`open_engine` opens the books when they are first asked for; it may raise."""

    def __init__(
        self, open_engine: Callable[[], Engine], profile_name: str, profile: Profile, clock: Clock
    ) -> None:
        self._open_engine = open_engine
        self._profile_name = profile_name
        self._profile = profile
        self._clock = clock
        self._engine: Engine | None = None
        self._read_ns: int | None = None
        self._books: BookCosts | None = None
        self._problem: str | None = None
        self._lock = asyncio.Lock()

    async def costs(self, replica: SessionReplica | None) -> Costs:
        """Session and books together; the books are at most ten seconds old."""
        async with self._lock:
            now_ns = self._clock.monotonic_ns()
            if self._read_ns is None or now_ns - self._read_ns > _FRESH_NS:
                await asyncio.to_thread(self._read)
                self._read_ns = self._clock.monotonic_ns()
        return Costs(
            session=None if replica is None else session_costs(replica),
            books=self._books,
            problem=self._problem,
        )

    def _read(self) -> None:
        try:
            if self._engine is None:
                self._engine = self._open_engine()
            with self._engine.connect() as connection:
                self._books = book_costs(connection, Selection(), self._profile_name, self._profile)
            self._problem = None
        except Exception as error:
            self._problem = mask_text(f"the books cannot be read: {error}")

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
