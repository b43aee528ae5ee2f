"""Clocks: integer units that agree with each other; a test's clock moves only when told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.clock import DAY_MS, HOUR_MS, MINUTE_MS, ManualClock, WallClock, utc_day_start_ms


def test_a_manual_clock_shows_one_time_in_every_unit() -> None:
    clock = ManualClock(1_746_576_000_123)
    clock.advance_ms(77)
    assert clock.now_ms() == 1_746_576_000_200
    assert clock.now_us() == 1_746_576_000_200_000
    assert clock.now_ns() == clock.monotonic_ns() == 1_746_576_000_200_000_000


def test_a_manual_clock_never_goes_back() -> None:
    clock = ManualClock(1_000)
    clock.set_ms(2_000)
    with pytest.raises(ValueError, match="time cannot go back"):
        clock.set_ms(1_999)
    with pytest.raises(ValueError, match="time cannot go back"):
        clock.advance_ms(-1)
    assert clock.now_ms() == 2_000


def test_the_wall_clock_agrees_with_itself() -> None:
    clock = WallClock()
    before_ns = clock.now_ns()
    now_us, now_ms = clock.now_us(), clock.now_ms()
    after_ns = clock.now_ns()
    assert before_ns // 1_000 <= now_us <= after_ns // 1_000
    assert before_ns // 1_000_000 <= now_ms <= after_ns // 1_000_000
    assert clock.monotonic_ns() <= clock.monotonic_ns()


@given(st.integers(0, 4_000_000_000_000))
def test_a_utc_day_begins_at_midnight_and_holds_its_moment(time_ms: int) -> None:
    start_ms = utc_day_start_ms(time_ms)
    assert start_ms % DAY_MS == 0
    assert 0 <= time_ms - start_ms < 24 * HOUR_MS == 1440 * MINUTE_MS
