"""Minute bars and what is summed from them."""

from itertools import pairwise

import pytest

from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.simulator.klines import MINUTE_MS, BarSeries, bar_open_ms
from aster_operator.simulator.model import KlineEvent

from .helpers import START_MS, flat_bars, make_exchange, play_minutes, record

SPEC = contract_for_prices("BTCUSDT", [])
HOUR_MS = 3_600_000


def filled(minutes: int) -> BarSeries:
    """One trade a minute: price 1000 + minute, one lot, every second one bought."""
    series = BarSeries(SPEC)
    for minute in range(minutes):
        time_ms = START_MS + minute * MINUTE_MS
        series.close_due(time_ms)
        series.add_trade(time_ms + 5, minute, 1000 + minute, 1, 1000 + minute, bool(minute % 2))
    return series


def test_an_hour_is_the_sum_of_its_minutes() -> None:
    series = filled(150)
    hours = series.bars(HOUR_MS, None, None, 10)
    assert [bar.open_ms for bar in hours] == [START_MS + hour * HOUR_MS for hour in range(3)]
    first = hours[0]
    assert (first.open_ticks, first.high_ticks, first.low_ticks, first.close_ticks) == (
        1000,
        1059,
        1000,
        1059,
    )
    assert (first.lots, first.trades, first.taker_buy_lots) == (60, 60, 30)
    assert (first.first_trade_id, first.last_trade_id) == (0, 59)
    assert first.quote_atoms == sum(range(1000, 1060))
    assert first.close_ms == first.open_ms + HOUR_MS - 1
    assert (hours[2].lots, hours[2].close_ticks) == (30, 1149)


@pytest.mark.parametrize(
    ("start", "end", "limit", "expected"),
    [
        (None, None, 3, [147, 148, 149]),
        (None, 100, 3, [98, 99, 100]),
        (10, None, 3, [10, 11, 12]),
        (10, 11, 3, [10, 11]),
        (148, None, 10, [148, 149]),
        (500, None, 10, []),
        (None, None, 0, []),
    ],
)
def test_windows_and_limits(start: int | None, end: int | None, limit: int, expected: list[int]) -> None:
    def at(minute: int | None) -> int | None:
        return None if minute is None else START_MS + minute * MINUTE_MS

    bars = filled(150).bars(MINUTE_MS, at(start), at(end), limit)
    assert [(bar.open_ms - START_MS) // MINUTE_MS for bar in bars] == expected


def test_the_newest_long_bars_are_whole() -> None:
    bars = filled(180).bars(HOUR_MS, None, None, 2)
    assert [bar.lots for bar in bars] == [60, 60]


def test_weeks_start_on_monday() -> None:
    monday_ms = 1_746_403_200_000  # 2025-05-05 00:00 UTC
    week_ms = 7 * 86_400_000
    assert bar_open_ms(monday_ms, week_ms) == monday_ms
    assert bar_open_ms(monday_ms - 1, week_ms) == monday_ms - week_ms


def test_the_exchange_announces_running_and_closed_bars() -> None:
    exchange = make_exchange(flat_bars(60_000.0, 5))
    events = record(exchange)
    play_minutes(exchange, 5)
    bars = [event for event in events if isinstance(event, KlineEvent)]
    closed = [event.bar for event in bars if event.is_closed]
    assert [bar.open_ms for bar in closed] == [START_MS + minute * MINUTE_MS for minute in range(5)]
    assert closed == list(exchange.klines("BTCUSDT", MINUTE_MS, None, None, 5))
    running = [event for event in bars if not event.is_closed]
    assert len(running) > 3 * len(closed)
    assert all(event.bar.open_ms <= event.time_ms <= event.bar.close_ms for event in running)


def test_old_minutes_live_on_as_hours_and_memory_is_bounded() -> None:
    series = BarSeries(SPEC, capacity=100)
    for minute in range(25_000):
        series.close_due(minute * MINUTE_MS)
        series.add_trade(minute * MINUTE_MS, minute, 1000 + minute, 1, 1, False)
    minutes = series.bars(MINUTE_MS, None, None, 10**6)
    assert 100 <= len(minutes) <= 100 + 5_000 + 60
    hours = series.bars(HOUR_MS, None, None, 10**6)
    assert [bar.open_ms for bar in hours] == [hour * HOUR_MS for hour in range(417)]
    assert all(bar.lots == bar.trades == 60 for bar in hours[:-1])
    assert [hours[0].open_ticks, hours[0].close_ticks, hours[0].high_ticks] == [1000, 1059, 1059]
    days = series.bars(86_400_000, 3 * 86_400_000, None, 2)
    assert [(bar.open_ms // 86_400_000, bar.lots) for bar in days] == [(3, 1440), (4, 1440)]


def test_years_stay_small_and_each_interval_reaches_as_far_back_as_its_bars_are_kept() -> None:
    series, count = BarSeries(SPEC, capacity=100), 26_000
    for hour in range(count):
        series.close_due(hour * HOUR_MS)
        series.add_trade(hour * HOUR_MS, hour, 1000 + hour, 1, 1, False)
    kept = [len(series.bars(interval * HOUR_MS, None, None, 10**6)) for interval in (1, 4, 24)]
    assert kept[0] < 3_000 + 200 + 100 + 5_000
    assert kept[1] < 4_500 + 200 + kept[0] // 4 + 2
    assert kept[2] == -(-count // 24)
    for interval in (1, 2, 4, 8, 12, 24, 168):
        bars = series.bars(interval * HOUR_MS, None, None, 1_500)
        assert len(bars) == min(1_500, -(-count // interval) + (interval == 168)), interval
        # Nothing is lost or counted twice where one kind of bar ends and the next begins.
        assert all(bar.lots == interval for bar in bars[1:-1]), interval
        assert all(one.close_ticks + 1 == two.open_ticks for one, two in pairwise(bars))
