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
    since_ms: int
    due_ms: int
    tries: int = 0
    on_its_way: bool = False


class AlertOutbox:
    """`suppressed` counts what was said before; the sender tells of it with the next message."""

    def __init__(self, policy: AlertPolicy) -> None:
        self._policy = policy
        self._waiting: deque[_Waiting] = deque()
        self._said_ms: dict[str, int] = {}
        self._newest: dict[str, str] = {}
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
            lately = said_ms is not None and now_ms - said_ms < policy.repeat_after_ms
            if lately and not self._is_turn(alert):
                self.suppressed += 1
                continue
            self._said_ms[alert.key] = now_ms
            if alert.topic is not None:
                self._newest[alert.topic] = alert.key
                self._drop(alert.topic)
            if len(self._waiting) >= policy.waiting:
                self._make_room()
            self._waiting.append(_Waiting(alert=alert, since_ms=now_ms, due_ms=now_ms))
        for key in [key for key, at_ms in self._said_ms.items() if now_ms - at_ms >= policy.repeat_after_ms]:
            del self._said_ms[key]

    def _make_room(self) -> None:
        """Give up the oldest of what is least: neither urgent nor just being sent, if there is any."""
        least = min(self._waiting, key=lambda each: (each.on_its_way, each.alert.kind.is_urgent))
        self._waiting.remove(least)
        self._failed.append(f"{least.alert.title} (too many waited)")

    def _is_turn(self, alert: Alert) -> bool:
        """Whether something else of the same state was said since: then this is news, said lately or not."""
        return alert.topic is not None and self._newest.get(alert.topic) != alert.key

    def _drop(self, topic: str) -> None:
        """Forget what waits to be said of a state that has changed since."""
        self._waiting = deque(each for each in self._waiting if each.on_its_way or each.alert.topic != topic)

    def due(self, now_ms: int) -> Alert | None:
        """The next alert to send now, urgent ones first, None when there is none. It stays until `report` is
        told of it."""
        while self._sent_ms and now_ms - self._sent_ms[0] >= HOUR_MS:
            self._sent_ms.popleft()
        full = len(self._sent_ms) >= self._policy.per_hour
        quiet = self._policy.quiet is not None and self._policy.quiet.holds(now_ms)
        for waiting in sorted(self._waiting, key=lambda each: not each.alert.kind.is_urgent):
            if waiting.due_ms <= now_ms and (waiting.alert.kind.is_urgent or not (full or quiet)):
                waiting.on_its_way = True
                return waiting.alert
        return None

    def since_ms(self, alert: Alert) -> int | None:
        """When a waiting alert was taken in; None for one that does not wait."""
        return next((each.since_ms for each in self._waiting if each.alert is alert), None)

    def trouble(self, words: str) -> None:
        """Show something that keeps alerts from being made at all."""
        if words not in self._failed:
            self._failed.append(words)

    def report(self, alert: Alert, failure: str | None, now_ms: int) -> None:
        """What became of it: sent (`failure` None), or why not; it is tried again ever more slowly."""
        waiting = next((each for each in self._waiting if each.alert is alert), None)
        if waiting is None:
            return
        waiting.on_its_way = False
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
    def held(self) -> tuple[str, ...]:
        """Titles of what waits, oldest first."""
        return tuple(each.alert.title for each in self._waiting)

    @property
    def waiting(self) -> int:
        return len(self._waiting)
