"""What the views are fed from and how they reach a session: the two things somebody else has to provide."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from aster_operator.domain.commands import Command
from aster_operator.domain.events import Event, OperatorAction
from aster_operator.domain.market import DepthSnapshot
from aster_operator.execution.core_state import CoreSettings
from aster_operator.monitoring.replica.replica import RateBudget

__all__ = ["FactStream", "FoundSession", "SessionSource", "StreamHead"]


class FoundSession(msgspec.Struct, frozen=True, kw_only=True):
    """One session that can be watched. `can_steer`: it runs and takes wishes."""

    run_id: str
    venue: str
    journal: str
    is_running: bool
    can_steer: bool = False
    can_reload: bool = False


class StreamHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica is built from."""

    settings: CoreSettings
    started_ms: int
    code_version: str


class FactStream(Protocol):
    """A session's journal while it grows."""

    @property
    def head(self) -> StreamHead | None:
        """None until it has been read."""

    @property
    def budget(self) -> RateBudget | None:
        """The newest rate budget in the journal, None while there is none."""

    @property
    def depth(self) -> Mapping[str, DepthSnapshot]:
        """The newest order book of each symbol, as far as the session noted any."""

    @property
    def behind_bytes(self) -> int: ...

    @property
    def read_bytes(self) -> int: ...

    def take(self, at_most: int) -> Sequence[tuple[Event | Command, int | None]]:
        """The next facts with the wall time (ns) they were written at, as far as that is known. Raises
        ValueError or OSError for what cannot be read."""

    def close(self) -> None: ...


class SessionSource(Protocol):
    """Finds sessions and hands wishes to them."""

    def find(self) -> FoundSession | None:
        """The session to show: the one that runs, else the last; None when there is none yet."""

    def open(self, session: FoundSession) -> FactStream:
        """Raises ValueError or OSError."""

    async def steer(
        self, session: FoundSession, action: OperatorAction, detail: str, tool: str
    ) -> tuple[bool, str]:
        """Whether the wish was taken, and what there is to say about it. Never raises."""
