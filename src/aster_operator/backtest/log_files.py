"""CSV logs read as fast as they come from the disk: in pieces, on all cores, only the columns needed.

A piece is converted by `kernels.log_rows`; what that leaves over is settled here. Empty fields, `NaN` and the
like say that a value is not known yet. The last line of a log that is being written may be cut short and is
then left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aster_operator.backtest.ahead import worked_ahead
from aster_operator.backtest.engine import available_cores
from aster_operator.backtest.kernels.bytes import ROOM
from aster_operator.backtest.kernels.compiler import Floats, Integers, LongIntegers, Octets
from aster_operator.backtest.kernels.log_rows import SYMBOL_SLOT, TIME_SLOT, scan_rows
from aster_operator.backtest.problems import BacktestProblem

__all__ = ["LogRows", "read_log"]

_CHUNK_BYTES = 4_000_000
_LONGEST_LINE = 1_000_000
_SHORTEST_LINE = 24
_MOST_SYMBOLS = 1024
_ODD_FIELDS = 65_536
_UNKNOWN = {b"", b"nan", b"none", b"null", b"na"}
_LARGEST_INTEGER = 2**53


@dataclass(frozen=True)
class LogRows:
    """Consecutive rows: `symbol_of` numbers `symbols`, or is -1 where a value is not known yet."""

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


def read_log(file: Path, columns: Sequence[str]) -> Iterator[LogRows]:
    """The rows of `file` in order; `columns` begins with time and symbol. Raises BacktestProblem."""
    try:
        yield from _read(file, columns)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BacktestProblem(f"not a readable CSV log ({reason})", str(file), "check the file") from None


def _read(file: Path, columns: Sequence[str]) -> Iterator[LogRows]:
    start, names = _header(file)
    for name in columns:
        if names.count(name) != 1:
            what = "the column is there twice" if name in names else "the column is missing"
            raise BacktestProblem(what, f"{file}, column {name}", "check the log")
    slots = np.array([columns.index(name) if name in columns else -1 for name in names], dtype=np.int32)
    reader = _Reader(file, file.stat().st_size, slots[: np.flatnonzero(slots >= 0)[-1] + 1], len(names))
    spans = range(start, reader.size, _CHUNK_BYTES)
    first_row = 1
    for pieces, fault in worked_ahead(
        lambda begin: reader.read(begin, begin == start), spans, available_cores()
    ):
        for piece in pieces:
            yield piece
            first_row += len(piece.time_ms)
        if fault is not None:
            column = "" if fault.column is None else f", column {columns[fault.column]}"
            row = first_row - len(pieces[-1].time_ms) + fault.row
            raise BacktestProblem(fault.complaint, f"{file}, row {row}{column}", "correct it")


def _header(file: Path) -> tuple[int, list[str]]:
    """Where the first row begins, and the names of the columns."""
    with file.open("rb") as opened:
        line = opened.readline(_LONGEST_LINE)
    text = line.decode("utf-8-sig", errors="replace").strip()
    if not text:
        raise BacktestProblem("not a readable CSV log (the file is empty)", str(file), "check the file")
    return len(line), [name.strip().strip('"') for name in text.split(",")]


@dataclass(frozen=True)
class _Reader:
    """Reads pieces of one file; may be used by several threads at once."""

    file: Path
    size: int
    slots: Integers
    columns: int

    def read(self, begin: int, is_first: bool) -> tuple[list[LogRows], _Fault | None]:
        """The rows whose lines begin in the piece from byte `begin` on, up to the first bad one."""
        buffer, start, stop = self._lines(begin, is_first)
        address = buffer.ctypes.data
        at = address + start
        pieces = []
        while at < address + stop:
            at, rows, fault = self._scan(buffer, at, address + stop)
            pieces.append(rows)
            if fault is not None:
                return pieces, fault
        return pieces, None

    def _lines(self, begin: int, is_first: bool) -> tuple[Octets, int, int]:
        """Bytes with the piece's lines and where in them these begin and end."""
        from_byte = begin if is_first else begin - 1
        length = min(begin + _CHUNK_BYTES, self.size) - from_byte
        beyond = min(_LONGEST_LINE, self.size - from_byte - length)
        # Numbers are read from behind: there is room before the first line as well.
        buffer = np.empty(ROOM + length + beyond + 1 + 2 * ROOM, dtype=np.uint8)[ROOM:]
        with self.file.open("rb") as opened:
            opened.seek(from_byte)
            # Not in one go: most of what may be a long line is never needed.
            got = opened.readinto(buffer.data[:length])
            end = got
            while beyond > 0 and buffer[end - 1] != 10:
                more = opened.readinto(buffer.data[end : end + min(beyond, 4096)])
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
                    for at in range(0, length, 4096)
                    if (found := buffer[at : min(at + 4096, length)] == 10).any()
                ),
                end,
            )
        if end > start and buffer[end - 1] != 10:
            end = self._unfinished(buffer, start, end)
        buffer[end : end + ROOM] = 10
        return buffer, start, end

    def _unfinished(self, buffer: Octets, start: int, end: int) -> int:
        """The end of what counts when the last line has no newline: it may have been cut short."""
        newlines = np.flatnonzero(buffer[start:end] == 10)
        line = start + int(newlines[-1]) + 1 if len(newlines) else start
        if int((buffer[line:end] == 44).sum()) + 1 < self.columns:
            return line
        buffer[end] = 10
        return end + 1

    def _scan(self, buffer: Octets, start: int, stop: int) -> tuple[int, LogRows, _Fault | None]:
        room = (stop - start) // _SHORTEST_LINE + 1
        keys = np.zeros((_MOST_SYMBOLS, 2), dtype=np.uint64)
        places, odd = np.zeros((_MOST_SYMBOLS, 2), np.int64), np.zeros((_ODD_FIELDS, 4), np.int64)
        symbol_of, times = np.empty(room, np.int32), np.empty(room, np.int64)
        values = np.empty((room, int(self.slots.max()) - 1))
        at, rows, symbols, strange = scan_rows(
            start, stop, self.slots, keys, places, symbol_of, times, values, odd
        )
        address = buffer.ctypes.data
        texts = [buffer[first - address : last - address].tobytes() for first, last in places[:symbols]]
        found = LogRows(
            tuple(text.decode("utf-8", errors="replace").strip().strip('"') for text in texts),
            symbol_of[:rows],
            times[:rows],
            values[:rows],
        )
        return at, *_settled(found, buffer, odd[:strange])


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
