"""What is missing: judged by numbers where the venue counts (trades, bars), by time elsewhere.

Trades carry consecutive ids and closed minutes follow one another, so a hole in them is known exactly, can be
fetched afterwards, and an id that comes twice is recorded once. The other streams say nothing when nothing
changes: of them only lost connections, restarts and dropped messages are known.
"""

from typing import Any, Final

import msgspec

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.market_data.recorder.columns import GapRow
from aster_operator.market_data.recorder.intake import Batch, Closing, event_ms_of, symbol_of

__all__ = ["COUNTED", "Continuity", "Hole", "Mark"]

COUNTED: Final = ("aggTrade", "kline_1m")
"""Streams whose rows are numbered."""
_SEEDED: Final = 1500
"""How many rows before the first one heard may be taken from REST without being missed."""
_DUPLICATE: Final = "duplicate"
_ANEW: Final = "anew"
"""The venue began to count anew: how many came before this number is not known."""

Pair = tuple[str, str]


class Mark(msgspec.Struct, array_like=True):
    """How far a stream of a symbol has been recorded: the newest event, and its number where it has one."""

    event_ms: int
    number: int | None = None


class Hole(msgspec.Struct, frozen=True):
    """Numbers `first_id` to `last_id` of a counted stream, between two events, were not heard.

    Also says, as stream `funding`, that the rate of `start_ms` was settled and can be fetched.
    """

    stream: str
    symbol: str
    first_id: int
    last_id: int
    start_ms: int
    end_ms: int
    cause: str
    detail: str


class _Sequence:
    """The numbers of one symbol's rows."""

    __slots__ = ("before", "heard", "last", "last_ms", "missing", "was_lost")

    def __init__(self, before: Mark | None) -> None:
        self.before = before
        self.heard = False
        self.last: int | None = None
        self.last_ms = 0
        self.missing: list[list[int]] = []
        """Ranges of numbers that may still come, both ends included."""
        self.was_lost = False

    def hear(self, number: int, event_ms: int) -> tuple[int, int, int] | str | None:
        """Judge a number heard live: a hole before it (first, last, start time), a duplicate, the
        first of a new count, or None."""
        verdict: tuple[int, int, int] | str | None = None
        if not self.heard:
            self.heard = True
            verdict = self._first(number, event_ms)
        elif self.last is not None and number > self.last + 1:
            verdict = (self.last + 1, number - 1, self.last_ms)
        elif self.last is not None and number <= self.last:
            if not (self.was_lost and event_ms > self.last_ms):
                return None if self._take_missing(number) else _DUPLICATE
            self.missing.clear()
            verdict = _ANEW
        self.was_lost = False
        self.last, self.last_ms = number, event_ms
        if isinstance(verdict, tuple):
            self.missing.append([verdict[0], verdict[1]])
        return verdict

    def _first(self, number: int, event_ms: int) -> tuple[int, int, int] | str | None:
        if self.last is not None:  # Seeds came first.
            return (self.last + 1, number - 1, self.last_ms) if number > self.last + 1 else None
        if self.before is not None and self.before.number is not None:
            if number > self.before.number + 1:
                return (self.before.number + 1, number - 1, self.before.event_ms)
            if number < self.before.number and event_ms > self.before.event_ms:
                return _ANEW
        else:
            self.missing.append([number - _SEEDED, number - 1])
        return None

    def fetch(self, number: int, event_ms: int) -> tuple[int, int, int] | bool:
        """Judge a number that was asked for: is it to be recorded, or even after a hole (first, last, start
        time)?"""
        if self.heard:
            return self._take_missing(number)
        # Nothing was heard yet: a seed.
        before = self.before if self.before is not None and self.before.number is not None else None
        newest = self.last if self.last is not None or before is None else before.number
        if newest is None or number == newest + 1:
            self.last, self.last_ms = number, event_ms
            return True
        if number <= newest:
            return self._take_missing(number)
        start_ms = self.last_ms if self.last is not None or before is None else before.event_ms
        self.last, self.last_ms = number, event_ms
        self.missing.append([newest + 1, number - 1])
        return (newest + 1, number - 1, start_ms)

    def _take_missing(self, number: int) -> bool:
        for place, (first, last) in enumerate(self.missing):
            if first <= number <= last:
                rest = [[first, number - 1], [number + 1, last]]
                self.missing[place : place + 1] = [span for span in rest if span[0] <= span[1]]
                return True
        return False

    def close(self, first: int, last: int) -> int:
        """Stop waiting for a range; returns how many of it never came."""
        left = 0
        kept: list[list[int]] = []
        for low, high in self.missing:
            inside = (max(low, first), min(high, last))
            if inside[0] > inside[1]:
                kept.append([low, high])
                continue
            left += inside[1] - inside[0] + 1
            kept += [span for span in ([low, inside[0] - 1], [inside[1] + 1, high]) if span[0] <= span[1]]
        self.missing = kept
        return left


def _number(stream: str, message: Any) -> int:
    number: int = message.trade_id if stream == "aggTrade" else message.kline.open_ms // MINUTE_MS
    return number


class Continuity:
    """Judges batches in the order they came. `marks` say how far earlier recordings went; they were ended by
    `cause`."""

    def __init__(self, marks: dict[Pair, Mark], cause: str, detail: str) -> None:
        self.marks = {pair: Mark(mark.event_ms, mark.number) for pair, mark in marks.items()}
        self.duplicates = 0
        self._before = dict(marks)
        self._sequences: dict[Pair, _Sequence] = {}
        self._silent: dict[Pair, tuple[int, str, str]] = {
            pair: (mark.event_ms, cause, detail) for pair, mark in marks.items()
        }
        """Pairs that may have missed something: since when, cause, detail."""
        self._holes: dict[tuple[str, str, int, int], Hole] = {}
        self._next_funding: dict[str, int] = {}

    def judge(self, batch: Batch, received_ns: int) -> tuple[list[GapRow], list[Hole]]:
        """Take in a batch, remove from it what is already recorded; returns what is missing and what of it
        can be fetched."""
        gaps: list[GapRow] = []
        holes: list[Hole] = []
        for loss in batch.losses:
            self._note_loss(loss.pairs, loss.cause, loss.detail)
        for stream, messages in batch.messages.items():
            if stream in COUNTED:
                batch.messages[stream] = self._hear(stream, messages, holes, gaps, received_ns)
            elif self._silent:
                self._end_silence(stream, messages, gaps, received_ns)
            for symbol, newest in {symbol_of(message): message for message in messages}.items():
                self._advance((stream, symbol), event_ms_of(newest), None)
                if stream == "markPrice":
                    self._watch_funding(newest, holes)
        for stream, messages in batch.fetched.items():
            if stream in COUNTED:
                batch.fetched[stream] = self._fetch(stream, messages, holes)
        for pair, drop in batch.drops.items():
            if pair[0] == "aggTrade":  # The ids will show it, exactly.
                self._note_loss((pair,), "dropped buffer", "the disk was too slow")
                continue
            gaps.append(
                GapRow(
                    *pair, drop.first_ms, drop.last_ms, "dropped buffer", received_ns,
                    detail="the disk was too slow", missed=drop.count,
                )
            )  # fmt: skip
        gaps += [row for closing in batch.closings if (row := self._close(closing, received_ns)) is not None]
        for hole in holes:
            if hole.stream in COUNTED:
                self._holes[hole.stream, hole.symbol, hole.first_id, hole.last_id] = hole
                # Noted at once: whether it could be filled is said later, if there is a later.
                gaps.append(_row_of(hole, received_ns))
        return gaps, holes

    def end(self, pair: Pair, cause: str, detail: str, received_ns: int) -> GapRow | None:
        """Nothing more will come of `pair`; None when nothing ever came."""
        mark = self.marks.get(pair)
        self._silent.pop(pair, None)
        if mark is None:
            return None
        return GapRow(*pair, mark.event_ms, None, cause, received_ns, detail=detail)

    def _note_loss(self, pairs: tuple[Pair, ...], cause: str, detail: str) -> None:
        for pair in pairs:
            mark = self.marks.get(pair)
            if mark is not None and pair not in self._silent:
                self._silent[pair] = (mark.event_ms, cause, detail)
            sequence = self._sequences.get(pair)
            if sequence is not None:
                sequence.was_lost = True

    def _advance(self, pair: Pair, event_ms: int, number: int | None) -> None:
        mark = self.marks.get(pair)
        if mark is None:
            self.marks[pair] = Mark(event_ms, number)
            return
        mark.event_ms = max(mark.event_ms, event_ms)
        if number is not None:
            mark.number = number

    def _watch_funding(self, mark: Any, holes: list[Hole]) -> None:
        """When the next funding moves on, the one before has been settled: its rate can be fetched."""
        due_ms = self._next_funding.get(mark.symbol)
        self._next_funding[mark.symbol] = mark.next_funding_ms
        if due_ms is not None and mark.next_funding_ms > due_ms:
            holes.append(Hole("funding", mark.symbol, 0, 0, due_ms, mark.event_ms, "settled", ""))

    def _end_silence(self, stream: str, messages: list[Any], gaps: list[GapRow], received_ns: int) -> None:
        if not any(name == stream for name, _ in self._silent):
            return
        first: dict[str, int] = {}
        for message in messages:
            first.setdefault(symbol_of(message), event_ms_of(message))
        for symbol, event_ms in first.items():
            silence = self._silent.pop((stream, symbol), None)
            if silence is not None and event_ms > silence[0]:
                start_ms, cause, detail = silence
                gaps.append(GapRow(stream, symbol, start_ms, event_ms, cause, received_ns, detail=detail))

    def _hear(
        self, stream: str, messages: list[Any], holes: list[Hole], gaps: list[GapRow], received_ns: int
    ) -> list[Any]:
        """The messages that are new; holes before them are noted."""
        kept = []
        for message in messages:
            if stream == "kline_1m" and not message.kline.is_closed:
                kept.append(message)
                continue
            pair = (stream, message.symbol)
            sequence = self._sequence(pair)
            number = _number(stream, message)
            verdict = sequence.hear(number, message.event_ms)
            if verdict is _DUPLICATE:
                self.duplicates += 1
                continue
            kept.append(message)
            self._advance(pair, message.event_ms, sequence.last)
            silence = self._silent.pop(pair, None)
            if isinstance(verdict, tuple):
                cause, detail = silence[1:] if silence is not None else ("lost", "the venue left some out")
                first, last, start_ms = verdict
                holes.append(
                    Hole(stream, message.symbol, first, last, start_ms, message.event_ms, cause, detail)
                )
            elif silence is not None and message.event_ms > silence[0]:
                start_ms, cause, detail = silence
                is_known = verdict is not _ANEW
                gaps.append(
                    GapRow(
                        stream, message.symbol, start_ms, message.event_ms, cause, received_ns,
                        detail=detail if is_known else f"{detail}; the venue counts anew",
                        missed=0 if is_known else None, is_filled=is_known,
                    )
                )  # fmt: skip
        return kept

    def _fetch(self, stream: str, messages: list[Any], holes: list[Hole]) -> list[Any]:
        kept = []
        for message in messages:
            if stream == "kline_1m" and not message.kline.is_closed:
                kept.append(message)
                continue
            pair = (stream, message.symbol)
            sequence = self._sequence(pair)
            verdict = sequence.fetch(_number(stream, message), message.event_ms)
            if verdict is False:
                continue
            kept.append(message)
            self._advance(pair, message.event_ms, sequence.last)
            if isinstance(verdict, tuple):
                first, last, start_ms = verdict
                cause, detail = self._silent[pair][1:] if pair in self._silent else ("lost", "")
                holes.append(
                    Hole(stream, message.symbol, first, last, start_ms, message.event_ms, cause, detail)
                )
        return kept

    def _sequence(self, pair: Pair) -> _Sequence:
        sequence = self._sequences.get(pair)
        if sequence is None:
            sequence = self._sequences[pair] = _Sequence(self._before.get(pair))
        return sequence

    def _close(self, closing: Closing, received_ns: int) -> GapRow | None:
        hole = self._holes.pop((closing.stream, closing.symbol, closing.first_id, closing.last_id), None)
        if hole is None:
            return None
        left = self._sequence((hole.stream, hole.symbol)).close(hole.first_id, hole.last_id)
        return _row_of(hole, received_ns, failure=closing.failure, is_filled=left == 0, is_update=True)


def _row_of(
    hole: Hole, received_ns: int, *, failure: str = "", is_filled: bool = False, is_update: bool = False
) -> GapRow:
    return GapRow(
        hole.stream,
        hole.symbol,
        hole.start_ms,
        hole.end_ms,
        hole.cause,
        received_ns,
        detail="; ".join(part for part in (hole.detail, failure) if part),
        missed=hole.last_id - hole.first_id + 1,
        is_filled=is_filled,
        is_update=is_update,
    )
