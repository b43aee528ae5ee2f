"""A Dask cluster as the place where sweeps run. Needs the extra `cluster`."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.cluster.pieces import (
    Job,
    bars_to_parquet,
    blocks_of,
    profits_of,
    rows_to_parquet,
    run_piece,
    whole_result,
)
from aster_operator.backtest.grid import ParamGrid
from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.problems import BacktestProblem
from aster_operator.backtest.results import code_version
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import SweepResult

__all__ = ["BLOCK_CONFIGURATIONS", "SweepCluster", "connect_cluster"]

BLOCK_CONFIGURATIONS = 1_024
"""Configurations of one task."""
_ADDRESS = re.compile(r"(tcp|tls)://[^\s/:]+:\d+")
_LONGEST_GREETING_BYTES = 65_536
_RETRIES = 3
"""So often a task is tried again on another worker, and so often lost inputs are sent again."""


@dataclass(frozen=True)
class _Task:
    """Block `block` of job `job`, over the whole history or a window of it."""

    job: int
    block: int
    rows: bytes
    window: tuple[int, int] | None = None


@contextmanager
def connect_cluster(address: str, *, timeout_s: float = 5.0) -> Iterator[SweepCluster]:
    """A cluster whose workers run the same code as we do.

    Raises BacktestProblem when the extra is missing, nothing answers, there are no workers, or one of them
    has other code.
    """
    if not _ADDRESS.fullmatch(address):
        raise BacktestProblem(
            f"{address!r} is not the address of a scheduler", "--cluster", "write tcp://HOST:PORT"
        )
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise BacktestProblem(
            "a cluster needs the package distributed, which is not installed",
            "--cluster",
            "pip install 'aster-operator[cluster]'",
        ) from None
    _greeted(address, timeout_s)
    # Its own words about a scheduler that is not there go on for pages.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=timeout_s, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BacktestProblem(
            f"no cluster answers ({reason})", address, "start one with dask scheduler, check the address"
        ) from None
    try:
        yield _checked(client, address)
    finally:
        client.close(timeout=timeout_s)  # type: ignore[no-untyped-call]


def _greeted(address: str, timeout_s: float) -> None:
    """Raise BacktestProblem unless something at `address` greets as a scheduler does.

    Dask speaks first: how long its message is, eight bytes. Its client waits without end for something else
    that says nothing, and takes whatever else it says for lengths. With `tls` the client speaks first, and
    its handshake tells.
    """
    scheme, _, place = address.partition("://")
    if scheme != "tcp":
        return
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout_s) as connection:
            connection.settimeout(timeout_s)
            told = connection.recv(8, socket.MSG_WAITALL)
    except TimeoutError:
        told = b""
    except (OSError, OverflowError):
        return  # Its client says what is wrong with the address.
    if len(told) < 8 or not 0 < int.from_bytes(told, "little") < _LONGEST_GREETING_BYTES:
        raise BacktestProblem(
            "what is there does not speak as a scheduler",
            address,
            "start one with dask scheduler, check the address",
        )


def _checked(client: Any, address: str) -> SweepCluster:
    versions = client.run(code_version)
    if not versions:
        raise BacktestProblem(
            "the cluster has no workers",
            address,
            "start some with dask worker, with aster-operator installed",
        )
    for worker, version in versions.items():
        if version != code_version():
            raise BacktestProblem(
                f"a worker runs other code, {version} instead of {code_version()}",
                worker,
                "install the same version everywhere",
            )
    return SweepCluster(client, address)


class SweepCluster:
    """Runs sweeps as tasks; made by `connect_cluster`."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._sent: dict[int, tuple[Bars, Any]] = {}

    def sweep(
        self,
        jobs: Sequence[Job],
        semantics: str,
        *,
        block: int = BLOCK_CONFIGURATIONS,
        progress: Callable[[float], None] | None = None,
    ) -> list[SweepResult]:
        """All configurations of every job; symbols x blocks are the tasks. Raises BacktestProblem when tasks
        keep failing."""
        tasks = [
            _Task(at, number, rows_to_parquet(job.grid.values[rows]))
            for at, job in enumerate(jobs)
            for number, rows in enumerate(blocks_of(job.grid, block))
        ]
        done = self._run(jobs, tasks, semantics, progress)
        return [
            whole_result(
                job, semantics, [piece for task, piece in zip(tasks, done, strict=True) if task.job == at]
            )
            for at, job in enumerate(jobs)
        ]

    def run(
        self, bars: Bars, grid: ParamGrid, semantics: str, options: ExchangeOptions, *, block: int
    ) -> SweepResult:
        """One sweep."""
        return self.sweep([Job(bars, grid, options)], semantics, block=block)[0]

    def period_pnl(
        self,
        result: SweepResult,
        bars: Bars,
        ranges: Sequence[tuple[int, int]],
        *,
        progress: Callable[[float], None] | None = None,
    ) -> Floats:
        """Profit of every configuration in every period (periods x configurations), each from a flat start;
        windows x blocks are the tasks."""
        job = Job(bars, result.grid, result.options, result.config_ids)
        blocks = blocks_of(result.grid, BLOCK_CONFIGURATIONS)
        sent = [rows_to_parquet(result.grid.values[rows]) for rows in blocks]
        tasks = [_Task(0, number, sent[number], window) for window in ranges for number in range(len(blocks))]
        done = self._run([job], tasks, result.semantics, progress)
        profits = [profits_of(piece, result.capital_usd) for piece in done]
        return np.concatenate(profits).reshape(len(ranges), len(result.grid))

    def _run(
        self,
        jobs: Sequence[Job],
        tasks: Sequence[_Task],
        semantics: str,
        progress: Callable[[float], None] | None,
    ) -> list[bytes]:
        """The answers, in the order of the tasks. Inputs that died with their workers are sent again."""
        done: dict[int, bytes] = {}
        for attempt in range(_RETRIES + 1):
            waiting = [at for at in range(len(tasks)) if at not in done]
            if not waiting:
                break
            lost = self._attempt(jobs, tasks, waiting, semantics, done, progress)
            if lost is None:
                continue
            if attempt == _RETRIES:
                raise BacktestProblem(
                    f"a task failed on every worker that tried it ({lost})",
                    self._address,
                    "look at the workers' logs",
                )
            self._sent.clear()
        return [done[at] for at in range(len(tasks))]

    def _attempt(
        self,
        jobs: Sequence[Job],
        tasks: Sequence[_Task],
        waiting: Sequence[int],
        semantics: str,
        done: dict[int, bytes],
        progress: Callable[[float], None] | None,
    ) -> str | None:
        """Submit what waits and gather what comes; returns why something did not come."""
        from distributed import as_completed

        lost: str | None = None
        futures = {
            self._client.submit(
                run_piece,
                self._input(jobs[task.job].bars),
                task.rows,
                semantics,
                jobs[task.job].options,
                task.window,
                retries=_RETRIES,
                pure=False,
            ): at
            for at in waiting
            for task in (tasks[at],)
        }
        for future in as_completed(list(futures), loop=self._client.loop):  # type: ignore[no-untyped-call]
            if future.status == "finished":
                done[futures[future]] = future.result()
                if progress is not None:
                    progress(len(done) / len(tasks))
            elif future.status == "error":
                error = future.exception()
                lost = f"{type(error).__name__}: {error}"
            else:
                lost = "its inputs were lost"
        return lost

    def _input(self, bars: Bars) -> Any:
        """The bars on every worker, sent once."""
        kept = self._sent.get(id(bars))
        if kept is None:
            # Kept with the bars, so that no other object can have this id meanwhile.
            kept = (bars, self._client.scatter(bars_to_parquet(bars), broadcast=True, hash=False))
            self._sent[id(bars)] = kept
        return kept[1]
