"""The `vectorbt` semantics: what the original's pipeline computes, for comparison only, and biased.

Orders fill at the time-weighted mid of the very bar that made the signal, moved by half the time-weighted
spread and the slippage. Whoever decides at the close cannot have bought at the mean of the minute before it:
on driftless noise that books several bps an entry out of nothing.
"""

from __future__ import annotations

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.exit_classes import ExitClasses
from aster_operator.backtest.grid import ParamGrid
from aster_operator.backtest.kernels.compiler import Booleans, Bytes, Floats, Integers
from aster_operator.backtest.kernels.compound import (
    REVERSED,
    SLOT_COLUMNS,
    accumulate_compound,
    describe_compound,
)
from aster_operator.backtest.kernels.exits_vectorbt import resolve_exits_vectorbt
from aster_operator.backtest.kernels.passage import block_extremes, block_maxima, block_minima
from aster_operator.backtest.semantics import Entries, Slots, Trades

__all__ = ["VectorbtSemantics", "vectorbt_rows"]


def vectorbt_rows(bars: Bars) -> Booleans:
    """The bars the original computes with: those with a price, a return, a volume, a quote and its costs."""
    known = np.ones(len(bars), dtype=np.bool_)
    for column in (
        bars.close,
        bars.ret_bps,
        bars.volume,
        bars.bid,
        bars.ask,
        bars.spread_bps,
        bars.funding_bps,
        bars.opening_loss_bps,
    ):
        known &= np.isfinite(column)
    return known


class VectorbtSemantics:
    """Fills, stops and compounding of `vectorbt.Portfolio.from_signals` as the original calls it."""

    cooldown_bars = 1
    reverses = True
    opposite_flag = REVERSED

    def __init__(self, bars: Bars, grid: ParamGrid, *, fee_bps: float, slippage_bps: float) -> None:
        self.fee = fee_bps / 1e4
        self.close = bars.close
        self.open = np.where(np.isnan(bars.open), bars.close, bars.open)
        high = np.where(np.isnan(bars.high), bars.close, bars.high)
        low = np.where(np.isnan(bars.low), bars.close, bars.low)
        self.high = np.maximum(np.maximum(high, self.open), bars.close)
        self.low = np.minimum(np.minimum(low, self.open), bars.close)
        bid = np.where(np.isnan(bars.tw_bid), bars.close, bars.tw_bid)
        ask = np.where(np.isnan(bars.tw_ask), bars.close, bars.tw_ask)
        bid, ask = np.minimum(bid, ask), np.maximum(bid, ask)
        self.order_price = 0.5 * (bid + ask)
        self.slippage = np.maximum((ask - bid) / (2.0 * self.order_price), 0.0) + slippage_bps / 1e4
        self.buy_price = self.order_price * (1 + self.slippage)
        self.sell_price = self.order_price * (1 - self.slippage)
        self.floor_bps = (2.0 * fee_bps + bars.opening_loss_bps) + np.abs(bars.funding_bps) / 8.0
        self.classes = ExitClasses(grid.exit_sets)
        self._extremes = (
            *block_extremes(block_maxima, self.order_price),
            *block_extremes(block_minima, self.order_price),
        )
        self._high_maxima = block_extremes(block_maxima, self.high)
        self._low_minima = block_extremes(block_minima, self.low)
        self.described = np.empty((0, SLOT_COLUMNS))

    def entry_prices(self, bars: Integers, sides: Bytes) -> Floats:
        return np.where(sides > 0, self.buy_price[bars], self.sell_price[bars])

    def opposite_prices(self) -> tuple[Floats, Floats]:
        return self.sell_price, self.buy_price

    def resolve(
        self, first: int, last: int, entries: Entries, bars: Integers, prices: Floats, flags: Bytes
    ) -> None:
        del flags  # nothing is ambiguous: vectorbt looks for the stop first and says no more
        resolve_exits_vectorbt(
            first, last, entries.bars, entries.sides, self.order_price, self._extremes, self.high,
            self._high_maxima, self.low, self._low_minima, self.buy_price, self.sell_price, self.floor_bps,
            self.classes.stops, self.classes.arms, self.classes.targets, self.classes.trails,
            self.classes.numbers, bars, prices,
        )  # fmt: skip

    def start_block(self, slots: Slots) -> None:
        self.described = np.empty((len(slots.bars), SLOT_COLUMNS))

    def describe(self, first: int, last: int, entries: Entries, slots: Slots) -> None:
        describe_compound(
            first, last, self.fee, entries.bars, entries.sides, entries.prices, slots.bases, slots.bars,
            slots.prices, slots.flags, slots.used, self.close, self.high, self.low, self.described,
        )  # fmt: skip

    def accumulate(
        self, first: int, last: int, entries: Entries, slots: Slots, trades: Trades, totals: Floats
    ) -> None:
        accumulate_compound(
            first, last, entries.bars, self.described, slots.entries, trades.offsets, trades.counts,
            trades.trades, totals,
        )  # fmt: skip
