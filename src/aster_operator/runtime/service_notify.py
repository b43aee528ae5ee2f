"""Telling the service manager how we are: ready, alive, stopping (systemd's notify protocol, sd_notify(3)).

One datagram for each message to the socket that NOTIFY_SOCKET names; without it, silence. The watchdog is to
be fed by the session loop itself, so that a loop that stands still is restarted.
"""

import os
import socket
from collections.abc import Mapping

from aster_operator.domain.clock import Clock

__all__ = ["ServiceNotifier"]

_FEEDS_PER_PERIOD = 3
"""Fed this often in a watchdog period: systemd asks for twice, once more leaves room for a slow moment."""


class ServiceNotifier:
    """Messages to the service manager of this process; does nothing where there is none.

    `environment` is that of the process. A manager that cannot be reached is not our problem: a session is
    not ended because nobody listens.
    """

    def __init__(self, clock: Clock, environment: Mapping[str, str] = os.environ) -> None:
        self._clock = clock
        self._address = _socket_address(environment.get("NOTIFY_SOCKET", ""))
        self._period_ns = _watchdog_period_ns(environment) if self._address is not None else 0
        self._fed_ns: int | None = None
        self._ready = False
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    @property
    def listening(self) -> bool:
        """True when a service manager started us and wants to hear."""
        return self._socket is not None

    def ready(self) -> None:
        """The session is set up; said once, however often it is called."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def alive(self) -> None:
        """The loop has done something: feed the watchdog if it is time to. Cheap enough for every event."""
        if self._period_ns == 0:
            return
        now_ns = self._clock.monotonic_ns()
        if self._fed_ns is None or now_ns - self._fed_ns >= self._period_ns // _FEEDS_PER_PERIOD:
            self._fed_ns = now_ns
            self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={' '.join(text.split())}")

    def stopping(self) -> None:
        """An ordered end has begun."""
        self._send("STOPPING=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        if self._socket is None or self._address is None:
            return
        try:
            self._socket.sendto(message.encode(), self._address)
        except OSError:
            # The manager is gone or its queue is full; the next message may arrive.
            return


def _socket_address(text: str) -> str | None:
    """A path, or with `@` in front a name without a file; None for what is neither."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else None


def _watchdog_period_ns(environment: Mapping[str, str]) -> int:
    """Nanoseconds in which a sign of life is expected from this very process; 0 when none is."""
    text, owner = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if owner and owner != str(os.getpid()):
        return 0
    return int(text) * 1_000 if text.isascii() and text.isdecimal() else 0
