"""The verdict of a sweep for people and for scripts."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aster_operator.cli.progress import progress_bars

if TYPE_CHECKING:
    from aster_operator.backtest.bars import Bars
    from aster_operator.backtest.cluster.dask import SweepCluster
    from aster_operator.backtest.sweep import SweepResult
    from aster_operator.backtest.validation.study import Study

__all__ = ["study_results", "verdict_json", "write_verdicts"]


def study_results(
    results: "Sequence[SweepResult]",
    bars: "Sequence[Bars]",
    *,
    seed: int,
    workers: int | None,
    cluster: "SweepCluster | None" = None,
) -> "list[Study]":
    """A study of each symbol's best configuration, with a bar on a terminal while it takes its time."""
    from aster_operator.backtest.validation.study import StudyOptions, study_periods, study_sweep

    options = StudyOptions(seed=seed)
    studies = []
    with progress_bars() as bar:
        for result, own in zip(results, bars, strict=True):
            advance = bar(f"{result.symbol}: can it be believed?")
            far = None
            if cluster is not None:
                far = cluster.period_pnl(result, own, study_periods(result, own, options), progress=advance)
            studies.append(
                study_sweep(result, own, options, period_pnl=far, workers=workers, progress=advance)
            )
    return studies


def write_verdicts(
    studies: "Sequence[Study]", results: "Sequence[SweepResult]", folder: Path, date: str, inputs_hash: str
) -> list[Path]:
    """Write each verdict beside its results, with the hashes that tie it to them, so that the Lab page shows
    it. Returns the paths. Raises BacktestProblem."""
    from aster_operator.backtest.results import Provenance
    from aster_operator.backtest.tables import replace_files

    by_symbol = {result.symbol: result for result in results}
    files: dict[Path, Callable[[Path], None]] = {}
    for study in studies:
        provenance = Provenance.of(inputs_hash, by_symbol[study.symbol])
        text = json.dumps(verdict_json(study) | asdict(provenance), indent=1)
        path = folder / f"backtest_verdict_{study.symbol}_{date}.json"
        files[path] = partial(_write, text)
    if files:
        replace_files(files)
    return list(files)


def _write(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8")


def verdict_json(study: "Study") -> dict[str, Any]:
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
