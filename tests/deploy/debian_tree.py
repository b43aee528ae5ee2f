"""A clean Debian system in a folder, with this repository to install from."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"

# What makes the package registries of this machine work inside the tree, where it has them.
BORROWED = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/xdg/pip",
)
MOUNTED = ("/opt/wheels", "/opt/pypi", "/opt/pypi-more", "/dev/null", "/dev/urandom")

NEEDS_A_TREE = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("debootstrap") is None,
    reason="a clean Debian tree needs root and debootstrap",
)

AUTHORITIES = "/srv/authorities.crt"


class Tree:
    """A Debian system in a folder. Commands in it see its own files, processes and mounts only."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, command: str, timeout: int = 1_500) -> "subprocess.CompletedProcess[str]":
        mounts = " && ".join(
            f"mount --bind {place} {self.folder}{place}"
            for place in MOUNTED
            if Path(place).exists() and (self.folder / place.lstrip("/")).exists()
        )
        inside = (
            f"{mounts or 'true'} && mount -t proc proc {self.folder}/proc && "
            f"exec chroot {self.folder} bash -c '{command}'"
        )
        registries = {name: text for name, text in os.environ.items() if name.startswith("PIP_")}
        # The tree's own list of authorities is written anew when its packages are installed.
        registries |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), AUTHORITIES)
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "bash", "-c", inside],
            env={"PATH": path, "LANG": "C.UTF-8"} | registries,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )


@contextmanager
def debian_tree(place: Path, *packages: str) -> Iterator[Tree]:
    """A minimal Debian with `packages` below `place`, with this repository in it; gone at the end."""
    folder = place / "root"
    more = [f"--include={','.join(packages)}"] if packages else []
    done = subprocess.run(
        ["debootstrap", "--variant=minbase", *more, SUITE, str(folder), MIRROR],
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2_000:]
    for place in map(Path, BORROWED):
        target = folder / str(place).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            shutil.copytree(place, target, dirs_exist_ok=True)
        elif place.is_file():
            target.unlink(missing_ok=True)
            shutil.copy(place, target)
    (folder / "srv").mkdir(exist_ok=True)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder / AUTHORITIES.lstrip("/"))
    for settings in Path("/etc/apt/apt.conf.d").glob("99*"):
        shutil.copy(settings, folder / "etc/apt/apt.conf.d")
    for place in MOUNTED:
        if Path(place).is_dir():
            (folder / place.lstrip("/")).mkdir(parents=True, exist_ok=True)
    origin = folder / "srv" / "aster.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(origin)], check=True, timeout=120)
    shutil.copytree(ROOT / "deploy" / "gce", folder / "srv" / "kit")
    yield Tree(folder)
    shutil.rmtree(folder, ignore_errors=True)


def revision_in(tree: Tree) -> str:
    """The commit that the tree's copy of the repository is at."""
    origin = tree.folder / "srv" / "aster.git"
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=origin, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.strip()


@contextmanager
def bootstrapped_tree(place: Path) -> Iterator[Tree]:
    """A tree with systemd in which bootstrap.sh has run."""
    with debian_tree(place, "systemd", "systemd-sysv", "dbus") as tree:
        revision = revision_in(tree)
        done = tree.run(f"/srv/kit/bootstrap.sh --repository /srv/aster.git --revision {revision}")
        assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
        yield tree
