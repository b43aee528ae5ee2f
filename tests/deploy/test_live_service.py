"""aster.service under a live systemd, against a served exchange: killed, stalled, stopped, maintained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from booted_debian import Booted, booted
from debian_tree import NEEDS_A_TREE, Tree, bootstrapped_tree

from slow_tests import slow

pytestmark = [slow, pytest.mark.timeout(2_400), NEEDS_A_TREE]

KIT = "/opt/aster/current/deploy/gce"
UNIT = "aster.service"
QUICKER = """[Service]
WatchdogSec=8
RestartSec=2
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    with bootstrapped_tree(tmp_path_factory.mktemp("debian")) as tree:
        yield tree


@pytest.fixture
def machine(tree: Tree) -> Iterator[Booted]:
    """The booted tree with an exchange served in it, and the session's settings, key and quicker times."""
    with booted(tree.folder) as machine:
        machine.does("systemctl", "mask", "--now", "apt-daily.timer", "apt-daily-upgrade.timer")
        account = serve_exchange(machine)
        settings = tree.folder / "etc/aster/aster.env"
        sample = (tree.folder / "opt/aster/current/deploy/gce/env.sample").read_text()
        for key, value in account.items():
            sample = re.sub(rf"^{key}=.*$", "", sample, flags=re.MULTILINE) + f"{key}={value}\n"
        settings.write_text(sample)
        quicker = tree.folder / "etc/systemd/system/aster.service.d/quicker.conf"
        quicker.parent.mkdir(parents=True, exist_ok=True)
        quicker.write_text(QUICKER)
        machine.does(f"{KIT}/fetch_secrets.sh", "put", "ASTER_AGENT_PRIVATE_KEY", stdin=private_key(machine))
        yield machine


def served(machine: Booted) -> "dict[str, object]":
    found: dict[str, object] = json.loads((machine.folder / "srv/exchange.json").read_text().splitlines()[0])
    return found


def private_key(machine: Booted) -> str:
    return str(served(machine)["accounts"][1]["private_key"])  # type: ignore[index]


def serve_exchange(machine: Booted) -> dict[str, str]:
    """Serve the embedded exchange in the tree; what a session on it needs to be told."""
    answer = machine.folder / "srv/exchange.json"
    answer.unlink(missing_ok=True)
    machine.does(
        "systemd-run", "--unit=exchange", "--property=StandardOutput=file:/srv/exchange.json",
        "/opt/aster/current/.venv/bin/aster-operator", "exchange", "serve", "--port", "0", "--speed", "60",
        "--json",
    )  # fmt: skip
    machine.waits("the exchange", lambda: answer.exists() and answer.read_text().endswith("\n"))
    line = served(machine)
    return {
        "VENUE": "sim",
        "ASTER_BASE_URL": str(line["rest"]),
        "ASTER_WS_URL": str(line["ws"]),
        "WALLET_ADDRESS": str(line["accounts"][1]["user"]),  # type: ignore[index]
        "CAPITAL_USDT": "5000",
        "LEVERAGE": "5",
        "MAX_POSITION_SIZE_PCT": "10",
        "DAILY_VOLUME_TARGET": "1000000",
        "ON_STOP": "keep",
    }


def holds_a_pair(machine: Booted) -> bool:
    return re.search(r"pairs [1-9]", machine.shown(UNIT, "StatusText")) is not None


def starts_again(machine: Booted, restarts: int) -> None:
    machine.waits(
        "a new start",
        lambda: (
            machine.shown(UNIT, "NRestarts") == str(restarts)
            and machine.shown(UNIT, "ActiveState") == "active"
        ),
    )


def test_a_session_is_kept_alive_ended_in_order_maintained_and_taken_back(machine: Booted) -> None:
    machine.does("systemctl", "start", "aster")
    assert machine.shown(UNIT, "ActiveState") == "active"
    commands = machine.does("bash", "-c", "cat /proc/[0-9]*/cmdline 2>&1 | tr '\\0' ' '")
    assert "run --strategy delta-neutral" in commands
    assert private_key(machine) not in commands + "\n".join(machine.journal("aster"))
    machine.waits("a pair", lambda: holds_a_pair(machine))

    # Killed as by the kernel: it starts again, and finds what it held.
    machine.does("bash", "-c", f"kill -KILL {machine.shown(UNIT, 'MainPID')}")
    starts_again(machine, 1)

    # Standing still: the watchdog ends it, and it starts again.
    machine.does("bash", "-c", f"kill -STOP {machine.shown(UNIT, 'MainPID')}")
    starts_again(machine, 2)
    assert "Watchdog timeout" in machine.does("journalctl", "--unit=aster", "--no-pager")

    # An ordered end that keeps what is held: the next session takes it up and closes it.
    machine.waits("a pair", lambda: holds_a_pair(machine))
    machine.does("systemctl", "stop", "aster")
    assert (machine.shown(UNIT, "ActiveState"), machine.shown(UNIT, "Result")) == ("inactive", "success")
    kept = machine.report("aster")
    assert kept["ledger"] == "match"
    assert kept["open_positions"] in (2, 4)
    settings = machine.folder / "etc/aster/aster.env"
    settings.write_text(settings.read_text().replace("ON_STOP=keep", "ON_STOP=flatten"))
    machine.does("systemctl", "start", "aster")
    machine.waits("a pair", lambda: holds_a_pair(machine))

    # The daily window: a backup, and the session runs again.
    machine.does("systemctl", "start", "aster-maintenance")
    assert machine.shown(UNIT, "ActiveState") == "active"
    backups = list((machine.folder / "var/lib/aster/backups").iterdir())
    assert len(backups) == 1
    assert (machine.report("aster")["ledger"], machine.report("aster")["open_positions"]) == ("match", 0)

    taken_back(machine)


def taken_back(machine: Booted) -> None:
    """A release that cannot start is taken back by one command, and the session runs again."""
    app = machine.folder / "opt/aster"
    good, bad = (app / "current").readlink().name, "0" * 40
    machine.does("cp", "-al", f"/opt/aster/releases/{good}", f"/opt/aster/releases/{bad}")
    script = app / "releases" / bad / "deploy/gce/run_strategy.sh"
    script.unlink()
    script.write_text("#!/bin/sh\nexit 2\n")
    script.chmod(0o755)
    (app / "previous").write_text(f"{good}\n")
    machine.does("ln", "-sfn", f"releases/{bad}", "/opt/aster/current")
    assert machine.run("systemctl", "restart", "aster").returncode != 0
    machine.does(str(Path("/opt/aster/releases") / good / "deploy/gce/release.sh"), "rollback")
    assert (app / "current").readlink() == Path("releases") / good
    machine.does("systemctl", "reset-failed", "aster")
    machine.does("systemctl", "restart", "aster")
    assert machine.shown(UNIT, "ActiveState") == "active"
    machine.does("systemctl", "stop", "aster")
    assert machine.report("aster")["open_positions"] == 0
