"""A dashboard beside a session, in a process of its own: whatever becomes of it, trading goes on."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings

__all__ = ["Dashboard", "DashboardPort", "dashboard_beside"]

Dashboard = Annotated[bool, typer.Option("--dashboard", help="Serve the web dashboard while it runs.")]
DashboardPort = Annotated[
    int,
    typer.Option("--dashboard-port", min=0, max=65535, help="Port of the dashboard; 0 takes a free one."),
]
_START_S = 30.0
_END_S = 5.0


@contextmanager
def dashboard_beside(
    settings: "Settings", port: int | None, env_file: str | None, *, wait: bool
) -> Iterator[None]:
    """Serve this process's session at `port` for the block, and say where; None serves nothing. `wait`: begin
    only once it can be opened. A dashboard that does not start, or dies, keeps nothing from running.
    """
    if port is None:
        yield
        return
    command = [sys.executable, "-m", "aster_operator.cli.entry", "dashboard", "--json", "--port", str(port)]
    command += ["--parent", str(os.getpid())]
    if env_file is not None:
        command += ["--env-file", env_file]
    # In the environment, not among the arguments: the address of a database may hold a password.
    environment = os.environ | {"STATE_DIR": settings.state_dir, "DATABASE_URL": settings.database_url}
    child = subprocess.Popen(  # noqa: S603 (our own program)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
    )
    told = threading.Event()
    threading.Thread(target=_tell, args=(child, told), daemon=True).start()
    try:
        if wait:
            told.wait(_START_S)
        yield
    finally:
        _end(child)


def _tell(child: "subprocess.Popen[bytes]", told: threading.Event) -> None:
    """Print where the dashboard is, once it has said so itself."""
    line = child.stdout.readline() if child.stdout is not None else b""
    with suppress(ValueError, KeyError):
        sys.stderr.write(f"dashboard: {json.loads(line)['url']}\n")
        sys.stderr.flush()
        told.set()
        return
    sys.stderr.write("warning: the dashboard did not start; the session goes on without\n")
    told.set()


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Closing its standard input ends it in good order; one that does not listen is ended."""
    with suppress(OSError):
        if child.stdin is not None:
            child.stdin.close()
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()
