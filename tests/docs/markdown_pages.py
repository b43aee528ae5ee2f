"""The documents of the repository, cut into what can be checked: links, headings, fenced blocks, tables."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda path: str(path.relative_to(ROOT))
)

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SHELL = {"sh", "bash", "shell", "console"}
_OURS = ("aster-operator", "make", "python")


class Block(NamedTuple):
    """A fenced block, and the line of the page that it begins at."""

    language: str
    text: str
    line: int


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1) for found in _FENCE.finditer(text)
    ]


def commands(page: Path) -> list[str]:
    """Command lines of the page's shell blocks, in order, without comments; continued lines joined.

    Blocks that name no language count when their lines begin with a program of ours.
    """
    found = []
    for block in blocks(page):
        lines = block.text.replace("\\\n", " ").splitlines()
        plain = [re.sub(r"\s+#.*$|^#.*$", "", line).strip().removeprefix("$ ") for line in lines]
        if block.language in _SHELL:
            found += [line for line in plain if line]
        elif not block.language:
            found += [line for line in plain if line.startswith(_OURS)]
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Targets of links and pictures that are not addresses."""
    targets = re.findall(r"\]\(([^)\s]+)[^)]*\)", prose(page))
    return [target for target in targets if "://" not in target and not target.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """What `#...` may name on the page, as code hosts make it from the headings."""
    headings = re.findall(r"^#+\s+(.+?)\s*$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: Path, heading: str) -> str:
    """Text below a heading, up to the next one of any level."""
    parts = re.split(r"^#+\s+(.+?)\s*$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return parts[parts.index(heading) + 1]


def rows(text: str) -> list[list[str]]:
    """Cells of the table rows in `text`, without headers and rules."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rules = {number for number, row in enumerate(cells) if all(re.fullmatch(r":?-+:?", cell) for cell in row)}
    return [row for number, row in enumerate(cells) if number not in rules and number + 1 not in rules]
