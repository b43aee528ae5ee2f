"""What the replay is measured with: a recorded market, a strategy of bars, a compiled market maker."""

from typing import Any

import numpy as np

from aster_operator.backtest.replay import ReplayBar, ReplayEvents, ReplayFill, TickReplay
from aster_operator.backtest.replay import venue as v

__all__ = ["BarTrader", "make_market", "recorded_market"]

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
