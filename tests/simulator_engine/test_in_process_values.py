"""Prices of the exchange in process are those that its server prints."""

from decimal import Decimal

from aster_operator.domain.clock import ManualClock
from aster_operator.domain.enums import Side
from aster_operator.domain.events import AccountChanged, OrderChanged
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.market_data.history import load_history
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.server.number_text import symbol_text


async def test_averages_of_several_prices_have_the_eight_decimals_of_the_wire() -> None:
    """Unrounded, a stop beyond such an entry could lie a tick apart from the one over the wire."""
    exchange = SimulatedExchange.from_history(load_history(), ExchangeOptions(substep_ms=5_000))
    exchange.create_account("trader", {"USDT": Decimal(1_000_000)})
    exchange.advance_to(exchange.next_step_ms() or 0)
    client = InProcessClient(exchange, "trader", ManualClock(exchange.now_ms))
    told: list[StreamEvent] = []
    await client.open_user_stream(told.append)
    spec = exchange.contracts()["BTCUSDT"]
    # The whole best level and a lot beyond it: an average that does not end.
    quantity = spec.quantity_of(exchange.book("BTCUSDT", 1).asks[0][1] + 1)

    report = await client.place_market_order("BTCUSDT", Side.BUY, quantity, client_order_id="several")

    exact = exchange.order("trader", "BTCUSDT", None, "several").average_price
    printed = Decimal(symbol_text(spec).average(exact))
    assert printed != exact, "the average must need rounding, or nothing is tested"
    assert report.average_price == printed
    (position,) = [view for view in await client.get_position_risk("BTCUSDT") if view.is_open]
    assert position.entry_price == printed
    assert position.liquidation_price == round(position.liquidation_price, 8)
    reports = [event.report.average_price for event in told if isinstance(event, OrderChanged)]
    changes = [event.positions[0].entry_price for event in told if isinstance(event, AccountChanged)]
    assert reports[-1] == changes[-1] == printed
