"""Where the dashboard's metrics are pushed, under the names that OpenTelemetry gives these keys."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from aster_operator.config.fields import OptionalSecretText, setting

__all__ = ["TelemetrySettings"]


def _address(value: object) -> object:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str) or not value.strip().startswith(("http://", "https://")):
        raise ValueError("is no http or https address")
    return value.strip().rstrip("/")


class TelemetrySettings(BaseModel):
    """OpenTelemetry. Nothing is pushed without an address."""

    otlp_endpoint: Annotated[str | None, BeforeValidator(_address)] = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        None,
        "OpenTelemetry collector that the dashboard pushes its metrics to, OTLP over HTTP",
        form="an address, http://HOST:4318",
    )
    otlp_headers: OptionalSecretText = setting(
        "OTEL_EXPORTER_OTLP_HEADERS",
        None,
        "Headers sent with them",
        form="name=value,name=value, or credential:NAME, gcp:NAME, keyring:SERVICE/NAME",
    )
    otlp_interval_ms: int = setting(
        "OTEL_METRIC_EXPORT_INTERVAL", 15_000, "How often", unit="ms", ge=1_000, le=3_600_000
    )
