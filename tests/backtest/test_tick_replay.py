"""Replay of recorded events: queue, latency, triggers, the same by leaps as by steps, and as the sweep."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from aster_operator.backtest.bars import Bars
from aster_operator.backtest.grid import PARAMETERS, make_param_grid
from aster_operator.backtest.kernels.exits_exchange import exit_levels
from aster_operator.backtest.replay import (
    ReplayBar,
    ReplayEvents,
    ReplayFill,
    ReplayVenueOptions,
    TickReplay,
    compile_event_strategy,
)
from aster_operator.backtest.replay import venue as v
from aster_operator.backtest.semantics_exchange import ExchangeOptions
from aster_operator.backtest.sweep import run_grid_backtest, signals_for
from aster_operator.backtest.trades import trade_list

from .markets import MINUTE_MS, random_bars, space
from .test_fine_prices import ticks_within, with_ticks

FREE = ReplayVenueOptions(taker_fee_bps=0.0)
Quote = tuple[int, float, float, float, float]


def random_events(size: int, seed: int) -> ReplayEvents:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, 100 * size, size))
    price = np.round(1000 + np.cumsum(rng.normal(0, 0.1, size)), 1)
    depth = rng.integers(1, 20, (size, 2)).astype(float)
    quotes = np.column_stack([price - 0.1, depth[:, 0], price + 0.1, depth[:, 1]])
    traded = np.sort(rng.choice(size, size // 3, replace=False))
    side = rng.choice([-1.0, 1.0], len(traded))
    trades = np.column_stack([price[traded] + 0.1 * side, rng.integers(1, 9, len(traded)), side])
    marked = np.arange(0, size, 20)
    return ReplayEvents.merged((times, quotes), (times[traded], trades), (times[marked], price[marked]))


def events(
    quotes: list[Quote],
    trades: Sequence[tuple[int, float, float]] = (),
    marks: Sequence[tuple[int, float]] = (),
) -> ReplayEvents:
    streams: list[Any] = []
    for rows, width in ((quotes, 4), (trades, 2), (marks, 1)):
        table = np.array(rows, dtype=float).reshape(-1, width + 1)
        streams.append((table[:, 0].astype(np.int64), table[:, 1:]))
    return ReplayEvents.merged(*streams)


@dataclass
class Busy:
    """Uses every kind of order, cancels, sets timers."""

    bars: int = 0
    seen: list[ReplayBar] = field(default_factory=list)

    def on_bar(self, replay: TickReplay, bar: ReplayBar) -> None:
        self.bars += 1
        self.seen.append(bar)
        side = 1 if self.bars % 2 else -1
        if replay.position == 0:
            replay.cancel_all()
            if self.bars % 3:
                replay.limit(side, 3, replay.bid if side > 0 else replay.ask)
            else:
                replay.market(side, 1)
            replay.set_timer(int(replay.now_ms) + 7_000)
        elif self.bars % 7 == 0:
            replay.market(-1 if replay.position > 0 else 1, abs(replay.position), reduce_only=True)

    def on_fill(self, replay: TickReplay, fill: ReplayFill) -> None:
        replay.cancel_all()
        if replay.position != 0:
            side, size = (-1 if replay.position > 0 else 1), abs(replay.position)
            replay.stop(side, size, fill.price * (1 + side * 5e-4))
            replay.take_profit(side, size, fill.price * (1 - side * 9e-4))
            replay.trailing_stop(side, size, fill.price * (1 - side * 4e-4), 2.0)

    def on_timer(self, replay: TickReplay) -> None:
        if replay.position == 0:
            replay.cancel_all()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("latency_ms", [0, 40, 2_500])
def test_by_leaps_as_event_by_event(seed: int, latency_ms: int) -> None:
    recorded = random_events(6_000, seed)
    found = []
    for every_event in (False, True):
        replay = TickReplay(recorded, ReplayVenueOptions(latency_ms=latency_ms, maker_fee_bps=1.0))
        strategy = Busy()
        replay.run(strategy, every_event=every_event)
        found.append((replay.fingerprint(), replay.fills, replay.cash, replay.position, repr(strategy.seen)))
        assert len(replay.fills) > 10
    assert found[0] == found[1]


class Once:
    """Sends one thing at the first bar's close and keeps still."""

    def __init__(self, send: Any) -> None:
        self.send = send

    def on_bar(self, replay: TickReplay, bar: ReplayBar) -> None:
        del bar
        if self.send is not None:
            self.send, send = None, self.send
            send(replay)

    def on_fill(self, replay: TickReplay, fill: ReplayFill) -> None: ...

    def on_timer(self, replay: TickReplay) -> None: ...


def filled(recorded: ReplayEvents, send: Any, latency_ms: int = 0) -> list[tuple[float, float, float, bool]]:
    replay = TickReplay(recorded, replace(FREE, latency_ms=latency_ms))
    replay.run(Once(send))
    return [(fill.time_ms, fill.price, fill.quantity, fill.is_maker) for fill in replay.fills]


M = MINUTE_MS
START: list[Quote] = [(0, 99.0, 5, 101.0, 5)]


@pytest.mark.parametrize(
    ("quotes", "trades", "expected"),
    [
        # Five are ahead: the sixth unit sold at 99 is ours, then the rest.
        ([], [(M + 1, 99.0, 4), (M + 2, 99.0, 2), (M + 3, 99.0, 9)], [(M + 2, 1.0), (M + 3, 1.0)]),
        # Whoever left is no longer ahead.
        ([(M + 1, 99.0, 1, 101.0, 5)], [(M + 2, 99.0, 2)], [(M + 2, 1.0)]),
        # More that is shown later stands behind.
        ([(M + 1, 99.0, 50, 101.0, 5)], [(M + 2, 99.0, 7)], [(M + 2, 2.0)]),
        # A trade beyond the price, and a quote beyond it, leave nobody unfilled.
        ([], [(M + 1, 98.9, 0.1)], [(M + 1, 2.0)]),
        ([(M + 1, 98.0, 5, 98.5, 5)], [], [(M + 1, 2.0)]),
        ([], [(M + 1, 99.5, 50)], []),
    ],
)
def test_a_limit_order_waits_in_its_queue(
    quotes: list[Quote], trades: list[tuple[int, float, float]], expected: list[tuple[int, float]]
) -> None:
    recorded = events(START + quotes, trades)
    found = filled(recorded, lambda replay: replay.limit(1, 2, 99.0))
    assert found == [(time, 99.0, quantity, True) for time, quantity in expected]


@pytest.mark.parametrize(
    ("latency_ms", "time_ms", "price"), [(0, M, 101.0), (10, M + 10, 101.0), (30, M + 30, 103.0)]
)
def test_a_market_order_meets_the_market_when_it_arrives(latency_ms: int, time_ms: int, price: float) -> None:
    recorded = events([*START, (M + 20, 102.0, 1, 103.0, 1), (M + 90, 1.0, 1, 2.0, 1)])
    found = filled(recorded, lambda replay: replay.market(1, 2), latency_ms)
    assert found == [(time_ms, price, 2.0, False)]


def test_an_order_may_fill_while_its_cancellation_is_on_its_way() -> None:
    def send(replay: TickReplay) -> None:
        replay.limit(1, 2, 99.0)
        replay.set_timer(M + 100)

    class Cancels(Once):
        def on_timer(self, replay: TickReplay) -> None:
            replay.cancel_all()

    for trade_ms, fills in ((M + 140, 1), (M + 160, 0)):
        replay = TickReplay(events(START, [(trade_ms, 98.0, 1)]), replace(FREE, latency_ms=50))
        replay.run(Cancels(send))
        assert len(replay.fills) == fills


def test_a_reduce_only_order_opens_nothing() -> None:
    recorded = events([*START, (M + 90, 99.0, 1, 101.0, 1)], [], [(M + 5, 90.0)])
    assert filled(recorded, lambda replay: replay.stop(-1, 2, 95.0)) == []


def as_events(bars: Bars, within: list[list[tuple[int, bool, float]]], half_spread: float) -> ReplayEvents:
    traded = [(time, price) for own in within for time, is_mark, price in own if not is_mark]
    marked = [(time, price) for own in within for time, is_mark, price in own if is_mark]
    prices = np.array([price for _, price in traded])
    ones = np.ones(len(prices))
    times = np.array([time for time, _ in traded], dtype=np.int64)
    quotes = np.column_stack([prices * (1 - half_spread), ones, prices * (1 + half_spread), ones])
    marks = (np.array([time for time, _ in marked], dtype=np.int64), np.array([price for _, price in marked]))
    return ReplayEvents.merged((times, quotes), (times, np.column_stack([prices, ones])), marks)


class SignalTrader:
    """Enters on given signals and leaves by the three orders the live strategy places."""

    def __init__(
        self, bars: Bars, sides: np.ndarray, values: dict[str, float], options: ExchangeOptions
    ) -> None:
        self.bars, self.sides, self.values, self.options = bars, sides, values, options
        self.bar = -1
        self.free_from = 0
        self.trades: list[list[float]] = []

    def on_bar(self, replay: TickReplay, bar: ReplayBar) -> None:
        self.bar += 1
        assert bar.close == self.bars.close[self.bar]
        if replay.position == 0 and self.bar >= self.free_from and self.sides[self.bar]:
            replay.market(int(self.sides[self.bar]), 1.0)

    def on_fill(self, replay: TickReplay, fill: ReplayFill) -> None:
        if replay.position == 0:
            replay.cancel_all()
            bar = int(np.searchsorted(self.bars.close_ms, fill.time_ms))
            self.trades[-1] += [bar, fill.price]
            self.free_from = bar + self.options.cooldown_bars
            return
        self.trades.append([self.bar, fill.price])
        bars, values, side = self.bars, self.values, fill.side
        floor = 2 * self.options.fee_bps + max(bars.opening_loss_bps[self.bar], 0.0)
        floor += abs(bars.funding_bps[self.bar]) / 8
        arms = max(values["activation_bps"], floor + values["activation_buffer_bps"])
        target = max(values["tp_bps"], arms + values["min_tp_gap_bps"])
        level = [
            exit_levels(fill.price, side, distance, 0.0) for distance in (-values["sl_bps"], target, arms)
        ]
        replay.stop(-side, 1.0, level[0])
        replay.take_profit(-side, 1.0, level[1])
        # As the live desk: where the venue does not take the callback, its own, on the mark.
        trail = replay.trailing_stop if values["callback_bps"] >= 10 else replay.trail_here
        trail(-side, 1.0, level[2], values["callback_bps"])

    def on_timer(self, replay: TickReplay) -> None: ...


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_replay_and_sweep_agree_trade_for_trade(seed: int) -> None:
    half_spread = 5e-5
    bars = random_bars(1200, seed, volatility_bps=9.0)
    bars = replace(
        bars,
        bid=bars.close * (1 - half_spread),
        ask=bars.close * (1 + half_spread),
        spread_bps=np.full(len(bars), 2e4 * half_spread),
    )
    within = ticks_within(bars, seed)
    options = ExchangeOptions(cooldown_bars=seed - 1)
    grid = make_param_grid(space(k=[1.0], spread_max=[3.0], callback_bps=[3.0, 9.0, 12.0]))
    fine = with_ticks(bars, within)
    result = run_grid_backtest(fine, grid, options=options)
    signals = signals_for(bars, grid, "exchange", options)
    recorded = as_events(bars, within, half_spread)
    traded = 0
    for number in range(0, len(grid), 5):
        values = dict(zip(PARAMETERS, grid.values[number], strict=True))
        long, short = signals.entries(int(grid.signal_of[number]), len(bars))
        trader = SignalTrader(bars, long.astype(int) - short.astype(int), values, options)
        TickReplay(recorded, FREE).run(trader)
        expected = trade_list(result, fine, result.config_ids[number]).filter(pl.col("exit_reason") != "open")
        closed = [trade for trade in trader.trades if len(trade) == 4]
        traded += len(closed)
        for column, name in enumerate(("entry_bar", "entry_price", "exit_bar", "exit_price")):
            np.testing.assert_allclose([trade[column] for trade in closed], expected[name], rtol=1e-9)
    assert traded > 100


def test_a_compiled_strategy_sees_every_event() -> None:
    def on_event(time_ms, kind, market, orders, account, state):  # type: ignore[no-untyped-def]
        state[0] += 1
        state[kind] += 1
        if kind == v.QUOTE_EVENT and account[v.POSITION] == 0 and state[4] == 0:
            state[4] = v.submit(orders, account, time_ms, 1, v.LIMIT, 1.0, market[v.BID], 0.0, False)
        elif kind == v.QUOTE_EVENT and account[v.POSITION] > 0 and state[4] > 0:
            v.submit(orders, account, time_ms, -1, v.MARKET, 1.0, 0.0, 0.0, True)
            state[4] = 0

    recorded = random_events(4_000, 5)
    run = compile_event_strategy(on_event)
    found = run(recorded, ReplayVenueOptions(latency_ms=20))
    counts = np.bincount(recorded.kinds, minlength=4)
    assert found.state[:4].tolist() == [len(recorded), *counts[1:].tolist()]
    assert len(found.fills) > 5
    assert found.fingerprint() == run(recorded, ReplayVenueOptions(latency_ms=20)).fingerprint()
    assert found.fingerprint() != run(recorded, ReplayVenueOptions(latency_ms=900)).fingerprint()
    bought = found.fills[found.fills[:, 2] > 0]
    assert (bought[:, 6] == 1).all()
    paid = (found.fills[:, 2] * found.fills[:, 3] * found.fills[:, 4]).sum() + found.fees
    assert found.cash == pytest.approx(-paid)


@pytest.mark.parametrize(
    ("quotes", "complaint"),
    [
        ([(5, 1.0, 1, 2.0, 1), (4, 1.0, 1, 2.0, 1)], "earlier than the one before"),
        ([(5, 3.0, 1, 2.0, 1)], "crossed book"),
        ([(5, 0.0, 1, 2.0, 1)], "not above 0"),
        ([], "no events"),
    ],
)
def test_events_that_cannot_be_played(quotes: list[Quote], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        events(quotes)


@pytest.mark.parametrize("order", [(2, 1.0, 1.0), (1, 0.0, 1.0), (1, 1.0, 0.0), (1, float("nan"), 1.0)])
def test_orders_that_cannot_be_sent(order: tuple[int, float, float]) -> None:
    replay = TickReplay(events(START))
    with pytest.raises(ValueError, match="no order"):
        replay.limit(*order)


def test_more_orders_than_there_is_room_for() -> None:
    replay = TickReplay(events(START), ReplayVenueOptions(most_orders=2))
    replay.limit(1, 1, 50.0)
    replay.limit(1, 1, 50.0)
    with pytest.raises(ValueError, match="more than 2 orders"):
        replay.limit(1, 1, 50.0)
