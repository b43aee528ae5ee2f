"""Half a second of market time: whatever fails, what is held is protected or closed by then."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from aster_operator.domain.clock import HOUR_MS
from aster_operator.domain.enums import OrderType
from aster_operator.domain.events import OrderChanged
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.exchange.client_protocol import EventStream, StreamEvent
from aster_operator.exchange.errors import UnknownOutcome, refusal_of
from aster_operator.runtime.protection_watch import ProtectionWatch
from aster_operator.simulator.in_process.client import InProcessClient
from runtime.position_sessions import ACCOUNT, Life, desk_of, settings_with

STOP, MARKET = OrderType.STOP_MARKET, OrderType.MARKET


class Failing:
    """A client on which `fails(order)` names what befalls an order, `hidden` queries find nothing, and with
    `deaf` no report of an own order is ever heard."""

    def __init__(
        self,
        client: InProcessClient,
        fails: Callable[[NewOrder], str | None] = lambda _: None,
        *,
        hidden: int = 0,
        deaf: bool = False,
    ) -> None:
        self._client = client
        self._fails = fails
        self._hidden = hidden
        self._deaf = deaf

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def place_order(self, order: NewOrder) -> OrderReport:
        kind = self._fails(order)
        if kind == "refused":
            raise refusal_of(-1008, "Server is currently overloaded.", 503, "POST order")
        if kind == "never sent":
            raise UnknownOutcome("POST order", "connection lost", order.client_order_id, None)
        report = await self._client.place_order(order)
        if kind == "no answer":
            raise UnknownOutcome("POST order", "answer lost", order.client_order_id, None)
        return report

    async def query_order(self, symbol: str, client_order_id: str) -> OrderReport:
        if self._hidden > 0:
            self._hidden -= 1
            raise refusal_of(-2013, "Order does not exist.", 400, "GET order")
        return await self._client.query_order(symbol, client_order_id)

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> EventStream:
        def pass_on(event: StreamEvent) -> None:
            if not (self._deaf and isinstance(event, OrderChanged)):
                on_event(event)

        return await self._client.open_user_stream(pass_on)


def first(count: int, kind: str, order_type: OrderType) -> Callable[[NewOrder], str]:
    """The first `count` orders of a type meet with `kind`."""
    left = [count]

    def fails(order: NewOrder) -> str:
        if order.order_type is not order_type or left[0] == 0:
            return ""
        left[0] -= 1
        return kind

    return fails


def both(*parts: Callable[[NewOrder], str]) -> Callable[[NewOrder], str]:
    return lambda order: next((kind for part in parts if (kind := part(order))), "")


CASES: dict[str, Callable[[InProcessClient], Failing]] = {
    "the stop is refused every time": lambda client: Failing(client, first(10**6, "refused", STOP)),
    "the stop never arrives": lambda client: Failing(client, first(10**6, "never sent", STOP)),
    "two stops never arrive and queries are slow": lambda client: Failing(
        client, first(2, "never sent", STOP), hidden=3
    ),
    "no stop is taken, and the first two closes are not either": lambda client: Failing(
        client, both(first(10**6, "refused", STOP), first(2, "refused", MARKET))
    ),
    "no stop is taken, and the first close never arrives": lambda client: Failing(
        client, both(first(10**6, "refused", STOP), first(1, "never sent", MARKET))
    ),
    "three stops fail, the closes too, then stops are taken": lambda client: Failing(
        client, both(first(3, "refused", STOP), first(10**6, "refused", MARKET))
    ),
    "nothing is heard of the entry, not even when asked": lambda client: Failing(
        client, first(10**6, "no answer", OrderType.LIMIT), hidden=20, deaf=True
    ),
    "nothing is heard of any order": lambda client: Failing(client, deaf=True),
}


@pytest.mark.parametrize("case", CASES)
async def test_it_is_protected_or_closed_within_half_a_second(case: str) -> None:
    life = Life(settings_with(), wrap=CASES[case])
    driver, core = await life.session()
    watch = ProtectionWatch(life.exchange, ACCOUNT, desk_of(core))

    async def look(now_ms: int) -> None:
        watch.look(now_ms)

    driver._after_step = look
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: len(life.books.trades) >= 2)
    assert len(life.books.trades) >= 2
    assert watch.unprotected_ms_max <= 500
    assert max(trade.unprotected_ms for trade in life.books.trades) <= 500
    assert watch.orphan_exits == 0


async def test_time_itself_brings_it_forward_only_while_something_is_open_to_harm() -> None:
    life = Life(settings_with(), wrap=lambda client: Failing(client, first(2, "refused", STOP)))
    driver, core = await life.session()
    assert core.due_ms is None
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: bool(life.stops()))
    await driver.settle()
    assert core.due_ms is None
    (symbol,) = life.stops()
    position = desk_of(core).book.on_symbol(symbol)
    assert position is not None
    assert position.held == Decimal(life.stops()[symbol]) * core.settings.instruments[symbol].lot.step


class GoneBefore(Failing):
    """No stop is taken; the first close comes when all has been closed elsewhere, the next never arrive."""

    closes = 0

    async def place_order(self, order: NewOrder) -> OrderReport:
        if order.order_type is MARKET:
            self.closes += 1
            if self.closes == 1:
                await self._client.place_order(replace(order, client_order_id="elsewhere"))
        return await super().place_order(order)


async def test_what_is_gone_is_not_closed_again_and_again() -> None:
    """The first close finds nothing to reduce: that and the account are proof enough."""

    def fails(order: NewOrder) -> str:
        if order.order_type is STOP:
            return "refused"
        return "never sent" if order.order_type is MARKET and clients[0].closes > 1 else ""

    def wrap(client: InProcessClient) -> GoneBefore:
        clients.append(GoneBefore(client, fails, deaf=True))
        return clients[0]

    clients: list[GoneBefore] = []
    life = Life(settings_with(), wrap=wrap)
    driver, core = await life.session()
    await driver.run(
        life.now_ms + 12 * HOUR_MS, until=lambda: bool(life.books.trades) or clients[0].closes > 1
    )
    assert clients[0].closes == 1
    assert life.books.trades[0].unprotected_ms <= 500
    life.check_quiet(core)
