"""Recorded events of one symbol as columns: quotes, trades, marks and funding in order of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aster_operator.backtest.kernels.compiler import Bytes, Floats, LongIntegers, compiled
from aster_operator.backtest.replay.venue import FUNDING_EVENT, MARK_EVENT, QUOTE_EVENT, TRADE_EVENT
from aster_operator.domain.clock import MINUTE_MS

__all__ = ["EventStream", "ReplayEvents"]

EventStream = tuple[LongIntegers, Floats]
"""Times in ms, and one row of values for each."""

_ORDER = ((FUNDING_EVENT, "funding"), (MARK_EVENT, "mark"), (QUOTE_EVENT, "quote"), (TRADE_EVENT, "trade"))
_LAST_MS = np.iinfo(np.int64).max


@dataclass(frozen=True)
class ReplayEvents:
    """Times in ms (UTC), kinds and values (see `replay.venue`), oldest first."""

    times_ms: LongIntegers
    kinds: Bytes
    values: Floats

    def __len__(self) -> int:
        return len(self.times_ms)

    def first_minutes(self, minutes: int) -> ReplayEvents:
        """What happens until so many minutes after the first event."""
        end = int(np.searchsorted(self.times_ms, self.times_ms[0] + minutes * MINUTE_MS))
        return ReplayEvents(self.times_ms[:end], self.kinds[:end], self.values[:end])

    @classmethod
    def merged(
        cls,
        quotes: EventStream | None = None,
        trades: EventStream | None = None,
        marks: EventStream | None = None,
        funding: EventStream | None = None,
    ) -> ReplayEvents:
        """Streams merged by time; of one moment funding first, then marks, then quotes, then trades.

        Values are bid, its quantity, ask, its quantity; price, quantity, taker's side (+1, -1); price and,
        where it is known, the funding rate of the running period; settled rate. Raises ValueError for times
        out of order, prices that are not above zero and a crossed book.
        """
        columns: list[EventStream] = []
        for (kind, name), stream in zip(_ORDER, (funding, marks, quotes, trades), strict=True):
            times, values = np.empty(0, np.int64), np.empty((0, 4))
            if stream is not None and len(stream[0]):
                # Copies: kernels would be compiled once more for columns that cannot be written to.
                times = np.array(stream[0], dtype=np.int64)
                values = np.array(stream[1], dtype=np.float64, order="C").reshape(len(times), -1)
                _check(times, values, kind, name)
            columns.append((times, values))
        rows = sum(len(times) for times, _ in columns)
        if rows == 0:
            raise ValueError("there are no events")
        found = cls(np.empty(rows, np.int64), np.empty(rows, np.int8), np.zeros((rows, 4)))
        rate, mark, quote, trade = columns
        _merge(*rate, *mark, *quote, *trade, found.times_ms, found.kinds, found.values)
        return found


def _check(times: LongIntegers, values: Floats, kind: int, name: str) -> None:
    early = times[1:] < times[:-1]
    if early.any():
        raise ValueError(f"{name} {int(np.argmax(early)) + 2} is earlier than the one before it")
    if kind == FUNDING_EVENT:
        bad = ~np.isfinite(values).all(axis=1)
        if bad.any():
            raise ValueError(f"{name} {int(np.argmax(bad)) + 1} is not finite")
        return
    for column, word in ((0, "bid"), (2, "ask")) if kind == QUOTE_EVENT else ((0, "price"),):
        bad = ~(np.isfinite(values[:, column]) & (values[:, column] > 0))
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"{name} {row + 1} ({times[row]} ms): {word} {values[row, column]:g} is not above 0"
            )
    if kind == QUOTE_EVENT:
        crossed = values[:, 0] > values[:, 2]
        if crossed.any():
            row = int(np.argmax(crossed))
            bid, ask = values[row, 0], values[row, 2]
            raise ValueError(
                f"{name} {row + 1} ({times[row]} ms): bid {bid:g} is above ask {ask:g}: a crossed book"
            )


@compiled
def _next_ms(times: LongIntegers, place: int) -> int:
    return times[place] if place < times.shape[0] else _LAST_MS


@compiled
def _copy(values: Floats, place: int, out: Floats, row: int) -> None:
    for column in range(values.shape[1]):
        out[row, column] = values[place, column]


@compiled
def _merge(
    funding_ms: LongIntegers,
    funding: Floats,
    mark_ms: LongIntegers,
    marks: Floats,
    quote_ms: LongIntegers,
    quotes: Floats,
    trade_ms: LongIntegers,
    trades: Floats,
    times: LongIntegers,
    kinds: Bytes,
    values: Floats,
) -> None:
    """Four streams, each in order of time, into one; at one time in the order they are given."""
    mark = quote = trade = rate = 0
    for row in range(times.shape[0]):
        at_mark, at_quote = _next_ms(mark_ms, mark), _next_ms(quote_ms, quote)
        at_trade, at_funding = _next_ms(trade_ms, trade), _next_ms(funding_ms, rate)
        first = min(at_mark, at_quote, at_trade, at_funding)
        times[row] = first
        if at_funding == first:
            kinds[row] = FUNDING_EVENT
            _copy(funding, rate, values, row)
            rate += 1
        elif at_mark == first:
            kinds[row] = MARK_EVENT
            _copy(marks, mark, values, row)
            mark += 1
        elif at_quote == first:
            kinds[row] = QUOTE_EVENT
            _copy(quotes, quote, values, row)
            quote += 1
        else:
            kinds[row] = TRADE_EVENT
            _copy(trades, trade, values, row)
            trade += 1
