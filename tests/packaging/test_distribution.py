"""`make dist`: one wheel and one source archive, and a wheel that needs no checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

from slow_tests import slow

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "aster_operator"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WHEEL = f"aster_operator-{PROJECT['version']}-py3-none-any.whl"
SOURCES = f"aster_operator-{PROJECT['version']}.tar.gz"
NEVER_PACKED = re.compile(
    r"(?:^|/)(?:\.env|\.git|\.venv|runs|logs|dist|build)(?:/|$)|\.(?:db|db-wal|pem|key)$"
)


def build(source: Path, target: Path, *what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(target), *what],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder)
    return folder


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's files, as an installation would lay them out."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(built / WHEEL) as wheel:
        wheel.extractall(folder)  # noqa: S202 - our own wheel
    return folder


def names_in_wheel(built: Path) -> set[str]:
    with zipfile.ZipFile(built / WHEEL) as wheel:
        return set(wheel.namelist())


def files_of_the_package() -> set[str]:
    return {
        str(path.relative_to(ROOT / "src"))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_there_is_one_wheel_and_one_source_archive(built: Path) -> None:
    assert {path.name for path in built.iterdir()} == {WHEEL, SOURCES}


def test_make_dist_begins_with_an_empty_folder() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "dist"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert "rm -rf dist" in done.stdout
    assert "hatchling build -d dist" in done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    about = {name for name in names_in_wheel(built) if ".dist-info/" in name}
    assert names_in_wheel(built) - about == files_of_the_package()


@pytest.mark.parametrize(
    "pattern",
    [
        "market_data/sample/*.parquet",
        "database/migrations/versions/r*.py",
        "rewards/profiles/*.yaml",
        "simulator/server/scenarios/*.yaml",
        "py.typed",
    ],
)
def test_the_wheel_holds_the_data_the_program_reads(built: Path, pattern: str) -> None:
    wanted = {str(path.relative_to(ROOT / "src")) for path in PACKAGE.glob(pattern)}
    assert wanted
    assert wanted <= names_in_wheel(built)


def test_the_metadata_say_what_the_project_says(built: Path) -> None:
    folder = WHEEL.removesuffix("-py3-none-any.whl") + ".dist-info"
    with zipfile.ZipFile(built / WHEEL) as wheel:
        metadata = message_from_string(wheel.read(f"{folder}/METADATA").decode())
        script = wheel.read(f"{folder}/entry_points.txt").decode()
        licences = {name for name in wheel.namelist() if "/licenses/" in name}
    assert (metadata["Name"], metadata["Version"]) == (PROJECT["name"], PROJECT["version"])
    assert set(metadata["Requires-Python"].split(",")) == set(PROJECT["requires-python"].split(","))
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    assert "aster-operator = aster_operator.cli.entry:main" in script
    assert {Path(name).name for name in licences} == set(PROJECT["license-files"])


def test_neither_archive_holds_settings_books_or_keys(built: Path) -> None:
    with tarfile.open(built / SOURCES) as archive:
        names = set(archive.getnames()) | names_in_wheel(built)
    assert {name for name in names if NEVER_PACKED.search(name)} == set()


def test_the_source_archive_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    with tarfile.open(built / SOURCES) as archive:
        archive.extractall(tmp_path, filter="data")
    build(tmp_path / SOURCES.removesuffix(".tar.gz"), tmp_path / "again", "-t", "wheel")
    assert (tmp_path / "again" / WHEEL).read_bytes() == (built / WHEEL).read_bytes()


def play(program: list[str], folder: Path, **environment: str) -> dict[str, object]:
    """Run the demo in an empty folder with next to nothing in the environment; its report."""
    folder.mkdir()
    done = subprocess.run(
        [*program, "demo", "--json", "--hours", "0.5"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, object] = json.loads(done.stdout)
    return report


def test_the_demo_runs_from_the_wheel_without_a_checkout(unpacked: Path, tmp_path: Path) -> None:
    start = (
        "import sys, aster_operator; from aster_operator.cli.entry import main; "
        f"assert aster_operator.__file__.startswith({str(unpacked)!r}), aster_operator.__file__; "
        "sys.exit(main())"
    )
    report = play([sys.executable, "-P", "-c", start], tmp_path / "empty", PYTHONPATH=str(unpacked))
    assert report["ledger"] == "match"


MINORS = [int(minor) for minor in re.findall(r"Python :: 3\.(\d+)", " ".join(PROJECT["classifiers"]))]
"""Versions 3.x that the project says it runs on."""


def test_every_place_names_the_same_pythons() -> None:
    first, last = min(MINORS), max(MINORS)
    assert PROJECT["requires-python"] == f">=3.{first},<3.{last + 1}"
    check = f"not (3, {first}) <= sys.version_info < (3, {last + 1})"
    words = " or ".join([", ".join(f"3.{minor}" for minor in MINORS[:-1]), f"3.{last}"])
    for name in ("Makefile", "deploy/gce/bootstrap.sh"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert check in text
        assert f"Python {words}" in text
    for name in ("README.md", "CONTRIBUTING.md", "docs/tutorial/first-light.md"):
        assert f"Python {words}" in (ROOT / name).read_text(encoding="utf-8")


def interpreters() -> list[str]:
    """Pythons of this machine that the project supports, the newest patch of each."""
    found: dict[str, str] = {}
    for minor in MINORS:
        name = f"3.{minor}"
        managed = sorted(Path.home().glob(f".pyenv/versions/{name}.*/bin/python"))
        program = str(managed[-1]) if managed else shutil.which(f"python{name}")
        if program is not None:
            found[name] = program
    return list(found.values())


@slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("python", interpreters(), ids=lambda path: path.split("/bin/")[0].split("/")[-1])
def test_the_wheel_alone_plays_the_demo_in_an_empty_environment(
    built: Path, tmp_path: Path, python: str
) -> None:
    environment = tmp_path / "environment"
    for command in (
        [python, "-m", "venv", str(environment)],
        [str(environment / "bin/python"), "-m", "pip", "install", "--quiet", str(built / WHEEL)],
    ):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=800, env=dict(os.environ)
        )
        assert done.returncode == 0, done.stderr
    report = play([str(environment / "bin/aster-operator")], tmp_path / "empty")
    assert report["ledger"] == "match"
