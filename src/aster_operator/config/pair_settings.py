"""What is held against what: the kind of pair, and how two perpetuals are weighed against each other."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator
from pydantic_settings import NoDecode

from aster_operator.config.fields import parse_symbol, setting, split_list

__all__ = ["PairKind", "PairSettings", "TradingPairs", "cross_pairs", "pair_problems", "perpetuals"]

PairKind = Literal["same", "cross", "carry"]
_STROKE = "/"
_DOLLARS = frozenset({"USDT", "USDC", "USD1", "USDF", "USD"})


def _parse_trading_pairs(value: object) -> object:
    """Symbols, or two joined by a stroke; every symbol once."""
    items = split_list(value)
    if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
        raise ValueError("is no list of symbols")
    if not items:
        raise ValueError("names no symbol")
    for item in items:
        if item.upper().split(_STROKE)[-1].strip() in _DOLLARS:
            # BTC/USDT is how others write BTCUSDT, not two symbols.
            raise ValueError(f"{item!r} is no symbol")
    entries = tuple(_STROKE.join(parse_symbol(part) for part in item.split(_STROKE)) for item in items)
    for entry in entries:
        if entry.count(_STROKE) > 1:
            raise ValueError(f"{entry!r} names more than two symbols")
    symbols = [part for entry in entries for part in entry.split(_STROKE)]
    if len(set(symbols)) != len(symbols):
        raise ValueError("names a symbol twice")
    return entries


TradingPairs = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parse_trading_pairs)]


class PairSettings(BaseModel):
    """Which legs make a pair."""

    trading_pairs: TradingPairs = setting(
        "TRADING_PAIRS",
        ("BTCUSDT",),
        "Symbols to trade; of PAIR_KIND=cross the two of each pair, joined by a stroke",
        form='a list of symbols, ["BTCUSDT","ETHUSDT"] or BTCUSDT,ETHUSDT; '
        "for PAIR_KIND=cross BTCUSDT/ETHUSDT",
    )
    pair_kind: PairKind = setting(
        "PAIR_KIND",
        "same",
        "Legs of a pair: LONG and SHORT of one perpetual, two perpetuals, or spot LONG and perpetual SHORT",
    )
    hedge_ratio_window_min: int = setting(
        "HEDGE_RATIO_WINDOW_MIN",
        480,
        "Latest minutes that the hedge ratio of a cross pair is estimated from",
        unit="minutes",
        ge=30,
        le=1_400,
    )
    hedge_ratio_min: Decimal = setting(
        "HEDGE_RATIO_MIN",
        Decimal("0.33"),
        "A cross pair is hedged by no less than this, whatever the estimate says",
        unit="% the first symbol moves for 1 % of the second",
        gt=0,
        le=1,
    )
    hedge_ratio_max: Decimal = setting(
        "HEDGE_RATIO_MAX",
        Decimal(3),
        "A cross pair is hedged by no more than this, whatever the estimate says",
        unit="% the first symbol moves for 1 % of the second",
        ge=1,
        le=20,
    )
    hedge_min_correlation: Decimal = setting(
        "HEDGE_MIN_CORRELATION",
        Decimal("0.5"),
        "No cross pair is opened of symbols whose minute returns move together less than this",
        unit="correlation, 1 is in step",
        ge=0,
        le=1,
    )


def perpetuals(trading_pairs: Sequence[str]) -> tuple[str, ...]:
    """Every perpetual of TRADING_PAIRS, once."""
    return tuple(part for entry in trading_pairs for part in entry.split(_STROKE))


def cross_pairs(trading_pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The two symbols of each cross pair; a list without strokes is read two by two."""
    symbols = perpetuals(trading_pairs)
    return tuple(zip(symbols[::2], symbols[1::2], strict=True))


def pair_problems(kind: PairKind, trading_pairs: Sequence[str]) -> list[tuple[str, str]]:
    """(reason, remedy) where TRADING_PAIRS does not fit PAIR_KIND."""
    joined = [entry for entry in trading_pairs if _STROKE in entry]
    if kind != "cross":
        if not joined:
            return []
        return [
            (
                f"joins two symbols ({joined[0]}), which PAIR_KIND={kind} does not",
                "set PAIR_KIND=cross, or name the symbols one by one",
            )
        ]
    if joined and len(joined) < len(trading_pairs):
        alone = next(entry for entry in trading_pairs if _STROKE not in entry)
        return [(f"names {alone} without the symbol it is held against", f"write {alone}/OTHER")]
    if len(perpetuals(trading_pairs)) % 2:
        return [
            (
                f"names an odd number of symbols ({len(trading_pairs)}), which make no pairs of two",
                "join the two of each pair, as in BTCUSDT/ETHUSDT",
            )
        ]
    return []
