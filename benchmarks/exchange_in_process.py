"""The exchange in process, without sockets: a day of minutes, orders, memory over millions of events."""

import gc
import os
import statistics
from decimal import Decimal
from pathlib import Path
from time import perf_counter

from aster_operator.domain.enums import OrderType, Side, TimeInForce
from aster_operator.market_data.history import load_history
from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.market_player import synthetic_market
from aster_operator.simulator.model import BookEvent, ExchangeEvent, OrderRequest

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
WARM_UP_HOURS = 24 * 36
"""Recent trades and minute bars (50,000 at most) are full after this; longer bars go on slowly, in bounds."""


def day(repeats: int) -> tuple[float, float]:
    """Medians: (seconds for 24 h of two symbols' minutes, book levels changed per second of that).

    Five-second sub-steps, one listener; trades, bars and marks are part of the work.
    """
    history = load_history()
    seconds, updates = [], []
    for _ in range(repeats):
        exchange = SimulatedExchange.from_history(history, ExchangeOptions(substep_ms=5000))
        levels = 0

        def listen(event: ExchangeEvent) -> None:
            nonlocal levels
            if isinstance(event, BookEvent):
                levels += len(event.bids) + len(event.asks)

        exchange.subscribe(listen)
        started = perf_counter()
        exchange.advance_to(exchange.now_ms + DAY_MS)
        taken = perf_counter() - started
        assert exchange.audit().balanced
        seconds.append(taken)
        updates.append(levels / taken)
    return statistics.median(seconds), statistics.median(updates)


def orders(repeats: int, count: int) -> float:
    """Median LIMIT orders a second, each placed and cancelled, ten accounts, margin checks included."""
    exchange = SimulatedExchange.from_history(load_history(), ExchangeOptions(substep_ms=5000))
    exchange.advance_to(exchange.now_ms)
    accounts = [f"account-{number}" for number in range(10)]
    for account in accounts:
        exchange.create_account(account, {"USDT": Decimal(100_000)})
    view = exchange.book("BTCUSDT", 1)
    request = OrderRequest(
        "BTCUSDT",
        Side.BUY,
        OrderType.LIMIT,
        time_in_force=TimeInForce.GTX,
        quantity=Decimal("0.002"),
        price=view.spec.price_of(view.bids[0][0]) - 100,
    )
    rates = []
    for _ in range(repeats):
        started = perf_counter()
        for number in range(count):
            account = accounts[number % 10]
            order = exchange.place_order(account, request)
            exchange.cancel_order(account, "BTCUSDT", order.order_id, None)
        rates.append(count / (perf_counter() - started))
    assert exchange.audit().balanced
    return statistics.median(rates)


def memory(events_wanted: int) -> tuple[float, int]:
    """(growth of the resident set in MB over the events after the warm-up, their number).

    One synthetic market at 15-second steps, so that a month of minutes
    fills the windows soon.
    """
    spec = contract_for_prices("BTCUSDT", [])
    market = synthetic_market(
        spec,
        seed=1,
        start_ms=1_746_576_000_000,
        start_ticks=600_000,
        lots_per_minute=20_000,
        substep_ms=15_000,
    )
    exchange = SimulatedExchange([market])
    count = 0

    def listen(_event: ExchangeEvent) -> None:
        nonlocal count
        count += 1

    exchange.subscribe(listen)
    exchange.advance_to(exchange.now_ms + WARM_UP_HOURS * HOUR_MS)
    warm_events, warm_mb = count, _resident_mb()
    while count - warm_events < events_wanted:
        exchange.advance_to(exchange.now_ms + HOUR_MS)
    return _resident_mb() - warm_mb, count - warm_events


def _resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2
