"""Verdicts as files: each beside its results, with the hashes that tie it to them.

`backtest_verdict_<SYMBOL>_<DATE>.json` says what the best configuration of
`backtest_results_<SYMBOL>_<DATE>` is worth; beside other results of the same name it says nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import polars as pl

    from aster_operator.backtest.sweep import SweepResult
    from aster_operator.backtest.validation.study import Study

__all__ = ["SavedVerdict", "read_results", "saved_verdict", "verdict_files", "verdict_json"]

_TEXT_COLUMNS = ("config_id", "symbol", "inputs_hash", "grid_hash", "code_version")


class SavedVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the best of a sweep can be believed: robust, fragile or noise, and why in one line."""

    verdict: str
    line: str
    inputs_hash: str
    grid_hash: str


def verdict_json(study: Study) -> dict[str, Any]:
    """The verdict with the numbers behind it; null is what could not be measured."""
    evidence = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(study.evidence).items()
    }
    return {
        "verdict": str(study.judgement.verdict),
        "line": study.judgement.line(study.symbol),
        "config_id": study.best,
        "reasons": list(study.judgement.reasons),
        "evidence": evidence,
    }


def verdict_files(
    studies: Sequence[Study], results: Sequence[SweepResult], folder: Path, date: str, inputs_hash: str
) -> dict[Path, Callable[[Path], None]]:
    """The file of each verdict, and how it is written; `date` is YYYYMMDD, as in the names of the results."""
    from aster_operator.backtest.results import Provenance

    by_symbol = {result.symbol: result for result in results}
    return {
        folder / f"backtest_verdict_{study.symbol}_{date}.json": partial(
            _write,
            json.dumps(
                verdict_json(study) | asdict(Provenance.of(inputs_hash, by_symbol[study.symbol])), indent=1
            ),
        )
        for study in studies
    }


def read_results(path: Path) -> pl.DataFrame:
    """A result table as it was written; hashes and names stay text, also where they look like numbers.

    Raises polars' errors and OSError.
    """
    import polars as pl

    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    header = pl.read_csv(path, n_rows=0).columns
    return pl.read_csv(path, schema_overrides={name: pl.String for name in _TEXT_COLUMNS if name in header})


def saved_verdict(path: Path, results: pl.DataFrame) -> SavedVerdict | None:
    """What lies beside the results at `path`, if it was found on just these; None otherwise."""
    name = path.stem.replace("backtest_results_", "backtest_verdict_", 1)
    try:
        found = msgspec.json.decode(path.with_name(f"{name}.json").read_bytes(), type=SavedVerdict)
    except (OSError, msgspec.MsgspecError):
        return None
    for column, value in (("inputs_hash", found.inputs_hash), ("grid_hash", found.grid_hash)):
        if column not in results.columns or not results.height or results[column][0] != value:
            return None
    return found


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")
