"""CSV logs read as fast as they come from the disk: in pieces, on all cores, only the columns needed.

A piece is converted by `kernels.log_rows`; what that leaves over is settled here. Empty fields, `NaN` and the
like say that a value is not known yet. The last line of a log that is being written may be cut short and is
then left out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np

from aster_operator.backtest.ahead import worked_ahead
from aster_operator.backtest.kernels.bytes import ROOM
from aster_operator.backtest.kernels.compiler import Floats, Integers, LongIntegers, Octets
from aster_operator.backtest.kernels.log_rows import (
    KEY_WORDS,
    SYMBOL_SLOT,
    TIME_SLOT,
    scan_rows,
    scratch_integers,
)
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.sharing import available_cores

__all__ = ["LogRows", "Rooms", "read_log"]

_CHUNK_BYTES = 8_000_000
_LONGEST_LINE = 1_000_000
_SHORTEST_LINE = 24
_MOST_SYMBOLS = 1024
_ODD_FIELDS = 65_536
_UNKNOWN = {b"", b"nan", b"none", b"null", b"na"}
_LARGEST_INTEGER = 2**53


@dataclass(frozen=True)
class LogRows:
    """Consecutive rows: `symbol_of` numbers `symbols`, or is -1 where a value is not known yet.

    The arrays hold until the next rows are asked for.
    """

    symbols: tuple[str, ...]
    symbol_of: Integers
    time_ms: LongIntegers
    values: Floats


@dataclass(frozen=True)
class _Fault:
    """What is wrong with a row: its number in the piece, the complaint, the number of the column or None."""

    row: int
    complaint: str
    column: int | None


def read_log(file: Path, columns: Sequence[str], rooms: Rooms | None = None) -> Iterator[LogRows]:
    """The rows of `file` in order; `columns` begins with time and symbol. Raises BacktestProblem.

    Files that are read one after the other may share their `rooms`.
    """
    try:
        yield from _read(file, columns, Rooms() if rooms is None else rooms)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BacktestProblem(f"not a readable CSV log ({reason})", str(file), "check the file") from None


def _read(file: Path, columns: Sequence[str], rooms: Rooms) -> Iterator[LogRows]:
    start, names = _header(file)
    for name in columns:
        if names.count(name) != 1:
            what = "the column is there twice" if name in names else "the column is missing"
            raise BacktestProblem(what, f"{file}, column {name}", "check the log")
    slots = np.array([columns.index(name) if name in columns else -1 for name in names], dtype=np.int32)
    reader = _Reader(file, slots[: np.flatnonzero(slots >= 0)[-1] + 1], len(names), rooms)
    spans = range(start, reader.size, _CHUNK_BYTES)
    first_row = 1
    for room, pieces, fault in worked_ahead(
        lambda begin: reader.read(begin, begin == start), spans, available_cores()
    ):
        for piece in pieces:
            yield piece
            first_row += len(piece.time_ms)
        if fault is not None:
            column = "" if fault.column is None else f", column {columns[fault.column]}"
            row = first_row - len(pieces[-1].time_ms) + fault.row
            raise BacktestProblem(fault.complaint, f"{file}, row {row}{column}", "correct it")
        rooms.give_back(room)


def _header(file: Path) -> tuple[int, list[str]]:
    """Where the first row begins, and the names of the columns."""
    with file.open("rb") as opened:
        line = opened.readline(_LONGEST_LINE)
    text = line.decode("utf-8-sig", errors="replace").strip()
    if not text:
        raise BacktestProblem("not a readable CSV log (the file is empty)", str(file), "check the file")
    return len(line), [name.strip().strip('"') for name in text.split(",")]


class _Room:
    """Where a piece is read and converted: used again, as new memory costs as much as half the conversion."""

    def __init__(self, length: int) -> None:
        self.length = length
        rows = length // _SHORTEST_LINE + 1
        longest = length + _LONGEST_LINE
        # Numbers are read from behind: there is room before the first line as well.
        self.text = np.empty(ROOM + longest + 2 + 2 * ROOM, dtype=np.uint8)[ROOM:]
        self.scratch = scratch_integers(longest + ROOM)
        self.keys, self.places = (
            np.empty((_MOST_SYMBOLS, KEY_WORDS), np.uint64),
            np.empty((_MOST_SYMBOLS, 2), np.int64),
        )
        self.odd = np.empty((_ODD_FIELDS, 4), np.int64)
        self.symbol_of, self.times = np.empty(rows, np.int32), np.empty(rows, np.int64)
        self._values = np.empty(0)

    def values(self, columns: int) -> Floats:
        size = columns * len(self.times)
        if len(self._values) < size:
            self._values = np.empty(size)
        return self._values[:size].reshape(-1, columns)


class Rooms:
    """Rooms that nobody uses; several threads may take them and give them back."""

    def __init__(self) -> None:
        self._unused: deque[_Room] = deque()

    def take(self, length: int) -> _Room:
        """One for pieces of at most `length` bytes."""
        try:
            room = self._unused.pop()
        except IndexError:
            return _Room(length)
        return room if room.length >= length else _Room(length)

    def give_back(self, room: _Room) -> None:
        self._unused.append(room)


class _Reader:
    """Reads pieces of one file; may be used by several threads at once."""

    def __init__(self, file: Path, slots: Integers, columns: int, rooms: Rooms) -> None:
        self.file = file
        self.size = file.stat().st_size
        self.slots, self.columns = slots, columns
        self.rooms = rooms

    def read(self, begin: int, is_first: bool) -> tuple[_Room, list[LogRows], _Fault | None]:
        """The rows whose lines begin in the piece from byte `begin` on, up to the first bad one.

        They lie in the room, whoever has taken them gives it back.
        """
        room = self.rooms.take(min(_CHUNK_BYTES, self.size))
        start, stop = self._lines(room.text, begin, is_first)
        address = room.text.ctypes.data
        at = address + start
        pieces: list[LogRows] = []
        while at < address + stop:
            at, rows, fault = self._scan(room, at, address + stop, is_first=not pieces)
            pieces.append(rows)
            if fault is not None:
                return room, pieces, fault
        return room, pieces, None

    def _lines(self, buffer: Octets, begin: int, is_first: bool) -> tuple[int, int]:
        """Read the piece's lines; where in `buffer` these begin and end."""
        from_byte = begin if is_first else begin - 1
        length = min(begin + _CHUNK_BYTES, self.size) - from_byte
        beyond = min(_LONGEST_LINE, self.size - from_byte - length)
        with self.file.open("rb", buffering=0) as opened:
            opened.seek(from_byte)
            # Not in one go: most of what may be a long line is never needed.
            end = _filled(opened, buffer.data[:length])
            while beyond > 0 and buffer[end - 1] != 10:
                more = _filled(opened, buffer.data[end : end + min(beyond, 4096)])
                newline = np.flatnonzero(buffer[end : end + more] == 10)
                beyond -= more
                end += int(newline[0]) + 1 if len(newline) else more
                if more == 0:
                    break
        start = 0
        if not is_first:
            start = next(
                (
                    at + int(np.argmax(found)) + 1
                    for at in range(0, min(length, end), 4096)
                    if (found := buffer[at : min(at + 4096, length, end)] == 10).any()
                ),
                end,
            )
        if end > start and buffer[end - 1] != 10:
            end = self._unfinished(buffer, start, end)
        buffer[end : end + ROOM] = 10
        return start, end

    def _unfinished(self, buffer: Octets, start: int, end: int) -> int:
        """The end of what counts when the last line has no newline: it may have been cut short."""
        newlines = np.flatnonzero(buffer[start:end] == 10)
        line = start + int(newlines[-1]) + 1 if len(newlines) else start
        if int((buffer[line:end] == 44).sum()) + 1 < self.columns:
            return line
        buffer[end] = 10
        return end + 1

    def _scan(
        self, room: _Room, start: int, stop: int, *, is_first: bool
    ) -> tuple[int, LogRows, _Fault | None]:
        buffer, keys, places, odd = room.text, room.keys, room.places, room.odd
        # Rows of the same piece lie there until all were taken.
        symbol_of = room.symbol_of if is_first else np.empty_like(room.symbol_of)
        times = room.times if is_first else np.empty_like(room.times)
        values = room.values(int(self.slots.max()) - SYMBOL_SLOT)
        if not is_first:
            values = np.empty_like(values)
        at, rows, symbols, strange = scan_rows(
            start, stop, self.slots, keys, places, symbol_of, times, values, odd, room.scratch
        )
        address = buffer.ctypes.data
        texts = [buffer[first - address : last - address].tobytes() for first, last in places[:symbols]]
        found = LogRows(
            tuple(text.decode("utf-8", errors="replace").strip().strip('"') for text in texts),
            symbol_of[:rows],
            times[:rows],
            values[:rows],
        )
        # Of each block they come column by column.
        odd = odd[:strange]
        return at, *_settled(found, buffer, odd[np.argsort(odd[:, 0], kind="stable")])


def _filled(opened: FileIO, into: memoryview) -> int:
    """Read until `into` is full or the file ends; how many bytes there were."""
    got = 0
    while got < len(into) and (more := opened.readinto(into[got:])):
        got += more
    return got


def _settled(rows: LogRows, buffer: Octets, odd: LongIntegers) -> tuple[LogRows, _Fault | None]:
    """The rows with what could not be converted settled; they end before the first row that is wrong."""
    empty = (odd[:, 3] == odd[:, 2]) & (odd[:, 1] >= 0)
    rows.symbol_of[odd[empty, 0]] = -1
    address = buffer.ctypes.data
    for row, slot, start, end in odd[~empty].tolist():
        text = buffer[start - address : end - address].tobytes().strip().strip(b'"')
        fault = None
        if slot < 0:
            fault = _Fault(row, "the row has too few columns", None)
        elif text.lower() in _UNKNOWN:
            rows.symbol_of[row] = -1
        else:
            fault = _convert(rows, row, slot, text)
        if fault is not None:
            cut = LogRows(
                rows.symbols, rows.symbol_of[: row + 1], rows.time_ms[: row + 1], rows.values[: row + 1]
            )
            cut.symbol_of[row] = -1
            return cut, fault
    return rows, None


def _convert(rows: LogRows, row: int, slot: int, text: bytes) -> _Fault | None:
    shown = text.decode("utf-8", errors="replace")
    try:
        value = float(text)
    except ValueError:
        return _Fault(row, f"{shown!r} is not a number", slot)
    if not math.isfinite(value):
        return _Fault(row, f"{shown} is not finite", slot)
    if slot == TIME_SLOT:
        if abs(value) > _LARGEST_INTEGER:
            return _Fault(row, f"{shown} is no time", slot)
        rows.time_ms[row] = int(value)
    else:
        rows.values[row, slot - SYMBOL_SLOT - 1] = value
    return None
