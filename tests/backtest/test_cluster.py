"""The sweep on a cluster: the same with 1, 2 and 8 workers and with one killed; refusals."""

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from distributed import Client, LocalCluster

from aster_operator.backtest import make_param_grid, run_grid_backtest
from aster_operator.backtest.cluster import dask as cluster_module
from aster_operator.backtest.cluster.dask import SweepCluster, connect_cluster
from aster_operator.backtest.cluster.pieces import (
    Job,
    bars_from_parquet,
    bars_to_parquet,
    blocks_of,
    rows_to_parquet,
    run_piece,
    whole_result,
)
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.validation.study import StudyOptions, study_periods, study_sweep
from aster_operator.cli.entry import main

from .inputs_files import frame_of
from .markets import random_bars, space

pytestmark = pytest.mark.filterwarnings("default")
"""Dask warns of what a busy machine does to it."""

GRID = make_param_grid(space(k=[0.5, 0.8], n=[0.5]))
JOBS = [
    Job(random_bars(900, seed, symbol=name), GRID, ExchangeOptions(fee_bps=2.0))
    for seed, name in ((1, "BTCUSDT"), (2, "ETHUSDT"))
]


@contextmanager
def cluster_of(workers: int, *, processes: bool = False) -> Iterator[str]:
    with LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=processes,
        dashboard_address=":0",
        host="127.0.0.1",
        protocol="tcp",
        silence_logs=50,
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def processes() -> Iterator[str]:
    """Two workers that are processes of their own and can be killed."""
    with cluster_of(2, processes=True) as address:
        yield address


def here(semantics: str) -> list[np.ndarray]:
    return [
        run_grid_backtest(job.bars, job.grid, semantics=semantics, options=job.options, workers=1).totals
        for job in JOBS
    ]


def far(cluster: SweepCluster, semantics: str, **more: Any) -> list[np.ndarray]:
    return [result.totals for result in cluster.sweep(JOBS, semantics, block=5, **more)]


# --- pieces ---------------------------------------------------------------------------------------------


def test_bars_travel_bit_by_bit() -> None:
    bars = JOBS[0].bars
    back = bars_from_parquet(bars_to_parquet(bars))
    for field in fields(bars):
        before, after = getattr(bars, field.name), getattr(back, field.name)
        if isinstance(before, np.ndarray):
            assert before.tobytes() == after.tobytes(), field.name
        elif field.name in ("volatility_bps", "average_volume"):
            assert before.keys() == after.keys()
            assert all(before[size].tobytes() == after[size].tobytes() for size in before)
        else:
            assert before == after


@pytest.mark.parametrize("semantics", ["exchange", "vectorbt"])
@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_pieces_of_any_size_make_the_whole(semantics: str, size: int) -> None:
    job = JOBS[0]
    sent = bars_to_parquet(job.bars)
    pieces = [
        run_piece(sent, rows_to_parquet(job.grid.values[rows]), semantics, job.options, None)
        for rows in blocks_of(job.grid, size)
    ]
    joined = whole_result(job, semantics, pieces)
    whole = run_grid_backtest(job.bars, job.grid, semantics=semantics, options=job.options)
    assert joined.totals.tobytes() == whole.totals.tobytes()
    assert np.array_equal(joined.signal_counts, whole.signal_counts)
    assert (joined.bars, joined.config_ids, joined.capital_usd) == (
        whole.bars,
        whole.config_ids,
        whole.capital_usd,
    )


# --- workers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 8])
def test_any_number_of_workers_gives_the_same(workers: int) -> None:
    expected = here("exchange")
    shares: list[float] = []
    with cluster_of(workers) as address, connect_cluster(address) as cluster:
        found = far(cluster, "exchange", progress=shares.append)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.parametrize("semantics", ["exchange", "vectorbt"])
def test_two_processes_give_the_same_and_the_same_verdict(processes: str, semantics: str) -> None:
    job, options = JOBS[0], StudyOptions(resamples=100)
    result = run_grid_backtest(job.bars, job.grid, semantics=semantics, options=job.options, workers=1)
    study = study_sweep(result, job.bars, options, workers=1)
    with connect_cluster(processes) as cluster:
        found = far(cluster, semantics)
        pnl = cluster.period_pnl(result, job.bars, study_periods(result, job.bars, options))
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, here(semantics), strict=True))
    assert np.array_equal(pnl, study.period_pnl)
    assert study_sweep(result, job.bars, options, period_pnl=pnl).judgement == study.judgement


def test_a_worker_that_is_killed_costs_only_its_tasks(processes: str) -> None:
    killed: list[int] = []

    with connect_cluster(processes) as cluster, Client(processes, set_as_default=False) as other:

        def kill_one(share: float) -> None:
            if not killed and share > 0.2:
                killed.append(next(iter(other.run(os.getpid).values())))
                os.kill(killed[0], signal.SIGKILL)

        found = far(cluster, "exchange", progress=kill_one)
    assert killed
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, here("exchange"), strict=True))


def test_the_command_writes_the_same_files(
    processes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pl.concat([frame_of(job.bars) for job in JOBS]).write_parquet(tmp_path / "inputs.parquet")
    lists = space(k=[0.5, 0.8], n=[0.5])
    grid = {"symbols": {name: {"params": lists} for name in ("BTCUSDT", "ETHUSDT")}}
    (tmp_path / "grid.json").write_text(json.dumps(grid))
    answers, contents = [], []
    for name, more in (("here", ()), ("far", ("--cluster", processes))):
        out = tmp_path / name
        command = ["--inputs", str(tmp_path / "inputs.parquet"), "--grid", str(tmp_path / "grid.json")]
        assert main(["backtest", "sweep", *command, "--out", str(out), "--json", *more]) == 0
        answers.append(json.loads(capsys.readouterr().out)["verdicts"])
        contents.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert answers[0] == answers[1]
    assert contents[0] == contents[1]
    search = {"BTCUSDT": {"params": {name: values[:1] for name, values in lists.items()}}}
    search["BTCUSDT"]["params"]["k"] = {"low": 0.4, "high": 1.0}  # type: ignore[assignment]
    (tmp_path / "space.json").write_text(json.dumps({"symbols": search}))
    trials = []
    for name, more in (("a", ()), ("b", ("--cluster", processes))):
        command = ["--inputs", str(tmp_path / "inputs.parquet"), "--space", str(tmp_path / "space.json")]
        command += ["--out", str(tmp_path / name), "--trials", "8", "--batch", "8", "--min-trades", "1"]
        assert main(["backtest", "optimise", *command, "--json", *more]) == 0
        trials.append(json.loads(capsys.readouterr().out)["symbols"])
    assert trials[0] == trials[1]


# --- refusals -------------------------------------------------------------------------------------------


def test_an_address_that_does_not_answer() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(BacktestProblem, match="no cluster answers"), connect_cluster(address, timeout_s=0.3):
        pass


@pytest.mark.parametrize("words", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_speaks_otherwise_is_no_scheduler(words: bytes) -> None:
    """Dask's client waits for ever for one that is silent, and runs out of memory over others' words."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        accepted: list[socket.socket] = []

        def speak() -> None:
            accepted.append(server.accept()[0])
            accepted[0].sendall(words)

        speaker = threading.Thread(target=speak)
        speaker.start()
        with (
            pytest.raises(BacktestProblem, match="does not speak as a scheduler"),
            connect_cluster(address, timeout_s=0.3),
        ):
            pass
        speaker.join()
        accepted[0].close()


@pytest.mark.parametrize("address", ["somewhere", "http://host:1", "tcp://host", "tcp://:8786", ""])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(BacktestProblem, match="is not the address of a scheduler"), connect_cluster(address):
        pass


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(BacktestProblem, match="not installed") as found,
        connect_cluster("tcp://127.0.0.1:1"),
    ):
        pass
    assert "aster-operator[cluster]" in str(found.value)


def test_workers_with_other_code_and_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        cluster_of(0) as address,
        pytest.raises(BacktestProblem, match="the cluster has no workers"),
        connect_cluster(address),
    ):
        pass
    # A worker has a thread of another name: so this is another version there than here.
    monkeypatch.setattr(cluster_module, "code_version", lambda: threading.current_thread().name)
    with (
        cluster_of(1) as address,
        pytest.raises(BacktestProblem, match="a worker runs other code"),
        connect_cluster(address),
    ):
        pass
