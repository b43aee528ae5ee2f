"""Files that are whole or not there: written aside, forced to the disk, then renamed into place."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aster_operator.config.problems import system_error
from aster_operator.market_data.catalog.problems import CatalogError

__all__ = ["TEMPORARY_SUFFIX", "CatalogLock", "make_folder", "remove_durably", "sync_folder", "write_durably"]

TEMPORARY_SUFFIX: Final = ".tmp"


def sync_folder(folder: Path) -> None:
    """Force the names in `folder` to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents so that they survive a power cut."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)


def write_durably(path: Path, write: Callable[[Path], object]) -> None:
    """Put at `path` what `write` writes to the file it is given: all of it, or nothing.

    A link is followed; a device or a pipe is written to as it is. Raises OSError that names `path`, whatever
    the writer said.
    """
    path = path.resolve() if path.is_symlink() else path
    if path.exists() and not path.is_file():
        write(path)
        return
    aside = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    try:
        write(aside)
        descriptor = os.open(aside, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        aside.replace(path)
    except BaseException as error:
        aside.unlink(missing_ok=True)
        system = system_error(error)
        if system is None:
            raise
        raise OSError(system.errno, system.strerror, str(path)) from error
    sync_folder(path.parent)


def remove_durably(path: Path) -> None:
    """Delete a file so that it stays deleted after a power cut."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


class CatalogLock:
    """One process at a time records into a catalog, compacts it or repairs it. Readers need no lock."""

    def __init__(self, root: Path) -> None:
        self._path = root / "recorder.lock"
        self._descriptor = -1

    def acquire(self) -> None:
        """Raises CatalogError when another process holds the catalog."""
        make_folder(self._path.parent)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise CatalogError(
                f"{self._path.parent} is being recorded into by process {holder or 'unknown'}: "
                "stop it first, or name another catalog"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> "CatalogLock":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
