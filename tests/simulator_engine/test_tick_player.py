"""Recorded ticks through the engine."""

from pathlib import Path

import polars as pl
import pytest

from aster_operator.domain.enums import OrderStatus
from aster_operator.market_data.history import HistoryError
from aster_operator.market_data.ticks import (
    BookTick,
    MarkTick,
    MinuteTick,
    TickHistory,
    TradeTick,
    load_ticks,
)
from aster_operator.simulator.contracts import contract_for_prices
from aster_operator.simulator.exchange import SimulatedExchange
from aster_operator.simulator.model import TradeEvent
from aster_operator.simulator.tick_player import TickPlayer

from .helpers import START_MS, place, record, with_account

CAPTURES = Path(__file__).parents[3] / "shared" / "data" / "aster"
SPEC = contract_for_prices("BTCUSDT", [])


def book(offset_ms: int, bid: float, ask: float, quantity: float = 1.0) -> BookTick:
    return BookTick(
        START_MS + offset_ms,
        ((bid, quantity), (bid - 0.1, quantity * 2)),
        ((ask, quantity), (ask + 0.1, quantity * 2)),
    )


def exchange_of(*ticks: BookTick | TradeTick) -> SimulatedExchange:
    exchange = SimulatedExchange([TickPlayer(SPEC, TickHistory("BTCUSDT", ticks), seed=1)])
    exchange.advance_to(START_MS)
    return with_account(exchange)


def test_books_are_shown_and_trades_printed_as_recorded() -> None:
    exchange = exchange_of(
        book(0, 60_000.0, 60_000.1),
        TradeTick(START_MS + 10, 60_000.1, 0.25, True),
        TradeTick(START_MS + 10, 60_000.4, 0.5, True),
        book(30, 60_000.3, 60_000.4),
    )
    events = record(exchange)
    assert exchange.book("BTCUSDT", 5).asks == ((600_001, 1000), (600_002, 2000))
    exchange.advance_to(START_MS + 10)
    assert exchange.book("BTCUSDT", 5).asks == ()
    exchange.advance_to(START_MS + 30)
    trades = [(event.ticks, event.lots) for event in events if isinstance(event, TradeEvent)]
    assert trades == [(600_001, 250), (600_004, 500)]
    assert exchange.book("BTCUSDT", 1).bids == ((600_003, 1000),)
    assert exchange.next_step_ms() is None


def test_a_recorded_trade_fills_a_resting_order_when_its_turn_comes() -> None:
    exchange = exchange_of(
        book(0, 60_000.0, 60_000.1),
        TradeTick(START_MS + 10, 60_000.0, 0.9, False),
        TradeTick(START_MS + 20, 60_000.0, 0.3, False),
        TradeTick(START_MS + 30, 59_999.0, 0.1, False),
    )
    order = place(exchange, "alice", "BUY", "LIMIT", "0.5", price="60000", tif="GTX")
    filled = []
    for offset in (10, 20, 30):
        exchange.advance_to(START_MS + offset)
        filled.append(order.filled_lots)
    # One whole bitcoin was shown before us; 0.9 and 0.1 of it trade first.
    assert filled == [0, 200, 300]
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert exchange.audit().balanced


def test_best_prices_without_sizes_get_a_seeded_ladder() -> None:
    tick = BookTick(START_MS, ((60_000.0, 0.0),), ((60_000.1, 0.0),))
    view = exchange_of(tick).book("BTCUSDT", 100)
    assert len(view.bids) == len(view.asks) == 20
    assert view.bids[0][0] == 600_000
    assert view == exchange_of(tick).book("BTCUSDT", 100)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason=f"no captures at {CAPTURES}")
def test_a_real_capture_plays_to_its_end() -> None:
    ticks = load_ticks(
        "BTCUSDT",
        trades=CAPTURES / "agg_trades.parquet",
        depth=CAPTURES / "depth10.parquet",
        session="S2",
    )
    exchange = SimulatedExchange([TickPlayer(SPEC, ticks, seed=1)])
    events = record(exchange)
    assert exchange.end_ms is not None
    exchange.advance_to(exchange.end_ms)
    printed = [event.ticks for event in events if isinstance(event, TradeEvent)]
    recorded = [round(tick.price * 10) for tick in ticks.ticks if isinstance(tick, TradeTick)]
    assert sorted(printed) == sorted(recorded)
    assert exchange.audit().balanced


def test_best_prices_fill_the_times_that_ten_level_books_do_not_cover(tmp_path: Path) -> None:
    tops, depth = tmp_path / "book_top.parquet", tmp_path / "depth10.parquet"
    times = [START_MS, START_MS + 600_000, START_MS + 600_500]
    pl.DataFrame(
        {
            "symbol": ["BTCUSDT"] * 3,
            "session": ["A", "B", "B"],
            "recv_ms": times,
            "bid": [60_000.0] * 3,
            "ask": [60_000.5] * 3,
        }
    ).write_parquet(tops)
    levels = {
        f"{side}_{what}_{level}": [1.0 if what == "qty" else 60_000.0 + sign * level]
        for side, sign in (("bid", -1), ("ask", 1))
        for what in ("price", "qty")
        for level in range(10)
    }
    books = {"symbol": ["BTCUSDT"], "session": ["B"], "recv_ms": [times[1]], **levels}
    pl.DataFrame(books).write_parquet(depth)
    ticks = load_ticks("BTCUSDT", tops=tops, depth=depth).ticks
    assert [(tick.time_ms, len(tick.bids)) for tick in ticks if isinstance(tick, BookTick)] == [
        (times[0], 1),
        (times[1], 10),
    ]
    (only,) = load_ticks("BTCUSDT", tops=tops, depth=depth, session="A").ticks
    assert only.time_ms == times[0]
    with pytest.raises(HistoryError, match="no book"):
        load_ticks("BTCUSDT", tops=tops, depth=depth, session="C")


def test_captures_that_cannot_be_used(tmp_path: Path) -> None:
    trades = {"symbol": ["BTCUSDT"], "time_ms": [START_MS], "price": [1.0], "qty": [1.0]}
    file = tmp_path / "trades.parquet"
    pl.DataFrame({**trades, "taker_side": ["both"]}).write_parquet(file)
    with pytest.raises(HistoryError, match="row 1, column taker_side: both must be buy or sell"):
        load_ticks("BTCUSDT", trades=file)
    pl.DataFrame({**trades, "taker_side": ["buy"]}).write_parquet(file)
    with pytest.raises(HistoryError, match="no book in the captures"):
        load_ticks("BTCUSDT", trades=file)
    with pytest.raises(HistoryError, match="no row of ETHUSDT"):
        load_ticks("ETHUSDT", trades=file)
    tops = tmp_path / "tops.parquet"
    pl.DataFrame({"symbol": ["BTCUSDT"], "recv_ms": [START_MS], "bid": [-1.0], "ask": [2.0]}).write_parquet(
        tops
    )
    with pytest.raises(HistoryError, match=r"row 1, column bid: -1.0 must be a number above zero"):
        load_ticks("BTCUSDT", tops=tops)


@pytest.mark.parametrize(
    ("order_type", "fields"),
    [
        ("STOP_MARKET", {"stop_price": "59950"}),
        ("TRAILING_STOP_MARKET", {"callback_rate_pct": "0.2"}),
    ],
)
def test_a_trigger_is_met_by_every_print_and_not_only_by_the_last_of_a_moment(
    order_type: str, fields: dict[str, str]
) -> None:
    """The price dips and comes back within one millisecond; the trailing one starts from a high in it."""
    exchange = exchange_of(
        book(0, 60_000.0, 60_000.1),
        TradeTick(START_MS + 10, 60_000.1, 0.1, True),
        book(20, 60_000.0, 60_000.1),
        TradeTick(START_MS + 30, 60_000.1, 0.1, True),
        TradeTick(START_MS + 30, 60_030.0, 0.1, True),
        TradeTick(START_MS + 30, 59_900.0, 0.1, False),
        TradeTick(START_MS + 30, 60_000.0, 0.1, True),
        book(30, 60_000.0, 60_000.1),
        book(40, 60_000.0, 60_000.1),
    )
    exchange.advance_to(START_MS + 20)
    stop = place(exchange, "alice", "SELL", order_type, "0.01", **fields)
    exchange.advance_to(START_MS + 29)
    assert stop.status is OrderStatus.NEW
    exchange.advance_to(START_MS + 40)
    assert stop.status.is_final
    assert exchange.audit().balanced


def test_everything_can_be_moved_to_a_later_time() -> None:
    ticks = (book(0, 60_000.0, 60_000.1), TradeTick(START_MS + 10, 60_000.1, 0.25, True))
    marks = (MarkTick(START_MS + 5, 60_010.0, 60_000.0, 0.0002, START_MS + 3_600_000),)
    minutes = (MinuteTick(START_MS - 60_000, 1.0, 2.0, 1.0, 2.0, 5.0, None, None, None),)
    history = TickHistory("BTCUSDT", ticks, marks, minutes, ((START_MS, 0.0001),))
    delay_ms = 86_400_000 + 60_000
    player, moved = TickPlayer(SPEC, history, seed=1), TickPlayer(SPEC, history, seed=1, delay_ms=delay_ms)
    assert moved.next_ms() == START_MS + delay_ms
    assert moved.end_ms == START_MS + 10 + delay_ms
    assert moved.recorded_rates_e8() == {START_MS + delay_ms: 10_000}
    (before,), (after,) = player.history(), moved.history()
    assert (after.open_ms - before.open_ms, after.close_ms - before.close_ms) == (delay_ms, delay_ms)
    exchange = SimulatedExchange([moved])
    exchange.advance_to(START_MS + delay_ms + 10)
    told = exchange.mark("BTCUSDT")
    assert told.next_funding_ms == START_MS + delay_ms + 3_600_000
    assert exchange.recent_trades("BTCUSDT", 1)[0].time_ms == START_MS + delay_ms + 10
    with pytest.raises(ValueError, match="whole minutes"):
        TickPlayer(SPEC, history, seed=1, delay_ms=5)
