"""Recorded minutes moved to now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS
from aster_operator.market_data.history import HistoryError, RecordedHistory, SymbolHistory
from aster_operator.market_data.redating import redated

START_MS = 20_000 * DAY_MS


def recording(*windows: tuple[int, int], start_ms: int = START_MS) -> RecordedHistory:
    """Windows as (first, last) minute after the start; funding every eight hours."""
    minutes = [start_ms + each * MINUTE_MS for first, last in windows for each in range(first, last)]
    prices = [1.0] * len(minutes)
    settled = tuple((start_ms + hours * HOUR_MS, 0.0001 * hours) for hours in range(0, 48, 8))
    symbol = SymbolHistory("BTCUSDT", minutes, prices, prices, prices, prices, prices, prices, settled)
    return RecordedHistory({"BTCUSDT": symbol})


@given(now_minute=st.integers(0, 5_000_000), days=st.integers(2, 4))
def test_the_time_of_day_and_everything_else_is_kept(now_minute: int, days: int) -> None:
    history, now_ms = recording((0, days * 1440)), 21_000 * DAY_MS + now_minute * MINUTE_MS
    moved = redated(history, now_ms, 12 * HOUR_MS)
    delta_ms = moved.start_ms - history.start_ms
    assert delta_ms % DAY_MS == 0
    assert moved.start_ms + 12 * HOUR_MS <= now_ms <= moved.end_ms - HOUR_MS
    symbol, before = moved.symbols["BTCUSDT"], history.symbols["BTCUSDT"]
    assert [time_ms - delta_ms for time_ms in symbol.open_time_ms] == list(before.open_time_ms)
    assert [(time_ms - delta_ms, rate) for time_ms, rate in symbol.funding] == list(before.funding)
    assert symbol.close is before.close


def test_a_short_recording_is_moved_by_funding_intervals_or_hours() -> None:
    now_ms = 21_000 * DAY_MS + 13 * HOUR_MS + 7 * MINUTE_MS
    for hours, step_ms in ((10, 8 * HOUR_MS), (3, HOUR_MS)):
        moved = redated(recording((0, hours * 60)), now_ms, 0)
        assert (moved.start_ms - START_MS) % step_ms == 0
        assert moved.start_ms <= now_ms <= moved.end_ms - HOUR_MS
    with pytest.raises(HistoryError, match="too short"):
        redated(recording((0, 60)), now_ms, 0)


def test_now_never_falls_into_a_break() -> None:
    history = recording((0, 600), (900, 4 * 1440))
    now_ms = 21_000 * DAY_MS + 700 * MINUTE_MS
    moved = redated(history, now_ms, 0)
    place = (now_ms - moved.start_ms) // MINUTE_MS
    assert place == 1440 + 700
