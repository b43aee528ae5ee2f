"""Plays recorded ticks: books as they were shown, trades as they were printed."""

from collections import deque
from collections.abc import Iterator

from aster_operator.domain.enums import Side
from aster_operator.market_data.history import MINUTE_MS
from aster_operator.market_data.ticks import BookTick, MarkTick, MinuteTick, TickHistory, TradeTick
from aster_operator.simulator.book import Ladder
from aster_operator.simulator.liquidity import DepthModel
from aster_operator.simulator.market_source import MarketDesk
from aster_operator.simulator.model import ATOMS, ContractSpec, KlineRecord

__all__ = ["TickPlayer"]

# What a best price without a recorded size shows: this much in quote units, then the seeded ladder.
_TOUCH_NOTIONAL = 5_000


class TickPlayer:
    """A `MarketSource` over captured ticks; all ticks of one millisecond are one step.

    Where only best prices were captured, the depth behind them is seeded. A recorded trade first fills
    account orders by price and time, then prints at its own price. Recorded marks, funding and earlier
    minutes count as they are; without them mark and funding are the exchange's own. `delay_ms`, in whole
    minutes, moves everything to a later time. Raises ValueError for an empty history and for another delay.
    """

    def __init__(self, spec: ContractSpec, history: TickHistory, *, seed: int, delay_ms: int = 0) -> None:
        if not history.ticks:
            raise ValueError(f"{spec.symbol}: no ticks to play")
        if delay_ms % MINUTE_MS:
            raise ValueError(f"delay_ms must be whole minutes, was {delay_ms}")
        self._delay_ms = delay_ms
        self._spec = spec
        self._ticks: Iterator[BookTick | TradeTick] = iter(history.ticks)
        self._tick_size = float(spec.instrument.tick_size)
        self._lots_per_unit = float(spec.lots_per_unit)
        self._pending: BookTick | TradeTick | None = next(self._ticks)
        self._marks = deque(history.marks)
        self._minutes = history.minutes
        self._rates_e8 = {time_ms + delay_ms: round(rate * ATOMS) for time_ms, rate in history.funding}
        self._is_told_the_index = bool(history.marks)
        self._end_ms = history.ticks[-1].time_ms + delay_ms
        first_book = next(tick for tick in history.ticks if isinstance(tick, BookTick))
        self._start_ticks = self._mid = self._price_ticks(first_book.bids[0][0])
        self._depth = DepthModel(f"{seed}:{spec.symbol}:depth", self._start_ticks)
        unit = self._start_ticks * spec.atoms_per_tick_lot
        self._touch_lots = max(1, _TOUCH_NOTIONAL * 10**8 // unit)
        self._minute = -1

    @property
    def spec(self) -> ContractSpec:
        return self._spec

    @property
    def start_ticks(self) -> int:
        return self._start_ticks

    @property
    def end_ms(self) -> int | None:
        return self._end_ms

    def recorded_rates_e8(self) -> dict[int, int]:
        return self._rates_e8

    def history(self) -> list[KlineRecord]:
        return [self._bar(minute) for minute in self._minutes]

    def next_ms(self) -> int | None:
        """Marks end with the last tick."""
        captured_ms = self._next_captured_ms()
        return None if captured_ms is None else captured_ms + self._delay_ms

    def _next_captured_ms(self) -> int | None:
        if self._pending is None:
            return None
        if self._marks and self._minute >= 0:
            return min(self._pending.time_ms, self._marks[0].time_ms)
        return self._pending.time_ms

    def play(self, desk: MarketDesk) -> None:
        """Take all ticks of the next millisecond."""
        now_ms = self._next_captured_ms()
        if now_ms is None:
            return
        if (now_ms + self._delay_ms) // MINUTE_MS != self._minute:
            self._minute = (now_ms + self._delay_ms) // MINUTE_MS
            desk.begin_minute(self._spec.symbol, self._minute * MINUTE_MS)
        while self._marks and self._marks[0].time_ms <= now_ms:
            self._tell(desk, self._marks.popleft())
        while (tick := self._pending) is not None and tick.time_ms == now_ms:
            if isinstance(tick, BookTick):
                self._show(desk, tick)
            else:
                self._print(desk, tick)
            self._pending = next(self._ticks, None)
        desk.reference(self._spec.symbol, self._mid)

    def _show(self, desk: MarketDesk, tick: BookTick) -> None:
        bids, asks = self._ladder(tick.bids, -1), self._ladder(tick.asks, 1)
        if not self._is_told_the_index:
            self._mid = max(1, (next(iter(bids)) + next(iter(asks))) // 2)
        desk.requote(self._spec.symbol, bids, asks)

    def _tell(self, desk: MarketDesk, tick: MarkTick) -> None:
        self._mid = self._price_ticks(tick.index)
        desk.dictate_mark(
            self._spec.symbol,
            max(1, round(tick.mark * ATOMS)),
            round(tick.funding_rate * ATOMS),
            tick.next_funding_ms + self._delay_ms,
        )

    def _bar(self, minute: MinuteTick) -> KlineRecord:
        lots = round(minute.base_volume * self._lots_per_unit)
        bought = round((minute.taker_buy_base or minute.base_volume / 2) * self._lots_per_unit)
        open_, high, low, close = (
            self._price_ticks(price) for price in (minute.open, minute.high, minute.low, minute.close)
        )
        typical = (open_ + high + low + close) // 4
        quote = minute.quote_volume
        return KlineRecord(
            self._spec,
            minute.open_ms + self._delay_ms,
            minute.open_ms + self._delay_ms + MINUTE_MS - 1,
            open_,
            high,
            low,
            close,
            lots=lots,
            quote_atoms=self._spec.notional_atoms(typical, lots) if quote is None else round(quote * ATOMS),
            trades=minute.trades or 0,
            taker_buy_lots=bought,
            taker_buy_quote_atoms=self._spec.notional_atoms(typical, bought),
        )

    def _print(self, desk: MarketDesk, tick: TradeTick) -> None:
        lots = max(1, round(tick.quantity * self._lots_per_unit))
        side = Side.BUY if tick.taker_buys else Side.SELL
        desk.print_trade(self._spec.symbol, side, lots, self._price_ticks(tick.price))

    def _ladder(self, levels: tuple[tuple[float, float], ...], direction: int) -> Ladder:
        best_price, best_quantity = levels[0]
        if not best_quantity:
            self._depth.advance()
            return self._depth.ladder(self._price_ticks(best_price), direction, self._touch_lots)
        ladder: Ladder = {}
        for price, quantity in levels:
            ticks = self._price_ticks(price)
            ladder[ticks] = ladder.get(ticks, 0) + max(1, round(quantity * self._lots_per_unit))
        return ladder

    def _price_ticks(self, price: float) -> int:
        return max(1, round(price / self._tick_size))
