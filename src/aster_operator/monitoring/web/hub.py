"""Follows the session of the moment and hands out pictures of it: one for all pages, the API and the metrics.

Reading the journal and answering viewers share one event loop: facts are folded in slices of a few
milliseconds, so that no page waits for a long journal, and no page holds the session up.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from msgspec.structs import replace

from aster_operator.domain.clock import Clock
from aster_operator.domain.commands import NotifyLevel
from aster_operator.domain.events import OperatorAction
from aster_operator.monitoring.pictures.system import ViewHealth
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.web.source import FactStream, FoundSession, SessionSource

__all__ = ["DashboardHub"]

_log = structlog.get_logger("dashboard")

_SLICE_FACTS = 50
_SLICE_NS = 15_000_000
_BREATH_S = 0.005
_IDLE_S = 0.2
_ANSWER_LOOKS = 30
_OF_PARAMETERS = "new parameters"
"""What each message of a strategy about its file says."""
_LOOK_EVERY_NS = 1_000_000_000
_SHARED_NS = 500_000_000
_MOST_PICTURES = 50


class DashboardHub:
    """`replica` is None until a session has been found and its head read; `problem` says what is wrong."""

    def __init__(
        self,
        source: SessionSource,
        clock: Clock,
        *,
        read_only: bool = False,
        versions: dict[str, str] | None = None,
    ) -> None:
        self.session: FoundSession | None = None
        self.replica: SessionReplica | None = None
        self.problem: str | None = None
        self.read_only = read_only
        self.viewers = 0
        self.undelivered: Callable[[], tuple[str, ...]] = tuple
        self._versions = versions or {}
        self._source = source
        self._clock = clock
        self._stream: FactStream | None = None
        self._looked_ns = -_LOOK_EVERY_NS
        self.has_caught_up = False
        """True once the journal has been read to its end: what comes from then on is news."""
        self.saw_it_run = False
        """Whether the session of the moment was running when we looked at it."""
        self._has_more = False
        self._pictures: dict[str, tuple[SessionReplica | None, int, Any]] = {}

    @property
    def is_catching_up(self) -> bool:
        """True while the journal holds much that has not been read."""
        return self._stream is not None and self._stream.behind_bytes > 4_000_000

    @property
    def has_died(self) -> bool:
        """True when the session's process is gone and nothing in its journal, read to its end, says why."""
        if self.session is None or self.session.is_running or self.replica is None:
            return False
        return self.has_caught_up and not self._has_more and not self.replica.ended

    @property
    def progress_pct(self) -> float:
        """How much of the journal has been read."""
        if self._stream is None:
            return 0.0
        read = self._stream.read_bytes
        return 100 * read / max(1, read + self._stream.behind_bytes)

    @property
    def can_steer(self) -> bool:
        return not self.read_only and self.session is not None and self.session.can_steer

    def shared(self, name: str, build: Callable[[], Any]) -> Any:
        """A picture that all viewers share: built anew when the last one is half a second old."""
        now_ns = self._clock.monotonic_ns()
        known = self._pictures.get(name)
        if known is not None and known[0] is self.replica and now_ns - known[1] < _SHARED_NS:
            return known[2]
        picture = build()
        if len(self._pictures) >= _MOST_PICTURES:
            self._pictures.clear()
        self._pictures[name] = (self.replica, now_ns, picture)
        return picture

    def health(self) -> ViewHealth:
        """How the views themselves do."""
        stream = self._stream
        return ViewHealth(
            source="" if self.session is None else self.session.run_id,
            lag_bytes=0 if stream is None else stream.behind_bytes,
            read_bytes=0 if stream is None else stream.read_bytes,
            viewers=self.viewers,
            undelivered=self.undelivered(),
            problem=self.problem,
            versions=self._versions,
        )

    @property
    def run_id(self) -> str | None:
        """The session of the moment; None when there is none."""
        return None if self.session is None else self.session.run_id

    async def steer(
        self, action: OperatorAction, detail: str, tool: str, *, asked_of: str | None
    ) -> tuple[bool, str]:
        """Hand a person's wish to the session; whether it was taken, and what there is to say. `asked_of` is
        the `run_id` when the person was asked: a yes after a restart is none to the new session."""
        if self.read_only:
            return False, "this dashboard only reads"
        if self.session is None or not self.session.can_steer:
            return False, "no session is running"
        if self.run_id != asked_of:
            return False, "another session runs now: look at it and ask again"
        heard = self._messages()
        taken, words = await self._source.steer(self.session, action, detail, tool)
        if taken and action is OperatorAction.RELOAD_PARAMETERS:
            return await self._what_came_of_it(heard, words)
        return taken, words

    def _messages(self) -> int:
        return 0 if self.replica is None else self.replica.activity.notices.total

    async def _what_came_of_it(self, heard: int, words: str) -> tuple[bool, str]:
        """What the session says of the files that it has read again, since `heard` messages; `words` when it
        says nothing for a while."""
        for _ in range(_ANSWER_LOOKS):
            await asyncio.sleep(_IDLE_S)
            if self.replica is None:
                break
            said = self.replica.activity.notices.newest(self._messages() - heard)
            answers = [notice for notice in said if _OF_PARAMETERS in notice.message]
            if answers:
                taken = all(notice.level is NotifyLevel.INFO for notice in answers)
                return taken, "; ".join(notice.message for notice in answers)
        return True, f"{words}; what came of it will be among the messages"

    async def run(self) -> None:
        """Follow until cancelled. A journal that cannot be read is a problem to show, not an end."""
        try:
            while True:  # noqa: ASYNC110 (a file grows without telling anybody)
                await asyncio.sleep(_BREATH_S if self.advance() else _IDLE_S)
        finally:
            self.close()

    def close(self) -> None:
        if self._stream is not None:
            with suppress(OSError):
                self._stream.close()
            self._stream = None

    def finish(self, *, is_over: bool = False) -> None:
        """Look once more, and read everything there is. `is_over`: the session's process has ended, which its
        file may not tell in the same moment."""
        self._looked_ns = self._clock.monotonic_ns() - _LOOK_EVERY_NS
        while self.advance():
            pass
        if is_over and self.session is not None:
            self.session = replace(self.session, is_running=False, can_steer=False)

    def advance(self) -> bool:
        """Look for the session and fold one slice of its facts in; True when there may be more at once."""
        now_ns = self._clock.monotonic_ns()
        try:
            if now_ns - self._looked_ns >= _LOOK_EVERY_NS:
                self._looked_ns = now_ns
                self._look()
            return self._fold(now_ns)
        except (OSError, ValueError) as error:
            if self.problem != str(error):
                _log.warning("the journal cannot be followed", error=str(error))
            self.problem = str(error)
            return False

    def _look(self) -> None:
        found = self._source.find()
        if found is None:
            if self.session is None:
                self.problem = None
            else:
                self.session = replace(self.session, is_running=False, can_steer=False)
            return
        if self.session is None or found.journal != self.session.journal:
            self.close()
            self.session, self.replica, self.problem = found, None, None
            self.has_caught_up = self.saw_it_run = False
            self._stream = self._source.open(found)
        self.session = found
        self.saw_it_run = self.saw_it_run or found.is_running

    def _fold(self, started_ns: int) -> bool:
        stream = self._stream
        if stream is None:
            return False
        more = False
        while True:
            facts = stream.take(_SLICE_FACTS)
            if self.replica is None and stream.head is not None:
                self.replica = SessionReplica(stream.head.settings, stream.head.started_ms)
            replica = self.replica
            if replica is not None:
                for fact, written_ns in facts:
                    replica.apply(fact, written_ns)
                if stream.budget is not None:
                    replica.budget = stream.budget
                replica.market.depth.update(stream.depth)
            more = self._has_more = len(facts) == _SLICE_FACTS
            self.has_caught_up = self.has_caught_up or (replica is not None and not more)
            if not more or self._clock.monotonic_ns() - started_ns > _SLICE_NS:
                self.problem = None
                return more
