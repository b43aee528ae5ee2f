"""The recorder against CSV files: rows a second, CPU and bytes of each message; and all symbols at once.

    make bench-record                      a table
    make bench-record ARGS=--json          JSON lines: name, unit, ours, peer, peer_name, ratio, goal, ok
    make bench-record ARGS="--soak-s 120"  all symbols for two minutes instead of twenty seconds

Ours is the whole way: frame, decoded, checked for continuity, forced to the disk twice a second, and at the
end put into Parquet files. The CSV ways write the same fields of the same frames and force nothing to the
disk: `csv.DictWriter` on a file opened in append mode for each row, as the source system's logger does, and
pandas `to_csv` in append mode for each half second. CPU is that of the whole process, threads and kernel
included; candidates take turns, so that a busy machine slows all of them alike. `ratio` is ours / peer.
"""

import argparse
import asyncio
import csv
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pandas as pd
import polars as pl
from measurement import Row, compared, line
from record_feed import market_frames
from wire_market import feed

from aster_operator.domain.clock import ManualClock, WallClock
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.sealing import seal_segment
from aster_operator.market_data.recorder.continuity import Continuity
from aster_operator.market_data.recorder.intake import Intake
from aster_operator.market_data.recorder.options import RecorderOptions, RecordingSummary
from aster_operator.market_data.recorder.recorder import Recorder
from aster_operator.market_data.recorder.writer import Writer

FLUSHES_A_SECOND = 2
ROW_CSV = "csv.DictWriter, a file opened for each row"
FRAME_CSV = "pandas to_csv, twice a second"


class Run(NamedTuple):
    """What one candidate took for all messages."""

    cpu_us: float
    wall_s: float
    bytes: float


Frames = list[tuple[int, bytes]]


def measured(work: Callable[[Path], None], count: int) -> Run:
    folder = Path(tempfile.mkdtemp(prefix="bench-record-"))
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        work(folder)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        files = [*folder.rglob("*.parquet"), *folder.rglob("*.csv")]
        size = sum(path.stat().st_size for path in files)
        return Run(cpu / count * 1e6, wall, size / count)
    finally:
        shutil.rmtree(folder)


def parts_of(frames: Frames, rate: int) -> Iterator[Frames]:
    size = max(1, rate // FLUSHES_A_SECOND)
    for start in range(0, len(frames), size):
        yield frames[start : start + size]


def ours(frames: Frames, rate: int) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        clock = ManualClock(frames[0][0] // 1_000_000)
        intake = Intake(room=len(frames))
        writer = Writer(folder, clock, Continuity({}, "restart", ""), None)

        def unexpected(payload: memoryview, _received_ns: int) -> None:
            raise SystemExit(f"not decoded: {bytes(payload)[:200]!r}")

        receive = intake.receiver(unexpected)
        for part in parts_of(frames, rate):
            for received_ns, payload in part:
                receive(memoryview(payload), received_ns)
            writer.write(intake.take())
            clock.set_ms(part[-1][0] // 1_000_000)
        segment = writer.finish()
        assert segment is not None
        sealed = seal_segment(folder, segment)
        assert sum(sealed.rows.values()) == len(frames)

    return work


def fields_of(received_ns: int, payload: bytes) -> tuple[str, dict[str, Any]]:
    """(kind, row) with the fields of a message, books in columns of their own."""
    frame = json.loads(payload)
    data = frame["data"]
    row: dict[str, Any] = {"received_ns": received_ns, "source": "stream"}
    if "k" in data:
        data = {"E": data["E"], **data["k"]}
    for name, value in data.items():
        if name in ("b", "a") and isinstance(value, list):
            for level, (price, quantity) in enumerate(value):
                row[f"{name}{level}_price"], row[f"{name}{level}_quantity"] = float(price), float(quantity)
        elif isinstance(value, str) and name not in ("e", "s", "i"):
            row[name] = float(value)
        else:
            row[name] = value
    return frame["stream"].split("@")[1], row


def row_by_row(frames: Frames, _rate: int) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        for received_ns, payload in frames:
            kind, row = fields_of(received_ns, payload)
            path = folder / f"{kind}.csv"
            is_new = not path.exists()
            with path.open("a", newline="") as file:
                writer = csv.DictWriter(file, fieldnames=list(row))
                if is_new:
                    writer.writeheader()
                writer.writerow(row)

    return work


def by_frames(frames: Frames, rate: int) -> Callable[[Path], None]:
    def work(folder: Path) -> None:
        for part in parts_of(frames, rate):
            rows: dict[str, list[dict[str, Any]]] = {}
            for received_ns, payload in part:
                kind, row = fields_of(received_ns, payload)
                rows.setdefault(kind, []).append(row)
            for kind, found in rows.items():
                path = folder / f"{kind}.csv"
                pd.DataFrame(found).to_csv(path, mode="a", header=not path.exists(), index=False)

    return work


def against_csv(repeats: int, count: int, rate: int) -> Iterator[Row]:
    frames = list(market_frames(count, rate))
    candidates = {"ours": ours, ROW_CSV: row_by_row, FRAME_CSV: by_frames}
    taken: dict[str, list[Run]] = {name: [] for name in candidates}
    for _ in range(repeats):
        for name, candidate in candidates.items():
            taken[name].append(measured(candidate(frames, rate), count))
    middle = {
        name: Run(*(statistics.median(values) for values in zip(*runs, strict=True)))
        for name, runs in taken.items()
    }
    mine = middle["ours"]
    for name, cpu_goal in ((ROW_CSV, 0.25), (FRAME_CSV, 0.5)):
        peer = middle[name]
        rates = count / mine.wall_s, count / peer.wall_s
        yield compared(
            "rows recorded", "rows/s", rates[0], 1 / cpu_goal, peer=rates[1], peer_name=name, at_least=True
        )
        yield compared("CPU of a message", "us", mine.cpu_us, cpu_goal, peer=peer.cpu_us, peer_name=name)
        yield compared(
            "bytes of a message on the disk", "bytes", mine.bytes, 0.25, peer=peer.bytes, peer_name=name
        )


def all_symbols(rate: int, seconds: int) -> Iterator[Row]:
    """450 symbols with five streams each from a sender of its own, recorded by this process."""
    with tempfile.TemporaryDirectory(prefix="bench-record-") as folder, feed("soak", rate, seconds) as port:
        cpu = time.process_time()
        wall = time.perf_counter()
        summary = asyncio.run(_record_all(port, seconds, Path(folder)))
        cores = (time.process_time() - cpu) / (time.perf_counter() - wall)
        lost = _lost(Path(folder))
    heard = sum(summary.rows.values())
    name = f"450 symbols x 5 streams, {heard / seconds:,.0f} msg/s for {seconds} s"
    yield compared(f"{name}: cores used", "cores", cores, 0.5)
    yield compared(f"{name}: messages lost", "messages", lost + summary.dropped, 0)


async def _record_all(port: int, seconds: int, folder: Path) -> RecordingSummary:
    names = [f"S{number}USDT" for number in range(450)]
    client = AsterClient(
        environment="sim", base_url=f"http://127.0.0.1:{port}", ws_url=f"ws://127.0.0.1:{port}"
    )

    async def information() -> SimpleNamespace:
        records = [
            SimpleNamespace(symbol=name, status="TRADING", contract_type="PERPETUAL") for name in names
        ]
        return SimpleNamespace(symbols=records)

    client.exchange_info = information  # type: ignore[assignment] # the sender has no REST
    async with client:
        options = RecorderOptions(catalog=folder, symbols=None, seeded=False)
        return await Recorder(client, options, WallClock()).run(seconds + 4)


def _lost(folder: Path) -> int:
    """Numbers left out: the messages of each stream are numbered from 1 on."""
    catalog = Catalog(folder)
    lost = 0
    for stream, number in (
        ("bookTicker", "update_id"),
        ("aggTrade", "trade_id"),
        ("depth5", "last_update_id"),
    ):
        spans = catalog.scan(stream).group_by("symbol").agg(pl.col(number).max() - pl.len())
        lost += int(spans.collect()[number].sum())
    return lost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each candidate (default 5)")
    parser.add_argument("--messages", type=int, default=200_000, help="messages a turn")
    parser.add_argument("--rate", type=int, default=10_000, help="messages a second that are imitated")
    parser.add_argument("--soak-s", type=int, default=20, help="seconds of all symbols (0: none)")
    parser.add_argument("--soak-rate", type=int, default=10_000, help="messages a second of all symbols")
    chosen = parser.parse_args()
    all_ok = True
    parts = [against_csv(chosen.repeats, chosen.messages, chosen.rate)] if chosen.repeats else []
    if chosen.soak_s:
        parts.append(all_symbols(chosen.soak_rate, chosen.soak_s))
    for part in parts:
        for found in part:
            all_ok &= found.ok
            print(json.dumps(asdict(found)) if chosen.json else line(found), flush=True)
    return 0 if all_ok else 1


if __name__ == "__main__":
    sys.exit(main())
