"""`auth` walked through at a terminal: every slip is said and asked again, nothing secret is shown."""

import os
import pty
import select
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from aster_operator.exchange.credentials import AgentCredentials

WALLET = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
PRIVATE = "0x" + "1d" * 32
WHICH, ADDRESS, WHERE = "have [1]: ", "(0x...): ", "[keyring]: "
KEY, SECRET = "API key: ", "API secret: "
PATIENCE_S = 60


class Terminal:
    """The program at a pseudo-terminal of its own, in an empty folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.said = ""
        self._answered = 0
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(folder)
            # A job in the background ignores Ctrl-C and hands that on; a terminal of somebody's does not.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
            # No keyring of the machine the tests run on is ever touched.
            environment |= {"TERM": "xterm", "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
            command = [sys.executable, "-m", "aster_operator.cli.entry", *arguments]
            os.execve(sys.executable, command, environment)  # noqa: S606 - the program itself

    def answers(self, question: str, text: str) -> str:
        """What was said until `question` was asked; then `text` is typed."""
        said = self._until(question)
        os.write(self._terminal, f"{text}\n".encode())
        return said

    def ends(self) -> int:
        """Read on to the end; the exit code."""
        self._read(lambda: False)
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])

    def interrupt(self, question: str) -> int:
        """Ctrl-C, and again: one that comes in the instant before the program waits for a line is taken by
        Python only after that line."""
        self._until(question)
        for _ in range(PATIENCE_S):
            os.write(self._terminal, b"\x03")
            ended, status = os.waitpid(self._process, os.WNOHANG)
            while not ended and select.select([self._terminal], [], [], 1)[0]:
                if not self._take():
                    _, status = os.waitpid(self._process, 0)
                    ended = self._process
            if ended:
                return os.waitstatus_to_exitcode(status)
        raise AssertionError("it goes on")

    def _until(self, question: str) -> str:
        """What was said since the last question, when this one was asked."""
        begin = self._answered
        self._read(lambda: self.said[begin:].endswith(question))
        self._answered = len(self.said)
        return self.said[begin:]

    def _read(self, enough: Callable[[], bool]) -> None:
        deadline = monotonic() + PATIENCE_S
        while not enough():
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, deadline - monotonic()))
            assert ready, f"no more was said after {self.said[-300:]!r}"
            if not self._take():
                return

    def _take(self) -> bool:
        """Whether there is more to come after what was read now."""
        try:
            more = os.read(self._terminal, 65_536)
        except OSError:  # the other side has ended
            return False
        self.said += more.decode().replace("\r\n", "\n")
        return bool(more)

    def close(self) -> None:
        os.close(self._terminal)
        try:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
        except (ProcessLookupError, ChildProcessError):
            return


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path, "auth")
    yield terminal
    terminal.close()


def test_a_new_agent_after_every_slip(walk: Terminal, tmp_path: Path) -> None:
    (tmp_path / "aster_agent_private_key.key").write_text("an older one")
    walk.answers(WHICH, "3")
    assert "'3' is neither, your answer: type 1 or 2" in walk.answers(WHICH, "1")
    walk.answers(ADDRESS, "0x123")
    assert "WALLET_ADDRESS must be 0x and 40 hexadecimal digits" in walk.answers(ADDRESS, PRIVATE)
    assert "64 digits are a private key" in walk.answers(ADDRESS, WALLET)
    walk.answers(WHERE, "drawer")
    assert "'drawer' is no place, your answer: one of keyring, systemd" in walk.answers(WHERE, "")
    assert "the keyring cannot be used" in walk.answers(WHERE, "file")
    assert "keys are never overwritten" in walk.answers(WHERE, "stdout")
    assert walk.ends() == 0, walk.said
    assert "withdrawals    OFF" in walk.said
    assert "aster-operator auth check" in walk.said.splitlines()[-1]
    secret, address = walk.said.split(WHERE)[-1].splitlines()[1:4:2]
    agent = AgentCredentials(WALLET, address.split("=")[1], secret)
    assert agent.user == WALLET
    assert [path.name for path in tmp_path.iterdir()] == ["aster_agent_private_key.key"]
    assert (tmp_path / "aster_agent_private_key.key").read_text() == "an older one"


def test_a_v1_key_after_every_slip(walk: Terminal, tmp_path: Path) -> None:
    walk.answers(WHICH, "2")
    walk.answers(KEY, "two words")
    walk.answers(SECRET, "s" * 64)
    assert "type both again" in walk.answers(KEY, "k" * 64)
    walk.answers(SECRET, "s" * 64)
    walk.answers(WHERE, "stdout")
    assert "nothing to print that you do not have" in walk.answers(WHERE, "file")
    assert walk.ends() == 0, walk.said
    assert "withdrawals must be off" in walk.said
    assert "two words" not in walk.said
    assert "k" * 64 not in walk.said
    assert "s" * 64 not in walk.said
    kept = {path.name: path.read_text().strip() for path in tmp_path.iterdir()}
    assert sorted(kept.values()) == ["k" * 64, "s" * 64]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("answered", [[], [(WHICH, "1")], [(WHICH, "1"), (ADDRESS, WALLET)]])
def test_ctrl_c_ends_it_and_leaves_nothing(
    walk: Terminal, tmp_path: Path, answered: list[tuple[str, str]]
) -> None:
    for question, text in answered:
        walk.answers(question, text)
    assert walk.interrupt((WHICH, ADDRESS, WHERE)[len(answered)]) == 130
    assert "Traceback" not in walk.said
    assert list(tmp_path.iterdir()) == []
