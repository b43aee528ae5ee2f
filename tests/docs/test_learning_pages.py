"""Every learning objective of the first source system has a page on which one learns it by doing."""

import re
import subprocess
from pathlib import Path

import pytest
from markdown_pages import ROOT, blocks, commands, rows

from warm_programs import warm_programs

LEARN = ROOT / "docs" / "learn"
OBJECTIVES = {
    "exchange-api.md": "connect, prove who you are, place orders",
    "position-life.md": "lead a leveraged position",
    "risk.md": "bound what you can lose",
    "hedging.md": "without guessing the price",
    "trade-database.md": "keep trades",
    "failures.md": "failures",
    "points-economics.md": "reward points",
}
"""The objectives by their page, in the order of the first source system."""

LESSONS = sorted(LEARN / name for name in OBJECTIVES)
PRINTED = [page for page in LESSONS if {"python", "text"} <= {block.language for block in blocks(page)}]
OF_THE_BOOKS = "trade-database.md"
"""What it prints is of the books that the reader has."""


def test_the_list_leads_to_a_page_for_each_objective() -> None:
    listed = rows((LEARN / "README.md").read_text(encoding="utf-8"))
    pages = {re.findall(r"\((.+)\)", row[1])[0]: row[0] for row in listed}
    assert list(pages) == list(OBJECTIVES)
    assert [name for name, words in OBJECTIVES.items() if words not in pages[name]] == []
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [name for name in OBJECTIVES if f": learn/{name}" not in navigation] == []


@pytest.mark.parametrize("page", LESSONS, ids=lambda page: page.stem)
def test_a_lesson_is_done_and_not_only_read(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    for heading in ("Do it", "What to take along", "Where it is done in earnest"):
        assert heading in headings
    assert re.search(r"^Try: ", text, re.MULTILINE)
    assert commands(page) or any(block.language == "python" for block in blocks(page))
    assert "../../src/aster_operator/" in text


@pytest.mark.parametrize(
    "page", [page for page in PRINTED if page.name != OF_THE_BOOKS], ids=lambda page: page.stem
)
def test_a_lesson_prints_what_its_page_shows(page: Path) -> None:
    parts = blocks(page)
    number = next(index for index, block in enumerate(parts) if block.language == "python")
    program, shown = parts[number], parts[number + 1]
    done = subprocess.run(
        [warm_programs() / "python", "-c", program.text],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if "retry_scheduled" not in line]
    if "embedded_venue" in program.text:  # its time is the clock's, and so its prices
        said, expected = (
            [re.sub(r"[\d.]+", "0", line) for line in lines] for lines in (said, shown.text.splitlines())
        )
        assert said == expected
    else:
        assert said == shown.text.splitlines()
