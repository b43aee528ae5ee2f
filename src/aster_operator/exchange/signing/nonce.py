"""Nonces: strictly increasing microseconds for each agent, across tasks, restarts and processes.

The venue keeps the last hundred nonces of an agent (protocol reference, section 2.2), so two processes on
one key would refuse each other's orders at random. The first process locks a file named after the agent;
a second one is told who holds it.
"""

import fcntl
import os
import threading
from pathlib import Path
from typing import Final

from aster_operator.exchange.errors import AgentKeyInUse

__all__ = ["RESERVE_US", "NonceSource", "acquire_nonces", "default_state_dir"]

RESERVE_US: Final = 1_000_000
"""How far ahead of the last nonce the mark on disk is set: one write a second instead of one a request.

A restart begins at the mark, at most this far ahead of real time, well inside the venue's window.
"""

_registry: dict[tuple[str, str], "NonceSource"] = {}
_registry_lock = threading.Lock()


def default_state_dir() -> Path:
    """`$XDG_STATE_HOME/aster-operator`, or `~/.local/state/aster-operator`."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "aster-operator"


class NonceSource:
    """Nonces of one agent. Made by `acquire_nonces`; tasks and threads of a process share one."""

    def __init__(self, key: tuple[str, str], path: Path | None) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._last_us = 0
        self._reserved_us = 0
        self._accepted_us = 0
        self._users = 0
        self._descriptor = -1 if path is None else _lock_file(path, key[1])
        if self._descriptor >= 0:
            self._last_us = self._reserved_us = _read_mark(self._descriptor)
            self._write_mark()

    def next_us(self, now_us: int) -> int:
        """Return `now_us`, or one more than the last nonce when the clock has not moved beyond it."""
        with self._lock:
            nonce = now_us if now_us > self._last_us else self._last_us + 1
            self._last_us = nonce
            if self._descriptor >= 0 and nonce > self._reserved_us:
                self._reserved_us = nonce + RESERVE_US
                self._write_mark()
            return nonce

    def accepted(self, nonce_us: int) -> None:
        """Note that the venue did not refuse this nonce."""
        if nonce_us > self._accepted_us:
            self._accepted_us = nonce_us

    def rewind(self, now_us: int) -> None:
        """Begin again near `now_us` when nonces have run more than a second ahead of it and were refused.

        A clock that was ahead has used up the future: without this nothing would be accepted until real time
        has caught up. Never goes below a nonce the venue has accepted.
        """
        with self._lock:
            if self._last_us - now_us <= RESERVE_US:
                return
            self._last_us = max(now_us, self._accepted_us)
            if self._descriptor >= 0:
                self._reserved_us = self._last_us + RESERVE_US
                self._write_mark()

    def release(self) -> None:
        """Give up one use; the last one unlocks the agent."""
        with _registry_lock:
            self._users -= 1
            if self._users > 0:
                return
            _registry.pop(self._key, None)
            if self._descriptor >= 0:
                # A clean end needs no reserve: the next start may begin right after the last nonce.
                self._reserved_us = self._last_us
                self._write_mark()
                os.close(self._descriptor)
                self._descriptor = -1

    def _write_mark(self) -> None:
        text = f"{os.getpid()}\n{self._reserved_us}\n".encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))


def _lock_file(path: Path, agent: str) -> int:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 64, 0).split(b"\n")[0].decode(errors="replace")
        os.close(descriptor)
        raise AgentKeyInUse(agent, int(holder) if holder.isascii() and holder.isdecimal() else None) from None
    return descriptor


def _read_mark(descriptor: int) -> int:
    lines = os.pread(descriptor, 64, 0).split(b"\n")
    return int(lines[1]) if len(lines) > 1 and lines[1].isdigit() else 0


def acquire_nonces(signer: str, venue_label: str, state_dir: Path | None) -> NonceSource:
    """Return the nonce source of `signer` on one venue, shared inside this process.

    `state_dir` None keeps the mark in memory only: for venues that end with the process. Raises
    AgentKeyInUse when another process holds the agent, OSError when the folder cannot be written.
    """
    agent = signer.lower()
    key = (venue_label, agent)
    with _registry_lock:
        source = _registry.get(key)
        if source is None:
            path = None if state_dir is None else state_dir / "agents" / f"{venue_label}-{agent}.nonce"
            source = _registry[key] = NonceSource(key, path)
        source._users += 1
        return source
