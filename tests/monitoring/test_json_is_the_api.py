"""What the commands print with --json is what the API answers, of one and the same session and books."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from demo_to_look_at import PAGES


def command(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ASTER", "DB_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "aster_operator.cli.entry", *arguments],
        cwd=folder,
        env=environment | {"DATABASE_URL": f"sqlite:///{folder / 'books.db'}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def printed(folder: Path, *arguments: str) -> Any:
    process = command(folder, *arguments)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


@pytest.fixture
def served(journal: Path) -> Iterator[dict[str, str]]:
    """The first line of a dashboard of that journal, without a session that runs."""
    process = command(journal.parent, "dashboard", "--port", "0", "--json", "--journal", str(journal))
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


def answered(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310
        return json.load(answer)


def test_the_contract_of_the_first_line_and_of_the_paths(served: dict[str, str]) -> None:
    assert sorted(served) == ["api_url", "metrics_url", "token", "url"]
    root = served["url"].rstrip("/")
    for path in (*PAGES, "/healthz", "/metrics", "/api/openapi.json"):
        with urllib.request.urlopen(root + path, timeout=20) as answer:  # noqa: S310
            assert answer.status == 200, path
            assert served["token"] not in answer.read().decode(), path


def test_top_prints_what_the_api_answers(served: dict[str, str], journal: Path) -> None:
    from_top = printed(journal.parent, "top", "--json", "--journal", str(journal))
    assert from_top == answered(f"{served['api_url']}/now")
