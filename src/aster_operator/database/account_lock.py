"""One operator for one account and one set of books, whichever key and whichever machine it uses.

Two locks. One holds wherever the books are shared: a file beside a SQLite database, an advisory lock on a
PostgreSQL server. The other holds on one machine, whatever the books, the folder and the user: a name in the
kernel, where it has such names (Linux; each container has its own). Both end with the process that holds
them, however it ends.
"""

import errno
import fcntl
import hashlib
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, text

from aster_operator.database.engine import database_name, describing_errors, normalised_url, open_engine
from aster_operator.database.problems import DatabaseProblem

__all__ = ["holding_account", "holding_account_everywhere", "holding_account_here"]

_NAME_BYTES = 63  # PostgreSQL cuts names of applications there
_HOLDER = text(
    "SELECT activity.application_name FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid) "
    "WHERE held.locktype = 'advisory' AND held.granted AND held.database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND held.classid = :high AND held.objid = :low"
)


@contextmanager
def holding_account(url: str | URL, venue: str, account: str) -> Iterator[None]:
    """Trade for `account` on `venue` with the books at `url`, alone, for the time of the block.

    Raises DatabaseProblem when another process does so already; it names that process and its machine.
    """
    books = normalised_url(url)
    number = _number(venue, account)
    whoami = f"process {os.getpid()} on {socket.gethostname()}"
    if books.get_backend_name() == "sqlite":
        path = Path(str(books.database))
        with _file_lock(path.with_name(f"{path.name}.{number.hex()}.lock"), whoami, venue, account):
            yield
        return
    engine = open_engine(books)
    try:
        with describing_errors(books), engine.connect() as connection:
            _server_lock(connection, number, whoami, venue, account)
            yield
    finally:
        engine.dispose()


@contextmanager
def holding_account_here(venue: str, account: str) -> Iterator[None]:
    """Trade for `account` on `venue`, alone on this machine, for the time of the block.

    `venue` tells one served exchange from another. Raises DatabaseProblem when another process does so
    already; it names that process.
    """
    if sys.platform != "linux":
        yield
        return
    name = b"\0aster-operator-" + _number(venue, account).hex().encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as held:
        try:
            held.bind(name)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise _taken(_holder_of(name), venue, account, "this machine") from None
        held.listen(1)
        yield


@contextmanager
def holding_account_everywhere(url: str | URL, venue: str, account: str, *, label: str) -> Iterator[None]:
    """Both locks for the time of the block; `label` tells one served exchange from another on this machine.

    This machine's comes first: the other leaves its file beside the books, also of whom this one refuses.
    """
    with holding_account_here(label, account), holding_account(url, venue, account):
        yield


def _holder_of(name: bytes) -> str:
    """Who listens at a name of the kernel's; empty when that cannot be told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(name)
            credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        except OSError:
            return ""
    process, _, _ = struct.unpack("3i", credentials)
    return f"process {process}" if process > 0 else ""


def _number(venue: str, account: str) -> bytes:
    return hashlib.sha256(f"{venue}\n{account.lower()}".encode()).digest()[:8]


@contextmanager
def _file_lock(path: Path, whoami: str, venue: str, account: str) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseProblem(
            f"the lock of the account cannot be made ({error.strerror})", str(path), "check the directory"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 512, 0).decode(errors="replace").strip()
            raise _taken(holder, venue, account, str(path)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{whoami}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _server_lock(connection: Connection, number: bytes, whoami: str, venue: str, account: str) -> None:
    """Take the lock for the life of `connection`, whose name on the server says who holds it."""
    name = f"aster-operator {whoami}".encode()[:_NAME_BYTES].decode(errors="ignore")
    connection.execute(text("SELECT set_config('application_name', :name, false)"), {"name": name})
    key = int.from_bytes(number, signed=True)
    taken = connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar()
    if not taken:
        halves = {"high": int.from_bytes(number[:4]), "low": int.from_bytes(number[4:])}
        holder = connection.execute(_HOLDER, halves).scalar() or ""
        raise _taken(
            str(holder).removeprefix("aster-operator "), venue, account, database_name(connection.engine.url)
        )
    connection.commit()


def _taken(holder: str, venue: str, account: str, where: str) -> DatabaseProblem:
    return DatabaseProblem(
        f"another operator trades for {account} on {venue} already: {holder or 'it does not say which'}",
        where,
        "stop that one first, or give this one an account and books of its own",
    )
