"""Asking somebody else's code: a strategy that raises, or answers with what is no decision, is named with the
line of its file, and not taken for a fault of the program."""

import traceback
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from aster_operator.config.problems import UserProblem
from aster_operator.domain.enums import Side
from aster_operator.strategy.base import (
    BarDecision,
    BarView,
    Enter,
    Exit,
    ExitPlan,
    ParameterFaults,
    Strategy,
)

Answer = TypeVar("Answer")
Kind = TypeVar("Kind", bound=Strategy)

__all__ = ["StrategyFault", "decide", "faults_named", "make_strategy"]


class StrategyFault(UserProblem):
    """A strategy did what its contract does not allow; the line says which strategy, what and where."""

    def __init__(self, name: str, what: str, where: str = "--strategy") -> None:
        super().__init__(f"strategy {name}: {what}", where, "mend the strategy")


def faults_named(kind: type[Any], call: Callable[..., Answer], *arguments: object) -> Answer:
    """What `call`, of a strategy of `kind`, answers. Raises StrategyFault for whatever it raises, with the
    file and line it came from; ParameterFaults, problems with words of their own, and what strategies of the
    program raise pass."""
    try:
        return call(*arguments)
    except (ParameterFaults, UserProblem):
        raise
    except Exception as error:  # the code is somebody else's: whatever it raises, say it in one line
        if kind.__module__.startswith("aster_operator."):
            raise
        frames = traceback.extract_tb(error.__traceback__)[1:]
        own = [frame for frame in frames if not _is_librarys(frame.filename)]
        where = f"{own[-1].filename} line {own[-1].lineno}" if own else "--strategy"
        raise StrategyFault(_name(kind), f"{type(error).__name__}: {error}", where) from error


def _name(kind: type[Any]) -> str:
    return str(getattr(kind, "name", kind.__name__))


def _is_librarys(file: str) -> bool:
    ours = str(Path(__file__).parents[1])
    return file.startswith((ours, "<")) or "site-packages" in file


def make_strategy(kind: type[Kind], parameters: str | None, symbols: tuple[str, ...]) -> Kind:
    """A strategy of `kind` with its parameters. Raises ParameterFaults, and StrategyFault for a class that
    cannot be made or does not say how many bars it looks back."""
    strategy = faults_named(kind, kind.from_json, parameters, symbols)
    bars: Any = faults_named(kind, getattr, strategy, "warm_up_bars")
    if not isinstance(bars, int) or bars < 1:
        raise StrategyFault(kind.name, f"warm_up_bars must be a whole number of at least 1, was {bars!r}")
    return strategy


def decide(strategy: Strategy, view: BarView) -> BarDecision:
    """The strategy's decision on a bar. Raises StrategyFault unless it is one."""
    decision = faults_named(type(strategy), strategy.on_bar_closed, view)
    fault = _fault_of(decision)
    if fault is not None:
        raise StrategyFault(strategy.name, f"on_bar_closed {fault}", f"bar {view.now_ms} of {view.symbol}")
    return decision


def _fault_of(decision: Any) -> str | None:
    if not isinstance(decision, BarDecision):
        return f"must return a BarDecision, was {decision!r}"
    return _fault_of_intent(decision.intent)


def _fault_of_intent(intent: Any) -> str | None:
    if intent is None or isinstance(intent, Exit):
        return None
    if not isinstance(intent, Enter):
        return f"must intend Enter, Exit or None, was {intent!r}"
    side: Any = intent.side
    if not isinstance(side, Side):
        return f"must enter on Side.BUY or Side.SELL, was {side!r}"
    return _fault_of_plan(intent.exits)


def _fault_of_plan(plan: Any) -> str | None:
    if not isinstance(plan, ExitPlan):
        return f"must enter with an ExitPlan, was {plan!r}"
    distances: dict[str, Any] = {name: getattr(plan, name) for name in ExitPlan.__struct_fields__}
    for name, value in distances.items():
        if value is not None and not isinstance(value, (Decimal, int)):
            return f'must give {name} as a Decimal, such as Decimal("12.5"), was {value!r}'
    return None
