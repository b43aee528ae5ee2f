"""Our clock corrected by the measured offset of the venue's (protocol reference, sections 2.1 and 2.2)."""

from collections.abc import Awaitable, Callable, Sequence

from aster_operator.domain.clock import Clock
from aster_operator.exchange.client_protocol import ClockOffset

__all__ = ["VenueClock"]


class VenueClock:
    """Stamps requests with the venue's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_us = 0
        self.offset = ClockOffset(offset_ms=0.0, uncertainty_ms=float("inf"))
        """Last measurement; the uncertainty is infinite before the first."""
        self.measurements = 0
        """How often the offset was measured."""
        self.jitter_ms = 0.0
        """Spread of the offsets of the last measurement: largest minus smallest."""

    def now_ms(self) -> int:
        return (self._clock.now_us() + self._offset_us) // 1000

    def now_us(self) -> int:
        return self._clock.now_us() + self._offset_us

    async def measure(self, server_time_ms: Callable[[], Awaitable[int]], samples: int) -> ClockOffset:
        """Ask for the server's time `samples` times and keep the offset of the quickest answer.

        Raises ValueError for fewer than one sample.
        """
        if samples < 1:
            raise ValueError(f"samples must be at least 1, was {samples}")
        measured: list[tuple[int, float]] = []
        for _ in range(samples):
            sent_us, started_ns = self._clock.now_us(), self._clock.monotonic_ns()
            server_ms = await server_time_ms()
            round_trip_us = (self._clock.monotonic_ns() - started_ns) // 1000
            # The server's stamp is cut to whole milliseconds: half of one is its mean error.
            server_us = server_ms * 1000 + 500
            measured.append((round_trip_us, server_us - (sent_us + round_trip_us / 2)))
        return self._adopt(measured)

    def _adopt(self, measured: Sequence[tuple[int, float]]) -> ClockOffset:
        round_trip_us, offset_us = min(measured)
        offsets = [offset for _, offset in measured]
        self.jitter_ms = (max(offsets) - min(offsets)) / 1000
        self._offset_us = int(offset_us)
        self.measurements += 1
        self.offset = ClockOffset(offset_ms=offset_us / 1000, uncertainty_ms=round_trip_us / 2000)
        return self.offset
