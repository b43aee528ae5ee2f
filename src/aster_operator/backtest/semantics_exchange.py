"""The `exchange` semantics: what the live strategy would do on Aster, as far as bars and finer prices tell.

Entry: at the touch known at the close of the signal's bar (buy at ask, sell at bid), slippage added; the
fixed notional is rounded up by lot to at least the target.

Exits: take-profit on the last price, stop on the mark price, trailing stop on the last price, or on the mark
where the venue does not take the callback and the strategy trails by itself. All rest from the fill on, so
the first bar that can end a trade is the one after the signal's. The trailing stop arms no earlier than
break-even (two fees, opening loss, an eighth of the funding rate) and its buffer; the target lies a gap
beyond. They fill as market orders: the triggering price moved by half the last known spread and the slippage,
on the tick grid. Where the order of things within a bar matters, finer prices beside the bar say it (the
order fills at the price that triggered it); where there are none, the worse ending is taken and counted as
ambiguous.

After an exit no entry for the cooldown; no entry on a bar that follows missing minutes. Funding is settled
at fixed hours on what is held, at the last known rate and mark.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.exit_classes import ExitClasses
from aster_operator.backtest.fine_prices import FinePrices
from aster_operator.backtest.grid import ParamGrid
from aster_operator.backtest.kernels.compiler import Bytes, Floats, Integers
from aster_operator.backtest.kernels.exits_exchange import Extremes, Market, resolve_exits_exchange
from aster_operator.backtest.kernels.fixed import FIXED_COLUMNS, accumulate_fixed, describe_fixed
from aster_operator.backtest.kernels.passage import block_extremes, block_maxima, block_minima
from aster_operator.backtest.kernels.ticks import Fine
from aster_operator.backtest.semantics import Entries, Slots, Trades
from aster_operator.domain.clock import HOUR_MS, MINUTE_MS
from aster_operator.domain.orders import TRAILING_CALLBACK_PCT

__all__ = ["ExchangeOptions", "ExchangeSemantics"]


@dataclass(frozen=True)
class ExchangeOptions:
    """Costs and habits of the live strategy. Sizes of None: any price, any quantity."""

    fee_bps: float = 4.0
    slippage_bps: float = 0.0
    order_notional_usd: float = 100.0
    tick_size: float | None = None
    lot_size: float | None = None
    cooldown_bars: int = 10
    funding_interval_hours: int = 8


class ExchangeSemantics:
    """Entries at the touch after the close, exits resting on the exchange, nothing compounds."""

    reverses = False
    opposite_flag = 0

    def __init__(self, bars: Bars, grid: ParamGrid, options: ExchangeOptions) -> None:
        self.options = options
        self.cooldown_bars = options.cooldown_bars
        self.fee = options.fee_bps / 1e4
        self.tick = options.tick_size or 0.0
        self.lot = options.lot_size or 0.0
        slippage = options.slippage_bps / 1e4
        self.ask = _on_grid(bars.ask * (1 + slippage), self.tick, up=True)
        self.bid = _on_grid(bars.bid * (1 - slippage), self.tick, up=False)
        self.open, self.high, self.low, self.close = bars.open, bars.high, bars.low, bars.close
        self.basis = np.where(np.isfinite(bars.mark), bars.mark / bars.close, 1.0)
        before = np.concatenate([self.basis[:1], self.basis[:-1]])
        estimated_high = bars.high * np.maximum(before, self.basis)
        estimated_low = bars.low * np.minimum(before, self.basis)
        self.mark_high = np.where(np.isfinite(bars.mark_high), bars.mark_high, estimated_high)
        self.mark_low = np.where(np.isfinite(bars.mark_low), bars.mark_low, estimated_low)
        spread = np.where(np.isfinite(bars.spread_bps), bars.spread_bps, 0.0)
        self.half_spread = np.maximum(spread, 0.0) / 2e4 + slippage
        self.floor_bps = (
            2.0 * options.fee_bps + np.maximum(bars.opening_loss_bps, 0.0) + np.abs(bars.funding_bps) / 8.0
        )
        self.funding_due = _funding_due(bars, options.funding_interval_hours)
        self.classes = ExitClasses(grid.exit_sets)
        smallest, largest = (float(100 * pct) for pct in TRAILING_CALLBACK_PCT)
        callback_bps = self.classes.trails[:, 1]
        self._on_mark = (callback_bps < smallest) | (callback_bps > largest)
        self._market: Market = (
            self.open, self.high, self.low, self.mark_high, self.mark_low, self.basis, self.half_spread,
            self.floor_bps,
        )  # fmt: skip
        self._extremes: Extremes = (
            block_extremes(block_maxima, self.high),
            block_extremes(block_minima, self.low),
            block_extremes(block_maxima, self.mark_high),
            block_extremes(block_minima, self.mark_low),
        )
        fine = bars.fine if bars.fine is not None else FinePrices.none(len(bars))
        self._fine: Fine = (fine.offsets, fine.kinds, fine.last, fine.mark)
        self.described = np.empty((0, FIXED_COLUMNS))

    def entry_prices(self, bars: Integers, sides: Bytes) -> Floats:
        return np.where(sides > 0, self.ask[bars], self.bid[bars])

    def opposite_prices(self) -> tuple[Floats, Floats]:
        return self.close, self.close

    def resolve(
        self, first: int, last: int, entries: Entries, bars: Integers, prices: Floats, flags: Bytes
    ) -> None:
        resolve_exits_exchange(
            first, last, entries.bars, entries.sides, entries.prices, self._market, self._extremes,
            self._fine, self.tick, self.classes.stops, self.classes.arms, self.classes.targets,
            self.classes.trails, self._on_mark, self.classes.numbers, bars, prices, flags,
        )  # fmt: skip

    def start_block(self, slots: Slots) -> None:
        self.described = np.empty((len(slots.bars), FIXED_COLUMNS))

    def describe(self, first: int, last: int, entries: Entries, slots: Slots) -> None:
        describe_fixed(
            first, last, self.fee, self.options.order_notional_usd, self.lot, entries.bars, entries.sides,
            entries.prices, slots.bases, slots.bars, slots.prices, slots.flags, slots.used, self.close,
            self.high, self.low, self.funding_due, self.described,
        )  # fmt: skip

    def accumulate(
        self, first: int, last: int, entries: Entries, slots: Slots, trades: Trades, totals: Floats
    ) -> None:
        del entries, slots
        accumulate_fixed(first, last, self.described, trades.offsets, trades.counts, trades.trades, totals)


def _on_grid(prices: Floats, tick: float, *, up: bool) -> Floats:
    if tick <= 0:
        return prices
    # A thousandth of a tick of room, so that a price on the grid stays where it is.
    return (np.ceil(prices / tick - 1e-3) if up else np.floor(prices / tick + 1e-3)) * tick


def _funding_due(bars: Bars, interval_hours: int) -> Floats:
    """What one unit held long pays at the opening of each bar: zero but for the hours of settlement."""
    interval_ms = interval_hours * HOUR_MS
    period = (bars.close_ms + 1 - MINUTE_MS) // interval_ms
    due = np.zeros(len(bars))
    settled = np.flatnonzero(np.diff(period) > 0) + 1
    rate = bars.funding_bps[settled - 1] / 1e4
    mark = np.where(np.isfinite(bars.mark), bars.mark, bars.close)[settled - 1]
    due[settled] = np.where(np.isfinite(rate), rate * mark, 0.0)
    return due
