"""`make audit` tells a clean answer from no answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "audit_packages.py"
CLEAN = {"name": "sound", "version": "1.0", "vulns": []}
WEAK = {
    "name": "weak",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}],
}
UNKNOWN = {"name": "hidden", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def audit(tmp_path: Path, answer: str, exit_code: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run the script with a stand-in for pip-audit that prints `answer`."""
    (tmp_path / "answer").write_text(answer, encoding="utf-8")
    program = tmp_path / "pip-audit"
    program.write_text(
        f'#!/bin/sh\ncat "{tmp_path}/answer"\necho "no route to host" >&2\nexit {exit_code}\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--pip-audit", str(program), "requirements/run.txt"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("packages", "code", "words"),
    [
        ([CLEAN], 0, "1 packages, no known vulnerability"),
        ([CLEAN, WEAK], 1, "weak 1.0 has PYSEC-1, mended in 1.1"),
        ([WEAK, UNKNOWN], 1, "PYSEC-1"),
        ([CLEAN, UNKNOWN], 2, "1 of 2 packages could not be looked up: hidden"),
    ],
)
def test_the_answer_decides(tmp_path: Path, packages: list[dict[str, object]], code: int, words: str) -> None:
    done = audit(tmp_path, json.dumps({"dependencies": packages, "fixes": []}))
    assert done.returncode == code
    assert words in done.stdout


@pytest.mark.parametrize("packages", [[], [UNKNOWN], [UNKNOWN, UNKNOWN]])
def test_advisories_that_are_not_reached_are_one_line_and_no_pass(
    tmp_path: Path, packages: list[dict[str, object]]
) -> None:
    done = audit(tmp_path, json.dumps({"dependencies": packages, "fixes": []}))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("audit: nothing is known of any package, requirements/run.txt: the advisories")


@pytest.mark.parametrize("answer", ["", "not JSON", "[]", "{}"])
def test_a_database_that_cannot_be_reached_is_no_good_news(tmp_path: Path, answer: str) -> None:
    done = audit(tmp_path, answer, exit_code=1)
    assert done.returncode == 2
    assert "no route to host" in done.stderr
