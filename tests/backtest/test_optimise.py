"""`backtest optimise`: the same again, going on after an interruption, early stops, the front, refusals."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, ParamGrid
from aster_operator.backtest.metrics import metric_columns
from aster_operator.backtest.optimise.search import SearchOptions, SearchRun, search
from aster_operator.backtest.optimise.space import Choice, Range, SearchSpace, read_space
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.sweep import SweepResult, run_grid_backtest
from aster_operator.backtest.validation.windows import equal_blocks
from aster_operator.cli.entry import main

from .inputs_files import frame_of
from .logs import write_logs
from .markets import random_bars, space

WINDOWS = {"T": [10, 30], "V": [10, 30]}
OPTIONS = SearchOptions(trials=56, batch=8, parts=3, min_trades=5, seed=3)
BARS = random_bars(1_500, 11)


def ranges(**changes: Any) -> dict[str, Any]:
    """A space with ranges, a raster, sizes and lists."""
    lists: dict[str, Any] = {name: values[:1] for name, values in space().items()}
    return (
        lists
        | {
            "k": {"low": 0.3, "high": 1.5},
            "T": {"low": 5, "high": 100},
            "n": [0.5, 0.8],
            "tp_bps": {"low": 10, "high": 100, "log": True},
            "sl_bps": {"low": 10, "high": 50, "step": 5},
        }
        | changes
    )


def write_space(folder: Path, params: dict[str, Any], symbol: str = "BTCUSDT") -> Path:
    path = folder / "space.json"
    path.write_text(json.dumps({"symbols": {symbol: {"params": params}}}))
    return path


@pytest.fixture
def own(tmp_path: Path) -> SearchSpace:
    (found,) = read_space(write_space(tmp_path, ranges()), WINDOWS)
    return found


def found_by(own: SearchSpace, storage: Path | None = None, **more: Any) -> SearchRun:
    return search(
        own, BARS, more.pop("options", OPTIONS), inputs_hash="x", storage=storage, workers=1, **more
    )


def test_a_space_is_read_as_it_is_meant(own: SearchSpace) -> None:
    assert own.parameters["k"] == Range(0.3, 1.5)
    assert own.parameters["T"] == Choice((10.0, 30.0))
    assert own.parameters["tp_bps"] == Range(10.0, 100.0, log=True)
    assert own.parameters["sl_bps"] == Range(10.0, 50.0, step=5.0)
    assert own.free == ["k", "T", "n", "tp_bps", "sl_bps"]


def test_trials_keep_to_the_space_and_repeat(own: SearchSpace) -> None:
    run = found_by(own)
    assert [row.number for row in run.trials] == list(range(OPTIONS.trials))
    columns = dict(zip(PARAMETERS, np.array([row.values for row in run.trials]).T, strict=True))
    assert 0.3 <= columns["k"].min() < columns["k"].max() <= 1.5
    assert set(columns["T"]) == {10.0, 30.0}
    assert set(columns["sl_bps"] % 5) == {0.0}
    assert set(columns["V"]) == {10.0}
    assert found_by(own) == run
    assert found_by(own, options=SearchOptions(trials=56, batch=8, parts=3, min_trades=5, seed=4)) != run


def test_objectives_are_those_of_a_sweep_over_all_bars(own: SearchSpace) -> None:
    run = found_by(own)
    told = [row for row in run.trials if row.objectives]
    assert len(told) > 8
    grid = ParamGrid.of_rows(np.array([row.values for row in told]))
    metrics = metric_columns(run_grid_backtest(BARS, grid, workers=1))
    for at, name in enumerate(("total_pnl", "max_drawdown")):
        assert [row.objectives[at] for row in told] == pytest.approx(metrics[name].tolist())
    assert min(metrics["n_trades"]) >= OPTIONS.min_trades


def test_who_is_stopped_had_fallen_behind(own: SearchSpace) -> None:
    run = found_by(own)
    stopped = [row for row in run.trials if row.stopped.startswith("behind")]
    assert stopped
    grid = ParamGrid.of_rows(np.array([row.values for row in run.trials]))
    parts = equal_blocks(len(BARS), OPTIONS.parts)
    reached = np.cumsum(
        [
            metric_columns(run_grid_backtest(BARS.window(*part), grid, workers=1))["total_pnl"]
            for part in parts
        ],
        axis=0,
    )
    for row in stopped:
        part = int(row.stopped[-1]) - 1
        first_of_batch = row.number - row.number % OPTIONS.batch
        earlier = [other.number for other in run.trials[:first_of_batch] if not other.stopped]
        assert len(earlier) >= 16
        assert reached[part, row.number] < np.median(reached[part, earlier])


def test_nobody_on_the_front_is_beaten(own: SearchSpace) -> None:
    run = found_by(own)
    by_number = {row.number: row.objectives for row in run.trials if row.objectives}
    assert run.front
    for number, mine in by_number.items():
        beaten = any(
            all(theirs >= own for theirs, own in zip(other, mine, strict=True)) and other != mine
            for other in by_number.values()
        )
        twins = [at for at, other in by_number.items() if other == mine]
        assert (number in run.front) == (not beaten and number == twins[0])
    firsts = [by_number[number][0] for number in run.front]
    assert firsts == sorted(firsts, reverse=True)


@pytest.mark.parametrize("sweeps", [1, 3, 4, 9, 17])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(
    own: SearchSpace, tmp_path: Path, sweeps: int
) -> None:
    left = [sweeps]

    def until_killed(some: Bars, grid: ParamGrid) -> SweepResult:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return run_grid_backtest(some, grid, workers=1)

    with pytest.raises(KeyboardInterrupt):
        found_by(own, tmp_path / "journal", run=until_killed)
    whole = found_by(own)
    again = found_by(own, tmp_path / "journal")
    assert (again.trials, again.front) == (whole.trials, whole.front)


def test_a_search_killed_between_two_trials_goes_on(own: SearchSpace, tmp_path: Path) -> None:
    few = SearchOptions(trials=8, batch=8, parts=3, min_trades=5, seed=3)
    found_by(own, tmp_path / "journal", options=few)
    # The file ends where the process died: in the middle of telling the first batch.
    lines = (tmp_path / "journal").read_bytes().splitlines(keepends=True)
    for kept in (len(lines) - 3, len(lines) // 2):
        (tmp_path / f"cut{kept}").write_bytes(b"".join(lines[:kept]))
        assert found_by(own, tmp_path / f"cut{kept}", options=few).trials == found_by(own, options=few).trials


def test_a_lock_left_by_a_killed_search_holds_nobody_up(
    own: SearchSpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Optuna leaves it: a link beside the journal, leading nowhere where the folder is relative."""
    monkeypatch.chdir(tmp_path)
    few = SearchOptions(trials=8, batch=8, parts=3, min_trades=5, seed=3)
    Path("found").mkdir()
    os.symlink("found/journal", "found/journal.lock")
    assert found_by(own, Path("found/journal"), options=few).trials == found_by(own, options=few).trials


def test_a_line_that_a_full_disk_cut_short_is_told_again(own: SearchSpace, tmp_path: Path) -> None:
    few = SearchOptions(trials=8, batch=8, parts=3, min_trades=5, seed=3)
    journal = tmp_path / "journal"
    found_by(own, journal, options=few)
    journal.write_bytes(journal.read_bytes()[:-20])
    again = found_by(own, journal)
    assert again.trials == found_by(own).trials
    assert found_by(own, journal).trials == again.trials


def test_more_trials_go_on_with_the_same_search(own: SearchSpace, tmp_path: Path) -> None:
    few = SearchOptions(trials=24, batch=8, parts=3, min_trades=5, seed=3)
    first = found_by(own, tmp_path / "journal", options=few)
    more = found_by(own, tmp_path / "journal")
    assert more.resumed == 24
    assert more.trials[:24] == first.trials
    assert more.trials == found_by(own).trials
    with pytest.raises(BacktestProblem, match="another search is kept there"):
        found_by(own, tmp_path / "journal", options=SearchOptions(trials=8, seed=9))


# --- the command ------------------------------------------------------------------------------------------


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    frame_of(BARS).write_csv(tmp_path / "inputs.csv")
    return tmp_path / "inputs.csv"


def optimise(inputs: Path, space_file: Path, out: Path, *more: str) -> int:
    arguments = ["--inputs", str(inputs), "--space", str(space_file), "--out", str(out), "--workers", "1"]
    return main(["backtest", "optimise", *arguments, *more])


QUICK = ("--trials", "24", "--batch", "8", "--parts", "3", "--min-trades", "5")


def test_what_a_search_leaves_and_prints(
    tmp_path: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    command = (*QUICK, "--objectives", "sharpe,drawdown", "--json")
    assert optimise(inputs, write_space(tmp_path, ranges()), out, *command) == 0
    answer = json.loads(capsys.readouterr().out)
    found = answer["symbols"]["BTCUSDT"]
    assert (found["trials"], found["resumed"]) == (24, 0)
    assert answer["verdicts"]["BTCUSDT"]["verdict"] in {"noise", "fragile", "robust"}
    best = found["front"][0]
    assert answer["verdicts"]["BTCUSDT"]["config_id"] == f"trial_{best['trial']}"
    assert best["objectives"]["sharpe"] == best["searched"]["sharpe"]
    assert best["unseen"]["n_trades"] >= 0
    assert answer["verdicts"]["BTCUSDT"]["evidence"]["plateau_score"] is not None
    table = pl.read_csv(answer["trials"][0])
    assert table.height == 24
    assert table.filter("on_front")["trial"].to_list() == sorted(row["trial"] for row in found["front"])
    sweep = ["backtest", "sweep", "--inputs", str(inputs), "--grid", *answer["best_grid"]]
    assert main([*sweep, "--out", str(tmp_path / "swept"), "--no-verdict", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["configs"] == 1
    assert optimise(inputs, tmp_path / "space.json", out, *command) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["symbols"]["BTCUSDT"]["resumed"] == 24
    del again["seconds"], answer["seconds"], again["symbols"]["BTCUSDT"]["resumed"], found["resumed"]
    assert again == answer


def test_who_stops_a_search_learns_how_to_go_on(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_arguments: object, **_more: object) -> None:
        raise KeyboardInterrupt

    file, out = write_space(tmp_path, ranges()), tmp_path / "found"
    with monkeypatch.context() as patched:
        patched.setattr("aster_operator.backtest.optimise.outcome.judge_search", stopped)
        assert optimise(inputs, file, out, "--trials", "8", "--batch", "4", "--parts", "3") == 130
    assert f"stopped; the same command goes on from {out / 'optimise.journal'}" in capsys.readouterr().err
    assert optimise(inputs, file, out, "--trials", "8", "--batch", "4", "--parts", "3", "--json") == 0
    assert json.loads(capsys.readouterr().out)["symbols"]["BTCUSDT"]["resumed"] == 8


def test_exits_of_trials_are_resolved_on_finer_prices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The trial that is found earns in a sweep with the same finer prices what the search says."""
    write_logs(tmp_path / "logs", 500, 4)
    inputs = tmp_path / "made.csv"
    features = ["backtest", "features", "--log-dir", str(tmp_path / "logs"), "--windows", "10,30,60"]
    assert main([*features, "--out-csv", str(inputs)]) == 0
    fine = ["--fine-log-dir", str(tmp_path / "logs")]
    file = write_space(tmp_path, ranges())
    command = ("--trials", "12", "--batch", "6", "--parts", "3", "--min-trades", "1", "--holdout-pct", "0")
    found = []
    for number, more in enumerate(([], fine)):
        capsys.readouterr()
        assert optimise(inputs, file, tmp_path / f"found{number}", *command, *more, "--json") == 0
        found.append(json.loads(capsys.readouterr().out))
    coarse, finer = (answer["symbols"]["BTCUSDT"]["front"][0] for answer in found)
    assert coarse["searched"] != finer["searched"]
    swept = ["backtest", "sweep", "--inputs", str(inputs), "--grid", *found[1]["best_grid"], *fine]
    assert main([*swept, "--out", str(tmp_path / "swept"), "--no-verdict", "--json"]) == 0
    table = pl.read_csv(json.loads(capsys.readouterr().out)["results"][0])
    assert table["n_trades"][0] == finer["searched"]["n_trades"] > 0
    assert table["total_pnl"][0] == pytest.approx(finer["searched"]["total_pnl"])
    other = optimise(inputs, file, tmp_path / "found0", *command, *fine)
    assert (other, "another search is kept there" in capsys.readouterr().err) == (2, True)


def test_a_readable_answer_says_what_luck_is(
    tmp_path: Path, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = (*QUICK, "--semantics", "vectorbt", "--holdout-pct", "0")
    assert optimise(inputs, write_space(tmp_path, ranges()), tmp_path / "found", *more) == 0
    printed = capsys.readouterr().out
    assert "biased" in printed
    assert "independent ones" in printed
    assert "BTCUSDT: " in printed


def test_when_no_trial_trades(tmp_path: Path, inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    never = write_space(tmp_path, ranges(k={"low": 1e5, "high": 1e6}))
    assert optimise(inputs, never, tmp_path / "found", *QUICK) == 0
    assert "no trial got through: 0 trades" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("params", "more", "complaint"),
    [
        (ranges(k={"low": 2, "high": 1}), [], "low 2 is not below high 1"),
        (ranges(k={"low": 0, "high": 1}), [], "symbols.BTCUSDT.params.k"),
        (ranges(k={"low": 1}), [], "None is not a number"),
        (ranges(k={"low": 1, "high": 2, "size": 1}), [], "unknown key"),
        (ranges(k={"low": 1, "high": 2, "step": 5}), [], "is not a step within the range"),
        (ranges(k={"low": 1, "high": 2, "step": 0.5, "log": True}), [], "log needs a low above 0"),
        (ranges(k={"low": 1, "high": 2, "log": 1}), [], "1 is not true or false"),
        (ranges(T={"low": 50, "high": 60}), [], "the inputs have no window in the range, only 10, 30"),
        (ranges(q={"low": 1, "high": 2}), [], "unknown parameter"),
        ({name: values[:1] for name, values in space().items()}, [], "there is nothing to search"),
        (ranges(), ["--objectives", "glory"], "'glory' is not one of pnl"),
        (ranges(), ["--objectives", "pnl,pnl"], "an objective is named twice"),
        (ranges(), ["--symbols", "XRPUSDT"], "XRPUSDT is not in the space"),
        (ranges(), ["--semantics", "dream"], "'dream' is not one of exchange"),
        (ranges(), ["--parts", "20"], "bars to search, fewer than 2,000"),
        (ranges(), ["--trials", "0"], "--trials"),
        (ranges(), ["--fine-log-dir", "nowhere"], "the folder is not there"),
        (ranges(), ["--fine-log-dir", "nowhere", "--semantics", "vectorbt"], "resolved on bars"),
    ],
)
def test_refusals_are_one_line_and_leave_nothing(
    tmp_path: Path,
    inputs: Path,
    params: dict[str, Any],
    more: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert optimise(inputs, write_space(tmp_path, params), tmp_path / "found", *more) == 2
    printed = capsys.readouterr()
    assert complaint in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "found").exists()


@pytest.mark.parametrize("spoil", [lambda out: out.write_text(""), lambda out: out.mkdir()])
def test_a_place_that_holds_something_else(
    tmp_path: Path, inputs: Path, spoil: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    spoil(out)
    if out.is_dir():
        (out / "optimise.journal").write_text("no journal\n")
    assert optimise(inputs, write_space(tmp_path, ranges()), out, *QUICK) == 2
    assert capsys.readouterr().err.count("\n") == 1
