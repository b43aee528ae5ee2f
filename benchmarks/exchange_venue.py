"""The embedded exchange in a process of its own, pinned to one core, for benchmarks that measure it.

    with venue(core=0) as exchange:
        exchange.line["rest"], exchange.port, exchange.cpu_seconds()

It is what `aster-operator exchange serve` serves (recorded minutes at real speed, a spot market beside each
perpetual, wall-clock timestamps), with ten accounts and without request limits.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

ACCOUNTS = 10
DAY_MS = 86_400_000


@dataclass(frozen=True)
class Venue:
    """A running exchange: its first line, and the process behind it."""

    line: dict[str, Any]
    pid: int

    @property
    def port(self) -> int:
        return int(self.line["rest"].rsplit(":", 1)[1])

    def cpu_seconds(self) -> float:
        """CPU time the exchange has used so far; NaN where the system does not tell."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return float("nan")
        fields = stat.read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cores() -> tuple[int, int]:
    """(core of the exchange, core of its clients); the same one on a machine with one core."""
    free = sorted(os.sched_getaffinity(0))
    return free[0], free[-1]


@contextmanager
def venue(core: int, pace: str = "1") -> Iterator[Venue]:
    """Start the exchange on `core` and end it with the block."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__)), str(core), pace], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Venue(json.loads(process.stdout.readline()), process.pid)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


async def serve(core: int, pace: str) -> None:
    from aster_operator.domain.clock import WallClock
    from aster_operator.market_data.history import load_history
    from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
    from aster_operator.simulator.server.rate_limits import RateLimitSettings
    from aster_operator.simulator.server.serve import ExchangeServer
    from aster_operator.simulator.server.settings import ServerSettings

    os.sched_setaffinity(0, {core})
    history = load_history()
    options = ExchangeOptions(start_ms=history.start_ms + DAY_MS, with_spot=True)
    settings = ServerSettings(
        pace=pace,
        account_count=ACCOUNTS,
        deposits={"USDT": Decimal(1_000_000)},
        limits=RateLimitSettings(weight_per_minute=10**12, orders_per_minute=10**12),
    )
    exchange = SimulatedExchange.from_history(history, options)
    async with ExchangeServer(settings, exchange=exchange, clock=WallClock()) as server:
        print(server.first_line(), flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    from aster_operator.simulator.server.event_loop import run_served

    run_served(serve(int(sys.argv[1]), sys.argv[2]))
