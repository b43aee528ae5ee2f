"""Alerts put together from settings."""

from aster_operator.config.settings import Settings
from aster_operator.domain.clock import Clock
from aster_operator.monitoring.alerts.outbox import AlertOutbox, AlertPolicy, QuietHours
from aster_operator.monitoring.alerts.rules import AlertKind
from aster_operator.monitoring.alerts.sender import AlertSender
from aster_operator.monitoring.notifications import notifier_from
from aster_operator.monitoring.web.hub import DashboardHub

__all__ = ["alert_sender"]


def alert_sender(settings: Settings, hub: DashboardHub, clock: Clock) -> AlertSender | None:
    """What sends the alerts of the session that `hub` follows; None where there is nobody to tell. Alerts
    that could not be sent are seen on the hub's pages. Raises UserProblem for targets that cannot be used."""
    notifier = notifier_from(settings, "alerts")
    if not notifier.targets:
        return None
    outbox = AlertOutbox(
        AlertPolicy(
            kinds=frozenset(AlertKind(name) for name in settings.alert_rules),
            per_hour=settings.alert_max_per_hour,
            quiet=_quiet(settings.alert_quiet_utc),
        )
    )
    sender = AlertSender(
        notifier,
        outbox,
        clock,
        lambda: None if hub.is_catching_up or not hub.has_caught_up else hub.replica,
        has_died=lambda: hub.has_died and hub.saw_it_run,
    )
    hub.undelivered = sender.undelivered
    return sender


def _quiet(text: str | None) -> QuietHours | None:
    if text is None:
        return None
    start, end = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    return QuietHours(start, end)
