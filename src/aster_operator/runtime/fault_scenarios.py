"""A client that fails on purpose, by name and seed: what befalls requests and the own account's stream.

It wraps any `ExchangeClient`, in process or over the wire: the same seed and the same requests meet the same
faults. What it hides is only hidden: the venue's books stay right.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from random import Random
from typing import Any

import msgspec

from aster_operator.domain.events import OrderChanged
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.exchange.client_protocol import EntryWithExits, EventStream, ExchangeClient, StreamEvent
from aster_operator.exchange.errors import UnknownOutcome, refusal_of

__all__ = ["SCENARIOS", "FaultScenario", "with_faults"]


class FaultScenario(msgspec.Struct, frozen=True, kw_only=True):
    """Chances between 0 and 1, of each request or event on its own."""

    lose_request: Decimal = Decimal(0)
    """An order never arrives, and nobody says so."""
    lose_answer: Decimal = Decimal(0)
    """An order or cancel is carried out, and its answer is lost."""
    refuse: Decimal = Decimal(0)
    """An order is refused: the venue is overloaded."""
    reject: Decimal = Decimal(0)
    """An order is refused for its own sake: no margin for it."""
    hide: Decimal = Decimal(0)
    """A query finds nothing yet."""
    lose_event: Decimal = Decimal(0)
    """A report of an own order is never sent."""
    repeat_event: Decimal = Decimal(0)


SCENARIOS: Mapping[str, FaultScenario] = {
    "none": FaultScenario(),
    "lost-answers": FaultScenario(lose_answer=Decimal("0.2")),
    "lost-requests": FaultScenario(lose_request=Decimal("0.2")),
    "refusals": FaultScenario(refuse=Decimal("0.2")),
    "rejections": FaultScenario(reject=Decimal("0.2")),
    "slow-queries": FaultScenario(lose_answer=Decimal("0.2"), hide=Decimal("0.5")),
    "lost-events": FaultScenario(lose_event=Decimal("0.2"), repeat_event=Decimal("0.1")),
    "storm": FaultScenario(
        lose_request=Decimal("0.1"),
        lose_answer=Decimal("0.1"),
        refuse=Decimal("0.1"),
        hide=Decimal("0.3"),
        lose_event=Decimal("0.1"),
        repeat_event=Decimal("0.1"),
    ),
}
"""Named scenarios, from none to all at once."""


def with_faults(client: ExchangeClient, scenario: FaultScenario, seed: int) -> ExchangeClient:
    """`client` with the scenario's faults; the very same client when it has none."""
    return client if scenario == FaultScenario() else _FaultyClient(client, scenario, seed)


class _FaultyClient:
    """Everything but the calls below goes straight to the client it wraps."""

    def __init__(self, client: ExchangeClient, scenario: FaultScenario, seed: int) -> None:
        self._client = client
        self._scenario = scenario
        # Each in the order of its own: over a wire nobody knows whether an answer or the report comes first.
        self._of_requests = Random(seed)  # noqa: S311 - chance of a rehearsal, not of a secret
        self._of_events = Random(seed + 1)  # noqa: S311

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _strikes(self, chance: Decimal) -> bool:
        return chance > 0 and self._of_requests.random() < chance

    def _strikes_event(self, chance: Decimal) -> bool:
        return chance > 0 and self._of_events.random() < chance

    async def place_order(self, order: NewOrder) -> OrderReport:
        return await self._place(order, self._client.place_order)

    async def place_entry_with_exits(self, entry: NewOrder, exits: tuple[NewOrder, NewOrder]) -> OrderReport:
        async def place(order: NewOrder) -> OrderReport:
            if not isinstance(self._client, EntryWithExits):
                raise TypeError("the client behind the faults takes no exits with an entry")
            return await self._client.place_entry_with_exits(order, exits)

        return await self._place(entry, place)

    async def _place(
        self, order: NewOrder, place: Callable[[NewOrder], Awaitable[OrderReport]]
    ) -> OrderReport:
        name = order.client_order_id
        if self._strikes(self._scenario.refuse):
            raise refusal_of(-1008, "Server is currently overloaded.", 503, "POST order")
        if self._strikes(self._scenario.reject):
            raise refusal_of(-2019, "Margin is insufficient.", 400, "POST order")
        if self._strikes(self._scenario.lose_request):
            raise UnknownOutcome("POST order", "connection lost", name, None)
        report = await place(order)
        if self._strikes(self._scenario.lose_answer):
            raise UnknownOutcome("POST order", "answer lost", name, None)
        return report

    async def cancel_order(self, symbol: str, client_order_id: str) -> OrderReport:
        report = await self._client.cancel_order(symbol, client_order_id)
        if self._strikes(self._scenario.lose_answer):
            raise UnknownOutcome("DELETE order", "answer lost", client_order_id, None)
        return report

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport:
        if self._strikes(self._scenario.hide):
            raise refusal_of(-2013, "Order does not exist.", 400, "GET order")
        return await self._client.query_order(symbol, client_order_id)

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> EventStream:
        def pass_on(event: StreamEvent) -> None:
            if not isinstance(event, OrderChanged):
                on_event(event)
                return
            if self._strikes_event(self._scenario.lose_event):
                return
            on_event(event)
            if self._strikes_event(self._scenario.repeat_event):
                on_event(event)

        return await self._client.open_user_stream(pass_on)
