"""Where messages go: alerts, daily reports, reports of sweeps."""

from pydantic import BaseModel

from aster_operator.config.fields import OptionalSecretText, setting

__all__ = ["NotificationSettings"]

_TARGETS = "addresses of targets, comma list, or credential:NAME, gcp:NAME, keyring:SERVICE/NAME"


class NotificationSettings(BaseModel):
    """Targets of messages, in the notation of Apprise: `slack://...`, `tgram://...`, `mailtos://...`.

    They hold tokens and passwords and are secrets as a whole.
    """

    notify_urls: OptionalSecretText = setting(
        "NOTIFY_URLS", None, "Where alerts and reports are sent, in Apprise's notation", form=_TARGETS
    )
    notify_report_urls: OptionalSecretText = setting(
        "NOTIFY_REPORT_URLS",
        None,
        "Where reports are sent instead; unset: NOTIFY_URLS",
        form=_TARGETS,
    )
    report_on_completion: bool = setting(
        "REPORT_ON_COMPLETION", False, "Send the report of each session when it ends"
    )
