"""The verdicts of a sweep, with a bar on a terminal while they are found."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aster_operator.cli.progress import progress_bars

if TYPE_CHECKING:
    from aster_operator.backtest.bars import Bars
    from aster_operator.backtest.cluster.dask import SweepCluster
    from aster_operator.backtest.sweep import SweepResult
    from aster_operator.backtest.validation.study import Study

__all__ = ["study_results"]


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
