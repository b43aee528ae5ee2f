"""Speed and memory of the embedded exchange, in process: python benchmarks/bench_exchange.py [--json].

What is measured, each on one core:
- `day_seconds`: 24 hours of two symbols' recorded minutes at 5-second sub-steps with one listener attached;
- `book_updates_per_second`: price levels changed per second of that run, trades, bars and marks included;
- `orders_per_second`: LIMIT orders placed and cancelled, ten accounts, margin checks included;
- `memory_growth_mb_per_million_events`: growth of the peak resident set over the second half of a long
  synthetic market, when the rolling windows (recent trades, a month of minutes) are full.
"""

import argparse
import json
import resource
import sys
from collections import Counter
from decimal import Decimal
from time import perf_counter

from aster_operator.domain.enums import OrderType, Side, TimeInForce
from aster_operator.market_data.history import load_history
from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.market_player import synthetic_market
from aster_operator.simulator.model import BookEvent, ExchangeEvent, OrderRequest

DAY_MS = 86_400_000
DAY_BUDGET_S = 5.0
BOOK_UPDATES_BUDGET = 300_000


def bench_day() -> dict[str, float]:
    exchange = SimulatedExchange.from_history(load_history(), ExchangeOptions(substep_ms=5000))
    counts: Counter[str] = Counter()

    def listen(event: ExchangeEvent) -> None:
        counts["events"] += 1
        if isinstance(event, BookEvent):
            counts["levels"] += len(event.bids) + len(event.asks)

    exchange.subscribe(listen)
    started = perf_counter()
    exchange.advance_to(exchange.now_ms + DAY_MS)
    seconds = perf_counter() - started
    assert exchange.audit().balanced
    return {
        "day_seconds": round(seconds, 3),
        "day_events": counts["events"],
        "book_updates_per_second": round(counts["levels"] / seconds),
    }


def bench_orders(count: int) -> dict[str, float]:
    exchange = SimulatedExchange.from_history(load_history(), ExchangeOptions(substep_ms=5000))
    exchange.advance_to(exchange.now_ms)
    accounts = [f"account-{number}" for number in range(10)]
    for account in accounts:
        exchange.create_account(account, {"USDT": Decimal(100_000)})
    price = exchange.book("BTCUSDT", 1).spec.price_of(exchange.book("BTCUSDT", 1).bids[0][0]) - 100
    started = perf_counter()
    for number in range(count):
        account = accounts[number % 10]
        order = exchange.place_order(
            account,
            OrderRequest(
                "BTCUSDT",
                Side.BUY,
                OrderType.LIMIT,
                time_in_force=TimeInForce.GTX,
                quantity=Decimal("0.002"),
                price=price,
            ),
        )
        exchange.cancel_order(account, "BTCUSDT", order.order_id, None)
    seconds = perf_counter() - started
    return {"orders_per_second": round(count / seconds)}


def bench_memory(events_wanted: int) -> dict[str, float]:
    spec = contract_for_prices("BTCUSDT", [])
    start_ms = 1_746_576_000_000
    market = synthetic_market(
        spec, seed=1, start_ms=start_ms, start_ticks=600_000, lots_per_minute=20_000, substep_ms=5000
    )
    exchange = SimulatedExchange([market])
    counts: Counter[str] = Counter()
    exchange.subscribe(lambda _event: counts.update(("events",)))
    # Rolling windows fill up first: a month of minutes is about three million events of one symbol.
    warm = events_wanted // 2
    peak_after_warm_up = 0
    while counts["events"] < events_wanted:
        exchange.advance_to(exchange.now_ms + 3_600_000)
        if not peak_after_warm_up and counts["events"] > warm:
            peak_after_warm_up = _peak_kb()
    grown_mb = (_peak_kb() - peak_after_warm_up) / 1024
    millions = (counts["events"] - warm) / 1e6
    return {
        "memory_events": counts["events"],
        "memory_growth_mb_per_million_events": round(grown_mb / millions, 2),
    }


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--memory-events", type=int, default=8_000_000, help="0 leaves the memory part out")
    arguments = parser.parse_args()
    results = {**bench_day(), **bench_orders(arguments.orders)}
    if arguments.memory_events:
        results |= bench_memory(arguments.memory_events)
    if arguments.json:
        print(json.dumps(results))
    else:
        for name, value in results.items():
            print(f"{name:40} {value:>14,}")
    in_budget = (
        results["day_seconds"] < DAY_BUDGET_S and results["book_updates_per_second"] >= BOOK_UPDATES_BUDGET
    )
    return 0 if in_budget else 1


if __name__ == "__main__":
    sys.exit(main())
