"""How long things take: histograms of wall time, from the stamps in the journal."""

from bisect import bisect_left
from collections.abc import Mapping

from aster_operator.domain.commands import CancelOrder, Command, SubmitOrder
from aster_operator.domain.events import (
    Event,
    MarkUpdated,
    OrderChanged,
    OrderOutcomeUnknown,
    OrderRefusedByVenue,
    QuoteUpdated,
)

__all__ = ["LATENCY_BOUNDS_MS", "Histogram", "Timings"]

LATENCY_BOUNDS_MS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 5000.0)
"""Upper bounds of the histograms' buckets, in milliseconds; one more bucket takes what is above."""

_MOST_WAITING = 5_000


class Histogram:
    """Counts by bucket, with the sum. Milliseconds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(LATENCY_BOUNDS_MS) + 1)
        self.sum_ms = 0.0
        self.count = 0

    def add(self, milliseconds: float) -> None:
        self.counts[bisect_left(LATENCY_BOUNDS_MS, milliseconds)] += 1
        self.sum_ms += milliseconds
        self.count += 1

    def quantile_ms(self, share: float) -> float | None:
        """Upper bound of the bucket that holds the quantile; None for an empty histogram, infinity above
        the last bound."""
        if not self.count:
            return None
        seen, wanted = 0, share * self.count
        for bound, count in zip((*LATENCY_BOUNDS_MS, float("inf")), self.counts, strict=True):
            seen += count
            if seen >= wanted:
                return bound
        return float("inf")


class Timings:
    """`round_trip`: from journalling an order to the venue's answer. `decision`: from an event's arrival to
    the journalling of the command it led to. `feed`: from the venue's stamp on market data to its arrival,
    told only where the venue's time is wall time (else every age is beyond belief and left out)."""

    def __init__(self) -> None:
        self.round_trip = Histogram()
        self.decision = Histogram()
        self.feed = Histogram()
        self._sent_ns: dict[str, int] = {}
        self._event_ns = 0

    @property
    def named(self) -> Mapping[str, Histogram]:
        return {"order_round_trip": self.round_trip, "decision": self.decision, "market_feed": self.feed}

    def on_event(self, event: Event) -> None:
        self._event_ns = event.received_ns
        match event:
            case OrderChanged(from_stream=False):
                self._answered(event.report.client_order_id, event.received_ns)
            case OrderRefusedByVenue() | OrderOutcomeUnknown():
                self._answered(event.client_order_id, event.received_ns)
            case QuoteUpdated() | MarkUpdated():
                age_ms = event.received_ns / 1e6 - event.event_ms
                if 0 <= age_ms < 60_000:
                    self.feed.add(age_ms)
            case _:
                pass

    def _answered(self, client_order_id: str, received_ns: int) -> None:
        sent_ns = self._sent_ns.pop(client_order_id, None)
        if sent_ns is not None and received_ns >= sent_ns:
            self.round_trip.add((received_ns - sent_ns) / 1e6)

    def on_command(self, command: Command, written_ns: int | None) -> None:
        if written_ns is None:
            return
        if isinstance(command, SubmitOrder | CancelOrder) and written_ns >= self._event_ns:
            self.decision.add((written_ns - self._event_ns) / 1e6)
        if isinstance(command, SubmitOrder):
            if len(self._sent_ns) >= _MOST_WAITING:
                self._sent_ns.pop(next(iter(self._sent_ns)))
            self._sent_ns[command.order.value.client_order_id] = written_ns
