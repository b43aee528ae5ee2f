"""Signs of life to the service manager, over the real socket protocol."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from aster_operator.domain.clock import ManualClock
from aster_operator.runtime.service_notify import ServiceNotifier

PERIOD_US = 60_000_000


class Manager:
    """The manager's end of the socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(PERIOD_US)} | more


def test_a_session_says_ready_once_and_stopping_at_the_end(manager: Manager, tmp_path: Path) -> None:
    notifier = ServiceNotifier(ManualClock(), environment(tmp_path))
    notifier.ready()
    notifier.ready()
    notifier.status("two\nlines  of state")
    notifier.stopping()
    assert manager.heard() == ["READY=1", "STATUS=two lines of state", "STOPPING=1"]
    notifier.close()


def test_the_watchdog_is_fed_three_times_in_its_period_however_busy_the_loop_is(
    manager: Manager, tmp_path: Path
) -> None:
    clock = ManualClock()
    notifier = ServiceNotifier(clock, environment(tmp_path))
    for _ in range(600):
        notifier.alive()
        clock.advance_ms(100)
    assert manager.heard() == ["WATCHDOG=1"] * 3
    notifier.close()


@pytest.mark.parametrize(
    "more",
    [{"WATCHDOG_USEC": ""}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_PID": str(os.getpid() + 1)}],
)
def test_without_a_watchdog_of_ours_nothing_is_fed(
    manager: Manager, tmp_path: Path, more: dict[str, str]
) -> None:
    notifier = ServiceNotifier(ManualClock(), environment(tmp_path, **more))
    notifier.alive()
    notifier.ready()
    assert manager.heard() == ["READY=1"]
    notifier.close()


def test_the_watchdog_of_this_very_process_is_fed(manager: Manager, tmp_path: Path) -> None:
    notifier = ServiceNotifier(ManualClock(), environment(tmp_path, WATCHDOG_PID=str(os.getpid())))
    notifier.alive()
    assert manager.heard() == ["WATCHDOG=1"]
    notifier.close()


def test_a_name_without_a_file_is_an_address_too() -> None:
    name = f"aster-notify-{os.getpid()}"
    manager = Manager(f"\0{name}")
    notifier = ServiceNotifier(ManualClock(), {"NOTIFY_SOCKET": f"@{name}"})
    notifier.ready()
    assert manager.heard() == ["READY=1"]
    notifier.close()
    manager.socket.close()


@pytest.mark.parametrize("address", ["", "relative", "/no/such/socket"])
def test_a_session_goes_on_when_nobody_listens(address: str) -> None:
    notifier = ServiceNotifier(ManualClock(), {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"})
    notifier.ready()
    notifier.alive()
    notifier.stopping()
    assert notifier.listening == address.startswith("/")
    notifier.close()
    notifier.close()
