"""A journal played through a fresh core: the same events must give the same commands, bit for bit."""

from collections import deque
from pathlib import Path

import msgspec

from aster_operator.domain.commands import Command
from aster_operator.domain.events import Event
from aster_operator.execution.core import TradingCore
from aster_operator.runtime.journal import read_journal

__all__ = ["ReplayResult", "verify_journal"]


class ReplayResult(msgspec.Struct, frozen=True, kw_only=True):
    """`difference` is None when every command was reproduced; else it names the first that was not."""

    events: int
    commands: int
    difference: str | None

    @property
    def reproduced(self) -> bool:
        return self.difference is None


def verify_journal(path: Path) -> ReplayResult:
    """Replay every event of a journal and compare the commands with those it holds.

    A journal that ends in the middle of an event's commands (a crash) is compared as far as it goes.
    Raises ValueError when the file is no journal, OSError when it cannot be read.
    """
    header, records = read_journal(path)
    core = TradingCore(header.settings)
    expected: deque[Command] = deque(core.start(header.started_ms))
    events = commands = 0
    for record in records:
        if isinstance(record, Event):
            if expected:
                return _result(events, commands, f"event {events} lacks {_name(expected[0])}")
            events += 1
            expected.extend(core.handle(record))
            continue
        commands += 1
        if not expected:
            return _result(events, commands, f"command {commands} {_name(record)} was not reproduced")
        replayed = expected.popleft()
        if replayed != record:
            return _result(
                events, commands, f"command {commands}: recorded {record!r}, replayed {replayed!r}"
            )
    return _result(events, commands, None)


def _result(events: int, commands: int, difference: str | None) -> ReplayResult:
    return ReplayResult(events=events, commands=commands, difference=difference)


def _name(command: Command) -> str:
    return type(command).__name__
