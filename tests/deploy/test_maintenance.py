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
"start aster-upload.service") exit "${ASTER_TEST_UPLOAD_EXIT:-0}" ;;
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
    assert service.asked() == [
        "start aster-upload.service",
        "stop aster.service",
        "start aster-backup.service",
        "start aster.service",
    ]
    assert [path.name for path in backups.iterdir()] == ["new.backup"]


def test_a_service_that_was_stopped_stays_stopped(service: Service) -> None:
    service.release("install", service.commit("one"))
    service.settings("")
    assert service.maintain(ASTER_TEST_ACTIVE_EXIT="3").returncode == 0
    assert service.asked() == ["start aster-upload.service", "start aster-backup.service"]


def aged(path: Path, days: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    os.utime(path, (0, path.stat().st_mtime - days * 86_400))
    return path


def test_nothing_is_removed_when_what_was_recorded_could_not_be_uploaded(service: Service) -> None:
    first, second = service.commit("one"), service.commit("two")
    service.release("install", first)
    service.settings(f"ASTER_LOG_RETENTION_DAYS=3\nASTER_UPDATE_REVISION={second}\n")
    state, logs = service.root / "var/lib/aster", service.root / "var/log/aster"
    old = [aged(state / "backups/old.backup", 9), aged(state / "runs/journals/a.journal", 9)]
    old.append(aged(logs / "old.log", 9))
    done = service.maintain(ASTER_TEST_UPLOAD_EXIT="2")
    assert done.returncode == 0, done.stderr
    assert "the upload failed, nothing is removed this time" in done.stderr
    assert all(path.exists() for path in old)
    # The rest of the window is not held up by it.
    assert service.current == second
    assert service.asked()[-1] == "start aster.service"
    assert service.maintain().returncode == 0
    assert not any(path.exists() for path in old)


def test_answers_of_the_weekly_backtest_have_an_age_of_their_own(
    service: Service,
) -> None:
    service.release("install", service.commit("one"))
    service.settings("ASTER_LOG_RETENTION_DAYS=3\nASTER_BACKTEST_RETENTION_DAYS=20\n")
    folder = service.root / "var/lib/aster/backtests"
    aged(folder / "weekly-old.json", 25)
    aged(folder / "weekly-new.json", 10)
    aged(folder / "2020-01-01.json", 25)
    for name in ("backtest_ranked_20200101.csv", "backtest_verdict_BTCUSDT_20200101.json"):
        aged(folder / name, 25)  # it removes these by itself, when they were uploaded
    assert service.maintain().returncode == 0
    assert {path.name for path in folder.iterdir()} == {
        "weekly-new.json",
        "backtest_ranked_20200101.csv",
        "backtest_verdict_BTCUSDT_20200101.json",
    }


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
    [
        (None, "the settings file cannot be read"),
        ("ASTER_LOG_RETENTION_DAYS=-1\n", "is no number of days"),
        ("ASTER_BACKTEST_RETENTION_DAYS=soon\n", "is no number of days"),
    ],
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
