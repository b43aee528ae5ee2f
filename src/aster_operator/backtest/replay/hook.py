"""A strategy that sees every event, compiled: it reads and writes the venue's arrays itself.

The hook is a function of plain numbers and arrays that numba can compile:
`on_event(time_ms, kind, market, orders, account, state)`. It is called after the venue has played the event;
`state` is an array of its own. It sends with `submit` and takes back with `cancel` of `replay.venue`, whose
constants name the columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.replay import venue as v
from aster_operator.backtest.replay.engine import ReplayVenueOptions, new_account
from aster_operator.backtest.replay.events import ReplayEvents

__all__ = ["EventReplay", "compile_event_strategy"]

_ROOM = 65_536


class EventReplay:
    """What a compiled strategy left behind: `fills` as rows (see `FILL_COLUMNS`), its state, its account."""

    def __init__(self, fills: Floats, state: Floats, account: Floats, market: Floats) -> None:
        self.fills = fills
        self.state = state
        self.position = float(account[v.POSITION])
        self.cash = float(account[v.CASH])
        self.fees = float(account[v.FEES])
        self.funding = float(account[v.FUNDING])
        self.mark, self.last = float(market[v.MARK]), float(market[v.LAST])
        self.orders_sent = int(account[v.NEXT_ID]) - 1

    def fingerprint(self) -> str:
        """SHA-256 over the fills and the number of orders."""
        whole = hashlib.sha256(np.ascontiguousarray(self.fills).tobytes())
        whole.update(str(self.orders_sent).encode())
        return whole.hexdigest()


def compile_event_strategy(
    on_event: Callable[[int, int, Floats, Floats, Floats, Floats], None],
) -> Callable[..., EventReplay]:
    """A function `(events, options, state_size)` that plays events through `on_event` in compiled code.

    Compiling takes some seconds, when it is first called. Raises numba's TypingError there for a hook that
    cannot be compiled.
    """
    hook = njit(nogil=True, error_model="numpy")(on_event)

    @njit(nogil=True, error_model="numpy")
    def play(
        cursor: Any,
        times_ms: Any,
        kinds: Any,
        values: Any,
        market: Any,
        orders: Any,
        account: Any,
        fills: Any,
        state: Any,
    ) -> Any:
        last = fills.shape[0] - 2 * orders.shape[0]
        while cursor < times_ms.shape[0] and account[v.WRITTEN] < last:
            v.at_event(cursor, times_ms, kinds, values, market, orders, account, fills)
            hook(times_ms[cursor], kinds[cursor], market, orders, account, state)
            cursor += 1
        return cursor

    def run(
        events: ReplayEvents, options: ReplayVenueOptions | None = None, state_size: int = 16
    ) -> EventReplay:
        chosen = options or ReplayVenueOptions()
        market = np.full(v.MARKET_COLUMNS, np.nan)
        v.start_bar(market)
        orders = np.zeros((chosen.most_orders, v.ORDER_COLUMNS))
        account = new_account(chosen)
        fills = np.zeros((_ROOM + 2 * chosen.most_orders, v.FILL_COLUMNS))
        state = np.zeros(state_size)
        found = []
        cursor = 0
        while cursor < len(events):
            account[v.WRITTEN] = 0
            cursor = play(
                cursor, events.times_ms, events.kinds, events.values, market, orders, account, fills, state
            )
            found.append(fills[: int(account[v.WRITTEN])].copy())
        return EventReplay(np.concatenate(found), state, account, market)

    return run
