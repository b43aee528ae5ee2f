"""A session under a service manager: signs of life to it, log lines for its journal, no picture."""

import os
import sys
from typing import TYPE_CHECKING

import structlog
from rich.console import Console

from aster_operator.cli.live_screen import LiveScreen
from aster_operator.domain.clock import Clock
from aster_operator.domain.commands import Notify
from aster_operator.monitoring.logs import configure_logs
from aster_operator.runtime.service_notify import ServiceNotifier

if TYPE_CHECKING:
    from aster_operator.config.session_settings import LogFormat
    from aster_operator.config.settings import Settings
    from aster_operator.execution.core import TradingCore

__all__ = ["SessionFace", "configure_view_logs", "logs_as_json"]

_STATUS_NS = 30_000_000_000


def logs_as_json(log_format: "LogFormat") -> bool:
    """What LOG_FORMAT means here: `auto` is JSON where standard error leads to the system's journal."""
    if log_format == "auto":
        return bool(os.environ.get("JOURNAL_STREAM") or os.environ.get("NOTIFY_SOCKET"))
    return log_format == "json"


def configure_view_logs(settings: "Settings", *, beside_session: bool) -> None:
    """Logs of what watches a session, to standard error. Beside a session whose picture is on a terminal only
    errors, which would tear it; what else is wrong is seen on the pages."""
    quiet = beside_session and sys.stderr.isatty()
    configure_logs("error" if quiet else settings.log_level, as_json=logs_as_json(settings.log_format))


class SessionFace:
    """What a session shows: a picture or lines to a person, log lines to a journal, life to the manager."""

    def __init__(self, console: Console, clock: Clock, title: str, *, journal: bool) -> None:
        self._clock = clock
        self._journal = journal
        self._screen = LiveScreen(console if not journal else Console(quiet=True), clock, title)
        self._notifier = ServiceNotifier(clock)
        self._log = structlog.get_logger("session")
        self._status_ns: int | None = None

    def __enter__(self) -> "SessionFace":
        self._screen.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._screen.__exit__(None, None, None)
        self._notifier.close()

    def watch(self, core: "TradingCore", start_ms: int, end_ms: int | None) -> None:
        """The session is set up: show it from now on."""
        self._screen.watch(core, start_ms, end_ms)
        self._notifier.ready()

    def notice(self, notice: Notify) -> None:
        """Take a message of the session, which logs it itself."""
        self._screen.notice(notice)

    def alive(self) -> None:
        """The session loop has handled an event."""
        self._notifier.alive()

    def refresh(self) -> None:
        """Draw anew if it is time to; in a service one line now and then."""
        self._screen.refresh()
        now_ns = self._clock.monotonic_ns()
        line = self._screen.line()
        if line is None or (self._status_ns is not None and now_ns - self._status_ns < _STATUS_NS):
            return
        self._status_ns = now_ns
        self._notifier.status(line)
        if self._journal:
            self._log.info("session", state=line)

    def stopping(self) -> None:
        """An ordered end was asked for."""
        self._notifier.stopping()
