"""Running the command line: as a process of its own where that matters, inside this one elsewhere."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_calls import Call, Ending, Run
from forked_command import run_forked

from aster_operator.cli.entry import main


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Call]:
    """Call the entry inside this process, in an empty directory: quicker than a process of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    before = signal.getsignal(signal.SIGINT)

    def call_main(*arguments: str) -> Ending:
        code = main(list(arguments))
        return Ending(code, *capsys.readouterr())

    yield call_main
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def start(tmp_path: Path) -> Run:
    """Start `aster-operator` anew; `environment` adds variables, `source` replaces the program."""

    def start_command(
        *arguments: str, environment: dict[str, str] | None = None, source: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        program = ["-m", "aster_operator.cli.entry"] if source is None else ["-c", source]
        return subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "COLUMNS": "120"} | (environment or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )

    return start_command


@pytest.fixture
def run(tmp_path: Path, start: Run) -> Run:
    """The same in a process that need not import anything first: most of what a start costs."""

    def run_command(
        *arguments: str, environment: dict[str, str] | None = None, source: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        if source is not None:
            return start(*arguments, environment=environment, source=source)
        variables = {"PATH": os.environ["PATH"], "COLUMNS": "120"} | (environment or {})
        return run_forked(arguments, tmp_path, variables, timeout_s=60)

    return run_command
