"""The speed and size of the lab, and of what people use instead.

    make bench-lab                       a table
    make bench-lab ARGS=--json           JSON lines: name, unit, ours, peer, peer_name, ratio, goal, ok
    make bench-lab ARGS=--full           features over 30 days instead of two (gigabytes of logs, minutes)

Every number is the median of at least five turns, ours and the peer's in turn. A peer that would take
minutes for the whole grid computes 81 of its configurations, and both are compared for one bar and
configuration; the 81 are first checked to be equal. The original's pipeline is vectorbt as its owner calls
it: signals and stops as wide tables, one portfolio, eleven metrics. The hand-tuned call gives vectorbt
plain arrays, nothing wider than it must be, signals and levels made before, and asks for the same metrics.
The original's way to features, in pandas, reads every column of the CSV logs, coerces numbers column by
column, sorts by symbol and time, drops duplicates, copies the rows of each symbol, joins quotes and marks
backwards, and averages quotes over a grid of seconds (`tests/backtest/pandas_peer.py`, whose table a test
holds equal to ours).

The exit code is 0 whether or not the goals are met.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from lab_replay import BarTrader, make_market, midfreq_trader, recorded_market, write_catalog  # noqa: E402
from measurement import Row, bounded, line  # noqa: E402
from tests.backtest.inputs_files import frame_of, write_grid  # noqa: E402
from tests.backtest.logs import write_logs  # noqa: E402
from tests.backtest.markets import random_bars  # noqa: E402

from aster_operator.backtest.feature_sources import CatalogSource, CsvLogSource  # noqa: E402
from aster_operator.backtest.features import build_features  # noqa: E402
from aster_operator.backtest.fine_prices import fine_prices  # noqa: E402
from aster_operator.backtest.grid import ParamGrid, make_param_grid  # noqa: E402
from aster_operator.backtest.metrics import ORIGINAL_METRICS, build_ranked_metrics, metric_columns  # noqa: E402
from aster_operator.backtest.replay import (  # noqa: E402
    ReplayVenueOptions,
    TickReplay,
    catalog_events,
    compile_event_strategy,
)
from aster_operator.backtest.replay.outcome import play  # noqa: E402
from aster_operator.backtest.sweep import run_grid_backtest  # noqa: E402
from aster_operator.market_data.catalog.layout import added_name  # noqa: E402
from aster_operator.market_data.conversion.csv_in import csv_to_catalog  # noqa: E402

MONTH, YEAR = 43_200, 525_600
TICKS = 10_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "ASTERUSDT")
SAMPLE = 81
SPACE: dict[str, list[float]] = {
    "k": [1.2, 1.6, 2.0],
    "T": [10, 30, 60],
    "n": [1.2, 1.6, 2.0],
    "V": [10, 30, 60],
    "tp_bps": [150, 200, 250],
    "sl_bps": [25, 50, 75],
    "activation_bps": [50, 75, 100],
    "activation_buffer_bps": [0.5],
    "callback_bps": [5, 10, 15],
    "min_tp_gap_bps": [4],
    "spread_max": [0.5],
    "funding_max": [1.5],
}


def times_faster(name: str, unit: str, ours: float, peer: float, peer_name: str, least: float) -> Row:
    ratio = peer / ours
    return Row(
        name,
        unit,
        round(ours, 4),
        round(peer, 3),
        peer_name,
        round(ratio, 1),
        f"ratio >= {least:g}",
        ratio >= least,
    )


def seconds_of(work: Callable[[], Any], clock: Callable[[], float] = perf_counter) -> float:
    started = clock()
    work()
    return clock() - started


def interleaved(
    repeats: int, *works: Callable[[], Any], clock: Callable[[], float] = perf_counter
) -> list[float]:
    """Median seconds of each, one after the other in every turn, the first turn not counted."""
    turns = [[seconds_of(work, clock) for work in works] for _ in range(repeats + 1)][1:]
    return [statistics.median(column) for column in zip(*turns, strict=True)]


def whole_sweep(bars: Any, semantics: str = "vectorbt") -> Any:
    """From the lists of the grid to the ranked table."""
    return build_ranked_metrics(run_grid_backtest(bars, make_param_grid(SPACE), semantics=semantics))


def hand_tuned(bars: Any, grid: ParamGrid, signals: tuple[Any, Any], levels: tuple[Any, Any]) -> Any:
    """One vectorbt call over plain arrays that are no wider than they must be."""
    import vectorbt as vbt
    from tests.backtest import vectorbt_peer as peer

    middle = 0.5 * (bars.tw_bid + bars.tw_ask)
    return vbt.Portfolio.from_signals(
        close=bars.close[:, None],
        price=middle[:, None],
        open=bars.open[:, None],
        high=bars.high[:, None],
        low=bars.low[:, None],
        entries=signals[0],
        exits=signals[1],
        short_entries=signals[1],
        short_exits=signals[0],
        fees=4e-4,
        slippage=((bars.tw_ask - bars.tw_bid) / (2 * middle))[:, None],
        tp_stop=levels[1],
        sl_stop=grid.column("sl_bps")[None, :] / 1e4,
        stop_entry_price="Price",
        stop_exit_price="Price",
        upon_opposite_entry="Reverse",
        adjust_sl_func_nb=peer.arm_trailing,
        adjust_sl_args=(levels[0], grid.column("callback_bps") / 1e4),
        freq="1min",
        max_orders=20 * bars.close.shape[0],
    )


def month(repeats: int) -> Iterator[Row]:
    from tests.backtest import vectorbt_peer as peer

    bars = random_bars(MONTH + 1, 1, windows=(10, 30, 60), spread_bps=0.2)
    grid = make_param_grid(SPACE)
    rows = np.arange(0, len(grid), len(grid) // SAMPLE, dtype=np.int32)[:SAMPLE]
    part = grid.take(rows)
    signals, levels = peer.entries(bars, part), peer.stops(bars, part, 4.0)
    theirs = peer.metrics(peer.portfolio(bars, part, fee_bps=4.0, slippage_bps=0.0))
    ours = metric_columns(run_grid_backtest(bars, part, semantics="vectorbt"))
    for name in ORIGINAL_METRICS:
        np.testing.assert_allclose(ours[name], theirs[name].to_numpy(dtype=float), rtol=1e-9, atol=1e-12)
    sweep, original, tuned = interleaved(
        repeats,
        lambda: whole_sweep(bars),
        lambda: peer.metrics(peer.portfolio(bars, part, fee_bps=4.0, slippage_bps=0.0)),
        lambda: peer.metrics(hand_tuned(bars, part, signals, levels)),
    )
    mine = sweep * 1e9 / (len(bars) * len(grid))
    name = f"{len(grid):,} configurations over {MONTH:,} bars, semantics vectorbt"
    per_original, per_tuned = (value * 1e9 / (len(bars) * len(part)) for value in (original, tuned))
    yield times_faster(name, "ns/bar/config", mine, per_original, "the original's pipeline", 1000)
    yield times_faster(name, "ns/bar/config", mine, per_tuned, "a hand-tuned vectorbt call", 200)
    (exchange,) = interleaved(repeats, lambda: whole_sweep(bars, "exchange"))
    exchange_ns = exchange * 1e9 / (len(bars) * len(grid))
    name = f"{len(grid):,} configurations over {MONTH:,} bars, semantics exchange"
    yield Row(name, "ns/bar/config", round(exchange_ns, 4), None, None, None, "reported", True)


def ticks(repeats: int) -> Iterator[Row]:
    """Ten million events beside a month of bars, whose extremes they make."""
    bars = random_bars(MONTH + 1, 1, windows=(10, 30, 60), spread_bps=0.2)
    each = TICKS // len(bars) + 1
    rng = np.random.default_rng(1)
    prices = rng.uniform(bars.low[:, None], bars.high[:, None], (len(bars), each))
    prices[:, 0], prices[:, -1] = bars.open, bars.close
    prices[:, 1 + each // 3], prices[:, 1 + each // 2] = bars.high, bars.low
    opened = bars.close_ms + 1 - 60_000
    times = opened[:, None] + (np.arange(each) * 59_999 // each)[None, :]
    nothing = (np.empty(0, dtype=np.int64), np.empty(0))
    fine = fine_prices(bars, times.ravel(), prices.ravel(), *nothing)
    coarse_s, fine_s = interleaved(
        repeats,
        lambda: whole_sweep(bars, "exchange"),
        lambda: whole_sweep(replace(bars, fine=fine), "exchange"),
    )
    name = f"6,561 configurations over {len(fine):,} ticks, exits on ticks"
    yield bounded(name, "s", fine_s, most=30)
    yield Row(f"{name}: against exits on bars", "s", round(fine_s, 3), round(coarse_s, 3), "exits on bars",
              round(fine_s / coarse_s, 2), "reported", True)  # fmt: skip


def replay(repeats: int) -> Iterator[Row]:
    """A million quotes, trades and marks beside, on one core: seconds of this process alone."""
    events = recorded_market(1_000_000)
    options = ReplayVenueOptions(latency_ms=20)
    run = compile_event_strategy(make_market)
    prints = []
    for every_event in (False, True):
        played = TickReplay(events, options)
        played.run(BarTrader(), every_event=every_event)
        prints.append((played.fingerprint(), len(played.fills)))
    if prints[0] != prints[1] or not prints[0][1]:
        raise SystemExit("the replay by leaps is not the replay event by event")
    seen, skipped = interleaved(
        repeats,
        lambda: run(events, options),
        lambda: TickReplay(events, options).run(BarTrader()),
        clock=process_time,
    )
    name = f"replay of {len(events):,} events"
    yield bounded(
        f"{name}, every event seen by a compiled market maker", "events/s", len(events) / seen, least=1e6
    )
    yield bounded(
        f"{name}, bars and timers in Python, same fingerprint", "events/s", len(events) / skipped, least=4e6
    )
    with tempfile.TemporaryDirectory() as folder:
        yield from replay_of_a_catalog(Path(folder), events, repeats)


def replay_of_a_catalog(folder: Path, events: Any, repeats: int) -> Iterator[Row]:
    """What `backtest replay --venue arrays --strategy midfreq` does with the same market, recorded."""
    write_catalog(folder, events)
    options = ReplayVenueOptions(latency_ms=20)
    steps, leaps = (
        play(catalog_events(folder, "BTCUSDT"), options, midfreq_trader(), every_event=every_event)
        for every_event in (True, False)
    )
    if steps != leaps or not leaps.entries:
        raise SystemExit("the replay of a catalog by leaps is not that event by event")
    read, played = interleaved(
        repeats,
        lambda: catalog_events(folder, "BTCUSDT"),
        lambda: play(events, options, midfreq_trader()),
        clock=process_time,
    )
    name = f"replay of {len(events):,} events by midfreq as the command plays them"
    yield bounded(f"{name}, same fingerprint event by event", "events/s", len(events) / played, least=4e6)
    yield bounded("the same: reading them from a catalog", "events/s", len(events) / read, least=1e6)


def year(repeats: int) -> Iterator[Row]:
    """In a process of its own, so that its memory is its own."""
    for semantics in ("vectorbt", "exchange"):
        command = [sys.executable, __file__, "--year", semantics, "--repeats", str(repeats)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds, megabytes = (float(value) for value in done.stdout.split())
        name = f"6,561 configurations over {YEAR:,} bars, semantics {semantics}"
        yield bounded(name, "s", seconds, most=6)
        yield bounded(f"{name}: peak memory", "MB", megabytes, most=1500)


def run_year(semantics: str, repeats: int) -> None:
    bars = random_bars(YEAR + 1, 1, windows=(10, 30, 60), spread_bps=0.2, steps=8)
    (seconds,) = interleaved(repeats, lambda: whole_sweep(bars, semantics))
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def features(repeats: int, days: int) -> Iterator[Row]:
    from tests.backtest.pandas_peer import the_pandas_way

    windows = (10, 30, 60)
    with tempfile.TemporaryDirectory() as folder:
        write_logs(Path(folder), days * 1440, 1, symbols=SYMBOLS)
        catalog = Path(folder) / "catalog"
        csv_to_catalog(Path(folder), catalog, added_name(1, 1))
        mine, from_catalog, pandas = interleaved(
            repeats,
            lambda: build_features(CsvLogSource(Path(folder)), windows),
            lambda: build_features(CatalogSource(catalog), windows),
            lambda: the_pandas_way(Path(folder), windows),
        )
    name = f"features from {days} days of one-second rows, {len(SYMBOLS)} symbols"
    peer = "the original's way in pandas, from CSV logs"
    yield times_faster(f"{name}, from CSV logs", "s", mine, pandas, peer, 20)
    yield times_faster(f"{name}, from the catalog", "s", from_catalog, pandas, peer, 20)


def cold_start(repeats: int) -> Iterator[Row]:
    program = Path(sys.executable).with_name("aster-operator")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        frame_of(random_bars(2000, 1)).write_csv(folder / "inputs.csv")
        write_grid(folder / "grid.json", {name: values[:1] for name, values in SPACE.items()})
        write_logs(folder / "logs", 30, 1)
        sweep = ["sweep", "--inputs", "inputs.csv", "--grid", "grid.json", "--out", "out"]
        for command in (["--help"], ["features", "--log-dir", "logs"], sweep):
            called = [str(program), "backtest", *command]
            (seconds,) = interleaved(
                repeats,
                lambda called=called: subprocess.run(called, cwd=folder, check=True, capture_output=True),
            )
            yield bounded(
                f"start to end of backtest {command[0]}, kernels compiled before", "s", seconds, most=3
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each measurement (default 5)")
    parser.add_argument("--full", action="store_true", help="features over 30 days")
    parser.add_argument(
        "--only", choices=["month", "ticks", "replay", "year", "features", "cold-start"], help="one part"
    )
    parser.add_argument("--year", choices=["vectorbt", "exchange"], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if chosen.year is not None:
        run_year(chosen.year, chosen.repeats)
        return 0
    parts = {
        "month": lambda: month(chosen.repeats),
        "ticks": lambda: ticks(chosen.repeats),
        "replay": lambda: replay(chosen.repeats),
        "year": lambda: year(chosen.repeats),
        "features": lambda: features(chosen.repeats, 30 if chosen.full else 2),
        "cold-start": lambda: cold_start(chosen.repeats),
    }
    for name, part in parts.items():
        if chosen.only in (None, name):
            for measured in part():
                print(json.dumps(asdict(measured)) if chosen.json else line(measured), flush=True)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    sys.exit(main())
