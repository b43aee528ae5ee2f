"""Entries that were given up and fill after all: held by the network, carried out minutes later."""

from typing import Any

import pytest

from aster_operator.domain.client_ids import derive_client_order_id
from aster_operator.domain.clock import HOUR_MS, MINUTE_MS
from aster_operator.domain.enums import OrderType
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.exchange.errors import UnknownOutcome
from aster_operator.execution.positions.position import ExitKind
from aster_operator.execution.positions.protection import exit_order
from aster_operator.simulator.in_process.client import InProcessClient
from runtime.position_sessions import ACCOUNT, Life, desk_of, settings_with


class SlowNetwork:
    """Holds the first entry back until it is let go; what else is sent goes through, entries after the first
    only when `lets_others`."""

    def __init__(self, client: InProcessClient) -> None:
        self._client = client
        self.held_back: NewOrder | None = None
        self.lets_entries = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def place_order(self, order: NewOrder) -> OrderReport:
        if order.order_type is OrderType.LIMIT and (self.held_back is None or not self.lets_entries):
            self.held_back = self.held_back or order
            raise UnknownOutcome("POST order", "timeout", order.client_order_id, None)
        return await self._client.place_order(order)

    async def let_go(self) -> None:
        """It arrives after all, as an order that is sure to fill."""
        assert self.held_back is not None
        market = self.held_back.__class__(
            client_order_id=self.held_back.client_order_id,
            symbol=self.held_back.symbol,
            side=self.held_back.side,
            position_side=self.held_back.position_side,
            order_type=OrderType.MARKET,
            quantity=self.held_back.quantity,
        )
        await self._client.place_order(market)


async def given_up() -> tuple[Life, SlowNetwork, Any, Any]:
    """A session that has given its first entry up."""
    networks: list[SlowNetwork] = []

    def wrap(client: InProcessClient) -> SlowNetwork:
        networks.append(SlowNetwork(client))
        networks[-1].lets_entries = len(networks) > 1
        return networks[-1]

    life = Life(settings_with(), wrap=wrap)
    driver, core = await life.session()
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: networks[0].held_back is not None)
    await driver.run(life.now_ms + 3 * MINUTE_MS)
    order = networks[0].held_back
    assert order is not None
    return life, networks[0], driver, core


async def test_it_is_closed_at_once_and_leaves_nothing() -> None:
    life, network, driver, core = await given_up()
    assert network.held_back is not None
    symbol = network.held_back.symbol
    assert desk_of(core).book.on_symbol(symbol) is None or not life.held()
    await network.let_go()
    assert symbol in life.held()
    await driver.settle()
    assert symbol not in life.held()
    await driver.run(life.now_ms + MINUTE_MS)
    life.check_quiet(core)
    (trade,) = [trade for trade in life.books.trades if trade.symbol == symbol][:1]
    assert trade.reason == "VENUE"
    assert trade.net_pnl_usd is not None


@pytest.mark.parametrize("arrives", ["while nobody runs", "after the restart"])
async def test_a_restart_in_between_forgets_it_no_more(arrives: str) -> None:
    life, network, _driver, _core = await given_up()
    assert network.held_back is not None
    symbol = network.held_back.symbol
    if arrives == "while nobody runs":
        await network.let_go()
    driver, core = await life.session()
    if arrives == "after the restart":
        await network.let_go()
    await driver.settle()
    assert symbol in life.held()
    life.check_quiet(core)
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: symbol not in life.held())
    await driver.run(life.now_ms + MINUTE_MS)
    life.check_quiet(core)
    assert not [order for order in life.exchange.open_orders(ACCOUNT, symbol) if symbol not in life.held()]


async def test_a_late_exit_of_the_position_before_is_left_to_hit_no_other() -> None:
    life = Life(settings_with(ASTER_TAKE_PROFIT_BPS="500", ASTER_STOP_LOSS_BPS="400"))
    driver, core = await life.session()
    await driver.run(life.now_ms + 12 * HOUR_MS, until=lambda: bool(life.held()))
    await driver.settle()
    position = next(position for position in desk_of(core).book.active() if position.held > 0)
    late = exit_order(
        position,
        ExitKind.TAKE_PROFIT,
        position.held,
        core.settings.instruments[position.symbol],
        derive_client_order_id(
            "run0", "midfreq", position.symbol, position.closing_side, position.position_side, 7
        ),
    )
    await InProcessClient(life.exchange, ACCOUNT, life.clock).place_order(late)
    await driver.settle()
    await driver.run(life.now_ms + MINUTE_MS)
    resting = {order.client_order_id for order in life.exchange.open_orders(ACCOUNT, position.symbol)}
    assert late.client_order_id not in resting
    assert len(resting) == 2


async def test_what_never_turns_up_is_forgotten_in_the_end() -> None:
    life, network, driver, _core = await given_up()
    network.lets_entries = True
    doubtful = [key for _, key in life.books.memory if "-" in key]
    assert doubtful
    await driver.run(life.now_ms + 20 * MINUTE_MS)
    assert not set(doubtful) & {key for _, key in life.books.memory}
