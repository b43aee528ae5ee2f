"""What the replay is measured with: a recorded market, strategies of bars, a compiled market maker."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from tests.backtest.tick_catalogs import put

from aster_operator.backtest.replay import ReplayBar, ReplayEvents, ReplayFill, TickReplay
from aster_operator.backtest.replay import venue as v
from aster_operator.backtest.replay.desk_trader import DeskTrader
from aster_operator.execution.positions.settings import PositionDeskSettings, PositionGuards, PositionSizing
from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.strategy.midfreq.parameters import SymbolParameters
from aster_operator.strategy.midfreq.strategy import MidFrequencyStrategy
from aster_operator.strategy.parameters import RiskLimits

__all__ = ["BarTrader", "make_market", "midfreq_trader", "recorded_market", "write_catalog"]

_START_MS = 1_767_225_600_000
_REQUOTE_MS = 200


def recorded_market(quotes: int) -> ReplayEvents:
    """So many quotes, 100 a second, a trade for each fifth and a mark for each fiftieth."""
    rng = np.random.default_rng(1)
    times = np.sort(rng.integers(0, 10 * quotes, quotes)) + _START_MS
    price = np.round(1000 + np.cumsum(rng.normal(0, 0.05, quotes)), 1)
    depth = rng.integers(1, 20, (quotes, 2)).astype(float)
    traded = np.sort(rng.choice(quotes, quotes // 5, replace=False))
    side = rng.choice([-1.0, 1.0], len(traded))
    marked = np.arange(0, quotes, 50)
    return ReplayEvents.merged(
        (times, np.column_stack([price - 0.1, depth[:, 0], price + 0.1, depth[:, 1]])),
        (times[traded], np.column_stack([price[traded] + 0.1 * side, rng.integers(1, 9, len(traded)), side])),
        (times[marked], price[marked]),
    )


def write_catalog(root: Path, events: ReplayEvents, symbol: str = "BTCUSDT") -> None:
    """The same market as `collect` would have recorded it."""
    times, values = events.times_ms, events.values
    quotes, trades, marks = (events.kinds == kind for kind in (v.QUOTE_EVENT, v.TRADE_EVENT, v.MARK_EVENT))
    names = ("bid_price", "bid_quantity", "ask_price", "ask_quantity")
    put(root, "bookTicker", symbol, times[quotes], dict(zip(names, values[quotes].T, strict=True)))
    put(root, "aggTrade", symbol, times[trades], {
        "trade_id": np.arange(trades.sum()), "trade_ms": times[trades], "price": values[trades, 0],
        "quantity": values[trades, 1], "is_buyer_maker": values[trades, 2] < 0,
    })  # fmt: skip
    put(root, "markPrice", symbol, times[marks], {
        "mark_price": values[marks, 0], "index_price": values[marks, 0],
        "funding_rate": np.full(marks.sum(), 1e-5), "next_funding_ms": np.full(marks.sum(), times[-1] + 1),
    })  # fmt: skip


def midfreq_trader() -> DeskTrader:
    """The live desk with eager parameters: it trades about every other minute."""
    symbol = "BTCUSDT"
    parameters = SymbolParameters(
        momentum_k=0.2, volume_ratio_n=0.2, max_spread_ticks=Decimal(50), max_funding_bps=Decimal(20)
    )
    desk = PositionDeskSettings(
        strategy="midfreq",
        symbols=(symbol,),
        sizing=PositionSizing(order_notional_usd=Decimal(500)),
        guards=PositionGuards(cooldown_ms=0),
    )
    return DeskTrader(
        MidFrequencyStrategy({symbol: parameters}),
        contract_for_prices(symbol, []).instrument,
        desk,
        RiskLimits(capital_usd=Decimal(10_000), leverage=25, max_position_size_pct=Decimal(10)),
        deposit_usd=Decimal(10_000),
    )


class BarTrader:
    """Enters at the touch or in the queue and protects each position with three orders."""

    def __init__(self) -> None:
        self._bars = 0

    def on_bar(self, replay: TickReplay, bar: ReplayBar) -> None:
        del bar
        self._bars += 1
        if replay.position == 0:
            replay.cancel_all()
            side = 1 if self._bars % 2 else -1
            if self._bars % 3:
                replay.limit(side, 1.0, replay.bid if side > 0 else replay.ask)
            else:
                replay.market(side, 1.0)
            replay.set_timer(int(replay.now_ms) + 20_000)

    def on_fill(self, replay: TickReplay, fill: ReplayFill) -> None:
        replay.cancel_all()
        if replay.position != 0:
            side = -1 if replay.position > 0 else 1
            replay.stop(side, 1.0, fill.price * (1 + side * 5e-4))
            replay.take_profit(side, 1.0, fill.price * (1 - side * 1e-3))
            replay.trailing_stop(side, 1.0, fill.price * (1 - side * 3e-4), 2.0)

    def on_timer(self, replay: TickReplay) -> None:
        if replay.position == 0:
            replay.cancel_all()


def make_market(time_ms: int, kind: int, market: Any, orders: Any, account: Any, state: Any) -> None:
    """Keeps a unit at the best bid and one at the best ask; the state is order and time of each."""
    if kind != v.QUOTE_EVENT:
        return
    for side in range(2):
        order = 2 * side
        sign = 1 - 2 * side
        if state[order] == 0 and sign * account[v.POSITION] <= 0:
            price = market[v.BID] if side == 0 else market[v.ASK]
            state[order] = v.submit(orders, account, time_ms, sign, v.LIMIT, 1.0, price, 0.0, False)
            state[order + 1] = time_ms
        elif state[order] > 0 and time_ms - state[order + 1] > _REQUOTE_MS:
            v.cancel(orders, account, time_ms, state[order])
            state[order] = 0
