"""The console script: runs the command line and turns every ending into an exit code and one line.

Exit codes: 0 done, 1 a fault of ours (a crash file is written), 2 something the user can mend,
130 interrupted. Nothing but the standard library is imported here at module level, so that Ctrl-C during
the slow imports ends as quietly as at any other moment.
"""

import os
import sys

__all__ = ["main"]

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(arguments: list[str] | None = None) -> int:
    """Run `aster-operator` with `arguments` (default: those of the process) and return the exit code.

    As a console script the return value becomes the exit status of the process.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        code = _drop_output()
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    _shield_the_end()
    return code


def _run(arguments: list[str]) -> int:
    if arguments in (["--version"], ["-V"]):
        from importlib.metadata import version

        print(f"aster-operator {version('aster-operator')}")
        return 0
    try:
        from aster_operator.cli.app import run_app

        return run_app(arguments)
    except (KeyboardInterrupt, SystemExit, BrokenPipeError):
        raise
    except BaseException as error:
        from aster_operator.cli.errors import report

        return report(error)


def _drop_output() -> int:
    """Forget what is still buffered for a reader that has gone, and say nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _BROKEN_PIPE


def _shield_the_end() -> None:
    # From here on only the interpreter's own clean-up runs; an interrupt there could only print noise.
    import signal
    import threading

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
