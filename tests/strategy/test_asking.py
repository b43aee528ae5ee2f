"""A strategy that breaks its contract is named with the line of its file; that is no fault of the program."""

from pathlib import Path
from textwrap import indent

import pytest
from bar_views import bars_of, view_of

from aster_operator.strategy.asking import StrategyFault, decide, make_strategy
from aster_operator.strategy.base import Strategy
from aster_operator.strategy.registry import find_strategy

FILE = """
from decimal import Decimal
from aster_operator.domain.enums import Side
from aster_operator.strategy.base import BarDecision, Enter, ExitPlan, Strategy

class Mine(Strategy):
    name = "mine"
    warm_up_bars = {bars}
    {more}
    def on_bar_closed(self, view):
{body}
"""

ENTER = "return BarDecision(action='enter', reason='r', intent=Enter(side={side}, exits={exits}, reason='r'))"


def _kind(folder: Path, body: str = "return None", bars: str = "1", more: str = "") -> type[Strategy]:
    file = folder / "mine.py"
    file.write_text(FILE.format(bars=bars, more=more, body=indent(body, " " * 8)), encoding="utf-8")
    return find_strategy(f"{file}:Mine")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("x = 1\nreturn x / 0", "strategy mine: ZeroDivisionError: division by zero, .*mine.py line 12"),
        ("return None", "must return a BarDecision, was None, bar .* of BTCUSDT"),
        ("return 'enter'", "must return a BarDecision, was 'enter'"),
        ("return BarDecision(action='x', reason='y', intent='BUY')", "must intend Enter, Exit or None"),
        (ENTER.format(side="'BUY'", exits="ExitPlan(stop_loss_bps=Decimal(9))"), "Side.BUY or Side.SELL"),
        (ENTER.format(side="Side.BUY", exits="None"), "must enter with an ExitPlan, was None"),
        (ENTER.format(side="Side.BUY", exits="ExitPlan(stop_loss_bps=9.5)"), "stop_loss_bps as a Decimal"),
        (ENTER.format(side="Side.BUY", exits="ExitPlan(stop_loss_bps=0)"), "must be between .* line 11"),
    ],
)
def test_a_decision_that_is_none_names_the_strategy(tmp_path: Path, body: str, words: str) -> None:
    strategy = make_strategy(_kind(tmp_path, body), None, ("BTCUSDT",))
    with pytest.raises(StrategyFault, match=words):
        decide(strategy, view_of(bars_of([100, 101])))


@pytest.mark.parametrize(
    ("bars", "more", "words"),
    [
        ("'3'", "", "warm_up_bars must be a whole number of at least 1, was '3'"),
        ("0", "", "at least 1, was 0"),
        ("1", "def __init__(self, size): pass", "missing 1 required positional argument: 'size'"),
    ],
)
def test_one_that_cannot_be_made_names_the_strategy(tmp_path: Path, bars: str, more: str, words: str) -> None:
    with pytest.raises(StrategyFault, match=words):
        make_strategy(_kind(tmp_path, bars=bars, more=more), None, ("BTCUSDT",))


def test_what_strategies_of_the_program_raise_stays_a_fault_of_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strategy = make_strategy(find_strategy("midfreq"), None, ("BTCUSDT",))

    def broken(self: object, view: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(type(strategy), "on_bar_closed", broken)
    with pytest.raises(ZeroDivisionError):
        decide(strategy, view_of(bars_of([100, 101])))
