"""The verdict of a sweep for people and for scripts."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aster_operator.backtest.bars import Bars
    from aster_operator.backtest.sweep import SweepResult
    from aster_operator.backtest.validation.study import Study

__all__ = ["study_results", "verdict_json"]


def study_results(
    results: "Sequence[SweepResult]", bars: "Sequence[Bars]", *, seed: int, workers: int | None
) -> "list[Study]":
    """A study of each symbol's best configuration, with a bar on a terminal while it takes its time."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from aster_operator.backtest.validation.study import StudyOptions, study_sweep

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    studies = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        for result, own in zip(results, bars, strict=True):
            task = progress.add_task(f"{result.symbol}: can it be believed?", total=1.0)
            studies.append(
                study_sweep(
                    result,
                    own,
                    StudyOptions(seed=seed),
                    workers=workers,
                    progress=lambda share, task=task: progress.update(task, completed=share),  # type: ignore[misc]
                )
            )
    return studies


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
