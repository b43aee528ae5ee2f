"""Programs that start where the packages of others are imported already: most of what a start costs.

`aster-operator` and `python -c` in the folder `warm_programs()` ask a server to fork, and hand it their
arguments, folder, variables and open files; signals go on to the fork, its ending is theirs, and it is killed
with them. The server has imported nothing of ours: each program imports that anew, in the order in which it
always would.
"""

import ast
import atexit
import functools
import gc
import importlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["warm_programs"]

_PACKAGES = (
    "aiohttp.web",
    "alembic",
    "coincurve",
    "eth_hash.auto",
    "numba",
    "picows",
    "polars",
    "pyarrow.csv",
    "pyarrow.parquet",
    "pydantic_settings",
    "rich.progress",
    "rich.table",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.orm",
    "structlog",
    "typer._adapters",
    "typer.main",
    "uvloop",
    "yaml",
)

_PROGRAM = """#!{python} -IS
import os, signal, socket, sys

if os.path.basename(sys.argv[0]) == "python" and sys.argv[1:2] != ["-c"]:
    os.execv({python!r}, sys.argv)
interrupted = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = repr((sys.argv, os.getcwd(), dict(os.environ), interrupted)).encode()
socket.send_fds(server, [len(request).to_bytes(4, "big")], [0, 1, 2])
server.sendall(request)
answers = server.makefile("rb")
program = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: os.kill(program, number))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
ending = int(answers.readline() or 70)
if ending < 0:
    signal.signal(-ending, signal.SIG_DFL)
    os.kill(os.getpid(), -ending)
sys.exit(ending)
"""


@functools.cache
def warm_programs() -> Path:
    """A folder with the programs, which may be put before all others in PATH: one server for all tests."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(_served())


@contextmanager
def _served() -> Iterator[Path]:
    with TemporaryDirectory() as kept:
        address = str(Path(kept, "server"))
        for name in ("aster-operator", "python"):
            program = Path(kept, name)
            program.write_text(_PROGRAM.format(python=sys.executable, address=address), encoding="utf-8")
            program.chmod(0o755)
        # In an environment of its own: what a program is given must not be what the tests have.
        with subprocess.Popen([sys.executable, __file__, address], stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            try:
                yield Path(kept)
            finally:
                server.terminate()


def _serve(address: str) -> None:
    """Answer until SIGTERM. Returns only in a fork, to run what was asked for."""
    for package in _PACKAGES:
        importlib.import_module(package)
    gc.freeze()  # or the forks would look through it all, and so copy it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        children = 0
        while True:
            connection, _ = listener.accept()
            children += 1
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                break
            connection.close()
            while children and os.waitpid(-1, os.WNOHANG)[0]:
                children -= 1
    # One fork waits for the other, so that the server can go on.
    with connection:
        head, files, *_ = socket.recv_fds(connection, 4, 3)
        asked = b""
        while len(asked) < int.from_bytes(head, "big"):
            asked += connection.recv(1 << 16)
        ended, ends = socket.socketpair()
        ends.setblocking(False)
        signal.set_wakeup_fd(ends.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        if (program := os.fork()) != 0:
            connection.sendall(b"%d\n" % program)
            if connection in select.select([connection, ended], [], [])[0]:
                os.kill(program, signal.SIGKILL)  # who asked is gone
                os._exit(0)
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(program, 0)[1]))
            os._exit(0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        ended.close()
        ends.close()
    arguments, folder, variables, interrupted = ast.literal_eval(asked.decode())
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.default_int_handler if interrupted else signal.SIG_IGN)
    sys.argv = arguments


if __name__ == "__main__":
    del sys.path[0]
    _serve(sys.argv[1])
    if Path(sys.argv[0]).name == "python":
        sys.path.insert(0, "")
        code = sys.argv.pop(2)
        sys.argv.pop(0)
        exec(code, {"__name__": "__main__"})  # noqa: S102 (what somebody asked `python -c` for)
    else:
        from aster_operator.cli.entry import main

        sys.exit(main())
