"""Recorded minutes moved to another time, so that a program which looks at the clock finds them current."""

from dataclasses import replace

from aster_operator.domain.clock import DAY_MS, HOUR_MS
from aster_operator.market_data.history import HistoryError, RecordedHistory, SymbolHistory

__all__ = ["redated"]

# The time of day is kept if that can be, else the times at which funding settles, else the full hour.
_STEPS_MS = (DAY_MS, 8 * HOUR_MS, HOUR_MS)
_LEFT_TO_PLAY_MS = HOUR_MS


def redated(history: RecordedHistory, now_ms: int, warm_up_ms: int) -> RecordedHistory:
    """`history` moved by whole days (or funding intervals, or hours) so that `now_ms` lies in it.

    Of the possible places the earliest is taken that has `warm_up_ms` of minutes before it and an hour after
    it. Raises HistoryError when there is none: the recording is too short.
    """
    earliest_ms, latest_ms = history.start_ms + warm_up_ms, history.end_ms - _LEFT_TO_PLAY_MS
    spans = [symbol.windows() for symbol in history.symbols.values()]
    for step_ms in _STEPS_MS:
        for place_ms in range(earliest_ms + (now_ms - earliest_ms) % step_ms, latest_ms + 1, step_ms):
            if all(any(each.start_ms <= place_ms < each.end_ms for each in windows) for windows in spans):
                return _moved(history, now_ms - place_ms)
    raise HistoryError("the recording is too short to be played as of now; play it at its own times")


def _moved(history: RecordedHistory, delta_ms: int) -> RecordedHistory:
    return RecordedHistory({name: _symbol(each, delta_ms) for name, each in history.symbols.items()})


def _symbol(history: SymbolHistory, delta_ms: int) -> SymbolHistory:
    return replace(
        history,
        open_time_ms=[time_ms + delta_ms for time_ms in history.open_time_ms],
        funding=tuple((time_ms + delta_ms, rate) for time_ms, rate in history.funding),
    )
