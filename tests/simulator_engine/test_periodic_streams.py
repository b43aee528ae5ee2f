"""Running bars and marks come at the end of their periods, closed bars at once, as over the wire."""

from decimal import Decimal

from aster_operator.domain.clock import ManualClock
from aster_operator.domain.events import BarUpdated, MarkUpdated
from aster_operator.domain.market import Bar, MarkPrice
from aster_operator.exchange.client_protocol import MarketChannel, StreamEvent
from aster_operator.market_data.history import load_history
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.in_process.periodic_streams import PeriodicStreams


def update(time_ms: int, symbol: str = "BTCUSDT", *, minute: int = 0, is_closed: bool = False) -> BarUpdated:
    one = Decimal(1)
    bar = Bar(
        symbol=symbol, interval="1m", open_ms=minute * 60_000, close_ms=minute * 60_000 + 59_999,
        open=one, high=one, low=one, close=one, base_volume=Decimal(time_ms), quote_volume=one, trades=1,
        taker_buy_base_volume=one, taker_buy_quote_volume=one, is_closed=is_closed,
    )  # fmt: skip
    return BarUpdated(event_ms=time_ms, received_ns=1, bar=bar)


def mark(symbol: str, at_ms: int) -> MarkUpdated:
    one = Decimal(1)
    told = MarkPrice(
        symbol=symbol, mark=one, index=one, funding_rate=one, next_funding_ms=0, event_ms=at_ms, received_ns=1
    )  # fmt: skip
    return MarkUpdated(event_ms=at_ms, received_ns=1, mark=told)


class Listener:
    def __init__(self, *marked: str) -> None:
        self.told: list[tuple[str, int, int, bool]] = []
        self.names: list[str] = []
        self.streams = PeriodicStreams(self._hear, mark, marked, now_ms=0)

    def _hear(self, event: BarUpdated | MarkUpdated) -> None:
        if isinstance(event, MarkUpdated):
            self.names.append(f"mark {event.mark.symbol} {event.event_ms}")
            return
        bar = event.bar
        self.names.append(f"bar {bar.symbol} {event.event_ms}")
        self.told.append((bar.symbol, event.event_ms, int(bar.base_volume), bar.is_closed))


def test_the_newest_running_bar_is_told_when_its_period_ends() -> None:
    listener = Listener()
    listener.streams.take(update(1_000, "ETHUSDT"))
    listener.streams.take(update(1_000))
    listener.streams.take(update(1_100))
    listener.streams.tell_due(1_249)
    assert listener.told == []
    listener.streams.tell_due(6_000)
    assert listener.told == [("BTCUSDT", 1_250, 1_100, False), ("ETHUSDT", 1_250, 1_000, False)]
    listener.streams.tell_due(9_000)
    assert len(listener.told) == 2


def test_a_closed_bar_is_told_at_once_and_no_running_one_after_it() -> None:
    listener = Listener()
    listener.streams.take(update(59_900))
    listener.streams.take(update(60_000, is_closed=True))
    listener.streams.tell_due(60_000)
    assert listener.told == [("BTCUSDT", 60_000, 60_000, True)]


def test_a_bar_that_ended_meanwhile_is_not_told_as_running() -> None:
    listener = Listener()
    listener.streams.take(update(59_900))
    listener.streams.tell_due(60_000)
    listener.streams.take(update(60_010, minute=1))
    listener.streams.tell_due(60_250)
    assert listener.told == [("BTCUSDT", 60_250, 60_010, False)]


def test_marks_and_bars_of_one_instant_come_in_the_order_of_their_streams_names() -> None:
    """As over the wire: or of two symbols that act on the same instant another one acts first."""
    listener = Listener("ETHUSDT", "BTCUSDT")
    for symbol in ("ETHUSDT", "BTCUSDT"):
        listener.streams.take(update(800, symbol))
    listener.streams.tell_due(1_000)
    assert listener.names == [
        "bar BTCUSDT 1000",
        "mark BTCUSDT 1000",
        "bar ETHUSDT 1000",
        "mark ETHUSDT 1000",
    ]


def test_marks_come_every_second_moved_or_not_and_after_a_jump_once() -> None:
    listener = Listener("BTCUSDT")
    for now_ms in (999, 1_000, 1_900, 2_000, 7_300, 7_900, 8_000):
        listener.streams.tell_due(now_ms)
    assert listener.names == [f"mark BTCUSDT {at_ms}" for at_ms in (1_000, 2_000, 7_000, 8_000)]


async def test_marks_of_one_second_come_in_the_order_of_their_streams_names() -> None:
    """As over the wire: or of two symbols that act on the same second another one acts first."""
    exchange = SimulatedExchange.from_history(load_history(), ExchangeOptions(substep_ms=5_000))
    exchange.create_account("trader", {"USDT": Decimal(1_000)})
    client = InProcessClient(exchange, "trader", ManualClock(exchange.now_ms))
    told: list[StreamEvent] = []
    channels = [MarketChannel(symbol=symbol) for symbol in ("ETHUSDT", "BTCUSDT")]
    await client.open_market_stream(channels, told.append)
    for _ in range(4):
        exchange.advance_to(exchange.next_step_ms() or 0)
    marks = [event.mark.symbol for event in told if isinstance(event, MarkUpdated)]
    assert len(marks) >= 4
    assert marks == ["BTCUSDT", "ETHUSDT"] * (len(marks) // 2)


async def test_marks_are_told_while_time_passes_without_an_event() -> None:
    """A core that looks again every 100 ms moves time between two events of the market: over the wire the
    marks of each second are told then too."""
    exchange = SimulatedExchange.from_history(load_history(), ExchangeOptions(substep_ms=5_000))
    exchange.create_account("trader", {"USDT": Decimal(1_000)})
    client = InProcessClient(exchange, "trader", ManualClock(exchange.now_ms))
    exchange.advance_to(exchange.next_step_ms() or 0)
    start_ms = exchange.now_ms
    told: list[StreamEvent] = []
    stream = await client.open_market_stream([MarketChannel(symbol="BTCUSDT")], told.append)
    for passed_ms in range(100, 2_100, 100):
        exchange.advance_to(start_ms + passed_ms)
        await stream.fence()
    marks = [event.event_ms - start_ms for event in told if isinstance(event, MarkUpdated)]
    assert marks == [1_000, 2_000]
