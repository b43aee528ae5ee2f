"""The state replica: what a session knows, rebuilt from its journal in another process.

The deciding core is deterministic, so a core of our own that is fed the same events knows what the session's
knows, to the last digit. Nobody reaches into the session: it writes its journal and never waits for a view.
The commands that our core derives are compared with those in the journal, so that a replica that has lost
step says so instead of showing something else.
"""

from collections import deque

import msgspec

from aster_operator.domain.commands import Command
from aster_operator.domain.events import Event
from aster_operator.execution.account_watch import AccountWatch
from aster_operator.execution.core import TradingCore
from aster_operator.execution.core_state import CoreSettings, CoreState
from aster_operator.monitoring.replica.activity import ActivityLog
from aster_operator.monitoring.replica.buffers import BufferSizes
from aster_operator.monitoring.replica.market_history import MarketHistory
from aster_operator.monitoring.replica.timings import Timings
from aster_operator.strategy.risk_limits import LimitReading

__all__ = ["RateBudget", "SessionReplica"]


class RateBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue allows and what of it is used, in the running minute. None: not known."""

    weight_used: int | None = None
    weight_limit: int | None = None
    orders_used: int | None = None
    orders_limit: int | None = None


class SessionReplica:
    """One session as its journal tells it. Pure: facts in, no clock, no file, no network.

    `version` grows with every fact. `fault` says how the replica lost step with the session; None while what
    it shows is what the session knows.
    """

    def __init__(self, settings: CoreSettings, started_ms: int, sizes: BufferSizes | None = None) -> None:
        sizes = sizes or BufferSizes()
        self.settings = settings
        self.started_ms = started_ms
        self.version = 0
        self.events = 0
        self.commands = 0
        self.fault: str | None = None
        self.budget = RateBudget()
        self.ended = False
        self.activity = ActivityLog(sizes)
        self.market = MarketHistory(sizes)
        self.timings = Timings()
        self._core = TradingCore(settings)
        self._watch = AccountWatch(self._core.state)
        self._expected: deque[Command] = deque(self._core.start(started_ms))

    @property
    def state(self) -> CoreState:
        """The replica's own copy of what the session knows; for reading."""
        return self._core.state

    @property
    def strategy_name(self) -> str:
        return self._core.strategy_name

    @property
    def now_ms(self) -> int:
        """Market time of the newest fact."""
        return self._core.state.now_ms

    def entries_blocked(self) -> str | None:
        """Why nothing may be opened now, in words; None when entries are free."""
        return self._core.entries_blocked()

    def limits(self) -> list[LimitReading]:
        """How every limit stands now."""
        return list(self._watch.readings())

    def apply(self, fact: Event | Command, written_ns: int | None = None) -> None:
        """Fold the journal's next fact in. `written_ns` is when a command was journalled, wall time."""
        self.version += 1
        if isinstance(fact, Event):
            self.events += 1
            self._feed(fact)
            self.timings.on_event(fact)
            self.market.on_event(fact, self.state)
            self.activity.on_event(fact, self.state)
            return
        self.commands += 1
        self._compare(fact)
        self.timings.on_command(fact, written_ns)
        self.activity.on_command(fact, self.state)
        self.ended = self.ended or type(fact).__name__ == "StopSession"

    def _feed(self, event: Event) -> None:
        if self.fault is not None and self.fault.startswith("cannot follow"):
            return
        if self._expected and self.fault is None:
            self.fault = f"out of step: the session did not send {type(self._expected[0]).__name__}"
        self._expected.clear()
        try:
            self._expected.extend(self._core.handle(event))
        except Exception as error:
            self.fault = f"cannot follow event {self.events} ({type(error).__name__}: {error})"

    def _compare(self, command: Command) -> None:
        if self.fault is not None:
            return
        expected = self._expected.popleft() if self._expected else None
        if expected != command:
            self.fault = f"out of step: command {self.commands}, {type(command).__name__}, was not derived"
