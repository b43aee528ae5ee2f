"""`--pair` and what goes with it: which symbols make pairs of that kind, and sizes that fit them."""

from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["KINDS", "PairOption", "check_kind", "check_kind_on", "pair_defaults", "pairs_in"]

KINDS = ("same", "cross", "carry")

PairOption = Annotated[
    str | None,
    typer.Option("--pair", help="Kind of pair: same, cross (two perpetuals) or carry (spot and perpetual)."),
]


def check_kind(kind: str | None) -> dict[str, Any]:
    """The setting that `--pair` stands for; nothing without it. Raises BadParameter for another kind."""
    if kind is None:
        return {}
    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is not one of {', '.join(KINDS)}", param_hint="--pair")
    return {"PAIR_KIND": kind}


def check_kind_on(venue: str, kind: str) -> None:
    """Raises UserProblem for a kind that cannot be traded on the venue."""
    from aster_operator.config.problems import UserProblem

    if venue == "paper" and kind == "carry":
        raise UserProblem("paper trading has no spot market", "PAIR_KIND", "choose same or cross")


def pair_defaults(kind: str | None) -> dict[str, str]:
    """What suits the kind where nothing was set: spot is bought with money, not on margin, so that a carry
    pair of a size needs much more of it."""
    return {"MAX_POSITION_SIZE_PCT": "6"} if kind == "carry" else {}


def pairs_in(data: Path | None, kind: str) -> str:
    """TRADING_PAIRS for recorded data: BTCUSDT and ETHUSDT as far as they are there, else the first symbols
    that make a pair. Raises UserProblem for data without any."""
    from aster_operator.cli.sim_settings import default_symbols
    from aster_operator.config.problems import UserProblem
    from aster_operator.market_data.history import recorded_symbols

    symbols = default_symbols(data)
    if kind != "cross":
        return ",".join(symbols)
    others = [symbol for symbol in recorded_symbols(data) if symbol not in symbols]
    symbols = [*symbols, *others][:2]
    if len(symbols) < 2:
        raise UserProblem(
            f"a cross pair needs two symbols, the data have {', '.join(symbols) or 'none'}",
            "--pair cross",
            "give data of two symbols with --data, or choose --pair same",
        )
    return "/".join(symbols)
