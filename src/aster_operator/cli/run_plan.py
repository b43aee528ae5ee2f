"""From the options of `run` to a plan: which strategies, on which symbols, with which parameters."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings
    from aster_operator.runtime.session_plan import SessionPlan

__all__ = ["PAIRS", "flag", "plan_of", "strategy_names", "symbol_overrides"]

PAIRS = "delta-neutral"
_YES, _NO = ("true", "1", "yes", "y"), ("false", "0", "no", "n")


def strategy_names(text: str) -> tuple[str, ...]:
    """The names in a comma list, each once. Raises BadParameter for none."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise typer.BadParameter("name at least one strategy", param_hint="--strategy")
    if sum(name != PAIRS for name in names) > 1:
        raise typer.BadParameter(
            f"{text!r}: beside {PAIRS} one other strategy runs in a session", param_hint="--strategy"
        )
    return names


def flag(text: str | None, option: str) -> bool | None:
    """true or false as people write it, None for not given. Raises BadParameter."""
    if text is None:
        return None
    word = text.strip().lower()
    if word not in _YES + _NO:
        raise typer.BadParameter(f"{text!r} is neither true nor false", param_hint=option)
    return word in _YES


def symbol_overrides(names: tuple[str, ...], symbols: str | None) -> dict[str, str | None]:
    """Where `--symbols` goes: to the pairs when they run alone, else to the other strategy."""
    return {"TRADING_PAIRS" if names == (PAIRS,) else "ASTER_SYMBOLS": symbols}


def plan_of(settings: "Settings", names: tuple[str, ...], params: Path | None) -> "SessionPlan":
    """Raises UserProblem for strategies, symbols or parameters that cannot be used together."""
    from aster_operator.runtime.parameter_file import ParameterFile
    from aster_operator.runtime.session_plan import BarStrategy, SessionPlan

    chosen = params or (Path(settings.midfreq_config_file) if settings.midfreq_config_file else None)
    plan = SessionPlan(
        pairs=settings.symbols if PAIRS in names else (),
        bar_strategies=tuple(
            BarStrategy(
                strategy=name,
                symbols=tuple(settings.midfreq_symbols),
                parameters=None if chosen is None else ParameterFile(chosen).text,
                parameters_file=chosen,
                enable_trading=settings.midfreq_enable_trading,
            )
            for name in names
            if name != PAIRS
        ),
    )
    plan.check()
    return plan
