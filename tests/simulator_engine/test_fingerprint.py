"""The engine's behaviour as one number: faster is welcome, different must be meant."""

import hashlib
from decimal import Decimal

import pytest

from aster_operator.market_data.history import load_history
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.model import (
    AccountEvent,
    BookEvent,
    ExchangeEvent,
    KlineEvent,
    MarkEvent,
    OrderEvent,
    TradeEvent,
)

from .helpers import make_exchange, place, play_minutes, request, with_account

# Two hours of both sample symbols with a hedged account at work. When a change of behaviour is intended, put
# the new digest here and say in the commit what became different.
FINGERPRINT = "01aee6cb7480654c28104c18ef01a42e8c9684cb2920c9ee53cc2e64ac209661"


def _facts(event: ExchangeEvent) -> tuple[object, ...]:
    match event:
        case BookEvent():
            return "book", event.spec.symbol, event.time_ms, event.update_id, event.bids, event.asks
        case TradeEvent():
            return "trade", event.trade_id, event.time_ms, event.ticks, event.lots, event.buyer_is_maker
        case MarkEvent():
            return (
                "mark",
                event.spec.symbol,
                event.time_ms,
                event.mark_e8,
                event.index_e8,
                event.funding_rate_e8,
            )
        case KlineEvent():
            bar = event.bar
            return (
                "bar",
                bar.open_ms,
                bar.open_ticks,
                bar.high_ticks,
                bar.low_ticks,
                bar.close_ticks,
                bar.lots,
            )
        case OrderEvent():
            order = event.order
            return "order", order.order_id, str(event.execution), str(order.status), order.filled_lots
        case AccountEvent():
            return "account", event.account_id, event.reason, event.balances[0].wallet_atoms
        case _:
            return (type(event).__name__, event.time_ms)


def _digest() -> str:
    exchange = with_account(
        SimulatedExchange.from_history(load_history(), ExchangeOptions(seed=11, substep_ms=5000)), hedge=True
    )
    digest = hashlib.sha256()
    exchange.subscribe(lambda event: digest.update(repr(_facts(event)).encode()))
    exchange.advance_to(exchange.now_ms)
    for _ in range(8):
        for symbol, quantity in (("BTCUSDT", "0.01"), ("ETHUSDT", "0.3")):
            for side, position_side in (("BUY", "LONG"), ("SELL", "SHORT")):
                view = exchange.book(symbol, 1)
                ticks = (view.bids if side == "BUY" else view.asks)[0][0]
                price = str(view.spec.price_of(ticks))
                place(exchange, "alice", side, "LIMIT", quantity, symbol=symbol, price=price, tif="GTX",
                      position_side=position_side)  # fmt: skip
                place(exchange, "alice", side, quantity=quantity, symbol=symbol, position_side=position_side)
        play_minutes(exchange, 15)
    assert exchange.audit().balanced
    return digest.hexdigest()


def test_behaviour_has_not_changed() -> None:
    assert _digest() == FINGERPRINT


def test_a_listener_cannot_act_in_the_middle_of_a_change_but_may_schedule() -> None:
    exchange = with_account(make_exchange())
    errors: list[RuntimeError] = []
    placed: list[int] = []

    def act(event: ExchangeEvent) -> None:
        if isinstance(event, OrderEvent) and not errors:
            with pytest.raises(RuntimeError, match="must not act") as caught:
                exchange.place_order("alice", request("BUY"))
            errors.append(caught.value)
            exchange.schedule(exchange.now_ms, lambda: placed.append(place(exchange, "alice", "BUY").lots))

    exchange.subscribe(act)
    place(exchange, "alice", "BUY", quantity="0.02")
    assert len(errors) == 1
    exchange.advance_to(exchange.now_ms)
    assert placed == [100]
    assert exchange.positions("alice", "BTCUSDT")[0].lots == 120
    assert exchange.audit().difference_atoms == Decimal(0)
