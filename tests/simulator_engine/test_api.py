"""The exchange keeps the promise of its protocol."""

import inspect

from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.exchange import SimulatedExchange

from .helpers import make_exchange, place, with_account


def test_every_method_of_the_protocol_is_there_with_the_same_parameters() -> None:
    promised = {name: member for name, member in vars(ExchangeApi).items() if not name.startswith("_")}
    assert len(promised) > 40
    for name, member in promised.items():
        offered = inspect.getattr_static(SimulatedExchange, name)
        assert isinstance(offered, property) == isinstance(member, property), name
        if not isinstance(member, property):
            assert list(inspect.signature(offered).parameters) == list(
                inspect.signature(member).parameters
            ), name


def test_what_the_exchange_hands_out_does_not_change_it() -> None:
    exchange = with_account(make_exchange())
    place(exchange, "alice", "BUY", "LIMIT", price="59000")
    for answer in (
        exchange.open_orders("alice", None),
        exchange.order_history("alice", "BTCUSDT"),
        exchange.income("alice"),
        exchange.trades("alice", None),
        exchange.recent_trades("BTCUSDT", 100),
        exchange.klines("BTCUSDT", 60_000, None, None, 10),
    ):
        list(answer)
        if isinstance(answer, list):
            answer.clear()
    assert len(exchange.open_orders("alice", None)) == 1
    assert len(exchange.order_history("alice", "BTCUSDT")) == 1
    assert len(exchange.income("alice")) == 1
    assert len(exchange.recent_trades("BTCUSDT", 100)) > 0
    assert not exchange.has_account("insurance-fund")
