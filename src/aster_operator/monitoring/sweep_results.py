"""The last sweep of the lab, as a report tells it: the best configurations, and what they are worth."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from aster_operator.config.problems import one_line

__all__ = ["Configuration", "LastSweep", "SweepJudgement", "last_sweep"]

_TOP = 5
_NO_RESULT = "configurations: no result of a sweep was found"


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ranking of a sweep, as it stands in its file. `biased`: its semantics fill on the bar
    that made the signal, which earns money out of noise."""

    symbol: str
    config_id: str
    total_pnl: float | None
    n_trades: int | None
    sharpe: float | None
    biased: bool = False


class SweepJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the best of a symbol's last sweep can be believed; `date` is that of its files, YYYYMMDD."""

    symbol: str
    date: str
    verdict: str
    line: str


class LastSweep(NamedTuple):
    """`missing` says what could not be looked at, and why."""

    configurations: list[Configuration]
    verdicts: list[SweepJudgement]
    missing: list[str]


def last_sweep(folder: Path | None) -> LastSweep:
    """The newest results of each symbol in `folder`: the best configurations, best first, and what they are
    worth."""
    files = [] if folder is None else [*folder.glob("backtest_results_*.csv")]
    files += [] if folder is None else [*folder.glob("backtest_results_*.parquet")]
    if not files:
        return LastSweep([], [], [_NO_RESULT])
    # Only here: without results nobody need wait for what reads tables.
    import polars as pl

    from aster_operator.backtest.saved_verdicts import read_results, saved_verdict

    newest: dict[str, tuple[str, Path]] = {}
    for path in files:
        symbol, _, date = path.stem.removeprefix("backtest_results_").rpartition("_")
        newest[symbol] = max(newest.get(symbol, ("", path)), (date, path))
    found = LastSweep([], [], [])
    for symbol, (date, path) in sorted(newest.items()):
        try:
            table = read_results(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            found.missing.append(f"results of {symbol}: {path} cannot be read ({one_line(str(error))})")
            continue
        found.configurations.extend(
            _configuration(symbol, row) for row in table.head(_TOP).iter_rows(named=True)
        )
        verdict = saved_verdict(path, table)
        if verdict is None:
            found.missing.append(f"a verdict on {symbol}: none that was found on {path.name} lies beside it")
            continue
        found.verdicts.append(
            SweepJudgement(symbol=symbol, date=date, verdict=verdict.verdict, line=verdict.line)
        )
    if not found.configurations:
        found.missing.append(_NO_RESULT)
    return found


def _configuration(symbol: str, row: dict[str, Any]) -> Configuration:
    trades = row.get("n_trades")
    return Configuration(
        symbol=symbol,
        config_id=str(row.get("config_id")),
        total_pnl=_finite(row.get("total_pnl")),
        n_trades=None if trades is None else int(trades),
        sharpe=_finite(row.get("sharpe")),
        biased=row.get("semantics") == "vectorbt",
    )


def _finite(value: object) -> float | None:
    """A number, or None: JSON knows no infinity."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
