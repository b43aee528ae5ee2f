"""The trades of one configuration, one row each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.engine import run_engine
from aster_operator.backtest.kernels.compiler import Bytes, Floats, Integers
from aster_operator.backtest.kernels.compound import REVERSED
from aster_operator.backtest.kernels.exits_exchange import AMBIGUOUS_EXIT
from aster_operator.backtest.kernels.totals import SUMMED, new_totals
from aster_operator.backtest.semantics import Entries, Slots, Trades
from aster_operator.backtest.semantics_exchange import ExchangeSemantics
from aster_operator.backtest.semantics_vectorbt import VectorbtSemantics
from aster_operator.backtest.sweep import SweepResult, prepare_bars, semantics_for, signals_for

if TYPE_CHECKING:
    import polars as pl

__all__ = ["trade_list"]

_FACTOR = _PROFIT = SUMMED
_FEES = SUMMED + 1
_TURNOVER = SUMMED + 6
_FUNDING = SUMMED + 7


class _Recorder:
    """Semantics that also keeps the trades of a grid with one configuration."""

    def __init__(self, semantics: ExchangeSemantics | VectorbtSemantics) -> None:
        self._semantics = semantics
        self.cooldown_bars = semantics.cooldown_bars
        self.reverses = semantics.reverses
        self.opposite_flag = semantics.opposite_flag
        self.entries: list[tuple[Integers, Bytes, Floats]] = []
        self.exits: list[tuple[Integers, Floats, Bytes]] = []
        self.rows: list[Floats] = []

    def entry_prices(self, bars: Integers, sides: Bytes) -> Floats:
        return self._semantics.entry_prices(bars, sides)

    def opposite_prices(self) -> tuple[Floats, Floats]:
        return self._semantics.opposite_prices()

    def resolve(
        self, first: int, last: int, entries: Entries, bars: Integers, prices: Floats, flags: Bytes
    ) -> None:
        self._semantics.resolve(first, last, entries, bars, prices, flags)

    def start_block(self, slots: Slots) -> None:
        self._semantics.start_block(slots)

    def describe(self, first: int, last: int, entries: Entries, slots: Slots) -> None:
        self._semantics.describe(first, last, entries, slots)

    def accumulate(
        self, first: int, last: int, entries: Entries, slots: Slots, trades: Trades, totals: Floats
    ) -> None:
        self._semantics.accumulate(first, last, entries, slots, trades, totals)
        chosen = trades.trades[: trades.counts[0]]
        entry = slots.entries[chosen]
        self.entries.append((entries.bars[entry], entries.sides[entry], entries.prices[entry]))
        self.exits.append((slots.bars[chosen], slots.prices[chosen], slots.flags[chosen]))
        self.rows.append(self._semantics.described[chosen])


def trade_list(result: SweepResult, bars: Bars, config_id: str) -> pl.DataFrame:
    """The trades of one configuration of `result`, in order of time.

    `bars` are those the sweep ran over. `entry_bar` and `exit_bar` count the bars the semantics uses, from 0;
    a position still open at the end has the exit reason `open` and is valued at the last close. Raises
    ValueError for an unknown configuration.
    """
    row = result.config_ids.index(config_id)
    grid = result.grid.take(np.asarray([row], dtype=np.int32))
    used = prepare_bars(bars, result.semantics)
    signals = signals_for(used, grid, result.semantics, result.options)
    recorder = _Recorder(semantics_for(used, grid, result.semantics, result.options))
    run_engine(len(used), grid, signals, recorder, new_totals(1, result.capital_usd), workers=1)
    return _table(recorder, used, result)


def _table(recorder: _Recorder, bars: Bars, result: SweepResult) -> pl.DataFrame:
    import polars as pl

    empty = (np.empty(0, np.int32), np.empty(0, np.int8), np.empty(0))
    entry_bar, side, entry_price = (
        np.concatenate(columns) for columns in zip(*(recorder.entries or [empty]), strict=True)
    )
    exit_bar, exit_price, flag = (
        np.concatenate(columns)
        for columns in zip(*(recorder.exits or [(empty[0], empty[2], empty[1])]), strict=True)
    )
    rows = np.concatenate(recorder.rows or [np.empty((0, 2 * SUMMED))])
    is_open = exit_bar >= len(bars)
    last = np.minimum(exit_bar, len(bars) - 1)
    profit, fees, funding = _money(rows, result)
    reason = np.where(is_open, "open", np.where(flag == REVERSED, "reverse", "exit"))
    if not result.compounds:
        reason = np.where(is_open, "open", np.where(flag == AMBIGUOUS_EXIT, "ambiguous", "exit"))
    return pl.DataFrame(
        {
            "side": np.where(side > 0, "long", "short"),
            "entry_bar": entry_bar,
            "entry_ms": bars.close_ms[entry_bar],
            "entry_price": entry_price,
            "exit_bar": last,
            "exit_ms": bars.close_ms[last],
            "exit_price": np.where(is_open, bars.close[last], exit_price),
            "exit_reason": reason,
            "pnl_usd": profit,
            "fees_usd": fees,
            "funding_usd": funding,
        }
    )


def _money(rows: Floats, result: SweepResult) -> tuple[Floats, Floats, Floats]:
    """Profit, fees and funding of each trade in currency."""
    if not result.compounds:
        return rows[:, _PROFIT], rows[:, _FEES], -rows[:, _FUNDING]
    fee = result.options.fee_bps / 1e4
    before = result.capital_usd * np.concatenate([[1.0], np.cumprod(rows[:, _FACTOR])])[:-1]
    fees = before * fee / (1 + fee) * rows[:, _TURNOVER]
    return before * (rows[:, _FACTOR] - 1), fees, np.zeros(len(rows))
