"""The file a search is kept in: one writer at a time, and nothing in it but whole lines."""

import fcntl
import os
from pathlib import Path
from typing import IO

from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

__all__ = ["open_journal"]


class _SystemLock(JournalFileOpenLock):
    """A lock of the operating system on the file itself: it ends with the process that holds it.

    Optuna's own is a link beside it, which a killed process leaves: whoever goes on waits for it, for ever
    where the folder was named relatively.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._held: IO[bytes] | None = None

    def acquire(self) -> bool:
        self._held = self._path.open("ab")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None


def open_journal(path: Path) -> JournalFileBackend:
    """The journal at `path`, made if it is not there.

    A last line that was cut short (a full disk, no power) is taken off, or what is added next would be joined
    to it and nothing could be read any more. Raises OSError.
    """
    lock = _SystemLock(path)
    lock.acquire()
    try:
        with path.open("rb+") as file:
            kept = file.read()
            whole = kept.rfind(b"\n") + 1
            # What has no line at all is not a journal, and not ours to empty.
            if 0 < whole < len(kept):
                file.truncate(whole)
                file.flush()
                os.fsync(file.fileno())
    finally:
        lock.release()
    return JournalFileBackend(str(path), lock)
