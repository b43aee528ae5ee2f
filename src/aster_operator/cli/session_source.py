"""Where the views get their session from: running ones by their files, past ones by their journals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aster_operator.domain.commands import Command
from aster_operator.domain.events import Event, OperatorAction
from aster_operator.domain.market import DepthSnapshot
from aster_operator.monitoring.replica.replica import RateBudget
from aster_operator.monitoring.web.source import FoundSession, StreamHead
from aster_operator.runtime.journal_follower import JournalFollower
from aster_operator.runtime.session_file import SessionFile, find_sessions
from aster_operator.runtime.steering import SteeringFailed, SteeringRequest, request_steering

__all__ = ["JournalSource"]


class JournalSource:
    """Implements `SessionSource`. `journal` names one journal to show; else the session that runs in
    `state_dir` (that of process `pid`, if it is given), or the newest journal there."""

    def __init__(self, state_dir: Path, *, journal: Path | None = None, pid: int | None = None) -> None:
        self._state_dir = state_dir
        self._journal = journal
        self._pid = pid
        self._controls: dict[str, SessionFile] = {}

    def find(self) -> FoundSession | None:
        """The session to show; None when there is none yet."""
        running = find_sessions(self._state_dir)
        for session in running:
            self._controls[session.run_id] = session
        if self._journal is not None:
            own = str(self._journal.absolute())
            chosen = next((session for session in running if session.journal == own), None)
            if chosen is None:
                return _ended(self._journal) if self._journal.exists() else None
            return _running(chosen)
        chosen = next((session for session in running if self._pid in (None, session.pid)), None)
        if chosen is not None:
            return _running(chosen)
        if self._pid is not None:
            return None
        journals = list((self._state_dir / "journals").glob("*.journal"))
        newest = max(journals, key=lambda path: path.stat().st_mtime, default=None)
        return None if newest is None else _ended(newest)

    def open(self, session: FoundSession) -> "_Stream":
        """Raises ValueError or OSError."""
        return _Stream(JournalFollower(Path(session.journal)))

    async def steer(
        self, session: FoundSession, action: OperatorAction, detail: str, tool: str
    ) -> tuple[bool, str]:
        """Whether the wish was taken, and what there is to say about it."""
        file = self._controls.get(session.run_id)
        if file is None or file.control is None:
            return False, "this session takes no wishes"
        try:
            request = SteeringRequest(action=action, tool=tool, detail=detail)
            answer = await request_steering(Path(file.control), request)
        except SteeringFailed as failed:
            return False, str(failed)
        return answer.accepted, answer.message


def _running(session: SessionFile) -> FoundSession:
    return FoundSession(
        run_id=session.run_id,
        venue=session.venue,
        journal=session.journal,
        is_running=True,
        can_steer=session.control is not None,
        can_reload=session.can_reload,
    )


def _ended(journal: Path) -> FoundSession:
    venue = journal.stem.split("-")[0]
    return FoundSession(run_id=journal.stem, venue=venue, journal=str(journal.absolute()), is_running=False)


class _Stream:
    """A journal as the views want it. Implements `FactStream`."""

    def __init__(self, follower: JournalFollower) -> None:
        self._follower = follower

    @property
    def head(self) -> StreamHead | None:
        header = self._follower.header
        if header is None:
            return None
        return StreamHead(
            settings=header.settings, started_ms=header.started_ms, code_version=header.code_version
        )

    @property
    def budget(self) -> RateBudget | None:
        note = self._follower.note
        if note is None:
            return None
        return RateBudget(
            weight_used=note.weight_used,
            weight_limit=note.weight_limit,
            orders_used=note.orders_used,
            orders_limit=note.orders_limit,
        )

    @property
    def depth(self) -> Mapping[str, DepthSnapshot]:
        return self._follower.depth

    @property
    def behind_bytes(self) -> int:
        return self._follower.behind_bytes

    @property
    def read_bytes(self) -> int:
        return self._follower.read_bytes

    def take(self, at_most: int) -> Sequence[tuple[Event | Command, int | None]]:
        return self._follower.take(at_most)

    def close(self) -> None:
        self._follower.close()
