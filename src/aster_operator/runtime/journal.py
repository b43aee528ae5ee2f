"""The session's journal: every event and every command, in order, before it is acted on.

A file of length-prefixed MessagePack records: one header, then events and commands. Append-only; a record
cut short by a crash is ignored by the reader. Replaying the events through a fresh core must give the
same commands (`replay`).
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

import msgspec

from aster_operator.domain.clock import Clock
from aster_operator.domain.commands import Command
from aster_operator.domain.events import Event, OperatorRequested, TimerFired
from aster_operator.domain.market import DepthSnapshot
from aster_operator.execution.core_state import CoreSettings

__all__ = [
    "DepthNote",
    "FileJournal",
    "Journal",
    "JournalHeader",
    "JournalRecord",
    "NoJournal",
    "NoteTaker",
    "SessionNote",
    "fact_of",
    "read_journal",
    "written_ns_of",
]

_LENGTH = struct.Struct("<I")
_FORMAT_VERSION = 1


class JournalHeader(msgspec.Struct, frozen=True, kw_only=True, tag="Header"):
    """What a replay needs to rebuild the core. Holds no secret: the account is named by its address."""

    format_version: int = _FORMAT_VERSION
    code_version: str
    started_ms: int
    settings: CoreSettings


class _EventRecord(msgspec.Struct, frozen=True, tag="E"):
    event: Event


class _CommandRecord(msgspec.Struct, frozen=True, tag="C"):
    command: Command
    written_ns: int | None = None
    """Wall time, for views that tell how long a decision took."""


class SessionNote(msgspec.Struct, frozen=True, kw_only=True, tag="N"):
    """What no decision rests on and views want to know: the request budget of the running minute."""

    weight_used: int
    weight_limit: int
    orders_used: int
    orders_limit: int


class DepthNote(msgspec.Struct, frozen=True, kw_only=True, tag="D"):
    """The order book of one symbol, for views: no decision rests on more than the best quote."""

    depth: DepthSnapshot


JournalRecord = JournalHeader | _EventRecord | _CommandRecord | SessionNote | DepthNote
"""What stands in a journal, one after the other."""


def fact_of(record: _EventRecord | _CommandRecord) -> Event | Command:
    """What a record of the journal's body says."""
    return record.event if isinstance(record, _EventRecord) else record.command


def written_ns_of(record: _EventRecord | _CommandRecord) -> int | None:
    """When a command was journalled (wall time); None for events, which carry their own, and old files."""
    return record.written_ns if isinstance(record, _CommandRecord) else None


class Journal(Protocol):
    def event(self, event: Event) -> None: ...

    def command(self, command: Command) -> None:
        """Returns only when the record would survive the end of this process."""

    def close(self) -> None: ...


@runtime_checkable
class NoteTaker(Protocol):
    """What a journal may offer besides: to keep what no decision rests on, for views."""

    def note(self, note: SessionNote | DepthNote) -> None: ...


class NoJournal:
    """Keeps nothing: for tests and for runs whose journal nobody wants."""

    def event(self, event: Event) -> None:  # noqa: ARG002
        return

    def command(self, command: Command) -> None:  # noqa: ARG002
        return

    def close(self) -> None:
        return


class FileJournal:
    """Writes one session's journal. Raises OSError when the file cannot be written.

    Records are handed to the operating system at every command, which survives the death of this process
    but not a power cut; order intents survive that too, in the database's order journal.
    """

    def __init__(self, path: Path, header: JournalHeader, clock: Clock | None = None) -> None:
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file: BinaryIO = path.open("xb")
        self._encoder = msgspec.msgpack.Encoder()
        self._write(header)
        self._file.flush()

    def event(self, event: Event) -> None:
        self._write(_EventRecord(event))
        if isinstance(event, TimerFired | OperatorRequested):
            self._file.flush()  # views that follow the file are at most a timer's tick behind

    def command(self, command: Command) -> None:
        written_ns = None if self._clock is None else self._clock.now_ns()
        self._write(_CommandRecord(command, written_ns))
        self._file.flush()

    def note(self, note: SessionNote | DepthNote) -> None:
        self._write(note)

    def close(self) -> None:
        self._file.close()

    def _write(self, record: JournalRecord) -> None:
        body = self._encoder.encode(record)
        self._file.write(_LENGTH.pack(len(body)) + body)


def read_journal(path: Path) -> tuple[JournalHeader, Iterator[Event | Command]]:
    """The header and the records of a journal, oldest first; a truncated last record is left out.

    Raises ValueError when the file is no journal of a known format, OSError when it cannot be read.
    """
    records = _records(path)
    try:
        header = next(records)
    except (StopIteration, msgspec.DecodeError) as error:
        raise ValueError(f"{path} is not a session journal") from error
    if not isinstance(header, JournalHeader) or header.format_version != _FORMAT_VERSION:
        raise ValueError(f"{path} is not a session journal of format {_FORMAT_VERSION}")

    def facts() -> Iterator[Event | Command]:
        for record in records:
            if isinstance(record, _EventRecord | _CommandRecord):
                yield fact_of(record)

    return header, facts()


def _records(path: Path) -> Iterator[JournalRecord]:
    decoder: msgspec.msgpack.Decoder[JournalRecord] = msgspec.msgpack.Decoder(JournalRecord)
    with path.open("rb") as file:
        while len(prefix := file.read(_LENGTH.size)) == _LENGTH.size:
            (length,) = _LENGTH.unpack(prefix)
            body = file.read(length)
            if len(body) < length:
                return
            yield decoder.decode(body)
