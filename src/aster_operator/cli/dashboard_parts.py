"""The parts of a dashboard put together from settings: hub, books, options. Imports the web framework."""

import os
import secrets
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from aster_operator.cli.session_source import JournalSource
from aster_operator.config.settings import Settings
from aster_operator.database.schema import open_books
from aster_operator.domain.clock import Clock, WallClock
from aster_operator.monitoring.web.book_reader import BookReader
from aster_operator.monitoring.web.hub import DashboardHub
from aster_operator.monitoring.web.metrics import metric_families
from aster_operator.monitoring.web.server import DashboardOptions
from aster_operator.monitoring.web.telemetry import MetricsPusher, metrics_pusher
from aster_operator.rewards.profile import load_profile

__all__ = ["dashboard_parts", "recorder_lag", "telemetry"]

_TOKEN_KEY = "DASHBOARD_TOKEN"  # noqa: S105 (a name, not a token)
_LEAST_TOKEN = 16


def dashboard_parts(
    settings: Settings,
    *,
    host: str,
    port: int,
    journal: Path | None,
    parent: int,
    read_only: bool,
    require_token: bool,
    allowed_hosts: tuple[str, ...],
    results: Path,
    profile_name: str,
) -> tuple[DashboardHub, BookReader, DashboardOptions, Clock]:
    """Everything `dashboard` serves from. Raises UserProblem for a token that is too short."""
    clock = WallClock()
    source = JournalSource(Path(settings.state_dir), journal=journal, pid=parent or None)
    versions = {name: version(name) for name in ("aster-operator", "nicegui", "polars", "msgspec")}
    hub = DashboardHub(source, clock, read_only=read_only, versions=versions)
    books = BookReader(
        lambda: open_books(settings.database_url),
        profile_name,
        load_profile(profile_name),
        clock,
        catalog=Path(settings.catalog_dir),
        crashes=Path(settings.log_dir),
    )
    options = DashboardOptions(
        host=host,
        port=port,
        token=_token(),
        require_token=require_token,
        allowed_hosts=allowed_hosts,
        lab_folder=results,
        recorder_lag_s=recorder_lag(Path(settings.catalog_dir), clock),
    )
    return hub, books, options, clock


def telemetry(
    settings: Settings, hub: DashboardHub, options: DashboardOptions, clock: Clock
) -> MetricsPusher | None:
    """What pushes the metrics to the collector of the settings; None without one. Raises UserProblem."""
    return metrics_pusher(
        settings.otlp_endpoint,
        None if settings.otlp_headers is None else settings.otlp_headers.get_secret_value(),
        lambda: metric_families(hub, options.recorder_lag_s()),
        clock,
        interval_ms=settings.otlp_interval_ms,
        version=version("aster-operator"),
    )


def _token() -> str:
    """The owner's token (DASHBOARD_TOKEN), else a new one for this run."""
    from aster_operator.config.problems import UserProblem

    given = os.environ.get(_TOKEN_KEY)
    if given is None:
        return secrets.token_urlsafe(32)
    if len(given) < _LEAST_TOKEN or not given.isascii() or not given.isprintable() or " " in given:
        raise UserProblem(
            f"has fewer than {_LEAST_TOKEN} characters, or some that are not plain",
            _TOKEN_KEY,
            "take a longer one",
        )
    return given


def recorder_lag(catalog: Path, clock: Clock) -> Callable[[], float | None]:
    """Seconds since the recorder last wrote a segment; None where nothing is recorded. Of each symbol only
    the newest day is looked at: the others are many, and others than the recorder pack and move them."""

    def lag() -> float | None:
        days = (max(symbol.glob("date=*"), default=None) for symbol in catalog.glob("stream=*/symbol=*"))
        newest = max(
            (path.stat().st_mtime for day in days if day is not None for path in day.iterdir()), default=None
        )
        return None if newest is None else max(0.0, clock.now_ms() / 1000 - newest)

    return lag
