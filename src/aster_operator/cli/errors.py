"""What is printed when a command fails: one masked line for each problem, never a traceback.

A problem the user can mend ends with exit code 2. Anything else is a fault of ours: its traceback goes,
masked, into a crash file whose path is printed, and the exit code is 1.
"""

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import typer
from typer.exceptions import TyperException

from aster_operator.cli.room_errors import room_line
from aster_operator.config.masking import mask_text
from aster_operator.config.problems import UserProblem, one_line, system_error
from aster_operator.domain.clock import Clock, WallClock

__all__ = ["PROGRAM", "print_problem", "print_warnings", "report", "write_crash_file"]

PROGRAM = "aster-operator"

_BAD_INPUT = 2
_OUR_FAULT = 1
_INTERRUPTED = 130

_SYSTEM_REMEDIES = {
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EADDRINUSE: "stop what is using the port, or choose another with --port",
    errno.ENOSPC: "free some space on the disk",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f)",
    errno.EDQUOT: "free some of your disk quota",
    errno.EROFS: "choose a place that can be written",
    errno.ENOENT: "check the path",
    errno.EISDIR: "name a file, not a directory",
    errno.ENOTDIR: "check the path",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ECONNREFUSED: "check the address and that the other side runs",
    errno.ENETUNREACH: "check the network",
    errno.EHOSTUNREACH: "check the network",
}


def print_problem(line: str) -> None:
    """Write one line to standard error, masked, with the program's name in front."""
    print(mask_text(f"{PROGRAM}: {one_line(line)}"), file=sys.stderr, flush=True)


def print_warnings(warnings: tuple[str, ...]) -> None:
    """Write remarks about the settings to standard error, one line each."""
    for warning in warnings:
        print_problem(f"warning: {warning}")


def report(error: BaseException, clock: Clock | None = None) -> int:
    """Print what `error` means and return the exit code of the process."""
    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return _INTERRUPTED
    if isinstance(error, typer.Abort):
        return _report_abort(error)
    known = [lines for leaf in leaves if (lines := _lines_of(leaf)) is not None]
    if leaves and len(known) == len(leaves):
        for leaf in leaves:
            if isinstance(leaf, UserProblem):
                print_warnings(leaf.warnings)
        for line in dict.fromkeys(line for lines in known for line in lines):
            print_problem(line)
        return max(_exit_code(leaf) for leaf in leaves)
    path = write_crash_file(error, clock or WallClock())
    kind = type(error).__name__
    print_problem(f"unexpected {kind}: {error}, a fault of the program: please report it with {path}")
    return _OUR_FAULT


def _report_abort(error: BaseException) -> int:
    if isinstance(error.__cause__, EOFError):
        print_problem(
            "a question got no answer, standard input: run it in a terminal, or pass the option it asks for"
        )
        return _BAD_INPUT
    return _INTERRUPTED


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The single errors inside nested exception groups, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _exit_code(error: BaseException) -> int:
    return error.exit_code if isinstance(error, UserProblem) else _BAD_INPUT


def _lines_of(error: BaseException) -> tuple[str, ...] | None:
    """The lines for an error the user can mend; None for every other."""
    if isinstance(error, UserProblem):
        return error.lines()
    if isinstance(error, TyperException):
        return (_usage_line(error),)
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("aster_operator"):
        return (f"the package {error.name} is not installed, {sys.prefix}: run make install",)
    system = system_error(error)
    if system is not None and system.errno in _SYSTEM_REMEDIES:
        where = system.filename if system.filename is not None else "the operating system"
        return (f"{system.strerror or system}, {where}: {_SYSTEM_REMEDIES[system.errno]}",)
    line = room_line(error)
    return None if line is None else (line,)


def _usage_line(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else PROGRAM
    text = (
        one_line(error.format_message()).replace("Value error, ", "").replace(". Did", ", did").rstrip(".?")
    )
    if text.startswith("Usage:"):  # a group named without one of its commands answers with its whole help
        text = "a command is missing"
    return f"{text[:1].lower()}{text[1:]}: see {command} --help"


def write_crash_file(error: BaseException, clock: Clock) -> Path:
    """Write the masked traceback of `error` below LOG_DIR, or to the temporary directory; return its path."""
    text = mask_text("".join(traceback.format_exception(error)))
    name = f"crash-{clock.now_ms()}-{os.getpid()}.log"
    for directory in (Path(os.environ.get("LOG_DIR") or "logs"), Path(tempfile.gettempdir())):
        path = directory / name
        try:
            directory.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
        except OSError:
            with suppress(OSError):
                path.unlink()  # a full disk leaves it empty
            continue
        return path
    sys.stderr.write(text)
    return Path("the text above")
