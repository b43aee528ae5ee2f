"""The limiter waits instead of being banned, and lets cancels go first."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.clock import ManualClock
from aster_operator.exchange.errors import IpBanned, RateLimited
from aster_operator.exchange.rate_limits import Priority, RateLimiter

START_MS = 1_770_000_000_000 - 1_770_000_000_000 % 60_000 + 30_000


class _Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.clock = ManualClock(START_MS)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance_ms(max(1, round(seconds * 1000)))
        await asyncio.sleep(0)


def _limiter(**options) -> tuple[RateLimiter, _Time]:
    time = _Time()
    return RateLimiter(time.clock, sleep=time.sleep, **options), time


async def test_nothing_waits_while_there_is_room() -> None:
    limiter, time = _limiter()
    for _ in range(100):
        await limiter.acquire(5, 0, Priority.READ, "GET x")
    assert time.slept == []
    assert limiter.used_weight == 500


async def test_reads_wait_for_the_next_minute_when_the_weight_is_used() -> None:
    limiter, time = _limiter()
    limiter.observe({"X-MBX-USED-WEIGHT-1M": "2000"})
    await limiter.acquire(1, 0, Priority.READ, "GET x")
    assert sum(time.slept) == pytest.approx(30.0)
    assert limiter.used_weight == 1


async def test_cancels_and_orders_still_go_when_reads_must_wait() -> None:
    limiter, time = _limiter()
    limiter.observe({"X-MBX-USED-WEIGHT-1M": "2000"})
    await limiter.acquire(1, 1, Priority.ORDER, "POST order")
    await limiter.acquire(1, 0, Priority.CLOSE, "DELETE order")
    assert time.slept == []


async def test_a_cancel_overtakes_reads_that_wait() -> None:
    gate = asyncio.Event()

    async def until_opened(_: float) -> None:
        await gate.wait()
        await asyncio.sleep(0)

    clock = ManualClock(START_MS)
    limiter = RateLimiter(clock, sleep=until_opened, max_wait_s=600)
    limiter.observe({"X-MBX-USED-WEIGHT-1M": "2290"})
    finished: list[str] = []

    async def run(name: str, priority: Priority) -> None:
        await limiter.acquire(1, 0, priority, name)
        finished.append(name)

    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(run(f"read {number}", Priority.READ))
        group.create_task(run("order", Priority.ORDER))
        group.create_task(run("cancel", Priority.CLOSE))
        await asyncio.sleep(0)
        clock.advance_ms(60_000)
        gate.set()
    assert finished == ["cancel", "order", "read 0", "read 1", "read 2"]


async def test_the_order_limit_is_kept_apart() -> None:
    limiter, time = _limiter()
    limiter.observe({"X-MBX-ORDER-COUNT-1M": "1139"})
    await limiter.acquire(1, 1, Priority.CLOSE, "POST order")
    assert time.slept == []
    await limiter.acquire(1, 1, Priority.ORDER, "POST order")
    assert sum(time.slept) == pytest.approx(30.0)


async def test_published_limits_replace_the_documented_ones() -> None:
    limiter, time = _limiter()
    limiter.configure(100_000, None)
    limiter.observe({"x": "1", "X-MBX-USED-WEIGHT-1M": "5000"})
    await limiter.acquire(1, 0, Priority.READ, "GET x")
    assert time.slept == []
    assert (limiter.weight_limit, limiter.order_limit) == (100_000, 1200)


async def test_after_a_429_everything_keeps_quiet_for_as_long_as_it_said() -> None:
    limiter, time = _limiter()
    limiter.block(7, banned=False)
    await limiter.acquire(1, 0, Priority.CLOSE, "DELETE order")
    assert sum(time.slept) == pytest.approx(7.0)


async def test_during_a_ban_calls_fail_at_once() -> None:
    limiter, time = _limiter()
    limiter.block(3600, banned=True)
    with pytest.raises(IpBanned) as caught:
        await limiter.acquire(1, 0, Priority.CLOSE, "DELETE order")
    assert caught.value.retry_after_s == 3600
    assert time.slept == []
    time.clock.advance_ms(3_600_001)
    await limiter.acquire(1, 0, Priority.CLOSE, "DELETE order")


async def test_a_wait_that_is_too_long_is_refused_here() -> None:
    limiter, _ = _limiter(max_wait_s=5)
    limiter.block(60, banned=False)
    with pytest.raises(RateLimited, match="nothing was sent"):
        await limiter.acquire(1, 0, Priority.READ, "GET x")


async def test_a_cancelled_wait_leaves_the_line() -> None:
    limiter, _ = _limiter()
    limiter.block(7, banned=False)

    async def forever(_: float) -> None:
        await asyncio.Event().wait()

    limiter._sleep = forever
    waiting = asyncio.create_task(limiter.acquire(1, 0, Priority.READ, "GET x"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert limiter._queue == []


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 50), st.sampled_from(list(Priority)), st.integers(0, 5000)), max_size=120
    )
)
def test_the_venue_never_sees_more_than_its_limit(
    requests: list[tuple[int, Priority, int]],
) -> None:
    async def run() -> None:
        limiter, time = _limiter(weight_limit=200, order_limit=20, max_wait_s=1e6)
        by_minute: dict[int, int] = {}
        for weight, priority, pause_ms in requests:
            time.clock.advance_ms(pause_ms)
            await limiter.acquire(weight, 0, priority, "x")
            minute = time.clock.now_ms() // 60_000
            by_minute[minute] = by_minute.get(minute, 0) + weight
        assert all(total <= 200 for total in by_minute.values())

    asyncio.run(run())


async def test_a_clock_set_back_begins_no_new_minute() -> None:
    clock = ManualClock(1_770_000_060_000)
    limiter = RateLimiter(clock)
    await limiter.acquire(500, 10, Priority.READ, "GET x")
    clock = limiter._clock = ManualClock(1_770_000_059_000)
    await limiter.acquire(1, 0, Priority.READ, "GET x")
    assert (limiter.used_weight, limiter.used_orders) == (501, 10)
    clock.set_ms(1_770_000_061_000)
    await limiter.acquire(1, 0, Priority.READ, "GET x")
    assert limiter.used_weight == 1


async def test_too_many_orders_hold_orders_and_reads_but_no_cancels() -> None:
    limiter, time = _limiter()
    limiter.block(7, banned=False, orders_only=True)
    await limiter.acquire(1, 0, Priority.CLOSE, "cancel")
    assert time.clock.now_ms() == START_MS
    await limiter.acquire(1, 1, Priority.CLOSE, "close")
    assert time.clock.now_ms() == START_MS + 7_000
    limiter.block(5, banned=False)
    await limiter.acquire(1, 0, Priority.CLOSE, "cancel")
    assert time.clock.now_ms() == START_MS + 12_000


async def test_a_cancel_overtakes_a_close_that_waits_for_the_order_limit() -> None:
    clock = ManualClock(START_MS)
    woken = asyncio.Event()

    async def sleep(_seconds: float) -> None:
        await woken.wait()

    limiter = RateLimiter(clock, sleep=sleep, order_limit=1)
    await limiter.acquire(1, 1, Priority.ORDER, "order")
    close = asyncio.create_task(limiter.acquire(1, 1, Priority.CLOSE, "close"))
    await asyncio.sleep(0)
    async with asyncio.timeout(1):
        await limiter.acquire(1, 0, Priority.CLOSE, "cancel")
    assert not close.done()
    clock.advance_ms(30_000)
    woken.set()
    await close


async def test_orders_within_seconds_wait_for_the_next_window_and_no_longer() -> None:
    limiter, time = _limiter()
    limiter.configure_burst(10, 10_000)
    for _ in range(8):
        await limiter.acquire(0, 1, Priority.ORDER, "POST order")
    assert time.slept == []
    await limiter.acquire(1, 0, Priority.CLOSE, "DELETE order")
    assert time.slept == []  # a cancel is no order
    await limiter.acquire(0, 1, Priority.ORDER, "POST order")
    assert sum(time.slept) == pytest.approx(10.0)
    assert (limiter.used_in_burst, limiter.used_orders) == (1, 9)


async def test_what_the_venue_counted_within_seconds_is_believed() -> None:
    limiter, time = _limiter()
    limiter.configure_burst(300, 10_000)
    limiter.observe({"X-MBX-ORDER-COUNT-1M": "295", "X-MBX-ORDER-COUNT-10S": "295"})
    await limiter.acquire(0, 1, Priority.ORDER, "POST order")
    assert sum(time.slept) == pytest.approx(10.0)


@pytest.mark.parametrize(("orders", "length_ms"), [(0, 10_000), (-1, 10_000), (300, 0), (300, 1_500)])
def test_what_is_no_limit_within_seconds_is_refused(orders: int, length_ms: int) -> None:
    limiter, _ = _limiter()
    with pytest.raises(ValueError, match="is no limit"):
        limiter.configure_burst(orders, length_ms)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3000)), max_size=60), st.integers(5, 40))
@settings(max_examples=60, deadline=None)
def test_no_window_of_seconds_is_ever_overfilled(steps: list[tuple[int, int]], limit: int) -> None:
    async def run() -> None:
        limiter, time = _limiter()
        limiter.configure_burst(limit, 10_000)
        sent: dict[int, int] = {}
        for orders, pause_ms in steps:
            time.clock.advance_ms(pause_ms)
            await limiter.acquire(1, orders, Priority.ORDER, "POST order")
            window = time.clock.now_ms() // 10_000
            sent[window] = sent.get(window, 0) + orders
        assert all(count <= limit for count in sent.values())

    asyncio.run(run())
