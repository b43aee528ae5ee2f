"""Types of the fixtures that run the command line."""

import subprocess
from collections.abc import Callable
from typing import NamedTuple


class Ending(NamedTuple):
    """How a call ended."""

    returncode: int
    stdout: str
    stderr: str


Call = Callable[..., Ending]
Run = Callable[..., "subprocess.CompletedProcess[str]"]
