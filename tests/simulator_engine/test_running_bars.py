"""Running bars come at the end of each quarter of a second, closed ones at once, as over the wire."""

from decimal import Decimal

from aster_operator.domain.clock import ManualClock
from aster_operator.domain.events import BarUpdated, MarkUpdated
from aster_operator.domain.market import Bar
from aster_operator.exchange.client_protocol import MarketChannel, StreamEvent
from aster_operator.market_data.history import load_history
from aster_operator.simulator.exchange import ExchangeOptions, SimulatedExchange
from aster_operator.simulator.in_process.client import InProcessClient
from aster_operator.simulator.in_process.running_bars import RunningBars


def update(time_ms: int, symbol: str = "BTCUSDT", *, minute: int = 0, is_closed: bool = False) -> BarUpdated:
    one = Decimal(1)
    bar = Bar(
        symbol=symbol, interval="1m", open_ms=minute * 60_000, close_ms=minute * 60_000 + 59_999,
        open=one, high=one, low=one, close=one, base_volume=Decimal(time_ms), quote_volume=one, trades=1,
        taker_buy_base_volume=one, taker_buy_quote_volume=one, is_closed=is_closed,
    )  # fmt: skip
    return BarUpdated(event_ms=time_ms, received_ns=1, bar=bar)


class Listener:
    def __init__(self) -> None:
        self.told: list[tuple[str, int, int, bool]] = []
        self.bars = RunningBars(self._hear)

    def _hear(self, event: BarUpdated) -> None:
        bar = event.bar
        self.told.append((bar.symbol, event.event_ms, int(bar.base_volume), bar.is_closed))


def test_the_newest_running_bar_is_told_when_its_period_ends() -> None:
    listener = Listener()
    listener.bars.take(update(1_000, "ETHUSDT"))
    listener.bars.take(update(1_000))
    listener.bars.take(update(1_100))
    listener.bars.tell_due(1_249)
    assert listener.told == []
    listener.bars.tell_due(6_000)
    assert listener.told == [("BTCUSDT", 1_250, 1_100, False), ("ETHUSDT", 1_250, 1_000, False)]
    listener.bars.tell_due(9_000)
    assert len(listener.told) == 2


def test_a_closed_bar_is_told_at_once_and_no_running_one_after_it() -> None:
    listener = Listener()
    listener.bars.take(update(59_900))
    listener.bars.take(update(60_000, is_closed=True))
    listener.bars.tell_due(60_000)
    assert listener.told == [("BTCUSDT", 60_000, 60_000, True)]


def test_a_bar_that_ended_meanwhile_is_not_told_as_running() -> None:
    listener = Listener()
    listener.bars.take(update(59_900))
    listener.bars.tell_due(60_000)
    listener.bars.take(update(60_010, minute=1))
    listener.bars.tell_due(60_250)
    assert listener.told == [("BTCUSDT", 60_250, 60_010, False)]


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
