"""Loading the lab's kernels before anything is timed, with a word where they must be compiled first."""

from threading import Timer

import typer

__all__ = ["load_kernels"]

_PATIENCE_S = 2.0
"""Kernels that were compiled before are there sooner."""


def load_kernels(semantics: str) -> None:
    """Load or compile what a sweep with these semantics needs; says so when that takes its time."""
    from aster_operator.backtest.warm_up import warm_up

    text = "compiling the kernels, which later starts find on the disk ..."
    notice = Timer(_PATIENCE_S, typer.echo, args=(text,), kwargs={"err": True})
    notice.daemon = True
    notice.start()
    try:
        warm_up(semantics)
    finally:
        notice.cancel()
