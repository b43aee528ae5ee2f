"""Loading the lab's kernels before anything is timed, with a word where they must be compiled first."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

__all__ = ["compiling_told", "load_kernels"]

_TEXT = "compiling the kernels, which later starts find on the disk ..."


@contextmanager
def compiling_told() -> Iterator[None]:
    """Say once that kernels are being compiled, if any is; those that come from the disk are not."""
    from numba.core import event

    class Notice(event.Listener):
        said = False

        def on_start(self, event: object) -> None:  # noqa: ARG002 (as numba calls it)
            if not self.said:
                self.said = True
                typer.echo(_TEXT, err=True)

        def on_end(self, event: object) -> None:
            """Nothing is said at the end."""

    with event.install_listener("numba:compile", Notice()):
        yield


def load_kernels(semantics: str) -> None:
    """Load or compile what a sweep with these semantics needs."""
    from aster_operator.backtest.warm_up import warm_up

    with compiling_told():
        warm_up(semantics)
