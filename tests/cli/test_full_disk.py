"""Commands on a disk that is full: one line, exit code 2, and nothing half written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aster_operator.cli.entry import main
from aster_operator.market_data.catalog.durable import write_durably
from backtest.inputs_files import frame_of, write_grid
from backtest.markets import random_bars, space

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("unshare") is None, reason="a small disk of its own needs root"
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books, bars and a grid, on a disk with room."""
    folder = tmp_path_factory.mktemp("desk")
    frame_of(random_bars(2_000, 1)).write_csv(folder / "inputs.csv")
    write_grid(folder / "grid.json", space())
    assert main(["db", "init", "--database-url", f"sqlite:///{folder}/books.db"]) == 0
    return folder


def on_a_full_disk(small: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command, begun on a disk of 64 KiB of which not one is free; standard output lists what it left."""
    small.mkdir()
    script = (
        f"mount -t tmpfs -o size=64k tmpfs {small} && cd {small} && head -c 64k /dev/zero >fill 2>/dev/null; "
        '"$@"; code=$?; rm fill; find . -type f; exit $code'
    )
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh"]
        + [sys.executable, "-B", "-m", "aster_operator.cli.entry", *arguments],
        env=dict(os.environ) | {"ASTER_OPERATOR_ENV_FILE": ""},
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "place"),
    [
        ("db export --out t.parquet --format parquet --database-url sqlite:///{desk}/books.db", "t.parquet"),
        ("db export --out t.csv --database-url sqlite:///{desk}/books.db", "t.csv"),
        ("db export --out t.json --format json --database-url sqlite:///{desk}/books.db", "t.json"),
        ("report --html page.html --database-url sqlite:///{desk}/books.db", "page.html"),
        ("new-strategy three-bars", "strategies/three_bars.py"),
        (
            "backtest sweep --inputs {desk}/inputs.csv --grid {desk}/grid.json --out out --no-verdict",
            "out/backtest_results_BTCUSDT",
        ),
        (
            "backtest sweep --inputs {desk}/inputs.csv --grid {desk}/grid.json --out out --no-verdict "
            "--format parquet",
            "out/backtest_results_BTCUSDT",
        ),
    ],
    ids=["parquet", "csv", "json", "html", "strategy", "sweep-csv", "sweep-parquet"],
)
def test_one_line_and_nothing_half_written(desk: Path, tmp_path: Path, arguments: str, place: str) -> None:
    done = on_a_full_disk(tmp_path / "small", *arguments.format(desk=desk).split())
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "warning: " not in line]
    assert "No space left on device" in line
    assert place in line
    assert done.stdout == ""


def test_devices_and_links_stay_what_they_are(tmp_path: Path) -> None:
    write_durably(Path("/dev/null"), lambda path: path.write_text("gone"))
    assert Path("/dev/null").is_char_device()
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_durably(link, lambda path: path.write_text(json.dumps("new")))
    assert link.is_symlink()
    assert target.read_text() == '"new"'
    assert sorted(tmp_path.iterdir()) == [link, target]
