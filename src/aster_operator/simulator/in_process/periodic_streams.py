"""What the venue's streams tell at the end of a period: running bars four times a second, marks every second.

Told at once, a running bar would let the core act up to a quarter of a second sooner than over the wire; told
in another order, or only when the market moves, a mark would let another symbol act first. Either way the
same market would not give the same orders.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Final

from msgspec.structs import replace

from aster_operator.domain.events import BarUpdated, MarkUpdated
from aster_operator.exchange.streams.names import kline, mark_price

__all__ = ["PeriodicStreams"]

_BAR_PERIOD_MS: Final = 250
_MARK_PERIOD_MS: Final = 1_000
"""How often the `kline` and `markPrice@1s` streams speak (aster-protocol section 6.2)."""


class PeriodicStreams:
    """Keeps the newest running bar of each symbol until it is due, and tells the marks of `marked` every
    second, moved or not, after a jump in time once. `tell` hears all in the order of time and stream names.

    `mark_at` gives the mark of a symbol now, stamped with the end of its period (ms). The streams begin at
    `now_ms`.
    """

    def __init__(
        self,
        tell: Callable[[BarUpdated | MarkUpdated], None],
        mark_at: Callable[[str, int], MarkUpdated],
        marked: Iterable[str],
        now_ms: int,
    ) -> None:
        self._tell = tell
        self._mark_at = mark_at
        self._due: list[tuple[int, str, str]] = []
        """A heap of (ms, stream, symbol)."""
        self._bars: dict[str, BarUpdated] = {}
        self._awaited: set[str] = set()
        """Symbols whose running bar is due some time."""
        self._marks = {mark_price(symbol): symbol for symbol in marked}
        for stream, symbol in self._marks.items():
            self._expect(stream, symbol, now_ms, _MARK_PERIOD_MS)

    def _expect(self, stream: str, symbol: str, now_ms: int, period_ms: int) -> None:
        heappush(self._due, ((now_ms // period_ms + 1) * period_ms, stream, symbol))

    def take(self, update: BarUpdated) -> None:
        """A bar changed or ended: what has ended is told at once."""
        symbol = update.bar.symbol
        if update.bar.is_closed:
            self._bars.pop(symbol, None)
            self._tell(update)
            return
        self._bars[symbol] = update
        if symbol not in self._awaited:
            self._awaited.add(symbol)
            self._expect(kline(symbol), symbol, update.event_ms, _BAR_PERIOD_MS)

    def tell_due(self, now_ms: int) -> None:
        """Tell what is due at market time `now_ms`, whether or not anything has happened."""
        while self._due and self._due[0][0] <= now_ms:
            due_ms, stream, symbol = heappop(self._due)
            if stream in self._marks:
                self._tell(self._mark_at(symbol, now_ms - now_ms % _MARK_PERIOD_MS))
                self._expect(stream, symbol, now_ms, _MARK_PERIOD_MS)
            else:
                self._awaited.discard(symbol)
                self._tell_bar(symbol, due_ms)

    def _tell_bar(self, symbol: str, due_ms: int) -> None:
        update = self._bars.pop(symbol, None)
        # One that has ended meanwhile is told when it is closed.
        if update is not None and update.bar.open_ms <= due_ms <= update.bar.close_ms:
            self._tell(replace(update, event_ms=due_ms))
