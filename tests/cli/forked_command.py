"""The command line as a process of its own, forked from one that has done the slow imports already."""

import gc
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from preloaded import context

__all__ = ["run_forked"]


def run_forked(
    arguments: tuple[str, ...], folder: Path, environment: dict[str, str], timeout_s: float
) -> "subprocess.CompletedProcess[str]":
    """`aster-operator ARGUMENTS` in `folder` with no other variables than `environment`."""
    with TemporaryDirectory() as kept:
        out, err = Path(kept, "out"), Path(kept, "err")
        process = context.Process(
            target=_command, args=(arguments, str(folder), environment, str(out), str(err))
        )
        process.start()
        process.join(timeout_s)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout_s, out.read_bytes(), err.read_bytes())
        code = process.exitcode
        process.close()
        assert code is not None
        return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())


def _command(
    arguments: tuple[str, ...], folder: str, environment: dict[str, str], out: str, err: str
) -> None:
    gc.freeze()  # or it would look through all that was imported, and so copy it
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, out, os.O_WRONLY | os.O_CREAT),
        (2, err, os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 (multiprocessing replaces it by one of its own)
    from aster_operator.cli.entry import main

    sys.exit(main(list(arguments)))
