"""Secrets come to the machine encrypted, complete, and in nobody's sight."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "gce" / "fetch_secrets.sh"
SECRET = "4f" * 32

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="the deployment scripts run as root only")

# Records its arguments, and answers as the real one: the secret of one project, a refusal elsewhere.
GCLOUD = """#!/bin/sh
echo "$*" >>"$ASTER_TEST_LOG"
case "$*" in
*--project=aster-desk*) cat "$ASTER_TEST_SECRET" ;;
*) echo "ERROR: PERMISSION_DENIED" >&2; exit 1 ;;
esac
"""
# "Encrypts" by turning round, so that a text in clear would be seen.
SYSTEMD_CREDS = """#!/bin/sh
echo "$*" >>"$ASTER_TEST_LOG"
[ -z "$ASTER_TEST_CREDS_FAIL" ] || exit 1
rev >"$4"
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "machine"
        self.log = folder / "log"
        self.secret = folder / "secret"
        self.secret.write_text(SECRET)
        self.env_file = self.root / "etc" / "aster" / "aster.env"
        self.env_file.parent.mkdir(parents=True)
        programs = folder / "bin"
        programs.mkdir()
        for name, text in (("gcloud", GCLOUD), ("systemd-creds", SYSTEMD_CREDS)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self.path = f"{programs}:{os.environ['PATH']}"

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        base = {"PATH": self.path, "ASTER_ROOT": str(self.root), "ASTER_TEST_LOG": str(self.log)}
        return subprocess.run(
            [str(SCRIPT), *arguments],
            env=base | {"ASTER_TEST_SECRET": str(self.secret)} | environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def credential(self, name: str) -> Path:
        return self.root / "etc" / "credstore.encrypted" / name

    def drop_in(self, unit: str = "aster") -> str:
        folder = self.root / "etc" / "systemd" / "system" / f"{unit}.service.d"
        return (folder / "credentials.conf").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


NAMED = "ASTER_AGENT_PRIVATE_KEY_SECRET_NAME=agent-key\nASTER_GCP_PROJECT=aster-desk\n"
LOAD = "LoadCredentialEncrypted=ASTER_AGENT_PRIVATE_KEY:/etc/credstore.encrypted/ASTER_AGENT_PRIVATE_KEY"


def test_what_the_settings_name_is_fetched_and_handed_to_the_services(machine: Machine) -> None:
    machine.env_file.write_text(NAMED)
    done = machine.run("fetch")
    assert done.returncode == 0, done.stderr
    assert machine.credential("ASTER_AGENT_PRIVATE_KEY").read_text().strip() == SECRET[::-1]
    assert machine.credential("ASTER_AGENT_PRIVATE_KEY").stat().st_mode & 0o777 == 0o600
    for unit in ("aster", "aster-report", "aster-backup", "aster-backtest", "aster-upload"):
        assert LOAD in machine.drop_in(unit), unit
    assert SECRET not in machine.log.read_text() + done.stdout + done.stderr
    files = [path for path in machine.root.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET in path.read_text()]


def test_project_and_version_may_stand_in_the_name(machine: Machine) -> None:
    machine.env_file.write_text(
        "ASTER_API_SECRET_SECRET_NAME=projects/aster-desk/secrets/v1-secret/versions/7\n"
    )
    assert machine.run("fetch").returncode == 0
    assert "versions access 7 --secret=v1-secret --project=aster-desk" in machine.log.read_text()


def test_a_rotated_secret_takes_the_place_of_the_old_one(machine: Machine) -> None:
    machine.env_file.write_text(NAMED)
    machine.run("fetch")
    machine.secret.write_text("ab" * 32 + "\n")
    assert machine.run("fetch").returncode == 0
    assert machine.credential("ASTER_AGENT_PRIVATE_KEY").read_text().strip() == ("ab" * 32)[::-1]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("ASTER_AGENT_PRIVATE_KEY_SECRET_NAME=k\nASTER_GCP_PROJECT=wrong-desk\n", "by project wrong-desk"),
        ("ASTER_AGENT_PRIVATE_KEY_SECRET_NAME=k\nASTER_GCP_PROJECT=No Project\n", "is no project id"),
        ("ASTER_AGENT_PRIVATE_KEY_SECRET_NAME=a b\n", "is no name of a secret"),
        ("LEVERAGE=3\n", "no secret is named"),
        (None, "the settings file cannot be read"),
    ],
)
def test_bad_settings_end_with_a_line_and_change_nothing(
    machine: Machine, settings: str | None, words: str
) -> None:
    if settings is not None:
        machine.env_file.write_text(settings)
    done = machine.run("fetch")
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not machine.credential("ASTER_AGENT_PRIVATE_KEY").exists()


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ASTER_API_KEY", "", "is empty"),
        ("ASTER_API_KEY", "first\nsecond\n", "holds a space or a line end"),
        ("LEVERAGE", "3", "is no secret of aster-operator"),
        ("../../etc/passwd", "x", "is no secret of aster-operator"),
    ],
)
def test_a_secret_that_cannot_be_is_refused(machine: Machine, name: str, text: str, words: str) -> None:
    done = machine.run("put", name, stdin=text)
    assert done.returncode == 2
    assert words in done.stderr


def test_the_old_secret_stays_when_the_new_one_cannot_be_encrypted(machine: Machine) -> None:
    assert machine.run("put", "ASTER_API_KEY", stdin="old\n").returncode == 0
    done = machine.run("put", "ASTER_API_KEY", stdin="new\n", ASTER_TEST_CREDS_FAIL="1")
    assert done.returncode == 2
    assert machine.credential("ASTER_API_KEY").read_text().strip() == "dlo"
    assert not machine.credential("ASTER_API_KEY.new").exists()
