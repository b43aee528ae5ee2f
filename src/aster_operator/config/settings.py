"""All settings: one flat object, one environment name each, every problem reported at once.

Read from the environment and from a `.env` file (the environment wins); `load_settings` is the way in.
"""

import hashlib
from typing import Any

from pydantic import PrivateAttr
from pydantic_settings import BaseSettings, SettingsConfigDict

from aster_operator.config.alert_settings import AlertSettings
from aster_operator.config.fields import field_key, is_secret
from aster_operator.config.loading import SettingProblem, SettingsProblem, load_into
from aster_operator.config.notification_settings import NotificationSettings
from aster_operator.config.pair_settings import PairSettings, cross_pairs, perpetuals
from aster_operator.config.service_settings import DeploymentSettings, MidfreqSettings
from aster_operator.config.session_settings import SessionSettings
from aster_operator.config.telemetry_settings import TelemetrySettings
from aster_operator.config.trading_settings import ExecutionSettings, RiskSettings, StrategySettings
from aster_operator.config.venue_checks import Endpoint, credential_problems, endpoint_of
from aster_operator.config.venue_settings import StorageSettings, Venue, VenueSettings

__all__ = ["Endpoint", "SettingProblem", "Settings", "SettingsProblem", "Venue", "load_settings"]


class Settings(
    # The last base comes first among the fields, and so in problems and fingerprints.
    DeploymentSettings,
    MidfreqSettings,
    RiskSettings,
    ExecutionSettings,
    PairSettings,
    StrategySettings,
    NotificationSettings,
    TelemetrySettings,
    AlertSettings,
    SessionSettings,
    StorageSettings,
    VenueSettings,
    BaseSettings,
):
    """Everything a person can set. Field names carry the unit; `.env.example` explains each key.

    Constructing it directly reads the environment only, never a file; use `load_settings`.
    """

    model_config = SettingsConfigDict(
        env_file=None,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @property
    def warnings(self) -> tuple[str, ...]:
        """Remarks about what was read, one line each: unknown keys, example text, keys without effect."""
        return self._warnings

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every perpetual that is traded, once."""
        return perpetuals(self.trading_pairs)

    @property
    def cross_pairs(self) -> tuple[tuple[str, str], ...]:
        """The two perpetuals of each pair of PAIR_KIND=cross."""
        return cross_pairs(self.trading_pairs) if self.pair_kind == "cross" else ()

    def require_credentials(self, venue: Venue | None = None) -> None:
        """Raise SettingsProblem unless the keys `venue` (default: the configured one) needs are there."""
        problems = credential_problems(self, venue or self.venue)
        if problems:
            raise SettingsProblem(problems)

    def endpoint(self, venue: Venue | None = None) -> Endpoint | None:
        """REST and WebSocket addresses of `venue`; None for sim and no loopback address given: embedded."""
        return endpoint_of(self, venue or self.venue)

    def public_values(self) -> dict[str, str]:
        """Environment name and value of every setting that is not a secret, as text."""
        fields = type(self).model_fields
        return {
            field_key(field): "" if getattr(self, name) is None else str(getattr(self, name))
            for name, field in fields.items()
            if not is_secret(field)
        }

    def fingerprint(self) -> str:
        """SHA-256 in hexadecimal over everything but secrets: equal settings, equal fingerprint."""
        text = "\n".join(f"{key}={value}" for key, value in sorted(self.public_values().items()))
        return hashlib.sha256(text.encode()).hexdigest()


def load_settings(
    env_file: str | None = None, *, overrides: dict[str, Any] | None = None, for_trading: bool = False
) -> Settings:
    """Read the settings, or raise SettingsProblem with every fault of every key.

    `env_file` None means `.env` in the working directory if there is one (or the file named by
    ASTER_OPERATOR_ENV_FILE); a file named explicitly must exist. `overrides` maps environment names to
    values that win over both (command-line options). `for_trading` also demands the venue's credentials.
    """
    settings, warnings = load_into(Settings, env_file, overrides or {}, for_trading=for_trading)
    settings._warnings = warnings
    return settings
