"""Views beside a session, in a process of their own: whatever becomes of them, trading goes on."""

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

__all__ = ["Dashboard", "DashboardPort", "alerts_beside", "dashboard_beside"]

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
    with _child(settings, ["dashboard", "--json", "--port", str(port)], env_file) as child:
        told = threading.Event()
        threading.Thread(target=_tell, args=(child, told), daemon=True).start()
        if wait:
            told.wait(_START_S)
        yield


@contextmanager
def alerts_beside(settings: "Settings", env_file: str | None, *, wanted: bool) -> Iterator[None]:
    """Send this process's session's alerts for the block, if it is `wanted` and there is somebody to tell."""
    if not wanted or settings.notify_urls is None:
        yield
        return
    with _child(settings, ["alerts", "watch"], env_file):
        yield


@contextmanager
def _child(
    settings: "Settings", arguments: list[str], env_file: str | None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A command of ours, following the session of this process, for the block."""
    command = [sys.executable, "-m", "aster_operator.cli.entry", *arguments, "--parent", str(os.getpid())]
    if env_file is not None:
        command += ["--env-file", env_file]
    # In the environment, not among the arguments: the address of a database may hold a password.
    environment = os.environ | {"STATE_DIR": settings.state_dir, "DATABASE_URL": settings.database_url}
    # A session of its own: Ctrl-C is for whoever started it, who tells it by closing its input.
    child = subprocess.Popen(  # noqa: S603 (our own program)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True
    )
    try:
        yield child
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
