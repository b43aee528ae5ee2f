"""What the weekly timer runs: the grid of the settings, or the comparison of ways of execution."""

import re
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "gce" / "backtest.sh"

PROGRAM = """#!/bin/sh
echo "$*" >>"$ASTER_TEST_LOG"
printf '%s' "$ASTER_TEST_ANSWER"
exit "${ASTER_TEST_EXIT:-0}"
"""


def run(folder: Path, **environment: str) -> "tuple[subprocess.CompletedProcess[str], str]":
    """What came of it, and what the program was asked."""
    program, log = folder / "aster-operator", folder / "log"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    own = {"PATH": "/usr/bin:/bin", "ASTER_ROOT": str(folder / "machine"), "ASTER_PROGRAM": str(program)}
    own |= {"ASTER_TEST_LOG": str(log), "ASTER_TEST_ANSWER": '{"configs":1}'}
    done = subprocess.run(
        [str(SCRIPT)], env=own | environment, capture_output=True, text=True, check=False, timeout=30
    )
    return done, log.read_text().strip()


def answers(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "machine/var/lib/aster/backtests").iterdir())


def test_with_a_grid_the_weekly_backtest_is_run(tmp_path: Path) -> None:
    done, asked = run(tmp_path, ASTER_BACKTEST_CONFIG_FILE="grid.json")
    assert (done.returncode, done.stdout) == (0, '{"configs":1}')
    assert asked == f"backtest weekly --out {tmp_path}/machine/var/lib/aster/backtests --json"
    (answer,) = answers(tmp_path)
    assert re.fullmatch(r"weekly-\d{4}-\d\d-\d\d\.json", answer)


def test_without_one_ways_of_execution_are_compared(tmp_path: Path) -> None:
    done, asked = run(tmp_path, ASTER_BACKTEST_CONFIG_FILE="")
    assert done.returncode == 0
    assert asked == "backtest compare --strategy delta-neutral --executions maker-first,taker --json"
    (answer,) = answers(tmp_path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d\.json", answer)


@pytest.mark.parametrize(("answer", "left"), [('{"configs":1}', 1), ("", 0)])
def test_a_failure_is_the_units_and_what_was_found_before_it_stays(
    tmp_path: Path, answer: str, left: int
) -> None:
    done, _ = run(
        tmp_path, ASTER_BACKTEST_CONFIG_FILE="g.json", ASTER_TEST_ANSWER=answer, ASTER_TEST_EXIT="2"
    )
    assert done.returncode == 2
    assert len(answers(tmp_path)) == left
