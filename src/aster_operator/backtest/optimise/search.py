"""The search: batches of trials proposed by Optuna, run by the sweep, stopped early where they fall behind.

A batch is one sweep. It walks forward through the history part by part; a trial whose profit so far is below
the median of earlier finished trials at the same point goes no further. Those that get through are run over
the whole searched history, and these numbers are what the sampler learns from.

Every trial draws from a generator of its own, seeded by the search's seed and its number, and looks at
finished batches alone: a search that was interrupted and goes on finds the same as one that was not.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, ParamGrid
from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.metrics import metric_columns
from aster_operator.backtest.optimise.space import Choice, Range, SearchSpace
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.results import code_version
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import SweepResult, run_grid_backtest
from aster_operator.backtest.validation.windows import equal_blocks

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study as OptunaStudy
    from optuna.trial import FrozenTrial, Trial

__all__ = ["OBJECTIVES", "SearchOptions", "SearchRun", "TrialRow", "search"]

OBJECTIVES = {
    "pnl": "total_pnl",
    "sharpe": "sharpe",
    "sortino": "sortino",
    "drawdown": "max_drawdown",
    "profit-factor": "profit_factor",
}
"""Names on the command line and the metrics they are; all are better when larger (drawdowns are negative)."""

_STARTUP_TRIALS = 32
"""So many are drawn at random, and none is stopped before so many have finished."""
_FINGERPRINT = "fingerprint"
_PRUNED = "pruned"


@dataclass(frozen=True)
class SearchOptions:
    """`objectives` are names of `OBJECTIVES`, the most wanted first. A trial with fewer than `min_trades`
    trades does not count. `parts` is how many pieces of history the walk goes through."""

    objectives: tuple[str, ...] = ("pnl", "drawdown")
    trials: int = 200
    batch: int = 16
    parts: int = 5
    min_trades: int = 30
    seed: int = 1


@dataclass(frozen=True)
class TrialRow:
    """One trial: its parameters in the order of `PARAMETERS`, its objectives (empty where it was stopped),
    and why it was stopped."""

    number: int
    values: tuple[float, ...]
    objectives: tuple[float, ...]
    stopped: str


@dataclass(frozen=True)
class SearchRun:
    """All trials of one symbol, and which of them no other beats in everything, the most wanted first."""

    trials: list[TrialRow]
    front: list[int]
    resumed: int


def search(
    space: SearchSpace,
    bars: Bars,
    options: SearchOptions,
    *,
    inputs_hash: str,
    semantics: str = "exchange",
    exchange: ExchangeOptions | None = None,
    storage: Path | None = None,
    workers: int | None = None,
    progress: Callable[[float], None] | None = None,
    run: Callable[[Bars, ParamGrid], SweepResult] | None = None,
) -> SearchRun:
    """Search `space` over `bars`.

    `storage` is a journal file that is made, or gone on with; without it nothing is kept. `run` does a sweep
    (default: here, with `workers` threads). Raises BacktestProblem for a storage of another search.
    """
    settled = exchange or ExchangeOptions()

    def sweep(some: Bars, grid: ParamGrid) -> SweepResult:
        return run_grid_backtest(some, grid, semantics=semantics, options=settled, workers=workers)

    fingerprint = _fingerprint(space, options, settled, semantics, inputs_hash, bars)
    study = _study(space.symbol, options, storage, fingerprint)
    one = _Search(space, bars, options, study, run or sweep)
    resumed = len(one.finished())
    done = resumed
    while done < options.trials:
        one.batch(done // options.batch)
        done = len(one.finished())
        if progress is not None:
            progress(min(1.0, done / options.trials))
    trials = one.finished()[: options.trials]
    rows = [_row(trial, space) for trial in trials]
    return SearchRun(rows, _front(rows), min(resumed, options.trials))


class _Search:
    def __init__(
        self,
        space: SearchSpace,
        bars: Bars,
        options: SearchOptions,
        study: OptunaStudy,
        sweep: Callable[[Bars, ParamGrid], SweepResult],
    ) -> None:
        self._space = space
        self._bars = bars
        self._options = options
        self._study = study
        self._sweep = sweep
        self._distributions = _distributions(space)
        self._parts = equal_blocks(len(bars), options.parts)

    def finished(self) -> list[FrozenTrial]:
        """Trials that were told, by number, as far as there is no hole."""
        found = []
        for trial in self._study.get_trials(deepcopy=False):
            if not trial.state.is_finished():
                break
            found.append(trial)
        return found

    def batch(self, number: int) -> None:
        """Propose, run and tell the trials of one batch, but for those an earlier run has told."""
        first = number * self._options.batch
        known = self._study.get_trials(deepcopy=False)
        waiting = []
        for at in range(first, first + self._options.batch):
            if at >= len(known):
                waiting.append(self._propose(at, None))
            elif not known[at].state.is_finished():
                waiting.append(self._propose(at, known[at]))
        values = np.array([_values(trial.params, self._space) for trial in waiting])
        earlier = [trial for trial in known[:first] if not trial.user_attrs.get(_PRUNED)]
        stopped, objectives = self._walk(values, earlier)
        for row, trial in enumerate(waiting):
            self._tell(trial, stopped[row], objectives[row])

    def _propose(self, number: int, begun: FrozenTrial | None) -> Trial:
        from optuna.samplers import TPESampler
        from optuna.trial import Trial

        self._study.sampler = TPESampler(
            n_startup_trials=_STARTUP_TRIALS,
            multivariate=True,
            constant_liar=True,
            seed=int(np.random.SeedSequence([self._options.seed, number]).generate_state(1)[0]),
        )
        if begun is None:
            return self._study.ask(self._distributions)
        trial = Trial(self._study, begun._trial_id)
        for name, distribution in self._distributions.items():
            trial._suggest(name, distribution)
        return trial

    def _walk(self, values: Floats, earlier: list[FrozenTrial]) -> tuple[list[str], list[list[float]]]:
        """Why each trial was stopped (empty: it was not) and its profit after each part; then, for those that
        got through, the objectives at the end of the list."""
        reached: list[list[float]] = [[] for _ in values]
        stopped = [""] * len(values)
        for part, (first, last) in enumerate(self._parts):
            alive = [row for row, why in enumerate(stopped) if not why]
            if not alive:
                break
            result = self._sweep(self._bars.window(first, last), ParamGrid.of_rows(values[alive]))
            limit = self._median(earlier, part)
            for row, pnl in zip(alive, metric_columns(result)["total_pnl"], strict=True):
                reached[row].append(float(pnl) + (reached[row][-1] if part else 0.0))
                if part + 1 < len(self._parts) and reached[row][-1] < limit:
                    stopped[row] = f"behind the median after part {part + 1}"
        alive = [row for row, why in enumerate(stopped) if not why]
        if alive:
            columns = metric_columns(self._sweep(self._bars, ParamGrid.of_rows(values[alive])))
            for place, row in enumerate(alive):
                if columns["n_trades"][place] < self._options.min_trades:
                    stopped[row] = f"{int(columns['n_trades'][place])} trades"
                reached[row] += [float(columns[OBJECTIVES[name]][place]) for name in self._options.objectives]
        return stopped, reached

    def _median(self, earlier: list[FrozenTrial], part: int) -> float:
        """What a trial must have after a part to go on; nobody is stopped while few have finished."""
        if len(earlier) < _STARTUP_TRIALS // 2:
            return -math.inf
        return float(np.median([trial.user_attrs["pnl_by_part"][part] for trial in earlier]))

    def _tell(self, trial: Trial, stopped: str, reached: list[float]) -> None:
        from optuna.trial import TrialState

        parts = len(self._parts)
        trial.set_user_attr("pnl_by_part", reached[:parts])
        objectives = reached[parts:]
        if not stopped and not all(math.isfinite(value) for value in objectives):
            stopped = "an objective is not a number"
        if stopped:
            trial.set_user_attr(_PRUNED, stopped)
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, objectives)


def _study(symbol: str, options: SearchOptions, path: Path | None, fingerprint: str) -> OptunaStudy:
    import optuna
    from optuna.storages import InMemoryStorage, JournalStorage

    from aster_operator.backtest.optimise.journal import open_journal

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        storage = InMemoryStorage() if path is None else JournalStorage(open_journal(path))
        study = optuna.create_study(
            storage=storage,
            study_name=symbol,
            directions=["maximize"] * len(options.objectives),
            load_if_exists=True,
        )
        known = study.user_attrs.get(_FINGERPRINT)
        if known is None:
            study.set_user_attr(_FINGERPRINT, fingerprint)
    except (OSError, ValueError, KeyError) as error:
        raise BacktestProblem(
            f"the search cannot be kept or read there ({getattr(error, 'strerror', None) or error})",
            str(path),
            "name another place",
        ) from None
    if known not in (None, fingerprint):
        raise BacktestProblem(
            "another search is kept there: its inputs, space, options or code were not these",
            f"{path}, {symbol}",
            "name another folder with --out, or delete the file",
        )
    return study


def _fingerprint(
    space: SearchSpace,
    options: SearchOptions,
    exchange: ExchangeOptions,
    semantics: str,
    inputs_hash: str,
    bars: Bars,
) -> str:
    """Of everything but the number of trials: more of them go on with the same search."""
    own = asdict(options)
    del own["trials"]
    facts = [space.as_json(), own, asdict(exchange), semantics, inputs_hash, len(bars), code_version()]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    found: dict[str, BaseDistribution] = {}
    for name in space.free:
        own = space.parameters[name]
        if isinstance(own, Range):
            found[name] = FloatDistribution(own.low, own.high, step=own.step, log=own.log)
        else:
            found[name] = CategoricalDistribution(own.values)
    return found


def _values(params: dict[str, Any], space: SearchSpace) -> tuple[float, ...]:
    fixed = {name: own.values[0] for name, own in space.parameters.items() if isinstance(own, Choice)}
    return tuple(float(params.get(name, fixed.get(name, math.nan))) for name in PARAMETERS)


def _row(trial: FrozenTrial, space: SearchSpace) -> TrialRow:
    return TrialRow(
        number=trial.number,
        values=_values(trial.params, space),
        objectives=tuple(trial.values or ()),
        stopped=str(trial.user_attrs.get(_PRUNED, "")),
    )


def _front(rows: list[TrialRow]) -> list[int]:
    """Numbers of the trials that no other equals or beats in every objective; of equal ones the first."""
    told = [row for row in rows if row.objectives]
    front = [
        row
        for row in told
        if not any(
            all(theirs >= own for theirs, own in zip(other.objectives, row.objectives, strict=True))
            and (other.objectives != row.objectives or other.number < row.number)
            for other in told
            if other.number != row.number
        )
    ]
    return [row.number for row in sorted(front, key=lambda row: tuple(-value for value in row.objectives))]
