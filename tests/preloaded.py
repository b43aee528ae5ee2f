"""Processes forked from one that has done the slow imports of the program: one such server a worker."""

import multiprocessing

__all__ = ["context"]

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    [
        "aster_operator.cli.app",
        "aster_operator.cli.auth",
        "aster_operator.cli.backtest",
        "aster_operator.cli.demo",
        "aster_operator.cli.doctor",
        "aster_operator.cli.exchange",
        "aster_operator.cli.run",
        "aster_operator.runtime.demo",
        "aster_operator.runtime.doctor",
        "aster_operator.runtime.embedded_venue",
        "aster_operator.runtime.key_check",
        "aster_operator.runtime.live_run",
        "aster_operator.runtime.strategy_replay",
    ]
)
