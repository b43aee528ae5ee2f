"""Progress with an estimate of the time that remains, on a terminal's standard error and nowhere else."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Advance", "progress_bars"]

Advance = Callable[[float], None]
"""Takes the share done, from 0 to 1."""


@contextmanager
def progress_bars() -> Iterator[Callable[[str], Advance]]:
    """A function that adds a bar by its name and returns how to move it.

    The bars go away at the end. Where nobody watches (no terminal) nothing is written.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:

        def add(name: str) -> Advance:
            task = progress.add_task(name, total=1.0)
            return lambda share: progress.update(task, completed=share)

        yield add
