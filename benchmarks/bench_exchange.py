"""The speed and size of the embedded exchange.

    make bench-exchange                  a table
    make bench-exchange ARGS=--json      JSON lines: name, unit, ours, peer, peer_name, ratio, goal, ok
    make bench-exchange ARGS=--full      memory over ten million events instead of one million

Every number is the median of at least five turns, memory excepted, which is one long run. Over loopback the
exchange runs in a process pinned to one core and its clients on another, if there is one; everything else
runs on one core in this process. There is no peer to compare with: `peer`, `peer_name` and `ratio` are null.
Rows whose goal is "reported" explain the others: how much of an order is the verification of its signature,
and how much CPU time the exchange spends on an order, which a busy machine blurs less than the rate.

The exit code is 0 whether or not the goals are met.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

import exchange_in_process
import exchange_orders
import exchange_streams
from measurement import Row, bounded, line

SUBSCRIBERS = 1000
DEFAULT_EVENTS, FULL_EVENTS = 1_000_000, 10_000_000


def orders(repeats: int, bursts: int) -> Iterator[Row]:
    rate, cpu_us = exchange_orders.order_rates(repeats, bursts)
    yield bounded("signed order round trips over loopback, ten accounts", "orders/s", rate, least=3000)
    if cpu_us == cpu_us:
        yield bounded("the exchange's CPU time for one of these orders", "us", cpu_us)
    verified_us = exchange_orders.verification_us(repeats)
    yield bounded("of it verification of the signature (keccak, ECDSA)", "us", verified_us)


def in_process(repeats: int) -> Iterator[Row]:
    seconds, updates = exchange_in_process.day(repeats)
    yield bounded("24 h of two symbols' minutes in process", "s", seconds, most=5)
    yield bounded("book updates in process", "updates/s", updates, least=300_000)
    rate = exchange_in_process.orders(repeats, 2000)
    yield bounded("orders placed and cancelled in process", "orders/s", rate)


def streams(repeats: int) -> Iterator[Row]:
    rate, complete = exchange_streams.subscriber_rates(SUBSCRIBERS, repeats)
    name = f"{SUBSCRIBERS:,} WebSocket subscribers on one stream"
    yield bounded(f"{name}: who heard every frame", "subscribers", complete, least=SUBSCRIBERS)
    yield bounded(f"{name}: frames to all together", "frames/s", rate)


def memory(events_wanted: int) -> Iterator[Row]:
    grown_mb, events = exchange_in_process.memory(events_wanted)
    part = "" if events_wanted >= FULL_EVENTS else " (a part of the full run: --full)"
    yield bounded(f"growth of memory over {events / 1e6:.1f} million events{part}", "MB", grown_mb, most=5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each measurement (default 5)")
    parser.add_argument("--bursts", type=int, default=4, help="bursts of 1,000 orders a turn (default 4)")
    parser.add_argument("--full", action="store_true", help="memory over ten million events (minutes)")
    parser.add_argument("--only", choices=["orders", "in-process", "streams", "memory"], help="one part")
    chosen = parser.parse_args()
    parts = {
        "orders": lambda: orders(chosen.repeats, chosen.bursts),
        "in-process": lambda: in_process(chosen.repeats),
        "streams": lambda: streams(chosen.repeats),
        "memory": lambda: memory(FULL_EVENTS if chosen.full else DEFAULT_EVENTS),
    }
    for name, part in parts.items():
        if chosen.only in (None, name):
            for measured in part():
                print(json.dumps(asdict(measured)) if chosen.json else line(measured), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
