"""The units are sound and locked in, by the judgement of systemd itself."""

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

GCE = Path(__file__).parents[2] / "deploy" / "gce"
SERVICES = sorted(GCE.glob("*.service"))
TIMERS = sorted(GCE.glob("*.timer"))
HIGHEST_EXPOSURE = 3.0

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not installed (apt-get install systemd)",
)


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Every value of every key of the unit, in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith(("#", ";")):
            found.setdefault(key, []).append(value)
    return found


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def runnable(unit: Path, folder: Path) -> Path:
    """The unit as it would be on a machine where it is installed: its program and its user are there."""
    text = re.sub(r"/opt/aster/current/deploy/gce/\w+\.sh", "/bin/true", unit.read_text(encoding="utf-8"))
    text = re.sub(r"^(User|Group)=aster$", r"\1=root", text, flags=re.MULTILINE)
    copy = folder / unit.name
    copy.write_text(text, encoding="utf-8")
    return copy


@needs_systemd
@pytest.mark.parametrize("unit", [*SERVICES, *TIMERS], ids=lambda path: path.name)
def test_systemd_finds_nothing_to_say_about_a_unit(unit: Path, tmp_path: Path) -> None:
    for other in [*SERVICES, *TIMERS]:
        runnable(other, tmp_path)
    done = analyze("verify", "--man=no", str(tmp_path / unit.name))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


@needs_systemd
@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_service_is_exposed_as_little_as_we_say(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    (level,) = re.findall(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert float(level) <= HIGHEST_EXPOSURE, done.stdout


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_what_a_unit_runs_is_in_the_kit_and_executable(unit: Path) -> None:
    (command,) = settings_of(unit)["ExecStart"]
    script = GCE / Path(command).name
    assert command == f"/opt/aster/current/deploy/gce/{script.name}"
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("unit", TIMERS, ids=lambda path: path.name)
def test_a_timer_has_a_service_and_a_time_in_utc(unit: Path) -> None:
    assert unit.with_suffix(".service") in SERVICES
    (when,) = settings_of(unit)["OnCalendar"]
    assert when.endswith(" UTC")


def test_the_session_is_watched_restarted_and_ended_in_order() -> None:
    unit = settings_of(GCE / "aster.service")
    for key, value in {
        "Type": "notify",
        "Restart": "on-failure",
        "KillSignal": "SIGTERM",
        "SuccessExitStatus": "130",
        "User": "aster",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
    }.items():
        assert unit[key] == [value], key
    assert int(unit["WatchdogSec"][0]) >= 30
    assert int(unit["StartLimitBurst"][0]) * int(unit["RestartSec"][0]) < int(
        unit["StartLimitIntervalSec"][0]
    )
    assert int(unit["TimeoutStopSec"][0]) > int(unit["WatchdogSec"][0])


def test_no_unit_holds_a_secret_or_reads_one_in_clear() -> None:
    for unit in SERVICES:
        text = unit.read_text(encoding="utf-8")
        assert not re.search(r"PRIVATE_KEY|API_SECRET|LoadCredential=|SetCredential=", text), unit.name


def test_only_maintenance_is_root() -> None:
    roots = {unit.name for unit in SERVICES if settings_of(unit).get("User") != ["aster"]}
    assert roots == {"aster-maintenance.service"}


def test_units_are_written_as_systemd_reads_them() -> None:
    for unit in [*SERVICES, *TIMERS]:
        parser = ConfigParser(strict=False, interpolation=None)
        parser.read_string(unit.read_text(encoding="utf-8"))
        assert set(parser.sections()) <= {"Unit", "Service", "Timer", "Install"}
