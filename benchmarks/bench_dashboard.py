"""The dashboard under load: a hundred open positions, ten thousand trades, a day of decisions, one viewer.

Three questions: how long an interaction takes in the browser, how much of a core the server uses for a
viewer, and what a viewer that has stopped reading costs the session. Needs Chromium and Playwright.
`make bench-dashboard`, `ARGS=--json` for lines.
"""

import argparse
import asyncio
import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from measurement import Row, bounded, compared, line

SYMBOLS = 100
TRADES = 10_000
DECISIONS = 2_880
MOST_INTERACTION_MS = 100
MOST_CPU_SHARE = 0.10
CHROMIUM = "/usr/bin/chromium"
_TICKS = os.sysconf("SC_CLK_TCK")


# --- the served load ------------------------------------------------------------------------------------


class LoadedStream:
    """A `FactStream`: everything at once, then a tick of the timer and new marks each second."""

    def __init__(self, journal: Path) -> None:
        from aster_operator.monitoring.web.source import StreamHead
        from aster_operator.runtime.journal import read_journal

        header, facts = read_journal(journal)
        self.head = StreamHead(
            settings=header.settings, started_ms=header.started_ms, code_version=header.code_version
        )
        self.budget = None
        self.depth: dict[str, Any] = {}
        self._facts: list[Any] = [*facts]
        self._now_ms = max(fact.event_ms for fact in self._facts if hasattr(fact, "event_ms"))
        self._facts += [*self._trades(), *self._decisions(), self._snapshot()]
        self._place = 0
        self._ticked = time.monotonic()

    @property
    def behind_bytes(self) -> int:
        return len(self._facts) - self._place

    @property
    def read_bytes(self) -> int:
        return self._place

    def take(self, at_most: int) -> Sequence[tuple[Any, int | None]]:
        from aster_operator.domain.events import TimerFired

        taken = self._facts[self._place : self._place + at_most]
        self._place += len(taken)
        if not taken and time.monotonic() - self._ticked >= 1:
            self._ticked = time.monotonic()
            self._now_ms += 1_000
            taken = [*self._marks(), TimerFired(event_ms=self._now_ms, received_ns=0)]
        return [(fact, None) for fact in taken]

    def close(self) -> None:
        return

    def _marks(self) -> list[Any]:
        """Every price moves, and with it the PnL of every position."""
        from aster_operator.domain.events import MarkUpdated
        from aster_operator.domain.market import MarkPrice

        moved = Decimal(self._now_ms // 1_000 % 60) / 10
        return [
            MarkUpdated(
                event_ms=self._now_ms,
                received_ns=0,
                mark=MarkPrice(
                    symbol=f"COIN{number}USDT",
                    mark=Decimal(101 + number) + moved,
                    index=Decimal(101 + number),
                    funding_rate=Decimal("0.0001"),
                    next_funding_ms=self._now_ms + 3_600_000,
                    event_ms=self._now_ms,
                    received_ns=0,
                ),
            )
            for number in range(SYMBOLS)
        ]

    def _snapshot(self) -> Any:
        from aster_operator.domain.enums import MarginType, PositionSide
        from aster_operator.domain.events import VenueSnapshotTaken
        from aster_operator.domain.positions import AccountSnapshot, PositionReport

        positions = tuple(
            PositionReport(
                symbol=f"COIN{number}USDT",
                position_side=PositionSide.LONG if number % 2 else PositionSide.SHORT,
                quantity=Decimal(number + 1) * (1 if number % 2 else -1),
                entry_price=Decimal(100 + number),
                mark_price=Decimal(101 + number),
                liquidation_price=Decimal(50 + number),
                unrealized_pnl=Decimal(number),
                leverage=5,
                max_notional=Decimal(1_000_000),
                margin_type=MarginType.CROSSED,
                isolated_margin=Decimal(0),
                update_ms=self._now_ms,
            )
            for number in range(SYMBOLS)
        )
        account = AccountSnapshot(
            total_wallet_balance=Decimal(100_000),
            total_unrealized_pnl=Decimal(0),
            total_margin_balance=Decimal(100_000),
            total_initial_margin=Decimal(0),
            total_maintenance_margin=Decimal(0),
            available_balance=Decimal(50_000),
            can_trade=True,
            can_withdraw=True,
            update_ms=self._now_ms,
            balances=(),
        )
        return VenueSnapshotTaken(
            event_ms=self._now_ms, received_ns=0, account=account, positions=positions, open_orders=()
        )

    def _trades(self) -> list[Any]:
        from aster_operator.domain.closed_trades import ClosedTrade, ExitReason, MarketMeanwhile
        from aster_operator.domain.commands import RecordTrade
        from aster_operator.domain.enums import PositionSide, Side

        return [
            RecordTrade(
                at_ms=self._now_ms,
                trade=ClosedTrade(
                    position_ref=f"load-{number}",
                    strategy="midfreq",
                    symbol="ETHUSDT",
                    side=Side.BUY,
                    position_side=PositionSide.LONG,
                    quantity=Decimal("0.5"),
                    reason=ExitReason.TAKE_PROFIT,
                    detail="",
                    decided_ms=self._now_ms - number * 8_000,
                    entry_client_order_id=f"in-{number}",
                    entry_order_id=number,
                    entry_filled_ms=self._now_ms - number * 8_000,
                    entry_price=Decimal("1800.11"),
                    protected_ms=None,
                    unprotected_ms=0,
                    exit_client_order_id=f"out-{number}",
                    exit_order_id=number,
                    exit_sent_ms=None,
                    exit_filled_ms=self._now_ms - number * 8_000 + 5_000,
                    exit_price=Decimal("1801.5"),
                    fees_usd=Decimal("0.72"),
                    funding_usd=Decimal(0),
                    gross_pnl_usd=Decimal("0.695"),
                    net_pnl_usd=Decimal("-0.025"),
                    market=MarketMeanwhile(mae_bps=Decimal("3.1"), mfe_bps=Decimal("8.2")),
                ),
            )
            for number in range(TRADES)
        ]

    def _decisions(self) -> list[Any]:
        from aster_operator.domain.commands import RecordDecision

        numbers = {
            "bar_close": "1800.1",
            "ret_bps": "3.2",
            "blocker.spread": "BLOCKED 9 ticks against 2 ticks",
            "blocker.funding": "ok 0.4 bps against 5 bps",
            "blocker.cooldown": "ok free against free",
        }
        return [
            RecordDecision(
                at_ms=self._now_ms - (DECISIONS - number) * 30_000,
                strategy="midfreq",
                symbol="ETHUSDT" if number % 2 else "BTCUSDT",
                action="blocked" if number % 3 else "none",
                reason="long signal; blocked by spread: 9 ticks" if number % 3 else "no signal",
                numbers=numbers,
            )
            for number in range(DECISIONS)
        ]


class LoadedSource:
    """A `SessionSource` with one loaded session."""

    def __init__(self, journal: Path) -> None:
        from aster_operator.monitoring.web.source import FoundSession

        self._found = FoundSession(run_id="load", venue="sim", journal=str(journal), is_running=True)

    def find(self) -> Any:
        return self._found

    def open(self, session: Any) -> LoadedStream:
        return LoadedStream(Path(session.journal))

    async def steer(self, *_: Any) -> tuple[bool, str]:
        return False, "a load is not steered"


async def serve(journal: Path) -> None:
    """Serve the load until the input closes; the address goes out first."""
    from aster_operator.database.schema import open_books
    from aster_operator.domain.clock import WallClock
    from aster_operator.monitoring.web.book_reader import BookReader
    from aster_operator.monitoring.web.hub import DashboardHub
    from aster_operator.monitoring.web.server import DashboardOptions, dashboard
    from aster_operator.rewards.profile import load_profile

    clock = WallClock()
    hub = DashboardHub(LoadedSource(journal), clock)
    books = BookReader(
        lambda: open_books(f"sqlite:///{journal.parent / 'none.db'}"), "none", load_profile("none"), clock
    )
    async with dashboard(hub, books, DashboardOptions(token="x" * 32), clock) as address:
        print(address.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


# --- measuring ------------------------------------------------------------------------------------------


def cpu_s(pid: int) -> float:
    """Processor time of a process without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


_CLICK = """
(button) => new Promise((resolve) => {
  const rows = document.querySelector('section.card table tbody'), start = performance.now();
  const seen = new MutationObserver(() => {
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - start), 0));
  });
  seen.observe(rows, { childList: true, characterData: true, subtree: true });
  button.click();
})
"""
"""From the click until the frame with other rows is drawn."""


def interactions(page: Any, url: str, path: str, times: int) -> list[float]:
    """Milliseconds from a click on `Older` to the drawn table, in the page's own clock."""
    page.goto(url + path)
    page.wait_for_selector("section.card table tbody tr")
    page.wait_for_timeout(3_000)
    button = page.get_by_role("button", name="Older").element_handle()
    return [float(page.evaluate(_CLICK, button)) for _ in range(times)]


def share_of_a_core(pid: int, seconds: float, page: Any = None) -> float:
    start = cpu_s(pid)
    began = time.monotonic()
    page.wait_for_timeout(seconds * 1000) if page is not None else time.sleep(seconds)
    return (cpu_s(pid) - start) / (time.monotonic() - began)


def demo_cpu_s(folder: Path, hours: str, *, watched: bool, stalled: bool = False) -> float:
    """Processor time of a demo itself: alone, with a dashboard that follows its journal, or with one whose
    process has stopped for good."""
    command = [sys.executable, "-m", "aster_operator.cli.entry", "demo", "--hours", hours]
    command += ["--dashboard"] if watched else []
    demo = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    used, frozen = 0.0, 0
    if stalled:
        assert demo.stderr is not None
        next(line for line in demo.stderr if line.startswith("dashboard:"))
        children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
        frozen = int(children[0])
        os.kill(frozen, signal.SIGSTOP)
    drain = subprocess.Popen(["cat"], stdin=demo.stderr, stdout=subprocess.DEVNULL)
    while demo.poll() is None:
        try:
            used = cpu_s(demo.pid)
        except (OSError, IndexError):
            break
        time.sleep(0.05)
    demo.wait()
    drain.wait()
    return used


def resident_mb(pid: int) -> float:
    """Memory of a process, MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def stalled_viewer(url: str, pid: int, idle: float) -> list[Row]:
    """What a viewer costs the server whose socket is open and who reads nothing, and whether it is let go."""
    from websockets.sync.client import connect

    page = urlopen(url).read().decode()  # noqa: S310
    client_id = re.search(r"'client_id': '([^']+)'", page)
    assert client_id is not None
    query = "EIO=4&transport=websocket&next_message_id=0&implicit_handshake=true&tab_id=stalled"
    query += f"&document_id=stalled&client_id={client_id[1]}"
    address = f"{url.replace('http', 'ws', 1)}/_nicegui_ws/socket.io/?{query}"
    with connect(address, max_queue=1, compression=None, ping_interval=None) as viewer:
        viewer.recv()
        viewer.send("40")
        while "update" not in str(viewer.recv(timeout=10)):
            pass
        seen = _viewers(url)
        memory = resident_mb(pid)
        used = share_of_a_core(pid, 30) - idle
        grown_mb = resident_mb(pid) - memory
        left = _viewers(url)
    return [
        bounded("server CPU beside a viewer that does not read", "cores", used, most=MOST_CPU_SHARE),
        bounded("server memory for it after 30 s", "MB", grown_mb, most=20),
        bounded(f"viewers left of {seen:.0f} that did not read", "viewers", left, most=0),
    ]


def _viewers(url: str) -> float:
    text = urlopen(f"{url}/metrics").read().decode()  # noqa: S310
    found = re.search(r"^aster_operator_viewers (\S+)", text, re.MULTILINE)
    return float(found[1]) if found is not None else math.nan


def measure(hours: str) -> list[Row]:
    """One row for each question."""
    from playwright.sync_api import sync_playwright

    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="aster-bench-") as name:
        folder = Path(name)
        alone, watched, stalled = [], [], []
        for _ in range(3):
            alone.append(demo_cpu_s(folder, hours, watched=False))
            watched.append(demo_cpu_s(folder, hours, watched=True))
            stalled.append(demo_cpu_s(folder, hours, watched=True, stalled=True))
        # A session always writes its journal; a demo only where there is a dashboard to read it.
        rows.append(bounded("CPU of a demo that writes no journal", "s", statistics.median(alone)))
        rows.append(
            compared(
                "CPU of a demo beside a stalled viewer", "s", statistics.median(stalled), 1.1,
                peer=statistics.median(watched), peer_name="beside one that reads",
            )
        )  # fmt: skip
        journal = max((folder / "runs" / "journals").glob("*.journal"))
        server = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(journal)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        url = server.stdout.readline().strip().rstrip("/")
        with sync_playwright() as tools:
            browser = tools.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            rows += look(browser, url, server.pid)
            browser.close()
        assert server.stdin is not None
        server.stdin.close()
        server.wait(20)
    return rows


def look(browser: Any, url: str, pid: int) -> list[Row]:
    """What one viewer costs the server on each page, and how long it waits for a table."""
    while "aster_operator_journal_lag_bytes 0.0" not in urlopen(f"{url}/metrics").read().decode():  # noqa: S310
        time.sleep(1)
    idle = share_of_a_core(pid, 8)
    rows = [bounded("server CPU without a viewer", "cores", idle)]
    rows += stalled_viewer(url, pid, idle)
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    for path in ("/", "/market", "/decisions", "/trades", "/system"):
        page.goto(url + path)
        page.wait_for_timeout(4_000)
        used = share_of_a_core(pid, 8, page) - idle
        rows.append(bounded(f"server CPU of one viewer of {path}", "cores", used, most=MOST_CPU_SHARE))
    for path in ("/trades", "/decisions"):
        taken = statistics.median(interactions(page, url, path, 15))
        rows.append(bounded(f"click to drawn table on {path}", "ms", taken, most=MOST_INTERACTION_MS))
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--hours", default="2", help="market time of the demos that are compared")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(serve(options.serve))
        return 0
    rows = measure(options.hours)
    for row in rows:
        print(json.dumps(asdict(row)) if options.json else line(row))
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
