"""What maintenance uploads: nothing without a place to send to; old days go only after that."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "gce" / "upload.sh"

PROGRAM = """#!/bin/sh
echo "$*" >>"$ASTER_TEST_LOG"
case "$2" in
upload) exit "${ASTER_TEST_UPLOAD_EXIT:-0}" ;;
prune) exit "${ASTER_TEST_PRUNE_EXIT:-0}" ;;
esac
"""
UPLOAD, PRUNE = "data upload --json", "data prune --older-than-days 5 --json"


def run(folder: Path, **environment: str) -> tuple[int, str, list[str]]:
    """Exit code, what was said, and what the program was asked."""
    program, log = folder / "aster-operator", folder / "log"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (folder / "catalog").mkdir(exist_ok=True)
    own = {"PATH": "/usr/bin:/bin", "ASTER_PROGRAM": str(program), "ASTER_TEST_LOG": str(log)}
    done = subprocess.run(
        [str(SCRIPT)], cwd=folder, env=own | {"ASTER_LOG_RETENTION_DAYS": "5"} | environment,
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    return done.returncode, done.stderr, log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({}, []),
        ({"CATALOG_URL": "gs://bucket/catalog"}, [UPLOAD, PRUNE]),
        ({"ASTER_BQ_ENABLE_DAILY_BATCH": "true"}, [UPLOAD]),
        ({"CATALOG_URL": "gs://bucket/catalog", "CATALOG_DIR": "not-here"}, []),
    ],
)
def test_what_is_asked_for_is_done(tmp_path: Path, settings: dict[str, str], asked: list[str]) -> None:
    assert run(tmp_path, **settings)[::2] == (0, asked)


@pytest.mark.parametrize(("upload", "code", "asked"), [("2", 2, [UPLOAD]), ("1", 0, [UPLOAD, PRUNE])])
def test_nothing_is_removed_after_an_upload_that_failed(
    tmp_path: Path, upload: str, code: int, asked: list[str]
) -> None:
    found = run(tmp_path, CATALOG_URL="gs://bucket/catalog", ASTER_TEST_UPLOAD_EXIT=upload)
    assert found[::2] == (code, asked)


def test_days_that_must_stay_are_said_and_no_failure(tmp_path: Path) -> None:
    code, said, _ = run(tmp_path, CATALOG_URL="gs://bucket/catalog", ASTER_TEST_PRUNE_EXIT="1")
    assert code == 0
    assert "some days stay in the catalog" in said
