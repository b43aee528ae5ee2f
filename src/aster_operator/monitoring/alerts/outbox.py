"""Alerts on their way: said once, not too often, again when the network fails, silent at night.

Pure: the time comes in, and whoever sends reports back. Nothing is lost unseen: what cannot be sent is kept
in `undelivered`, which the dashboard shows.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from aster_operator.domain.clock import HOUR_MS, MINUTE_MS
from aster_operator.monitoring.alerts.rules import Alert, AlertKind

__all__ = ["AlertOutbox", "AlertPolicy", "QuietHours"]

_RETRIES_MS = (5_000, 15_000, 60_000, 300_000, 900_000)
_DAY_MINUTES = 1_440


class QuietHours(msgspec.Struct, frozen=True):
    """Minutes of the UTC day in which only what is urgent is sent; a start after the end spans midnight."""

    start_minute: int
    end_minute: int

    def holds(self, now_ms: int) -> bool:
        minute = now_ms // MINUTE_MS % _DAY_MINUTES
        if self.start_minute <= self.end_minute:
            return self.start_minute <= minute < self.end_minute
        return minute >= self.start_minute or minute < self.end_minute


class AlertPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`kinds` are the rules that are on; the same key is sent again after `repeat_after_ms` only; at most
    `per_hour` messages are sent in an hour, urgent ones besides; at most `waiting` wait."""

    kinds: frozenset[AlertKind] = frozenset(AlertKind) - {AlertKind.FILL}
    repeat_after_ms: int = 15 * MINUTE_MS
    per_hour: int = 30
    quiet: QuietHours | None = None
    waiting: int = 200


class _Waiting(msgspec.Struct, kw_only=True):
    alert: Alert
    due_ms: int
    tries: int = 0


class AlertOutbox:
    """`suppressed` counts what was said before or was too much; it is told with the next message."""

    def __init__(self, policy: AlertPolicy) -> None:
        self._policy = policy
        self._waiting: deque[_Waiting] = deque()
        self._said_ms: dict[str, int] = {}
        self._sent_ms: deque[int] = deque()
        self._failed: deque[str] = deque(maxlen=20)
        self.suppressed = 0
        self.sent = 0

    def add(self, alerts: Iterable[Alert], now_ms: int) -> None:
        """Take alerts in; those whose rule is off, or that were said lately, go no further."""
        policy = self._policy
        for alert in alerts:
            if alert.kind not in policy.kinds:
                continue
            said_ms = self._said_ms.get(alert.key)
            if said_ms is not None and now_ms - said_ms < policy.repeat_after_ms:
                self.suppressed += 1
                continue
            self._said_ms[alert.key] = now_ms
            if len(self._waiting) >= policy.waiting:
                self._failed.append(f"{self._waiting.popleft().alert.title} (too many waited)")
            self._waiting.append(_Waiting(alert=alert, due_ms=now_ms))
        for key in [key for key, at_ms in self._said_ms.items() if now_ms - at_ms >= policy.repeat_after_ms]:
            del self._said_ms[key]

    def due(self, now_ms: int) -> Alert | None:
        """The next alert to send now, None when there is none. It stays until `report` is told of it."""
        while self._sent_ms and now_ms - self._sent_ms[0] >= HOUR_MS:
            self._sent_ms.popleft()
        full = len(self._sent_ms) >= self._policy.per_hour
        quiet = self._policy.quiet is not None and self._policy.quiet.holds(now_ms)
        for waiting in self._waiting:
            if waiting.due_ms <= now_ms and (waiting.alert.kind.is_urgent or not (full or quiet)):
                return waiting.alert
        return None

    def report(self, alert: Alert, failure: str | None, now_ms: int) -> None:
        """What became of it: sent (`failure` None), or why not; it is tried again ever more slowly."""
        waiting = next((each for each in self._waiting if each.alert is alert), None)
        if waiting is None:
            return
        if failure is None:
            self._waiting.remove(waiting)
            self._sent_ms.append(now_ms)
            self.sent += 1
            return
        if waiting.tries >= len(_RETRIES_MS):
            self._waiting.remove(waiting)
            self._failed.append(f"{alert.title}: {failure}")
            return
        waiting.due_ms = now_ms + _RETRIES_MS[waiting.tries]
        waiting.tries += 1

    def miss(self, alert: Alert, target: str) -> None:
        """One of several targets did not get it; the others have it, so that it is not sent again."""
        self._failed.append(f"{alert.title}: {target}")

    @property
    def undelivered(self) -> tuple[str, ...]:
        """Titles of what could not be sent: given up, or failed and tried again."""
        retried = tuple(f"{each.alert.title} (tried {each.tries}×)" for each in self._waiting if each.tries)
        return (*self._failed, *retried)

    @property
    def waiting(self) -> int:
        return len(self._waiting)
