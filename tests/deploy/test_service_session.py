"""A session as its unit runs it: signs of life, JSON in the journal, and an ordered end on SIGTERM."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WATCHDOG_US = 1_500_000
RUN_STRATEGY = ROOT / "deploy" / "gce" / "run_strategy.sh"


@contextmanager
def process(folder: Path, command: list[str], **environment: str) -> "Iterator[subprocess.Popen[str]]":
    child = subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "ASTER_OPERATOR_ENV_FILE": ""} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[dict[str, object]]:
    program = [sys.executable, "-m", "aster_operator.cli.entry", "exchange", "serve"]
    with process(tmp_path, [*program, "--port", "0", "--json", "--speed", "600"]) as served:
        assert served.stdout is not None
        line: dict[str, object] = json.loads(served.stdout.readline())
        yield line
        served.send_signal(signal.SIGINT)
        served.wait(30)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program where run_strategy.sh looks for it."""
    path = tmp_path / "aster-operator"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m aster_operator.cli.entry "$@"\n')
    path.chmod(0o755)
    return path


def settings(exchange: dict[str, object], program: Path, credentials: Path) -> dict[str, str]:
    """What EnvironmentFile and the credentials of the unit would give."""
    account = exchange["accounts"][1]  # type: ignore[index]
    credentials.mkdir(mode=0o700)
    (credentials / "ASTER_AGENT_PRIVATE_KEY").write_text(account["private_key"])
    (credentials / "ASTER_AGENT_PRIVATE_KEY").chmod(0o400)
    return {
        "ASTER_PROGRAM": str(program),
        "CREDENTIALS_DIRECTORY": str(credentials),
        "VENUE": "sim",
        "ASTER_BASE_URL": str(exchange["rest"]),
        "ASTER_WS_URL": str(exchange["ws"]),
        "WALLET_ADDRESS": account["user"],
        "CAPITAL_USDT": "5000",
        "LEVERAGE": "5",
        "MAX_POSITION_SIZE_PCT": "10",
        "DAILY_VOLUME_TARGET": "1000000",
        "ASTER_STRATEGY": "delta-neutral",
        "ASTER_UPDATE_REVISION": "v1.0.0",
        "ON_STOP": "flatten",
    }


class Manager:
    """The service manager's end of the notify socket, and all it heard."""

    def __init__(self, address: Path) -> None:
        self.heard: list[str] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(address))
        self.socket.settimeout(60)

    def hears(self, start: str, times: int = 1) -> None:
        """Listen until messages that begin with `start` have come that often."""
        while sum(message.startswith(start) for message in self.heard) < times:
            self.heard.append(self.socket.recv(4096).decode())


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.socket.close()


@pytest.mark.timeout(100)
def test_a_session_lives_and_ends_as_its_unit_expects(
    exchange: dict[str, object], program: Path, tmp_path: Path, manager: Manager
) -> None:
    environment = settings(exchange, program, tmp_path / "credentials") | {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": str(WATCHDOG_US),
    }
    with process(tmp_path, [str(RUN_STRATEGY)], **environment) as session:
        manager.hears("READY=1")
        manager.hears("STATUS=")
        manager.hears("WATCHDOG=1", times=3)
        command_line = Path(f"/proc/{session.pid}/cmdline")
        if command_line.exists():
            assert (tmp_path / "credentials" / "ASTER_AGENT_PRIVATE_KEY").read_text() not in (
                command_line.read_text()
            )
        session.send_signal(signal.SIGTERM)
        manager.hears("STOPPING=1")
        stdout, stderr = session.communicate(timeout=60)
    assert session.returncode == 130, stderr
    report = json.loads(stdout)
    assert (report["ledger"], report["open_positions"], report["stopped_early"]) == ("match", 0, True)
    lines = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    assert any("equity" in line.get("state", "") for line in lines)
    assert [line for line in stderr.splitlines() if not line.startswith(("{", "aster-operator: "))] == []
    # What means something to the scripts only is no unknown key of the program's.
    assert "is no setting" not in stderr


def test_a_program_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with process(tmp_path, [str(RUN_STRATEGY)], ASTER_PROGRAM=str(tmp_path / "absent")) as session:
        _, stderr = session.communicate(timeout=30)
    assert session.returncode == 2
    assert stderr.splitlines() == [
        f"run_strategy.sh: the program is not here, {tmp_path}/absent: run release.sh install REVISION"
    ]
