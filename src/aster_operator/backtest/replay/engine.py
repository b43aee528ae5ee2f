"""A strategy in Python over recorded events: it acts on closed bars, timers and fills, the rest is compiled.

Event by event, and from one event that matters to the next, the decisions, orders and fills are the same,
which the fingerprint shows.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from aster_operator.backtest.kernels.compiler import Floats
from aster_operator.backtest.replay import venue as v
from aster_operator.backtest.replay.events import ReplayEvents
from aster_operator.domain.clock import MINUTE_MS

__all__ = ["ReplayBar", "ReplayFill", "ReplayVenueOptions", "TickReplay", "TickStrategy", "new_account"]

_NEVER_MS = 2**62


@dataclass(frozen=True)
class ReplayVenueOptions:
    """`latency_ms` from sending to arriving; fees in bps; `most_orders` at one time."""

    latency_ms: int = 0
    maker_fee_bps: float = 0.0
    taker_fee_bps: float = 4.0
    bar_ms: int = MINUTE_MS
    most_orders: int = 16


class ReplayBar(NamedTuple):
    """A bar of trades up to `close_ms`, its last millisecond; prices are NaN when nothing traded."""

    close_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class ReplayFill(NamedTuple):
    """One fill; `side` +1 buys, -1 sells; the fee is in quote units."""

    time_ms: float
    order: int
    side: int
    price: float
    quantity: float
    fee: float
    is_maker: bool


class TickStrategy(Protocol):
    """What a strategy may do is on the replay it is handed; whatever it does not need it leaves empty."""

    def on_bar(self, replay: TickReplay, bar: ReplayBar) -> None: ...

    def on_fill(self, replay: TickReplay, fill: ReplayFill) -> None: ...

    def on_timer(self, replay: TickReplay) -> None: ...


def new_account(options: ReplayVenueOptions) -> Floats:
    """The account's array before anything happened."""
    account = np.zeros(v.ACCOUNT_COLUMNS)
    account[v.NEXT_ID] = 1
    account[v.LATENCY_MS] = options.latency_ms
    account[v.MAKER_FEE], account[v.TAKER_FEE] = options.maker_fee_bps / 1e4, options.taker_fee_bps / 1e4
    return account


class TickReplay:
    """Plays events through a strategy. All times are in ms of the recording."""

    def __init__(self, events: ReplayEvents, options: ReplayVenueOptions | None = None) -> None:
        if len(events) == 0:
            raise ValueError("there are no events")
        self.options = options or ReplayVenueOptions()
        self.fills: list[ReplayFill] = []
        self.order_types: dict[int, int] = {}
        """What each order sent was, by its number."""
        self.now_ms = float(events.times_ms[0])
        self._events = events
        self._market = np.full(v.MARKET_COLUMNS, np.nan)
        self._orders = np.zeros((self.options.most_orders, v.ORDER_COLUMNS))
        self._account = new_account(self.options)
        self._room = np.zeros((4 * self.options.most_orders, v.FILL_COLUMNS))
        self._digest = hashlib.sha256()
        self._timer_ms = _NEVER_MS
        self._cursor = 0
        v.start_bar(self._market)

    # --- what a strategy sees and does

    @property
    def bid(self) -> float:
        return float(self._market[v.BID])

    @property
    def ask(self) -> float:
        return float(self._market[v.ASK])

    @property
    def last(self) -> float:
        """Price of the last trade; NaN before the first."""
        return float(self._market[v.LAST])

    @property
    def mark(self) -> float:
        return float(self._market[v.MARK])

    @property
    def funding_rate(self) -> float:
        """Of the running period, as the newest mark told it; a fraction."""
        return float(self._market[v.FUNDING_RATE])

    @property
    def quote_ms(self) -> float:
        """When the newest quote came; NaN before the first."""
        return float(self._market[v.QUOTE_MS])

    @property
    def mark_ms(self) -> float:
        """When the newest mark came; NaN before the first."""
        return float(self._market[v.MARK_MS])

    @property
    def events_played(self) -> int:
        return self._cursor

    @property
    def next_event_ms(self) -> int | None:
        """When something is heard next, but not what; None at the end."""
        times = self._events.times_ms
        return int(times[self._cursor]) if self._cursor < len(times) else None

    @property
    def position(self) -> float:
        """Base units, negative for a short."""
        return float(self._account[v.POSITION])

    @property
    def cash(self) -> float:
        """Quote units since the start: what was sold less what was bought and the fees."""
        return float(self._account[v.CASH])

    @property
    def fees(self) -> float:
        """Quote units paid, in the cash already."""
        return float(self._account[v.FEES])

    @property
    def funding(self) -> float:
        """Quote units received, negative when paid; in the cash already."""
        return float(self._account[v.FUNDING])

    @property
    def orders_sent(self) -> int:
        return len(self.order_types)

    @property
    def open_orders(self) -> int:
        """Orders that rest or are on their way."""
        return int((self._orders[:, v.STATUS] != 0).sum())

    def limit(self, side: int, quantity: float, price: float, *, reduce_only: bool = False) -> int:
        """Rest at `price`, or take what is better. Returns the order's number; raises ValueError."""
        return self._send(side, v.LIMIT, quantity, price, 0.0, reduce_only=reduce_only)

    def ioc(self, side: int, quantity: float, price: float) -> int:
        """Take what is displayed at the touch, at `price` or better; the rest is gone."""
        return self._send(side, v.IOC, quantity, price, 0.0, reduce_only=False)

    def market(self, side: int, quantity: float, *, reduce_only: bool = False) -> int:
        """Take the touch."""
        return self._send(side, v.MARKET, quantity, 0.0, 0.0, reduce_only=reduce_only)

    def stop(self, side: int, quantity: float, trigger: float) -> int:
        """Take the touch once the mark reaches `trigger`; reduces only."""
        return self._send(side, v.STOP, quantity, trigger, 0.0, reduce_only=True)

    def take_profit(self, side: int, quantity: float, trigger: float) -> int:
        """Take the touch once the last price reaches `trigger`; reduces only."""
        return self._send(side, v.TAKE_PROFIT, quantity, trigger, 0.0, reduce_only=True)

    def trailing_stop(self, side: int, quantity: float, activation: float, callback_bps: float) -> int:
        """From `activation` on follow the best last price; take the touch when it gives back so much."""
        return self._send(side, v.TRAILING_STOP, quantity, activation, callback_bps / 1e4, reduce_only=True)

    def trail_here(
        self, side: int, quantity: float, activation: float, callback_bps: float, *, armed: bool = False
    ) -> int:
        """As `trailing_stop`, but run by the trader: it follows the mark, and sends a market order."""
        self._check(side, v.OWN_TRAIL, quantity, activation, callback_bps)
        order = int(
            v.trail_here(
                self._orders, self._account, side, float(quantity), float(activation), callback_bps / 1e4,
                self.mark, armed,
            )
        )  # fmt: skip
        return self._sent(order, side, v.OWN_TRAIL, quantity, activation, callback_bps / 1e4, armed)

    def cancel(self, order: int) -> bool:
        """Ask for the order to be taken back; whether it was still there."""
        self._note("c", self.now_ms, order)
        return bool(v.cancel(self._orders, self._account, self.now_ms, order))

    def cancel_all(self) -> None:
        """Ask for all orders to be taken back."""
        for row in self._orders[self._orders[:, v.STATUS] != 0]:
            self.cancel(int(row[v.ORDER_ID]))

    def set_timer(self, time_ms: int) -> None:
        """Call `on_timer` at `time_ms`; there is one timer."""
        self._timer_ms = int(time_ms)

    def decided(self, text: str) -> None:
        """Make what was decided part of the fingerprint."""
        self._digest.update(f"d{self.now_ms}{text}".encode())

    def fingerprint(self) -> str:
        """SHA-256 over every decision told, order, cancellation and fill so far."""
        return self._digest.hexdigest()

    # --- playing

    def run(self, strategy: TickStrategy, *, every_event: bool = False) -> None:
        """Play everything; with `every_event` one event at a time, which is slow and gives the same."""
        times = self._events.times_ms
        most = 1 if every_event else len(times)
        bar_ms = self.options.bar_ms
        bar_end_ms = (int(times[0]) // bar_ms + 1) * bar_ms
        while True:
            due_ms = min(bar_end_ms, self._timer_ms)
            self._account[v.WRITTEN] = 0
            self._cursor = cursor = v.advance(
                self._cursor, due_ms, most, times, self._events.kinds, self._events.values, self._market,
                self._orders, self._account, self._room,
            )  # fmt: skip
            if self._account[v.WRITTEN]:
                self.now_ms = float(times[cursor - 1])
                self._deliver(strategy)
                continue
            if cursor < len(times) and times[cursor] < due_ms:
                continue
            self.now_ms = float(due_ms)
            self._settle(strategy)
            if due_ms == self._timer_ms:
                self._timer_ms = _NEVER_MS
                strategy.on_timer(self)
            if due_ms == bar_end_ms:
                bar = ReplayBar(due_ms - 1, *self._market[v.BAR_OPEN : v.BAR_VOLUME + 1].tolist())
                v.start_bar(self._market)
                bar_end_ms += bar_ms
                strategy.on_bar(self, bar)
            self._settle(strategy)
            if cursor == len(times):
                return

    def wind_down(self, strategy: TickStrategy, begin: Callable[[TickReplay], None]) -> None:
        """At the last event `begin` sends its orders; they arrive and meet the market as it was last."""
        self.now_ms = float(self._events.times_ms[-1])
        begin(self)
        # Once for orders, and once for what is taken back because of their fills.
        for _ in range(2):
            self.now_ms += self.options.latency_ms
            self._settle(strategy)

    def _settle(self, strategy: TickStrategy) -> None:
        """What has arrived by now meets the market, until nothing more follows from it."""
        while True:
            self._account[v.WRITTEN] = 0
            v.arrivals(self._orders, self._market, self._account, self._room, self.now_ms)
            if not self._account[v.WRITTEN]:
                return
            self._deliver(strategy)

    def _deliver(self, strategy: TickStrategy) -> None:
        for row in self._room[: int(self._account[v.WRITTEN])].copy():
            fill = ReplayFill(
                float(row[0]),
                int(row[1]),
                int(row[2]),
                float(row[3]),
                float(row[4]),
                float(row[5]),
                bool(row[6]),
            )
            self.fills.append(fill)
            self._note("f", *fill)
            strategy.on_fill(self, fill)

    def _send(
        self, side: int, kind: int, quantity: float, price: float, callback: float, *, reduce_only: bool
    ) -> int:
        self._check(side, kind, quantity, price, callback)
        found = v.submit(
            self._orders, self._account, self.now_ms, side, kind, float(quantity), float(price), callback,
            reduce_only,
        )  # fmt: skip
        return self._sent(int(found), side, kind, quantity, price, callback, reduce_only)

    @staticmethod
    def _check(side: int, kind: int, quantity: float, price: float, callback: float) -> None:
        if side not in (1, -1) or not quantity > 0 or not (price > 0 or kind == v.MARKET) or callback < 0:
            raise ValueError(
                f"no order: side {side}, quantity {quantity}, price {price}, callback {callback}"
            )

    def _sent(self, order: int, *terms: float) -> int:
        """Write an order of these terms (side, type, ...) down. Raises ValueError where there was no room."""
        if order < 0:
            raise ValueError(f"more than {len(self._orders)} orders at one time (most_orders)")
        self.order_types[order] = int(terms[1])
        self._note("o", self.now_ms, order, *terms)
        return order

    def _note(self, what: str, *numbers: float) -> None:
        self._digest.update(what.encode() + struct.pack(f"<{len(numbers)}d", *numbers))
