"""bootstrap.sh in a clean Debian tree, as far as a tree goes in which systemd does not run."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from slow_tests import slow

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

pytestmark = [
    slow,
    pytest.mark.timeout(1_800),
    pytest.mark.skipif(
        os.getuid() != 0 or shutil.which("debootstrap") is None,
        reason="a clean Debian tree needs root and debootstrap",
    ),
]


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


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    folder = tmp_path_factory.mktemp("debian") / "root"
    done = subprocess.run(
        ["debootstrap", "--variant=minbase", SUITE, str(folder), MIRROR],
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


def snapshot(tree: Tree) -> dict[str, tuple[int, int, int]]:
    """Mode, owner and size of what was installed, but for what is written anew each time."""
    found = {}
    for start in ("opt/aster/releases", "etc/aster", "etc/systemd/system"):
        for path in sorted((tree.folder / start).rglob("*")):
            status = path.lstat()
            if "__pycache__" not in path.parts:
                found[str(path.relative_to(tree.folder))] = (status.st_mode, status.st_uid, status.st_size)
    return found


def test_a_bare_debian_gets_everything_but_a_running_systemd(tree: Tree) -> None:
    revision = revision_in(tree)
    bootstrap = f"/srv/kit/bootstrap.sh --repository /srv/aster.git --revision {revision}"
    refused = tree.run("/srv/kit/bootstrap.sh --repository /srv/aster.git --revision main")
    assert refused.returncode == 2, refused.stderr
    assert "a branch or a short id is not taken" in refused.stderr.splitlines()[-1]

    done = tree.run(bootstrap)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    assert "systemd does not run here: all is in place, nothing was started" in done.stderr
    installed = tree.folder / "opt" / "aster" / "current"
    assert os.readlink(installed) == f"releases/{revision}"
    units = {path.name for path in (tree.folder / "etc/systemd/system").glob("aster*")}
    assert units == {
        path.name for path in (ROOT / "deploy/gce").iterdir() if path.suffix in (".service", ".timer")
    }

    # Somebody edits the settings, and runs it again: nothing changes.
    settings = tree.folder / "etc/aster/aster.env"
    settings.write_text(settings.read_text().replace("LEVERAGE=5", "LEVERAGE=3"))
    before = snapshot(tree)
    again = tree.run(bootstrap)
    assert again.returncode == 0, again.stderr
    assert snapshot(tree) == before
    assert "LEVERAGE=3" in settings.read_text()

    # The service's user can run what was installed, and read its settings; others cannot.
    as_user = (
        "cd /var/lib/aster && setpriv --reuid=aster --regid=aster --init-groups "
        "env HOME=/var/lib/aster ASTER_OPERATOR_ENV_FILE= /opt/aster/current/.venv/bin/aster-operator"
    )
    played = tree.run(f"{as_user} demo --hours 0.5 --json")
    assert '"ledger":"match"' in played.stdout, played.stderr
    assert "google" in tree.run("ls /opt/aster/current/.venv/lib/python3*/site-packages").stdout
    as_nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    assert tree.run(f"{as_nobody} cat /etc/aster/aster.env").returncode != 0
    assert tree.run(f"{as_nobody} ls /var/lib/aster").returncode != 0
