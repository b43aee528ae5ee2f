"""Order tracking and watching: in whatever order news arrives, it ends the same and counts once."""

from decimal import Decimal

import pytest
from core_values import LONG, START_MS, fill_of, report_of
from hypothesis import given
from hypothesis import strategies as st

from aster_operator.domain.enums import OrderStatus, OrderType, Side, TimeInForce
from aster_operator.domain.orders import (
    Cancelled,
    Expired,
    Filled,
    NewOrder,
    OrderReport,
    PartlyFilled,
    Pending,
    Rejected,
    Unknown,
    Working,
)
from aster_operator.execution.order_tracker import OrderTracker
from aster_operator.execution.order_watch import OrderWatch
from aster_operator.execution.policy import ExecutionPolicy

POLICY = ExecutionPolicy(answer_deadline_ms=3_000, unknown_resolution_ms=15_000, unknown_queries=3)


def order_of(
    name: str = "ao-1", quantity: str = "10", time_in_force: TimeInForce | None = TimeInForce.GTX
) -> NewOrder:
    return NewOrder(
        client_order_id=name,
        symbol="BTCUSDT",
        side=Side.BUY,
        position_side=LONG,
        order_type=OrderType.MARKET if time_in_force is None else OrderType.LIMIT,
        quantity=Decimal(quantity),
        price=None if time_in_force is None else Decimal(50_000),
        time_in_force=time_in_force,
    )


def tracking(order: NewOrder | None = None) -> OrderTracker:
    tracker = OrderTracker()
    tracker.submitted(order or order_of(), START_MS)
    return tracker


def told(status: OrderStatus, filled: int = 0, *, at_ms: int = START_MS, name: str = "ao-1") -> OrderReport:
    average = Decimal(50_000) if filled else Decimal(0)
    return report_of(order_of(name), status, at_ms=at_ms, filled=Decimal(filled), average=average)


NEW, PARTLY, FULL = OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
GONE, EXPIRED = OrderStatus.CANCELED, OrderStatus.EXPIRED


# --- states ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reports", "state", "filled", "live"),
    [
        ([], Pending, 0, True),
        ([told(NEW)], Working, 0, True),
        ([told(NEW), told(PARTLY, 3)], PartlyFilled, 3, True),
        ([told(PARTLY, 3), told(NEW)], PartlyFilled, 3, True),
        ([told(NEW), told(FULL, 10)], Filled, 10, False),
        ([told(FULL, 10), told(PARTLY, 3), told(NEW)], Filled, 10, False),
        ([told(NEW), told(GONE)], Cancelled, 0, False),
        ([told(GONE, 3), told(PARTLY, 5)], Cancelled, 5, False),
        ([told(EXPIRED), told(PARTLY, 2)], Expired, 2, False),
        ([told(OrderStatus.REJECTED)], Rejected, 0, False),
        ([told(OrderStatus.REJECTED), told(NEW)], Rejected, 0, False),
    ],
)
def test_states_follow_the_reports(reports: list[OrderReport], state: type, filled: int, live: bool) -> None:
    tracker = tracking()
    for report in reports:
        tracker.apply_report(report)
    tracked = tracker.get("ao-1")
    assert tracked is not None
    assert isinstance(tracked.state, state)
    assert tracked.filled_quantity == filled
    assert tracked.is_final is not live
    assert [known.client_order_id for known in tracker.live()] == (["ao-1"] if live else [])
    assert tracked.remaining_quantity == (10 - filled if live else 0)


def test_a_late_fill_is_in_the_final_state_too() -> None:
    tracker = tracking()
    tracker.apply_report(told(GONE, 3))
    tracked = tracker.apply_report(told(PARTLY, 5))
    assert tracked is not None
    assert isinstance(tracked.state, Cancelled)
    assert tracked.state.filled_quantity == 5


def test_an_id_is_used_once() -> None:
    with pytest.raises(ValueError, match="ao-1 was used before"):
        tracking().submitted(order_of(), START_MS)


def test_what_is_not_ours_is_not_tracked() -> None:
    tracker = tracking()
    assert tracker.apply_report(told(NEW, name="web_1")) is None
    assert tracker.get("web_1") is None
    assert tracker.refused("web_1", -2010, "no", START_MS) is None
    assert tracker.outcome_unknown("web_1", "timeout", None, START_MS) is None


def test_a_refusal_ends_an_order_that_nobody_has_seen() -> None:
    tracker = tracking()
    tracked = tracker.refused("ao-1", -2019, "margin is insufficient", START_MS + 5)
    assert tracked is not None
    assert tracked.state == Rejected(since_ms=START_MS + 5, code=-2019, message="margin is insufficient")
    assert list(tracker.live()) == []
    assert tracker.refused("ao-1", -2019, "again", START_MS + 6) is None, "no news"


def test_a_refusal_does_not_end_an_order_that_lives() -> None:
    tracker = tracking()
    tracker.apply_report(told(NEW))
    assert tracker.refused("ao-1", -2010, "duplicate", START_MS) is None
    assert len(list(tracker.live())) == 1


def test_an_order_thought_dead_comes_back_to_life() -> None:
    tracker = tracking()
    tracker.refused("ao-1", -2013, "never arrived", START_MS)
    tracked = tracker.apply_report(told(NEW))
    assert tracked is not None
    assert isinstance(tracked.state, Working)
    assert tracked.remaining_quantity == 10
    assert list(tracker.live()) == [tracked]
    tracker.apply_report(told(FULL, 10))
    assert list(tracker.live()) == []


def test_an_unclear_outcome_is_no_news_once_the_order_was_seen() -> None:
    tracker = tracking()
    tracker.apply_report(told(NEW))
    tracked = tracker.outcome_unknown("ao-1", "timeout", 7, START_MS)
    assert tracked is not None
    assert isinstance(tracked.state, Working)


# --- any order of the news ------------------------------------------------------------------------------


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[OrderReport], list[OrderReport]]:
    """(what the venue said, what arrived): the same reports shuffled, some of them more than once."""
    fills = draw(st.lists(st.integers(1, 4), max_size=4))
    total, said, at_ms = 0, [told(NEW)], START_MS
    for size in fills:
        total = min(10, total + size)
        at_ms += 100
        if total == 10:
            break
        said.append(told(PARTLY, total, at_ms=at_ms))
    end = FULL if total == 10 else draw(st.sampled_from([GONE, EXPIRED]))
    said.append(told(end, total, at_ms=at_ms + 100))
    repeated = draw(st.lists(st.sampled_from(said), max_size=5))
    return said, draw(st.permutations(said + repeated))


@given(histories())
def test_any_order_of_the_news_ends_in_the_same_state(
    history: tuple[list[OrderReport], list[OrderReport]],
) -> None:
    said, arrived = history
    straight, shuffled = tracking(), tracking()
    for report in said:
        straight.apply_report(report)
    filled = Decimal(0)
    for report in arrived:
        tracked = shuffled.apply_report(report)
        assert tracked is not None
        assert tracked.filled_quantity >= filled, "what is filled stays filled"
        filled = tracked.filled_quantity
    expected, found = straight.get("ao-1"), shuffled.get("ao-1")
    assert expected is not None
    assert found is not None
    assert found.state == expected.state
    assert (found.filled_quantity, found.average_price) == (expected.filled_quantity, expected.average_price)
    assert list(shuffled.live()) == []


@given(st.lists(st.integers(1, 5), max_size=20))
def test_a_fill_is_new_exactly_once(trade_ids: list[int]) -> None:
    tracker = tracking()
    fills = [fill_of(order_of(), 1, 50_000, trade_id=trade_id, at_ms=START_MS) for trade_id in trade_ids]
    assert sum(tracker.is_new_fill(fill) for fill in fills) == len(set(trade_ids))


def test_trade_ids_belong_to_their_symbol() -> None:
    tracker = tracking()
    assert tracker.is_new_fill(fill_of(order_of(), 1, 50_000, trade_id=1, at_ms=START_MS))
    assert tracker.is_new_fill(fill_of(order_of(), 1, 50_000, trade_id=1, at_ms=START_MS, symbol="ETHUSDT"))


# --- whom to ask ----------------------------------------------------------------------------------------


def overdue(tracker: OrderTracker, after_ms: int, *, healthy: bool = True) -> int:
    watch = OrderWatch(POLICY, tracker)
    return len(list(watch.overdue(START_MS + after_ms, user_stream_healthy=healthy)))


@pytest.mark.parametrize(("after_ms", "asked"), [(2_999, 0), (3_000, 1)])
def test_an_order_without_an_answer_is_asked_about(after_ms: int, asked: int) -> None:
    assert overdue(tracking(), after_ms) == asked


def test_an_unclear_order_is_asked_about_at_once_and_then_again() -> None:
    tracker = tracking()
    tracker.outcome_unknown("ao-1", "timeout", None, START_MS)
    assert [overdue(tracker, after_ms) for after_ms in (0, 1_000, 2_999, 3_000, 5_000, 6_000)] == [
        1,
        0,
        0,
        1,
        0,
        1,
    ]


@pytest.mark.parametrize(
    ("time_in_force", "healthy", "asked"),
    [
        (TimeInForce.GTX, True, 0),  # it rests: the stream will tell
        (TimeInForce.GTX, False, 1),
        (TimeInForce.IOC, True, 1),  # it should have ended long ago
        (TimeInForce.FOK, True, 1),
        (None, True, 1),
    ],
)
def test_an_accepted_order_is_asked_about_when_its_silence_says_something(
    time_in_force: TimeInForce | None, healthy: bool, asked: int
) -> None:
    order = order_of(time_in_force=time_in_force)
    tracker = tracking(order)
    tracker.apply_report(report_of(order, NEW, at_ms=START_MS))
    assert overdue(tracker, 2_999, healthy=healthy) == 0
    assert overdue(tracker, 3_000, healthy=healthy) == asked


def test_an_order_whose_cancel_brought_nothing_is_asked_about() -> None:
    tracker = tracking()
    tracked = tracker.apply_report(told(NEW))
    assert tracked is not None
    tracked.cancel_requested_ms = START_MS + 10_000
    assert overdue(tracker, 12_999) == 0
    assert overdue(tracker, 13_000) == 1


def test_nobody_asks_about_what_has_ended() -> None:
    tracker = tracking()
    tracker.apply_report(told(GONE))
    assert overdue(tracker, 10**9, healthy=False) == 0


@pytest.mark.parametrize("unclear", [True, False])
def test_absence_needs_several_queries_over_a_span(unclear: bool) -> None:
    tracker = tracking()
    if unclear:
        tracker.outcome_unknown("ao-1", "timeout", None, START_MS)
    tracked = tracker.get("ao-1")
    assert tracked is not None
    watch = OrderWatch(POLICY, tracker)
    # Without any answer the request may not even have left: queries can overtake it.
    span_ms = 15_000 if unclear else 180_000
    times_ms = [5_000, 10_000, span_ms - 1, span_ms]
    assert [watch.not_found(tracked, START_MS + after_ms) for after_ms in times_ms] == [
        False,
        False,
        False,
        True,
    ]
    assert isinstance(tracked.state, Rejected)
    assert tracked.state.code == -2013


def test_absence_at_the_end_of_the_span_alone_proves_nothing() -> None:
    tracker = tracking()
    tracked = tracker.get("ao-1")
    assert tracked is not None
    watch = OrderWatch(POLICY, tracker)
    assert [watch.not_found(tracked, START_MS + 180_000) for _ in range(3)] == [False, False, True]


def test_an_order_that_was_seen_is_never_counted_as_absent() -> None:
    tracker = tracking()
    tracked = tracker.apply_report(told(NEW))
    assert tracked is not None
    watch = OrderWatch(POLICY, tracker)
    assert not any(watch.not_found(tracked, START_MS + 10**6) for _ in range(10))
    assert isinstance(tracked.state, Working)


def test_a_sighting_starts_the_count_anew() -> None:
    tracker = tracking()
    tracked = tracker.get("ao-1")
    assert tracked is not None
    watch = OrderWatch(POLICY, tracker)
    watch.not_found(tracked, START_MS + 20_000)
    watch.not_found(tracked, START_MS + 21_000)
    tracker.apply_report(told(NEW))
    assert tracked.not_found_count == 0


def test_the_state_of_an_unclear_order_keeps_its_cause() -> None:
    tracker = tracking()
    tracked = tracker.outcome_unknown("ao-1", "HTTP 503", 99, START_MS)
    assert tracked is not None
    assert tracked.state == Unknown(since_ms=START_MS, nonce_us=99, cause="HTTP 503")
    assert tracked.remaining_quantity == 10, "it may yet fill, so it counts against every limit"


@pytest.mark.parametrize(("after_ms", "asked"), [(29_999, 0), (30_000, 1)])
def test_a_resting_order_without_news_is_asked_about_now_and_then(after_ms: int, asked: int) -> None:
    """A single lost event of the stream must not hide a fill for good."""
    tracker = tracking()
    tracker.apply_report(told(NEW))
    assert overdue(tracker, after_ms) == asked
    assert overdue(tracker, after_ms + 29_999) == (1 - asked)
