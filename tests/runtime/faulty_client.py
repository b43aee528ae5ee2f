"""Clients that fail on purpose: answers lost after the fact, refusals, late orders, events nobody hears."""

from collections.abc import Callable
from typing import Any

from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.exchange.errors import OrderNotFound, UnknownOutcome, refusal_of
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.in_process.spot import InProcessSpot

Fault = Callable[[NewOrder], str | None]
"""Per order: None passes, `lost-after` executes and loses the answer, `lost-before` never arrives,
`refuse` answers with a refusal."""


class FaultyClient(InProcessClient):
    def __init__(self, client: InProcessClient, fault: Fault, hidden_queries: int = 0) -> None:
        super().__init__(client._exchange, client._account_id, client._clock)
        self.fault = fault
        self.hidden_queries = hidden_queries
        self.sent: list[str] = []

    async def place_order(self, order: NewOrder) -> OrderReport:
        self.sent.append(order.client_order_id)
        kind = self.fault(order)
        if kind == "refuse":
            raise refusal_of(-2019, "Margin is insufficient.", 400, "POST order")
        if kind == "lost-before":
            raise UnknownOutcome("POST order", "connection lost", order.client_order_id, None)
        report = await super().place_order(order)
        if kind == "lost-after":
            raise UnknownOutcome("POST order", "answer lost", order.client_order_id, None)
        return report

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport:
        if self.hidden_queries > 0:
            self.hidden_queries -= 1
            raise refusal_of(-2013, "Order does not exist.", 400, "GET order")
        return await super().query_order(symbol, client_order_id)


class FaultySpot(InProcessSpot):
    """The spot side, failing on the same word."""

    def __init__(self, spot: InProcessSpot, fault: Fault) -> None:
        self.__dict__.update(spot.__dict__)
        self.fault = fault

    async def place_order(self, order: NewOrder) -> OrderReport:
        kind = self.fault(order)
        if kind == "refuse":
            raise refusal_of(-2018, "Balance is insufficient.", 400, "POST order")
        if kind == "lost-before":
            raise UnknownOutcome("POST order", "connection lost", order.client_order_id, None)
        report = await super().place_order(order)
        if kind == "lost-after":
            raise UnknownOutcome("POST order", "answer lost", order.client_order_id, None)
        return report


class Slow:
    """A client whose orders reach the exchange `late_ms` of market time late."""

    def __init__(self, client: InProcessClient, exchange: SimulatedExchange, late_ms: int = 5_000) -> None:
        self._client, self._exchange, self._late_ms = client, exchange, late_ms

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def place_order(self, order: NewOrder) -> OrderReport:
        self._exchange.advance_to(self._exchange.now_ms + self._late_ms)
        return await self._client.place_order(order)


class Deaf:
    """A client to which some events of the market's stream are not told."""

    def __init__(self, client: InProcessClient, is_unheard: Callable[[StreamEvent], bool]) -> None:
        self._client, self._is_unheard = client, is_unheard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def open_market_stream(self, channels: Any, on_event: Callable[[StreamEvent], None]) -> Any:
        def pass_on(event: StreamEvent) -> None:
            if not self._is_unheard(event):
                on_event(event)

        return await self._client.open_market_stream(channels, pass_on)


__all__ = ["Deaf", "Fault", "FaultyClient", "FaultySpot", "OrderNotFound", "Slow"]
