"""The event loop the exchange is served on: uvloop where it is installed, else that of the standard library.

Nothing the exchange says depends on which it is, only how much of a processor it takes (decision 10).
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_served"]

Result = TypeVar("Result")


def run_served(main: Coroutine[Any, Any, Result]) -> Result:
    """Run `main` to its end on a loop of its own, as `asyncio.run` does."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
