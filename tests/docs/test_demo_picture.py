"""The picture in the README: drawn from a real run, small, self-contained."""

import re
import sys
import xml.etree.ElementTree as ElementTree  # our own file
from collections.abc import Callable
from types import ModuleType

import pytest
from markdown_pages import ROOT

PICTURE = ROOT / "docs" / "images" / "demo.svg"


@pytest.fixture(scope="module")
def drawer(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("draw_demo")


def words(svg: str) -> str:
    """The text of a picture, line by line, words in their order."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):  # noqa: S314
        if element.text and "x" in element.attrib and "y" in element.attrib:
            at = (float(element.attrib["x"]), element.text)
            lines.setdefault(float(element.attrib["y"]), []).append(at)
    return "\n".join(" ".join(word for _, word in sorted(lines[y])) for y in sorted(lines))


def test_the_picture_is_small_and_loads_nothing_from_elsewhere() -> None:
    svg = PICTURE.read_text(encoding="utf-8")
    assert PICTURE.stat().st_size < 200_000
    assert set(re.findall(r"https?://[^\s\"')]+", svg)) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",  # a comment of the library that draws
    }
    assert "@font-face" not in svg


def test_the_picture_shows_a_demo_that_matched() -> None:
    text = words(PICTURE.read_text(encoding="utf-8"))
    assert "$ make run" in text
    assert "ledger: match" in text
    for word in ("BTCUSDT", "ETHUSDT", "Decision", "Rotations", "Cost per $100k"):
        assert word in text


def test_frames_are_cut_where_the_display_draws_anew(drawer: ModuleType) -> None:
    output = "one\r\n two 1.0 of 4.0 h\r\n\x1b[1A\x1b[2K\x1b[1A\x1b[2Kthree\r\n\x1b[?25hend\r\n"
    assert drawer.frames_of(output) == ["one\r\n two 1.0 of 4.0 h", "three", "end"]


def test_the_frame_nearest_to_the_wanted_share_is_drawn(drawer: ModuleType) -> None:
    early, wanted = "early <&> 0.1 of 10.0 h", "wanted\x1b[1m bold\x1b[0m 3.4 of 10.0 h"
    report = "│ ledger: match │\r\n\x1b[2mbooks: runs/x.db\x1b[0m\r\n"
    svg = drawer.draw(f"{early}\x1b[2K{wanted}\x1b[2K{early}\x1b[2K{report}", columns=60)
    text = words(svg)
    assert "wanted bold 3.4 of 10.0 h" in text
    assert "│ ledger: match │" in text
    assert "early" not in text
    assert "books:" not in text


def test_an_output_without_a_demo_is_refused(drawer: ModuleType) -> None:
    with pytest.raises(ValueError, match="no live view"):
        drawer.draw("aster-operator: a port is taken\r\n")


def test_a_program_is_recorded_as_on_a_terminal(drawer: ModuleType) -> None:
    program = "import os, sys; print(sys.stdout.isatty(), os.get_terminal_size().columns); sys.exit(3)"
    assert drawer.record([sys.executable, "-c", program], columns=77) == ("True 77\r\n", 3)
