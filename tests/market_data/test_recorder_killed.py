"""kill -9 at random moments of a flood: what was acknowledged is there, nothing is unreadable.

ASTER_KILLS=200 pytest tests/market_data/test_recorder_killed.py   for the long drill
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aster_operator.market_data.catalog.catalog import Catalog
from aster_operator.market_data.catalog.quality import check_catalog
from aster_operator.market_data.catalog.segments import list_segments

KILLS = int(os.environ.get("ASTER_KILLS", "3"))
RATE = 20_000
SYMBOLS = [f"S{number}USDT" for number in range(10)]
NUMBER = {"bookTicker": "update_id", "aggTrade": "trade_id"}


@contextlib.contextmanager
def flood() -> Iterator[int]:
    command = [sys.executable, str(Path(__file__).with_name("flood.py")), str(RATE), str(len(SYMBOLS))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def recorder(port: int, folder: Path, *options: str) -> "subprocess.Popen[str]":
    command = [
        sys.executable, "-m", "aster_operator.cli.entry", "collect", "--base-url", f"http://127.0.0.1:{port}",
        "--symbols", ",".join(SYMBOLS), "--update-logs", "false",
        "--catalog", str(folder / "catalog"), *options,
    ]  # fmt: skip
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    environment = kept | {"ASTER_OPERATOR_ENV_FILE": ""}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def killed_after(process: "subprocess.Popen[str]", delay_s: float) -> dict[str, Any]:
    """Kill the recorder `delay_s` after its first acknowledgement; what it had acknowledged by then."""
    assert process.stdout is not None
    acknowledged: dict[str, Any] = {}
    timer = threading.Timer(delay_s, lambda: process.send_signal(signal.SIGKILL))
    with process:
        for line in process.stdout:
            with contextlib.suppress(json.JSONDecodeError):  # The last line may be torn.
                acknowledged = json.loads(line)["flushed"]
            if acknowledged["rows"] and not timer.is_alive() and timer.ident is None:
                timer.start()
        timer.join()
    assert process.returncode == -signal.SIGKILL
    return acknowledged


def rows_between(catalog: Catalog, stream: str, after_ns: int, until_ns: int) -> pl.DataFrame:
    column = pl.col("received_ns")
    rows = catalog.scan(stream).filter(
        (column > after_ns) & (column <= until_ns) & (pl.col("source") == "stream")
    )
    return rows.select("symbol", NUMBER[stream]).collect()


@pytest.mark.timeout(60 + 30 * KILLS)
def test_every_acknowledged_row_survives(tmp_path: Path) -> None:
    chance = random.Random(7)
    total: Counter[str] = Counter()
    newest_ns = 0
    with flood() as port:
        for _ in range(KILLS):
            process = recorder(port, tmp_path, "--poll-time", "forever", "--acknowledge")
            acknowledged = killed_after(process, chance.uniform(0.0, 1.5))
            catalog = Catalog(tmp_path / "catalog")
            for stream, number in NUMBER.items():
                rows = rows_between(catalog, stream, newest_ns, acknowledged["received_ns"])
                # More than that when one read from the network was split over two flushes.
                assert rows.height >= acknowledged["rows"].get(stream, 0)
                # What came over one connection is whole: no number left out, none twice.
                spans = rows.group_by("symbol").agg(
                    (pl.col(number).max() - pl.col(number).min() + 1).alias("span"), pl.len().alias("rows")
                )
                assert spans.filter(pl.col("span") != pl.col("rows")).is_empty()
                total[stream] += rows.height
            # What had not been acknowledged may be there too: the next run's rows are younger than that.
            newest_ns = catalog.scan("bookTicker").select(pl.col("received_ns").max()).collect().item()
            trades_ns = catalog.scan("aggTrade").select(pl.col("received_ns").max()).collect().item()
            newest_ns = max(newest_ns, trades_ns)
        last = recorder(port, tmp_path, "--poll-time", "1", "--json")
        output, _ = last.communicate(timeout=60)
    summary = json.loads(output)
    catalog = Catalog(tmp_path / "catalog")
    assert last.returncode == 0
    assert list_segments(catalog.root) == []
    report = check_catalog(catalog)
    assert report.unreadable == []
    assert [day for day in report.days if day.duplicates or day.unexplained] == []
    for stream, rows in total.items():
        assert catalog.scan(stream).select(pl.len()).collect().item() >= rows + summary["rows"][stream] > rows
    causes = catalog.gaps().filter(pl.col("affected_stream") == "bookTicker")["cause"]
    assert set(causes) == {"restart"}
    assert causes.len() == KILLS * len(SYMBOLS)
