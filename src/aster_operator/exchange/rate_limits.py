"""Keeps the client below the venue's limits by its own counting and by the headers of every answer.

Protocol reference, section 3: request weight per minute and address, orders per minute and account, and
orders within seconds where the venue publishes such a limit (`exchangeInfo` did in 2026: 300 in 10 s). The
venue answers 429 to who goes over and 418, a ban, to who goes on; this limiter waits before either.
"""

import asyncio
import bisect
import itertools
from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum
from typing import NamedTuple, Protocol

from aster_operator.domain.clock import MINUTE_MS
from aster_operator.exchange.errors import IpBanned, RateLimited

__all__ = ["Priority", "RateLimiter"]

_ORDER_HEADER = "X-MBX-ORDER-COUNT-1M"
_BURST_HEADER = "X-MBX-ORDER-COUNT-{}S"
_WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"


class Priority(IntEnum):
    """Who goes first when the limit is near: lower numbers."""

    CLOSE = 0
    """Cancels and orders that reduce a position: never kept waiting behind a read."""
    ORDER = 1
    READ = 2


_SHARE = {Priority.CLOSE: 1.0, Priority.ORDER: 0.9, Priority.READ: 0.75}
"""Part of the usable limit each priority may fill; the rest is kept for those before it."""


class _Milliseconds(Protocol):
    def now_ms(self) -> int: ...


class _Ticket(NamedTuple):
    """A place in the line. Sorts by priority, then by arrival."""

    priority: Priority
    number: int
    orders: int


class RateLimiter:
    """Counts weight and orders of the running minute and lets requests through in order of priority.

    The minute is the venue's, so `clock` should tell the venue's time where it is known. `weight_limit` and
    `order_limit` are the venue's; `headroom` is the fraction of them that is used. `max_wait_s` bounds how
    long a request may be held before it is refused here with RateLimited.
    """

    def __init__(
        self,
        clock: _Milliseconds,
        *,
        weight_limit: int = 2400,
        order_limit: int = 1200,
        headroom: float = 0.95,
        max_wait_s: float = 90.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._headroom = headroom
        self._max_wait_ms = int(max_wait_s * 1000)
        self._sleep = sleep
        self.weight_limit = weight_limit
        self.order_limit = order_limit
        self.used_weight = 0
        self.used_orders = 0
        self.burst_limit: int | None = None
        """Orders within `burst_ms`, where the venue limits them."""
        self.burst_ms = 10_000
        self.used_in_burst = 0
        self._minute = -1
        self._burst = -1
        self._blocked_until_ms = 0
        self._orders_blocked_until_ms = 0
        self._banned = False
        self._queue: list[_Ticket] = []
        self._tickets = itertools.count()
        self.waits = 0
        """How many requests had to wait since the start."""

    def configure(self, weight_limit: int | None, order_limit: int | None) -> None:
        """Take over the limits the venue publishes (`exchangeInfo.rateLimits`)."""
        if weight_limit is not None and weight_limit > 0:
            self.weight_limit = weight_limit
        if order_limit is not None and order_limit > 0:
            self.order_limit = order_limit

    def configure_burst(self, order_limit: int, length_ms: int) -> None:
        """Take over a limit of orders within seconds. Raises ValueError for what is none."""
        if order_limit <= 0 or length_ms <= 0 or length_ms % 1000:
            raise ValueError(f"{order_limit} orders in {length_ms} ms is no limit")
        self.burst_limit, self.burst_ms, self._burst = order_limit, length_ms, -1

    def _roll(self, now_ms: int) -> None:
        if self.burst_limit is not None and (burst := now_ms // self.burst_ms) > self._burst:
            self._burst, self.used_in_burst = burst, 0
        minute = now_ms // MINUTE_MS
        if minute == self._minute:
            return
        # A clock that is set back begins no new minute at the venue: what was used stays counted.
        if minute > self._minute:
            self.used_weight = 0
            self.used_orders = 0
        self._minute = minute

    def _fits(self, weight: int, orders: int, priority: Priority) -> bool:
        share = _SHARE[priority] * self._headroom
        if self.used_weight and self.used_weight + weight > self.weight_limit * share:
            return False
        return not (orders and self._orders_are_full(orders, priority))

    def _orders_are_full(self, orders: int, priority: Priority) -> bool:
        return self._minute_is_full(orders, priority) or self._burst_is_full(orders, priority)

    def _minute_is_full(self, orders: int, priority: Priority) -> bool:
        limit = self.order_limit * _SHARE[priority] * self._headroom
        return bool(self.used_orders) and self.used_orders + orders > limit

    def _burst_is_full(self, orders: int, priority: Priority) -> bool:
        if self.burst_limit is None or not self.used_in_burst:
            return False
        return self.used_in_burst + orders > self.burst_limit * _SHARE[priority] * self._headroom

    def _until_room_ms(self, now_ms: int, weight: int, orders: int, priority: Priority) -> int:
        """How long until the window that is full begins anew; a millisecond when none is."""
        if self._fits(weight, orders, priority):
            return 1
        only_burst = self._fits(weight, 0, priority) and not self._minute_is_full(orders, priority)
        window_ms = self.burst_ms if only_burst else MINUTE_MS
        return window_ms - now_ms % window_ms

    def _blocked_ms(self, now_ms: int, orders: int, priority: Priority) -> int:
        """How long a block still holds this request. One for too many orders lets cancels pass."""
        until_ms = self._blocked_until_ms
        if orders or priority is not Priority.CLOSE:
            until_ms = max(until_ms, self._orders_blocked_until_ms)
        return max(0, until_ms - now_ms)

    def _take(self, weight: int, orders: int) -> None:
        self.used_weight += weight
        self.used_orders += orders
        self.used_in_burst += orders

    async def acquire(self, weight: int, orders: int, priority: Priority, endpoint: str) -> None:
        """Return when the request may go. Raises IpBanned during a ban, RateLimited past `max_wait_s`."""
        now_ms = self._clock.now_ms()
        self._roll(now_ms)
        # The usual case costs one comparison: nothing waits and nothing is near a limit.
        quiet = now_ms < self._blocked_until_ms or now_ms < self._orders_blocked_until_ms
        if not self._queue and not quiet and self._fits(weight, orders, priority):
            self._take(weight, orders)
            return
        self.waits += 1
        await self._wait_in_line(weight, orders, priority, endpoint, now_ms)

    async def _wait_in_line(
        self, weight: int, orders: int, priority: Priority, endpoint: str, start_ms: int
    ) -> None:
        ticket = _Ticket(priority, next(self._tickets), orders)
        bisect.insort(self._queue, ticket)
        try:
            while True:
                now_ms = self._clock.now_ms()
                self._roll(now_ms)
                blocked_ms = self._blocked_ms(now_ms, orders, priority)
                self._refuse_if_hopeless(endpoint, now_ms, start_ms, blocked_ms)
                fits = self._fits(weight, orders, priority)
                if not blocked_ms and fits and self._is_next(ticket, now_ms):
                    self._take(weight, orders)
                    return
                # Free but not first: the ones before take one turn of the loop each.
                await self._sleep(
                    (blocked_ms or self._until_room_ms(now_ms, weight, orders, priority)) / 1000
                )
        finally:
            self._queue.remove(ticket)

    def _is_next(self, ticket: "_Ticket", now_ms: int) -> bool:
        """Whether all before it in the line wait for an order limit that does not hold this one."""
        for other in self._queue:
            if other is ticket:
                return True
            held = self._blocked_ms(now_ms, other.orders, other.priority) or (
                other.orders and self._orders_are_full(other.orders, other.priority)
            )
            if not held:
                return False
        return False

    def _refuse_if_hopeless(self, endpoint: str, now_ms: int, start_ms: int, remaining_ms: int) -> None:
        if self._banned and now_ms < self._blocked_until_ms:
            text = f"this address is banned for {remaining_ms / 1000:.0f} s more; nothing was sent"
            raise IpBanned(-1003, text, 418, endpoint, remaining_ms / 1000)
        if now_ms + remaining_ms - start_ms > self._max_wait_ms:
            text = (
                f"held back for {self._max_wait_ms / 1000:.0f} s to stay below the limits; nothing was sent"
            )
            raise RateLimited(-1003, text, 429, endpoint, remaining_ms / 1000)

    def observe(self, headers: Mapping[str, str]) -> None:
        """Correct the own count by what the venue counted; other programs may share the address."""
        weight = headers.get(_WEIGHT_HEADER)
        orders = headers.get(_ORDER_HEADER)
        if weight is None and orders is None:
            return
        self._roll(self._clock.now_ms())
        if weight is not None and weight.isascii() and weight.isdecimal():
            self.used_weight = max(self.used_weight, int(weight))
        if orders is not None and orders.isascii() and orders.isdecimal():
            self.used_orders = max(self.used_orders, int(orders))
        if self.burst_limit is not None:
            burst = headers.get(_BURST_HEADER.format(self.burst_ms // 1000))
            if burst is not None and burst.isascii() and burst.isdecimal():
                self.used_in_burst = max(self.used_in_burst, int(burst))

    def block(self, seconds: float, *, banned: bool, orders_only: bool = False) -> None:
        """Let nothing through for a while: the venue answered 429 or, `banned`, 418.

        With `orders_only` the limit of orders was broken and not that of requests: cancels, which do not
        count as orders, still go.
        """
        until_ms = self._clock.now_ms() + int(seconds * 1000)
        if orders_only and not banned:
            self._orders_blocked_until_ms = max(self._orders_blocked_until_ms, until_ms)
            return
        self._blocked_until_ms = max(self._blocked_until_ms, until_ms)
        self._banned = banned

    @property
    def blocked_until_ms(self) -> int:
        """Wall time until which no read or order is sent; in the past when nothing is blocked."""
        return max(self._blocked_until_ms, self._orders_blocked_until_ms)
