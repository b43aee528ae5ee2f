"""What a clone must hold: licence, locks, documents that tell the truth, nothing of one machine."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from aster_operator.config.env_file import read_env_file
from aster_operator.config.fields import field_key
from aster_operator.config.settings import Settings

ROOT = Path(__file__).parents[1]
LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "deploy" / "gce" / "requirements.txt"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Written in pieces, so that this file passes its own test.
REGISTRY_HOSTS = re.compile(
    "|".join(["pypi" + r"\.org", "python" + r"hosted\.org", "arti" + "factory", "npm" + r"js\.org"])
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.$}<~])/(?:" + "|".join(["work", "root", "Users", "home/[a-z]+"]) + r")/[\w.-]+"
)
LEFTOVERS = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")


def tracked_files() -> list[Path]:
    """Files of the repository; outside a clone (an archive), every file that is not made by tools."""
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode == 0 and done.stdout:
        return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    made = {".venv", ".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not made & set(path.parts)]


def text_files() -> list[tuple[Path, str]]:
    found = []
    for path in tracked_files():
        try:
            found.append((path.relative_to(ROOT), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def places(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1} {match.group()}"
        for path, text in text_files()
        for match in pattern.finditer(text)
    ]


def test_no_path_of_a_machine_is_written_down() -> None:
    assert places(MACHINE_PATHS) == []


def test_nothing_is_left_for_later() -> None:
    assert places(LEFTOVERS) == []


@pytest.mark.parametrize(
    "name", ["LICENSE", "THIRD_PARTY_NOTICES.md", "README.md", "CONTRIBUTING.md", ".env.example"]
)
def test_a_clone_holds(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_the_licence_is_mit() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "MIT License" in text
    assert PROJECT["project"]["license"] == "MIT"


def test_no_link_is_committed() -> None:
    """A link to something outside would, checked out, take the place of what stands there."""
    listed = subprocess.run(
        ["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert [row for row in listed.stdout.splitlines() if row.startswith("120000")] == []


def test_settings_and_books_are_never_committed() -> None:
    names = {path.name for path in tracked_files()}
    assert ".env" not in names
    assert not {name for name in names if name.endswith((".db", ".db-wal", ".pem", ".key"))}


def test_nothing_that_a_command_wrote_lies_in_the_root() -> None:
    """Data that somebody tried a command with, from the folder they stood in."""
    kinds = (".csv", ".gz", ".parquet", ".json", ".html", ".log", ".png")
    assert [path.name for path in tracked_files() if path.parent == ROOT and path.name.endswith(kinds)] == []


# --- locks ----------------------------------------------------------------------------------------------


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(path: Path) -> dict[str, str]:
    """Name and version of every package in a lock."""
    found = re.findall(
        r"^([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {normalised(name): version for name, version in found}


def names_of(requirements: list[str]) -> set[str]:
    return {normalised(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in requirements}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_locked_package_has_an_exact_version_and_hashes(path: Path) -> None:
    entries = [
        entry for entry in re.split(r"\n(?=\S)", path.read_text(encoding="utf-8").strip()) if entry[0] != "#"
    ]
    assert entries
    for entry in entries:
        assert re.match(r"[A-Za-z0-9_.-]+(?:\[[^\]]*\])?==\S+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_lock_names_no_index(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not REGISTRY_HOSTS.search(text)
    assert "://" not in text
    assert not re.search(r"^\s*--(?:extra-)?index|^\s*-i\b|--find-links|--trusted-host", text, re.MULTILINE)


def test_the_locks_cover_what_the_project_asks_for() -> None:
    run, dev, build = (locked(ROOT / "requirements" / f"{name}.txt") for name in ("run", "dev", "build"))
    assert names_of(PROJECT["project"]["dependencies"]) <= run.keys()
    assert names_of(PROJECT["dependency-groups"]["dev"]) <= dev.keys()
    assert names_of(PROJECT["build-system"]["requires"]) <= build.keys()
    assert {name for name in run.keys() & dev.keys() if run[name] != dev[name]} == set()


def test_the_service_runs_what_was_tested() -> None:
    service, run, dev = (
        locked(ROOT / place)
        for place in ("deploy/gce/requirements.txt", "requirements/run.txt", "requirements/dev.txt")
    )
    assert run.items() <= service.items()
    assert (service.items() - run.items()) <= dev.items()


def imported_packages() -> dict[str, set[str]]:
    """Top-level packages that the program imports, other than its own and the standard library's."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"aster_operator"}:
                found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


# Modules that are imported only when what they need was installed on purpose, and the extra they belong to.
OPTIONAL_MODULES = {
    "src/aster_operator/backtest/cluster/dask.py": "cluster",
    "src/aster_operator/database/postgres.py": "postgres",
    "src/aster_operator/market_data/pipeline/warehouse.py": "gcp",
    "src/aster_operator/market_data/pipeline/warehouse_tables.py": "gcp",
}


def packages_of_extra(extra: str) -> set[str]:
    """What an extra asks for, with what those packages ask for themselves."""
    packages = names_of(PROJECT["project"]["optional-dependencies"][extra])
    return packages.union(*(names_of(needs_here(name)) for name in packages))


def needs_here(package: str) -> list[str]:
    """What an installed package asks for on this machine, its own extras left out."""
    asked = (Requirement(text) for text in importlib.metadata.requires(package) or [])
    return [need.name for need in asked if need.marker is None or need.marker.evaluate({"extra": ""})]


def test_everything_the_program_imports_is_locked_for_running() -> None:
    distributions = importlib.metadata.packages_distributions()
    run = locked(ROOT / "requirements" / "run.txt").keys()
    missing = {}
    for package, places in imported_packages().items():
        names = {normalised(name) for name in distributions.get(package, [package])}
        optional = {place for place, extra in OPTIONAL_MODULES.items() if names & packages_of_extra(extra)}
        if not names & run and places - optional:
            missing[package] = sorted(places - optional)
    assert missing == {}


def test_optional_packages_are_locked_for_the_tests() -> None:
    dev = locked(ROOT / "requirements" / "dev.txt").keys()
    for extra in PROJECT["project"]["optional-dependencies"]:
        assert packages_of_extra(extra) <= dev


# --- documents ------------------------------------------------------------------------------------------


def commands_of(text: str) -> list[str]:
    """Command lines of the fenced blocks of a document, in order, without comments."""
    blocks = re.findall(r"^```(?:bash|sh|console|shell)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.split("#")[0].strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_the_first_two_commands_of_the_readme_run_and_test() -> None:
    assert commands_of((ROOT / "README.md").read_text(encoding="utf-8"))[:2] == ["make run", "make test"]


def test_make_targets_named_in_documents_exist() -> None:
    targets = set(
        re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    documents = [text for path, text in text_files() if path.suffix == ".md"]
    named = {
        word for text in documents for word in re.findall(r"`?make ([a-z-]+)\b", "\n".join(commands_of(text)))
    }
    assert named <= targets


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path}: {target}"
        for path, text in text_files()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
        if "://" not in target
        and not target.startswith("mailto:")
        and not (ROOT / path.parent / target).exists()
    ]
    assert broken == []


def test_every_settings_key_is_in_the_example() -> None:
    keys = {field_key(field) for field in Settings.model_fields.values()}
    assert keys == set(read_env_file(str(ROOT / ".env.example")).values)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o100
    assert script.read_text(encoding="utf-8").rstrip().endswith("make test")
    done = subprocess.run(
        ["bash", "-n", str(script)], capture_output=True, text=True, check=False, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_main_of_the_first_source_system_forwards_to_run() -> None:
    text = (ROOT / "main.py").read_text(encoding="utf-8")
    assert '["run", *sys.argv[1:]]' in text
