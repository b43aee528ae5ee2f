"""Rows of a CSV log to numbers: first where fields end, then the columns that are needed, one by one.

Text is taken in blocks that stay near the processor: 64 bytes at a time tell where commas and newlines stand,
and a column is then converted row by row, without a look at the columns that nobody needs. A number of up to
19 digits is converted here, to the nearest double as Python's `float` does. What is not such a number
(nothing, a word, something in quotes, more digits) is left to the caller with its place.
"""

from typing import Any

import numpy as np

from aster_operator.backtest.kernels.bytes import (
    AT_ONCE,
    ROOM,
    bits_set,
    byte_at,
    bytes_equal,
    eight_bytes,
    integer_at,
    put_integer,
    put_places,
    trailing_zeros,
)
from aster_operator.backtest.kernels.compiler import Floats, Integers, LongIntegers, Words, compiled, inlined
from aster_operator.backtest.kernels.four_numbers import LANES, four_numbers
from aster_operator.backtest.kernels.numbers import SHORT, number_in, time_in

__all__ = ["KEY_WORDS", "SYMBOL_SLOT", "TIME_SLOT", "scan_rows", "scratch_integers"]

TIME_SLOT, SYMBOL_SLOT = 0, 1
"""Slots of the columns every log has; further slots are values in the order of the output's columns."""

KEY_WORDS = 6
"""What `scan_rows` keeps of a symbol."""
_BLOCK_BYTES = 65_536
"""Of the text in a block; one of a single longer line is longer."""
_COMMA, _NEWLINE, _RETURN = 44, 10, 13
_MASKS = np.array(
    [[(1 << 8 * min(length, 8)) - 1, (1 << 8 * max(length - 8, 0)) - 1] for length in range(17)],
    dtype=np.uint64,
)
"""By length of a text: which bits of the two words that begin with it are its own."""
_COMMAS = np.uint64(0x2C2C2C2C2C2C2C2C)
_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_HASH = np.uint64(0x100000001B3)


@inlined
def _text(start: int, end: int) -> tuple[np.uint64, np.uint64]:
    """Two numbers that stand for the text from `start` to `end`; up to 16 bytes they are the text.

    Commas fill up what is shorter, as they are in no field.
    """
    length = min(end - start, SHORT)
    first = eight_bytes(start) & _MASKS[length, 0] | _COMMAS & ~_MASKS[length, 0]
    second = eight_bytes(start + 8) & _MASKS[length, 1] | _COMMAS & ~_MASKS[length, 1]
    for place in range(start + 16, end):
        second = (second ^ np.uint64(byte_at(place))) * _HASH
    return first, second


@compiled
def _symbol_number(known: int, keys: Words, places: LongIntegers, start: int, end: int) -> int:
    """Number of the symbol among the `known` ones, `known` after adding it."""
    first, second = _text(start, end)
    for number in range(known):
        if keys[number, 0] == first and keys[number, 1] == second:
            return number
    keys[known, 0], keys[known, 1] = first, second
    places[known, 0], places[known, 1] = start, end
    # What the bytes from its start on are, with the comma behind it; nothing is, if that is beyond 16 bytes.
    behind = end - start + 1 if end - start < SHORT else 0
    keys[known, 2], keys[known, 3] = _MASKS[behind, 0], _MASKS[behind, 1]
    keys[known, 4] = first & _MASKS[behind, 0] if behind else _ONE
    keys[known, 5] = second & _MASKS[behind, 1]
    return known


@compiled
def _note(odd: LongIntegers, known: int, row: int, slot: int, start: int, end: int) -> int:
    odd[known, 0], odd[known, 1], odd[known, 2], odd[known, 3] = row, slot, start, end
    return known + 1


@compiled
def _mark_fields(start: int, stop: int, ends: int, lines: int) -> int:
    """Where the fields of the block from `start` on end, and which of them end lines; how many do.

    `ends` and `lines` are addresses of integers: `ends` gets the place before the block and then the place
    behind each field, counted from `start`, `lines` the numbers of those that are newlines.
    """
    least = min(start + _BLOCK_BYTES, stop)
    put_integer(ends, 0, -1)
    count, line, at = 1, 0, start
    while at < least or (line == 0 and at < stop):
        newlines = bytes_equal(at, np.uint8(_NEWLINE))
        found = bytes_equal(at, np.uint8(_COMMA)) | newlines
        # Written whether or not there is one, as it is quicker not to ask: most lines are longer than this.
        while True:
            put_integer(lines, line, count + bits_set(found & ~newlines & (newlines - _ONE)))
            line += int(newlines != _ZERO)
            newlines &= newlines - _ONE
            if newlines == _ZERO:
                break
        rest = put_places(ends, count, at - start, found)
        further = count
        while rest != _ZERO:
            further += AT_ONCE
            rest = put_places(ends, further, at - start, rest)
        count += bits_set(found)
        at += ROOM
    return line


@compiled
def _find_rows(
    start: int, columns: int, found: int, most: int, ends: int, lines: int
) -> tuple[int, int, int]:
    """The rows among a block's lines: number, fields of the last if it has too few, and the next address.

    `lines` gets the number of each row's first field. A row with too few fields is the last one that counts.
    """
    rows, first = 0, 1
    for line in range(found):
        newline = integer_at(lines, line)
        fields = newline - first + 1
        is_row = fields >= columns
        if not is_row:
            end = start + integer_at(ends, newline)
            length = end - (start + integer_at(ends, first - 1) + 1)
            is_row = not (fields == 1 and (length == 0 or (length == 1 and byte_at(end - 1) == _RETURN)))
        if is_row:
            if rows == most:
                break
            put_integer(lines, rows, first)
            rows += 1
        first = newline + 1
        if is_row and fields < columns:
            return rows, fields, start + integer_at(ends, newline) + 1
    return rows, columns, start + integer_at(ends, first - 1) + 1


@inlined
def _start(start: int, ends: int, lines: int, row: int, column: int) -> int:
    """Where the field of a row begins."""
    at: int = start + integer_at(ends, integer_at(lines, row) + column - 1) + 1
    return at


@inlined
def _end(start: int, ends: int, lines: int, row: int, column: int, is_last: bool) -> int:
    """Where the field of a row ends. `is_last`: a line may end with it."""
    end: int = start + integer_at(ends, integer_at(lines, row) + column)
    if is_last and byte_at(end - 1) == _RETURN and byte_at(end) == _NEWLINE:
        end -= 1
    return end


@compiled
def _symbol_column(
    start: int,
    ends: int,
    lines: int,
    column: int,
    is_last: bool,
    known: int,
    keys: Words,
    places: LongIntegers,
    symbols: Integers,
) -> tuple[int, int]:
    """Number the symbols of a block; how many rows there was room for, and how many symbols are known."""
    number = -1
    for row in range(symbols.shape[0]):
        at = _start(start, ends, lines, row, column)
        # Symbols tend to take turns.
        number = number + 1 if number + 1 < known else 0
        if (
            known == 0
            or eight_bytes(at) & keys[number, 2] != keys[number, 4]
            or eight_bytes(at + 8) & keys[number, 3] != keys[number, 5]
        ):
            if known == keys.shape[0]:
                return row, known
            end = _end(start, ends, lines, row, column, is_last)
            number = _symbol_number(known, keys, places, at, end)
            known = max(known, number + 1)
        symbols[row] = number
    return symbols.shape[0], known


@compiled
def _time_column(
    start: int,
    ends: int,
    lines: int,
    column: int,
    is_last: bool,
    first_row: int,
    times: LongIntegers,
    odd: LongIntegers,
    strange: int,
) -> int:
    """Convert the times of a block; how many odd fields there are now."""
    first = second = _ZERO
    value, is_known = np.nan, False
    for row in range(times.shape[0]):
        at = _start(start, ends, lines, row, column)
        # Rows of one second share their time; the same bytes up to beyond its end are the same time.
        if not is_known or eight_bytes(at) != first or eight_bytes(at + 8) != second:
            first, second = eight_bytes(at), eight_bytes(at + 8)
            end = _end(start, ends, lines, row, column, is_last)
            value = time_in(at, end)
            is_known = value == value and end - at < SHORT
            if value != value:
                strange = _note(odd, strange, first_row + row, TIME_SLOT, at, end)
        times[row] = np.int64(value) if value == value else -1
    return strange


@compiled
def _value_column(
    start: int,
    ends: int,
    lines: int,
    column: int,
    is_last: bool,
    slot: int,
    first_row: int,
    values: Floats,
    odd: LongIntegers,
    strange: int,
) -> int:
    """Convert a column of values of a block, four rows at a time; how many odd fields there are now."""
    place = slot - SYMBOL_SLOT - 1
    step = 8 * values.shape[1]
    to: Any = np.int64(values.ctypes.data) + 8 * place
    rows = values.shape[0]
    for first in range(0, rows, LANES):
        left = min(LANES, rows - first)
        wrong = (1 << left) - 1
        if left == LANES:
            wrong = four_numbers(
                _start(start, ends, lines, first, column),
                _end(start, ends, lines, first, column, is_last),
                _start(start, ends, lines, first + 1, column),
                _end(start, ends, lines, first + 1, column, is_last),
                _start(start, ends, lines, first + 2, column),
                _end(start, ends, lines, first + 2, column, is_last),
                _start(start, ends, lines, first + 3, column),
                _end(start, ends, lines, first + 3, column, is_last),
                to + first * step,
                step,
            )
        while wrong:
            row = first + trailing_zeros(np.uint64(wrong))
            wrong &= wrong - 1
            at = _start(start, ends, lines, row, column)
            end = _end(start, ends, lines, row, column, is_last)
            value = number_in(at, end)
            if value != value:
                strange = _note(odd, strange, first_row + row, slot, at, end)
            values[row, place] = value
    return strange


def scratch_integers(length: int) -> Integers:
    """Room for `scan_rows` to work on `length` bytes; can be used again."""
    return np.empty((2, max(length, _BLOCK_BYTES) + 2 * ROOM), dtype=np.int32)


@compiled
def scan_rows(
    start: int,
    stop: int,
    slots: Integers,
    keys: Words,
    symbol_places: LongIntegers,
    symbols: Integers,
    times: LongIntegers,
    values: Floats,
    odd: LongIntegers,
    scratch: Integers,
) -> tuple[int, int, int, int]:
    """The rows that begin at the address `start` or later and before `stop`; each must end in a newline.

    `slots` says for each column which slot it fills, -1 for none; columns behind its end are stepped over.
    `symbols` gets numbers of symbols, new ones are added to `keys` and `symbol_places` (start, end). `odd`
    gets (row, slot, start, end) of what could not be converted, and slot -1 for a row with too few columns,
    which is the last one; it is sorted by rows in each column of a block only. Empty lines are no rows.
    Returns where it stopped (at `stop`, or before a row for which there is no room), and the numbers of rows,
    symbols and odd fields.
    """
    rows = known = strange = 0
    at = start
    columns = slots.shape[0]
    symbol_column = 0
    while slots[symbol_column] != SYMBOL_SLOT:
        symbol_column += 1
    # Addresses, as of the text: `scratch` itself is kept alive by the caller.
    ends: Any = np.int64(scratch.ctypes.data)
    lines = ends + 4 * scratch.shape[1]
    fields = columns
    while at < stop and fields == columns:
        most = min(times.shape[0] - rows, (odd.shape[0] - strange - 1) // columns)
        if most < 1 or known == keys.shape[0]:
            break
        block = at
        found = _mark_fields(block, stop, ends, lines)
        more, fields, at = _find_rows(block, columns, found, most, ends, lines)
        room = symbols[rows : rows + more - int(symbol_column >= fields)]
        is_last = symbol_column in (fields - 1, columns - 1)
        took, known = _symbol_column(
            block, ends, lines, symbol_column, is_last, known, keys, symbol_places, room
        )
        if took < room.shape[0]:
            more, fields, at = took, columns, _start(block, ends, lines, took, 0)
        for column in range(columns):
            slot = slots[column]
            last = rows + more - int(column >= fields)
            is_last = column in (fields - 1, columns - 1)
            if slot == TIME_SLOT:
                strange = _time_column(
                    block, ends, lines, column, is_last, rows, times[rows:last], odd, strange
                )
            elif slot > SYMBOL_SLOT:
                strange = _value_column(
                    block, ends, lines, column, is_last, slot, rows, values[rows:last], odd, strange
                )
        rows += more
    if fields < columns:
        strange = _note(odd, strange, rows - 1, -1, at - 1, at - 1)
    return min(at, stop), rows, known, strange
