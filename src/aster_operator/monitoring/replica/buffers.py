"""How much a replica remembers. Every buffer is bounded; what falls out is counted."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

__all__ = ["Buffer", "BufferSizes"]

T = TypeVar("T")


class BufferSizes(msgspec.Struct, frozen=True, kw_only=True):
    """Entries kept of each kind; those for each symbol are marked so."""

    candles_per_symbol: int = 2_880
    samples: int = 2_880
    decisions: int = 20_000
    orders: int = 20_000
    fills: int = 20_000
    trades: int = 20_000
    notices: int = 1_000


class Buffer(Generic[T]):
    """The newest entries, oldest first; `dropped` counts those that made room."""

    def __init__(self, size: int) -> None:
        self._entries: deque[T] = deque(maxlen=size)
        self.dropped = 0

    def append(self, entry: T) -> None:
        if len(self._entries) == self._entries.maxlen:
            self.dropped += 1
        self._entries.append(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries)

    def __reversed__(self) -> Iterator[T]:
        return reversed(self._entries)

    @property
    def total(self) -> int:
        """How many entries there have ever been."""
        return self.dropped + len(self._entries)

    def newest(self, count: int) -> list[T]:
        """The last `count` entries, oldest first; fewer where there are fewer."""
        return list(self._entries)[-count:] if count > 0 else []

    def last(self) -> T | None:
        """The newest entry, None while there is none."""
        return self._entries[-1] if self._entries else None

    def replace_last(self, entry: T) -> None:
        self._entries[-1] = entry
