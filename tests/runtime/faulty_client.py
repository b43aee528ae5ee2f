"""A client that fails on purpose: answers lost after the fact, refusals, queries that find nothing yet."""

from collections.abc import Callable

from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.exchange.errors import OrderNotFound, UnknownOutcome, refusal_of
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


__all__ = ["Fault", "FaultyClient", "FaultySpot", "OrderNotFound"]
