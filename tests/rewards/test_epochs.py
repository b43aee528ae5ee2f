"""Weeks begin where the programmes say."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rewards_values import MONDAY_MS

from aster_operator.rewards.epochs import WEEK_MS, EpochWeek, epoch_at, epochs_between, first_ms_of


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("week", "moment", "first", "last"),
    [
        (EpochWeek.MONDAY, "2025-10-06T00:00:00", "2025-10-06", "2025-10-12"),
        (EpochWeek.MONDAY, "2025-10-12T23:59:59.999", "2025-10-06", "2025-10-12"),
        (EpochWeek.MONDAY, "2025-10-05T23:59:59.999", "2025-09-29", "2025-10-05"),
        (EpochWeek.THURSDAY, "2026-04-29T12:00:00", "2026-04-23", "2026-04-29"),
        (EpochWeek.THURSDAY, "2026-04-30T00:00:00", "2026-04-30", "2026-05-06"),
        (EpochWeek.MONDAY, "1970-01-01T00:00:00", "1969-12-29", "1970-01-04"),
    ],
)
def test_an_epoch_is_a_calendar_week(week: EpochWeek, moment: str, first: str, last: str) -> None:
    epoch = epoch_at(ms(moment), week)
    assert (epoch.first_day.isoformat(), epoch.last_day.isoformat()) == (first, last)
    assert epoch.first_day.strftime("%A").lower() == week


@given(st.integers(min_value=0, max_value=4_102_444_800_000), st.sampled_from(list(EpochWeek)))
def test_epochs_tile_time(time_ms: int, week: EpochWeek) -> None:
    epoch = epoch_at(time_ms, week)
    assert epoch.start_ms <= time_ms < epoch.end_ms == epoch.start_ms + WEEK_MS
    assert epoch_at(epoch.end_ms, week).start_ms == epoch.end_ms
    assert first_ms_of(epoch.first_day) == epoch.start_ms


def test_the_stages_are_whole_numbers_of_epochs() -> None:
    for first, last, epochs in (
        ("2025-09-08", "2025-10-05", 4),
        ("2025-10-06", "2025-11-09", 5),
        ("2025-11-10", "2025-12-21", 6),
        ("2026-02-02", "2026-03-29", 8),
    ):
        weeks = list(epochs_between(ms(first), ms(last) + 1, EpochWeek.MONDAY))
        assert len(weeks) == epochs
        assert (weeks[0].first_day.isoformat(), weeks[-1].last_day.isoformat()) == (first, last)


def test_the_monday_of_the_test_values_is_one() -> None:
    assert epoch_at(MONDAY_MS, EpochWeek.MONDAY).first_day.isoformat() == "2026-02-16"
