"""The image and the compose file: every RUN line is run, the healthcheck is asked, the hardening is there.

No container engine is needed. The lines are run in a copy of this machine's file system (overlay, mount
namespace), in order, with what was copied before them; with SLOW_TESTS=1 those that install packages too.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounts need root")


class Step(NamedTuple):
    word: str
    text: str


def steps() -> list[Step]:
    text = re.sub(r"\\\n\s*", " ", (DOCKER / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [Step(*line.split(" ", 1)) for line in lines]


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def script(*, installs: bool) -> str:
    """The Dockerfile as one script: a stage is a folder's worth of copies, a RUN line itself.

    Without `installs` the lines that install packages, and the one that starts them, are left out.
    """
    source = Path(shutil.which("python3.11") or "/usr/bin/python3").resolve().parent
    lines = [
        f"export PATH={source}:$PATH",
        "ln -sf $(command -v python3.11 || command -v python3) /usr/bin/python",
    ]
    folder = "/"
    for word, text in steps():
        if word == "WORKDIR":
            folder = text
            lines.append(f"mkdir -p {folder}; cd {folder}")
        elif word == "COPY" and "--from=build" not in text:
            *names, target = text.removeprefix("--chmod=0755 ").split()
            lines.append(f"cd {folder}; mkdir -p $(dirname {target}); cd {ROOT}")
            lines.append(f"cp -r {' '.join(names)} $(cd {folder}; realpath -m {target}); cd {folder}")
        elif word == "RUN" and (installs or not ("pip install" in text or text.endswith("--version"))):
            lines.append(text)
    return "\n".join(["set -eux", *lines])


def in_a_copy(folder: Path, inside: str, timeout_s: int = 280) -> "subprocess.CompletedProcess[str]":
    """Run a script in an overlay of this machine's file system; nothing of it stays."""
    (folder / "inside.sh").write_text(inside)
    outside = f"""set -e
mkdir -p {folder}/memory {folder}/root
mount --make-rprivate /
mount -t tmpfs memory {folder}/memory
mkdir {folder}/memory/upper {folder}/memory/work
mount -t overlay copy -o lowerdir=/,upperdir={folder}/memory/upper,workdir={folder}/memory/work {folder}/root
mount --rbind /dev {folder}/root/dev
mount -t proc proc {folder}/root/proc
cp {folder}/inside.sh {folder}/root/inside.sh
exec chroot {folder}/root sh /inside.sh"""
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "bash", "-c", outside],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )


@needs_root
@pytest.mark.timeout(300)
def test_the_lines_that_need_no_registry_run(tmp_path: Path) -> None:
    checks = """
test -x /opt/aster/bin/python
test "$(stat -c '%U %a' /var/lib/aster)" = 'aster 700'
test "$(id -u aster) $(id -g aster)" = '10001 10001'
test -x /usr/local/bin/aster-health
"""
    done = in_a_copy(tmp_path, script(installs=False) + checks)
    assert done.returncode == 0, done.stderr[-3000:]


@needs_root
@pytest.mark.skipif(not os.environ.get("SLOW_TESTS"), reason="installs packages: SLOW_TESTS=1")
@pytest.mark.timeout(1500)
def test_every_line_runs_and_the_program_trades_as_its_user(tmp_path: Path) -> None:
    environment = next(text for word, text in steps() if word == "ENV")
    demo = f"""
export {environment}
cd /var/lib/aster
as_user="setpriv --reuid 10001 --regid 10001 --clear-groups"
$as_user /opt/aster/bin/aster-operator demo --hours 0.1 --json >/tmp/report.json
grep -o '"ledger":"match"' /tmp/report.json
"""
    done = in_a_copy(tmp_path, script(installs=True) + demo, 1400)
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"ledger":"match"' in done.stdout


def test_every_run_line_is_one_of_those_that_are_run() -> None:
    runs = [text for word, text in steps() if word == "RUN"]
    whole = script(installs=True)
    assert len(runs) == 6
    assert all(text in whole for text in runs)


def test_the_image_is_built_apart_and_run_by_nobody_special() -> None:
    words = [word for word, _ in steps()]
    assert words.count("FROM") == 2
    last = words[len(words) - 1 - words[::-1].index("FROM") :]
    assert {"USER", "HEALTHCHECK", "ENTRYPOINT", "STOPSIGNAL"} <= set(last)
    assert dict(steps())["USER"] == "10001:10001"
    installs = [text for word, text in steps() if "pip install" in text]
    assert all("--require-hashes" in text or "--no-index" in text for text in installs)


def test_compose_keeps_every_program_in_its_place() -> None:
    services = compose()["services"]
    assert set(services) == {"operator", "dashboard", "postgres"}
    for name in ("operator", "dashboard"):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["user"] == "10001:10001"
        assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in services["dashboard"]["ports"])
    assert "ports" not in services["operator"]
    assert "ports" not in services["postgres"]
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    assert not re.search(r"PASSWORD: (?!/run)", text)


def test_compose_names_commands_that_exist() -> None:
    from aster_operator.cli.app import COMMANDS

    services = compose()["services"]
    assert {services[name]["command"][0] for name in ("operator", "dashboard")} <= set(COMMANDS)


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker command here")
def test_the_docker_command_itself_accepts_the_compose_file(tmp_path: Path) -> None:
    plugin = subprocess.run(
        ["docker", "compose", "version"], capture_output=True, text=True, check=False, timeout=30
    )
    if plugin.returncode != 0:
        pytest.skip("docker has no compose here")
    done = subprocess.run(
        ["docker", "compose", "-f", str(DOCKER / "compose.yaml"), "config", "--quiet"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("age_s", "code"), [(10, 0), (600, 1)])
def test_the_healthcheck_tells_a_session_that_stands_still(tmp_path: Path, age_s: int, code: int) -> None:
    journal = tmp_path / "journals" / "one.journal"
    journal.parent.mkdir()
    journal.touch()
    changed = journal.stat().st_mtime - age_s
    os.utime(journal, (changed, changed))
    done = subprocess.run(
        [str(DOCKER / "healthcheck.sh"), "session"],
        env={"PATH": os.environ["PATH"], "STATE_DIR": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == code, done.stdout


def test_the_page_makes_every_secret_for_the_user_of_the_image() -> None:
    page = (ROOT / "docs" / "how-to" / "docker.md").read_text(encoding="utf-8")
    for name, secret in compose()["secrets"].items():
        assert f"> {secret['file']}" in page or f"--out {secret['file']}" in page, name
    user = next(text.split(":")[0] for word, text in steps() if word == "USER")
    assert f"sudo chown {user} secrets/*" in page
    override = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0])
    changed = override["services"]["operator"]["command"]
    assert set(compose()["services"]["operator"]["command"]) - set(changed) == {
        "${ASTER_STRATEGY:-delta-neutral}"
    }
    assert "--yes-real-money" in changed
