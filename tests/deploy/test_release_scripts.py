"""Releases are laid out from verified revisions only, chosen at once, and taken back."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

GCE = Path(__file__).parents[2] / "deploy" / "gce"
SCRIPTS = sorted(GCE.glob("*.sh"))

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="the deployment scripts run as root only")
needs_ssh_keygen = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed"
)
needs_shellcheck = pytest.mark.skipif(
    shutil.which("shellcheck") is None, reason="shellcheck is not installed"
)

# Lays out an environment as `python -m venv` and pip would, without the network.
PYTHON_STAND_IN = """#!/bin/sh
target="$3"
mkdir -p "$target/bin"
printf '#!/bin/sh\\nexit ${ASTER_TEST_PIP_EXIT:-0}\\n' >"$target/bin/python"
printf '#!/bin/sh\\necho aster-operator\\n' >"$target/bin/aster-operator"
chmod +x "$target/bin/python" "$target/bin/aster-operator"
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_bash_reads_a_script(script: Path) -> None:
    done = subprocess.run(
        ["bash", "-n", str(script)], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_shellcheck
def test_shellcheck_finds_nothing() -> None:
    done = subprocess.run(
        ["shellcheck", "--external-sources", *map(str, SCRIPTS)],
        cwd=GCE.parents[1],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


class Machine:
    """A machine as far as release.sh can tell: a root folder, and a repository to fetch from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "machine"
        self.app = self.root / "opt" / "aster"
        self.origin = folder / "origin"
        self.python = folder / "python"
        self.app.mkdir(parents=True)
        (self.root / "etc" / "aster").mkdir(parents=True)
        self.python.write_text(PYTHON_STAND_IN)
        self.python.chmod(0o755)
        self.git_at(folder, "init", "--quiet", "--initial-branch=main", str(self.origin))
        bare = self.app / "repository.git"
        self.git_at(folder, "init", "--quiet", "--bare", str(bare))
        self.git_at(folder, f"--git-dir={bare}", "config", "remote.origin.url", str(self.origin))

    @property
    def environment(self) -> dict[str, str]:
        quiet = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": str(self.folder)}
        names = {"GIT_AUTHOR_NAME": "r", "GIT_AUTHOR_EMAIL": "r@e", "GIT_COMMITTER_NAME": "r"}
        names |= {"GIT_COMMITTER_EMAIL": "release@example.com", "PATH": os.environ["PATH"]}
        return quiet | names | {"ASTER_ROOT": str(self.root), "ASTER_PYTHON": str(self.python)}

    def git_at(self, folder: Path, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=self.environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        (self.origin / "file").write_text(text)
        self.git_at(self.origin, "add", "file")
        self.git_at(self.origin, "commit", "--quiet", "-m", text)
        return self.git_at(self.origin, "rev-parse", "HEAD")

    def release(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(GCE / "release.sh"), *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def current(self) -> str:
        link = self.app / "current"
        return Path(os.readlink(link)).name if link.is_symlink() else ""

    def signer(self, name: str, *, allowed: bool) -> Path:
        key = self.folder / name
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, capture_output=True
        )
        if allowed:
            public = key.with_suffix(".pub").read_text()
            (self.root / "etc" / "aster" / "allowed_signers").write_text(f"release@example.com {public}")
        return key

    def sign(self, tag: str, key: Path) -> None:
        self.git_at(
            self.origin, "-c", "gpg.format=ssh", "-c", f"user.signingkey={key}", "tag", "-s", "-m", tag, tag
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@needs_root
def test_a_pinned_commit_is_laid_out_and_chosen(machine: Machine) -> None:
    first = machine.commit("one")
    done = machine.release("install", first)
    assert done.returncode == 0, done.stderr
    assert machine.current == first
    assert (machine.app / "current" / "file").read_text() == "one"
    again = machine.release("install", first)
    assert "laid out already" in again.stderr


@needs_root
def test_an_earlier_release_is_taken_back(machine: Machine) -> None:
    first, second = machine.commit("one"), machine.commit("two")
    machine.release("install", first)
    machine.release("install", second)
    assert machine.current == second
    assert machine.release("rollback").returncode == 0
    assert machine.current == first
    assert machine.release("rollback", second).returncode == 0
    assert machine.current == second
    listed = machine.release("list").stdout.splitlines()
    assert sorted(line[0] for line in listed) == [" ", "*"]


@needs_root
def test_without_an_earlier_release_there_is_nothing_to_take_back(machine: Machine) -> None:
    machine.release("install", machine.commit("one"))
    done = machine.release("rollback")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "no earlier release" in done.stderr


@needs_root
def test_a_release_that_cannot_be_installed_is_not_chosen(machine: Machine) -> None:
    first, second = machine.commit("one"), machine.commit("two")
    machine.release("install", first)
    done = machine.release("install", second, ASTER_TEST_PIP_EXIT="1")
    assert done.returncode != 0
    assert machine.current == first
    assert machine.release("install", second).returncode == 0
    assert machine.current == second


@needs_root
@needs_ssh_keygen
def test_a_tag_signed_by_one_who_may_is_installed(machine: Machine) -> None:
    commit = machine.commit("one")
    machine.sign("v1.0.0", machine.signer("releaser", allowed=True))
    done = machine.release("install", "v1.0.0")
    assert done.returncode == 0, done.stderr
    assert machine.current == commit


@needs_root
@needs_ssh_keygen
def test_a_rollback_to_a_tag_verifies_it_and_lays_it_out_where_it_is_gone(machine: Machine) -> None:
    key = machine.signer("releaser", allowed=True)
    first = machine.commit("one")
    machine.sign("v1.0.0", key)
    assert machine.release("install", "v1.0.0").returncode == 0
    second = machine.commit("two")
    machine.sign("v1.1.0", key)
    assert machine.release("install", "v1.1.0").returncode == 0
    assert machine.release("rollback", "v1.0.0").returncode == 0
    assert machine.current == first
    shutil.rmtree(machine.app / "releases" / second)
    assert machine.release("rollback", "v1.1.0").returncode == 0
    assert machine.current == second
    assert (machine.app / "releases" / second / "file").read_text() == "two"
    # Who may sign was changed since: what nobody vouches for any more is not taken back either.
    machine.signer("successor", allowed=True)
    refused = machine.release("rollback", "v1.0.0")
    assert refused.returncode == 2
    assert "do not install it" in refused.stderr
    assert machine.current == second


@needs_root
@needs_ssh_keygen
def test_a_tag_signed_by_another_is_refused(machine: Machine) -> None:
    machine.commit("one")
    machine.signer("releaser", allowed=True)
    machine.sign("v1.0.0", machine.signer("stranger", allowed=False))
    done = machine.release("install", "v1.0.0")
    assert done.returncode == 2
    assert "do not install it" in done.stderr
    assert machine.current == ""
    assert list((machine.app / "releases").glob("*")) == []


@needs_root
@needs_ssh_keygen
def test_a_signed_tag_under_another_name_is_refused(machine: Machine) -> None:
    machine.commit("old and weak")
    machine.sign("v1.0.0", machine.signer("releaser", allowed=True))
    tag = machine.git_at(machine.origin, "rev-parse", "refs/tags/v1.0.0")
    machine.git_at(machine.origin, "update-ref", "refs/tags/v2.0.0", tag)
    done = machine.release("install", "v2.0.0")
    assert done.returncode == 2
    assert "signed under another name" in done.stderr


@needs_root
@needs_ssh_keygen
def test_a_tag_that_was_moved_is_refused(machine: Machine) -> None:
    machine.commit("one")
    key = machine.signer("releaser", allowed=True)
    machine.sign("v1.0.0", key)
    assert machine.release("install", "v1.0.0").returncode == 0
    before = machine.current
    machine.git_at(machine.origin, "tag", "-d", "v1.0.0")
    machine.commit("two")
    machine.sign("v1.0.0", key)
    done = machine.release("install", "v1.0.0")
    assert done.returncode == 2
    assert "whether a tag was moved" in done.stderr
    assert machine.current == before


@needs_root
@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("main", "a branch or a short id is not taken"),
        ("HEAD", "a branch or a short id is not taken"),
        ("plain", "is not signed"),
        ("annotated", "nobody may sign"),
        ("0" * 40, "there is no commit"),
        ("--upload-pack=sh", "is no tag and no commit id"),
        ("v1;reboot", "is no tag and no commit id"),
    ],
)
def test_what_nobody_vouches_for_is_refused(machine: Machine, revision: str, words: str) -> None:
    machine.commit("one")
    machine.git_at(machine.origin, "tag", "plain")
    machine.git_at(machine.origin, "tag", "-a", "-m", "annotated", "annotated")
    done = machine.release("install", revision)
    assert done.returncode == 2
    assert words in done.stderr
    assert machine.current == ""
