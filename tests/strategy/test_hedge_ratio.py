"""The rolling hedge ratio against an independent estimate, holes in the minutes, and its memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.strategy.hedge_ratio import MinuteCloses, estimate_beta
from execution.core_values import closed_bars

END_MS = 1_700_000_040_000 // 60_000 * 60_000


def walk(seed: int, beta: float, minutes: int = 200) -> tuple[list[float], list[float]]:
    """Closes of two symbols, the first moving `beta` times the second and a little on its own."""
    random = np.random.default_rng(seed)
    second = random.normal(0, 0.001, minutes)
    first = beta * second + random.normal(0, 0.0002, minutes)
    return list(50_000 * np.exp(np.cumsum(first))), list(2_000 * np.exp(np.cumsum(second)))


def memory_of(first: list[float], second: list[float], minutes: int = 480) -> MinuteCloses:
    closes = MinuteCloses(minutes)
    for symbol, prices in (("A", first), ("B", second)):
        for event in closed_bars(symbol, prices, end_ms=END_MS):
            closes.observe(event.bar)
    return closes


@given(st.integers(0, 10_000), st.floats(0.3, 3))
def test_the_slope_is_that_of_least_squares(seed: int, beta: float) -> None:
    first, second = walk(seed, beta)
    found = memory_of(first, second).beta("A", "B")
    x, y = np.diff(np.log(np.round(second, 2))), np.diff(np.log(np.round(first, 2)))
    slope = np.polyfit(x, y, 1)[0]
    assert found is not None
    assert float(found.value) == pytest.approx(slope, abs=1e-4)
    assert float(found.correlation) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-4)
    assert found.minutes == 199


def test_only_the_latest_minutes_count() -> None:
    before, after = walk(1, 0.5), walk(2, 2.0)
    joined = [
        [*old, *(old[-1] * price / new[0] for price in new)] for old, new in zip(before, after, strict=True)
    ]
    found = memory_of(joined[0], joined[1], minutes=150).beta("A", "B")
    assert found is not None
    assert 1.9 < found.value < 2.1
    assert found.minutes == 150


def test_no_return_spans_a_hole() -> None:
    closes = MinuteCloses(480)
    first, second = walk(3, 1.0, minutes=100)
    known: set[int] = set()
    for symbol, prices in (("A", first), ("B", second)):
        for event in closed_bars(symbol, prices, end_ms=END_MS):
            minute = event.bar.open_ms // 60_000
            if symbol == "A" or minute % 10:
                closes.observe(event.bar)
            if symbol == "B" and minute % 10:
                known.add(minute)
    found = closes.beta("A", "B")
    assert found is not None
    assert found.minutes == sum(minute - 1 in known for minute in known) < 90


@given(st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(random: object) -> None:
    first, second = walk(4, 1.5, minutes=60)
    events = [
        *closed_bars("A", first, end_ms=END_MS),
        *closed_bars("B", second, end_ms=END_MS),
    ]
    random.shuffle(events)  # type: ignore[attr-defined]
    closes = MinuteCloses(480)
    for event in events:
        closes.observe(event.bar)
    assert closes.beta("A", "B") == memory_of(first, second).beta("A", "B")


@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([0.1, 0.2], [0.1, 0.2]), ([0.0] * 9, [0.1, 0.2, 0.3] * 3)]
)
def test_nothing_is_said_of_nothing(first: list[float], second: list[float]) -> None:
    assert estimate_beta(first, second) is None


def test_a_symbol_that_was_never_seen_has_no_ratio() -> None:
    assert MinuteCloses(480).beta("A", "B") is None
