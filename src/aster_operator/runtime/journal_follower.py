"""Reads a session's journal while it is being written: the one stream that every view is fed from.

The file is the buffer between the session and its views: the session writes at its own pace and never waits
for a reader; a reader that is slow or gone costs it nothing.
"""

import struct
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from aster_operator.domain.commands import Command
from aster_operator.domain.events import Event
from aster_operator.domain.market import DepthSnapshot
from aster_operator.runtime.journal import (
    DepthNote,
    JournalHeader,
    JournalRecord,
    SessionNote,
    fact_of,
    written_ns_of,
)

__all__ = ["JournalFollower"]

_LENGTH = struct.Struct("<I")
_READ_BYTES = 1 << 20
_LONGEST_RECORD = 1 << 28


class JournalFollower:
    """Facts of one journal in order, as far as it has been written. Raises ValueError for a file that is no
    journal of this program, OSError when it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: JournalHeader | None = None
        self.note: SessionNote | None = None
        """The newest note for views."""
        self.depth: dict[str, DepthSnapshot] = {}
        """The newest order book of each symbol, as far as any was noted."""
        self._file: BinaryIO = path.open("rb")
        self._pending = bytearray()
        self._decoder: msgspec.msgpack.Decoder[JournalRecord] = msgspec.msgpack.Decoder(JournalRecord)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    @property
    def behind_bytes(self) -> int:
        """Written by the session and not handed out yet."""
        return max(0, self.path.stat().st_size - self._file.tell()) + len(self._pending)

    @property
    def read_bytes(self) -> int:
        """Handed out so far."""
        return self._file.tell() - len(self._pending)

    def take(self, at_most: int = 1000) -> list[tuple[Event | Command, int | None]]:
        """The next facts, empty when there are none yet, with the wall time (ns) that commands were written
        at; a record that is still being written is left for the next call."""
        facts: list[tuple[Event | Command, int | None]] = []
        while len(facts) < at_most:
            record = self._next()
            if record is None:
                break
            if isinstance(record, JournalHeader):
                self.header = record
                continue
            if self.header is None:
                raise ValueError(f"{self.path} is not a session journal")
            if isinstance(record, SessionNote):
                self.note = record
                continue
            if isinstance(record, DepthNote):
                self.depth[record.depth.symbol] = record.depth
                continue
            facts.append((fact_of(record), written_ns_of(record)))
        return facts

    def _next(self) -> JournalRecord | None:
        if len(self._pending) < _LENGTH.size and not self._fill():
            return None
        (length,) = _LENGTH.unpack_from(self._pending)
        if length > _LONGEST_RECORD:
            raise ValueError(f"{self.path} is not a session journal")
        while len(self._pending) < _LENGTH.size + length:
            if not self._fill():
                return None
        end = _LENGTH.size + length
        body = bytes(self._pending[_LENGTH.size : end])
        del self._pending[:end]
        try:
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise ValueError(f"{self.path} is not a session journal of this program's format") from error

    def _fill(self) -> bool:
        chunk = self._file.read(_READ_BYTES)
        self._pending += chunk
        return bool(chunk) and len(self._pending) >= _LENGTH.size
