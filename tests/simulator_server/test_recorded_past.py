"""What a program that has just started asks of the time before: bars and funding."""

from aster_operator.domain.clock import HOUR_MS, MINUTE_MS
from aster_operator.market_data.history import load_history
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.server.market_feed import MarketFeed


def test_mark_and_index_bars_reach_back_into_the_recording_without_a_seam() -> None:
    history = load_history()
    start_ms = history.start_ms + 10 * HOUR_MS
    exchange = SimulatedExchange.from_history(history, ExchangeOptions(start_ms=start_ms, substep_ms=5000))
    feed = MarketFeed(exchange)
    for symbol in exchange.contracts():
        before = feed.mark_bars(symbol)
        assert len(before) == 600
        trades = exchange.klines(symbol, MINUTE_MS, None, None, 1)[-1]
        unit = trades.spec.price_atoms_per_tick
        assert (before[-1].open_ms, before[-1].close_e8) == (trades.open_ms, trades.close_ticks * unit)
    exchange.subscribe(lambda event: feed.on_mark(event) if type(event).__name__ == "MarkEvent" else None)
    exchange.advance_to(start_ms + 5 * MINUTE_MS)
    for bars in (feed.mark_bars("BTCUSDT"), feed.index_bars("BTCUSDT")):
        opens = [bar.open_ms for bar in bars]
        assert opens == list(range(history.start_ms, start_ms + 6 * MINUTE_MS, MINUTE_MS))


def test_settlements_of_the_recording_are_history_and_happened_to_nobody() -> None:
    history = load_history()
    start_ms = history.start_ms + 24 * HOUR_MS
    recorded = [
        (time_ms, round(rate * 10**8))
        for time_ms, rate in history.symbols["BTCUSDT"].funding
        if history.start_ms <= time_ms <= start_ms
    ]
    exchange = SimulatedExchange.from_history(history, ExchangeOptions(start_ms=start_ms, substep_ms=5000))
    exchange.create_account("alice", {})
    rows = exchange.funding_history("BTCUSDT", None, None, 100)
    assert [(time_ms, rate_e8) for _, time_ms, rate_e8 in rows] == recorded
    assert len(recorded) >= 3
    assert exchange.income("alice") == []
    assert exchange.funding_history("BTCUSDT", start_ms + 1, None, 100) == []
