"""The life of a process beside a session: it ends when the session that started it has ended."""

import asyncio
import os
import sys

__all__ = ["until_orphaned"]


async def until_orphaned(stop: asyncio.Event) -> bool:
    """Wait until `stop`, or until standard input closes: True when whoever started us has ended."""
    orphaned = False

    def heard() -> None:
        nonlocal orphaned
        if not os.read(sys.stdin.fileno(), 1024):
            orphaned = True
            stop.set()

    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), heard)
    try:
        await stop.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return orphaned
