"""Sends what the outbox has due, by the notifier, while a session is followed."""

import asyncio
from collections.abc import Callable

import structlog

from aster_operator.domain.clock import Clock
from aster_operator.monitoring.alerts.outbox import AlertOutbox
from aster_operator.monitoring.alerts.rules import Alert, AlertKind, AlertRules
from aster_operator.monitoring.notifications import Level, Message, Notifier
from aster_operator.monitoring.replica.replica import SessionReplica

__all__ = ["AlertSender"]

_log = structlog.get_logger("alerts")
_TICK_S = 0.5
_LOOK_EVERY_NS = 1_000_000_000
_LEVELS: dict[AlertKind, Level] = {
    AlertKind.FILL: "info",
    AlertKind.EXIT: "info",
    AlertKind.DAILY_REPORT: "info",
    AlertKind.UPDATE: "info",
    AlertKind.RISK_WARN: "warning",
    AlertKind.STREAM_STALE: "warning",
}


class AlertSender:
    """`replica` hands out the session that is followed; None while there is none or it is being caught up."""

    def __init__(
        self,
        notifier: Notifier,
        outbox: AlertOutbox,
        clock: Clock,
        replica: Callable[[], SessionReplica | None],
    ) -> None:
        self._notifier = notifier
        self._outbox = outbox
        self._clock = clock
        self._replica = replica
        self._rules = AlertRules()
        self._looked_ns = -_LOOK_EVERY_NS

    def undelivered(self) -> tuple[str, ...]:
        """What could not be sent."""
        return self._outbox.undelivered

    async def run(self) -> None:
        """Look and send until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(_TICK_S)

    async def step(self) -> None:
        """Look once, and send everything that is due."""
        now_ns = self._clock.monotonic_ns()
        replica = self._replica()
        if replica is not None and now_ns - self._looked_ns >= _LOOK_EVERY_NS:
            self._looked_ns = now_ns
            self._outbox.add(self._rules.look(replica), self._clock.now_ms())
        while (alert := self._outbox.due(self._clock.now_ms())) is not None:
            failure = await self._send(alert)
            self._outbox.report(alert, failure, self._clock.now_ms())

    async def _send(self, alert: Alert) -> str | None:
        message = Message(title=alert.title, text=alert.text, level=_LEVELS.get(alert.kind, "failure"))
        deliveries = await asyncio.to_thread(self._notifier.send, message)
        failures = [f"{each.target}: {each.reason}" for each in deliveries if not each.sent]
        if failures and len(failures) == len(deliveries):
            _log.warning("an alert could not be sent", alert=alert.title, reason="; ".join(failures))
            return "; ".join(failures)
        for words in failures:
            self._outbox.miss(alert, words)
        return None
