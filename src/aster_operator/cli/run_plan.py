"""From the options of `run` to a plan: which strategies, on which symbols, with which parameters."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aster_operator.cli.pair_options import check_kind_on

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings
    from aster_operator.runtime.session_plan import SessionPlan

__all__ = [
    "PAIRS",
    "EnableTrading",
    "OnStop",
    "OrderNotional",
    "Params",
    "Strategies",
    "TradedSymbols",
    "plan_of",
    "strategy_names",
    "symbol_overrides",
    "true_or_false",
]

PAIRS = "delta-neutral"

Strategies = Annotated[
    str, typer.Option("--strategy", help="delta-neutral, midfreq, both (a,b), or your own: module:Class.")
]
TradedSymbols = Annotated[
    str | None,
    typer.Option("--symbols", help="Symbols to trade instead of TRADING_PAIRS, or of ASTER_SYMBOLS."),
]
EnableTrading = Annotated[
    str | None,
    typer.Option(
        "--enable-trading",
        "--enable_trading",
        metavar="BOOL",
        help="Of midfreq and your own: false only logs what it would do (ASTER_ENABLE_TRADING).",
    ),
]
OrderNotional = Annotated[
    str | None,
    typer.Option(
        "--order-notional",
        "--order_notional",
        metavar="USD",
        help="Size of their entries (ASTER_ORDER_NOTIONAL).",
    ),
]
OnStop = Annotated[
    str | None,
    typer.Option("--on-stop", help="At the end: keep hedged pairs, or flatten all (default: ON_STOP)."),
]
Params = Annotated[
    Path | None,
    typer.Option("--params", metavar="FILE", help="Their parameters, read again when it changes."),
]
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


def true_or_false(text: str | None, option: str) -> str | None:
    """The word `true` or `false` for what a person wrote, None for nothing. Raises BadParameter."""
    if text is None:
        return None
    word = text.strip().lower()
    if word not in _YES + _NO:
        raise typer.BadParameter(f"{text!r} is neither true nor false", param_hint=option)
    return "true" if word in _YES else "false"


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
    if plan.pairs:
        check_kind_on(settings.venue, settings.pair_kind)
    return plan
