"""systemd as the first process of a Debian tree, in namespaces and control groups of its own.

What `systemd-nspawn` does, as far as a test needs it, and where it is not installed. The tree sees its own
processes, mounts and loopback; no network, and nothing of the machine's services.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
GROUP = "aster-test-boot"
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ("--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup")

BOOT = """
set -e
root="$1"
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/dev"
for name in null zero full random urandom tty; do
	touch "$root/dev/$name"
	mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir -p "$root/dev/pts" "$root/dev/shm"
mount -t devpts devpts "$root/dev/pts" -o newinstance,ptmxmode=0666
ln -s pts/ptmx "$root/dev/ptmx"
mount -t tmpfs tmpfs "$root/dev/shm"
mount -t tmpfs tmpfs "$root/run"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
	mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
	mkdir -p "$root/sys/fs/cgroup/unified" "$root/sys/fs/cgroup/systemd"
	mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
fi
ip link set lo up
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
# Credentials reach a service through mounts that the manager makes in a namespace of its own.
mount --make-rshared /
exec /lib/systemd/systemd --system
"""

ENTER = f"""
root="$1"
shift
for group in "$@"; do echo "$$" >"$group/cgroup.procs"; done
exec unshare {" ".join(NAMESPACES)} --fork --kill-child bash -c "$BOOT" boot "$root"
"""


class Booted:
    """A running tree. Commands run inside it, as root."""

    def __init__(self, folder: Path, manager: int) -> None:
        self.folder = folder
        self.manager = manager

    def run(self, *command: str, stdin: str = "", timeout: int = 400) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["nsenter", "-t", str(self.manager), *NAMESPACES, "--root", "--wd",
             "env", "-i", f"PATH={PATHS}", "LANG=C.UTF-8", *command],
            input=stdin, capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip

    def does(self, *command: str, stdin: str = "", timeout: int = 400) -> str:
        """What a command that succeeds prints."""
        done = self.run(*command, stdin=stdin, timeout=timeout)
        if done.returncode != 0:
            journal = self.run("journalctl", "--quiet", "--output=cat", "--no-pager", "--lines=30").stdout
            raise AssertionError(f"{command}: {done.stdout[-1_000:]}{done.stderr[-2_000:]}\n{journal}")
        return done.stdout

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.does("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def journal(self, unit: str) -> list[str]:
        return self.does("journalctl", "--quiet", f"--unit={unit}", "--output=cat", "--no-pager").splitlines()

    def report(self, unit: str) -> "dict[str, object]":
        """The newest report that a session of the unit left in the journal."""
        lines = [line for line in self.journal(unit) if line.startswith("{") and '"ledger"' in line]
        found: dict[str, object] = json.loads(lines[-1])
        return found

    def waits(self, what: str, holds: Callable[[], bool], seconds: float = 180) -> None:
        """Look every half second until something holds; another machine cannot tell when it does."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
            time.sleep(0.5)


@contextmanager
def booted(folder: Path) -> Iterator[Booted]:
    """Boot the tree in `folder`; ended and gone at the end."""
    groups = _own_groups()
    process = subprocess.Popen(
        ["bash", "-c", ENTER, "enter", str(folder), *map(str, groups)],
        env={"PATH": PATHS, "LANG": "C.UTF-8", "container": "lxc", "BOOT": BOOT},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    manager = 0
    try:
        tree = Booted(folder, 0)

        def is_up() -> bool:
            nonlocal manager
            assert process.poll() is None, (process.stderr.read() if process.stderr else b"").decode()
            manager = manager or _child(process.pid)
            tree.manager = manager
            state = tree.run("systemctl", "is-system-running").stdout.strip() if manager else ""
            return state in ("running", "degraded")

        tree.waits("systemd", is_up, 120)
        yield tree
    finally:
        if manager:
            os.kill(manager, signal.SIGKILL)  # all of its namespace goes with it, before `unshare` ends
        else:
            process.kill()
        process.communicate(timeout=60)
        _remove(groups)


def _child(process: int) -> int:
    """The child of `unshare` once it is systemd, 0 before."""
    for number in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        if Path(f"/proc/{number}/comm").read_text().strip() == "systemd":
            return int(number)
    return 0


def _own_groups() -> list[Path]:
    """A control group of our own in every hierarchy, below the one we are in."""
    groups = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, place = line.split(":", 2)
        unified = "" if (CGROUPS / "cgroup.controllers").exists() else "unified"
        mounted = CGROUPS / (names.removeprefix("name=") if names else unified)
        group = mounted / place.strip("/") / GROUP
        if not mounted.is_dir():
            continue
        group.mkdir(exist_ok=True)
        if names == "cpuset":
            for name in ("cpuset.cpus", "cpuset.mems"):
                (group / name).write_text((group.parent / name).read_text())
        groups.append(group)
    return groups


def _remove(groups: list[Path]) -> None:
    for group in groups:
        for inner in sorted(group.rglob("*"), reverse=True):
            if inner.is_dir():
                inner.rmdir()
        group.rmdir()
