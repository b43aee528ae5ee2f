"""Strategies are found by name, by file and by import path; what is none is refused in one line."""

import sys
from pathlib import Path

import pytest

from aster_operator.strategy.midfreq.strategy import MidFrequencyStrategy
from aster_operator.strategy.registry import StrategyNotFound, find_strategy

THIRD = """
from aster_operator.strategy.base import BarDecision, BarView, Strategy

class Third(Strategy):
    name = "third-one"
    warm_up_bars = 1

    def on_bar_closed(self, view: BarView) -> BarDecision:
        return BarDecision(action="wait", reason="always")

class Unfinished(Strategy):
    name = "unfinished"
    warm_up_bars = 1

class Nameless(Third):
    name = ""
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "third_one.py").write_text(THIRD, encoding="utf-8")
    (tmp_path / "broken.py").write_text("1 / 0", encoding="utf-8")
    return tmp_path


def test_found_by_name_file_and_module(folder: Path) -> None:
    assert find_strategy("midfreq") is MidFrequencyStrategy
    assert find_strategy("third-one", folder).name == "third-one"
    assert find_strategy(f"{folder}/third_one.py:Third").name == "third-one"
    module = "aster_operator.strategy.midfreq.strategy:MidFrequencyStrategy"
    assert find_strategy(module) is MidFrequencyStrategy


def test_a_module_in_the_working_directory_is_found_and_takes_no_librarys_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "own_package_of_a_test"
    package.mkdir()
    (package / "mine.py").write_text(THIRD, encoding="utf-8")
    (tmp_path / "msgspec.py").write_text("1 / 0", encoding="utf-8")
    # An installed program has its own folder there, not the working directory.
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".")])
    monkeypatch.chdir(tmp_path)
    assert find_strategy("own_package_of_a_test.mine:Third").name == "third-one"
    assert sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("midfrek", "built in are delta-neutral, midfreq"),
        ("{folder}/third_one.py:Fourth", "has no Fourth"),
        ("{folder}/third_one.py:Unfinished", "does not define on_bar_closed"),
        ("{folder}/third_one.py:Nameless", "has no name"),
        ("{folder}/third_one.py:BarView", "no subclass"),
        ("{folder}/nowhere.py:Third", "there is no file"),
        ("no_such_module:Third", "cannot be loaded: ModuleNotFoundError"),
        ("broken", "cannot be loaded: ZeroDivisionError"),
    ],
)
def test_what_is_none_is_refused(folder: Path, name: str, words: str) -> None:
    with pytest.raises(StrategyNotFound, match=words):
        find_strategy(name.format(folder=folder), folder)
