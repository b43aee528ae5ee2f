"""bootstrap.sh in a clean Debian tree, as far as a tree goes in which systemd does not run."""

import os
from collections.abc import Iterator

import pytest
from debian_tree import NEEDS_A_TREE, ROOT, Tree, debian_tree, revision_in

from slow_tests import slow

pytestmark = [slow, pytest.mark.timeout(1_800), NEEDS_A_TREE]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    with debian_tree(tmp_path_factory.mktemp("debian")) as tree:
        yield tree


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
