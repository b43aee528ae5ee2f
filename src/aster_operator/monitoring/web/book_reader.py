"""Questions to the books for the views: in a thread, remembered for a while, read only.

What cannot be read is told in one line: shown on a page (`Costs.problem`), or raised as BooksUnread.
"""

import asyncio
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine

from aster_operator.config.masking import mask_text
from aster_operator.config.problems import one_line
from aster_operator.database.engine import describing_errors
from aster_operator.database.selection import ALL_BOOKS
from aster_operator.domain.clock import Clock
from aster_operator.monitoring.daily_report import DailyReport, build_daily_report
from aster_operator.monitoring.pictures.books import Books, books_picture, gather_figures
from aster_operator.monitoring.pictures.costs import BookCosts, Costs, book_costs, session_costs
from aster_operator.monitoring.pictures.points import Points, points_picture
from aster_operator.monitoring.points_answer import PointsAnswer
from aster_operator.monitoring.points_books import read_books
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.report_periods import day_period, last_session_period, yesterday_ms
from aster_operator.rewards.epochs import utc_day
from aster_operator.rewards.profile import Profile
from aster_operator.rewards.records import Context

__all__ = ["BookReader", "BooksUnread"]

_FRESH_NS = 10_000_000_000
_Found = TypeVar("_Found")


class BooksUnread(Exception):
    """Why there is no answer from the books, in one line."""


class _Answer(NamedTuple):
    read_ns: int
    found: Any
    problem: str | None


class BookReader:
    """`open_engine` opens the books when they are first asked for; it may raise. `catalog` and `crashes` are
    the folders that a report looks into; without them it says what it could not look at."""

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        profile_name: str,
        profile: Profile,
        clock: Clock,
        *,
        catalog: Path | None = None,
        crashes: Path | None = None,
    ) -> None:
        self._open_engine = open_engine
        self._profile_name = profile_name
        self._profile = profile
        self._clock = clock
        self._catalog = catalog
        self._crashes = crashes
        self._engine: Engine | None = None
        self._costs: BookCosts | None = None
        self._answers: dict[Hashable, _Answer] = {}
        self._lock = asyncio.Lock()

    async def costs(self, replica: SessionReplica | None) -> Costs:
        """Session and books together; the books are at most ten seconds old, or the last that were read."""

        def gather(connection: Connection) -> BookCosts:
            return book_costs(connection, ALL_BOOKS, self._profile_name, self._profile)

        answer = await self._asked("costs", gather)
        if answer.problem is None:
            self._costs = answer.found
        return Costs(
            session=None if replica is None else session_costs(replica),
            books=self._costs,
            problem=answer.problem,
        )

    async def books(self) -> Books:
        """The sums of the books, as `db stats --json` prints them. Raises BooksUnread."""
        return await self._told(
            "books", lambda connection: books_picture(gather_figures(connection, ALL_BOOKS))
        )

    async def points(self) -> Points:
        """As `points --json` prints it under the same profile. Raises BooksUnread."""

        def gather(connection: Connection) -> Points:
            known = Context()
            answer = PointsAnswer(
                profile=self._profile,
                context=known,
                today=utc_day(self._clock.now_ms()),
                point_value_usd=None,
                books=tuple(read_books(connection, ALL_BOOKS, self._profile, known)),
                fit=None,
            )
            return points_picture(answer)

        return await self._told("points", gather)

    async def report(self, day_ms: int | None = None) -> DailyReport:
        """Of the UTC day that contains `day_ms`, yesterday when None, as `report --json` prints it. Raises
        BooksUnread."""
        period = day_period(yesterday_ms(self._clock.now_ms()) if day_ms is None else day_ms)
        return await self._told(
            period,
            lambda connection: build_daily_report(
                connection, period, catalog_root=self._catalog, crash_folder=self._crashes
            ),
        )

    async def last_session_report(self) -> DailyReport | None:
        """As `report --last-run --json` prints it; None when there was none. Raises BooksUnread."""

        def gather(connection: Connection) -> DailyReport | None:
            period = last_session_period(connection, self._clock.now_ms())
            if period is None:
                return None
            return build_daily_report(
                connection, period, catalog_root=self._catalog, crash_folder=self._crashes
            )

        return await self._told("last session", gather)

    async def _told(self, question: Hashable, gather: Callable[[Connection], _Found]) -> _Found:
        answer = await self._asked(question, gather)
        if answer.problem is not None:
            raise BooksUnread(answer.problem)
        found: _Found = answer.found
        return found

    async def _asked(self, question: Hashable, gather: Callable[[Connection], object]) -> _Answer:
        """What the books say, at most ten seconds old. One reading at a time: a session may trade beside."""
        async with self._lock:
            now_ns = self._clock.monotonic_ns()
            self._answers = {
                asked: answer
                for asked, answer in self._answers.items()
                if now_ns - answer.read_ns <= _FRESH_NS
            }
            if question not in self._answers:
                found, problem = await asyncio.to_thread(self._read, gather)
                self._answers[question] = _Answer(self._clock.monotonic_ns(), found, problem)
            return self._answers[question]

    def _read(self, gather: Callable[[Connection], object]) -> tuple[object, str | None]:
        try:
            if self._engine is None:
                self._engine = self._open_engine()
            with describing_errors(self._engine.url), self._engine.connect() as connection:
                return gather(connection), None
        except Exception as error:
            return None, mask_text(one_line(f"the books cannot be read: {error}"))

    def close(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
