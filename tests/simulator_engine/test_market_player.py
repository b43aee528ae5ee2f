"""Recorded minutes come out as they went in, and accounts do not change the market's dice."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aster_operator.domain.enums import OrderStatus
from aster_operator.market_data.history import MINUTE_MS, RecordedHistory, SymbolHistory, load_history
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.market_player import recorded_market, synthetic_market
from aster_operator.simulator.minute_feed import RecordedFeed
from aster_operator.simulator.minute_plan import RecordedMinute, plan_minute
from aster_operator.simulator.model import KlineRecord, TradeEvent

from .helpers import (
    START_MS,
    best,
    flat_bars,
    make_exchange,
    place,
    play_minutes,
    record,
    symbol_history,
    with_account,
)

SHARED_MINUTES = Path(__file__).parents[3] / "shared" / "data" / "binance_usdm" / "klines_1m"


def assert_bars_equal_the_record(exchange: SimulatedExchange, history: SymbolHistory) -> None:
    spec = exchange.contracts()[history.symbol]
    tick, lots_per_unit = float(spec.instrument.tick_size), float(spec.lots_per_unit)
    bars = {bar.open_ms: bar for bar in exchange.klines(history.symbol, MINUTE_MS, None, None, 100_000)}
    assert len(bars) == len(history)
    for index, open_ms in enumerate(history.open_time_ms):
        bar = bars[open_ms]
        expected = [
            round(column[index] / tick) for column in (history.open, history.high, history.low, history.close)
        ]
        volume = round(history.base_volume[index] * lots_per_unit)
        if volume == 0:
            assert (bar.lots, bar.trades) == (0, 0)
            continue
        assert [bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks] == expected
        # A minute needs a lot at each of its four prices, whatever was recorded.
        assert bar.lots == volume or bar.lots <= 4


def play_all(history: RecordedHistory, **options: int) -> SimulatedExchange:
    exchange = SimulatedExchange.from_history(history, ExchangeOptions(**options))
    assert exchange.end_ms is not None
    exchange.advance_to(exchange.end_ms)
    assert exchange.next_step_ms() is None
    return exchange


@pytest.mark.parametrize("substep_ms", [5000, 15_000])
def test_sample_bars_come_out_as_recorded(substep_ms: int) -> None:
    history = load_history(end_ms=load_history().start_ms + 4 * 3_600_000)
    exchange = play_all(history, substep_ms=substep_ms, seed=3)
    for minutes in history.symbols.values():
        assert_bars_equal_the_record(exchange, minutes)


@pytest.mark.parametrize(
    ("symbol", "start_ms"),
    [
        ("FILUSDT", 1_712_946_000_000),  # 2024-04-12 18:20, a minute of -15.6 % among them
        ("ALGOUSDT", 1_675_209_600_000),  # thin, minutes without a trade
        ("LAYERUSDT", 1_746_529_200_000),  # 3.0 to 1.9 within four hours
    ],
)
def test_violent_and_thin_markets_come_out_as_recorded(symbol: str, start_ms: int) -> None:
    if not SHARED_MINUTES.is_dir():
        pytest.skip(f"no recorded minutes at {SHARED_MINUTES}")
    history = load_history(SHARED_MINUTES, [symbol], start_ms=start_ms, end_ms=start_ms + 5 * 3_600_000)
    exchange = play_all(history, substep_ms=5000)
    assert_bars_equal_the_record(exchange, history.symbols[symbol])
    assert exchange.audit().balanced


@given(
    st.integers(1, 10**6),
    st.integers(0, 10**4),
    st.integers(0, 10**4),
    st.integers(0, 10**6),
    st.integers(4, 60),
    st.integers(0, 2**32),
    st.none() | st.floats(0, 1),
)
def test_a_planned_minute_stays_in_range_and_shares_all_of_its_volume(
    low: int, rise: int, close: int, lots: int, count: int, seed: int, taker: float | None
) -> None:
    high = low + rise
    open_ticks, close_ticks = low + seed % (rise + 1), low + close % (rise + 1)
    minute = RecordedMinute(0, open_ticks, high, low, close_ticks, lots, taker)
    steps = plan_minute(minute, count, Random(seed))
    printing = [step for step in steps if step.main_lots]
    assert all(low <= step.ticks <= high for step in steps)
    assert all(step.main_lots >= 0 and step.counter_lots >= 0 for step in steps)
    total = sum(step.main_lots + step.counter_lots for step in steps)
    assert total == lots or (0 < lots < total <= 4)
    if lots:
        assert (printing[0].ticks, printing[-1].ticks) == (open_ticks, close_ticks)
        assert {step.ticks for step in printing} >= {low, high}


def test_an_account_does_not_change_the_dice_of_the_market() -> None:
    def prices(interfere: bool) -> list[tuple[int, int]]:
        exchange = with_account(make_exchange(flat_bars(60_000.0, 30, reach=25.0)))
        seen: list[tuple[int, int]] = []
        exchange.subscribe(
            lambda event: seen.append((event.time_ms, event.ticks)) if isinstance(event, TradeEvent) else None
        )
        for _ in range(20):
            if interfere:
                place(exchange, "alice", "BUY", "LIMIT", "0.002", price="59000")
            play_minutes(exchange, 1)
        return seen

    assert prices(True) == prices(False)


def test_different_seeds_play_differently_and_the_same_seed_alike() -> None:
    def trades(seed: int) -> list[object]:
        exchange = make_exchange(flat_bars(60_000.0, 5, reach=30.0), seed=seed)
        events = record(exchange)
        play_minutes(exchange, 5)
        return [event for event in events if isinstance(event, TradeEvent)]

    assert trades(1) == trades(1)
    assert trades(1) != trades(2)


def test_minutes_without_volume_print_nothing_but_still_make_a_bar() -> None:
    exchange = make_exchange([(60_000.0, 60_000.0, 60_000.0, 60_000.0, 0.0)] * 3)
    events = record(exchange)
    play_minutes(exchange, 3)
    assert not [event for event in events if isinstance(event, TradeEvent)]
    bars = exchange.klines("BTCUSDT", MINUTE_MS, None, None, 10)
    assert [(bar.lots, bar.close_ticks) for bar in bars] == [(0, 600_000)] * 3


def test_market_time_jumps_a_break_in_the_recording() -> None:
    early = symbol_history("BTCUSDT", flat_bars(60_000.0, 2))
    late_ms = START_MS + 86_400_000
    late = symbol_history("BTCUSDT", flat_bars(70_000.0, 2), start_ms=late_ms)
    columns = {
        name: [*getattr(early, name), *getattr(late, name)]
        for name in ("open_time_ms", "open", "high", "low", "close", "base_volume", "taker_buy_base")
    }
    history = SymbolHistory(symbol="BTCUSDT", **columns)
    assert [window.minutes for window in history.windows()] == [2, 2]
    exchange = with_account(
        SimulatedExchange.from_history(
            RecordedHistory({"BTCUSDT": history}), ExchangeOptions(substep_ms=5000)
        )
    )
    exchange.advance_to(START_MS + 60_000)
    order = place(exchange, "alice", "SELL", "LIMIT", "0.5", price="60500")
    exchange.advance_to(START_MS + 2 * MINUTE_MS)
    assert exchange.next_step_ms() == late_ms
    exchange.advance_to(late_ms)
    # The price has gone through the order, which fills at its own price.
    assert order.status is OrderStatus.FILLED
    assert order.average_price == Decimal(60_500)
    assert exchange.mark("BTCUSDT").mark_e8 == 70_000 * 10**8
    exchange.advance_to(exchange.end_ms or 0)
    bars = exchange.klines("BTCUSDT", MINUTE_MS, None, None, 10)
    assert [bar.open_ms for bar in bars] == history.open_time_ms
    assert not [row for row in exchange.income("alice") if row.income_type == "FUNDING_FEE"]


def test_a_resting_order_waits_for_the_lots_before_it() -> None:
    exchange = with_account(make_exchange(flat_bars(60_000.0, 30, reach=0.2, volume=200.0)))
    bid, _ = best(exchange)
    shown = exchange.book("BTCUSDT", 1).bids[0][1]
    order = place(exchange, "alice", "BUY", "LIMIT", "0.005", price=str(bid), tif="GTX")
    assert exchange.queue_position("alice", "BTCUSDT", order.order_id) == shown
    traded = 0
    events = record(exchange)
    while order.filled_lots == 0:
        before = exchange.queue_position("alice", "BTCUSDT", order.order_id)
        next_ms = exchange.next_step_ms()
        assert next_ms is not None
        exchange.advance_to(next_ms)
        after = exchange.queue_position("alice", "BTCUSDT", order.order_id)
        assert before is not None
        assert after is None or after <= before
    traded = sum(event.lots for event in events if isinstance(event, TradeEvent))
    assert traded > order.filled_lots


def test_taking_consumes_the_displayed_depth_until_the_next_update() -> None:
    exchange = with_account(make_exchange(), usdt=10_000_000)
    before = exchange.book("BTCUSDT", 3).asks
    lots = before[0][1] + 5
    quantity = exchange.contracts()["BTCUSDT"].quantity_of(lots)
    order = place(exchange, "alice", "BUY", quantity=str(quantity))
    after = exchange.book("BTCUSDT", 3).asks
    assert order.filled_lots == lots
    assert [trade.lots for trade in exchange.trades("alice", None)] == [before[0][1], 5]
    assert after[0] == (before[1][0], before[1][1] - 5)
    play_minutes(exchange, 0.1)
    assert sum(lots for _, lots in exchange.book("BTCUSDT", 20).asks) > 0


def test_earlier_minutes_become_kline_history() -> None:
    history = RecordedHistory({"BTCUSDT": symbol_history("BTCUSDT", flat_bars(60_000.0, 30))})
    options = ExchangeOptions(substep_ms=5000, start_ms=START_MS + 20 * MINUTE_MS)
    exchange = SimulatedExchange.from_history(history, options)
    assert exchange.now_ms == START_MS + 20 * MINUTE_MS
    bars = exchange.klines("BTCUSDT", MINUTE_MS, None, None, 100)
    assert [bar.open_ms for bar in bars] == [START_MS + index * MINUTE_MS for index in range(20)]
    assert all(isinstance(bar, KlineRecord) and bar.lots == 10_000 for bar in bars)


@pytest.mark.parametrize("substep_ms", [0, -5, 7_000, 20_000, 60_000])
def test_a_substep_must_divide_the_minute(substep_ms: int) -> None:
    exchange = make_exchange()
    history = symbol_history("BTCUSDT", flat_bars(60_000.0, 2))
    with pytest.raises(ValueError, match="substep_ms must divide"):
        recorded_market(exchange.contracts()["BTCUSDT"], history, seed=1, substep_ms=substep_ms)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.001, 0.01, 3.0, 500.0]))
def test_any_seed_reproduces_the_record(seed: int, volume: float) -> None:
    bars = [(60_000.0 + i, 60_000.0 + i + 7 * (i % 5), 59_990.0 + i, 59_995.0 + i, volume) for i in range(12)]
    history = RecordedHistory({"BTCUSDT": symbol_history("BTCUSDT", bars)})
    assert_bars_equal_the_record(play_all(history, seed=seed, substep_ms=15_000), history.symbols["BTCUSDT"])


def test_a_synthetic_market_needs_no_data_and_never_ends() -> None:
    spec = make_exchange().contracts()["BTCUSDT"]

    def exchange(seed: int) -> SimulatedExchange:
        return SimulatedExchange(
            [
                synthetic_market(
                    spec,
                    seed=seed,
                    start_ms=START_MS,
                    start_ticks=600_000,
                    lots_per_minute=20_000,
                    substep_ms=5000,
                )
            ]
        )

    def closes(seed: int) -> list[int]:
        played = exchange(seed)
        assert played.end_ms is None
        played.advance_to(START_MS + 6 * 3_600_000)
        assert played.next_step_ms() == START_MS + 6 * 3_600_000 + 5000
        bars = played.klines("BTCUSDT", MINUTE_MS, None, None, 1000)
        assert len(bars) == 361
        assert all(bar.low_ticks <= bar.open_ticks <= bar.high_ticks for bar in bars)
        return [bar.close_ticks for bar in bars]

    assert closes(1) == closes(1)
    assert closes(1) != closes(2)
    moves = [abs(later / earlier - 1) for earlier, later in pairwise(closes(1)[:-1])]
    assert 2e-4 < sum(moves) / len(moves) < 2e-3


def test_an_endless_recording_turns_round_without_a_jump() -> None:
    recorded = [(60000, 60010, 59995, 60005), (60006, 60020, 60004, 60018), (60018, 60019, 59990, 59992)]
    exchange = with_account(make_exchange([(*prices, 40.0) for prices in recorded], endless=True))
    far = place(exchange, "alice", "BUY", "LIMIT", price="59400")
    assert exchange.end_ms is None
    exchange.advance_to(START_MS + 12 * MINUTE_MS)
    bars = exchange.klines("BTCUSDT", MINUTE_MS, None, START_MS + 12 * MINUTE_MS - 1, 100)
    assert [bar.open_ms for bar in bars] == [START_MS + minute * MINUTE_MS for minute in range(12)]
    ticks = [(bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks) for bar in bars]
    prices = [tuple(int(bars[0].spec.price_of(each)) for each in bar) for bar in ticks]
    back = [(close, high, low, open_) for open_, high, low, close in reversed(recorded)]
    assert prices == [*recorded, *back, *recorded, *back]
    assert far.status is OrderStatus.NEW
    assert exchange.audit().balanced


def test_an_endless_recording_repeats_only_what_has_no_break() -> None:
    sample = load_history(None, ["BTCUSDT"]).symbols["BTCUSDT"]
    columns = ("open_time_ms", "open", "high", "low", "close", "base_volume", "taker_buy_base")
    kept = {name: [*getattr(sample, name)[:10], *getattr(sample, name)[100:130]] for name in columns}
    broken = replace(sample, **kept)
    spec = make_exchange().contracts()["BTCUSDT"]
    feed = RecordedFeed(spec, broken, endless=True)
    minutes = [feed.next_minute() for _ in range(40 + 3 * 30)]
    assert all(minutes)
    after = [each.open_ms for each in minutes[40:] if each is not None]
    assert after == [broken.end_ms + step * MINUTE_MS for step in range(90)]
    first = minutes[10]
    last = minutes[40 + 29]
    assert first is not None
    assert last is not None
    assert (last.open, last.close) == (first.close, first.open)
    assert {each.low for each in minutes[40:] if each} == {each.low for each in minutes[10:40] if each}
