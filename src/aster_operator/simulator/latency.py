"""Latency in market time: requests that reach the exchange later than they were sent.

The exchange itself answers at once. A `DelayedGateway` in front of it holds every request back by what a
model says; requests of one account never overtake each other. A model is one function, the pessimistic one
being a fixed delay at the worst that was measured.
"""

from collections.abc import Callable
from random import Random
from typing import Protocol

from aster_operator.simulator.model import OrderRequest, SimulatedOrder, VenueRefusal

__all__ = ["DelayedGateway", "FixedLatency", "JitteredLatency", "LatencyModel", "SchedulingExchange"]

Answer = Callable[[SimulatedOrder | VenueRefusal], None]


class LatencyModel(Protocol):
    """How long a request is under way."""

    def delay_ms(self) -> int:
        """Delay of the next request in milliseconds of market time, never negative."""


class FixedLatency:
    """Every request takes the same time. Raises ValueError for a negative one."""

    def __init__(self, delay_ms: int) -> None:
        if delay_ms < 0:
            raise ValueError(f"delay_ms must not be negative, was {delay_ms}")
        self._delay_ms = delay_ms

    def delay_ms(self) -> int:
        return self._delay_ms


class JitteredLatency:
    """A floor plus an exponential tail with mean `jitter_ms`, capped at `ceiling_ms`; seeded."""

    def __init__(self, floor_ms: int, jitter_ms: float, ceiling_ms: int, seed: int) -> None:
        if not 0 <= floor_ms <= ceiling_ms or jitter_ms < 0:
            raise ValueError("latency needs 0 <= floor_ms <= ceiling_ms and jitter_ms >= 0")
        self._floor_ms, self._jitter_ms, self._ceiling_ms = floor_ms, jitter_ms, ceiling_ms
        self._random = Random(f"{seed}:latency")  # noqa: S311 - reproducible, not security

    def delay_ms(self) -> int:
        tail = self._random.expovariate(1 / self._jitter_ms) if self._jitter_ms else 0.0
        return min(self._ceiling_ms, self._floor_ms + round(tail))


class SchedulingExchange(Protocol):
    """The part of the exchange a gateway needs."""

    @property
    def now_ms(self) -> int: ...

    def schedule(self, time_ms: int, action: Callable[[], None]) -> None: ...

    def place_order(self, account_id: str, request: OrderRequest) -> SimulatedOrder: ...

    def cancel_order(
        self, account_id: str, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> SimulatedOrder: ...


class DelayedGateway:
    """Sends orders and cancels to the exchange after their latency; answers arrive through callbacks."""

    def __init__(self, exchange: SchedulingExchange, model: LatencyModel) -> None:
        self._exchange = exchange
        self._model = model
        self._last_arrival_ms: dict[str, int] = {}

    def place_order(self, account_id: str, request: OrderRequest, answer: Answer) -> int:
        """Send an order; return the market time at which it will arrive."""
        return self._send(account_id, lambda: self._exchange.place_order(account_id, request), answer)

    def cancel_order(
        self,
        account_id: str,
        symbol: str,
        order_id: int | None,
        client_order_id: str | None,
        answer: Answer,
    ) -> int:
        """Send a cancel; return the market time at which it will arrive."""
        return self._send(
            account_id,
            lambda: self._exchange.cancel_order(account_id, symbol, order_id, client_order_id),
            answer,
        )

    def _send(self, account_id: str, request: Callable[[], SimulatedOrder], answer: Answer) -> int:
        arrival_ms = self._exchange.now_ms + self._model.delay_ms()
        arrival_ms = max(arrival_ms, self._last_arrival_ms.get(account_id, arrival_ms))
        self._last_arrival_ms[account_id] = arrival_ms

        def arrive() -> None:
            try:
                result: SimulatedOrder | VenueRefusal = request()
            except VenueRefusal as refusal:
                result = refusal
            answer(result)

        self._exchange.schedule(arrival_ms, arrive)
        return arrival_ms
