"""In process the exchange is a library: nothing in it opens a socket, starts a thread or reads a clock."""

import socket
import threading
import time
from decimal import Decimal

import pytest

from aster_operator.market_data.history import load_history
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange

from .helpers import place


def test_an_hour_of_trading_without_sockets_threads_or_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    history = load_history()

    def forbidden(*_arguments: object, **_fields: object) -> None:
        raise AssertionError("the library must not do this")

    monkeypatch.setattr(socket.socket, "__init__", forbidden)
    monkeypatch.setattr(threading.Thread, "start", forbidden)
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "sleep"):
        monkeypatch.setattr(time, name, forbidden)
    exchange = SimulatedExchange.from_history(history, ExchangeOptions(with_spot=True, substep_ms=5000))
    exchange.create_account("alice", {"USDT": Decimal(10_000)})
    started_ms = exchange.now_ms
    # Double entry holds at every instant, not only at the end.
    unbalanced = []
    exchange.advance_to(started_ms + 1)
    for minute in range(60):
        place(exchange, "alice", "BUY" if minute % 2 else "SELL", quantity="0.01")
        exchange.control.gap_book("BTCUSDT", Decimal(minute % 3 - 1) / 4)
        while (next_ms := exchange.next_step_ms()) is not None and next_ms <= started_ms + minute * 60_000:
            exchange.advance_to(next_ms)
            report = exchange.audit()
            if not report.balanced:
                unbalanced.append((next_ms, report.difference_atoms))
    assert unbalanced == []
    assert exchange.now_ms - started_ms >= 58 * 60_000
