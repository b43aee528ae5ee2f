"""Sends what the outbox has due, by the notifier, while a session is followed."""

import asyncio
from collections.abc import Callable

import structlog

from aster_operator.domain.clock import Clock
from aster_operator.monitoring.alerts.outbox import AlertOutbox
from aster_operator.monitoring.alerts.rules import Alert, AlertKind, AlertRules
from aster_operator.monitoring.notifications import Level, Message, Notifier
from aster_operator.monitoring.replica.replica import SessionReplica
from aster_operator.monitoring.time_text import utc_text

__all__ = ["AlertSender"]

_log = structlog.get_logger("alerts")
_TICK_S = 0.5
_LOOK_EVERY_NS = 1_000_000_000
_LATE_MS = 60_000
"""What waited longer says when it happened."""
_LEVELS: dict[AlertKind, Level] = {
    AlertKind.FILL: "info",
    AlertKind.EXIT: "info",
    AlertKind.DAILY_REPORT: "info",
    AlertKind.UPDATE: "info",
    AlertKind.RISK_WARN: "warning",
    AlertKind.STREAM_STALE: "warning",
}


class AlertSender:
    """`replica` hands out the session that is followed; None while there is none or it is being caught up.
    `has_died`: whether its process is gone without having ended it."""

    def __init__(
        self,
        notifier: Notifier,
        outbox: AlertOutbox,
        clock: Clock,
        replica: Callable[[], SessionReplica | None],
        has_died: Callable[[], bool] = lambda: False,
    ) -> None:
        self._notifier = notifier
        self._outbox = outbox
        self._clock = clock
        self._replica = replica
        self._has_died = has_died
        self._rules = AlertRules()
        self._looked_ns = -_LOOK_EVERY_NS

    def undelivered(self) -> tuple[str, ...]:
        """What could not be sent."""
        return self._outbox.undelivered

    async def run(self) -> None:
        """Look and send until cancelled. A target that takes its time keeps nobody from looking."""
        async with asyncio.TaskGroup() as tasks:
            for each in (self._look_on(), self._send_on()):
                tasks.create_task(each)

    async def step(self) -> None:
        """Look once, and send everything that is due."""
        self.look()
        await self._send_due()

    async def end(self) -> None:
        """Tell what the session's end was worth telling, however short ago the last look was. What waits for
        the end of quiet hours, for the next hour or for another try goes with us: that is said in the log."""
        self._looked_ns = self._clock.monotonic_ns() - _LOOK_EVERY_NS
        await self.step()
        held = self._outbox.held
        if held:
            _log.warning("alerts were not sent before the end", count=len(held), newest=held[-1])

    async def _look_on(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(_TICK_S)

    async def _send_on(self) -> None:
        while True:
            await self._send_due()
            await asyncio.sleep(_TICK_S)

    def look(self) -> None:
        """Take in what has happened, at most once a second. What cannot be judged is shown, and looked at
        again: the alerts must not end because one of them could not be made."""
        now_ns = self._clock.monotonic_ns()
        replica = self._replica()
        if replica is None or now_ns - self._looked_ns < _LOOK_EVERY_NS:
            return
        self._looked_ns = now_ns
        try:
            self._outbox.add(self._rules.look(replica, has_died=self._has_died()), self._clock.now_ms())
        except Exception as error:
            words = f"the session cannot be judged ({type(error).__name__}: {error})"
            if words not in self._outbox.undelivered:
                _log.error("alerts are not made", error=words)
            self._outbox.trouble(words)

    async def _send_due(self) -> None:
        while (alert := self._outbox.due(self._clock.now_ms())) is not None:
            failure = await self._send(alert)
            self._outbox.report(alert, failure, self._clock.now_ms())

    async def _send(self, alert: Alert) -> str | None:
        repeated = self._outbox.suppressed
        message = Message(
            title=alert.title, text=self._text(alert, repeated), level=_LEVELS.get(alert.kind, "failure")
        )
        deliveries = await asyncio.to_thread(self._notifier.send, message)
        failures = [f"{each.target}: {each.reason}" for each in deliveries if not each.sent]
        if failures and len(failures) == len(deliveries):
            _log.warning("an alert could not be sent", alert=alert.title, reason="; ".join(failures))
            return "; ".join(failures)
        for words in failures:
            self._outbox.miss(alert, words)
        self._outbox.suppressed -= repeated
        return None

    def _text(self, alert: Alert, repeated: int) -> str:
        since_ms = self._outbox.since_ms(alert)
        late = since_ms is not None and self._clock.now_ms() - since_ms >= _LATE_MS
        when = f"{utc_text(since_ms)} UTC: " if late and since_ms is not None else ""
        more = f" (Besides, {repeated} said before came up again.)" if repeated else ""
        return f"{when}{alert.text}{more}"
