"""A session to watch: its journal, written by the embedded exchange in process, and what is made of it."""

from collections.abc import Sequence
from pathlib import Path

from aster_operator.domain.clock import Clock, ManualClock
from aster_operator.domain.commands import Command
from aster_operator.domain.events import Event, OperatorAction
from aster_operator.domain.market import DepthSnapshot
from aster_operator.execution.core_state import CoreSettings
from aster_operator.monitoring.replica.replica import RateBudget, SessionReplica
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.monitoring.web.source import FoundSession, StreamHead
from aster_operator.runtime.journal import FileJournal, Journal, JournalHeader, read_journal
from runtime.sessions import Bench, open_bench

Facts = list[Event | Command]


async def record_session(path: Path, *, minutes: float = 90, steered: bool = True) -> Bench:
    """Trade two pairs for a while, be asked for things, and end."""

    def journal(settings: CoreSettings, now_ms: int) -> Journal:
        return FileJournal(
            path, JournalHeader(code_version="test", started_ms=now_ms, settings=settings), ManualClock(1)
        )

    bench = await open_bench(symbols=("BTCUSDT", "ETHUSDT"), hold_minutes=20, journal=journal)
    await bench.run_minutes(minutes)
    if steered:
        bench.session.request(OperatorAction.PAUSE_ENTRIES, "anna (test)", bench.stepper.now_ms)
        bench.session.request(OperatorAction.CLOSE, "anna (test)", bench.stepper.now_ms, "ETHUSDT")
        await bench.run_minutes(5)
    bench.session._journal.close()
    return bench


def read_facts(path: Path) -> tuple[StreamHead, Facts]:
    header, facts = read_journal(path)
    head = StreamHead(
        settings=header.settings, started_ms=header.started_ms, code_version=header.code_version
    )
    return head, list(facts)


def replica_of(head: StreamHead, facts: Sequence[Event | Command]) -> SessionReplica:
    replica = SessionReplica(head.settings, head.started_ms)
    for fact in facts:
        replica.apply(fact)
    return replica


class FactsInMemory:
    """A `FactStream` over a list that may grow."""

    def __init__(self, head: StreamHead | None, facts: Facts) -> None:
        self.head = head
        self.facts = facts
        self.budget: RateBudget | None = RateBudget(
            weight_used=120, weight_limit=2400, orders_used=3, orders_limit=1200
        )
        self.depth: dict[str, DepthSnapshot] = {}
        self.closed = False
        self._place = 0

    @property
    def behind_bytes(self) -> int:
        return len(self.facts) - self._place

    @property
    def read_bytes(self) -> int:
        return self._place

    def take(self, at_most: int) -> Sequence[tuple[Event | Command, int | None]]:
        taken = self.facts[self._place : self._place + at_most]
        self._place += len(taken)
        return [(fact, None) for fact in taken]

    def close(self) -> None:
        self.closed = True


class OneSession:
    """A `SessionSource` with at most one session, which remembers what was asked of it."""

    def __init__(self, stream: FactsInMemory | None) -> None:
        self.stream = stream
        self.found: FoundSession | None = None
        if stream is not None:
            self.found = FoundSession(
                run_id="run", venue="sim", journal="memory", is_running=True, can_steer=True
            )
        self.asked: list[tuple[OperatorAction, str, str]] = []
        self.problem: Exception | None = None

    def find(self) -> FoundSession | None:
        return self.found

    def open(self, session: FoundSession) -> FactsInMemory:
        if self.problem is not None:
            raise self.problem
        assert self.stream is not None
        return self.stream

    async def steer(
        self, session: FoundSession, action: OperatorAction, detail: str, tool: str
    ) -> tuple[bool, str]:
        self.asked.append((action, detail, tool))
        return True, "taken"


def hub_of(stream: FactsInMemory | None, clock: Clock | None = None, **options: bool) -> DashboardHub:
    """A hub that has read everything there is."""
    hub = DashboardHub(OneSession(stream), clock or ManualClock(1_000), **options)
    while hub.advance():
        pass
    return hub
