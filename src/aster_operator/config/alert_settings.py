"""Which alerts are sent, how many, and when it is quiet. Where they go: NOTIFY_URLS."""

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator
from pydantic_settings import NoDecode

from aster_operator.config.fields import setting, split_list

__all__ = ["ALERT_RULES", "AlertSettings"]

ALERT_RULES = (
    "fill",
    "exit",
    "risk_warn",
    "risk_act",
    "lone_leg",
    "unprotected",
    "stream_stale",
    "critical",
    "daily_report",
    "update",
)
"""Names of the rules that an alert can come from (`monitoring.alerts.rules.AlertKind`)."""

_QUIET = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d-(?:[01]\d|2[0-3]):[0-5]\d")


def _rules(value: object) -> object:
    items = split_list(value)
    if not isinstance(items, list | tuple):
        raise ValueError("is no list of rules")  # noqa: TRY004 (what pydantic expects)
    unknown = [str(item) for item in items if item not in ALERT_RULES]
    if unknown:
        raise ValueError(f"there is no rule {', '.join(unknown)}")
    return tuple(items)


def _quiet(value: object) -> object:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str) or not _QUIET.fullmatch(value.strip()):
        raise ValueError("is no pair of times")
    return value.strip()


class AlertSettings(BaseModel):
    """Alerts of a session."""

    alert_rules: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_rules)] = setting(
        "ALERT_RULES",
        tuple(rule for rule in ALERT_RULES if rule != "fill"),
        "What is worth an alert",
        form=f"a list of {', '.join(ALERT_RULES)}",
    )
    alert_max_per_hour: int = setting(
        "ALERT_MAX_PER_HOUR",
        30,
        "Alerts sent in an hour at most; urgent ones besides",
        unit="messages",
        ge=1,
        le=1_000,
    )
    alert_quiet_utc: Annotated[str | None, BeforeValidator(_quiet)] = setting(
        "ALERT_QUIET_UTC",
        None,
        "Time of the UTC day when only urgent alerts are sent",
        form="two times, HH:MM-HH:MM",
    )
