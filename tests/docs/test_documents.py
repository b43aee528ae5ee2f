"""Documents lead where they say, and name only what exists."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from markdown_pages import PAGES, ROOT, anchors, commands, links, name_of, prose, rows, section

README = ROOT / "README.md"
MAP = ROOT / "docs" / "map.md"
PACKAGE = ROOT / "src" / "aster_operator"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = page if not file else (page.parent / file).resolve()
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = {README}, [README]
    while waiting:
        page = waiting.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in reached:
                reached.add(target)
                waiting.append(target)
    index = ROOT / "docs" / "README.md"
    assert {name_of(page) for page in PAGES} - {name_of(page) for page in reached} <= {name_of(index)}


def test_the_first_two_commands_of_the_readme() -> None:
    assert commands(README)[:2] == ["make run", "make test"]


def test_the_first_screen_of_the_readme_holds_the_commands_and_the_picture() -> None:
    first_screen = README.read_text(encoding="utf-8").splitlines()[:20]
    assert "make run" in "\n".join(first_screen)
    assert any("docs/images/demo.svg" in line for line in first_screen)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_named_in_the_text_exist(page: Path) -> None:
    named = set(re.findall(r"`([\w./-]+\.(?:py|md|toml))`", prose(page)))
    missing = [
        name for name in named if not any((base / name).exists() for base in (ROOT, page.parent, PACKAGE))
    ]
    # A bare file name must be that of some module.
    assert [name for name in missing if "/" in name or not list(PACKAGE.rglob(name))] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_nothing_is_shouted_or_decorated(page: Path) -> None:
    # Arrows and mathematical signs are fine; pictographs are not.
    assert re.findall("[\U0001f000-\U0001faff☀-➿]|!\\s", page.read_text(encoding="utf-8")) == []


# --- the map --------------------------------------------------------------------------------------------


def floors() -> dict[str, int]:
    """Floor of each room, from the contract that the tests enforce."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    return {
        room.strip("() ").removeprefix("aster_operator."): len(layers) - number
        for number, layer in enumerate(layers)
        for room in re.split(r"[|:]", layer)
    }


def test_the_map_shows_every_folder_on_its_floor() -> None:
    shown = {re.sub(r"\[(.+?)/\].*", r"\1", row[1]): int(row[0]) for row in rows(section(MAP, "Floors"))}
    folders = {
        folder.relative_to(PACKAGE).as_posix()
        for folder in PACKAGE.rglob("*")
        if (folder / "__init__.py").exists() and folder.name != "versions"
    }
    assert shown == {folder: floors()[folder.split("/")[0]] for folder in folders}


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("heading", ["The path of an order", "The path of an event"])
def test_every_step_of_a_path_is_there(heading: str) -> None:
    steps = rows(section(MAP, heading))
    assert len(steps) >= 8
    for number, file, function, _ in steps:
        path = (MAP.parent / re.findall(r"\(([^)]+)\)", file)[0]).resolve()
        assert function.strip("`") in functions_in(path), f"step {number}: {function} in {name_of(path)}"


def test_the_readme_names_functions_that_exist() -> None:
    for _, where in rows(section(README, "Where is what")):
        found = re.search(r"\((src/[^)]+\.py)\), (.+)", where)
        if found:
            assert set(re.findall(r"`(\w+)`", found[2])) <= functions_in(ROOT / found[1])


def test_the_newcomers_three_questions_are_answered_on_one_screen() -> None:
    text = section(README, "Where is what")
    for path in ("strategy/delta_neutral.py", "runtime/command_runner.py", "database/models.py"):
        assert path in text
    assert text.strip().count("\n") < 24


def test_the_map_names_every_table_of_the_books() -> None:
    from aster_operator.database.models import Base

    assert {f"`{table}`" for table in Base.metadata.tables} <= set(re.findall(r"`\w+`", MAP.read_text()))


# --- decisions, notices ---------------------------------------------------------------------------------

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_a_decision_says_context_options_choice_and_consequences_on_one_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Options", "Choice", "Consequences"]
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert len(text.split()) < 600


def test_decisions_are_numbered_without_gaps_and_listed() -> None:
    listed = rows((ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8"))
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    assert [page.name for page in DECISIONS] == [re.findall(r"\((.+)\)", row[1])[0] for row in listed]


def test_the_notices_name_every_package_that_is_installed() -> None:
    lock = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9][a-z0-9.-]*)(?:\[[^\]]*\])?==", lock, re.MULTILINE))
    named = set(
        re.findall(r"[a-z0-9][a-z0-9.-]*", (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8"))
    )
    assert locked
    assert locked - named == set()


def test_the_notices_name_every_optional_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
    for extra, packages in project["optional-dependencies"].items():
        assert f"aster-operator[{extra}]" in notices
        for package in packages:
            assert re.search(rf"\b{re.match(r'[a-z0-9-]+', package)[0]} \(", notices), package


def test_the_sample_data_travel_with_their_notice() -> None:
    notice = (PACKAGE / "market_data" / "sample" / "NOTICE.md").read_text(encoding="utf-8")
    licence = re.findall(r"^>.*$", notice, re.MULTILINE)
    assert len(licence) > 10
    assert "\n".join(licence) in (ROOT / "THIRD_PARTY_NOTICES.md").read_text(encoding="utf-8")
