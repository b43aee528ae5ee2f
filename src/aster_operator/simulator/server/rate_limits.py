"""Request weight per address and orders per account, bans, and the headers that report them (section 3)."""

from collections.abc import Callable
from dataclasses import dataclass

from aster_operator.domain.clock import DAY_MS, MINUTE_MS, Clock
from aster_operator.simulator.server import refusals

__all__ = ["SPOT_LIMITS", "RateLimitSettings", "RateLimiter"]

TEN_SECONDS_MS = 10_000


@dataclass(frozen=True, slots=True)
class RateLimitSettings:
    """Limits a minute, and of orders in ten seconds where there is one.

    An address that sends `requests_before_ban` more requests after its first 429 in a minute is banned, first
    for `first_ban_ms`, doubled each time up to `longest_ban_ms`."""

    weight_per_minute: int = 2400
    orders_per_minute: int = 1200
    orders_per_ten_seconds: int | None = None
    requests_before_ban: int = 100
    first_ban_ms: int = 2 * MINUTE_MS
    longest_ban_ms: int = 3 * DAY_MS


SPOT_LIMITS = RateLimitSettings(weight_per_minute=6000, orders_per_minute=6000, orders_per_ten_seconds=300)
"""What the spot product allows (section 3)."""


@dataclass(slots=True)
class _Peer:
    weight: int = 0
    refused: int = 0
    bans: int = 0
    banned_until_ms: int = 0


class RateLimiter:
    """The limits of one product. `window` names the current span of so many milliseconds; when it changes,
    all counts of it start again.

    It is the wall's minute at real speed. When market time runs faster, a minute of either time opens a
    new window, so that a client living in market time is not held to the wall's budget.
    """

    def __init__(self, settings: RateLimitSettings, clock: Clock, window: Callable[[int], object]) -> None:
        self.settings = settings
        self._clock = clock
        self._window = window
        self._current = window(MINUTE_MS)
        self._peers: dict[str, _Peer] = {}
        self._orders: dict[str, int] = {}
        self._soon = window(TEN_SECONDS_MS)
        self._orders_soon: dict[str, int] = {}

    def _roll(self) -> None:
        window = self._window(MINUTE_MS)
        if window == self._current:
            return
        self._current = window
        self._orders.clear()
        now_ms = self._clock.now_ms()
        for name, peer in list(self._peers.items()):
            peer.weight = peer.refused = 0
            if peer.bans == 0 and peer.banned_until_ms <= now_ms:
                del self._peers[name]

    def charge(self, peer_name: str, weight: int) -> None:
        """Book a request. Raises VenueRefusal with 429 over the limit and 418 while banned."""
        self._roll()
        peer = self._peers.setdefault(peer_name, _Peer())
        now_ms = self._clock.now_ms()
        if now_ms < peer.banned_until_ms:
            raise refusals.banned(peer.banned_until_ms)
        peer.weight += weight
        if peer.weight <= self.settings.weight_per_minute:
            return
        peer.refused += 1
        if peer.refused > self.settings.requests_before_ban:
            self.ban(peer_name, min(self.settings.first_ban_ms << peer.bans, self.settings.longest_ban_ms))
            raise refusals.banned(peer.banned_until_ms)
        raise refusals.too_many_requests(self.settings.weight_per_minute)

    def charge_orders(self, account_id: str, count: int) -> None:
        """Book `count` new orders. Raises VenueRefusal(-1015, 429) over the limit."""
        self._roll()
        used = self._orders.get(account_id, 0) + count
        self._orders[account_id] = used
        if used > self.settings.orders_per_minute:
            raise refusals.too_many_orders(self.settings.orders_per_minute, "MINUTE")
        if self.settings.orders_per_ten_seconds is not None:
            self._charge_soon(account_id, count, self.settings.orders_per_ten_seconds)

    def _charge_soon(self, account_id: str, count: int, limit: int) -> None:
        window = self._window(TEN_SECONDS_MS)
        if window != self._soon:
            self._soon = window
            self._orders_soon.clear()
        used = self._orders_soon.get(account_id, 0) + count
        self._orders_soon[account_id] = used
        if used > limit:
            raise refusals.too_many_orders(limit, "10 SECOND")

    def ban(self, peer_name: str, duration_ms: int) -> None:
        peer = self._peers.setdefault(peer_name, _Peer())
        peer.bans = min(peer.bans + 1, 16)
        peer.refused = 0
        peer.banned_until_ms = self._clock.now_ms() + duration_ms

    def pardon(self, peer_name: str | None = None) -> None:
        """Lift the ban of one address, or of all."""
        for name in [peer_name] if peer_name is not None else list(self._peers):
            self._peers.pop(name, None)

    def used_weight(self, peer_name: str) -> int:
        """Weight of the window the last request was charged to."""
        peer = self._peers.get(peer_name)
        return 0 if peer is None else peer.weight

    def used_orders(self, account_id: str) -> int:
        """Orders of the window the last one was charged to."""
        return self._orders.get(account_id, 0)

    def order_headers(self, account_id: str) -> dict[str, str]:
        """What the venue tells of an account's orders."""
        headers = {"X-MBX-ORDER-COUNT-1M": str(self.used_orders(account_id))}
        if self.settings.orders_per_ten_seconds is not None:
            headers["X-MBX-ORDER-COUNT-10S"] = str(self._orders_soon.get(account_id, 0))
        return headers

    def retry_after_s(self, peer_name: str) -> int:
        """Seconds until the ban ends or the wall minute turns."""
        now_ms = self._clock.now_ms()
        peer = self._peers.get(peer_name)
        if peer is not None and peer.banned_until_ms > now_ms:
            return -(-(peer.banned_until_ms - now_ms) // 1000)
        return -(-(MINUTE_MS - now_ms % MINUTE_MS) // 1000)
