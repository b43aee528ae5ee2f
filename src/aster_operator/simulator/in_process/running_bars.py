"""Bars that are still running, told as the venue's stream tells them: at the end of each quarter of a second.

Told at once they would let the core act up to a quarter of a second sooner than over the wire, and the same
market would not give the same orders.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from aster_operator.domain.events import BarUpdated

__all__ = ["RunningBars"]

_PERIOD_MS: Final = 250
"""How often `kline` streams speak (aster-protocol section 6.2)."""


class RunningBars:
    """Keeps the newest running bar of each symbol until it is due; `tell` hears it then."""

    def __init__(self, tell: Callable[[BarUpdated], None]) -> None:
        self._tell = tell
        self._due_ms: dict[str, int] = {}
        self._bars: dict[str, BarUpdated] = {}

    def take(self, update: BarUpdated) -> None:
        """A bar changed or ended: what has ended is told at once."""
        symbol = update.bar.symbol
        if update.bar.is_closed:
            self._bars.pop(symbol, None)
            self._tell(update)
            return
        self._bars[symbol] = update
        self._due_ms.setdefault(symbol, (update.event_ms // _PERIOD_MS + 1) * _PERIOD_MS)

    def tell_due(self, now_ms: int) -> None:
        """Tell what is due at market time `now_ms`, in the order of time and name."""
        for due_ms, symbol in sorted((due, symbol) for symbol, due in self._due_ms.items() if due <= now_ms):
            del self._due_ms[symbol]
            update = self._bars.pop(symbol, None)
            # One that has ended meanwhile is told when it is closed.
            if update is not None and update.bar.open_ms <= due_ms <= update.bar.close_ms:
                self._tell(replace(update, event_ms=due_ms))
