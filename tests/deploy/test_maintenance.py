"""The daily window: stop, back up, tidy, update, start; and a release that does not start is taken back."""

import os
import subprocess
from pathlib import Path

import pytest
from test_release_scripts import GCE, Machine

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="the deployment scripts run as root only")

# Notes what it is asked; a start or a backup fails where the test says so.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$ASTER_TEST_LOG"
case "$*" in
"start aster.service")
	[ "$(basename "$(readlink "$ASTER_ROOT/opt/aster/current")")" != "$ASTER_TEST_BROKEN" ] ;;
"start aster-backup.service") exit "${ASTER_TEST_BACKUP_EXIT:-0}" ;;
"is-active --quiet aster.service") exit "${ASTER_TEST_ACTIVE_EXIT:-0}" ;;
esac
"""


class Service(Machine):
    """A machine on which the service runs, as far as the scripts can tell."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.log = folder / "systemctl.log"
        (folder / "bin").mkdir()
        (folder / "bin" / "systemctl").write_text(SYSTEMCTL)
        (folder / "bin" / "systemctl").chmod(0o755)
        (self.root / "run" / "systemd" / "system").mkdir(parents=True)
        (self.root / "var" / "lib" / "aster" / "backups").mkdir(parents=True)
        (self.root / "var" / "log" / "aster").mkdir(parents=True)

    def settings(self, text: str) -> None:
        (self.root / "etc" / "aster" / "aster.env").write_text(text)

    def maintain(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        own = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "ASTER_TEST_LOG": str(self.log)}
        return subprocess.run(
            [str(GCE / "maintenance.sh")],
            env=self.environment | own | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()[1:]  # the first asks whether it runs


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_the_session_is_stopped_backed_up_and_started_again(service: Service) -> None:
    service.release("install", service.commit("one"))
    service.settings("ASTER_LOG_RETENTION_DAYS=3\n")
    backups = service.root / "var" / "lib" / "aster" / "backups"
    for name, days in (("old.backup", 9), ("new.backup", 1)):
        (backups / name).write_text("x")
        os.utime(backups / name, (0, (backups / name).stat().st_mtime - days * 86_400))
    done = service.maintain()
    assert done.returncode == 0, done.stderr
    assert service.asked() == ["stop aster.service", "start aster-backup.service", "start aster.service"]
    assert [path.name for path in backups.iterdir()] == ["new.backup"]


def test_a_service_that_was_stopped_stays_stopped(service: Service) -> None:
    service.release("install", service.commit("one"))
    service.settings("")
    assert service.maintain(ASTER_TEST_ACTIVE_EXIT="3").returncode == 0
    assert service.asked() == ["start aster-backup.service"]


def test_without_a_backup_nothing_else_is_done_and_the_session_goes_on(service: Service) -> None:
    first, second = service.commit("one"), service.commit("two")
    service.release("install", first)
    service.settings(f"ASTER_UPDATE_REVISION={second}\n")
    done = service.maintain(ASTER_TEST_BACKUP_EXIT="1")
    assert done.returncode == 2
    assert service.current == first
    assert service.asked()[-1] == "start aster.service"


def test_a_pinned_update_is_taken(service: Service) -> None:
    first, second = service.commit("one"), service.commit("two")
    service.release("install", first)
    service.settings(f'ASTER_UPDATE_REVISION="{second}"\n')
    done = service.maintain()
    assert done.returncode == 0, done.stderr
    assert service.current == second
    assert service.asked()[-2:] == ["daemon-reload", "start aster.service"]


def test_an_update_that_nobody_vouches_for_is_refused_and_the_session_goes_on(service: Service) -> None:
    first = service.commit("one")
    service.release("install", first)
    service.commit("two")
    service.settings("ASTER_UPDATE_REVISION=main\n")
    done = service.maintain()
    assert done.returncode == 0
    assert "the update was refused" in done.stderr
    assert service.current == first
    assert service.asked()[-1] == "start aster.service"


def test_a_release_that_does_not_start_is_taken_back(service: Service) -> None:
    first, second = service.commit("one"), service.commit("two")
    service.release("install", first)
    service.settings(f"ASTER_UPDATE_REVISION={second}\n")
    done = service.maintain(ASTER_TEST_BROKEN=second)
    assert done.returncode == 0, done.stderr
    assert "taking it back" in done.stderr
    assert service.current == first


@pytest.mark.parametrize(
    ("settings", "words"),
    [(None, "the settings file cannot be read"), ("ASTER_LOG_RETENTION_DAYS=-1\n", "is no number of days")],
)
def test_settings_that_cannot_be_used_stop_it_before_the_session_is(
    service: Service, settings: str | None, words: str
) -> None:
    service.release("install", service.commit("one"))
    if settings is not None:
        service.settings(settings)
    done = service.maintain()
    assert done.returncode == 2
    assert words in done.stderr
    assert not service.log.exists()
