"""The operator as a process that can be killed: forked from one that has done the slow imports already."""

import gc
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from preloaded import context

__all__ = ["start_operator"]


def start_operator(arguments: list[str], folder: Path, environment: dict[str, str]) -> ForkServerProcess:
    """`aster-operator ARGUMENTS` in `folder`; what it prints goes to `operator.log` there."""
    process = context.Process(target=_operate, args=(arguments, str(folder), environment), daemon=True)
    process.start()
    return process


def _operate(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    gc.freeze()  # or it would look through all that was imported, and so copy it
    os.chdir(folder)
    os.environ.update(environment)
    log = os.open("operator.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    from aster_operator.cli.entry import main

    sys.exit(main(arguments))
