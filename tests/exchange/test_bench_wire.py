"""The benchmark keeps its contract for scripts; what it finds depends on the machine, not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench_wire.py"
KEYS = {"name", "unit", "ours", "peer", "peer_name", "ratio", "goal", "ok"}


def _rows(*arguments: str) -> list[dict]:
    command = [sys.executable, str(BENCH), "--json", "--repeats", "1", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode in (0, 1), run.stderr
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == (0 if all(row["ok"] for row in rows) else 1)
    return rows


@pytest.mark.parametrize(
    ("arguments", "least"),
    [
        (("--only", "signing"), 4),
        (("--only", "orders", "--orders", "10"), 2),
        (("--only", "market", "--messages", "10000"), 4),
    ],
)
def test_each_row_has_the_promised_members(arguments: tuple[str, ...], least: int) -> None:
    rows = _rows(*arguments)
    assert len(rows) >= least
    for row in rows:
        assert row.keys() == KEYS
        assert isinstance(row["ok"], bool)
        assert row["ours"] >= 0
        assert (row["peer"] is None) == (row["ratio"] is None) == (row["peer_name"] is None)
        assert "=" in row["goal"]


def test_no_message_is_lost_over_a_dozen_sockets() -> None:
    lost, _ = _rows("--only", "soak", "--soak-s", "3", "--soak-rate", "9000")
    assert "12 sockets" in lost["name"]
    assert lost["ours"] == 0
