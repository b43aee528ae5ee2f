"""Stop and target in the entry's own request: no moment without them, and nothing left over."""

import pytest

from aster_operator.domain.clock import HOUR_MS, MINUTE_MS
from aster_operator.domain.enums import OrderType
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.exchange.errors import refusal_of
from aster_operator.runtime.fault_scenarios import SCENARIOS
from aster_operator.runtime.protection_watch import ProtectionWatch
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.model import ExchangeEvent, OrderEvent
from runtime.position_sessions import ACCOUNT, Life, desk_of, settings_with


class Tape:
    """What the venue did with our orders, in its own order."""

    def __init__(self, life: Life) -> None:
        self.events: list[tuple[int, OrderType, bool]] = []
        life.exchange.subscribe(self._take)

    def _take(self, event: ExchangeEvent) -> None:
        if isinstance(event, OrderEvent) and event.order.account_id == ACCOUNT:
            self.events.append((event.time_ms, event.order.original_type, event.trade is not None))

    def kinds_after_entries(self) -> list[OrderType]:
        """What kind of order the venue saw first after each entry's fill that was not an entry's."""
        found = []
        for number, (_, kind, is_fill) in enumerate(self.events):
            if kind is OrderType.LIMIT and is_fill:
                later = (other for _, other, _ in self.events[number + 1 :] if other is not OrderType.LIMIT)
                found += [other for other in [next(later, None)] if other is not None]
        return found


@pytest.mark.parametrize("faults", SCENARIOS)
async def test_the_exits_rest_with_the_fill_and_none_is_left(faults: str) -> None:
    life = Life(settings_with(ASTER_EXITS_WITH_ENTRY="true"), faults=faults)
    tape = Tape(life)
    driver, core = await life.session()
    watch = ProtectionWatch(life.exchange, ACCOUNT, desk_of(core))

    async def look(now_ms: int) -> None:
        watch.look(now_ms)

    driver._after_step = look
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: len(life.books.trades) >= 6)
    assert len(life.books.trades) >= 6
    assert set(tape.kinds_after_entries()) == {OrderType.STOP_MARKET}
    assert watch.unprotected_ms_max <= 500
    assert watch.orphan_exits == 0
    if faults == "none":
        assert watch.unprotected_ms_total == 0
        # One stop and one target for each position: none was sent twice.
        placed = [kind for _, kind, is_fill in tape.events if kind is OrderType.STOP_MARKET and not is_fill]
        assert len(placed) <= 3 * len(life.books.trades)


async def test_what_the_entry_does_not_fill_at_once_is_cancelled_at_once() -> None:
    life = Life(settings_with(ASTER_EXITS_WITH_ENTRY="true", ASTER_ORDER_NOTIONAL="9000"))
    driver, core = await life.session()
    await driver.run(life.now_ms + 6 * HOUR_MS, until=lambda: bool(life.held()))
    await driver.settle()
    entries = [order for order in life.exchange.open_orders(ACCOUNT, None) if not order.reduce_only]
    assert not entries
    await driver.run(life.now_ms + MINUTE_MS)
    life.check_quiet(core)


class WithoutStrategies:
    """A venue that does not take them."""

    def __init__(self, client: InProcessClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    async def place_entry_with_exits(self, entry: NewOrder, exits: tuple[NewOrder, NewOrder]) -> OrderReport:
        raise refusal_of(-1020, "This operation is not supported.", 400, "POST placeStrategyOrder")


async def test_where_the_venue_does_not_take_them_they_follow_the_fill() -> None:
    life = Life(settings_with(ASTER_EXITS_WITH_ENTRY="true"), wrap=WithoutStrategies)
    driver, core = await life.session()
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: len(life.books.trades) >= 2)
    assert len(life.books.trades) >= 2
    assert max(trade.unprotected_ms for trade in life.books.trades) <= 500
    life.check_quiet(core)


@pytest.mark.parametrize("seed", range(2))
async def test_a_death_in_between_leaves_nothing_behind(seed: int) -> None:
    life = Life(settings_with(ASTER_EXITS_WITH_ENTRY="true"), seed=seed)
    driver, core = await life.session()
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: bool(life.held()))
    held = life.held()
    driver, core = await life.session()
    await driver.run(life.now_ms + MINUTE_MS)
    life.check_quiet(core)
    assert set(life.held()) <= {position.symbol for position in desk_of(core).book.active()}
    assert held
